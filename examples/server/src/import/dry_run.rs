//! What an import would change. Nothing is written.

use suntap::{CounterId, Mark};

use super::{Allowed, ImportError, Input, Report, prepare};
use crate::secrets::Secrets;
use crate::store::{Staged, Store, StoreError};

/// The result of an import that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What the import would report.
    pub report: Report,
    /// The number of documents of each kind that lines name.
    pub kinds: Vec<(&'static str, Counts)>,
    /// The number of counters that lines give.
    pub counters: Counters,
}

/// Numbers of counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// None is stored yet.
    pub new: usize,
    /// The stored counters are lower, and would be raised.
    pub raised: usize,
    /// The stored counters are not lower, and would stay.
    pub kept: usize,
}

/// Numbers of documents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// They are not stored yet.
    pub new: usize,
    /// They are stored, and would change.
    pub changed: usize,
    /// They are stored as they are in the import.
    pub unchanged: usize,
}

impl Counts {
    fn add(&mut self, seen: Option<&str>, written: &str) {
        let count = match seen {
            None => &mut self.new,
            Some(seen) if seen == written => &mut self.unchanged,
            Some(_) => &mut self.changed,
        };
        *count = count.saturating_add(1);
    }
}

/// Checks lines against the store, as [`import`](super::import) does, and returns what they would change. Writes nothing.
///
/// # Errors
/// Fails if a line is invalid or the store fails.
pub async fn dry_run(
    store: &Store,
    secrets: &Secrets,
    input: &mut Input<'_>,
    allowed: Allowed,
    done: impl FnMut(u64),
) -> Result<Preview, ImportError> {
    let (report, mut staged) = prepare(store, secrets, input, allowed, done).await?;
    let kinds = kinds(&mut staged)?;
    let counters = raised(store, &staged.change.marks).await?;
    Ok(Preview { report, kinds, counters })
}

/// Counts the documents of each kind.
fn kinds(staged: &mut Staged) -> Result<Vec<(&'static str, Counts)>, StoreError> {
    let names = ["organisations", "API keys and tokens", "folders", "tag groups", "batches", "tags"];
    let mut kinds: Vec<_> = names.into_iter().map(|name| (name, Counts::default())).collect();
    staged.each(|record| {
        if let (Some(kind), Some(Some(text))) = (kind(&record.key), record.write)
            && let Some((_, counts)) = kinds.iter_mut().find(|(name, _)| *name == kind)
        {
            counts.add(record.seen.flatten().as_deref(), &text);
        }
        Ok::<_, StoreError>(())
    })?;
    kinds.retain(|(_, counts)| *counts != Counts::default());
    Ok(kinds)
}

/// Counts the counters of marks by what the import would do to the stored ones.
async fn raised(store: &Store, marks: &[(CounterId, Mark)]) -> Result<Counters, StoreError> {
    let mut counters = Counters::default();
    for (id, mark) in marks {
        let stored = store.read(&[], Some(id)).await?.mark;
        let count = match stored {
            None => &mut counters.new,
            Some(stored) if stored.ctr < mark.ctr => &mut counters.raised,
            Some(_) => &mut counters.kept,
        };
        *count = count.saturating_add(1);
    }
    Ok(counters)
}

/// Returns the kind of a document, or `None` if it is not what a line names.
fn kind(key: &str) -> Option<&'static str> {
    Some(match key.split_once('/')? {
        ("organisation", _) => "organisations",
        ("key", _) => "API keys and tokens",
        ("level", path) => match path.matches('/').count() {
            1 => "folders",
            2 => "tag groups",
            _ => "batches",
        },
        ("xuid" | "number", _) => "tags",
        _ => return None,
    })
}
