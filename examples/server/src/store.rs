//! Where documents and counters are kept: in a file of the service's own, in PostgreSQL, or in Redis.
//!
//! All three do four things: read documents together with a mark, write documents, advance a counter, and say whether they are
//! there. What a document means is the business of [`registry`](crate::registry), so it is the same over each.

use std::cmp::Ordering;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use suntap::{Advance, AsyncCounterStore, CounterId, Mark, SdmReadCtr, UnixMillis};

mod embedded;
mod postgres;
mod redis;

pub use self::embedded::Embedded;
pub use self::postgres::Postgres;
pub use self::redis::Redis;

/// A store.
#[derive(Debug)]
pub struct Store {
    kind: Kind,
    patience: Duration,
}

#[derive(Debug)]
enum Kind {
    Embedded(Embedded),
    Postgres(Postgres),
    Redis(Redis),
}

/// Which store. `Display` leaves out what may be a password.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// The path of a file.
    Embedded(PathBuf),
    /// A URL of PostgreSQL.
    Postgres(String),
    /// URLs of Redis: one, or some nodes of a cluster.
    Redis(Vec<String>),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text.split_once("://") {
            // What has these is no path, but may have a password.
            None if !text.is_empty() && !text.contains(['=', '@', ' ']) => Self::Embedded(text.into()),
            Some(("redb", path)) => Self::Embedded(path.into()),
            Some(("postgres" | "postgresql", _)) => Self::Postgres(text.into()),
            Some(("redis", _)) => Self::Redis(text.split(',').map(String::from).collect()),
            _ => return Err("a path, redb://PATH, postgres://…, or redis://… (nodes of a cluster with commas)".into()),
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

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Taps that share one durable transaction of the embedded store at most.
    pub group_commit: usize,
    /// Connections to PostgreSQL at most.
    pub pool: usize,
    /// How long a tap waits for the store.
    pub patience: Duration,
    /// The time between two checks of the settings of Redis.
    pub recheck: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { group_commit: 1024, pool: 16, patience: Duration::from_secs(5), recheck: Duration::from_secs(60) }
    }
}

/// How a store fails.
#[derive(Debug)]
pub enum StoreError {
    /// There is no store at this address.
    Missing(String),
    /// The embedded store.
    Embedded(::redb::Error),
    /// The embedded store has been closed.
    Closed,
    /// PostgreSQL.
    Postgres(tokio_postgres::Error),
    /// A connection to PostgreSQL could not be had.
    Pool(String),
    /// Redis.
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
    /// It took too long. Whether it was done is not known.
    Late,
    /// Somebody else has written, or is writing, to the registry.
    Contended,
    /// What stands under this key is not what this service writes.
    Document(String),
}

/// What a store has read.
#[derive(Debug, Default)]
pub struct Found {
    /// The documents, in the order of the keys that were asked for.
    pub documents: Vec<Option<String>>,
    /// The mark, if one was asked for and there is one.
    pub mark: Option<Mark>,
}

/// How far a list of documents was read.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    Start,
    /// After this key.
    After(String),
    /// At this cursor of this node of Redis.
    Cursor(usize, u64),
    End,
}

impl Place {
    /// Returns the place after a page of documents in the order of their keys.
    fn after_page(documents: &[(String, String)]) -> Self {
        match documents.last() {
            Some((key, _)) if documents.len() == PAGE => Self::After(key.clone()),
            _ => Self::End,
        }
    }
}

/// A change of documents, carried out as a whole.
#[derive(Debug, Default)]
pub struct Change {
    /// What the change was made from: it fails if this is not what stands there any more.
    pub seen: Vec<(String, Option<String>)>,
    /// What is to stand under which key; nothing, where there is no document.
    pub writes: Vec<(String, Option<String>)>,
    /// Marks from another service. Each is merged with the stored mark, whose counter it never lowers.
    pub marks: Vec<(CounterId, Mark)>,
}

/// Documents that [`Store::list`] reads at once.
const PAGE: usize = 1000;

impl Store {
    /// Opens a store, and makes what it needs if it is new.
    ///
    /// # Errors
    /// If it can not be reached, or is not fit to keep counters.
    pub async fn open(address: &Address, options: Options) -> Result<Self, StoreError> {
        let kind = match address {
            Address::Embedded(path) => Kind::Embedded(Embedded::open(path, options.group_commit)?),
            Address::Postgres(url) => Kind::Postgres(Postgres::create(url, options).await?),
            Address::Redis(urls) => Kind::Redis(Redis::open(urls, options).await?),
        };
        Ok(Self { kind, patience: options.patience })
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        tokio::time::timeout(self.patience, work).await.unwrap_or(Err(StoreError::Late))
    }

    /// Reads documents, and a mark.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn read(&self, keys: &[String], mark: Option<&CounterId>) -> Result<Found, StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.read(keys, mark),
            Kind::Postgres(store) => self.in_time(Box::pin(store.read(keys, mark))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.read(keys, mark))).await,
        }
    }

    /// Lists the documents whose keys start with `prefix`, in no order, to `each`.
    ///
    /// # Errors
    /// Returns the error of `each`, or that of the store.
    pub async fn list<E: From<StoreError>>(
        &self,
        prefix: &str,
        mut each: impl FnMut(&str, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut place = Place::Start;
        while place != Place::End {
            let (documents, next) = match &self.kind {
                Kind::Embedded(store) => store.list(prefix, &place)?,
                Kind::Postgres(store) => self.in_time(Box::pin(store.list(prefix, place))).await?,
                Kind::Redis(store) => self.in_time(Box::pin(store.list(prefix, place))).await?,
            };
            for (key, text) in documents {
                each(&key, &text)?;
            }
            place = next;
        }
        Ok(())
    }

    /// Changes documents.
    ///
    /// # Errors
    /// If the store fails, or what the change was made from has changed. Nothing was written then, but for what [`Redis`] says.
    pub async fn change(&self, change: &Change) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.change(change),
            Kind::Postgres(store) => store.change(change).await,
            Kind::Redis(store) => store.change(change).await,
        }
    }

    /// Closes the store: what was accepted is finished.
    pub async fn close(self) {
        if let Kind::Embedded(store) = self.kind {
            store.close().await;
        }
    }

    /// Whether it does its work, as far as can be told without asking it: a data file that could not be written wants a restart.
    #[must_use]
    pub fn works(&self) -> bool {
        match &self.kind {
            Kind::Embedded(store) => store.works(),
            Kind::Postgres(_) | Kind::Redis(_) => true,
        }
    }

    /// Checks that a database can serve taps.
    ///
    /// # Errors
    /// If it cannot be reached, if it is read-only or a privilege is missing, or if it may evict counters.
    pub async fn verify(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(_) => Ok(()),
            Kind::Postgres(store) => self.in_time(Box::pin(store.verify())).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.verify())).await,
        }
    }

    /// A number that changes when documents do, where the store knows of all changes: nobody else can write to a data file.
    #[must_use]
    pub fn stamp(&self) -> Option<u64> {
        match &self.kind {
            Kind::Embedded(store) => Some(store.stamp()),
            Kind::Postgres(_) | Kind::Redis(_) => None,
        }
    }

    /// What an operator should know of the store, in a line each.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        match &self.kind {
            Kind::Redis(store) => store.warnings(),
            Kind::Embedded(_) | Kind::Postgres(_) => &[],
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
        match &self.kind {
            Kind::Embedded(store) => self.in_time(store.advance(id, ctr, at)).await,
            // In boxes, so that every request has not to be as large as the largest of these.
            Kind::Postgres(store) => self.in_time(Box::pin(store.advance(id, ctr, at))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.advance(id, ctr, at))).await,
        }
    }
}

/// Returns the mark that results from an import: the greater counter, and at least as many taps as before. If the counters are
/// equal, the imported time is used if none is stored.
fn raised(stored: Option<Mark>, imported: Mark) -> Mark {
    let Some(stored) = stored else { return imported };
    let taps = imported.taps.max(stored.taps);
    match imported.ctr.cmp(&stored.ctr) {
        Ordering::Greater => Mark { taps, ..imported },
        Ordering::Equal => Mark { at: stored.at.or(imported.at), taps, ..stored },
        Ordering::Less => stored,
    }
}

/// A mark from columns; what could not have been written by this service is read as what refuses most.
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
                f.write_str("the data file is in use: stop the server that has it open")
            }
            Self::Missing(what) => f.write_str(what),
            Self::Embedded(error) => write!(f, "the data file: {error}"),
            Self::Closed => f.write_str("the data file has been closed"),
            Self::Postgres(error) => write!(f, "PostgreSQL: {}", postgres::cause(error)),
            Self::Pool(error) => write!(f, "PostgreSQL: {error}"),
            Self::Redis(error) => write!(f, "Redis: {error}"),
            Self::Unfit(problem) => write!(f, "Redis: {problem}"),
            Self::Locked { seconds } => write!(
                f,
                "another import is in progress: try again when it has ended; if it was killed, in {seconds} s"
            ),
            Self::Incomplete(error) => {
                write!(f, "{error}; a part of the import may be written: repeat the same import to complete it")
            }
            Self::Late => f.write_str("the store did not answer in time"),
            Self::Contended => f.write_str("somebody else changes the registry at this moment: try again"),
            Self::Document(key) => write!(f, "what stands under {key} is not of this service"),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Embedded(error) => Some(error),
            Self::Redis(error) => Some(error),
            // It would tell what this error leaves out.
            _ => None,
        }
    }
}

impl From<Embedded> for Store {
    fn from(store: Embedded) -> Self {
        Self { kind: Kind::Embedded(store), patience: Options::default().patience }
    }
}

impl<E: Into<::redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        Self::Embedded(error.into())
    }
}
