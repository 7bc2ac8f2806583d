//! The registry as it will be after an import.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use suntap::{CounterId, Mark, Uid};

use super::error::Checked;
use super::index_draft::IndexDraft;
use super::line::{Kind, Line, Partial};
use super::owners::{KINDS, api_key_text};
use super::{Allowed, LISTED, Report};
use crate::registry::document;
use crate::registry::document::{Level, Organisation, key};
use crate::registry::{index, levels};
use crate::secrets::Secrets;
use crate::secrets::canary::{self, Canaries};
use crate::store::{Change, Store, StoreError};

/// The registry as it will be after the import.
pub(super) struct Draft<'s> {
    pub(super) store: &'s Store,
    pub(super) secrets: &'static Secrets,
    pub(super) allowed: Allowed,
    /// The stored documents.
    pub(super) seen: HashMap<String, Option<String>>,
    /// The documents to write. `None` removes a document.
    pub(super) writes: HashMap<String, Option<String>>,
    pub(super) index: IndexDraft,
    /// The UIDs by which the tags of this import are found.
    pub(super) claims: HashMap<String, Option<Uid>>,
    /// The keys of the tags of the lines.
    pub(super) tags: HashSet<String>,
    pub(super) marks: Vec<(CounterId, Mark)>,
    /// Names of the secrets that tags use.
    pub(super) used_secrets: BTreeSet<String>,
    /// Stored tag groups whose layout or rules change, each with the number of its line.
    pub(super) changed_groups: HashMap<(u64, String), usize>,
    /// Stored organisations that get an account, each with the number of its line.
    pub(super) new_accounts: HashMap<u64, usize>,
    pub(super) report: Report,
}

impl<'s> Draft<'s> {
    pub(super) fn new(store: &'s Store, secrets: &'static Secrets, allowed: Allowed) -> Self {
        Self {
            store,
            secrets,
            allowed,
            seen: HashMap::new(),
            writes: HashMap::new(),
            index: IndexDraft::default(),
            claims: HashMap::new(),
            tags: HashSet::new(),
            marks: Vec::new(),
            used_secrets: BTreeSet::new(),
            changed_groups: HashMap::new(),
            new_accounts: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Merges lines with the stored documents, and reads the documents that [`add`](Self::add) needs for these lines.
    pub(super) async fn look_up(
        &mut self,
        lines: &[(usize, Result<Partial<'_>, String>)],
    ) -> Result<Vec<Result<Line, String>>, StoreError> {
        let mut keys = vec![canary::KEY.to_owned()];
        for line in lines.iter().filter_map(|(_, line)| line.as_ref().ok()) {
            match api_key_text(line) {
                Some((kind, text)) => keys.extend(self.key_names(kind, &text)),
                None => keys.extend(self.key(line)),
            }
            keys.extend(line.value("organisation").map(key::organisation));
            keys.extend(line.value::<String>("account").as_deref().map(key::account));
        }
        self.fetch(keys).await?;
        let complete = lines.iter().map(|(_, line)| self.complete(line.as_ref().map_err(String::clone)?));
        let complete: Vec<_> = complete.collect();
        let mut keys = Vec::new();
        for line in complete.iter().flatten() {
            match line {
                Line::Organisation(_) => {}
                Line::ApiKey(_) | Line::Token(_) => {
                    let Some((text, key)) = line.api_key() else { continue };
                    keys.push(key::organisation(key.organisation));
                    keys.extend(KINDS.iter().flat_map(|kind| self.key_names(*kind, text)));
                }
                Line::Folder(level) | Line::TagGroup(level) | Line::Batch(level) => {
                    keys.extend(levels(&level.path).map(|path| key::level(level.organisation, path)));
                }
                Line::Tag(tag) => keys.extend(tag.above()),
            }
        }
        self.fetch(keys).await?;
        let mut names = Vec::new();
        for line in complete.iter().flatten() {
            let Line::Tag(tag) = line else { continue };
            let group = match (&tag.layout, tag.above().get(2)) {
                (None, Some(group)) => self.get::<Level>(group)?.and_then(|group| group.layout),
                _ => None,
            };
            if let Some(layout) = tag.layout.as_ref().or(group.as_ref()) {
                names.extend(self.index.missing(layout));
                let uid = tag.uid.filter(|_| !index::names_tag(layout, tag.xuid.is_some()));
                names.extend(uid.map(key::claimed));
            }
            if let Some(Organisation { account: Some(account), .. }) = self.get(&key::organisation(tag.organisation))? {
                names.extend(tag.cuid.as_deref().map(|cuid| key::cuid(&account, cuid)));
                names.extend(tag.uid.map(|uid| key::uid(&account, uid)));
            }
        }
        self.fetch(names).await?;
        Ok(complete)
    }

    /// Returns the key of the document that a line changes, if the line names it.
    pub(super) fn key(&self, line: &Partial<'_>) -> Option<String> {
        Some(match line.kind()? {
            Kind::Organisation => key::organisation(line.value("id")?),
            Kind::ApiKey | Kind::Token => {
                let (kind, text) = api_key_text(line)?;
                self.stored_key_name(kind, &text)?
            }
            Kind::Level => key::level(line.value("organisation")?, &line.value::<String>("path")?),
            Kind::Tag => match line.value::<String>("xuid") {
                Some(xuid) => key::xuid(&xuid),
                None => key::number(line.value("number")?),
            },
        })
    }

    /// Returns a line with the stored values of all fields that it does not name.
    pub(super) fn complete(&self, line: &Partial<'_>) -> Result<Line, String> {
        let stored = if self.allowed.replace { None } else { self.key(line) };
        line.merged(stored.as_deref().and_then(|key| self.text(key)))
    }

    pub(super) async fn fetch(&mut self, mut keys: Vec<String>) -> Result<(), StoreError> {
        keys.retain(|key| !self.seen.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            let found = self.store.read(&keys, None).await?;
            self.seen.extend(keys.into_iter().zip(found.documents));
        }
        Ok(())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.writes.get(key).or_else(|| self.seen.get(key))?.as_deref()
    }

    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.text(key).map(|text| document(key, text)).transpose()
    }

    pub(super) fn put(&mut self, key: String, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(|_| StoreError::Document(key.clone()))?;
        self.writes.insert(key, Some(text));
        Ok(())
    }

    /// Adds a line to the draft. `complete` is the line that [`look_up`](Self::look_up) returned.
    pub(super) async fn add(
        &mut self,
        number: usize,
        partial: Result<Partial<'_>, String>,
        complete: Result<Line, String>,
    ) -> Checked {
        let partial = partial?;
        // An earlier line of this import may have changed the same document.
        let is_changed = self.key(&partial).is_some_and(|key| self.writes.contains_key(&key));
        let line = if is_changed { self.complete(&partial)? } else { complete? };
        match line {
            Line::Organisation(organisation) => self.add_organisation(number, &organisation),
            Line::ApiKey(_) | Line::Token(_) => self.add_key(&line),
            Line::Folder(level) => self.add_level(&level, 1),
            Line::TagGroup(level) => {
                let key = key::level(level.organisation, &level.path);
                let before: Option<Level> = self.get(&key)?;
                let changes = |before: Level| {
                    before.layout != level.layout
                        || serde_json::to_string(&before.rules).ok() != serde_json::to_string(&level.rules).ok()
                };
                if before.is_some_and(changes) {
                    self.changed_groups.insert((level.organisation, level.path.clone()), number);
                }
                self.add_level(&level, 2)
            }
            Line::Batch(level) => self.add_level(&level, 3),
            Line::Tag(tag) => match self.with_state(&partial, &tag)? {
                Some(changed) => Ok(self.put(tag.key(), &changed)?),
                None => self.add_tag(*tag).await,
            },
        }
    }

    pub(super) fn warn(&mut self, warning: String) {
        let warnings = &mut self.report.warnings;
        if warnings.len() < LISTED && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    pub(super) fn finished(mut self) -> Result<(Report, Change), StoreError> {
        for (key, layouts) in std::mem::take(&mut self.index).changed() {
            self.put(key, &layouts)?;
        }
        let canaries: Option<Canaries> = self.get(canary::KEY)?;
        let recorded = Canaries::recorded(canaries.clone(), self.secrets, &self.used_secrets);
        // An import without lines has not read anything.
        if self.seen.contains_key(canary::KEY) && canaries.as_ref() != Some(&recorded) {
            self.put(canary::KEY.into(), &recorded)?;
        }
        // In the order of the keys, a data file changes each of its pages only once, and taps wait a shorter time.
        let mut seen: Vec<_> = self.seen.into_iter().collect();
        seen.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut writes: Vec<_> = self.writes.into_iter().collect();
        writes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        // A store may write one part after the other and be interrupted. Then the same import must find what it has to change: the
        // old tags, and the old groups and organisations, whose change makes it check their tags. New ones precede their tags.
        writes.sort_by_cached_key(|(key, text)| {
            let stored = || seen.binary_search_by(|(other, _)| other.cmp(key)).ok().and_then(|at| seen.get(at));
            let is_old = || stored().is_some_and(|(_, text)| text.is_some());
            let is_above = key.starts_with("level/") || key.starts_with("organisation/");
            let is_removed_key = text.is_none() && key.starts_with("key/");
            // A removed tag goes after its names, so that a second attempt finds it.
            let is_tag = match text {
                Some(text) => text.starts_with(r#"{"tag":"#),
                None => key.starts_with("xuid/") || key.starts_with("number/"),
            };
            if is_removed_key || (is_above && is_old()) { 2 } else { u8::from(is_tag) }
        });
        let change = Change { seen, writes, marks: self.marks, history: Vec::new() };
        Ok((self.report, change))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Options};

    use super::super::prepare;
    use super::*;

    /// A store that is interrupted between two writes must leave what makes the same import complete them.
    #[tokio::test]
    async fn a_changed_group_is_written_after_its_tags() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Embedded(folder.path().join("data.redb"));
        let store = Store::create(&address, Options::default()).await.unwrap();
        let secrets: &'static Secrets = Box::leak(Box::new(Secrets::random().unwrap()));
        let group = |template: &str| {
            let group = serde_json::json!({ "organisation": 1, "path": "F/G", "layout": { "template": template } });
            format!("{}\n", serde_json::json!({ "tagGroup": group }))
        };
        let prepared = async |text: &str| prepare(&store, secrets, text, Allowed::default(), |_| ()).await.unwrap().1;
        let keys = |change: &Change| -> Vec<String> { change.writes.iter().map(|(key, _)| key.clone()).collect() };
        let named = group("https://t.example/tap?x={:tagId}&e={picc}&m={mac}");
        let around = r#"{"organisation":{"id":1,"name":"One"}}
            {"folder":{"organisation":1,"path":"F"}}"#;
        let tag = r#"{"batch":{"organisation":1,"path":"F/G/B"}}
            {"tag":{"organisation":1,"batch":"F/G/B","number":7,"uid":"04AABBCC112233","keys":{"plain":
            {"meta":"00112233445566778899AABBCCDDEEFF","file":"FF112233445566778899AABBCCDDEEFF"}}}}"#;
        let tag = tag.replace(":\n            {\"meta", ":{\"meta");
        let first = prepared(&format!("{around}\n{named}{tag}\n")).await;
        assert_eq!(keys(&first).last().map(String::as_str), Some("number/7"), "new levels come before their tags");
        store.change(&first).await.unwrap();

        let changed = group("https://t.example/n?picc_data={picc}&cmac={mac}");
        let change = prepared(&changed).await;
        let written = keys(&change);
        assert_eq!(written.last().map(String::as_str), Some("level/1/F/G"));
        for key in ["claimed/04AABBCC112233", "number/7"] {
            assert!(written.iter().any(|written| written == key), "{written:?}");
        }
        for count in 0..written.len() {
            let writes = change.writes.iter().take(count).cloned().collect();
            store.change(&Change { writes, ..Change::default() }).await.unwrap();
            let again = keys(&prepared(&changed).await);
            assert!(again.iter().any(|written| written == "number/7"), "after {count} writes: {again:?}");
        }
        store.close().await;
    }
}
