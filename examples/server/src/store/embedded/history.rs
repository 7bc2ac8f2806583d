//! The history in a data file: a table for each stream, which is created with its first entry.
//!
//! The entries of one commit share rows. With a row for each entry, a tap cost 18% more.

use std::ops::Bound;
use std::sync::Arc;

use redb::{ReadOnlyTable, WriteTransaction};
use redb::{ReadableDatabase as _, ReadableTable as _, Table, TableDefinition, TableError};
use suntap::UnixMillis;

use super::{Embedded, StoreError, guarded, verified};
use crate::store::Entry;
use crate::store::history::{Position, Retention, STEP, Stream};

/// The [`Position`] of the first entry of a row. The others have the same time, and the numbers that follow. No entry of a row is
/// younger than this time.
pub(super) type Key = (u64, u64);
/// The number of entries that were ever written to this table, up to the last one of the row; the time and the text of each entry.
pub(super) type Value = (u64, Vec<(u64, &'static str)>);

/// About how many bytes of text a row has. A much longer value would leave a large part of its last page empty.
const ROW: usize = 8000;

pub(super) const fn definition(stream: Stream) -> TableDefinition<'static, Key, Value> {
    TableDefinition::new(stream.table())
}

/// Adds entries to a stream, in a transaction.
pub(super) struct Log<'t> {
    table: Table<'t, Key, Value>,
    /// The position after the last entry, and the number of entries that were ever written.
    last: Option<(Key, u64)>,
}

impl<'t> Log<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction, stream: Stream) -> Result<Self, StoreError> {
        let table = transaction.open_table(definition(stream))?;
        let last = table.last()?.map(|(key, value)| {
            let ((time, number), (written, entries)) = (key.value(), value.value());
            ((time, number.saturating_add(length(&entries))), written)
        });
        Ok(Self { table, last })
    }

    /// Adds entries after all others, even if the clock was set back.
    pub(super) fn append<'e>(&mut self, entries: impl IntoIterator<Item = &'e Entry>) -> Result<(), StoreError> {
        let (mut row, mut bytes) = (Vec::new(), 0_usize);
        for Entry { at, text } in entries {
            row.push((at.get(), &**text));
            bytes = bytes.saturating_add(text.len());
            if bytes >= ROW {
                self.insert(std::mem::take(&mut row))?;
                bytes = 0;
            }
        }
        if row.is_empty() { Ok(()) } else { self.insert(row) }
    }

    fn insert(&mut self, row: Vec<(u64, &str)>) -> Result<(), StoreError> {
        let count = length(&row);
        let youngest = row.iter().map(|(at, _)| *at).max().unwrap_or_default();
        let (key, before) = match self.last {
            Some((next, written)) if youngest <= next.0 => (next, written),
            Some((_, written)) => ((youngest, 0), written),
            None => ((youngest, 0), 0),
        };
        let written = before.saturating_add(count);
        self.table.insert(key, (written, row))?;
        self.last = Some(((key.0, key.1.saturating_add(count)), written));
        Ok(())
    }
}

fn length<T>(entries: &[T]) -> u64 {
    u64::try_from(entries.len()).unwrap_or(u64::MAX)
}

/// Returns the entries of a row with their numbers.
fn numbered<T>(number: u64, entries: Vec<T>) -> impl Iterator<Item = (u64, T)> {
    (number..=u64::MAX).zip(entries)
}

impl Embedded {
    pub(in crate::store) async fn append(&self, stream: Stream, entries: Vec<Entry>) -> Result<(), StoreError> {
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let write = move || {
            verified(&guard, || {
                let transaction = database.begin_write()?;
                let mut log = Log::open(&transaction, stream)?;
                log.append(&entries)?;
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
            let after = after.map(|Position(time, number)| (time, number));
            // The row of this position may have further entries.
            let start = match after {
                Some(after) => table.range(..=after)?.next_back().transpose()?.map(|(key, _)| key.value()),
                None => None,
            };
            let mut found = Vec::new();
            for row in table.range::<Key>((start.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded))? {
                let (key, value) = row?;
                let ((time, number), (_, entries)) = (key.value(), value.value());
                for (number, (at, text)) in numbered(number, entries) {
                    if found.len() >= limit {
                        return Ok(found);
                    }
                    if after.is_none_or(|after| after < (time, number)) {
                        found.push((Position(time, number), Entry { at: UnixMillis::new(at), text: text.into() }));
                    }
                }
            }
            Ok(found)
        })
    }

    /// Removes old entries. Only looks if there are none, because another write would wait.
    pub(in crate::store) async fn prune(&self, stream: Stream, retention: Retention) -> Result<usize, StoreError> {
        let (excess, last) = guarded(&self.guard, || {
            let Some(table) = existing(self, stream)? else { return Ok((0, None)) };
            let (mut oldest, mut count) = (Vec::new(), table.last()?.map_or(0, |(_, value)| value.value().0));
            for row in table.iter()? {
                let (key, value) = row?;
                let ((time, number), (written, entries)) = (key.value(), value.value());
                if oldest.is_empty() {
                    count = count.saturating_sub(written.saturating_sub(length(&entries)));
                }
                oldest.extend(numbered(number, entries).map(|(number, (at, _))| ((time, number), at)));
                if oldest.len() >= STEP {
                    break;
                }
            }
            let times = oldest.iter().take(STEP).map(|(_, at)| UnixMillis::new(*at));
            let excess = retention.excess(stream, count, times);
            Ok((excess, excess.checked_sub(1).and_then(|last| oldest.get(last)).map(|(position, _)| *position)))
        })?;
        let Some(last) = last else { return Ok(0) };
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let remove = move || {
            verified(&guard, || {
                let transaction = database.begin_write()?;
                let mut table = transaction.open_table(definition(stream))?;
                shorten(&mut table, last)?;
                table.retain_in(..=last, |_, _| false)?;
                drop(table);
                Ok(transaction.commit()?)
            })
        };
        tokio::task::spawn_blocking(remove).await.unwrap_or(Err(StoreError::Closed))?;
        Ok(excess)
    }
}

/// Gives the entries after `last` of its row a row of their own.
fn shorten(table: &mut Table<'_, Key, Value>, last: Key) -> Result<(), StoreError> {
    let Some((key, value)) = table.range(..=last)?.next_back().transpose()? else { return Ok(()) };
    let ((time, number), (written, entries)) = (key.value(), value.value());
    let rest = numbered(number, entries).filter(|(number, _)| (time, *number) > last);
    let rest: Vec<_> = rest.map(|(_, (at, text))| (at, text.to_owned())).collect();
    drop((key, value));
    if rest.is_empty() {
        return Ok(());
    }
    let rest = rest.iter().map(|(at, text)| (*at, &**text)).collect();
    table.insert((last.0, last.1.saturating_add(1)), (written, rest))?;
    Ok(())
}

/// Returns the table of a stream, or `None` if it has never had an entry.
fn existing(store: &Embedded, stream: Stream) -> Result<Option<ReadOnlyTable<Key, Value>>, StoreError> {
    match store.database.begin_read()?.open_table(definition(stream)) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
