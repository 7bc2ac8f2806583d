//! Documents and counters in one file, with `redb`.
//!
//! **Group commit.** A write to disk takes as long for a thousand taps as for one. One task writes. While it waits for the disk, taps
//! queue up, and all of them share the next transaction. Each is answered after the commit that holds it.
//!
//! **Failures.** After a failed write, or when another program has changed the file, the store refuses every call, and
//! [`Store::failed`](super::Store::failed) returns. The server then ends: opening the file again is what repairs it.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::metrics::histogram::Histogram;
use redb::backends::FileBackend;
use redb::{
    AccessGuard, Database, ReadableDatabase as _, ReadableTable as _, StorageBackend, TableDefinition, TableHandle as _,
};
use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

pub use self::compact::Compacted;
use self::guard::{Guard, Guarded};
use self::history::Log;
use self::text::Text;
use super::{Change, Entry, Found, Options, Place, StoreError, Stream, measure, raised};
use crate::panics::quietly;

mod alone;
mod compact;
mod copy;
mod cursors;
mod format;
mod guard;
mod history;
mod large;
mod snapshot;
mod spare;
mod text;

const DOCUMENTS: TableDefinition<'_, &str, Text> = TableDefinition::new("documents");
/// Counter, time and number of accepted taps, by counter id.
const MARKS: TableDefinition<'_, &[u8; 16], (u32, Option<u64>, u32)> = TableDefinition::new("marks");

/// Taps that may wait for the writer. Further requests wait until there is space.
const QUEUE: usize = 16_384;
/// How often an idle store checks that its file was not changed by another program.
const VERIFY: Duration = Duration::from_secs(1);

/// A data file.
#[derive(Debug)]
pub struct Embedded {
    database: Arc<Database>,
    queue: mpsc::Sender<Waiting>,
    writer: JoinHandle<()>,
    guard: Arc<Guard>,
    /// Number of changes of documents.
    changes: Arc<AtomicU64>,
    /// Held while documents are changed, in one transaction or in many.
    changing: Arc<tokio::sync::Mutex<()>>,
    warnings: Vec<String>,
    groups: Histogram,
}

/// A tap that waits for its counter.
struct Waiting {
    id: [u8; 16],
    ctr: SdmReadCtr,
    at: Option<UnixMillis>,
    /// Written if the counter advances.
    entry: Option<Entry>,
    answer: oneshot::Sender<Result<Advance, StoreError>>,
}

impl Embedded {
    /// Opens an existing data file. Must be called within a runtime of `tokio`, which runs the writer.
    ///
    /// # Errors
    /// Returns an error if there is no data file, another process uses it, or it cannot be read and written.
    pub fn open(path: &Path, options: Options) -> Result<Self, StoreError> {
        let (database, guard) = existing(path, options)?;
        let warnings = quietly(|| settle(&database)).unwrap_or_else(|| Err(file_error(path, DAMAGED)))?;
        Ok(Self { warnings, ..Self::start(database, guard, options) })
    }

    /// Opens a data file, and creates it if it does not exist. Only its owner can read and write a new file.
    ///
    /// # Errors
    /// As [`open`](Self::open), or if the file cannot be created.
    pub fn create(path: &Path, options: Options) -> Result<Self, StoreError> {
        if path.symlink_metadata().is_ok() {
            return Self::open(path, options);
        }
        let failed = |error: std::io::Error| file_error(path, &format!("cannot be created: {error}"));
        let file = new_file(path).map_err(failed)?;
        let created = database(path, file, options).and_then(|(database, guard)| {
            create_tables(&database)?;
            sync_folder(path).map_err(failed)?;
            Ok(Self::start(database, guard, options))
        });
        if created.is_err() {
            let _ = std::fs::remove_file(path);
        }
        created
    }

    /// Opens or creates a store in any other storage.
    ///
    /// # Errors
    /// Returns an error if the storage fails, or has other contents.
    pub fn open_with(storage: impl StorageBackend, options: Options) -> Result<Self, StoreError> {
        let guard = Guard::new();
        let storage = Guarded::new(storage, Arc::clone(&guard));
        let database = Database::builder().set_cache_size(options.cache_size).create_with_backend(storage)?;
        create_tables(&database)?;
        let undone = large::undo(&database)?;
        Ok(Self { warnings: undone.into_iter().collect(), ..Self::start(database, guard, options) })
    }

    fn start(database: Database, guard: Arc<Guard>, options: Options) -> Self {
        let database = Arc::new(database);
        let (queue, waiting) = mpsc::channel(QUEUE);
        let groups = measure::groups();
        let writer = Writer { database: Arc::clone(&database), guard: Arc::clone(&guard), groups: groups.clone() };
        let writer = tokio::spawn(writer.run(waiting, options.group_commit.max(1)));
        let (changes, changing) = (Arc::default(), Arc::default());
        Self { database, queue, writer, guard, changes, changing, warnings: Vec::new(), groups }
    }

    pub(super) fn read(&self, keys: &[String], mark: Option<&CounterId>) -> Result<Found, StoreError> {
        guarded(&self.guard, || {
            let transaction = self.database.begin_read()?;
            let documents = if keys.is_empty() {
                Vec::new()
            } else {
                let table = transaction.open_table(DOCUMENTS)?;
                let document = |key: &String| Ok(table.get(&**key)?.map(|text| text.value().into_owned()));
                keys.iter().map(document).collect::<Result<_, redb::StorageError>>()?
            };
            let mark = match mark {
                Some(tag) => transaction.open_table(MARKS)?.get(tag.as_bytes())?.map(|mark| as_mark(mark.value())),
                None => None,
            };
            Ok(Found { documents, mark })
        })
    }

    pub(super) fn list(
        &self,
        prefix: &str,
        place: &Place,
        limit: usize,
    ) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let start = match place {
            Place::After(key) => Bound::Excluded(&**key),
            _ => Bound::Included(prefix),
        };
        guarded(&self.guard, || {
            let table = self.database.begin_read()?.open_table(DOCUMENTS)?;
            let mut documents = Vec::new();
            for entry in table.range::<&str>((start, Bound::Unbounded))?.take(limit) {
                let (key, text) = entry?;
                if !key.value().starts_with(prefix) {
                    return Ok((documents, Place::End));
                }
                documents.push((key.value().to_owned(), text.value().into_owned()));
            }
            let next = Place::after_page(&documents, limit);
            Ok((documents, next))
        })
    }

    pub(super) async fn change(&self, change: &Change, history: &[Entry]) -> Result<(), StoreError> {
        let _turn = self.changing.lock().await;
        verified(&self.guard, || {
            let transaction = self.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                for (key, seen) in &change.seen {
                    if !is_text(documents.get(&**key)?.as_ref(), seen.as_deref()) {
                        return Err(StoreError::Contended);
                    }
                }
                for (key, text) in &change.writes {
                    match text {
                        Some(text) => documents.insert(&**key, Cow::from(text))?,
                        None => documents.remove(&**key)?,
                    };
                }
                let mut marks = transaction.open_table(MARKS)?;
                for (id, mark) in &change.marks {
                    large::raise(&mut marks, id, *mark)?;
                }
                large::record(&transaction, history)?;
            }
            let committed = transaction.commit();
            // After a failed commit it is unknown whether the documents have changed.
            self.changes.fetch_add(1, Ordering::SeqCst);
            Ok(committed?)
        })
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn stamp(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
        entry: Option<Entry>,
    ) -> Result<Advance, StoreError> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { id: *id.as_bytes(), ctr, at, entry, answer };
        self.queue.send(waiting).await.map_err(|_| self.closed())?;
        answered.await.map_err(|_| self.closed())?
    }

    /// Returns the number of taps that share one write.
    pub(super) fn groups(&self) -> &Histogram {
        &self.groups
    }

    /// Returns the number of taps that wait for the writer.
    pub(super) fn waiting(&self) -> usize {
        self.queue.max_capacity().saturating_sub(self.queue.capacity())
    }

    fn closed(&self) -> StoreError {
        self.guard.failure().map_or(StoreError::Closed, StoreError::Failed)
    }

    /// Checks that the file is the one that was opened, and that no other program has changed it.
    pub(super) async fn verify(&self) -> Result<(), StoreError> {
        let guard = Arc::clone(&self.guard);
        let _ = tokio::task::spawn_blocking(move || guard.verify()).await;
        self.guard.failure().map_or(Ok(()), |cause| Err(StoreError::Failed(cause)))
    }

    pub(super) fn works(&self) -> bool {
        self.guard.failure().is_none() && !self.queue.is_closed()
    }

    pub(super) fn failed(&self) -> impl Future<Output = StoreError> + Send + use<> {
        let failed = self.guard.failed();
        async move { StoreError::Failed(failed.await) }
    }

    /// Waits until every accepted tap is on disk, and closes the file.
    pub(super) async fn close(self) {
        let Self { database, queue, writer, .. } = self;
        drop((database, queue));
        let _ = writer.await;
    }
}

/// Writes until the store is closed or fails. It is a task, and only the disk is waited for on another thread, so that waiting
/// requests are woken where they run.
struct Writer {
    database: Arc<Database>,
    guard: Arc<Guard>,
    groups: Histogram,
}

impl Writer {
    async fn run(self, mut waiting: mpsc::Receiver<Waiting>, group_commit: usize) {
        let mut group = Vec::new();
        let mut verify = tokio::time::interval(VERIFY);
        verify.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.guard.failure().is_none() {
            tokio::select! {
                received = waiting.recv_many(&mut group, group_commit) => match received {
                    0 => return,
                    _ => group = self.write(std::mem::take(&mut group)).await,
                },
                _ = verify.tick() => {
                    let guard = Arc::clone(&self.guard);
                    let _ = tokio::task::spawn_blocking(move || guard.verify()).await;
                }
            }
        }
        // The queue closes, and all taps that still wait in it are told the cause.
    }

    /// Writes a group, and returns its empty vector for the next one.
    async fn write(&self, mut taps: Vec<Waiting>) -> Vec<Waiting> {
        // A request that waits no longer was answered with an error. Its tap is not spent.
        taps.retain(|tap| !tap.answer.is_closed());
        if taps.is_empty() {
            return taps;
        }
        self.groups.observe(f64::from(u32::try_from(taps.len()).unwrap_or(u32::MAX)));
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        let write = move || (verified(&guard, || commit(&database, &taps)), taps);
        let Ok((committed, mut taps)) = tokio::task::spawn_blocking(write).await else { return Vec::new() };
        match committed {
            Ok(advances) => {
                for (waiting, advance) in taps.drain(..).zip(advances) {
                    // The request may be gone. Its tap is spent then.
                    let _ = waiting.answer.send(Ok(advance));
                }
            }
            Err(error) => {
                self.guard.fail(&error.to_string());
                let cause: Arc<str> = self.guard.failure().unwrap_or_default();
                for waiting in taps.drain(..) {
                    let _ = waiting.answer.send(Err(StoreError::Failed(Arc::clone(&cause))));
                }
            }
        }
        taps
    }
}

/// Decides on a group of taps in order, and returns after the decision is on disk.
fn commit(database: &Database, group: &[Waiting]) -> Result<Vec<Advance>, StoreError> {
    // Without `set_quick_repair`: it makes each commit two to three times slower, and saves seconds after a crash of a million tags.
    let transaction = database.begin_write()?;
    let mut advances = Vec::with_capacity(group.len());
    let mut moved = false;
    {
        let mut marks = transaction.open_table(MARKS)?;
        let mut entries = Vec::new();
        for waiting in group {
            let stored = marks.get(&waiting.id)?.map(|mark| as_mark(mark.value()));
            let advance = Advance::decide(stored, waiting.ctr, waiting.at);
            if let Advance::Advanced { now, .. } = advance {
                marks.insert(&waiting.id, columns(now))?;
                entries.extend(&waiting.entry);
                moved = true;
            }
            advances.push(advance);
        }
        if !entries.is_empty() {
            Log::open(&transaction, Stream::Records)?.append(entries)?;
        }
    }
    if moved {
        transaction.commit()?;
    } else {
        transaction.abort()?;
    }
    Ok(advances)
}

/// Returns `true` if a document is `text`, or if there are none.
fn is_text(document: Option<&AccessGuard<'_, Text>>, text: Option<&str>) -> bool {
    document.map(AccessGuard::value).as_deref() == text
}

fn columns(mark: Mark) -> (u32, Option<u64>, u32) {
    (mark.ctr.get(), mark.at.map(UnixMillis::get), mark.taps)
}

/// An invalid counter was not written by this program. It is read as the greatest one, which refuses every tap.
fn as_mark((ctr, at, taps): (u32, Option<u64>, u32)) -> Mark {
    Mark { ctr: SdmReadCtr::new(ctr).unwrap_or(SdmReadCtr::MAX), at: at.map(UnixMillis::new), taps }
}

/// Runs `work` unless the store has failed. A panic in `redb` is a failure: it expects that pages are as it wrote them.
fn guarded<T>(guard: &Guard, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let result = match guard.failure() {
        None => catch_unwind(AssertUnwindSafe(work)),
        Some(cause) => return Err(StoreError::Failed(cause)),
    };
    match result {
        Ok(Err(StoreError::Embedded(error))) => {
            guard.verify();
            if matches!(error, redb::Error::Corrupted(_) | redb::Error::LockPoisoned(_)) {
                guard.fail(&error.to_string());
            }
            Err(guard.failure().map_or(StoreError::Embedded(error), StoreError::Failed))
        }
        Ok(result) => result,
        Err(_) => {
            guard.verify();
            guard.fail(DAMAGED);
            Err(guard.failure().map_or(StoreError::Closed, StoreError::Failed))
        }
    }
}

/// Like [`guarded`], but for a write: checks before and after it that no other program has changed the file.
fn verified<T>(guard: &Guard, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    guard.verify();
    let result = guarded(guard, work)?;
    guard.verify();
    guard.failure().map_or(Ok(result), |cause| Err(StoreError::Failed(cause)))
}

const DAMAGED: &str = "the file is truncated or damaged: restore it from a backup";

fn file_error(path: &Path, problem: &str) -> StoreError {
    StoreError::File(format!("data file {}: {problem}", path.display()))
}

fn new_file(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // The umask may have removed the owner's permissions.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Makes the name of a new file durable.
fn sync_folder(path: &Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Opens the database in an existing data file. It may have an older format, and has no newer one.
fn existing(path: &Path, options: Options) -> Result<(Database, Arc<Guard>), StoreError> {
    let metadata = path.metadata().map_err(|error| match error.kind() {
        ErrorKind::NotFound => StoreError::Missing(format!("data file {} does not exist", path.display())),
        _ => file_error(path, &error.to_string()),
    })?;
    if metadata.is_dir() {
        return Err(file_error(path, "is a directory, expected a data file"));
    }
    if !metadata.is_file() {
        return Err(file_error(path, "is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(file_error(
            path,
            "is empty: restore it from a backup, or remove it and create a new store with `suntap-server init`",
        ));
    }
    let file = OpenOptions::new().read(true).write(true).open(path);
    let (database, guard) = database(path, file.map_err(|error| file_error(path, &error.to_string()))?, options)?;
    match quietly(|| has_tables(&database)) {
        Some(Ok(true)) => {}
        Some(Ok(false)) => {
            return Err(file_error(path, "is not a data file of suntap-server, or its creation was interrupted"));
        }
        Some(Err(_)) | None => return Err(file_error(path, DAMAGED)),
    }
    quietly(|| format::check(&database)).unwrap_or_else(|| Err(file_error(path, DAMAGED)))?;
    Ok((database, guard))
}

/// Migrates a data file to the present format, and undoes an unfinished change. Returns what an operator should know about it.
fn settle(database: &Database) -> Result<Vec<String>, StoreError> {
    let migrated = format::migrate(database)?;
    Ok(migrated.into_iter().chain(large::undo(database)?).collect())
}

/// Opens the database in a file, and initializes it if the file is empty.
fn database(path: &Path, file: File, options: Options) -> Result<(Database, Arc<Guard>), StoreError> {
    let guard = Guard::of_file(path, &file).map_err(|error| file_error(path, &error.to_string()))?;
    let backend = Guarded::new(FileBackend::new(file)?, Arc::clone(&guard));
    let mut builder = Database::builder();
    builder.set_cache_size(options.cache_size);
    match quietly(|| builder.create_with_backend(backend)) {
        Some(Ok(database)) => Ok((database, guard)),
        Some(Err(redb::DatabaseError::DatabaseAlreadyOpen)) => Err(redb::DatabaseError::DatabaseAlreadyOpen.into()),
        Some(Err(redb::DatabaseError::Storage(redb::StorageError::Io(error))))
            if error.kind() == ErrorKind::InvalidData =>
        {
            Err(file_error(path, "is not a data file of suntap-server"))
        }
        Some(Err(redb::DatabaseError::Storage(redb::StorageError::Io(error)))) => {
            Err(file_error(path, &error.to_string()))
        }
        Some(Err(error)) => Err(file_error(path, &format!("{DAMAGED} ({error})"))),
        None => Err(file_error(path, DAMAGED)),
    }
}

fn has_tables(database: &Database) -> Result<bool, StoreError> {
    let tables: Vec<_> = database.begin_read()?.list_tables()?.collect();
    let has = |name| tables.iter().any(|table| table.name() == name);
    Ok(has(DOCUMENTS.name()) && has(MARKS.name()))
}

fn create_tables(database: &Database) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    transaction.open_table(DOCUMENTS)?;
    transaction.open_table(MARKS)?;
    format::write(&transaction)?;
    Ok(transaction.commit()?)
}
