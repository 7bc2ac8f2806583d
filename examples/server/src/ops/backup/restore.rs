//! Makes a store from a backup.
//!
//! The marks in a backup are as old as the backup, so the stored counters accept every tap since it once more. Restoring therefore
//! needs a decision: raise the counters by a number, or to those of a history, or accept this.

use std::fmt;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use suntap::{CounterId, Mark, SdmReadCtr, UnixMillis};

use super::history::History;
use super::line::{Counts, Header};
use super::reader::{BackupError, Reader};
use crate::registry::document::{Entry, StoredKeys};
use crate::secrets::{Secrets, canary};
use crate::store::{Record, Store, StoreError};
use crate::time;

/// What happens to the taps that were accepted after the backup.
#[derive(Clone, Debug)]
pub enum Replays {
    /// They pass once more.
    Accept,
    /// Those of them pass no more that a raise covers. At least one should be given.
    Refuse {
        /// Added to each counter. A tag without an accepted tap gets this counter.
        by: Option<NonZeroU32>,
        /// An export of the history.
        history: Option<PathBuf>,
    },
}

/// A backup that is complete.
#[derive(Debug)]
pub struct Backup {
    path: PathBuf,
    header: Header,
    counts: Counts,
    sha256: String,
    canaries: Option<String>,
}

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// What the backup had.
    pub counts: Counts,
    /// The number of tags whose counter id only a tap shows.
    pub unknown_counters: u64,
    /// The time of the last tap in the history.
    pub history_until: Option<UnixMillis>,
    replays: Replays,
    at: String,
}

impl Backup {
    /// Reads a backup, and checks that it is complete and that this program can restore it.
    ///
    /// # Errors
    /// Returns an error if it is not.
    pub fn verify(path: &Path) -> Result<Self, BackupError> {
        let mut reader = Reader::open(path)?;
        let header = reader.header.clone();
        let mut canaries = None;
        while let Some(records) = reader.next()? {
            for record in records {
                if let Record::Document { key, text } = record
                    && key == canary::KEY
                {
                    canaries = Some(text);
                }
            }
        }
        let (counts, sha256) = reader.end()?;
        Ok(Self { path: path.into(), header, counts, sha256, canaries })
    }

    /// Returns what the backup has.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Checks that the backup was made with these secrets, and returns warnings.
    ///
    /// # Errors
    /// Returns an error if it was not.
    pub fn check_secrets(&self, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
        match &self.canaries {
            Some(text) => canary::check_text(text, secrets),
            None => Ok(vec!["the backup does not record which secrets belong to it".into()]),
        }
    }

    /// Restores the backup into an empty store. Blocks the thread.
    ///
    /// # Errors
    /// Returns an error if the store is not empty or fails, or if the backup or the history cannot be read. Nothing is written then,
    /// see [`Store::fill`].
    pub async fn restore(&self, store: &Store, replays: Replays) -> anyhow::Result<Restored> {
        let (by, history) = match &replays {
            Replays::Accept => (None, None),
            Replays::Refuse { by, history } => (*by, history.as_deref()),
        };
        let history_context = || history.map(|path| format!("history {}", path.display())).unwrap_or_default();
        let history_until = history.map(History::last).transpose().with_context(history_context)?;
        let mut raise = Raise { by: by.map_or(0, NonZeroU32::get), unknown_counters: 0 };
        let mut backup = Some(Reader::open(&self.path)?);
        let mut history = history.map(History::open).transpose().with_context(history_context)?;
        let mut next = || -> anyhow::Result<Option<Vec<Record>>> {
            if let Some(reader) = &mut backup {
                if let Some(records) = reader.next()? {
                    return raise.records(records).map(Some).map_err(anyhow::Error::new);
                }
                // The file could have been replaced since it was verified.
                let (_, sha256) = backup.take().map(Reader::end).transpose()?.unwrap_or_default();
                anyhow::ensure!(sha256 == self.sha256, "the backup has changed since it was verified");
            }
            history.as_mut().map(History::next).transpose().map(Option::flatten)
        };
        let mut source = || next().map_err(|error| format!("{error:#}"));
        store.fill(&self.sha256, &[canary::KEY], &mut source).await?;
        let Raise { unknown_counters, .. } = raise;
        Ok(Restored { counts: self.counts, unknown_counters, history_until, replays, at: self.header.at.clone() })
    }
}

/// Raises counters.
struct Raise {
    by: u32,
    unknown_counters: u64,
}

impl Raise {
    fn records(&mut self, records: Vec<Record>) -> Result<Vec<Record>, StoreError> {
        let mut raised = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Mark(id, mark) => {
                    let ctr = SdmReadCtr::new(mark.ctr.get().saturating_add(self.by)).unwrap_or(SdmReadCtr::MAX);
                    raised.push(Record::Mark(id, Mark { ctr, ..mark }));
                }
                Record::Document { key, text } => {
                    if let Some(keys) = keys(&key, &text)? {
                        match keys.counter {
                            Some(id) => raised.extend(self.first_mark(id)),
                            None => self.unknown_counters = self.unknown_counters.saturating_add(1),
                        }
                    }
                    raised.push(Record::Document { key, text });
                }
                Record::History(..) => raised.push(record),
            }
        }
        Ok(raised)
    }

    /// Returns the mark of a tag for the case that it had no tap before the backup. It may have had some after it.
    fn first_mark(&self, id: CounterId) -> Option<Record> {
        let ctr = SdmReadCtr::new(self.by.min(SdmReadCtr::MAX.get())).filter(|_| self.by > 0)?;
        Some(Record::Mark(id, Mark { ctr, at: None, taps: 0 }))
    }
}

/// Returns the keys of a tag, if the document is one and has keys.
fn keys(key: &str, text: &str) -> Result<Option<StoredKeys>, StoreError> {
    if !key.starts_with("xuid/") && !key.starts_with("number/") {
        return Ok(None);
    }
    match crate::registry::document(key, text)? {
        Entry::Tag(tag) => Ok(tag.keys),
        Entry::See(_) => Ok(None),
    }
}

impl fmt::Display for Restored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counts, unknown_counters, history_until, replays, at } = self;
        write!(f, "restored {counts}, as of {at}")?;
        let by = match replays {
            Replays::Accept => {
                return f.write_str("\nEvery tap that was accepted after the backup passes once more.");
            }
            Replays::Refuse { by, .. } => by,
        };
        if let Some(by) = by {
            write!(
                f,
                "\nEvery known counter was raised by {by}, and a tag without a tap starts after {by}. A genuine tag is refused until its \
                 own counter is greater: after up to {by} taps. If a tag had more than {by} taps after the backup, those beyond them \
                 pass once more."
            )?;
            if *unknown_counters > 0 {
                write!(
                    f,
                    "\n{unknown_counters} tags have keys that only their eCode opens, so their counter ids are not known: those of them \
                     without a tap before the backup were not raised, and their taps after it pass once more."
                )?;
            }
        }
        if let Some(until) = history_until {
            let until = time::text(*until);
            write!(
                f,
                "\nCounters were raised to those of the history. Taps that are not in it, such as all after {until}, pass once more"
            )?;
            f.write_str(if by.is_some() { " if the other raise does not cover them." } else { "." })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_stops_at_the_greatest_counter() {
        let mut raise = Raise { by: 100, unknown_counters: 0 };
        let id = CounterId::from_bytes([1; 16]);
        let mark = |ctr| Record::Mark(id, Mark { ctr: SdmReadCtr::new(ctr).unwrap(), at: None, taps: 3 });
        let raised = raise.records(vec![mark(1), mark(SdmReadCtr::MAX.get() - 7)]).unwrap();
        assert_eq!(raised, [mark(101), mark(SdmReadCtr::MAX.get())]);
    }
}
