//! Large changes of a data file: in one transaction, or beside taps in many short ones.
//!
//! The short transactions of a change belong together. Each of them also keeps the old documents in a table, which the last one
//! removes. If the change fails, the old documents are restored at once, and if the process ends, when the file is opened. Marks that
//! were raised stay raised: a lower counter would let taps pass once more.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redb::{
    AccessGuard, Database, ReadableDatabase as _, ReadableTable as _, StorageError, Table, TableDefinition,
    TableHandle as _,
};
use suntap::{CounterId, Mark};

use super::{
    DOCUMENTS, Embedded, Guard, Log, MARKS, StoreError, Text, as_mark, columns, guarded, is_text, raised, verified,
};
use crate::store::staged::{Record, Staged};
use crate::store::{Change, Entry, Stream};

/// The documents before an unfinished change. The table only exists during one.
const UNDO: TableDefinition<'_, &str, Option<Text>> = TableDefinition::new("undo");

/// The most documents and marks of a change that is written in one transaction.
const SMALL: usize = 100;
/// The time that a short transaction should take. Taps wait for it.
const SLICE: Duration = Duration::from_millis(15);
/// Documents and marks in the first of the short transactions.
const FIRST: usize = 50;
/// The most documents and marks in a short transaction.
const MOST: usize = 5000;

/// One write.
enum Write {
    Document(String, Option<String>),
    Mark(CounterId, Mark),
}

impl Embedded {
    /// Writes a change in one transaction.
    pub(in crate::store) async fn change_at_once(
        &self,
        Staged { change, spill }: Staged,
        history: &[Entry],
    ) -> Result<(), StoreError> {
        let Some(spill) = spill else { return self.change(&change, history).await };
        let _turn = self.changing.lock().await;
        verified(&self.guard, || {
            let transaction = self.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                spill.read_ahead().each(|Record { key, seen, write, .. }| {
                    let is_seen = |before: Option<AccessGuard<'_, Text>>| {
                        seen.as_ref().is_none_or(|seen| is_text(before.as_ref(), seen.as_deref()))
                    };
                    let is_seen = match write {
                        Some(Some(text)) => is_seen(documents.insert(&*key, Cow::from(text))?),
                        Some(None) => is_seen(documents.remove(&*key)?),
                        None => is_seen(documents.get(&*key)?),
                    };
                    if is_seen { Ok(()) } else { Err(StoreError::Contended) }
                })?;
                let mut marks = transaction.open_table(MARKS)?;
                for (id, mark) in &change.marks {
                    raise(&mut marks, id, *mark)?;
                }
                record(&transaction, history)?;
            }
            let committed = transaction.commit();
            self.changes.fetch_add(1, Ordering::SeqCst);
            Ok(committed?)
        })
    }

    /// Writes a change so that no tap waits for long. Readers may see a part of it. It goes on if the caller stops waiting.
    pub(in crate::store) async fn change_beside_taps(
        &self,
        staged: Staged,
        history: &[Entry],
    ) -> Result<(), StoreError> {
        let count = staged.change.writes.len().saturating_add(staged.change.marks.len());
        if staged.spill.is_none() && count <= SMALL {
            return self.change(&staged.change, history).await;
        }
        let turn = Arc::clone(&self.changing).lock_owned().await;
        let slices = Slices {
            database: Arc::clone(&self.database),
            guard: Arc::clone(&self.guard),
            changes: Arc::clone(&self.changes),
            writes: Vec::new(),
            size: FIRST,
        };
        let history = history.to_vec();
        let write = move || {
            let _turn = turn;
            let (database, guard, changes) =
                (Arc::clone(&slices.database), Arc::clone(&slices.guard), Arc::clone(&slices.changes));
            // Also after a panic, nobody may build on a part of the change.
            let written = catch_unwind(AssertUnwindSafe(|| slices.write_all(staged, &history)));
            let written = written.unwrap_or(Err(StoreError::Closed));
            if written.is_err() {
                let undone = verified(&guard, || undo(&database));
                changes.fetch_add(1, Ordering::SeqCst);
                if let Err(error) = undone {
                    guard.fail(&format!("an import failed, and is undone when the file is opened next: {error}"));
                }
            }
            written
        };
        tokio::task::spawn_blocking(write).await.unwrap_or(Err(StoreError::Closed))
    }
}

/// The short transactions of a change.
struct Slices {
    database: Arc<Database>,
    guard: Arc<Guard>,
    changes: Arc<AtomicU64>,
    /// The writes of the next transaction.
    writes: Vec<Write>,
    /// The number of writes of a transaction.
    size: usize,
}

impl Slices {
    fn write_all(mut self, mut staged: Staged, history: &[Entry]) -> Result<(), StoreError> {
        self.check(&mut staged)?;
        let Staged { change: Change { writes, marks, .. }, spill } = staged;
        // A new tag must not be found before its counter.
        for (id, mark) in marks {
            self.add(Write::Mark(id, mark))?;
        }
        for (key, text) in writes {
            self.add(Write::Document(key, text))?;
        }
        if let Some(mut spill) = spill {
            for rank in 0..=Record::LAST {
                for record in spill.records()? {
                    let record = record?;
                    if let Some(text) = record.write.filter(|_| record.rank == rank) {
                        self.add(Write::Document(record.key, text))?;
                    }
                }
            }
        }
        self.flush()?;
        self.finish(history)
    }

    /// Checks that the stored documents are those that the change was computed from. Nothing changes them meanwhile.
    fn check(&self, staged: &mut Staged) -> Result<(), StoreError> {
        guarded(&self.guard, || {
            let documents = self.database.begin_read()?.open_table(DOCUMENTS)?;
            let check = |key: &str, seen: Option<&str>| {
                if is_text(documents.get(key)?.as_ref(), seen) { Ok(()) } else { Err(StoreError::Contended) }
            };
            staged.change.seen.iter().try_for_each(|(key, seen)| check(key, seen.as_deref()))?;
            let Some(spill) = &mut staged.spill else { return Ok(()) };
            for record in spill.records()? {
                let record = record?;
                if let Some(seen) = &record.seen {
                    check(&record.key, seen.as_deref())?;
                }
            }
            Ok(())
        })
    }

    fn add(&mut self, write: Write) -> Result<(), StoreError> {
        self.writes.push(write);
        if self.writes.len() >= self.size { self.flush() } else { Ok(()) }
    }

    /// Writes what has been added, and lets waiting taps be written next.
    fn flush(&mut self) -> Result<(), StoreError> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(());
        }
        let start = Instant::now();
        verified(&self.guard, || {
            let transaction = self.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                let mut undo = transaction.open_table(UNDO)?;
                let mut marks = transaction.open_table(MARKS)?;
                for write in &writes {
                    match write {
                        Write::Mark(id, mark) => raise(&mut marks, id, *mark)?,
                        Write::Document(key, text) => {
                            let before = put(&mut documents, key, text.as_deref())?;
                            // The first one is the document before the change.
                            if undo.get(&**key)?.is_none() {
                                undo.insert(&**key, before.as_ref().map(AccessGuard::value))?;
                            }
                        }
                    }
                }
            }
            let committed = transaction.commit();
            self.changes.fetch_add(1, Ordering::SeqCst);
            Ok(committed?)
        })?;
        let time = start.elapsed();
        // Waiting for a commit of taps counts too, which makes the next slice shorter under load.
        let size = if time > SLICE { self.size.wrapping_div(2) } else { self.size.saturating_mul(2) };
        self.size = size.clamp(FIRST.wrapping_div(10), MOST);
        std::thread::sleep(time.clamp(Duration::from_millis(1), SLICE));
        Ok(())
    }

    /// Makes the change final.
    fn finish(&self, history: &[Entry]) -> Result<(), StoreError> {
        verified(&self.guard, || {
            let transaction = self.database.begin_write()?;
            transaction.delete_table(UNDO)?;
            record(&transaction, history)?;
            Ok(transaction.commit()?)
        })
    }
}

/// Restores the documents before an unfinished change. Returns what an operator should know about it.
pub(super) fn undo(database: &Database) -> Result<Option<String>, StoreError> {
    let has_undo = database.begin_read()?.list_tables()?.any(|table| table.name() == UNDO.name());
    if !has_undo {
        return Ok(None);
    }
    let transaction = database.begin_write()?;
    {
        let mut documents = transaction.open_table(DOCUMENTS)?;
        for entry in transaction.open_table(UNDO)?.iter()? {
            let (key, text) = entry?;
            put(&mut documents, key.value(), text.value().as_deref())?;
        }
    }
    transaction.delete_table(UNDO)?;
    transaction.commit()?;
    Ok(Some("an import was interrupted and has been undone: import the file again".into()))
}

/// Writes or removes a document, and returns the old one.
fn put<'t>(
    documents: &'t mut Table<'_, &str, Text>,
    key: &str,
    text: Option<&str>,
) -> Result<Option<AccessGuard<'t, Text>>, StorageError> {
    match text {
        Some(text) => documents.insert(key, Cow::from(text)),
        None => documents.remove(key),
    }
}

/// Merges a mark with the stored one.
pub(super) fn raise(
    marks: &mut Table<'_, &[u8; 16], (u32, Option<u64>, u32)>,
    id: &CounterId,
    mark: Mark,
) -> Result<(), StoreError> {
    let stored = marks.get(id.as_bytes())?.map(|mark| as_mark(mark.value()));
    marks.insert(id.as_bytes(), columns(raised(stored, mark)))?;
    Ok(())
}

/// Adds entries to the history.
pub(super) fn record(transaction: &redb::WriteTransaction, history: &[Entry]) -> Result<(), StoreError> {
    if history.is_empty() {
        return Ok(());
    }
    Log::open(transaction, Stream::Acts)?.append(history)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Options;

    #[tokio::test]
    async fn an_interrupted_change_is_undone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.redb");
        let written = |key: &str, text: Option<&str>| (key.to_owned(), text.map(String::from));
        let keys: Vec<_> = ["kept", "changed", "removed", "new"].map(String::from).into();
        let store = Embedded::create(&path, Options::default()).unwrap();
        let writes = ["kept", "changed", "removed"].map(|key| written(key, Some("1"))).into();
        store.change(&Change { writes, ..Change::default() }, &[]).await.unwrap();
        let mark = Mark { ctr: suntap::SdmReadCtr::new(7).unwrap(), at: None, taps: 1 };
        let (id, before) = (CounterId::from_bytes([7; 16]), store.read(&keys, None).unwrap().documents);

        let slices = |store: &Embedded| Slices {
            database: Arc::clone(&store.database),
            guard: Arc::clone(&store.guard),
            changes: Arc::clone(&store.changes),
            writes: Vec::new(),
            size: 1,
        };
        let mut interrupted = slices(&store);
        interrupted.add(Write::Mark(id, mark)).unwrap();
        for (key, text) in [("changed", Some("2")), ("removed", None), ("new", Some("2"))] {
            interrupted.add(Write::Document(key.into(), text.map(String::from))).unwrap();
        }
        interrupted.flush().unwrap();
        drop(interrupted);
        assert_ne!(store.read(&keys, None).unwrap().documents, before);
        store.close().await;

        let store = Embedded::open(&path, Options::default()).unwrap();
        let found = store.read(&keys, Some(&id)).unwrap();
        assert_eq!((found.documents, found.mark), (before, Some(mark)));
        assert!(store.warnings().iter().any(|warning| warning.contains("interrupted")), "{:?}", store.warnings());

        // A complete change stays, and one that was computed from other documents writes nothing.
        let seen = vec![written("kept", Some("1"))];
        let change = |seen: &[_], text| {
            let writes = (0..300).map(|number| written(&format!("{number:03}"), Some(text))).collect();
            Staged::from(Change { seen: <[_]>::to_vec(seen), writes, ..Change::default() })
        };
        store.change_beside_taps(change(&seen, "1"), &[]).await.unwrap();
        let contended = store.change_beside_taps(change(&[written("kept", None)], "2"), &[]).await;
        assert!(matches!(contended, Err(StoreError::Contended)));
        store.close().await;
        let store = Embedded::open(&path, Options::default()).unwrap();
        assert_eq!(store.read(&["299".into()], None).unwrap().documents, [Some("1".to_owned())]);
        assert!(store.warnings().is_empty());
        store.close().await;
    }
}
