//! The registry as it will be after an import.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use serde::Serialize;
use suntap::{CounterId, Field, Mark, Uid};
use tokio::task::JoinHandle;

use super::documents::Documents;
use super::error::{Checked, problem};
use super::index_draft::IndexDraft;
use super::line::{Keys, Kind, Line, Parsed, Partial};
use super::owners::KINDS;
use super::{Allowed, LISTED, Report, is_closing};
use crate::registry::document;
use crate::registry::document::{Level, Tag, key};
use crate::registry::row::Above;
use crate::registry::{above, index, levels};
use crate::secrets::Secrets;
use crate::secrets::canary::{self, Canaries};
use crate::store::{Change, Run, Spill, Staged, StagedRecord, Store, StoreError, raised};

/// Bytes of documents that are kept in memory, about. While they are written to a temporary file, as many again may be added.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// The most batches whose documents are kept parsed.
const MOST_AROUND: usize = 1000;

/// The registry as it will be after the import.
pub(super) struct Draft<'s> {
    pub(super) store: &'s Store,
    pub(super) secrets: &'s Secrets,
    pub(super) allowed: Allowed,
    pub(super) documents: Documents,
    /// More bytes than this are moved to a temporary file.
    pub(super) most_bytes: usize,
    /// What was in `documents` before, if there are many.
    pub(super) spill: Option<Spill>,
    /// The part of `spill` that another thread is writing.
    writing: Option<JoinHandle<Result<Run, StoreError>>>,
    /// What is above the tags, by the key of the innermost document.
    around: HashMap<String, Around>,
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

/// The documents above the tags of a batch.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) above: Arc<Above>,
    /// Nobody deletes one of them.
    pub(super) is_open: bool,
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
            documents: Documents::default(),
            most_bytes: MOST_BYTES,
            spill: None,
            writing: None,
            around: HashMap::new(),
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
    pub(super) async fn look_up(&mut self, lines: &mut [Parsed]) -> Result<Vec<Result<Line, String>>, StoreError> {
        let mut keys = Vec::new();
        // Otherwise it was read for an earlier line.
        if self.spill.is_none() {
            keys.push(canary::KEY.to_owned());
        }
        for line in lines.iter().filter_map(|line| line.partial.as_ref().ok()) {
            match &line.credential {
                Some((kind, text)) => keys.extend(self.key_names(*kind, text)),
                None => keys.extend(line.key.clone()),
            }
            // What is above a tag is read below.
            if line.kind != Some(Kind::Tag) {
                keys.extend(line.organisation.map(key::organisation));
            }
            keys.extend(line.account.as_deref().map(key::account));
        }
        self.fetch(keys).await?;
        let complete: Vec<_> = lines.iter_mut().map(|line| self.complete(line)).collect();
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
                Line::Tag(tag) if self.around.contains_key(&tag.innermost()) => {}
                Line::Tag(tag) => keys.extend(tag.above()),
            }
        }
        self.fetch(keys).await?;
        let mut names = Vec::new();
        for line in complete.iter().flatten() {
            let Line::Tag(tag) = line else { continue };
            let above = self.around(tag).map(|around| around.above);
            let group = above.as_ref().and_then(|above| above.tag_group.as_ref()?.layout.as_ref());
            let layout = tag.layout.as_ref().or(group);
            if let Some(layout) = layout.filter(|layout| !self.index.is_settled(layout, tag.xuid.is_some())) {
                names.extend(self.index.missing(layout));
                let uid = tag.uid.filter(|_| !index::names_tag(layout, tag.xuid.is_some()));
                names.extend(uid.map(key::claimed));
            }
            let Some(above) = above else { continue };
            if let Some(account) = &above.organisation.account {
                names.extend(tag.cuid.as_deref().map(|cuid| key::cuid(account, cuid)));
                names.extend(tag.uid.map(|uid| key::uid(account, uid)));
            }
            if let (Some(Keys::Ready(ready)), None, Some(sdm)) = (&tag.keys, &tag.layout, &above.layout) {
                // For `{picc:ctr}` it is the other id, which is read later.
                let has_uid = sdm.has(Field::PiccData) || sdm.has(Field::Uid);
                names.push(key::counter(if has_uid { &ready.with_uid } else { &ready.without_uid }));
            }
        }
        self.fetch(names).await?;
        Ok(complete)
    }

    /// Returns the key of the document that a line changes, if the line names it.
    fn key<'l>(&self, line: &'l Partial) -> Option<Cow<'l, str>> {
        match &line.credential {
            Some((kind, text)) => self.stored_key_name(*kind, text).map(Cow::Owned),
            None => line.key.as_deref().map(Cow::Borrowed),
        }
    }

    /// Returns the text of the stored document that a line changes, if the line is merged with it.
    fn merged_text(&self, line: &Partial) -> Option<&str> {
        if self.allowed.replace { None } else { self.key(line).and_then(|key| self.text(&key)) }
    }

    /// Returns a line with the stored values of all fields that it does not name.
    fn complete(&self, line: &mut Parsed) -> Result<Line, String> {
        let partial = line.partial.as_ref().map_err(String::clone)?;
        match (self.merged_text(partial), line.whole.take()) {
            (None, Some(whole)) => whole,
            (stored, _) => partial.merged(stored),
        }
    }

    /// Returns what is above a tag, if its documents are there and in memory.
    pub(super) fn around<K>(&mut self, tag: &Tag<K>) -> Option<Around> {
        let innermost = tag.innermost();
        if let Some(around) = self.around.get(&innermost) {
            return Some(around.clone());
        }
        let keys = tag.above();
        let texts = keys.iter().map(|key| self.text(key).map(|text| Some(String::from(text))));
        let texts: Vec<_> = texts.collect::<Option<_>>()?;
        let above = above(&keys, &texts).ok()?;
        let around = Around { above, is_open: !texts.iter().flatten().any(|text| is_closing(text)) };
        if self.around.len() >= MOST_AROUND {
            self.around.clear();
        }
        self.around.insert(innermost, around.clone());
        Some(around)
    }

    /// Reads documents that are not known yet.
    pub(super) async fn fetch(&mut self, mut keys: Vec<String>) -> Result<(), StoreError> {
        keys.retain(|key| !self.documents.is_read(key));
        if keys.is_empty() {
            return Ok(());
        }
        keys.sort_unstable();
        keys.dedup();
        if self.spill.as_ref().is_some_and(|spill| keys.iter().any(|key| spill.may_have(key))) {
            self.settle().await?;
        }
        if let Some(spill) = &mut self.spill {
            let mut missing = Vec::new();
            for key in keys {
                let Some(record) = spill.get(&key)? else {
                    missing.push(key);
                    continue;
                };
                if record.seen.is_none() {
                    missing.push(key);
                }
                self.documents.restore(record);
            }
            keys = missing;
        }
        if !keys.is_empty() {
            let found = self.store.read(&keys, None).await?;
            for (key, text) in keys.into_iter().zip(found.documents) {
                self.documents.read(key, text);
            }
        }
        Ok(())
    }

    /// Reads those of the documents that are not known yet.
    pub(super) async fn fetch_missing(&mut self, keys: &[String]) -> Result<(), StoreError> {
        self.fetch(keys.iter().filter(|key| !self.documents.is_read(key)).cloned().collect()).await
    }

    /// Moves the documents to a temporary file if there are many. A document that is needed afterwards must be fetched again.
    pub(super) async fn spill_if_large(&mut self) -> Result<(), StoreError> {
        if self.documents.bytes() > self.most_bytes { self.spill().await } else { Ok(()) }
    }

    /// Lets another thread sort and write the documents. There is only one such thread, so that the memory is bounded.
    async fn spill(&mut self) -> Result<(), StoreError> {
        self.settle().await?;
        let documents = self.documents.take();
        self.spill.get_or_insert_default().note(documents.keys());
        let write = move || Run::write(documents.into_records().collect());
        self.writing = Some(tokio::task::spawn_blocking(write));
        Ok(())
    }

    /// Waits until all documents that were moved are in the temporary file.
    pub(super) async fn settle(&mut self) -> Result<(), StoreError> {
        if let Some(writing) = self.writing.take() {
            let run = writing.await.map_err(|error| StoreError::Temporary(io::Error::other(error)))??;
            self.spill.get_or_insert_default().add(run);
        }
        Ok(())
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.documents.text(key)
    }

    pub(super) fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.text(key).map(|text| document(key, text)).transpose()
    }

    pub(super) fn put(&mut self, key: String, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(|_| StoreError::Document(key.clone()))?;
        self.write(key, Some(text));
        Ok(())
    }

    /// Writes or removes a document.
    pub(super) fn write(&mut self, key: String, text: Option<String>) {
        if key.starts_with("level/") || key.starts_with("organisation/") {
            self.around.clear();
        }
        self.documents.write(key, text);
    }

    /// Adds a line to the draft. `complete` is the line that [`look_up`](Self::look_up) returned.
    pub(super) async fn add(
        &mut self,
        number: usize,
        partial: Result<Partial, String>,
        complete: Result<Line, String>,
    ) -> Checked {
        let partial = partial?;
        // It is only in stored documents.
        if partial.is_closing {
            return problem("unknown field `closing`");
        }
        // An earlier line of this import may have changed the same document.
        let is_changed = self.key(&partial).is_some_and(|key| self.documents.is_written(&key));
        let line = if is_changed { partial.merged(self.merged_text(&partial))? } else { complete? };
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
        if self.documents.is_read(canary::KEY) || self.spill.is_some() {
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
            self.spill().await?;
            self.settle().await?;
            let change = Change { marks, ..Change::default() };
            return Ok((self.report, Staged { change, spill: self.spill }));
        }
        // In the order of the keys, a data file changes each of its pages only once, and taps wait a shorter time.
        let mut records: Vec<_> = self.documents.into_records().collect();
        records.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        let (mut seen, mut writes) = (Vec::new(), Vec::new());
        for StagedRecord { key, seen: stored, write, rank } in records {
            writes.extend(write.map(|text| (rank, (key.clone(), text))));
            seen.extend(stored.map(|text| (key, text)));
        }
        writes.sort_by_key(|(rank, _)| *rank);
        let writes = writes.into_iter().map(|(_, write)| write).collect();
        let change = Change { seen, writes, marks, history: Vec::new() };
        Ok((self.report, change.into()))
    }
}

#[cfg(test)]
mod tests {
    use crate::store::{Address, Options};

    use super::super::{ImportError, Input, draft_of, prepare};
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

    fn levels() -> Vec<serde_json::Value> {
        vec![
            serde_json::json!({ "organisation": { "id": 1, "name": "One" } }),
            serde_json::json!({ "folder": { "organisation": 1, "path": "F" } }),
            group("https://t.example/tap?x={:xuid}&n={ctr}&e={mac}"),
            serde_json::json!({ "batch": { "organisation": 1, "path": "F/G/B" } }),
        ]
    }

    fn without_cuid(number: usize) -> serde_json::Value {
        let mut tag = tag(number);
        tag["tag"].as_object_mut().unwrap().remove("cuid");
        tag
    }

    #[tokio::test]
    async fn problems_are_in_the_order_of_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let (store, secrets) = (store(&folder, "store").await, &Secrets::random().unwrap());
        let mut lines: Vec<_> = levels().into_iter().chain((0..200).map(without_cuid)).collect();
        let wrong = [30, 31, 77, 120, 199];
        for number in wrong {
            lines[number - 1]["tag"]["uid"] = "04".into();
        }
        // The last one is only known to the draft.
        lines.push(without_cuid(0));
        let lines = text(lines);
        for most_bytes in [0, usize::MAX] {
            let draft = Draft { most_bytes, ..Draft::new(&store, secrets, Allowed::default()) };
            let mut parts = Vec::new();
            let error = draft_of(draft, &mut short_parts(&lines), |bytes| parts.push(bytes)).await.unwrap_err();
            let ImportError::Lines { listed, all } = error else { panic!("{error}") };
            let numbers: Vec<_> = listed.iter().map(|(number, _)| *number).collect();
            assert_eq!((&numbers[..5], numbers[5], all), (&wrong[..], 205, 6));
            assert!(listed[0].1.starts_with("a UID must have 14 hex digits, column "), "{}", listed[0].1);
            assert_eq!(listed[5].1, "the tag is in this import twice");
            assert!(parts.len() == 11 && parts.is_sorted() && parts.last() == u64::try_from(lines.len()).ok().as_ref());
        }
        store.close().await;
    }

    #[tokio::test]
    async fn an_error_of_the_input_comes_after_the_lines_before_it() {
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let folder = tempfile::tempdir().unwrap();
        let (store, secrets) = (store(&folder, "store").await, &Secrets::random().unwrap());
        let lines = text(levels().into_iter().chain((0..100).map(without_cuid)));
        let mut input = Input::stream(io::Read::chain(lines.as_bytes(), Broken));
        input.part_size = 20;
        let mut done = 0;
        let draft = Draft::new(&store, secrets, Allowed::default());
        let error = draft_of(draft, &mut input, |bytes| done = bytes).await.unwrap_err();
        assert!(matches!(error, ImportError::Input(error) if error.kind() == io::ErrorKind::ConnectionReset));
        // The lines of the last part are read together with the error.
        assert!(done > u64::try_from(lines.len() * 9 / 10).unwrap(), "{done}");
        assert!(store.page("", None, 1).await.unwrap().documents.is_empty());
        store.close().await;
    }

    #[tokio::test]
    async fn a_temporary_file_that_cannot_be_written_ends_the_import() {
        let folder = tempfile::tempdir().unwrap();
        let (store, secrets) = (store(&folder, "store").await, &Secrets::random().unwrap());
        let good = text(levels().into_iter().chain((0..100).map(without_cuid)));
        let bad = format!("{good}{}", text([without_cuid(0)]));
        for lines in [&good, &bad] {
            for most_bytes in [0, usize::MAX] {
                let full = || Err(StoreError::Temporary(io::ErrorKind::StorageFull.into()));
                let writing = Some(tokio::task::spawn_blocking(full));
                let draft = Draft { most_bytes, writing, ..Draft::new(&store, secrets, Allowed::default()) };
                let error = draft_of(draft, &mut short_parts(lines), |_| ()).await.unwrap_err();
                assert!(
                    matches!(&error, ImportError::Store(StoreError::Temporary(error))
                    if error.kind() == io::ErrorKind::StorageFull),
                    "{error}"
                );
                assert!(error.to_string().starts_with("temporary file in "), "{error}");
            }
        }
        assert!(store.page("", None, 1).await.unwrap().documents.is_empty());
        store.close().await;
    }

    /// What is above a tag is parsed once, until a line changes it.
    #[tokio::test]
    async fn a_line_changes_what_is_above_the_next_tags() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = &Secrets::random().unwrap();
        let with_account = serde_json::json!({ "organisation": { "id": 1, "name": "One", "account": "one" } });
        let with_uid = group("https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}");
        let before = levels().into_iter().chain([without_cuid(1)]);
        let lines = text(before.chain([with_account, tag(2), with_uid, tag(3)]));
        let mut all = Vec::new();
        for (name, most_bytes, part_size) in [("memory", usize::MAX, 1000), ("file", 0, 1000), ("short parts", 0, 1)] {
            let store = store(&folder, name).await;
            let draft = Draft { most_bytes, ..Draft::new(&store, secrets, Allowed::default()) };
            let mut input = Input::text(&lines);
            input.part_size = part_size;
            let (_, staged) = draft_of(draft, &mut input, |_| ()).await.unwrap();
            store.apply(staged, Pace::Alone).await.unwrap();
            let mut documents = Vec::new();
            let mut keep = |key: &str, text: &str| {
                documents.push((key.to_owned(), text.to_owned()));
                Ok::<_, StoreError>(())
            };
            store.list("", &mut keep).await.unwrap();
            let keys: Vec<_> = documents.iter().map(|(key, _)| &**key).collect();
            for key in ["cuid/one/c2", "cuid/one/c3", "uid/one/04000000000002", "uid/one/04000000000003"] {
                assert!(keys.contains(&key), "{name}: {keys:?}");
            }
            assert_eq!(keys.iter().filter(|key| key.starts_with("counter/")).count(), 3);
            all.push(documents);
            store.close().await;
        }
        assert!(all.iter().all(|documents| Some(documents) == all.first()));
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
