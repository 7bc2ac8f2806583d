//! What many taps read alike: parsed once, and again only when it has changed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use suntap::{CounterId, Mark};

use crate::store::{Store, StoreError};

/// Batches, that is, or organisations. Behind them one makes room for another.
const ROOM: usize = 4096;

/// Values read from documents. A store that does not know of all changes is asked for the documents each time, and only their
/// meaning is kept.
#[derive(Debug)]
pub(crate) struct Cache<T: ?Sized>(Mutex<HashMap<String, Kept<T>>>);

#[derive(Debug)]
struct Kept<T: ?Sized> {
    stamp: Option<u64>,
    documents: Arc<[Option<String>]>,
    value: Arc<T>,
}

impl<T: ?Sized> Cache<T> {
    /// What the documents under these keys say, and the mark. The last key tells what the others are.
    pub(crate) async fn get(
        &self,
        store: &Store,
        keys: &[String],
        mark: Option<&CounterId>,
        parse: impl FnOnce(&[Option<String>]) -> Result<Arc<T>, StoreError>,
    ) -> Result<(Arc<T>, Option<Mark>), StoreError> {
        let name = keys.last().map(String::as_str).unwrap_or_default();
        // Before anything is read, so that a change in between only makes it be read again.
        let stamp = store.stamp();
        let kept = self.lock().get(name).cloned();
        if let Some(kept) = kept.as_ref().filter(|kept| stamp.is_some() && kept.stamp == stamp) {
            let mark = if mark.is_some() { store.read(&[], mark).await?.mark } else { None };
            return Ok((Arc::clone(&kept.value), mark));
        }
        let found = store.read(keys, mark).await?;
        let value = match kept.filter(|kept| *kept.documents == *found.documents) {
            Some(kept) if stamp.is_none() => return Ok((kept.value, found.mark)),
            Some(kept) => kept.value,
            None => parse(&found.documents)?,
        };
        let kept = Kept { stamp, documents: found.documents.into(), value: Arc::clone(&value) };
        let mut room = self.lock();
        if room.len() >= ROOM && !room.contains_key(name) {
            // Any: which one is asked for next nobody knows.
            let other = room.keys().next().cloned();
            other.and_then(|other| room.remove(&other));
        }
        room.insert(name.into(), kept);
        Ok((value, found.mark))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: ?Sized> Default for Cache<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: ?Sized> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { stamp: self.stamp, documents: Arc::clone(&self.documents), value: Arc::clone(&self.value) }
    }
}
