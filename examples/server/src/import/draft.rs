//! The registry as it will be after an import.

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use suntap::{CounterId, Mark, Uid};

use super::error::{Checked, problem};
use super::index_draft::IndexDraft;
use super::line::{Kind, Line, Partial};
use super::owners::{KINDS, api_key_text};
use super::{Allowed, LISTED, Report};
use crate::registry::document;
use crate::registry::document::{Level, Organisation, key};
use crate::registry::{index, levels};
use crate::secrets::Secrets;
use crate::secrets::canary::{self, Canaries};
use crate::store::{Change, Spill, Staged, StagedRecord, Store, StoreError, raised};

/// Bytes of documents that are kept in memory, about.
const MOST_BYTES: usize = 24 * 1024 * 1024;
/// Bytes that a document needs in memory beside its texts, about.
const OVERHEAD: usize = 100;

/// The registry as it will be after the import.
pub(super) struct Draft<'s> {
    pub(super) store: &'s Store,
    pub(super) secrets: &'s Secrets,
    pub(super) allowed: Allowed,
    /// The stored documents.
    pub(super) seen: HashMap<String, Option<String>>,
    /// The documents to write. `None` removes a document.
    pub(super) writes: HashMap<String, Option<String>>,
    /// Bytes in `seen` and `writes`, about.
    bytes: usize,
    /// More bytes than this are moved to the temporary file.
    pub(super) most_bytes: usize,
    /// What was in `seen` and `writes` before, if there are many documents.
    pub(super) spill: Option<Spill>,
    pub(super) index: IndexDraft,
    /// The tags of this import, by their keys.
    pub(super) tags: HashMap<Box<str>, Placed>,
    pub(super) marks: HashMap<CounterId, Mark>,
    /// Names of the secrets that tags use.
    pub(super) used_secrets: BTreeSet<String>,
    /// Stored tag groups whose layout or rules change, each with the number of its line.
    pub(super) changed_groups: HashMap<(u64, String), usize>,
    /// Stored organisations that get an account, each with the number of its line.
    pub(super) new_accounts: HashMap<u64, usize>,
    pub(super) report: Report,
}

/// What an import has done with a tag.
#[derive(Clone, Copy, Default)]
#[allow(clippy::option_option, reason = "the outer one says whether it is known")]
pub(super) struct Placed {
    /// A line names the tag.
    pub(super) has_line: bool,
    /// The UID by which the tag is found, if it is known: `Some(None)` means by none.
    pub(super) claim: Option<Option<Uid>>,
}

impl<'s> Draft<'s> {
    pub(super) fn new(store: &'s Store, secrets: &'s Secrets, allowed: Allowed) -> Self {
        Self {
            store,
            secrets,
            allowed,
            seen: HashMap::new(),
            writes: HashMap::new(),
            bytes: 0,
            most_bytes: MOST_BYTES,
            spill: None,
            index: IndexDraft::default(),
            tags: HashMap::new(),
            marks: HashMap::new(),
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

    /// Reads documents that are not known yet.
    pub(super) async fn fetch(&mut self, mut keys: Vec<String>) -> Result<(), StoreError> {
        keys.retain(|key| !self.seen.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        if let Some(spill) = &mut self.spill {
            let mut missing = Vec::new();
            for key in keys {
                let StagedRecord { seen, write, .. } = spill.get(&key)?.unwrap_or_default();
                if let Some(text) = write {
                    self.writes.entry(key.clone()).or_insert(text);
                }
                match seen {
                    Some(seen) => drop(self.seen.insert(key, seen)),
                    None => missing.push(key),
                }
            }
            keys = missing;
        }
        if !keys.is_empty() {
            let found = self.store.read(&keys, None).await?;
            for (key, text) in keys.into_iter().zip(found.documents) {
                self.count(&key, text.as_deref());
                self.seen.insert(key, text);
            }
        }
        Ok(())
    }

    /// Moves the documents to a temporary file if there are many. A document that is needed afterwards must be fetched again.
    pub(super) fn spill_if_large(&mut self) -> Result<(), StoreError> {
        if self.bytes > self.most_bytes { self.spill() } else { Ok(()) }
    }

    fn spill(&mut self) -> Result<(), StoreError> {
        let mut records = HashMap::new();
        for (key, seen) in std::mem::take(&mut self.seen) {
            records.insert(key.clone(), StagedRecord { key, seen: Some(seen), ..StagedRecord::default() });
        }
        for (key, text) in std::mem::take(&mut self.writes) {
            let record = records.entry(key.clone()).or_insert_with(|| StagedRecord { key, ..StagedRecord::default() });
            let is_stored = matches!(record.seen, Some(Some(_)));
            record.rank = rank(&record.key, text.as_deref(), is_stored);
            record.write = Some(text);
        }
        self.bytes = 0;
        self.spill.get_or_insert_default().write(records.into_values().collect())
    }

    /// Counts the bytes of a document that is kept in memory.
    fn count(&mut self, key: &str, text: Option<&str>) {
        let length = key.len().saturating_add(text.map_or(0, str::len)).saturating_add(OVERHEAD);
        self.bytes = self.bytes.saturating_add(length);
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.writes.get(key).or_else(|| self.seen.get(key))?.as_deref()
    }

    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.text(key).map(|text| document(key, text)).transpose()
    }

    pub(super) fn put(&mut self, key: String, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(|_| StoreError::Document(key.clone()))?;
        self.count(&key, Some(&text));
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
        // It is only in stored documents.
        if partial.value::<bool>("closing").is_some() {
            return problem("unknown field `closing`");
        }
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

    /// Adds a mark, which a store merges with the stored one.
    pub(super) fn add_mark(&mut self, id: CounterId, mark: Mark) {
        let mark = raised(self.marks.get(&id).copied(), mark);
        self.marks.insert(id, mark);
    }

    pub(super) fn warn(&mut self, warning: String) {
        let warnings = &mut self.report.warnings;
        if warnings.len() < LISTED && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Returns what the import reports and changes.
    pub(super) async fn finished(mut self) -> Result<(Report, Staged), StoreError> {
        for (key, layouts) in std::mem::take(&mut self.index).changed() {
            self.put(key, &layouts)?;
        }
        // An import without lines has not read anything.
        if self.seen.contains_key(canary::KEY) || self.spill.is_some() {
            self.fetch(vec![canary::KEY.to_owned()]).await?;
            let canaries: Option<Canaries> = self.get(canary::KEY)?;
            let recorded = Canaries::recorded(canaries.clone(), self.secrets, &self.used_secrets);
            if canaries.as_ref() != Some(&recorded) {
                self.put(canary::KEY.into(), &recorded)?;
            }
        }
        let mut marks: Vec<_> = std::mem::take(&mut self.marks).into_iter().collect();
        marks.sort_unstable_by_key(|(id, _)| *id.as_bytes());
        if self.spill.is_some() {
            self.spill()?;
            let change = Change { marks, ..Change::default() };
            return Ok((self.report, Staged { change, spill: self.spill }));
        }
        // In the order of the keys, a data file changes each of its pages only once, and taps wait a shorter time.
        let mut seen: Vec<_> = self.seen.into_iter().collect();
        seen.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let mut writes: Vec<_> = self.writes.into_iter().collect();
        writes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        writes.sort_by_cached_key(|(key, text)| {
            let stored = seen.binary_search_by(|(other, _)| other.cmp(key)).ok().and_then(|at| seen.get(at));
            rank(key, text.as_deref(), stored.is_some_and(|(_, text)| text.is_some()))
        });
        let change = Change { seen, writes, marks, history: Vec::new() };
        Ok((self.report, change.into()))
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

#[cfg(test)]
mod tests {
    use crate::store::{Address, Options};

    use super::super::{Input, draft_of, prepare};
    use super::*;
    use crate::store::Pace;

    /// A store that is interrupted between two writes must leave what makes the same import complete them.
    #[tokio::test]
    async fn a_changed_group_is_written_after_its_tags() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Embedded(folder.path().join("data.redb"));
        let store = Store::create(&address, Options::default()).await.unwrap();
        let secrets = &Secrets::random().unwrap();
        let group = |template: &str| {
            let group = serde_json::json!({ "organisation": 1, "path": "F/G", "layout": { "template": template } });
            format!("{}\n", serde_json::json!({ "tagGroup": group }))
        };
        let prepared = async |text: &str| {
            let prepared = prepare(&store, secrets, &mut Input::text(text), Allowed::default(), |_| ()).await;
            prepared.unwrap().1.change
        };
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

    async fn store(folder: &tempfile::TempDir, name: &str) -> Store {
        Store::create(&Address::Embedded(folder.path().join(name)), Options::default()).await.unwrap()
    }

    fn tag(number: usize) -> serde_json::Value {
        serde_json::json!({ "tag": { "organisation": 1, "batch": "F/G/B", "xuid": format!("x{number:05}"), "cuid": format!("c{number}"),
            "uid": format!("04{number:012X}"), "keys": { "plain": { "file": format!("{:032X}", number.saturating_add(7)) } },
            "counter": { "ctr": number.saturating_add(1) } } })
    }

    fn text(lines: impl IntoIterator<Item = serde_json::Value>) -> String {
        lines.into_iter().flat_map(|line| [line.to_string(), "\n".into()]).collect()
    }

    fn group(template: &str) -> serde_json::Value {
        let rules =
            serde_json::json!({ "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail" });
        serde_json::json!({ "tagGroup": { "organisation": 1, "path": "F/G", "rules": rules, "layout": { "template": template } } })
    }

    fn short_parts(text: &str) -> Input<'_> {
        let mut input = Input::text(text);
        input.part_size = 20;
        input
    }

    /// Nothing but the memory depends on whether documents are moved to a temporary file.
    #[tokio::test(flavor = "multi_thread")]
    async fn many_lines_have_the_effect_of_few() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = &Secrets::random().unwrap();
        let levels = [
            serde_json::json!({ "organisation": { "id": 1, "name": "One", "account": "one" } }),
            serde_json::json!({ "folder": { "organisation": 1, "path": "F" } }),
            group("https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}"),
            serde_json::json!({ "batch": { "organisation": 1, "path": "F/G/B" } }),
        ];
        let first = text(levels.into_iter().chain((0..50).map(tag)));
        // The layout of tags of both imports changes, and with it the ids of their counters.
        let claimed = group("https://t.example/p?e={picc:uid,ctr}&c={mac}");
        let plain = group("https://t.example/tap?x={:xuid}&n={ctr}&e={mac}");
        let second = text((50..120).map(tag).chain([plain.clone(), claimed, plain]).chain((120..130).map(tag)));
        let mut all = Vec::new();
        for (name, most_bytes, pace) in [
            ("memory", usize::MAX, Pace::Alone),
            ("file", 0, Pace::Alone),
            ("file beside taps", 0, Pace::BesideTaps),
            ("memory beside taps", usize::MAX, Pace::BesideTaps),
        ] {
            let store = store(&folder, name).await;
            for text in [&first, &second] {
                let draft = Draft { most_bytes, ..Draft::new(&store, secrets, Allowed::default()) };
                let (report, staged) = draft_of(draft, &mut short_parts(text), |_| ()).await.unwrap();
                assert_eq!(report.waiting, 0);
                assert_eq!(staged.spill.is_some(), most_bytes == 0, "{name}");
                store.apply(staged, pace).await.unwrap();
            }
            let bad = text([tag(1)].into_iter().chain((4000..4050).map(tag)).chain([
                tag(4000),
                serde_json::json!({ "tag": { "organisation": 1, "xuid": "other", "batch": "F/G/B", "cuid": "c4001" } }),
                serde_json::json!({ "tag": { "organisation": 1, "xuid": "another", "batch": "F/G/B",
                    "keys": { "plain": { "file": format!("{:032X}", 4002 + 7) } } } }),
            ]));
            let draft = Draft { most_bytes, ..Draft::new(&store, secrets, Allowed::default()) };
            let error = draft_of(draft, &mut short_parts(&bad), |_| ()).await.unwrap_err().to_string();
            for problem in [
                "line 52: the tag is in this import twice",
                "line 53: another tag has this CUID or UID",
                "line 54: another tag has this key",
            ] {
                assert!(error.contains(problem), "{name}: {error}");
            }
            let mut documents = Vec::new();
            let mut keep = |key: &str, text: &str| {
                documents.push((key.to_owned(), text.to_owned()));
                Ok::<_, StoreError>(())
            };
            store.list("", &mut keep).await.unwrap();
            let mut marks = Vec::new();
            for (key, _) in documents.iter().filter(|(key, _)| key.starts_with("counter/")) {
                let id: [u8; 16] = crate::hex::decode(key.trim_start_matches("counter/")).unwrap();
                marks.push(store.read(&[], Some(&CounterId::from_bytes(id))).await.unwrap().mark);
            }
            assert_eq!(marks.len(), 130);
            assert!(marks.iter().all(Option::is_some), "{name}");
            all.push((documents, marks));
            store.close().await;
        }
        for other in all.iter().skip(1) {
            assert!(all.first() == Some(other));
        }
    }
}
