//! Everything in a database: read in one transaction, and written in one.

use deadpool_postgres::{ClientWrapper, Transaction};
use suntap::CounterId;
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;

use super::{PART, Postgres, column, finish, history, raise, stored_mark};
use crate::store::snapshot::{Batch, Record, Source};
use crate::store::{StoreError, Stream};

/// The first query sees everything that was committed before it, and the others see the same. The consumer may be slow.
const READ: &str = "
    SET statement_timeout = 0;
    SET enable_seqscan = on;
    SET idle_in_transaction_session_timeout = 0;
    SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Waits for other changes, and keeps them out.
const FILL: &str = "
    SET LOCAL lock_timeout = '30s';
    SET LOCAL statement_timeout = 0;
    LOCK TABLE suntap_documents, suntap_marks IN SHARE ROW EXCLUSIVE MODE";

/// Rows that are fetched at once.
const ROWS: i32 = 1000;

impl Postgres {
    /// Sends every record of one transaction, over a connection that is not from the pool. Meanwhile, PostgreSQL keeps the old
    /// versions of all rows that change.
    pub(in crate::store) async fn snapshot(&self, sender: mpsc::Sender<Vec<Record>>) -> Result<(), StoreError> {
        let mut client = self.connections.single().await?;
        let mut batch = Batch::new(sender);
        client.batch_execute(READ).await.map_err(StoreError::Postgres)?;
        let transaction = client.transaction().await.map_err(StoreError::Postgres)?;
        let documents = "SELECT key, value::text FROM suntap_documents ORDER BY key";
        let portal = transaction.bind(documents, &[]).await.map_err(StoreError::Postgres)?;
        loop {
            let rows = transaction.query_portal(&portal, ROWS).await.map_err(StoreError::Postgres)?;
            for row in &rows {
                batch.add(Record::Document { key: column(row, 0)?, text: column(row, 1)? }).await?;
            }
            if rows.is_empty() {
                break;
            }
        }
        let marks = "SELECT ctr, at, taps, tag FROM suntap_marks";
        let portal = transaction.bind(marks, &[]).await.map_err(StoreError::Postgres)?;
        loop {
            let rows = transaction.query_portal(&portal, ROWS).await.map_err(StoreError::Postgres)?;
            for row in &rows {
                let id = column::<&[u8]>(row, 3)?;
                let id = id.try_into().map_err(|_| StoreError::Document("of a counter".into()))?;
                batch.add(Record::Mark(CounterId::from_bytes(id), stored_mark(row)?)).await?;
            }
            if rows.is_empty() {
                break;
            }
        }
        batch.finish().await
    }

    /// Writes all records in one transaction, into tables without marks and without documents other than those in `replaceable`.
    pub(in crate::store) async fn fill(&self, replaceable: &[&str], source: &mut Source<'_>) -> Result<(), StoreError> {
        let mut client = self.connections.get().await?;
        fill_on(&mut client, replaceable, self.has_history, source).await?;
        finish(client);
        Ok(())
    }
}

async fn fill_on(
    client: &mut ClientWrapper,
    replaceable: &[&str],
    has_history: bool,
    source: &mut Source<'_>,
) -> Result<(), StoreError> {
    let transaction = client.transaction().await.map_err(StoreError::Postgres)?;
    transaction.batch_execute(FILL).await.map_err(StoreError::Postgres)?;
    execute(&transaction, "DELETE FROM suntap_documents WHERE key = ANY($1)", &[&replaceable]).await?;
    let full = "SELECT EXISTS (SELECT FROM suntap_documents) OR EXISTS (SELECT FROM suntap_marks)";
    let full = transaction.query_one(full, &[]).await.map_err(StoreError::Postgres)?;
    if column(&full, 0)? {
        return Err(StoreError::NotEmpty);
    }
    while let Some(records) = source().map_err(StoreError::Source)? {
        let (mut keys, mut texts, mut marks, mut history) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for record in records {
            match record {
                Record::Document { key, text } => {
                    keys.push(key);
                    texts.push(text);
                }
                Record::Mark(id, mark) => marks.push((id, mark)),
                Record::History(stream, entry) => history.push((stream, entry)),
            }
        }
        // A backup of Redis can have a document twice.
        let put =
            "INSERT INTO suntap_documents SELECT key, value::json FROM unnest($1::text[], $2::text[]) AS u (key, value)
            ON CONFLICT (key) DO NOTHING";
        execute(&transaction, put, &[&keys, &texts]).await?;
        for part in marks.chunks(PART) {
            raise(&transaction, part).await.map_err(StoreError::Postgres)?;
        }
        for stream in Stream::ALL.into_iter().filter(|_| has_history) {
            let entries = history.iter().filter(|(of, _)| *of == stream).map(|(_, entry)| entry.clone());
            let entries: Vec<_> = entries.collect();
            if !entries.is_empty() {
                history::add(&transaction, stream, &entries).await.map_err(StoreError::Postgres)?;
            }
        }
    }
    transaction.commit().await.map_err(StoreError::Postgres)
}

async fn execute(transaction: &Transaction<'_>, sql: &str, values: &[&(dyn ToSql + Sync)]) -> Result<(), StoreError> {
    // Cached: a statement that is not prepared takes two round trips.
    let statement = transaction.prepare_cached(sql).await.map_err(StoreError::Postgres)?;
    transaction.execute(&statement, values).await.map(drop).map_err(StoreError::Postgres)
}
