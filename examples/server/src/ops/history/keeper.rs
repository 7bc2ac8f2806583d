//! Writes the entries that belong to no commit, and removes old ones, in the background.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use suntap::UnixMillis;
use tokio::sync::{mpsc, watch};

use super::counts::{Counted, Counts};
use crate::ops::webhooks::Webhooks;
use crate::store::{Entry, Retention, Store, StoreError, Stream};
use crate::time::now;

/// Entries that may wait to be written. Further ones are dropped and counted.
const QUEUE: usize = 8192;
/// The time between two writes of the entries that wait, so that few of them share a write to disk with no other.
const PAUSE: Duration = Duration::from_millis(200);
/// The time between two looks for minutes that have ended.
const FLUSH: Duration = Duration::from_secs(1);
/// The time between two looks for old entries.
const PRUNE: Duration = Duration::from_secs(60);
/// The time between two steps of removing old entries. Taps come first.
const STEP_PAUSE: Duration = Duration::from_millis(20);
const DAY: u64 = 24 * 60 * 60 * 1000;

/// The history of a running server.
#[derive(Debug)]
pub(crate) struct History {
    days: u32,
    entries: u64,
    queue: mpsc::Sender<(Stream, Entry)>,
    waiting: tokio::sync::Mutex<mpsc::Receiver<(Stream, Entry)>>,
    replays: Mutex<Counts>,
    refusals: Mutex<Counts>,
    dropped: Counter,
    removed: Counter,
}

impl History {
    /// Creates a history that keeps entries for some days, and not more than a number of them. Entries that are not written are
    /// counted in `dropped`, and old ones in `removed`.
    pub(crate) fn new(days: u32, entries: u64, dropped: Counter, removed: Counter) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (replays, refusals) = (Counts::new(false).into(), Counts::new(true).into());
        Self { days, entries, queue, waiting: waiting.into(), replays, refusals, dropped, removed }
    }

    /// Adds an entry soon. If too many entries wait, it is dropped.
    pub(crate) fn queue(&self, stream: Stream, entry: Entry) {
        if self.queue.try_send((stream, entry)).is_err() {
            self.drop_entries(1);
        }
    }

    /// Counts entries that were not written.
    pub(crate) fn drop_entries(&self, count: usize) {
        self.dropped.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Counts a refusal that anybody can cause.
    pub(crate) fn refused(&self, verdict: &'static str, tag: Option<&str>) {
        let (_, lost) = lock(&self.refusals).add(now_or_zero(), verdict, tag);
        self.drop_entries(lost);
    }

    /// Writes an entry for a tap with a valid MAC that is refused, once per tag and minute, and counts the others. A client with one old
    /// URL can repeat it.
    pub(crate) fn replayed(&self, verdict: &'static str, tag: &str, entry: impl FnOnce(UnixMillis) -> Entry) {
        let now = now_or_zero();
        let (counted, lost) = lock(&self.replays).add(now, verdict, Some(tag));
        self.drop_entries(lost);
        if counted == Counted::First {
            self.queue(Stream::Replays, entry(now));
        }
    }

    /// Writes entries and removes old ones until `end`.
    pub(crate) async fn keep(&self, store: &Store, webhooks: &Webhooks, end: impl Future<Output = ()>) {
        let (ended, mut has_ended) = watch::channel(());
        let mut write_end = has_ended.clone();
        let end = async move {
            end.await;
            drop(ended);
        };
        let prune = async {
            tokio::select! {
                () = self.prune_all(store, webhooks) => {}
                _ = has_ended.changed() => {}
            }
        };
        tokio::join!(end, self.write_all(store, &mut write_end), prune);
    }

    /// Writes until `end` changes, and never stops between taking an entry and writing it.
    async fn write_all(&self, store: &Store, end: &mut watch::Receiver<()>) {
        let mut waiting = self.waiting.lock().await;
        let mut flush = tokio::time::interval(FLUSH);
        loop {
            let mut entries = Vec::new();
            tokio::select! {
                _ = waiting.recv_many(&mut entries, QUEUE) => {}
                _ = flush.tick() => {
                    let now = now_or_zero();
                    let replays = lock(&self.replays).take(now).into_iter().map(|entry| (Stream::Replays, entry));
                    let refusals = lock(&self.refusals).take(now).into_iter().map(|entry| (Stream::Refusals, entry));
                    entries.extend(replays.chain(refusals));
                }
                _ = end.changed() => return,
            }
            self.write(store, entries).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn write(&self, store: &Store, entries: Vec<(Stream, Entry)>) {
        let mut streams: HashMap<Stream, Vec<Entry>> = HashMap::new();
        for (stream, entry) in entries {
            streams.entry(stream).or_default().push(entry);
        }
        for (stream, entries) in streams {
            let count = entries.len();
            if let Err(error) = store.append(stream, entries).await {
                self.drop_entries(count);
                tracing::warn!(%error, "{count} entries of the history could not be written");
            }
        }
    }

    async fn prune_all(&self, store: &Store, webhooks: &Webhooks) {
        loop {
            match self.prune(store, webhooks).await {
                Ok(0) => tokio::time::sleep(PRUNE).await,
                Ok(_) => tokio::time::sleep(STEP_PAUSE).await,
                Err(error) => {
                    tracing::warn!(%error, "old entries of the history could not be removed");
                    tokio::time::sleep(PRUNE).await;
                }
            }
        }
    }

    async fn prune(&self, store: &Store, webhooks: &Webhooks) -> Result<usize, StoreError> {
        let before = now_or_zero().get().saturating_sub(u64::from(self.days).saturating_mul(DAY));
        let retention = Retention { before: UnixMillis::new(before), entries: self.entries };
        let mut removed = 0_usize;
        for stream in Stream::ALL {
            let oldest = webhooks.oldest(store, stream).await?;
            let count = store.prune_stream(stream, &retention).await?;
            webhooks.note_removed(store, stream, oldest.get(..count).unwrap_or(&oldest)).await;
            removed = removed.saturating_add(count);
        }
        self.removed.inc_by(u64::try_from(removed).unwrap_or(u64::MAX));
        Ok(removed)
    }

    /// Writes what waits, when the server ends.
    pub(crate) async fn finish(&self, store: &Store) {
        let mut entries = Vec::new();
        let mut waiting = self.waiting.lock().await;
        while let Ok(entry) = waiting.try_recv() {
            entries.push(entry);
        }
        entries.extend(lock(&self.replays).take_all().into_iter().map(|entry| (Stream::Replays, entry)));
        entries.extend(lock(&self.refusals).take_all().into_iter().map(|entry| (Stream::Refusals, entry)));
        self.write(store, entries).await;
    }
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn now_or_zero() -> UnixMillis {
    now().unwrap_or(UnixMillis::new(0))
}
