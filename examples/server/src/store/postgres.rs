//! Documents and counters in PostgreSQL, for any number of servers.
//!
//! A counter advances by one conditional upsert, so the database decides between two servers. Each connection asks for
//! `synchronous_commit`, whatever the default of the database is: a tap is answered only when it is on disk there. (A pool between
//! service and database that shares connections by transaction loses that: then the default of the database must say it.) **What stands on
//! a standby that is promoted is another matter**: where the primary does not wait for it, the last taps before it died are not
//! known to it, and pass once more.

use deadpool_postgres::{Client, Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod};
use suntap::{Advance, CounterId, SdmReadCtr, UnixMillis};
use tokio_postgres::NoTls;
use tokio_postgres::row::Row;

use super::{Change, Found, PAGE, Place, StoreError, mark};

/// Two servers that start at once would trip over each other.
const TABLES: &str = "
    BEGIN;
    SELECT pg_advisory_xact_lock(7235938741);
    CREATE TABLE IF NOT EXISTS suntap_documents (key text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE IF NOT EXISTS suntap_marks (tag bytea PRIMARY KEY, ctr bigint NOT NULL, at bigint, taps bigint NOT NULL,
        previous_ctr bigint, previous_at bigint) WITH (fillfactor = 70);
    COMMIT";

/// In the schema where the other statements find them.
const HAS_TABLES: &str =
    "SELECT to_regclass('suntap_documents') IS NOT NULL AND to_regclass('suntap_marks') IS NOT NULL";

const ADVANCE: &str = "
    INSERT INTO suntap_marks (tag, ctr, at, taps) VALUES ($1, $2, $3, 1)
    ON CONFLICT (tag) DO UPDATE SET previous_ctr = suntap_marks.ctr, previous_at = suntap_marks.at,
        ctr = excluded.ctr, at = excluded.at, taps = least(suntap_marks.taps + 1, 4294967295)
    WHERE excluded.ctr > suntap_marks.ctr
    RETURNING ctr, at, taps, previous_ctr, previous_at";

/// Merges marks from another service with the stored ones. A counter is never lowered.
const RAISE: &str = "
    INSERT INTO suntap_marks (tag, ctr, at, taps) SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[])
    ON CONFLICT (tag) DO UPDATE SET ctr = excluded.ctr, taps = greatest(suntap_marks.taps, excluded.taps),
        at = CASE WHEN excluded.ctr > suntap_marks.ctr THEN excluded.at ELSE coalesce(suntap_marks.at, excluded.at) END,
        previous_ctr = CASE WHEN excluded.ctr > suntap_marks.ctr THEN suntap_marks.ctr ELSE suntap_marks.previous_ctr END,
        previous_at = CASE WHEN excluded.ctr > suntap_marks.ctr THEN suntap_marks.at ELSE suntap_marks.previous_at END
    WHERE excluded.ctr >= suntap_marks.ctr";

/// In the order of the primary key's own collation, so that its index finds each page.
const LIST: &str = "
    SELECT key, value FROM suntap_documents
    WHERE starts_with(key, $1) AND ($2::text IS NULL OR key > $2) ORDER BY key LIMIT $3";

const MARK: &str = "SELECT ctr, at, taps FROM suntap_marks WHERE tag = $1";
const DOCUMENTS: &str = "SELECT key, value FROM suntap_documents WHERE key = ANY($1)";

/// A pool of connections.
pub struct Postgres {
    pool: Pool,
}

impl Postgres {
    /// Connects to a database that has the tables.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid, the database cannot be reached, or a table is missing.
    pub async fn open(url: &str, connections: usize) -> Result<Self, StoreError> {
        let store = Self::connect(url, connections)?;
        let row = store.client().await?.query_one(HAS_TABLES, &[]).await.map_err(StoreError::Postgres)?;
        if column(&row, 0)? {
            Ok(store)
        } else {
            Err(StoreError::Missing("the PostgreSQL database does not have the tables of suntap-server".into()))
        }
    }

    /// Connects, and creates the tables if they are missing.
    ///
    /// # Errors
    /// Returns an error if the URL is invalid, or the database cannot be reached or used.
    pub async fn create(url: &str, connections: usize) -> Result<Self, StoreError> {
        let store = Self::connect(url, connections)?;
        store.client().await?.batch_execute(TABLES).await.map_err(StoreError::Postgres)?;
        Ok(store)
    }

    fn connect(url: &str, connections: usize) -> Result<Self, StoreError> {
        // The parser's own words repeat a part of it.
        let config = url.parse().map_err(|_| StoreError::Pool("its URL is none".into()))?;
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let durable = Hook::async_fn(|client, _| {
            Box::pin(async move {
                client.batch_execute("SET synchronous_commit = on").await.map_err(HookError::Backend)?;
                Ok(())
            })
        });
        let pool = Pool::builder(Manager::from_config(config, NoTls, recycling))
            .max_size(connections.max(1))
            .post_create(durable)
            .build()
            .map_err(|error| StoreError::Pool(error.to_string()))?;
        Ok(Self { pool })
    }

    async fn client(&self) -> Result<Client, StoreError> {
        self.pool.get().await.map_err(|error| match error {
            deadpool_postgres::PoolError::Backend(error) => StoreError::Postgres(error),
            error => StoreError::Pool(error.to_string()),
        })
    }

    pub(super) async fn read(&self, keys: &[String], tag: Option<&CounterId>) -> Result<Found, StoreError> {
        let client = self.client().await?;
        let documents = async {
            let statement = client.prepare_cached(DOCUMENTS).await?;
            client.query(&statement, &[&keys]).await
        };
        let stored = async {
            let Some(tag) = tag else { return Ok(None) };
            let statement = client.prepare_cached(MARK).await?;
            client.query_opt(&statement, &[&tag.as_bytes().as_slice()]).await
        };
        let (rows, stored) = tokio::try_join!(documents, stored).map_err(StoreError::Postgres)?;
        let mut found = std::collections::HashMap::new();
        for row in rows {
            let (key, text): (String, String) = (column(&row, 0)?, column(&row, 1)?);
            found.insert(key, text);
        }
        let mark = stored.as_ref().map(stored_mark).transpose()?;
        Ok(Found { documents: keys.iter().map(|key| found.remove(key)).collect(), mark })
    }

    pub(super) async fn list(&self, prefix: &str, place: Place) -> Result<(Vec<(String, String)>, Place), StoreError> {
        let after = match place {
            Place::After(key) => Some(key),
            _ => None,
        };
        let limit = i64::try_from(PAGE).unwrap_or(i64::MAX);
        let rows = self.client().await?.query(LIST, &[&prefix, &after, &limit]).await.map_err(StoreError::Postgres)?;
        let documents = rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?)));
        let documents = documents.collect::<Result<Vec<_>, StoreError>>()?;
        let next = Place::after_page(&documents);
        Ok((documents, next))
    }

    pub(super) async fn change(&self, change: &Change) -> Result<(), StoreError> {
        let mut client = self.client().await?;
        let transaction = client.transaction().await.map_err(StoreError::Postgres)?;
        let work = async {
            // Readers are let through, other writers are not.
            transaction.batch_execute("LOCK TABLE suntap_documents IN SHARE ROW EXCLUSIVE MODE").await?;
            let keys: Vec<&str> = change.seen.iter().map(|(key, _)| &**key).collect();
            let rows = transaction.query(DOCUMENTS, &[&keys]).await?;
            let mut texts = std::collections::HashMap::new();
            for row in &rows {
                texts.insert(row.try_get::<_, String>(0)?, row.try_get::<_, String>(1)?);
            }
            if change.seen.iter().any(|(key, seen)| texts.get(key) != seen.as_ref()) {
                return Ok(false);
            }
            let put = "INSERT INTO suntap_documents SELECT * FROM unnest($1::text[], $2::text[])
                ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            for part in change.writes.chunks(10_000) {
                let (keys, texts): (Vec<&str>, Vec<&str>) =
                    part.iter().filter_map(|(key, text)| Some((&**key, text.as_deref()?))).unzip();
                transaction.execute(put, &[&keys, &texts]).await?;
                let gone: Vec<&str> = part.iter().filter(|(_, text)| text.is_none()).map(|(key, _)| &**key).collect();
                transaction.execute("DELETE FROM suntap_documents WHERE key = ANY($1)", &[&gone]).await?;
            }
            for part in change.marks.chunks(10_000) {
                let ids: Vec<&[u8]> = part.iter().map(|(id, _)| id.as_bytes().as_slice()).collect();
                let ctrs: Vec<i64> = part.iter().map(|(_, mark)| mark.ctr.get().into()).collect();
                let ats: Vec<Option<i64>> = part.iter().map(|(_, mark)| millis(mark.at)).collect();
                let taps: Vec<i64> = part.iter().map(|(_, mark)| mark.taps.into()).collect();
                transaction.execute(RAISE, &[&ids, &ctrs, &ats, &taps]).await?;
            }
            Ok(true)
        };
        if !work.await.map_err(StoreError::Postgres)? {
            return Err(StoreError::Contended);
        }
        transaction.commit().await.map_err(StoreError::Postgres)
    }

    pub(super) async fn advance(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, StoreError> {
        let client = self.client().await?;
        let id = id.as_bytes().as_slice();
        let at = millis(at);
        let statement = client.prepare_cached(ADVANCE).await.map_err(StoreError::Postgres)?;
        let row =
            client.query_opt(&statement, &[&id, &i64::from(ctr.get()), &at]).await.map_err(StoreError::Postgres)?;
        if let Some(row) = row {
            let now = stored_mark(&row)?;
            let before = i64::from(now.taps).saturating_sub(1);
            let previous: Option<i64> = column(&row, 3)?;
            let previous_at = column(&row, 4)?;
            return Ok(Advance::Advanced { previous: previous.map(|ctr| mark(ctr, previous_at, before)), now });
        }
        // It was refused already; what stands there is only reported.
        let statement = client.prepare_cached(MARK).await.map_err(StoreError::Postgres)?;
        let row = client.query_one(&statement, &[&id]).await.map_err(StoreError::Postgres)?;
        Ok(Advance::Stale { stored: stored_mark(&row)? })
    }
}

fn millis(at: Option<UnixMillis>) -> Option<i64> {
    at.and_then(|at| i64::try_from(at.get()).ok())
}

fn column<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, StoreError> {
    row.try_get(index).map_err(StoreError::Postgres)
}

fn stored_mark(row: &Row) -> Result<suntap::Mark, StoreError> {
    Ok(mark(column(row, 0)?, column(row, 1)?, column(row, 2)?))
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").finish_non_exhaustive()
    }
}
