//! Everything in a data file: read in one transaction, and written in one.

use std::borrow::Cow;
use std::sync::Arc;

use redb::{ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _};
use suntap::CounterId;
use tokio::sync::mpsc;

use super::Log;
use super::large::raise;
use super::{DOCUMENTS, Embedded, MARKS, StoreError, as_mark, guarded, verified};
use crate::store::Stream;
use crate::store::snapshot::{Batch, Record, Source};

impl Embedded {
    /// Sends every record of one read transaction. Taps and changes go on meanwhile. The file grows by what they write, because the
    /// pages of the transaction are not reused before its end.
    pub(in crate::store) async fn snapshot(&self, sender: mpsc::Sender<Vec<Record>>) -> Result<(), StoreError> {
        let (database, guard) = (Arc::clone(&self.database), Arc::clone(&self.guard));
        // No half of a large change.
        let turn = Arc::clone(&self.changing).lock_owned().await;
        let read = move || {
            guarded(&guard, || {
                let transaction = database.begin_read()?;
                drop(turn);
                let mut batch = Batch::new(sender);
                for entry in transaction.open_table(DOCUMENTS)?.iter()? {
                    let (key, text) = entry?;
                    let (key, text) = (key.value().to_owned(), text.value().into_owned());
                    if text.is_empty() {
                        return Err(StoreError::Document(key));
                    }
                    batch.add_blocking(Record::Document { key, text })?;
                }
                for entry in transaction.open_table(MARKS)?.iter()? {
                    let (id, mark) = entry?;
                    batch.add_blocking(Record::Mark(CounterId::from_bytes(*id.value()), as_mark(mark.value())))?;
                }
                batch.finish_blocking()
            })
        };
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(StoreError::Closed))
    }

    /// Writes all records in one transaction, into a file without marks and without documents other than those in `replaceable`.
    pub(in crate::store) fn fill(&self, replaceable: &[&str], source: &mut Source<'_>) -> Result<(), StoreError> {
        verified(&self.guard, || {
            let transaction = self.database.begin_write()?;
            {
                let mut documents = transaction.open_table(DOCUMENTS)?;
                for key in replaceable {
                    documents.remove(key)?;
                }
                let mut marks = transaction.open_table(MARKS)?;
                if !documents.is_empty()? || !marks.is_empty()? {
                    return Err(StoreError::NotEmpty);
                }
                while let Some(records) = source().map_err(StoreError::Source)? {
                    let mut history = Vec::new();
                    for record in records {
                        match record {
                            Record::Document { key, text } => drop(documents.insert(&*key, Cow::from(text))?),
                            Record::Mark(id, mark) => raise(&mut marks, &id, mark)?,
                            Record::History(stream, entry) => history.push((stream, entry)),
                        }
                    }
                    for stream in Stream::ALL {
                        let mut entries = history.iter().filter(|(of, _)| *of == stream).peekable();
                        if entries.peek().is_some() {
                            Log::open(&transaction, stream)?.append(entries.map(|(_, entry)| entry))?;
                        }
                    }
                }
            }
            let committed = transaction.commit();
            self.changes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(committed?)
        })
    }
}
