//! What the demo keeps for a while, under random names.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::hex;
use crate::secrets::random;

/// The number of things that are kept.
const LIMIT: usize = 512;

/// Things under random names. The oldest is dropped if there are many.
pub(super) struct Kept<T>(Mutex<VecDeque<(String, Arc<T>)>>);

impl<T> Kept<T> {
    /// Keeps a thing, and returns its name, which nobody can guess.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub(super) fn keep(&self, thing: T) -> anyhow::Result<String> {
        let name = hex::encode(&random::<16>()?);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.truncate(LIMIT.saturating_sub(1));
        kept.push_front((name.clone(), Arc::new(thing)));
        Ok(name)
    }

    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == name).map(|(_, thing)| Arc::clone(thing))
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}
