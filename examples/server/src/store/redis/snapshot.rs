//! Everything in Redis: documents under the lock of changes, then marks.

use futures_util::future::try_join_all;
use suntap::CounterId;
use tokio::sync::mpsc;

use super::change::Writer;
use super::{MARK, Redis, token};
use crate::hex;
use crate::store::snapshot::{Batch, Record, Source};
use crate::store::{Change, Place, StoreError};

/// Keys that are asked for at once.
const KEYS: usize = 1000;

impl Redis {
    /// Sends every record. Changes of documents are refused while documents are read. Marks are read after them, while taps go on: a
    /// mark may be greater than at the start, and is never lower. A record may be sent twice.
    pub(in crate::store) async fn snapshot(&self, sender: mpsc::Sender<Vec<Record>>) -> Result<(), StoreError> {
        let mut batch = Batch::new(sender);
        self.locked(async |token| {
            let mut place = Place::Start;
            while place != Place::End {
                let (documents, next) = self.list("", place, KEYS).await?;
                for (key, text) in documents {
                    batch.add(Record::Document { key, text }).await?;
                }
                self.renew(token).await?;
                place = next;
            }
            Ok(())
        })
        .await?;
        let mut place = Place::Start;
        while place != Place::End {
            let (ids, next) = self.marks(place).await?;
            let marks = try_join_all(ids.iter().map(|id| self.read(&[], Some(id)))).await?;
            for (id, found) in ids.into_iter().zip(marks) {
                if let Some(mark) = found.mark {
                    batch.add(Record::Mark(id, mark)).await?;
                }
            }
            place = next;
        }
        batch.finish().await
    }

    /// Writes all records, in parts, into a Redis without marks and without documents other than those in `replaceable`. If this is
    /// interrupted, Redis cannot be opened until the same backup, which `name` identifies, is written again.
    pub(in crate::store) async fn fill(
        &self,
        name: &str,
        replaceable: &[&str],
        source: &mut Source<'_>,
    ) -> Result<(), StoreError> {
        self.settings.check()?;
        self.locked(async |token| {
            match self.filling().await? {
                Some(other) if other != name => {
                    return Err(StoreError::Unfit(
                        "the restore of another backup into it was interrupted: run that restore again, or empty Redis"
                            .into(),
                    ));
                }
                // Entries would be there twice.
                Some(_) => self.remove_history().await?,
                None => {
                    if self.has_marks().await? || !self.is_empty(replaceable).await? {
                        return Err(StoreError::NotEmpty);
                    }
                }
            }
            self.set_filling(Some(name)).await?;
            self.write_format().await?;
            let mut writer = Writer::new(self, token).await?;
            while let Some(records) = source().map_err(StoreError::Source)? {
                let (mut change, mut history) = (Change::default(), Vec::new());
                for record in records {
                    match record {
                        Record::Document { key, text } => change.writes.push((key, Some(text))),
                        Record::Mark(id, mark) => change.marks.push((id, mark)),
                        Record::History(stream, entry) => history.push((stream, entry)),
                    }
                }
                writer.write_all(&change, &[]).await?;
                writer.write_history(&history).await?;
                self.renew(token).await?;
            }
            self.set_filling(None).await
        })
        .await
    }

    /// A page can be empty although later pages are not.
    async fn has_marks(&self) -> Result<bool, StoreError> {
        let mut place = Place::Start;
        while place != Place::End {
            let (ids, next) = self.marks(place).await?;
            if !ids.is_empty() {
                return Ok(true);
            }
            place = next;
        }
        Ok(false)
    }

    async fn marks(&self, place: Place) -> Result<(Vec<CounterId>, Place), StoreError> {
        let (keys, next) = self.scan(MARK, "", place, KEYS).await?;
        let ids = keys.iter().filter_map(|key| hex::decode(key).map(CounterId::from_bytes)).collect();
        Ok((ids, next))
    }

    /// Runs `work` under the lock of changes.
    async fn locked<T>(&self, work: impl AsyncFnOnce(&str) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let token = token();
        self.lock(&token).await?;
        let done = work(&token).await;
        self.unlock(&token).await;
        done
    }
}
