//! The history in PostgreSQL: a table for each stream.
//!
//! The primary key starts with the time, so one index serves reading from a time on, and finding the oldest entries. The numbers have
//! few gaps: the distance between the first and the last one is the number of entries, or a little more.

use deadpool_postgres::GenericClient;
use suntap::UnixMillis;
use tokio_postgres::error::SqlState;

use super::{Postgres, StoreError, cause, column, finish};
use crate::store::Entry;
use crate::store::history::{Position, Retention, STEP, Stream};

/// Asks whether the tables exist, and whether this role may use them.
const STATE: &str = "
    SELECT bool_and(to_regclass(name) IS NOT NULL),
        coalesce(bool_and(has_table_privilege(to_regclass(name), 'SELECT') AND has_table_privilege(to_regclass(name), 'INSERT')
            AND has_table_privilege(to_regclass(name), 'DELETE')), false)
    FROM unnest($1::text[]) AS name";

/// The text of a table that keeps a stream.
fn create(stream: Stream) -> String {
    format!(
        "CREATE TABLE IF NOT EXISTS {} (at bigint NOT NULL, seq bigint GENERATED ALWAYS AS IDENTITY, entry text NOT NULL,
            PRIMARY KEY (at, seq));",
        stream.table()
    )
}

/// Adds the entries of two arrays.
fn insert(stream: Stream) -> String {
    format!("INSERT INTO {} (at, entry) SELECT * FROM unnest($1::bigint[], $2::text[])", stream.table())
}

fn select(stream: Stream) -> String {
    format!("SELECT at, seq, entry FROM {} WHERE (at, seq) > ($1, $2) ORDER BY at, seq LIMIT $3", stream.table())
}

/// Looks only at the oldest entries, so that a step is short.
fn delete(stream: Stream) -> String {
    let table = stream.table();
    format!(
        "WITH oldest AS (SELECT at, seq FROM {table} ORDER BY at, seq LIMIT $1),
            newest AS (SELECT seq FROM {table} ORDER BY at DESC, seq DESC LIMIT 1)
        DELETE FROM {table} entry USING oldest WHERE entry.at = oldest.at AND entry.seq = oldest.seq
            AND (oldest.at < $2 OR oldest.seq <= (SELECT seq FROM newest) - $3)"
    )
}

impl Postgres {
    /// Returns `true` if the database has the tables of the history. Creates them if they are missing and the role may. Without them
    /// the server works as before, with a warning.
    pub(super) async fn prepare_history(mut self) -> Result<Self, StoreError> {
        let client = self.connections.get().await?;
        let tables = Stream::ALL.map(Stream::table);
        let state = client.query_one(STATE, &[&&tables[..]]).await.map_err(StoreError::Postgres)?;
        let (mut exists, mut is_allowed): (bool, bool) = (column(&state, 0)?, column(&state, 1)?);
        if !exists {
            let tables: String = Stream::ALL.map(create).concat();
            let tables = format!(
                "BEGIN; SET LOCAL lock_timeout = '30s'; SET LOCAL statement_timeout = '60s';
                SELECT pg_advisory_xact_lock(7235938741); {tables} COMMIT"
            );
            match client.batch_execute(&tables).await {
                Ok(()) => (exists, is_allowed) = (true, true),
                Err(error)
                    if matches!(
                        error.code(),
                        Some(&(SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION))
                    ) =>
                {
                    client.batch_execute("ROLLBACK").await.map_err(StoreError::Postgres)?;
                    let cause = cause(&error);
                    self.warnings.push(format!(
                        "no history is recorded, because the tables {} do not exist and cannot be created: {cause}",
                        tables_text()
                    ));
                }
                Err(error) => return Err(StoreError::Postgres(error)),
            }
        }
        finish(client);
        if exists && !is_allowed {
            self.warnings.push(format!(
                "no history is recorded, because the role needs SELECT, INSERT and DELETE on {}",
                tables_text()
            ));
        }
        self.has_history = exists && is_allowed;
        Ok(self)
    }

    pub(in crate::store) fn has_history(&self) -> bool {
        self.has_history
    }

    pub(in crate::store) async fn append(&self, stream: Stream, entries: &[Entry]) -> Result<(), StoreError> {
        let client = self.connections.get().await?;
        let written = add(&*client, stream, entries).await;
        finish(client);
        written.map_err(StoreError::Postgres)
    }

    pub(in crate::store) async fn entries(
        &self,
        stream: Stream,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<(Position, Entry)>, StoreError> {
        if !self.has_history {
            return Ok(Vec::new());
        }
        let (at, seq) = after.map_or((-1, 0), |Position(time, number)| (signed(time), signed(number)));
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let client = self.connections.get().await?;
        let rows = client.query(&select(stream), &[&at, &seq, &limit]).await;
        finish(client);
        let entry = |row| {
            let (at, seq): (i64, i64) = (column(row, 0)?, column(row, 1)?);
            let (at, seq) = (unsigned(at), unsigned(seq));
            Ok((Position(at, seq), Entry { at: UnixMillis::new(at), text: column(row, 2)? }))
        };
        rows.map_err(StoreError::Postgres)?.iter().map(entry).collect()
    }

    pub(in crate::store) async fn prune(&self, stream: Stream, retention: &Retention) -> Result<usize, StoreError> {
        let step = i64::try_from(STEP).unwrap_or(i64::MAX);
        let (before, limit) = (signed(retention.before.get()), signed(retention.limit(stream)));
        let client = self.connections.get().await?;
        let removed = client.execute(&delete(stream), &[&step, &before, &limit]).await;
        finish(client);
        Ok(usize::try_from(removed.map_err(StoreError::Postgres)?).unwrap_or(usize::MAX))
    }
}

/// Adds entries to a stream, in a transaction or on a connection.
pub(super) async fn add(
    client: &impl GenericClient,
    stream: Stream,
    entries: &[Entry],
) -> Result<(), tokio_postgres::Error> {
    let (times, texts): (Vec<i64>, Vec<&str>) =
        entries.iter().map(|entry| (signed(entry.at.get()), &*entry.text)).unzip();
    client.execute(&insert(stream), &[&times, &texts]).await.map(drop)
}

fn tables_text() -> String {
    Stream::ALL.map(Stream::table).join(", ")
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
