//! From lines of JSON to a registry: all of them, or none.
//!
//! A line is one of `{"organisation":{…}}`, `{"apiKey":{…}}`, `{"token":{…}}`, `{"folder":{…}}`, `{"tagGroup":{…}}`,
//! `{"batch":{…}}`, `{"tag":{…}}`; what something stands in comes before it, in the same import or an earlier one. What is there
//! already is replaced, so the same line with `"state":"inactive"` takes a batch out of use.

pub(crate) mod check;
mod index_draft;
mod line;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use suntap::kdf::ecode::{ECode, SealedKeys};
use suntap::platform::Service;
use suntap::platform::rules::Rules;
use suntap::platform::{FileKey, Keys as RecordKeys, TagRecord as _, Unfit};
use suntap::{CounterId, Mark, SdmFileReadKey, SdmMetaReadKey, Uid};

use self::check::{check_names, is_name, is_text, is_visible, no_rules, unfit};
use self::index_draft::IndexDraft;
use self::line::{Keys, Line, read};
use crate::keys;
use crate::registry::document::{
    ApiKey, Entry, ImportedCounter, KeyKind, KeySource, Level, Organisation, StoredKeys, Tag, key,
};
use crate::registry::index::{self, MAX_META_KEYS, MAX_SAME_UID};
use crate::registry::row::{self, Row};
use crate::registry::{above, document, levels};
use crate::secrets::Secrets;
use crate::secrets::canary::{self, Canaries};
use crate::store::{Change, Store, StoreError};

/// Lines that are looked up together.
const PART: usize = 1000;
const OF_CODE: &str = "keys under an eCode belong to a number and a UID";
const GROUPS: &str = "a rule set has at most three groups";
/// Problems that are told. Behind them they are only counted.
const TOLD: usize = 20;

/// What an import takes only if it is told to.
#[derive(Clone, Copy, Debug)]
pub struct Allowed {
    /// Different meta-read keys, and different layouts, of tags whose URLs have the same path and parameters. The page for
    /// phones tries all of them.
    pub meta_keys: usize,
    /// API keys and tokens of less than 12 characters, which can be guessed.
    pub short_keys: bool,
    /// Tags that prove themselves and have no rules: genuine and forged taps get the same answer.
    pub no_rules: bool,
}

impl Default for Allowed {
    fn default() -> Self {
        Self { meta_keys: MAX_META_KEYS, short_keys: false, no_rules: false }
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tags.
    pub tags: usize,
    /// All other lines.
    pub others: usize,
    /// Tags among them that have no keys or no layout yet: each of their taps is refused.
    pub waiting: usize,
    /// The first ten of these.
    pub first_waiting: Vec<String>,
    /// What an operator should know, in a line each.
    pub warnings: Vec<String>,
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportError {
    /// These lines can not be.
    Lines {
        /// The number of a line, from 1, and what is wrong with it: the first of them.
        told: Vec<(usize, String)>,
        /// How many there are in all.
        all: usize,
    },
    /// The store failed.
    Store(StoreError),
}

/// Imports lines. Calls `done` with the number of bytes that it has read.
///
/// # Errors
/// [`ImportError`]; nothing was imported then.
pub async fn import(
    store: &Store,
    secrets: &'static Secrets,
    text: &str,
    allowed: Allowed,
    mut done: impl FnMut(u64),
) -> Result<Report, ImportError> {
    let mut draft = Draft::new(store, secrets, allowed);
    let mut problems = Vec::new();
    let mut all = 0_usize;
    let lines: Vec<_> = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()).collect();
    let mut bytes = 0_u64;
    for part in lines.chunks(PART) {
        let read: Vec<_> = part.iter().map(|(number, line)| (*number, read(line))).collect();
        draft.look_up(read.iter().filter_map(|(_, line)| line.as_ref().ok())).await?;
        for (number, line) in read {
            let problem = match line {
                Ok(line) => match draft.add(number, line).await {
                    Ok(()) => None,
                    Err(Stop::Line(problem)) => Some(problem),
                    Err(Stop::Store(error)) => return Err(error.into()),
                },
                Err(problem) => Some(problem),
            };
            if let Some(problem) = problem {
                all = all.saturating_add(1);
                if problems.len() < TOLD {
                    problems.push((number, problem));
                }
            }
        }
        let length = part.iter().map(|(_, line)| line.len().saturating_add(1)).sum::<usize>();
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or_default());
        done(bytes);
    }
    if all == 0 {
        problems = draft.recheck().await?;
        all = problems.len();
        problems.truncate(TOLD);
    }
    if all > 0 {
        return Err(ImportError::Lines { told: problems, all });
    }
    let (report, change) = draft.finished()?;
    store.change(&change).await?;
    Ok(report)
}

/// The registry as it will be.
struct Draft<'s> {
    store: &'s Store,
    secrets: &'static Secrets,
    allowed: Allowed,
    /// What the store has.
    seen: HashMap<String, Option<String>>,
    /// What it is to have.
    writes: HashMap<String, Option<String>>,
    index: IndexDraft,
    tags: HashSet<String>,
    marks: Vec<(CounterId, Mark)>,
    /// Names of the secrets that tags use.
    used_secrets: BTreeSet<String>,
    /// Tag groups that were there before with another layout or other rules, each with the number of its line.
    changed_groups: HashMap<(u64, String), usize>,
    report: Report,
}

/// Why a line is not taken.
enum Stop {
    /// It can not be.
    Line(String),
    /// The store failed, and nothing more is tried.
    Store(StoreError),
}

type Checked<T = ()> = Result<T, Stop>;

impl<'s> Draft<'s> {
    fn new(store: &'s Store, secrets: &'static Secrets, allowed: Allowed) -> Self {
        Self {
            store,
            secrets,
            allowed,
            seen: HashMap::new(),
            writes: HashMap::new(),
            index: IndexDraft::default(),
            tags: HashSet::new(),
            marks: Vec::new(),
            used_secrets: BTreeSet::new(),
            changed_groups: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Reads what some lines will ask for, in a few calls instead of many.
    async fn look_up<'l>(&mut self, lines: impl Iterator<Item = &'l Line> + Clone) -> Result<(), StoreError> {
        let mut keys = vec![canary::KEY.to_owned()];
        for line in lines.clone() {
            match line {
                Line::Organisation(organisation) => {
                    keys.push(key::organisation(organisation.id));
                    keys.extend(organisation.account.as_deref().map(key::account));
                }
                Line::ApiKey(_) | Line::Token(_) => {
                    let Some((text, key)) = line.api_key() else { continue };
                    keys.push(key::organisation(key.organisation));
                    keys.extend(self.key_names(text));
                }
                Line::Folder(level) | Line::TagGroup(level) | Line::Batch(level) => {
                    keys.push(key::organisation(level.organisation));
                    keys.extend(levels(&level.path).map(|path| key::level(level.organisation, path)));
                }
                Line::Tag(tag) => {
                    keys.extend(tag.above());
                    keys.push(tag.key());
                }
            }
        }
        self.fetch(keys).await?;
        let mut names = Vec::new();
        for line in lines {
            let Line::Tag(tag) = line else { continue };
            let group = match (&tag.layout, tag.above().get(2)) {
                (None, Some(group)) => self.get::<Level>(group)?.and_then(|group| group.layout),
                _ => None,
            };
            if let Some(layout) = tag.layout.as_ref().or(group.as_ref()) {
                names.extend(self.index.documents(layout));
                let uid = tag.uid.filter(|_| !index::names_tag(layout, tag.xuid.is_some()));
                names.extend(uid.map(key::claimed));
            }
            if let Some(Organisation { account: Some(account), .. }) = self.get(&key::organisation(tag.organisation))? {
                names.extend(tag.cuid.as_deref().map(|cuid| key::cuid(&account, cuid)));
                names.extend(tag.uid.map(|uid| key::uid(&account, uid)));
            }
        }
        self.fetch(names).await
    }

    async fn fetch(&mut self, mut keys: Vec<String>) -> Result<(), StoreError> {
        keys.retain(|key| !self.seen.contains_key(key));
        keys.sort_unstable();
        keys.dedup();
        if !keys.is_empty() {
            let found = self.store.read(&keys, None).await?;
            self.seen.extend(keys.into_iter().zip(found.documents));
        }
        Ok(())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.writes.get(key).or_else(|| self.seen.get(key))?.as_deref()
    }

    fn get<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, StoreError> {
        self.text(key).map(|text| document(key, text)).transpose()
    }

    fn put(&mut self, key: String, value: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(value).map_err(|_| StoreError::Document(key.clone()))?;
        self.writes.insert(key, Some(text));
        Ok(())
    }

    async fn add(&mut self, number: usize, line: Line) -> Checked {
        match line {
            Line::Organisation(organisation) => self.add_organisation(&organisation),
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
            Line::Tag(tag) => self.add_tag(*tag).await,
        }
    }

    fn add_organisation(&mut self, organisation: &Organisation) -> Checked {
        let key = key::organisation(organisation.id);
        let before: Option<Organisation> = self.get(&key)?;
        if before.is_some_and(|before| before.account.is_some() && before.account != organisation.account) {
            return problem("the account of an organisation can not be changed: its tags are named by it");
        }
        if let Some(account) = &organisation.account {
            if !is_name(account) {
                return problem("an account has 1 to 64 of the characters A-Z a-z 0-9 _ -");
            }
            let account = key::account(account);
            if self.get(&account)?.is_some_and(|owner: u64| owner != organisation.id) {
                return problem("another organisation has this account");
            }
            self.put(account, &organisation.id)?;
        }
        self.put(key, organisation)?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    /// The names of a text as an API key and as a token.
    fn key_names(&self, text: &str) -> [String; 2] {
        [KeyKind::Private, KeyKind::Token].map(|kind| key::api_key(&keys::name(self.secrets, kind, text)))
    }

    fn add_key(&mut self, line: &Line) -> Checked {
        let Some((text, key)) = line.api_key() else { return Ok(()) };
        if self.text(&key::organisation(key.organisation)).is_none() {
            return problem("there is no such organisation");
        }
        let (least, length) = (if self.allowed.short_keys { 1 } else { 12 }, text.chars().count());
        if !(1..=256).contains(&length) || !text.chars().all(is_visible) {
            return problem(format!("a key or token has {least} to 256 visible characters"));
        }
        // A header is bytes, and clients do not agree on those of other characters.
        if key.kind != KeyKind::Token && !text.is_ascii() {
            return problem("an API key has ASCII characters only: clients encode others in different ways");
        }
        if length < 12 && !self.allowed.short_keys {
            return problem("a key or token of less than 12 characters can be guessed (--allow-short-keys takes it)");
        }
        for name in self.key_names(text) {
            if self.get(&name)?.is_some_and(|held: ApiKey| held.organisation != key.organisation) {
                return problem("another organisation has this key or token");
            }
        }
        self.put(key::api_key(&keys::name(self.secrets, key.kind, text)), &key)?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    fn add_level(&mut self, level: &Level, depth: usize) -> Checked {
        let names: Vec<_> = level.path.split('/').collect();
        if names.len() != depth || names.iter().any(|name| !is_text(name)) {
            let wanted = ["Folder", "Folder/TagGroup", "Folder/TagGroup/Batch"];
            return problem(format!("its path is {}", wanted.get(depth.saturating_sub(1)).unwrap_or(&"")));
        }
        if self.text(&key::organisation(level.organisation)).is_none() {
            return problem("there is no such organisation");
        }
        let outer = level.path.rsplit_once('/').map(|(outer, _)| key::level(level.organisation, outer));
        if outer.is_some_and(|outer| self.text(&outer).is_none()) {
            return problem("what it stands in is not there");
        }
        if depth != 2 && (level.layout.is_some() || level.rules.is_some()) {
            return problem("layout and rules are those of a tag group or a tag");
        }
        if let Some(rules) = &level.rules {
            if rules.groups.len() > 3 {
                return problem(GROUPS);
            }
            let rules = Rules { tag_group: rules.rules(), tag_code: None };
            if let Err(error) = rules.check() {
                return problem(error.to_string());
            }
        }
        if let Some(layout) = &level.layout {
            let sdm = layout.sdm().map_err(|error| error.to_string())?;
            if !sdm.carries_ctr() {
                return problem(Unfit::NoCounter.to_string());
            }
        }
        self.put(key::level(level.organisation, &level.path), level)?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    async fn add_tag(&mut self, tag: Tag<Keys>) -> Checked {
        check_names(&tag)?;
        let key = tag.key();
        if !self.tags.insert(key.clone()) {
            return problem("the tag is in this import twice");
        }
        if tag.above().iter().any(|key| self.text(key).is_none()) {
            return problem("there is no such organisation or batch");
        }
        if tag.rules.as_ref().is_some_and(|rules| rules.groups.len() > 3) {
            return problem(GROUPS);
        }
        let (tag, plain) = self.stored(tag)?;
        let waits = self.place(tag, plain.as_ref()).await?;
        self.report.tags = self.report.tags.saturating_add(1);
        if waits {
            self.report.waiting = self.report.waiting.saturating_add(1);
            if self.report.first_waiting.len() < 10 {
                self.report.first_waiting.push(key);
            }
        }
        Ok(())
    }

    /// Checks all tags of tag groups whose layout or rules have changed, and lets their counters follow. Returns the
    /// problems, each with the number of the line of its group.
    async fn recheck(&mut self) -> Result<Vec<(usize, String)>, StoreError> {
        let groups = std::mem::take(&mut self.changed_groups);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let line = |tag: &Tag<StoredKeys>| {
            let (group, _) = tag.batch.as_ref()?.rsplit_once('/')?;
            groups.get(&(tag.organisation, group.to_owned())).copied()
        };
        let mut found = HashMap::new();
        let mut keep = |key: &str, text: &str| {
            if let Entry::Tag(tag) = document(key, text)?
                && let Some(number) = line(&tag)
            {
                found.insert(key.to_owned(), number);
            }
            Ok::<_, StoreError>(())
        };
        for prefix in ["xuid/", "number/"] {
            self.store.list(prefix, &mut keep).await?;
        }
        for (key, text) in &self.writes {
            if let (true, Some(text)) = (self.tags.contains(key), text) {
                keep(key, text)?;
            }
        }
        let mut problems = Vec::new();
        for (key, number) in found {
            self.fetch(vec![key.clone()]).await?;
            let Some(Entry::Tag(tag)) = self.get(&key)? else { continue };
            // This import may have moved the tag to another group.
            if line(&tag) != Some(number) {
                continue;
            }
            let mut keys = tag.above();
            let account = self.get::<Organisation>(&key::organisation(tag.organisation))?.and_then(|one| one.account);
            keys.extend(other_names(&tag, account.as_deref()));
            self.fetch(keys).await?;
            match self.place(*tag, None).await {
                Ok(_) => {}
                Err(Stop::Line(problem)) => problems.push((number, format!("{key}: {problem}"))),
                Err(Stop::Store(error)) => return Err(error),
            }
        }
        problems.sort();
        Ok(problems)
    }

    /// Puts a tag and its names into the registry, and returns whether it waits for its keys or its layout. `plain` is its
    /// file-read key if it is at hand and could not be unsealed.
    async fn place(&mut self, mut tag: Tag<StoredKeys>, plain: Option<&SdmFileReadKey>) -> Checked<bool> {
        let key = tag.key();
        let keys = tag.above();
        let texts: Vec<_> = keys.iter().map(|key| self.text(key).map(String::from)).collect();
        let above = above(&keys, &texts)?;
        let account = above.organisation.account.clone();
        if tag.cuid.is_some() && account.is_none() {
            return problem("a CUID is asked for by account, and the organisation has none");
        }
        let row = |tag: &Tag<StoredKeys>| {
            Row::new(tag.clone(), Arc::clone(&above), None, self.secrets).map_err(|error| error.to_string())
        };
        let placed = row(&tag)?;
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) => Some(*before),
            _ => None,
        };
        let same_key = match &before {
            Some(before) => row(before).is_ok_and(|before| before.has_same_key(&placed)),
            None => false,
        };
        let old = before.as_ref().and_then(|before| before.keys.as_ref()?.counter);
        let (waits, counter) = self.check(&placed, plain)?;
        // Keys under an eCode are not at hand, and their counter does not depend on the layout.
        let counter = counter.or(old.filter(|_| same_key));
        if let (Some(old), Some(new)) = (old.filter(|_| same_key), counter.filter(|new| Some(*new) != old)) {
            // The same chip goes on counting, so its counter follows it.
            let stored = self.store.read(&[], Some(&old)).await?.mark;
            let imported: Vec<_> = self.marks.iter().filter(|(id, _)| *id == old).map(|(_, mark)| *mark).collect();
            self.marks.extend(stored.into_iter().chain(imported).map(|mark| (new, mark)));
        }
        if let Some(keys) = &mut tag.keys {
            self.used_secrets.extend(canary::names(&keys.source));
            keys.counter = counter;
        }
        if let Some(imported) = &tag.counter {
            let Some(id) = counter else {
                return problem(
                    "cannot import its counter: the counter id follows from the SDMFileReadKey, which this line does not give",
                );
            };
            let ImportedCounter { ctr, at, taps } = *imported;
            self.marks.push((id, Mark { ctr, at, taps: taps.unwrap_or(1) }));
        }

        let names: Vec<_> = other_names(&tag, account.as_deref()).collect();
        self.fetch(names.clone()).await?;
        self.is_free(&key, &tag, &names)?;
        let mut found_by = None;
        if let Some(before) = before {
            found_by = self.claimed_before(&before).await?;
            for name in other_names(&before, account.as_deref()).filter(|name| !names.contains(name)) {
                self.fetch(vec![name.clone()]).await?;
                if matches!(self.get(&name)?, Some(Entry::See(other)) if other == key) {
                    self.writes.insert(name, None);
                }
            }
        }
        for name in names {
            self.put(name, &Entry::See(key.clone()))?;
        }
        self.index_tag(&tag, &placed, found_by).await?;
        self.put(key, &Entry::Tag(Box::new(tag)))?;
        Ok(waits)
    }

    /// Makes a tag findable by the URL that it writes. `before` is the UID by which it was found until now.
    async fn index_tag(&mut self, tag: &Tag<StoredKeys>, row: &Row, before: Option<Uid>) -> Checked {
        let Some((layout, _)) = row.layout() else { return self.claim(tag, before, None).await };
        let uid = index::claimed_uid(tag, layout);
        self.claim(tag, before, uid).await?;
        if let Some(shape) = self.index.documents(layout) {
            self.fetch(vec![shape.clone()]).await?;
            let layouts = self.get(&shape)?.unwrap_or_default();
            self.index.load(shape, layouts, self.secrets);
        }
        Ok(self.index.add(layout, uid.is_some(), row.meta_key(), self.allowed.meta_keys)?)
    }

    /// Lets a tag be found by another UID.
    async fn claim(&mut self, tag: &Tag<StoredKeys>, before: Option<Uid>, now: Option<Uid>) -> Checked {
        let key = tag.key();
        if let Some(old) = before.filter(|old| now != Some(*old)) {
            let (name, mut tags) = self.claimed(old).await?;
            tags.retain(|tag| *tag != key);
            if tags.is_empty() {
                self.writes.insert(name, None);
            } else {
                self.put(name, &tags)?;
            }
        }
        let Some(uid) = now else { return Ok(()) };
        let (name, mut tags) = self.claimed(uid).await?;
        if tags.contains(&key) {
            return Ok(());
        }
        if tags.len() >= MAX_SAME_UID {
            return problem(format!("{MAX_SAME_UID} other tags have this UID, and their URLs do not name them"));
        }
        tags.push(key);
        Ok(self.put(name, &tags)?)
    }

    /// Returns the tags that are found by a UID, and the key of the document.
    async fn claimed(&mut self, uid: Uid) -> Checked<(String, Vec<String>)> {
        let name = key::claimed(uid);
        self.fetch(vec![name.clone()]).await?;
        let tags = self.get(&name)?.unwrap_or_default();
        Ok((name, tags))
    }

    /// Returns the UID by which a stored tag is found.
    async fn claimed_before(&mut self, tag: &Tag<StoredKeys>) -> Result<Option<Uid>, StoreError> {
        let group = match (&tag.layout, tag.above().get(2)) {
            (None, Some(group)) => {
                self.fetch(vec![group.clone()]).await?;
                // This import may change the layout of the group.
                let stored = self.seen.get(group).and_then(Option::as_deref);
                stored.map(|text| document::<Level>(group, text)).transpose()?.and_then(|group| group.layout)
            }
            _ => None,
        };
        Ok(tag.layout.as_ref().or(group.as_ref()).and_then(|layout| index::claimed_uid(tag, layout)))
    }

    /// The tag with its keys as they are stored, and the file-read key if it is at hand.
    fn stored(&self, mut tag: Tag<Keys>) -> Checked<(Tag<StoredKeys>, Option<SdmFileReadKey>)> {
        let keys = tag.keys.take();
        let (source, plain) = match keys {
            None => (None, None),
            Some(Keys::Plain { meta, file, e_code, epoch }) => {
                let digits = |_| "a key has 32 hexadecimal digits";
                let has_meta = meta.is_some();
                let meta = meta.map(|meta| SdmMetaReadKey::from_hex(&meta)).transpose().map_err(digits)?;
                // Where there is none, none is looked at.
                let meta = meta.unwrap_or(SdmMetaReadKey::FACTORY);
                let file = SdmFileReadKey::from_hex(&file).map_err(digits)?;
                let no_secret = || "there is no server secret to seal keys under";
                let source = match e_code {
                    None => {
                        let sealed = row::hold(&tag, self.secrets, &meta, &file).ok_or_else(no_secret)?;
                        KeySource::Held { sealed, has_meta }
                    }
                    Some(code) => {
                        let code = ECode::parse(&code).map_err(|error| error.to_string())?;
                        let context = row::sealed_context(&tag, epoch);
                        let context = context.ok_or(OF_CODE)?;
                        if !has_meta {
                            return problem("keys under an eCode are two: `meta` is missing");
                        }
                        let secret = self.secrets.server.first().ok_or_else(no_secret)?;
                        KeySource::Sealed { sealed: SealedKeys::seal(secret, &code, &context, &meta, &file), epoch }
                    }
                };
                (Some(source), Some(file))
            }
            Some(Keys::Sealed { sealed, epoch }) => {
                let sealed = crate::hex::decode(&sealed).map(SealedKeys::from_bytes);
                let sealed = sealed.ok_or("sealed keys have 128 hexadecimal digits")?;
                if row::sealed_context(&tag, epoch).is_none() {
                    return problem(OF_CODE);
                }
                (Some(KeySource::Sealed { sealed, epoch }), None)
            }
            Some(Keys::Derived(derivation)) => (Some(KeySource::Derived(derivation)), None),
        };
        Ok((tag.with_keys(source.map(|source| StoredKeys { source, counter: None })), plain))
    }

    /// Whether the dialects can answer for a tag; whether it waits for its keys or its layout, and the name of its counter.
    fn check(&mut self, row: &Row, plain: Option<&SdmFileReadKey>) -> Checked<(bool, Option<CounterId>)> {
        let mut record = row.record();
        if row.has_keys() {
            let Some(chip) = &record.chip else { return problem("it has keys and no layout") };
            if matches!(chip.keys, RecordKeys::NotLoaded) {
                return problem("the secrets have no key of this name");
            }
        }
        if let Some(reason) = no_rules(row) {
            if record.chip.is_some() && !self.allowed.no_rules {
                return problem(format!("{reason} (--allow-no-rules takes it)"));
            }
            if !self.report.warnings.contains(&reason) && self.report.warnings.len() < TOLD {
                self.report.warnings.push(reason);
            }
        }
        let waits = match unfit(row) {
            Ok(()) => false,
            Err(Unfit::KeysNotLoaded | Unfit::NotProgrammed) => true,
            Err(unfit) => return problem(unfit.to_string()),
        };
        // The keys of an eCode are at hand now, and not when the tag is looked for.
        if let (Some(chip), Some(file)) = (&mut record.chip, plain) {
            chip.keys = RecordKeys::Loaded { meta: None, file: FileKey::Plain(file) };
        }
        Ok((waits, Service::new(&self.secrets.server).counter(&record)))
    }

    /// Whether no name of the tag is that of another.
    fn is_free(&self, key: &str, tag: &Tag<StoredKeys>, names: &[String]) -> Checked {
        match self.get(key)? {
            None => {}
            Some(Entry::Tag(before)) if before.organisation == tag.organisation => {}
            Some(Entry::Tag(_)) => return problem("the tag is that of another organisation"),
            Some(Entry::See(_)) => return Err(StoreError::Document(key.into()).into()),
        }
        for name in names {
            match self.get(name)? {
                None => {}
                Some(Entry::See(other)) if other == key => {}
                Some(_) if name.starts_with("counter/") => {
                    return problem("another tag has this key, and no UID tells them apart");
                }
                Some(_) => return problem("another tag has this CUID or UID"),
            }
        }
        Ok(())
    }

    fn finished(mut self) -> Result<(Report, Change), StoreError> {
        for (key, layouts) in std::mem::take(&mut self.index).changed() {
            self.put(key, &layouts)?;
        }
        let canaries: Option<Canaries> = self.get(canary::KEY)?;
        let recorded = Canaries::recorded(canaries.clone(), self.secrets, &self.used_secrets);
        // An import without lines has not read anything.
        if self.seen.contains_key(canary::KEY) && canaries.as_ref() != Some(&recorded) {
            self.put(canary::KEY.into(), &recorded)?;
        }
        let mut writes: Vec<_> = self.writes.into_iter().collect();
        // The tags last: where a store writes one by one and is cut off, the same import still knows what there was before.
        writes.sort_by_key(|(_, text)| text.as_ref().is_some_and(|text| text.starts_with(r#"{"tag":"#)));
        let change = Change { seen: self.seen.into_iter().collect(), writes, marks: self.marks };
        Ok((self.report, change))
    }
}

fn problem<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Stop::Line(reason.into()))
}

impl<T: Into<String>> From<T> for Stop {
    fn from(reason: T) -> Self {
        Self::Line(reason.into())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The names of a tag besides the key under which it stands. A counter is of one tag, or the taps of one would be those of another.
fn other_names(tag: &Tag<StoredKeys>, account: Option<&str>) -> impl Iterator<Item = String> {
    let cuid = account.zip(tag.cuid.as_deref()).map(|(account, cuid)| key::cuid(account, cuid));
    let uid = account.zip(tag.uid).map(|(account, uid)| key::uid(account, uid));
    let counter = tag.keys.as_ref().and_then(|keys| keys.counter.as_ref()).map(key::counter);
    [cuid, uid, counter].into_iter().flatten()
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { told, all } => {
                for (number, reason) in told {
                    writeln!(f, "line {number}: {reason}")?;
                }
                if let Some(more) = all.checked_sub(told.len()).filter(|more| *more > 0) {
                    writeln!(f, "and {more} more lines")?;
                }
                f.write_str("nothing was imported")
            }
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lines { .. } => None,
            Self::Store(error) => Some(error),
        }
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
