//! What an import would change. Nothing is written.

use super::{Allowed, Change, ImportError, Report, prepare};
use crate::secrets::Secrets;
use crate::store::Store;

/// The result of an import that was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// What the import would report.
    pub report: Report,
    /// The number of documents of each kind that lines name.
    pub kinds: Vec<(&'static str, Counts)>,
    /// The number of counters that would be raised if the stored ones are lower.
    pub counters: usize,
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
    text: &str,
    allowed: Allowed,
    done: impl FnMut(u64),
) -> Result<Preview, ImportError> {
    let (report, change) = prepare(store, secrets, text, allowed, done).await?;
    Ok(Preview { report, kinds: kinds(&change), counters: change.marks.len() })
}

/// Counts the documents of each kind.
fn kinds(change: &Change) -> Vec<(&'static str, Counts)> {
    let names = ["organisations", "API keys and tokens", "folders", "tag groups", "batches", "tags"];
    let mut kinds: Vec<_> = names.into_iter().map(|name| (name, Counts::default())).collect();
    let seen: std::collections::HashMap<_, _> = change.seen.iter().map(|(key, text)| (key, text.as_deref())).collect();
    for (key, text) in &change.writes {
        let (Some(kind), Some(text)) = (kind(key), text) else { continue };
        if let Some((_, counts)) = kinds.iter_mut().find(|(name, _)| *name == kind) {
            counts.add(seen.get(key).copied().flatten(), text);
        }
    }
    kinds.retain(|(_, counts)| *counts != Counts::default());
    kinds
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
