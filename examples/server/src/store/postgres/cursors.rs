//! The cursors in PostgreSQL: a table that is created when the first server with webhooks starts.

use tokio_postgres::error::SqlState;

use super::{Postgres, StoreError, cause, column, finish};

const EXISTS: &str = "SELECT to_regclass('suntap_cursors') IS NOT NULL";
const CREATE: &str = "
    BEGIN; SET LOCAL lock_timeout = '30s';
    SELECT pg_advisory_xact_lock(7235938741);
    CREATE TABLE IF NOT EXISTS suntap_cursors (reader text PRIMARY KEY, cursor text NOT NULL);
    COMMIT";
const IS_ALLOWED: &str = "
    SELECT has_table_privilege('suntap_cursors', 'SELECT') AND has_table_privilege('suntap_cursors', 'INSERT')
        AND has_table_privilege('suntap_cursors', 'UPDATE')";
const INSERT: &str = "INSERT INTO suntap_cursors (reader, cursor) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const UPDATE: &str = "UPDATE suntap_cursors SET cursor = $2 WHERE reader = $1 AND cursor = $3";

impl Postgres {
    pub(in crate::store) async fn prepare_cursors(&self) -> Result<(), StoreError> {
        let client = self.connections.get().await?;
        let exists: bool = column(&client.query_one(EXISTS, &[]).await.map_err(StoreError::Postgres)?, 0)?;
        if !exists && let Err(error) = client.batch_execute(CREATE).await {
            client.batch_execute("ROLLBACK").await.map_err(StoreError::Postgres)?;
            if error.code() != Some(&SqlState::INSUFFICIENT_PRIVILEGE) {
                return Err(StoreError::Postgres(error));
            }
            let cause = cause(&error);
            return Err(StoreError::Pool(format!(
                "webhooks need the table suntap_cursors (reader text PRIMARY KEY, cursor text NOT NULL), which this role cannot \
                 create: {cause}"
            )));
        }
        let is_allowed: bool = column(&client.query_one(IS_ALLOWED, &[]).await.map_err(StoreError::Postgres)?, 0)?;
        finish(client);
        if is_allowed {
            return Ok(());
        }
        Err(StoreError::Pool("webhooks need SELECT, INSERT and UPDATE on suntap_cursors".into()))
    }

    pub(in crate::store) async fn cursor(&self, reader: &str) -> Result<Option<String>, StoreError> {
        let client = self.connections.get().await?;
        let row = client.query_opt("SELECT cursor FROM suntap_cursors WHERE reader = $1", &[&reader]).await;
        finish(client);
        row.map_err(StoreError::Postgres)?.map(|row| column(&row, 0)).transpose()
    }

    pub(in crate::store) async fn replace_cursor(
        &self,
        reader: &str,
        seen: Option<&str>,
        text: &str,
    ) -> Result<bool, StoreError> {
        let client = self.connections.get().await?;
        let replaced = match seen {
            None => client.execute(INSERT, &[&reader, &text]).await,
            Some(seen) => client.execute(UPDATE, &[&reader, &text, &seen]).await,
        };
        finish(client);
        Ok(replaced.map_err(StoreError::Postgres)? == 1)
    }
}
