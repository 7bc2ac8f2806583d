//! One tap of a counter at a time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use suntap::CounterId;
use tokio::sync::OwnedMutexGuard;

type Lock = tokio::sync::Mutex<()>;

/// One lock for each counter that is being advanced. There are never more locks than taps in progress.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<[u8; 16], Weak<Lock>>>);

/// The right to advance one counter.
pub(super) struct Turn<'t> {
    /// Dropped before `_entry`, which removes the lock if nobody else uses it.
    _lock: OwnedMutexGuard<()>,
    _entry: Entry<'t>,
}

/// Removes a lock that nobody uses any more.
struct Entry<'t> {
    turns: &'t Turns,
    id: [u8; 16],
}

impl Turns {
    /// Waits until no other tap of this counter is in progress.
    pub(super) async fn wait(&self, id: &CounterId) -> Turn<'_> {
        let id = *id.as_bytes();
        // First, so that it is dropped last if the caller stops waiting.
        let entry = Entry { turns: self, id };
        let lock = self.lock(id);
        Turn { _lock: lock.lock_owned().await, _entry: entry }
    }

    /// Returns `true` if a tap of this counter is in progress.
    pub(super) fn is_taken(&self, id: &CounterId) -> bool {
        self.locks().contains_key(id.as_bytes())
    }

    fn lock(&self, id: [u8; 16]) -> Arc<Lock> {
        let mut locks = self.locks();
        if let Some(lock) = locks.get(&id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(id, Arc::downgrade(&lock));
        lock
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<[u8; 16], Weak<Lock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let mut locks = self.turns.locks();
        if locks.get(&self.id).is_some_and(|lock| lock.strong_count() == 0) {
            locks.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn taps_of_one_counter_wait_and_leave_nothing_behind() {
        let turns = Turns::default();
        let [one, other] = [1, 2].map(|byte| CounterId::from_bytes([byte; 16]));
        let first = turns.wait(&one).await;
        let _other = turns.wait(&other).await;
        // A waiting tap is given up.
        assert!(tokio::time::timeout(Duration::from_millis(10), turns.wait(&one)).await.is_err());
        assert_eq!(turns.locks().len(), 2);
        let waiting = async { turns.wait(&one).await };
        let finish = async {
            tokio::task::yield_now().await;
            drop(first);
        };
        let (second, ()) = tokio::join!(waiting, finish);
        drop(second);
        assert_eq!(turns.locks().len(), 1);
    }
}
