//! Keeps values of the demo for a while, under random names.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hex;
use crate::secrets::random;

/// The number of values that are kept.
const LIMIT: usize = 512;

/// Values under random names. The oldest is dropped if there are many.
pub(super) struct Kept<T>(Mutex<VecDeque<(String, Arc<T>)>>);

impl<T> Kept<T> {
    /// Keeps a value, and returns its name, which nobody can guess.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub(super) fn keep(&self, value: T) -> anyhow::Result<String> {
        let name = hex::encode(&random::<16>()?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(LIMIT.saturating_sub(1));
        kept.push_front((name.clone(), Arc::new(value)));
        Ok(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == name).map(|(_, value)| Arc::clone(value))
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
