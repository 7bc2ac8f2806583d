//! Documents and counters in one file of the service's own, by `redb`.
//!
//! **Group commit.** A write to disk takes as long for one tap as for a thousand. So one task writes: while it waits for the disk,
//! taps queue up, and all that have come by then share the next transaction. Each is answered only behind the commit that holds it.

use std::ops::Bound;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redb::{Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition};
use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Change, Found, PAGE, Place, StoreError, raised};

const DOCUMENTS: TableDefinition<'_, &str, &str> = TableDefinition::new("documents");
/// Counter, time and accepted taps by the name of the counter.
const MARKS: TableDefinition<'_, &[u8; 16], (u32, Option<u64>, u32)> = TableDefinition::new("marks");

/// Taps that may wait for the writer. Behind them a request waits to be let in.
const QUEUE: usize = 16_384;

/// A data file.
#[derive(Debug)]
pub struct Embedded {
    database: Arc<Database>,
    queue: mpsc::Sender<Waiting>,
    writer: JoinHandle<()>,
    /// The last write came to nothing.
    failing: Arc<AtomicBool>,
    /// Changes of documents.
    changes: AtomicU64,
}

/// A tap that waits for its counter.
struct Waiting {
    id: [u8; 16],
    ctr: SdmReadCtr,
    at: Option<UnixMillis>,
    answer: oneshot::Sender<Result<Advance, StoreError>>,
}

impl Embedded {
    /// Opens a data file, or makes it. Within a runtime of `tokio`, which does the writing.
    ///
    /// # Errors
    /// If it is none, is in use, or can not be read and written.
    pub fn open(path: &Path, group_commit: usize) -> Result<Self, StoreError> {
        Self::over(Database::create(path)?, group_commit)
    }

    /// As [`open`](Self::open), over storage of any kind.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(storage: impl StorageBackend, group_commit: usize) -> Result<Self, StoreError> {
        Self::over(Database::builder().create_with_backend(storage)?, group_commit)
    }

    fn over(database: Database, group_commit: usize) -> Result<Self, StoreError> {
        let transaction = database.begin_write()?;
        transaction.open_table(DOCUMENTS)?;
        transaction.open_table(MARKS)?;
        transaction.commit()?;
        let database = Arc::new(database);
        let (queue, waiting) = mpsc::channel(QUEUE);
        let failing = Arc::new(AtomicBool::new(false));
        let writer = write(Arc::clone(&database), waiting, group_commit.max(1), Arc::clone(&failing));
        let writer = tokio::spawn(writer);
        Ok(Self { database, queue, writer, failing, changes: AtomicU64::new(0) })
    }

    pub(super) fn read(&self, keys: &[String], mark: Option<&CounterId>) -> Result<Found, StoreError> {
        let transaction = self.database.begin_read()?;
        let documents = if keys.is_empty() {
            Vec::new()
        } else {
            let table = transaction.open_table(DOCUMENTS)?;
            let document = |key: &String| Ok(table.get(&**key)?.map(|text| text.value().to_owned()));
            keys.iter().map(document).collect::<Result<_, redb::StorageError>>()?
        };
        let mark = match mark {
            Some(tag) => transaction.open_table(MARKS)?.get(tag.as_bytes())?.map(|mark| as_mark(mark.value())),
            None => None,
        };
        Ok(Found { documents, mark })
    }

    pub(super) fn list(&self, prefix: &str, place: &Place) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let start = match place {
            Place::After(key) => Bound::Excluded(&**key),
            _ => Bound::Included(prefix),
        };
        let table = self.database.begin_read()?.open_table(DOCUMENTS)?;
        let mut documents = Vec::new();
        for entry in table.range::<&str>((start, Bound::Unbounded))?.take(PAGE) {
            let (key, text) = entry?;
            if !key.value().starts_with(prefix) {
                return Ok((documents, Place::End));
            }
            documents.push((key.value().to_owned(), text.value().to_owned()));
        }
        let next = Place::after_page(&documents);
        Ok((documents, next))
    }

    pub(super) fn change(&self, change: &Change) -> Result<(), StoreError> {
        let transaction = self.database.begin_write()?;
        {
            let mut documents = transaction.open_table(DOCUMENTS)?;
            for (key, seen) in &change.seen {
                if documents.get(&**key)?.as_ref().map(redb::AccessGuard::value) != seen.as_deref() {
                    return Err(StoreError::Contended);
                }
            }
            for (key, text) in &change.writes {
                match text {
                    Some(text) => documents.insert(&**key, &**text)?,
                    None => documents.remove(&**key)?,
                };
            }
            let mut marks = transaction.open_table(MARKS)?;
            for (id, imported) in &change.marks {
                let stored = marks.get(id.as_bytes())?.map(|mark| as_mark(mark.value()));
                marks.insert(id.as_bytes(), columns(raised(stored, *imported)))?;
            }
        }
        // Whether it is written or not is not known if it fails.
        let committed = transaction.commit();
        self.changes.fetch_add(1, Ordering::SeqCst);
        Ok(committed?)
    }

    pub(super) fn stamp(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { id: *id.as_bytes(), ctr, at, answer };
        self.queue.send(waiting).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    pub(super) fn works(&self) -> bool {
        !self.queue.is_closed() && !self.failing.load(Ordering::Relaxed)
    }

    /// Waits until all that was accepted is on disk, and closes the file.
    pub(super) async fn close(self) {
        let Self { database, queue, writer, .. } = self;
        drop((database, queue));
        let _ = writer.await;
    }
}

/// What the writer does until the store is closed. It is a task, and only the disk is waited for elsewhere: so those who wait are
/// woken where they run.
async fn write(
    database: Arc<Database>,
    mut waiting: mpsc::Receiver<Waiting>,
    group_commit: usize,
    failing: Arc<AtomicBool>,
) {
    let mut group = Vec::new();
    while waiting.recv_many(&mut group, group_commit).await > 0 {
        let mut taps = std::mem::take(&mut group);
        // Whoever does not wait any more has been told that it failed. No tap need be spent for that.
        taps.retain(|tap| !tap.answer.is_closed());
        if taps.is_empty() {
            continue;
        }
        let of_disk = Arc::clone(&database);
        let written = tokio::task::spawn_blocking(move || (commit(&of_disk, &taps), taps)).await;
        failing.store(!matches!(written, Ok((Ok(_), _))), Ordering::Relaxed);
        let Ok((committed, mut taps)) = written else {
            // Whoever waited for it is told, and nobody is let in any more.
            tracing::error!("the data file could not be written: restart the server");
            return;
        };
        match committed {
            Ok(advances) => {
                for (waiting, advance) in taps.drain(..).zip(advances) {
                    // Whoever asked may be gone. The tap is spent then.
                    let _ = waiting.answer.send(Ok(advance));
                }
            }
            Err(error) => {
                let told = error.to_string();
                let mut first = Some(error);
                for waiting in taps.drain(..) {
                    let error = first
                        .take()
                        .unwrap_or_else(|| StoreError::Embedded(redb::Error::Io(std::io::Error::other(told.clone()))));
                    let _ = waiting.answer.send(Err(error));
                }
            }
        }
        group = taps;
    }
}

/// Decides on a group of taps in order, and returns when the decision is on disk.
fn commit(database: &Database, group: &[Waiting]) -> Result<Vec<Advance>, StoreError> {
    let transaction = database.begin_write()?;
    let mut advances = Vec::with_capacity(group.len());
    let mut moved = false;
    {
        let mut marks = transaction.open_table(MARKS)?;
        for waiting in group {
            let stored = marks.get(&waiting.id)?.map(|mark| as_mark(mark.value()));
            let advance = Advance::decide(stored, waiting.ctr, waiting.at);
            if let Advance::Advanced { now, .. } = advance {
                marks.insert(&waiting.id, columns(now))?;
                moved = true;
            }
            advances.push(advance);
        }
    }
    if moved {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(advances)
}

fn columns(mark: Mark) -> (u32, Option<u64>, u32) {
    (mark.ctr.get(), mark.at.map(UnixMillis::get), mark.taps)
}

/// What is no counter was not written by us, and refuses most.
fn as_mark((ctr, at, taps): (u32, Option<u64>, u32)) -> Mark {
    Mark { ctr: SdmReadCtr::new(ctr).unwrap_or(SdmReadCtr::MAX), at: at.map(UnixMillis::new), taps }
}
