//! Keeps values that are prepared from text, for lines that repeat the text.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use zeroize::Zeroize as _;

/// Maximum number of values. A batch with more different keys prepares some of them more than once.
const CAPACITY: usize = 1024;

/// A map from text to a value that was prepared from this text.
pub(super) struct Cache<T>(HashMap<Text, Arc<T>>);

/// Text that may contain a key, so it is wiped on drop.
#[derive(PartialEq, Eq, Hash)]
struct Text(Vec<u8>);

impl Drop for Text {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Cache<T> {
    /// Returns the value for a text. If there is none, calls `prepare` and keeps its result.
    pub(super) fn get<E>(&mut self, text: &[u8], prepare: impl FnOnce() -> Result<T, E>) -> Result<Arc<T>, E> {
        if let Some(value) = self.0.get(text) {
            return Ok(Arc::clone(value));
        }
        let value = Arc::new(prepare()?);
        if self.0.len() >= CAPACITY {
            self.0.clear();
        }
        self.0.insert(Text(text.to_vec()), Arc::clone(&value));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_value_is_prepared_once_and_errors_are_not_kept() {
        let mut cache = Cache::default();
        assert_eq!(cache.get(b"a", || Err("no")), Err("no"));
        assert_eq!(cache.get::<Infallible>(b"a", || Ok(1)), Ok(Arc::new(1)));
        assert_eq!(cache.get(b"a", || Err("no")), Ok(Arc::new(1)));
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let mut cache = Cache::default();
        for number in 0..CAPACITY * 3 {
            assert_eq!(cache.get::<Infallible>(&number.to_le_bytes(), || Ok(number)), Ok(Arc::new(number)));
            assert!(cache.0.len() <= CAPACITY);
        }
    }
}
