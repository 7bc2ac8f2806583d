//! Everything in a store, as a stream of records: for a backup, and for filling a store from one.

use suntap::{CounterId, Mark};
use tokio::sync::mpsc;

use super::{Entry, StoreError, Stream};

/// One part of the contents of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A document.
    Document {
        /// Its key.
        key: String,
        /// Its text.
        text: String,
    },
    /// The mark of a counter. A store that is filled keeps the greater one if there are two of a counter.
    Mark(CounterId, Mark),
    /// An entry of the history.
    History(Stream, Entry),
}

impl Record {
    fn size(&self) -> usize {
        match self {
            Self::Document { key, text } => key.len().saturating_add(text.len()),
            Self::Mark(..) => size_of::<Self>(),
            Self::History(_, entry) => entry.text.len(),
        }
    }
}

/// Returns the next records for a store that is being filled, or `None` after the last one.
pub type Source<'s> = dyn FnMut() -> Result<Option<Vec<Record>>, String> + Send + 's;

/// Bytes of the records that are sent at once, about.
const BATCH: usize = 64 * 1024;

/// Collects records, and sends many at once.
pub(super) struct Batch {
    records: Vec<Record>,
    size: usize,
    sender: mpsc::Sender<Vec<Record>>,
}

impl Batch {
    pub(super) fn new(sender: mpsc::Sender<Vec<Record>>) -> Self {
        Self { records: Vec::new(), size: 0, sender }
    }

    /// Adds a record, on a thread that may block.
    pub(super) fn add_blocking(&mut self, record: Record) -> Result<(), StoreError> {
        match self.full(record) {
            Some(records) => self.sender.blocking_send(records).map_err(|_| StoreError::Closed),
            None => Ok(()),
        }
    }

    /// Adds a record.
    pub(super) async fn add(&mut self, record: Record) -> Result<(), StoreError> {
        match self.full(record) {
            Some(records) => self.sender.send(records).await.map_err(|_| StoreError::Closed),
            None => Ok(()),
        }
    }

    /// Sends the last records, on a thread that may block.
    pub(super) fn finish_blocking(self) -> Result<(), StoreError> {
        self.sender.blocking_send(self.records).map_err(|_| StoreError::Closed)
    }

    /// Sends the last records.
    pub(super) async fn finish(self) -> Result<(), StoreError> {
        self.sender.send(self.records).await.map_err(|_| StoreError::Closed)
    }

    /// Adds a record. Returns the collected ones if they are enough to be sent.
    fn full(&mut self, record: Record) -> Option<Vec<Record>> {
        self.size = self.size.saturating_add(record.size());
        self.records.push(record);
        (self.size >= BATCH).then(|| {
            self.size = 0;
            std::mem::take(&mut self.records)
        })
    }
}
