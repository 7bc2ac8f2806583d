//! The format number of a database, and its tables.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::error::SqlState;

use super::{Postgres, cause, column, finish};
use crate::store::StoreError;
use crate::store::format::{FORMAT, PROGRAM, Stored, migrated, pending};

/// Looks for the tables in the search path, as each statement does.
const TABLES: &str = "SELECT to_regclass('suntap_documents') IS NOT NULL AND to_regclass('suntap_marks') IS NOT NULL,
    to_regclass('suntap_format') IS NOT NULL";

/// Starts the transaction that creates or migrates. Two servers that start at once would otherwise both try. The second lock makes the
/// connection look at the catalog again: it may remember that a table is missing which another server has created meanwhile.
const START: &str = "
    BEGIN;
    SET LOCAL lock_timeout = '30s';
    SET LOCAL statement_timeout = 0;
    SELECT pg_advisory_xact_lock(7235938741);
    LOCK TABLE pg_class IN ACCESS SHARE MODE";

/// The tables of format 0.
const CREATE_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS suntap_documents (key text PRIMARY KEY, value text NOT NULL);
    CREATE TABLE IF NOT EXISTS suntap_marks (tag bytea PRIMARY KEY, ctr bigint NOT NULL, at bigint, taps bigint NOT NULL,
        previous_ctr bigint, previous_at bigint) WITH (fillfactor = 70)";

/// All versions of the program can read this table. Each role may, so that a role without more rights sees why it is refused.
const CREATE_FORMAT: &str = "
    CREATE TABLE IF NOT EXISTS suntap_format (format bigint NOT NULL, program text NOT NULL);
    COMMENT ON TABLE suntap_format IS 'The format of the tables of suntap-server, and the version that wrote it. Do not edit.';
    GRANT SELECT ON suntap_format TO PUBLIC";

const STORED: &str = "SELECT format, program FROM suntap_format";

/// The statements of each migration.
const MIGRATIONS: &[&str] = &[include_str!("to_1.sql")];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tables {
    Missing,
    WithoutFormat,
    WithFormat,
}

impl Postgres {
    /// Migrates the tables to the present format, and returns `false` if there are none.
    pub(super) async fn migrate(&mut self) -> Result<bool, StoreError> {
        let client = self.connections.get().await?;
        let tables = tables(&client).await?;
        let stored = stored(&client, tables).await?;
        let is_current = tables == Tables::WithFormat && pending(MIGRATIONS, &stored)?.is_empty();
        if tables != Tables::Missing && !is_current {
            migrate(&client).await.map_err(|error| match error {
                StoreError::Postgres(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    StoreError::Older { format: stored.number, cause: cause(&error) }
                }
                error => error,
            })?;
            self.warnings.push(migrated(&stored));
        }
        finish(client);
        Ok(tables != Tables::Missing)
    }

    /// Creates the tables in the present format.
    pub(super) async fn create_tables(&self) -> Result<(), StoreError> {
        let client = self.connections.get().await?;
        migrate(&client).await.map_err(|error| match error {
            StoreError::Postgres(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                let tables = "the tables suntap_documents and suntap_marks do not exist, or are not in the search path";
                StoreError::Pool(format!("{tables}, and this role cannot create them: {}", cause(&error)))
            }
            error => error,
        })?;
        finish(client);
        Ok(())
    }
}

/// Creates missing tables and migrates them, in one transaction. If this fails, the connection must not be used again.
async fn migrate(client: &ClientWrapper) -> Result<(), StoreError> {
    let run = async |sql: &str| client.batch_execute(sql).await.map_err(StoreError::Postgres);
    run(START).await?;
    // Only now: another server may have done it.
    let tables = tables(client).await?;
    let stored = stored(client, tables).await?;
    if tables == Tables::Missing {
        run(CREATE_TABLES).await?;
    }
    for migration in pending(MIGRATIONS, &stored)? {
        run(migration).await?;
    }
    run(CREATE_FORMAT).await?;
    run("DELETE FROM suntap_format").await?;
    let insert = "INSERT INTO suntap_format VALUES ($1, $2)";
    client.execute(insert, &[&i64::from(FORMAT), &PROGRAM]).await.map_err(StoreError::Postgres)?;
    run("COMMIT").await
}

async fn tables(client: &ClientWrapper) -> Result<Tables, StoreError> {
    let row = client.query_one(TABLES, &[]).await.map_err(StoreError::Postgres)?;
    Ok(match (column(&row, 0)?, column(&row, 1)?) {
        (false, _) => Tables::Missing,
        (true, false) => Tables::WithoutFormat,
        (true, true) => Tables::WithFormat,
    })
}

async fn stored(client: &ClientWrapper, tables: Tables) -> Result<Stored, StoreError> {
    if tables != Tables::WithFormat {
        return Ok(Stored::default());
    }
    let row = client.query_opt(STORED, &[]).await.map_err(StoreError::Postgres)?;
    let Some(row) = row else { return Ok(Stored::default()) };
    // A number that no version of the program writes is read as the greatest one, which is refused.
    let number = u32::try_from(column::<i64>(&row, 0)?).unwrap_or(u32::MAX);
    Ok(Stored { number, program: column(&row, 1)? })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_migration_leads_to_the_present_format() {
        assert_eq!(u32::try_from(super::MIGRATIONS.len()), Ok(super::FORMAT));
    }
}
