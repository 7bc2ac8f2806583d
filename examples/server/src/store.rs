//! Stores of documents and counters: a data file, PostgreSQL or Redis.
//!
//! Each store reads documents together with a mark, writes documents, advances a counter, and says whether it works. The meaning of
//! documents is defined in [`registry`](crate::registry) and is the same for all stores.

use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use suntap::{Advance, AsyncCounterStore, CounterId, Mark, SdmReadCtr, UnixMillis};
use tokio::sync::mpsc;

mod cursors;
mod embedded;
mod format;
mod history;
mod measure;
mod postgres;
mod redis;
mod snapshot;
mod spill;
mod staged;

pub use self::embedded::{Compacted, Embedded};
pub use self::format::FORMAT;
pub use self::history::{HistoryCursor, HistoryPage, Recording, Retention, Stream};
pub(crate) use self::history::{Position, STEP};
pub(crate) use self::measure::Gauges;
use self::measure::{Calls, timed};
pub use self::postgres::Postgres;
pub(crate) use self::postgres::{config as postgres_config, tls as postgres_tls};
pub use self::redis::Redis;
use self::snapshot::Batch;
pub use self::snapshot::{Record, Source};
pub(crate) use self::spill::{Run, Spill};
pub(crate) use self::staged::Record as StagedRecord;
pub use self::staged::{Pace, Staged};

/// A store.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
    patience: Duration,
    /// Entries of the history are written.
    has_history: bool,
    calls: Calls,
}

#[derive(Debug)]
enum Kind {
    Embedded(Embedded),
    Postgres(Postgres),
    Redis(Redis),
}

/// The address of a store. `Display` leaves out URLs, which may have a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// The path of a file.
    Embedded(PathBuf),
    /// The URL of a PostgreSQL database.
    Postgres(String),
    /// URLs of one Redis, or of some nodes of a cluster.
    Redis(Vec<String>),
}

impl Address {
    /// Returns `true` if a URL has a password.
    #[must_use]
    pub fn has_password(&self) -> bool {
        let urls = match self {
            Self::Embedded(_) => return false,
            Self::Postgres(url) => std::slice::from_ref(url),
            Self::Redis(urls) => urls,
        };
        urls.iter().any(|url| {
            let (authority, parameters) = url.split_once('?').unwrap_or((url, ""));
            let user = authority.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
            user.is_some_and(|(user, _)| user.contains(':')) || parameters.contains("password=")
        })
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once("://") {
            // A text with one of these is probably a connection string with a password, and not a path.
            None if !text.is_empty() && !text.contains(['=', '@', ' ']) => Self::Embedded(text.into()),
            Some(("redb", path)) => Self::Embedded(path.into()),
            Some(("postgres" | "postgresql", _)) => Self::Postgres(text.into()),
            Some(("redis" | "rediss", _)) => Self::Redis(text.split(',').map(String::from).collect()),
            _ => {
                return Err("expected a path, redb://PATH, postgres://…, or redis://… (separate the nodes of a cluster by commas)".into());
            }
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(path) => path.display().fmt(f),
            Self::Postgres(_) => f.write_str("PostgreSQL"),
            Self::Redis(_) => f.write_str("Redis"),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Settings of a store.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The largest number of taps that share one durable transaction of a data file.
    pub group_commit: usize,
    /// Bytes of a data file that are cached in memory. With 64 MiB a server with a million tags stays below 256 MiB, also when it
    /// repairs the file after a crash.
    pub cache_size: usize,
    /// The largest number of connections to PostgreSQL.
    pub pool: usize,
    /// How long a tap waits for the store.
    pub patience: Duration,
    /// The time between two checks of the settings of Redis.
    pub recheck: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            group_commit: 1024,
            cache_size: 64 * 1024 * 1024,
            pool: 16,
            patience: Duration::from_secs(5),
            recheck: Duration::from_secs(60),
        }
    }
}

/// The error of a store.
#[derive(Debug)]
pub enum StoreError {
    /// There is no store at this address.
    Missing(String),
    /// The data file cannot be opened or created.
    File(String),
    /// A call on a data file failed.
    Embedded(::redb::Error),
    /// The data file failed earlier. Only opening it again can help.
    Failed(Arc<str>),
    /// The data file has been closed.
    Closed,
    /// PostgreSQL returned an error.
    Postgres(tokio_postgres::Error),
    /// The error of a statement that served several calls.
    Shared(Arc<StoreError>),
    /// No connection to PostgreSQL was available.
    Pool(String),
    /// Redis returned an error.
    Redis(::redis::RedisError),
    /// Redis cannot be used as it is.
    Unfit(String),
    /// Another change of the registry is in progress.
    Locked {
        /// Seconds after which its lock ends if its process was killed.
        seconds: u64,
    },
    /// A change failed, and a part of it may be written.
    Incomplete(Box<StoreError>),
    /// The store did not answer in time. It is unknown whether the call was carried out.
    Late,
    /// Another process has changed the registry, or is changing it.
    Contended,
    /// The masters of a Redis cluster changed while its keys were listed.
    NodesChanged,
    /// The document under this key was not written by this program.
    Document(String),
    /// The store has a format that this program does not know.
    Newer {
        /// The format.
        format: u32,
        /// The version of the program that wrote it.
        program: String,
    },
    /// The store has an older format, and the role may not migrate it.
    Older {
        /// The format.
        format: u32,
        /// The error of the database.
        cause: String,
    },
    /// Only an empty store can be filled.
    NotEmpty,
    /// The records for a store could not be read.
    Source(String),
    /// A temporary file for a large change could not be written or read.
    Temporary(std::io::Error),
}

/// The result of a read.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents, in the order of the keys that were asked for.
    pub documents: Vec<Option<String>>,
    /// The mark, if one was asked for and there is one.
    pub mark: Option<Mark>,
}

/// Some of the documents under a prefix.
#[derive(Debug, Default)]
pub struct Page {
    /// Keys and documents. Over Redis, a document may be on two pages.
    pub documents: Vec<(String, String)>,
    /// Where the next page starts, or `None` after the last document.
    pub next: Option<Cursor>,
}

/// Where a page of documents starts. Its text can be given to a client and parsed again. It is valid for the same store and prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Place);

/// How far a list of documents has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// After this key.
    After(String),
    /// At this cursor of this node of Redis, and a hash of the list of nodes.
    Cursor(usize, u64, u64),
    End,
}

impl Place {
    /// Returns the place after a page of documents in the order of their keys. The page has at most `limit` documents.
    fn after_page(documents: &[(String, String)], limit: usize) -> Self {
        match documents.last() {
            Some((key, _)) if documents.len() == limit => Self::After(key.clone()),
            _ => Self::End,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Start => f.write_str("start"),
            Place::After(key) => write!(f, "after/{key}"),
            Place::Cursor(node, cursor, nodes) => write!(f, "scan/{node}/{cursor}/{nodes}"),
            Place::End => f.write_str("end"),
        }
    }
}

impl FromStr for Cursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let place = match text.split_once('/') {
            Some(("after", key)) => Some(Place::After(key.into())),
            Some(("scan", rest)) => rest.split_once('/').and_then(|(node, rest)| {
                let (cursor, nodes) = rest.split_once('/')?;
                Some(Place::Cursor(node.parse().ok()?, cursor.parse().ok()?, nodes.parse().ok()?))
            }),
            _ => None,
        };
        place.map(Self).ok_or_else(|| "invalid cursor: expected the text that came with the previous page".into())
    }
}

/// An entry of the history. The store keeps its text as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// When it happened.
    pub at: UnixMillis,
    /// A JSON object in one line, without the time.
    pub text: String,
}

/// A change of documents, carried out as a whole.
#[derive(Debug, Default)]
pub struct Change {
    /// The documents that the change was computed from. The change fails if one of them is different now.
    pub seen: Vec<Seen>,
    /// The new document of each key. `None` removes it.
    pub writes: Vec<(String, Option<String>)>,
    /// Marks from another service. Each is merged with the stored mark, whose counter it never lowers.
    pub marks: Vec<(CounterId, Mark)>,
    /// Entries of the history about this change.
    pub history: Vec<Entry>,
}

/// The key of a document, and its text as it was read: `None` if there was none.
pub type Seen = (String, Option<String>);

/// Documents that a store lists at once, at most.
const PAGE: usize = 1000;

impl Store {
    /// Opens an existing store.
    ///
    /// # Errors
    /// Returns [`StoreError::Missing`] if there is none, and another error if it cannot be reached or cannot keep counters.
    pub async fn open(address: &Address, options: Options) -> Result<Self, StoreError> {
        let kind = match address {
            Address::Embedded(path) => Kind::Embedded(Embedded::open(path, options)?),
            Address::Postgres(url) => Kind::Postgres(Postgres::open(url, options).await?),
            Address::Redis(urls) => Kind::Redis(Redis::open(urls, options).await?),
        };
        Ok(Self::new(kind, options.patience))
    }

    /// Opens a store, and creates its data file or its tables if they are missing.
    ///
    /// # Errors
    /// Returns an error if it cannot be reached, created or written, or cannot keep counters.
    pub async fn create(address: &Address, options: Options) -> Result<Self, StoreError> {
        let kind = match address {
            Address::Embedded(path) => Kind::Embedded(Embedded::create(path, options)?),
            Address::Postgres(url) => Kind::Postgres(Postgres::create(url, options).await?),
            Address::Redis(urls) => Kind::Redis(Redis::create(urls, options).await?),
        };
        Ok(Self::new(kind, options.patience))
    }

    /// Creates a store in a temporary file, which the system removes when the process ends, even if it is killed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be created.
    pub fn temporary(options: Options) -> Result<Self, StoreError> {
        let file = tempfile::tempfile().map_err(|error| StoreError::File(format!("temporary data file: {error}")))?;
        let store = Embedded::open_with(::redb::backends::FileBackend::new(file)?, options)?;
        Ok(Self::new(Kind::Embedded(store), options.patience))
    }

    /// Like [`create`](Self::create), for a store that is then [filled](Self::fill).
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub async fn create_to_fill(address: &Address, options: Options) -> Result<Self, StoreError> {
        match address {
            Address::Redis(urls) => {
                let kind = Kind::Redis(Redis::connect(urls, options).await?);
                Ok(Self::new(kind, options.patience))
            }
            _ => Self::create(address, options).await,
        }
    }

    fn new(kind: Kind, patience: Duration) -> Self {
        let calls = Calls::new(kind.name());
        Self { kind, patience, has_history: true, calls }
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        tokio::time::timeout(self.patience, work).await.unwrap_or(Err(StoreError::Late))
    }

    /// Reads documents and a mark.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn read(&self, keys: &[String], mark: Option<&CounterId>) -> Result<Found, StoreError> {
        let read = async {
            match &self.kind {
                Kind::Embedded(store) => store.read(keys, mark),
                Kind::Postgres(store) => self.in_time(Box::pin(store.read(keys, mark))).await,
                Kind::Redis(store) => self.in_time(Box::pin(store.read(keys, mark))).await,
            }
        };
        timed("store read", &self.calls.read, read).await
    }

    /// Calls `each` with every document whose key starts with `prefix`, in any order.
    ///
    /// # Errors
    /// Returns the error of `each` or of the store.
    pub async fn list<E: From<StoreError>>(
        &self,
        prefix: &str,
        mut each: impl FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = Place::Start;
        while place != Place::End {
            let (documents, next) = self.documents(prefix, place, PAGE).await?;
            for (key, text) in documents {
                each(&key, &text)?;
            }
            place = next;
        }
        Ok(())
    }

    /// Returns at most `limit` of the documents whose key starts with `prefix`, in the order of their keys. Over Redis, there is no
    /// order, and a page may be a little longer, or empty without being the last.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn page(&self, prefix: &str, start: Option<Cursor>, limit: usize) -> Result<Page, StoreError> {
        let place = start.map_or(Place::Start, |cursor| cursor.0);
        let (documents, next) = self.documents(prefix, place, limit.clamp(1, PAGE)).await?;
        Ok(Page { documents, next: Some(next).filter(|next| *next != Place::End).map(Cursor) })
    }

    async fn documents(
        &self,
        prefix: &str,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<(String, String)>, Place), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.list(prefix, &place, limit),
            Kind::Postgres(store) => self.in_time(Box::pin(store.list(prefix, place, limit))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.list(prefix, place, limit))).await,
        }
    }

    /// Returns `true` if a list may have a document twice.
    pub(crate) fn may_list_twice(&self) -> bool {
        matches!(self.kind, Kind::Redis(_))
    }

    /// Changes documents. The entries of the change are written in the same commit; in Redis, after everything else.
    ///
    /// # Errors
    /// Returns an error if the store fails, or if a document that the change was computed from is different now. Nothing was written
    /// then, except in Redis, where a part of a change may be: see [`Redis`].
    pub async fn change(&self, change: &Change) -> Result<(), StoreError> {
        let history = if self.recording() == Recording::Off { &[] } else { &*change.history };
        let changed = async {
            match &self.kind {
                Kind::Embedded(store) => store.change(change, history).await,
                Kind::Postgres(store) => store.change(change, history).await,
                Kind::Redis(store) => store.change(change, history).await,
            }
        };
        timed("store change", &self.calls.change, changed).await
    }

    /// Like [`change`](Self::change), for a change that may be larger than memory. With [`Pace::BesideTaps`], readers of a data file
    /// may see a part of the change before it is complete. If the process ends then, the documents are restored when the file is
    /// opened, and marks that were raised stay raised. Redis needs the whole change in memory.
    ///
    /// # Errors
    /// As [`change`](Self::change).
    pub async fn apply(&self, staged: Staged, pace: Pace) -> Result<(), StoreError> {
        let history = if self.recording() == Recording::Off { Vec::new() } else { staged.change.history.clone() };
        let changed = async {
            match (&self.kind, pace) {
                (Kind::Embedded(store), Pace::Alone) => store.change_at_once(staged, &history).await,
                (Kind::Embedded(store), Pace::BesideTaps) => store.change_beside_taps(staged, &history).await,
                (Kind::Postgres(store), _) => store.apply(staged, &history).await,
                (Kind::Redis(store), _) => store.change(&staged.in_memory()?, &history).await,
            }
        };
        timed("store change", &self.calls.change, changed).await
    }

    /// Sends every record of the store: documents, then marks, then the history. Taps go on meanwhile. What was written before this
    /// call is among the records. A data file and PostgreSQL send what they had at one point in time. Redis refuses changes of
    /// documents while it sends documents, then sends marks that may be newer, and may send a record twice. The history may have entries
    /// that are newer than the marks.
    ///
    /// A data file grows, and PostgreSQL keeps old rows, until all records are received: the receiver should be fast.
    ///
    /// # Errors
    /// Returns an error if the store fails, or if the receiver is closed. The records that were sent are incomplete then.
    pub async fn snapshot(&self, sender: mpsc::Sender<Vec<Record>>) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.snapshot(sender.clone()).await?,
            Kind::Postgres(store) => store.snapshot(sender.clone()).await?,
            Kind::Redis(store) => store.snapshot(sender.clone()).await?,
        }
        let mut batch = Batch::new(sender);
        for stream in Stream::ALL {
            let mut after = None;
            loop {
                let entries = self.entries(stream, after, PAGE).await?;
                let is_last = entries.len() < PAGE;
                for (position, entry) in entries {
                    after = Some(position);
                    batch.add(Record::History(stream, entry)).await?;
                }
                if is_last {
                    break;
                }
            }
        }
        batch.finish().await
    }

    /// Writes records into an empty store: one without marks, and without documents other than those in `replaceable`, which are
    /// replaced. Marks of the same counter are merged; the greater counter wins. `name` identifies the backup that the records come
    /// from. Nothing else should use the store meanwhile. This blocks the thread.
    ///
    /// # Errors
    /// Returns [`StoreError::NotEmpty`] if the store is not empty, and [`StoreError::Source`] with the error of `source`. After an
    /// error nothing is written, except in Redis: there, only the same call can be repeated, and the store does not open before it
    /// has succeeded.
    pub async fn fill(&self, name: &str, replaceable: &[&str], source: &mut Source<'_>) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.fill(replaceable, source),
            Kind::Postgres(store) => Box::pin(store.fill(replaceable, source)).await,
            Kind::Redis(store) => Box::pin(store.fill(name, replaceable, source)).await,
        }
    }

    /// Returns the kind of the store in one word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Closes the store after every accepted tap is on disk.
    pub async fn close(self) {
        if let Kind::Embedded(store) = self.kind {
            store.close().await;
        }
    }

    /// Returns `false` after a data file has failed: this process cannot use it any more. Does not ask a database.
    #[must_use]
    pub fn works(&self) -> bool {
        match &self.kind {
            Kind::Embedded(store) => store.works(),
            Kind::Postgres(_) | Kind::Redis(_) => true,
        }
    }

    /// Checks that the store can serve taps: that a database can be reached and keeps counters, and that a data file was not
    /// replaced, truncated or changed by another program.
    ///
    /// # Errors
    /// Returns an error if it cannot. [`StoreError::Failed`] is final.
    pub async fn verify(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.verify().await,
            Kind::Postgres(store) => self.in_time(Box::pin(store.verify())).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.verify())).await,
        }
    }

    /// Waits until a data file fails, and returns the cause. The process should end then. A database never fails for good.
    pub fn failed(&self) -> impl Future<Output = StoreError> + Send + use<> {
        let failed = match &self.kind {
            Kind::Embedded(store) => Some(store.failed()),
            Kind::Postgres(_) | Kind::Redis(_) => None,
        };
        async move {
            match failed {
                Some(failed) => failed.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Returns a number that changes when documents change, or `None` if another process can change them.
    #[must_use]
    pub fn stamp(&self) -> Option<u64> {
        match &self.kind {
            Kind::Embedded(store) => Some(store.stamp()),
            Kind::Postgres(_) | Kind::Redis(_) => None,
        }
    }

    /// Returns what an operator should know about the store, one line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        match &self.kind {
            Kind::Embedded(store) => store.warnings(),
            Kind::Postgres(store) => store.warnings(),
            Kind::Redis(store) => store.warnings(),
        }
    }
}

impl Kind {
    fn name(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "redb",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
        }
    }
}

impl AsyncCounterStore for &Store {
    type Error = StoreError;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        self.advance_recorded(id, ctr, at, None).await
    }
}

/// Returns the mark that results from an import: the greater counter, and at least as many taps as before. If the counters are
/// equal, the imported time is used if none is stored.
pub(crate) fn raised(stored: Option<Mark>, imported: Mark) -> Mark {
    let Some(stored) = stored else { return imported };
    let taps = imported.taps.max(stored.taps);
    match imported.ctr.cmp(&stored.ctr) {
        Ordering::Greater => Mark { taps, ..imported },
        Ordering::Equal => Mark { at: stored.at.or(imported.at), taps, ..stored },
        Ordering::Less => stored,
    }
}

/// Returns a mark from columns. A value that this program cannot have written is read as the one that refuses every tap.
fn mark(ctr: i64, at: Option<i64>, taps: i64) -> Mark {
    Mark {
        ctr: u32::try_from(ctr).ok().and_then(SdmReadCtr::new).unwrap_or(SdmReadCtr::MAX),
        at: at.and_then(|at| u64::try_from(at).ok()).map(UnixMillis::new),
        taps: u32::try_from(taps).unwrap_or(u32::MAX),
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(::redb::Error::DatabaseAlreadyOpen) => {
                f.write_str("the data file is in use: stop the server that has it open, or use --admin")
            }
            Self::Missing(what) => {
                write!(f, "{what}: create a new store with `suntap-server init`, or correct --store")
            }
            Self::File(problem) | Self::Source(problem) => f.write_str(problem),
            Self::Embedded(error) => write!(f, "data file: {error}"),
            Self::Failed(cause) => write!(f, "data file: {cause}"),
            Self::Closed => f.write_str("the data file has been closed"),
            Self::Postgres(error) => write!(f, "PostgreSQL: {}", postgres::cause(error)),
            Self::Shared(error) => error.fmt(f),
            Self::Pool(error) => write!(f, "PostgreSQL: {error}"),
            Self::Redis(error) => write!(f, "Redis: {error}"),
            Self::Unfit(problem) => write!(f, "Redis: {problem}"),
            Self::Locked { seconds } => write!(
                f,
                "another change or a backup of the registry is in progress: try again when it has ended; if it was killed, in {seconds} s"
            ),
            Self::Incomplete(error) => {
                write!(f, "{error}; a part of the import may be written: repeat the same import to complete it")
            }
            Self::Late => f.write_str("the store did not answer in time"),
            Self::Contended => f.write_str("another process is changing the registry: try again"),
            Self::NodesChanged => f.write_str("Redis: the masters of the cluster changed meanwhile: try again"),
            Self::Document(key) => write!(f, "invalid document {key}: it was not written by suntap-server"),
            Self::Newer { format, program } => write!(
                f,
                "the store has format {format}, and this program supports formats up to {FORMAT}: use suntap-server {program} or a \
                 newer one"
            ),
            Self::Older { format, cause } => write!(
                f,
                "the tables have format {format}, this program needs format {FORMAT}, and this role cannot migrate them: run \
                 `suntap-server init` once with the role that owns the tables ({cause})"
            ),
            Self::Temporary(error) => {
                write!(f, "temporary file in {}: {error}", std::env::temp_dir().display())
            }
            Self::NotEmpty => f.write_str("the store is not empty: restore into a new store"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Embedded(error) => Some(error),
            Self::Redis(error) => Some(error),
            Self::Temporary(error) => Some(error),
            // The source of a PostgreSQL error has the values that `Display` leaves out.
            _ => None,
        }
    }
}

impl From<Embedded> for Store {
    fn from(store: Embedded) -> Self {
        Self::new(Kind::Embedded(store), Options::default().patience)
    }
}

impl<E: Into<::redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Embedded(error.into())
    }
}
