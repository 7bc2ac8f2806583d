//! Documents and counters in PostgreSQL, for any number of servers.
//!
//! A counter advances by one conditional upsert, so the database decides between two servers. Each connection sets
//! `synchronous_commit = on` and the isolation level `READ COMMITTED`, whatever the defaults of the database are: a tap is answered
//! only after it is on disk there. **A standby that is promoted is different**: if the primary did not wait for it, it does not know
//! the last taps, and they pass once more.
//!
//! A connection pooler that shares connections by transaction (PgBouncer in transaction mode) loses these settings. With one, set
//! them as defaults of the role, together with the [others](connections), and let no other program use this role.
//!
//! **Taps share statements.** While statements are in progress, reads and taps are collected, and the next statement serves all of
//! them ([`reads`], [`taps`]). A tap that a shared statement cannot decide is then decided alone.
//!
//! **Only the taps of a locked row wait.** Another transaction, of an import or of an administrator, can lock the row of a counter.
//! In each server, at most one tap of a counter uses a connection ([`turns`]). An attempt waits 100 ms for the row. At most a
//! quarter of the pool is used for further attempts, so all other taps find free connections.

mod batches;
mod connections;
mod cursors;
mod format;
mod history;
mod large;
mod reads;
mod snapshot;
mod taps;
mod turns;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{ClientWrapper, Transaction};
use suntap::{Advance, CounterId, Mark, SdmReadCtr, UnixMillis};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio_postgres::error::SqlState;
use tokio_postgres::row::Row;

use self::batches::Batches;
pub(super) use self::connections::cause;
use self::connections::{Connections, finish};
pub(crate) use self::connections::{config, tls};
use self::history::signed;
use self::reads::{Read, Wanted};
use self::taps::{Call, Decision, Tap};
use self::turns::Turns;
use super::format::FORMAT;
use super::measure::PoolStatus;
use super::{Change, Entry, Found, Options, Place, StoreError, Stream, mark, raised};

/// Asks for what a server needs. Fails if a table does not exist.
const READY: &str = "
    SELECT has_table_privilege('suntap_documents', 'SELECT') AND has_table_privilege('suntap_marks', 'SELECT')
            AND has_table_privilege('suntap_marks', 'INSERT') AND has_table_privilege('suntap_marks', 'UPDATE'),
        current_setting('transaction_read_only')::boolean, format, program
    FROM suntap_format";

/// Waits for other changes, and has no time limit. Readers of documents do not wait for a change.
const CHANGE: &str = "
    SET LOCAL lock_timeout = '30s';
    SET LOCAL statement_timeout = 0;
    SET LOCAL enable_seqscan = on;
    LOCK TABLE suntap_documents IN SHARE ROW EXCLUSIVE MODE";

const ADVANCE: &str = "
    INSERT INTO suntap_marks (tag, ctr, at, taps) VALUES ($1, $2, $3, 1)
    ON CONFLICT (tag) DO UPDATE SET previous_ctr = suntap_marks.ctr, previous_at = suntap_marks.at,
        ctr = excluded.ctr, at = excluded.at, taps = least(suntap_marks.taps + 1, 4294967295)
    WHERE excluded.ctr > suntap_marks.ctr
    RETURNING ctr, at, taps, previous_ctr, previous_at";

/// The text before and after `ADVANCE` that adds an entry to the history if the counter advances.
const RECORDED: [&str; 2] = [
    "WITH advanced AS (",
    "),
    recorded AS (INSERT INTO suntap_history (at, entry) SELECT $4::bigint, $5::text FROM advanced)
    SELECT ctr, at, taps, previous_ctr, previous_at FROM advanced",
];

const RAISE: &str = "
    INSERT INTO suntap_marks (tag, ctr, at, taps) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])";

/// Merges marks from another service with the stored ones. A counter is never lowered.
const RAISED: &str = "
    ON CONFLICT (tag) DO UPDATE SET ctr = excluded.ctr, taps = greatest(suntap_marks.taps, excluded.taps),
        at = CASE WHEN excluded.ctr > suntap_marks.ctr THEN excluded.at ELSE coalesce(suntap_marks.at, excluded.at) END,
        previous_ctr = CASE WHEN excluded.ctr > suntap_marks.ctr THEN suntap_marks.ctr ELSE suntap_marks.previous_ctr END,
        previous_at = CASE WHEN excluded.ctr > suntap_marks.ctr THEN suntap_marks.at ELSE suntap_marks.previous_at END
    WHERE excluded.ctr >= suntap_marks.ctr";

/// Uses the order of the primary key, so that its index finds each page.
const LIST: &str = "
    SELECT key, value::text FROM suntap_documents
    WHERE starts_with(key, $1) AND ($2::text IS NULL OR key > $2) ORDER BY key LIMIT $3";

const MARK: &str = "SELECT ctr, at, taps FROM suntap_marks WHERE tag = $1";
const DOCUMENTS: &str = "SELECT key, value::text FROM suntap_documents WHERE key = ANY($1)";

/// Rows of one statement.
const PART: usize = 10_000;
/// Batches of reads, and batches of taps, that are in progress at the same time. With fewer, batches are larger.
const BATCHES: usize = 2;
/// Further attempts after a serialization failure or a deadlock.
const CONFLICTS: u32 = 10;

/// A pool of connections.
pub struct Postgres {
    connections: Arc<Connections>,
    reads: Arc<Batches<Read>>,
    taps: Arc<Batches<Call>>,
    turns: Turns,
    /// Limits the connections that are used for further attempts.
    waiting: Semaphore,
    /// The database has the tables of the history.
    has_history: bool,
    warnings: Vec<String>,
}

impl Postgres {
    /// Connects to a database that has the tables. The role needs no right to create any.
    ///
    /// # Errors
    /// Returns an error if the URL or the size of the pool is invalid, if the database cannot be reached, or if a table is missing.
    pub async fn open(url: &str, options: Options) -> Result<Self, StoreError> {
        let mut store = Self::connect(url, options)?;
        if store.migrate().await? {
            store.prepare_history().await
        } else {
            Err(StoreError::Missing("the PostgreSQL database does not have the tables of suntap-server".into()))
        }
    }

    /// Connects, and creates the tables if they are missing.
    ///
    /// # Errors
    /// Returns an error if the URL or the size of the pool is invalid, if the database cannot be reached, or if a table cannot be created.
    pub async fn create(url: &str, options: Options) -> Result<Self, StoreError> {
        let mut store = Self::connect(url, options)?;
        // Even `IF NOT EXISTS` needs the right to create a table.
        if !store.migrate().await? {
            store.create_tables().await?;
        }
        store.prepare_history().await
    }

    fn connect(url: &str, options: Options) -> Result<Self, StoreError> {
        let connections = Connections::new(url, options.pool, options.patience)?;
        let quarter = (options.pool / 4).max(1);
        let (reads, taps) = (Batches::new(quarter.min(BATCHES)), Batches::new(quarter.min(BATCHES)));
        let waiting = Semaphore::new(quarter);
        Ok(Self {
            connections: Arc::new(connections),
            reads,
            taps,
            turns: Turns::default(),
            waiting,
            has_history: false,
            warnings: Vec::new(),
        })
    }

    /// Returns the numbers of connections.
    pub(super) fn pool(&self) -> PoolStatus {
        self.connections.status()
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Checks that taps can be served.
    ///
    /// # Errors
    /// Returns an error if the database cannot be reached, if a table or a privilege is missing, or if the database is read-only.
    pub(super) async fn verify(&self) -> Result<(), StoreError> {
        let client = self.connections.get().await?;
        let row = client.query_one(READY, &[]).await;
        finish(client);
        let row = row.map_err(StoreError::Postgres)?;
        if !column::<bool>(&row, 0)? {
            let text = "the role needs SELECT on suntap_documents, and SELECT, INSERT and UPDATE on suntap_marks";
            return Err(StoreError::Pool(text.into()));
        }
        if column(&row, 1)? {
            return Err(StoreError::Pool("the database is read-only: is it a standby?".into()));
        }
        // Another program may have migrated the tables since they were opened.
        let format = u32::try_from(column::<i64>(&row, 2)?).unwrap_or(u32::MAX);
        if format > FORMAT {
            return Err(StoreError::Newer { format, program: column(&row, 3)? });
        }
        Ok(())
    }

    pub(super) async fn read(&self, keys: &[String], tag: Option<&CounterId>) -> Result<Found, StoreError> {
        let mut retries = Retries::new(self);
        loop {
            let found = self.try_read(keys, tag).await;
            if !retries.again(&found).await {
                return found;
            }
        }
    }

    async fn try_read(&self, keys: &[String], tag: Option<&CounterId>) -> Result<Found, StoreError> {
        let (answer, answered) = oneshot::channel();
        let connections = Arc::clone(&self.connections);
        let read = Read { wanted: Wanted { keys: keys.to_vec(), tag: tag.copied() }, answer };
        self.reads.add(read, move |batch| reads::answer(Arc::clone(&connections), batch));
        answered.await.unwrap_or(Err(StoreError::Late))
    }

    pub(super) async fn list(
        &self,
        prefix: &str,
        place: Place,
        limit: usize,
    ) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let after = match place {
            Place::After(key) => Some(key),
            _ => None,
        };
        let rows_limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let client = self.connections.get().await?;
        let rows = client.query(LIST, &[&prefix, &after, &rows_limit]).await;
        finish(client);
        let rows = rows.map_err(StoreError::Postgres)?;
        let documents = rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?)));
        let documents = documents.collect::<Result<Vec<_>, StoreError>>()?;
        let next = Place::after_page(&documents, limit);
        Ok((documents, next))
    }

    pub(super) async fn change(&self, change: &Change, history: &[Entry]) -> Result<(), StoreError> {
        let mut client = self.connections.get().await?;
        let changed = change_on(&mut client, change, history).await;
        if changed.is_ok() {
            finish(client);
        }
        changed
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
        entry: Option<&Entry>,
    ) -> Result<Advance, StoreError> {
        let mut retries = Retries::new(self);
        let tap = Tap { id: *id, ctr, at, entry: entry.cloned() };
        // If a tap of this counter is decided alone, its row may be locked.
        if !self.turns.is_taken(id)
            && let Decision::Decided(advance) = self.share(tap.clone()).await?
        {
            return Ok(advance);
        }
        let _turn = self.turns.wait(id).await;
        if retries.are_over() {
            return Err(StoreError::Late);
        }
        loop {
            let advance = self.try_advance(&tap).await;
            if !retries.again(&advance).await {
                return advance;
            }
        }
    }

    /// Decides a tap in a statement with others.
    async fn share(&self, tap: Tap) -> Result<Decision, StoreError> {
        let (answer, answered) = oneshot::channel();
        let connections = Arc::clone(&self.connections);
        self.taps.add(Call { tap, answer }, move |batch| taps::decide(Arc::clone(&connections), batch));
        answered.await.unwrap_or(Err(StoreError::Late))
    }

    /// Decides a tap alone.
    async fn try_advance(&self, tap: &Tap) -> Result<Advance, StoreError> {
        let client = self.connections.get().await?;
        let id = tap.id.as_bytes().as_slice();
        let rows = async {
            let (ctr, at) = (i64::from(tap.ctr.get()), millis(tap.at));
            let advanced = if let Some(Entry { at: time, text }) = &tap.entry {
                let [before, behind] = RECORDED;
                let statement = client.prepare_cached(&[before, ADVANCE, behind].concat()).await?;
                client.query_opt(&statement, &[&id, &ctr, &at, &signed(time.get()), text]).await?
            } else {
                let statement = client.prepare_cached(ADVANCE).await?;
                client.query_opt(&statement, &[&id, &ctr, &at]).await?
            };
            if advanced.is_some() {
                return Ok((advanced, None));
            }
            // The tap was refused already. The stored mark is only reported.
            let statement = client.prepare_cached(MARK).await?;
            Ok((None, Some(client.query_one(&statement, &[&id]).await?)))
        };
        let rows = rows.await;
        finish(client);
        let (advanced, stored) = rows.map_err(StoreError::Postgres)?;
        if let Some(row) = stored {
            return Ok(Advance::Stale { stored: stored_mark(&row)? });
        }
        let row = advanced.ok_or_else(|| StoreError::Document("a counter".into()))?;
        let now = stored_mark(&row)?;
        Ok(Advance::Advanced { previous: previous_mark(&row, now)?, now })
    }
}

async fn change_on(client: &mut ClientWrapper, change: &Change, history: &[Entry]) -> Result<(), StoreError> {
    let transaction = client.transaction().await.map_err(StoreError::Postgres)?;
    match write(&transaction, change, history).await {
        Ok(true) => transaction.commit().await.map_err(StoreError::Postgres),
        Ok(false) => Err(StoreError::Contended),
        Err(error) => Err(busy(error)),
    }
}

/// Says what a change waited for, if it waited too long.
fn busy(error: tokio_postgres::Error) -> StoreError {
    if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) {
        let text = "another import, or another transaction on the tables, did not end in 30 s: try again later";
        return StoreError::Pool(text.into());
    }
    StoreError::Postgres(error)
}

/// Writes a change. Returns `false` if a document that it was computed from is different now.
async fn write(
    transaction: &Transaction<'_>,
    change: &Change,
    history: &[Entry],
) -> Result<bool, tokio_postgres::Error> {
    transaction.batch_execute(CHANGE).await?;
    let keys: Vec<&str> = change.seen.iter().map(|(key, _)| &**key).collect();
    let rows = transaction.query(DOCUMENTS, &[&keys]).await?;
    let mut texts = HashMap::new();
    for row in &rows {
        texts.insert(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
    }
    if change.seen.iter().any(|(key, seen)| texts.get(key) != seen.as_ref()) {
        return Ok(false);
    }
    let put =
        "INSERT INTO suntap_documents SELECT key, value::json FROM unnest($1::text[], $2::text[]) AS u (key, value)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    for part in change.writes.chunks(PART) {
        let (keys, texts): (Vec<&str>, Vec<&str>) =
            part.iter().filter_map(|(key, text)| Some((&**key, text.as_deref()?))).unzip();
        transaction.execute(put, &[&keys, &texts]).await?;
        let gone: Vec<&str> = part.iter().filter(|(_, text)| text.is_none()).map(|(key, _)| &**key).collect();
        transaction.execute("DELETE FROM suntap_documents WHERE key = ANY($1)", &[&gone]).await?;
    }
    for part in change.marks.chunks(PART) {
        raise(transaction, part).await?;
    }
    if !history.is_empty() {
        history::add(transaction, Stream::Acts, history).await?;
    }
    Ok(true)
}

/// Merges marks with the stored ones.
async fn raise(transaction: &Transaction<'_>, marks: &[(CounterId, Mark)]) -> Result<(), tokio_postgres::Error> {
    let marks = merged(marks);
    let ids: Vec<&[u8]> = marks.iter().map(|(id, _)| id.as_bytes().as_slice()).collect();
    let ctrs: Vec<i64> = marks.iter().map(|(_, mark)| mark.ctr.get().into()).collect();
    let ats: Vec<Option<i64>> = marks.iter().map(|(_, mark)| millis(mark.at)).collect();
    let taps: Vec<i64> = marks.iter().map(|(_, mark)| mark.taps.into()).collect();
    transaction.execute(&[RAISE, RAISED].concat(), &[&ids, &ctrs, &ats, &taps]).await.map(drop)
}

/// Returns one mark for each counter, because a statement cannot change a row twice. The ids are sorted, so that two statements
/// cannot wait for each other.
fn merged(marks: &[(CounterId, Mark)]) -> Vec<(CounterId, Mark)> {
    let mut merged = BTreeMap::new();
    for (id, mark) in marks {
        let mark = raised(merged.get(id).copied(), *mark);
        merged.insert(*id, mark);
    }
    merged.into_iter().collect()
}

/// Decides whether a call is tried again.
struct Retries<'s> {
    waiting: &'s Semaphore,
    /// Held during each further attempt.
    permit: Option<SemaphorePermit<'s>>,
    conflicts: u32,
    started: Instant,
    limit: Duration,
}

impl<'s> Retries<'s> {
    fn new(store: &'s Postgres) -> Self {
        let limit = store.connections.limits().statement;
        Self { waiting: &store.waiting, permit: None, conflicts: 0, started: Instant::now(), limit }
    }

    /// Returns `true` if the call must be tried again, and waits until it may.
    async fn again<T>(&mut self, result: &Result<T, StoreError>) -> bool {
        let Err(error) = result else { return false };
        // The server has already waited for the locked row, so there is no limit for this conflict.
        if code(error) != Some(&SqlState::LOCK_NOT_AVAILABLE) {
            if !is_conflict(error) || self.conflicts >= CONFLICTS {
                return false;
            }
            self.conflicts = self.conflicts.saturating_add(1);
        }
        // Given back first, so that the tags with a locked row take turns.
        self.permit = None;
        self.permit = self.waiting.acquire().await.ok();
        !self.are_over()
    }

    /// Returns `true` if another attempt might not end in time.
    fn are_over(&self) -> bool {
        self.started.elapsed() >= self.limit
    }
}

/// Returns the code of an error of the database.
fn code(error: &StoreError) -> Option<&SqlState> {
    match error {
        StoreError::Postgres(error) => error.code(),
        StoreError::Shared(error) => code(error),
        _ => None,
    }
}

/// Returns `true` if another transaction was in the way, and nothing was changed.
fn is_conflict(error: &StoreError) -> bool {
    use SqlState as State;
    let conflicts = [State::LOCK_NOT_AVAILABLE, State::T_R_SERIALIZATION_FAILURE, State::T_R_DEADLOCK_DETECTED];
    code(error).is_some_and(|code| conflicts.contains(code))
}

fn millis(at: Option<UnixMillis>) -> Option<i64> {
    at.and_then(|at| i64::try_from(at.get()).ok())
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(StoreError::Postgres)
}

/// Returns the id of a counter in a column.
fn id(row: &Row, index: usize) -> Result<[u8; 16], StoreError> {
    column::<&[u8]>(row, index)?.try_into().map_err(|_| StoreError::Document("a counter".into()))
}

fn stored_mark(row: &Row) -> Result<Mark, StoreError> {
    Ok(mark(column(row, 0)?, column(row, 1)?, column(row, 2)?))
}

/// Returns the mark before a counter advanced to `now`.
fn previous_mark(row: &Row, now: Mark) -> Result<Option<Mark>, StoreError> {
    let before = i64::from(now.taps).saturating_sub(1);
    let (ctr, at): (Option<i64>, _) = (column(row, 3)?, column(row, 4)?);
    Ok(ctr.map(|ctr| mark(ctr, at, before)))
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
