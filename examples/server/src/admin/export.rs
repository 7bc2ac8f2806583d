//! Writes the registry as lines that an import reads.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

use super::levels::LevelKind;
use super::tags::tag_prefixes;
use super::{Admin, AdminError};
use crate::import::export::{ExportedLine, tag_line};
use crate::registry::document;
use crate::registry::document::{Entry, Level, Organisation};
use crate::store::{Cursor, StoreError};

/// Keys and documents that are read at once.
const PAGE: usize = 500;

/// What is exported, and how far it is. An export has the organisations, folders, tag groups, batches and tags, in the order in which an
/// import needs them. API keys and tokens are not in it, because the store does not know them.
#[derive(Debug)]
pub struct Export {
    /// What is still to be exported. The first part is in progress.
    parts: VecDeque<Part>,
    start: Option<Cursor>,
    /// Hashes of the keys that are exported, because Redis may list a document twice. An import refuses a tag that is there twice.
    exported: HashSet<[u8; 16]>,
}

#[derive(Debug)]
enum Part {
    Organisations,
    Levels(LevelKind),
    Tags(String),
}

impl Export {
    /// Prepares an export of the tags with this prefix, see [`Admin::tags`], and of all organisations and levels.
    ///
    /// # Errors
    /// Returns an error if the prefix is invalid.
    pub fn new(prefix: &str) -> Result<Self, AdminError> {
        let mut parts = VecDeque::from([Part::Organisations]);
        parts.extend([LevelKind::Folder, LevelKind::TagGroup, LevelKind::Batch].map(Part::Levels));
        parts.extend(tag_prefixes(prefix)?.into_iter().map(Part::Tags));
        Ok(Self { parts, start: None, exported: HashSet::new() })
    }
}

impl Admin<'_> {
    /// Returns the next lines, each with its line break. The text can be empty. Returns `None` at the end.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn export(&self, export: &mut Export) -> Result<Option<String>, AdminError> {
        let Some(part) = export.parts.front() else { return Ok(None) };
        let prefix = match part {
            Part::Organisations => "organisation/",
            Part::Levels(_) => "level/",
            Part::Tags(prefix) => prefix,
        };
        let page = self.store.page(prefix, export.start.take(), PAGE).await?;
        let mut lines = String::new();
        for (key, text) in page.documents {
            if self.store.may_list_twice() && !export.exported.insert(short_hash(&key)) {
                continue;
            }
            let line = match part {
                Part::Organisations => {
                    Some(ExportedLine::Organisation(Organisation { closing: false, ..document(&key, &text)? }))
                }
                Part::Levels(kind) => {
                    let level = Level { closing: false, ..document(&key, &text)? };
                    (LevelKind::from_path(&level.path) == *kind).then_some(match kind {
                        LevelKind::Folder => ExportedLine::Folder(level),
                        LevelKind::TagGroup => ExportedLine::TagGroup(level),
                        LevelKind::Batch => ExportedLine::Batch(level),
                    })
                }
                Part::Tags(_) => Some(self.tag_line(&key, &text).await?),
            };
            if let Some(line) = line {
                lines.push_str(&serde_json::to_string(&line).map_err(|_| StoreError::Document(key))?);
                lines.push('\n');
            }
        }
        export.start = page.next;
        if export.start.is_none() {
            export.parts.pop_front();
        }
        Ok(Some(lines))
    }

    async fn tag_line(&self, key: &str, text: &str) -> Result<ExportedLine, AdminError> {
        let Entry::Tag(tag) = document(key, text)? else { return Err(StoreError::Document(key.into()).into()) };
        let mark = self.mark_of(&tag).await?;
        Ok(tag_line(*tag, mark))
    }
}

/// Returns a hash that is long enough for each key to have its own.
fn short_hash(key: &str) -> [u8; 16] {
    Sha256::digest(key).first_chunk().copied().unwrap_or_default()
}
