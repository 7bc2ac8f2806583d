//! The documents of a draft: as they are stored, and as they will be.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::store::StagedRecord;

/// Bytes that a document needs in memory beside its texts, about.
const OVERHEAD: usize = 100;

/// Documents by their keys.
#[derive(Default)]
pub(super) struct Documents {
    all: HashMap<String, Document>,
    /// Bytes in memory, about.
    bytes: usize,
}

#[derive(Default)]
#[allow(clippy::option_option, reason = "the outer one says whether it is known")]
struct Document {
    /// The stored text, if it was read.
    seen: Option<Option<String>>,
    /// The text to write, if any. `None` removes the document.
    write: Option<Option<String>>,
}

impl Documents {
    /// Returns the bytes that the documents need in memory, about.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns `true` if the stored document was read.
    pub(super) fn is_read(&self, key: &str) -> bool {
        self.all.get(key).is_some_and(|document| document.seen.is_some())
    }

    /// Returns `true` if the document is written or removed.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.all.get(key).is_some_and(|document| document.write.is_some())
    }

    /// Returns a document as it will be.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        let Document { seen, write } = self.all.get(key)?;
        write.as_ref().or(seen.as_ref())?.as_deref()
    }

    /// Returns a document as it is stored.
    pub(super) fn stored(&self, key: &str) -> Option<&str> {
        self.all.get(key)?.seen.as_ref()?.as_deref()
    }

    /// Adds a stored document.
    pub(super) fn read(&mut self, key: String, text: Option<String>) {
        let length = text.as_ref().map_or(0, String::len);
        self.entry(key, length).seen = Some(text);
    }

    /// Writes or removes a document.
    pub(super) fn write(&mut self, key: String, text: Option<String>) {
        let length = text.as_ref().map_or(0, String::len);
        self.entry(key, length).write = Some(text);
    }

    /// Adds a document that was moved to a temporary file. A later write of it stays.
    pub(super) fn restore(&mut self, StagedRecord { key, seen, write, .. }: StagedRecord) {
        let length = [&seen, &write].into_iter().flatten().flatten().map(String::len).fold(0, usize::saturating_add);
        let document = self.entry(key, length);
        document.seen = seen;
        if document.write.is_none() {
            document.write = write;
        }
    }

    /// Returns the entry of a document that gets a text of this length.
    fn entry(&mut self, key: String, text: usize) -> &mut Document {
        let length = key.len().saturating_add(OVERHEAD);
        self.bytes = self.bytes.saturating_add(text);
        match self.all.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.bytes = self.bytes.saturating_add(length);
                entry.insert(Document::default())
            }
        }
    }

    /// Returns the documents to write.
    pub(super) fn written(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.all.iter().filter_map(|(key, document)| Some((&**key, document.write.as_ref()?.as_deref())))
    }

    /// Returns the keys of all documents.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.all.keys().map(String::as_str)
    }

    /// Takes all documents out.
    pub(super) fn take(&mut self) -> Self {
        // About as many will follow.
        let all = HashMap::with_capacity(self.all.len());
        std::mem::replace(self, Self { all, bytes: 0 })
    }

    /// Returns all documents, in any order.
    pub(super) fn into_records(self) -> impl Iterator<Item = StagedRecord> {
        self.all.into_iter().map(|(key, Document { seen, write })| {
            let is_stored = matches!(seen, Some(Some(_)));
            let rank = write.as_ref().map_or(0, |text| rank(&key, text.as_deref(), is_stored));
            StagedRecord { key, seen, write, rank }
        })
    }
}

/// Returns the place of a document in the order in which a store writes one part after the other.
///
/// A store may be interrupted. Then the same import must find what it has to change: the old tags, and the old groups and
/// organisations, whose change makes it check their tags. New ones precede their tags.
fn rank(key: &str, text: Option<&str>, is_stored: bool) -> u8 {
    let is_above = key.starts_with("level/") || key.starts_with("organisation/");
    let is_removed_key = text.is_none() && key.starts_with("key/");
    // A removed tag goes after its names, so that a second attempt finds it.
    let is_tag = match text {
        Some(text) => text.starts_with(r#"{"tag":"#),
        None => key.starts_with("xuid/") || key.starts_with("number/"),
    };
    if is_removed_key || (is_above && is_stored) { StagedRecord::LAST } else { u8::from(is_tag) }
}
