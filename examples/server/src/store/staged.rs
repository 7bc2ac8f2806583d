//! Changes of documents that may be larger than memory.

use super::spill::Spill;
use super::{Change, StoreError};

/// A document in a large change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::option_option, reason = "the outer one says whether it is known")]
pub(crate) struct Record {
    pub(crate) key: String,
    /// The stored document that the change was computed from, if it was read.
    pub(crate) seen: Option<Option<String>>,
    /// What is written, if anything. `None` removes the document.
    pub(crate) write: Option<Option<String>>,
    /// A store that writes one part after the other writes the lower ranks first.
    pub(crate) rank: u8,
}

impl Record {
    /// The greatest rank.
    pub(crate) const LAST: u8 = 2;

    /// Takes over from an older record of the same key what this one does not say.
    pub(super) fn complete(&mut self, older: Self) {
        if self.seen.is_none() {
            self.seen = older.seen;
        }
        if self.write.is_none() {
            (self.write, self.rank) = (older.write, older.rank);
        }
    }
}

/// A change of documents, whose documents may be in a temporary file.
#[derive(Debug)]
pub struct Staged {
    /// The change. If there is a file, it has no documents.
    pub(crate) change: Change,
    pub(crate) spill: Option<Spill>,
}

/// Whether taps arrive while a change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// This process uses the store for the change alone. A data file is written in one transaction.
    Alone,
    /// A data file is written in many short transactions, so that no tap waits for long.
    BesideTaps,
}

impl Staged {
    /// Calls `each` with every document, in the order of the keys if there is a file.
    pub(crate) fn each<E: From<StoreError>>(&mut self, mut each: impl FnMut(Record) -> Result<(), E>) -> Result<(), E> {
        if let Some(spill) = &mut self.spill {
            return spill.records()?.try_for_each(|record| each(record?));
        }
        let seen: std::collections::HashMap<_, _> = self.change.seen.iter().map(|(key, text)| (key, text)).collect();
        for (key, text) in &self.change.writes {
            let seen = seen.get(key).map(|text| (*text).clone());
            each(Record { key: key.clone(), seen, write: Some(text.clone()), rank: 0 })?;
        }
        Ok(())
    }

    /// Returns the change with all of its documents in memory.
    pub(crate) fn in_memory(self) -> Result<Change, StoreError> {
        let Self { mut change, spill } = self;
        let Some(mut spill) = spill else { return Ok(change) };
        let mut ranked: Vec<Vec<_>> = (0..=Record::LAST).map(|_| Vec::new()).collect();
        for record in spill.records()? {
            let Record { key, seen, write, rank } = record?;
            if let (Some(text), Some(writes)) = (write, ranked.get_mut(usize::from(rank))) {
                writes.push((key.clone(), text));
            }
            change.seen.extend(seen.map(|text| (key, text)));
        }
        change.writes = ranked.into_iter().flatten().collect();
        Ok(change)
    }
}

impl From<Change> for Staged {
    fn from(change: Change) -> Self {
        Self { change, spill: None }
    }
}
