//! Changes that are larger than memory: they are copied into temporary tables, and merged with one statement for each table.

use std::pin::pin;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use super::{CHANGE, Postgres, RAISED, busy, column, finish, history, merged, millis};
use crate::store::staged::Staged;
use crate::store::{Entry, StoreError, Stream};

/// The tables are not locked yet, so this may take long.
const PREPARE: &str = "
    SET LOCAL statement_timeout = 0;
    SET LOCAL idle_in_transaction_session_timeout = 0;
    CREATE TEMPORARY TABLE suntap_import (key text NOT NULL, is_seen boolean NOT NULL, seen text, is_written boolean NOT NULL,
        value text) ON COMMIT DROP;
    CREATE TEMPORARY TABLE suntap_import_marks (tag bytea NOT NULL, ctr bigint NOT NULL, at bigint, taps bigint NOT NULL)
        ON COMMIT DROP";

const COPY: &str = "COPY suntap_import (key, is_seen, seen, is_written, value) FROM STDIN BINARY";
const COPY_MARKS: &str = "COPY suntap_import_marks (tag, ctr, at, taps) FROM STDIN BINARY";

/// Without figures about the new tables, PostgreSQL would look up one document after the other.
const ANALYZE: &str = "ANALYZE suntap_import; ANALYZE suntap_import_marks";

/// Asks whether a document is different from what the change was computed from.
const CONTENDED: &str = "
    SELECT EXISTS (SELECT FROM suntap_import i LEFT JOIN suntap_documents d USING (key)
        WHERE i.is_seen AND d.value::text IS DISTINCT FROM i.seen)";

const MERGE: &str = "
    INSERT INTO suntap_documents (key, value)
        SELECT key, value::json FROM suntap_import WHERE is_written AND value IS NOT NULL ORDER BY key
        ON CONFLICT (key) DO UPDATE SET value = excluded.value;
    DELETE FROM suntap_documents d USING suntap_import i WHERE d.key = i.key AND i.is_written AND i.value IS NULL";

impl Postgres {
    pub(in crate::store) async fn apply(&self, staged: Staged, history: &[Entry]) -> Result<(), StoreError> {
        if staged.spill.is_none() {
            return self.change(&staged.change, history).await;
        }
        let mut client = self.connections.get().await?;
        let applied = apply_on(&mut client, staged, history).await;
        if applied.is_ok() {
            finish(client);
        }
        applied
    }
}

async fn apply_on(client: &mut ClientWrapper, mut staged: Staged, history: &[Entry]) -> Result<(), StoreError> {
    let transaction = client.transaction().await.map_err(StoreError::Postgres)?;
    transaction.batch_execute(PREPARE).await.map_err(StoreError::Postgres)?;
    copy_documents(&transaction, &mut staged).await?;
    copy_marks(&transaction, &staged).await?;
    transaction.batch_execute(ANALYZE).await.map_err(StoreError::Postgres)?;
    transaction.batch_execute(CHANGE).await.map_err(busy)?;
    let contended = transaction.query_one(CONTENDED, &[]).await.map_err(StoreError::Postgres)?;
    if column(&contended, 0)? {
        return Err(StoreError::Contended);
    }
    transaction.batch_execute(MERGE).await.map_err(busy)?;
    if !history.is_empty() {
        history::add(&transaction, Stream::Acts, history).await.map_err(StoreError::Postgres)?;
    }
    // Last: the taps of a raised counter wait for the end of the transaction.
    let raise = format!("INSERT INTO suntap_marks (tag, ctr, at, taps) SELECT * FROM suntap_import_marks {RAISED}");
    transaction.batch_execute(&raise).await.map_err(busy)?;
    transaction.commit().await.map_err(StoreError::Postgres)
}

async fn copy_documents(transaction: &Transaction<'_>, staged: &mut Staged) -> Result<(), StoreError> {
    let Some(spill) = &mut staged.spill else { return Ok(()) };
    let sink = transaction.copy_in(COPY).await.map_err(StoreError::Postgres)?;
    let types = [Type::TEXT, Type::BOOL, Type::TEXT, Type::BOOL, Type::TEXT];
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for record in spill.records()? {
        let record = record?;
        let (is_seen, seen) = (record.seen.is_some(), record.seen.flatten());
        let (is_written, value) = (record.write.is_some(), record.write.flatten());
        let row: [&(dyn ToSql + Sync); 5] = [&record.key, &is_seen, &seen, &is_written, &value];
        writer.as_mut().write(&row).await.map_err(StoreError::Postgres)?;
    }
    writer.finish().await.map(drop).map_err(StoreError::Postgres)
}

async fn copy_marks(transaction: &Transaction<'_>, staged: &Staged) -> Result<(), StoreError> {
    let sink = transaction.copy_in(COPY_MARKS).await.map_err(StoreError::Postgres)?;
    let types = [Type::BYTEA, Type::INT8, Type::INT8, Type::INT8];
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
    for (id, mark) in merged(&staged.change.marks) {
        let (id, ctr) = (id.as_bytes().as_slice(), i64::from(mark.ctr.get()));
        let (at, taps) = (millis(mark.at), i64::from(mark.taps));
        writer.as_mut().write(&[&id, &ctr, &at, &taps]).await.map_err(StoreError::Postgres)?;
    }
    writer.finish().await.map(drop).map_err(StoreError::Postgres)
}
