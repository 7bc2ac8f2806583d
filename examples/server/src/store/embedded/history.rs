//! The history in a data file: a table for each stream, which is created with its first entry.

use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadOnlyTable, WriteTransaction};
use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _, Table, TableDefinition, TableError};
use suntap::UnixMillis;

use super::{Embedded, StoreError, guarded, verified};
use crate::store::Entry;
use crate::store::history::{Position, Retention, STEP, Stream};

type Key = (u64, u64);
/// The time of an entry and its text.
type Value = (u64, &'static str);

const fn definition(stream: Stream) -> TableDefinition<'static, Key, Value> {
    TableDefinition::new(stream.table())
}

/// Adds entries to a stream, in a transaction.
pub(super) struct Log<'t> {
    table: Table<'t, Key, Value>,
    last: Option<Key>,
}

impl<'t> Log<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, stream: Stream) -> Result<Self, StoreError> {
        let table = transaction.open_table(definition(stream))?;
        let last = table.last()?.map(|(key, _)| key.value());
        Ok(Self { table, last })
    }

    /// Adds an entry after all others, even if the clock was set back.
    pub(super) fn append(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let at = entry.at.get();
        let key = match self.last {
            Some((time, number)) if at <= time => (time, number.saturating_add(1)),
            _ => (at, 0),
        };
        self.table.insert(key, (at, &*entry.text))?;
        self.last = Some(key);
        Ok(())
    }
}

impl Embedded {
    pub(in crate::store) async fn append(&self, stream: Stream, entries: Vec<Entry>) -> Result<(), StoreError> {
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let write = move || {
            verified(&guard, || {
                let transaction = database.begin_write()?;
                let mut log = Log::open(&transaction, stream)?;
                entries.iter().try_for_each(|entry| log.append(entry))?;
                drop(log);
                Ok(transaction.commit()?)
            })
        };
        tokio::task::spawn_blocking(write).await.unwrap_or(Err(StoreError::Closed))
    }

    pub(in crate::store) fn entries(
        &self,
        stream: Stream,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<(Position, Entry)>, StoreError> {
        guarded(&self.guard, || {
            let Some(table) = existing(self, stream)? else { return Ok(Vec::new()) };
            let start = after.map_or(Bound::Unbounded, |Position(time, number)| Bound::Excluded((time, number)));
            let mut entries = Vec::new();
            for entry in table.range::<Key>((start, Bound::Unbounded))?.take(limit) {
                let (key, value) = entry?;
                let ((time, number), (at, text)) = (key.value(), value.value());
                entries.push((Position(time, number), Entry { at: UnixMillis::new(at), text: text.into() }));
            }
            Ok(entries)
        })
    }

    /// Removes old entries. Only looks if there are none, because another write would wait.
    pub(in crate::store) async fn prune(&self, stream: Stream, retention: Retention) -> Result<usize, StoreError> {
        let (count, last) = guarded(&self.guard, || {
            let Some(table) = existing(self, stream)? else { return Ok((0, None)) };
            let (mut keys, mut times) = (Vec::new(), Vec::new());
            for entry in table.iter()?.take(STEP) {
                let (key, value) = entry?;
                keys.push(key.value());
                times.push(UnixMillis::new(value.value().0));
            }
            let count = retention.excess(stream, table.len()?, times.into_iter());
            Ok((count, count.checked_sub(1).and_then(|last| keys.get(last).copied())))
        })?;
        let Some(last) = last else { return Ok(0) };
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let remove = move || {
            verified(&guard, || {
                let transaction = database.begin_write()?;
                transaction.open_table(definition(stream))?.retain_in(..=last, |_, _| false)?;
                Ok(transaction.commit()?)
            })
        };
        tokio::task::spawn_blocking(remove).await.unwrap_or(Err(StoreError::Closed))?;
        Ok(count)
    }
}

/// Returns the table of a stream, or `None` if it has never had an entry.
fn existing(store: &Embedded, stream: Stream) -> Result<Option<ReadOnlyTable<Key, Value>>, StoreError> {
    match store.database.begin_read()?.open_table(definition(stream)) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
