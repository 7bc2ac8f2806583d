//! Imports lines of JSON into the registry: all of them, or none.
//!
//! A line is one of `{"organisation":{…}}`, `{"apiKey":{…}}`, `{"token":{…}}`, `{"folder":{…}}`, `{"tagGroup":{…}}`,
//! `{"batch":{…}}`, `{"tag":{…}}`. The organisation, folder, tag group and batch of a line come before it, in the same import
//! or an earlier one.
//!
//! A line changes the fields that it names (a JSON merge patch, RFC 7396, of the fields of the object). A field that it does
//! not name keeps the stored value, and `null` removes the value. An object or a list is always replaced as a whole: `keys`,
//! `layout`, `rules`, `extendedData`, `metadata`. With [`Allowed::replace`], a line is the whole object instead.

pub(crate) mod check;
mod dry_run;
pub(crate) mod export;
pub mod from;
mod index_draft;
mod line;
mod recheck;
pub(crate) mod removal;
mod sealing;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use suntap::platform::Service;
use suntap::platform::rules::Rules;
use suntap::platform::{FileKey, Keys as RecordKeys, TagRecord as _, Unfit};
use suntap::{CounterId, Mark, SdmFileReadKey, Uid};

pub use self::dry_run::{Counts, Preview, dry_run};

use self::check::{check_level, check_names, check_text, check_texts, is_name, is_visible, no_rules, unfit};
use self::index_draft::IndexDraft;
use self::line::{Keys, Kind, Line, Partial};
use crate::keys;
use crate::registry::document::{ApiKey, Entry, ImportedCounter, KeyKind, Level, Organisation, StoredKeys, Tag, key};
use crate::registry::index::{self, MAX_META_KEYS, MAX_SAME_UID};
use crate::registry::row::Row;
use crate::registry::{above, document, levels};
use crate::secrets::Secrets;
use crate::secrets::canary::{self, Canaries};
use crate::store::{Change, Store, StoreError};

/// The number of lines that are looked up together.
const PART: usize = 1000;
/// The number of problems that an error lists. It only counts the others.
const LISTED: usize = 20;
/// A kind of key with each of the two ways in which a text is hashed.
const KINDS: [KeyKind; 2] = [KeyKind::Private, KeyKind::Token];
const OTHER_OWNER: &str = "the tag belongs to another organisation";

/// What an import does only on request, and its limits.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag of the command")]
pub struct Allowed {
    /// The maximum number of different meta-read keys, and of different layouts, of tags whose URLs have the same path and
    /// parameters. The page for phones tries all of them.
    pub meta_keys: usize,
    /// Accepts API keys and tokens of less than 12 characters, which can be guessed.
    pub short_keys: bool,
    /// Accepts tags with a chip and without rules: genuine and forged taps get the same answer.
    pub no_rules: bool,
    /// Accepts factory keys (16 zero bytes), with which everybody can make taps that pass.
    pub factory_keys: bool,
    /// Reads each line as the whole object: removes the stored fields that a line does not name.
    pub replace: bool,
}

impl Default for Allowed {
    fn default() -> Self {
        let (short_keys, no_rules, factory_keys, replace) = (false, false, false, false);
        Self { meta_keys: MAX_META_KEYS, short_keys, no_rules, factory_keys, replace }
    }
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of lines with a tag.
    pub tags: usize,
    /// The number of other lines.
    pub others: usize,
    /// The number of tags that have no keys or no layout yet: each of their taps is refused.
    pub waiting: usize,
    /// The keys of the first ten of these tags.
    pub first_waiting: Vec<String>,
    /// Warnings for the operator.
    pub warnings: Vec<String>,
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportError {
    /// Some lines are invalid.
    Lines {
        /// The first of these lines: its number, from 1, and what is wrong with it.
        listed: Vec<(usize, String)>,
        /// The number of invalid lines.
        all: usize,
    },
    /// The store failed.
    Store(StoreError),
}

/// Imports lines. Calls `done` with the number of bytes that it has processed.
///
/// # Errors
/// Fails if a line is invalid or the store fails. Nothing was imported then, except for what
/// [`Redis`](crate::store::Redis) says.
pub async fn import(
    store: &Store,
    secrets: &Secrets,
    text: &str,
    allowed: Allowed,
    done: impl FnMut(u64),
) -> Result<Report, ImportError> {
    let (report, change) = prepare(store, secrets, text, allowed, done).await?;
    store.change(&change).await?;
    Ok(report)
}

/// Returns what an import changes.
pub(crate) async fn prepare(
    store: &Store,
    secrets: &Secrets,
    text: &str,
    allowed: Allowed,
    mut done: impl FnMut(u64),
) -> Result<(Report, Change), ImportError> {
    let mut draft = Draft::new(store, secrets, allowed);
    let mut problems = Vec::new();
    let mut all = 0_usize;
    let lines: Vec<_> = (1..).zip(text.lines().map(without_mark)).filter(|(_, line)| !line.trim().is_empty()).collect();
    let mut bytes = 0_u64;
    for part in lines.chunks(PART) {
        let partials: Vec<_> = part.iter().map(|(number, line)| (*number, Partial::read(line))).collect();
        let complete = draft.look_up(&partials).await?;
        for ((number, partial), line) in partials.into_iter().zip(complete) {
            let problem = match draft.add(number, partial, line).await {
                Ok(()) => continue,
                Err(Stop::Line(problem)) => problem,
                Err(Stop::Store(error)) => return Err(error.into()),
            };
            all = all.saturating_add(1);
            if problems.len() < LISTED {
                problems.push((number, problem));
            }
        }
        let length = part.iter().map(|(_, line)| line.len().saturating_add(1)).sum::<usize>();
        bytes = bytes.saturating_add(u64::try_from(length).unwrap_or_default());
        done(bytes);
    }
    if all == 0 {
        problems = draft.recheck().await?;
        all = problems.len();
        problems.truncate(LISTED);
    }
    if all > 0 {
        return Err(ImportError::Lines { listed: problems, all });
    }
    Ok(draft.finished()?)
}

/// The registry as it will be after the import.
struct Draft<'s> {
    store: &'s Store,
    secrets: &'s Secrets,
    allowed: Allowed,
    /// The stored documents.
    seen: HashMap<String, Option<String>>,
    /// The documents to write. `None` removes a document.
    writes: HashMap<String, Option<String>>,
    index: IndexDraft,
    /// The UIDs by which the tags of this import are found.
    claims: HashMap<String, Option<Uid>>,
    /// The keys of the tags of the lines.
    tags: HashSet<String>,
    marks: Vec<(CounterId, Mark)>,
    /// Names of the secrets that tags use.
    used_secrets: BTreeSet<String>,
    /// Stored tag groups whose layout or rules change, each with the number of its line.
    changed_groups: HashMap<(u64, String), usize>,
    /// Stored organisations that get an account, each with the number of its line.
    new_accounts: HashMap<u64, usize>,
    report: Report,
}

/// Why a line is refused.
enum Stop {
    /// The line is invalid.
    Line(String),
    /// The store failed, so the import ends.
    Store(StoreError),
}

type Checked<T = ()> = Result<T, Stop>;

impl<'s> Draft<'s> {
    fn new(store: &'s Store, secrets: &'s Secrets, allowed: Allowed) -> Self {
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
    async fn look_up(
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
    fn key(&self, line: &Partial<'_>) -> Option<String> {
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
    fn complete(&self, line: &Partial<'_>) -> Result<Line, String> {
        let stored = if self.allowed.replace { None } else { self.key(line) };
        line.merged(stored.as_deref().and_then(|key| self.text(key)))
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

    /// Adds a line to the draft. `complete` is the line that [`look_up`](Self::look_up) returned.
    async fn add(
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

    /// Returns the stored tag with another state, if a line changes nothing else. The tag is not checked, so that every tag
    /// can be taken out of use, even one that import would refuse now.
    fn with_state(&mut self, partial: &Partial<'_>, tag: &Tag<Keys>) -> Checked<Option<Entry>> {
        let key = tag.key();
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) if before.xuid == tag.xuid && before.number == tag.number => before,
            _ => return Ok(None),
        };
        if self.allowed.replace || !partial.has_only_state() {
            return Ok(None);
        }
        if before.organisation != tag.organisation {
            return problem(OTHER_OWNER);
        }
        self.note_tag(key)?;
        Ok(Some(Entry::Tag(Box::new(Tag { state: tag.state, ..*before }))))
    }

    /// Counts a tag. Fails if this import has a line for it already.
    fn note_tag(&mut self, key: String) -> Checked {
        if !self.tags.insert(key) {
            return problem("the tag is in this import twice");
        }
        self.report.tags = self.report.tags.saturating_add(1);
        Ok(())
    }

    fn add_organisation(&mut self, number: usize, organisation: &Organisation) -> Checked {
        let key = key::organisation(organisation.id);
        let before: Option<Organisation> = self.get(&key)?;
        if before.as_ref().is_none_or(|before| before.name != organisation.name) {
            check_text("the name of an organisation", &organisation.name, 0)?;
        }
        match before.map(|before| before.account) {
            Some(Some(account)) if organisation.account.as_ref() != Some(&account) => {
                return problem("the account of an organisation cannot be changed: its tags are stored under it");
            }
            Some(None) if organisation.account.is_some() => {
                self.new_accounts.insert(organisation.id, number);
            }
            _ => {}
        }
        if let Some(account) = &organisation.account {
            if !is_name(account) {
                return problem("an account must have 1 to 64 of the characters A-Z a-z 0-9 _ -");
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

    /// Returns the keys of the documents of a text, one for each `apiKeys` secret. A new key has the first.
    fn key_names(&self, kind: KeyKind, text: &str) -> impl Iterator<Item = String> {
        keys::names(self.secrets, kind, text).map(|name| key::api_key(&name))
    }

    /// Returns the key of the stored document of a text, or of its new document if there is none.
    fn stored_key_name(&self, kind: KeyKind, text: &str) -> Option<String> {
        let stored = self.key_names(kind, text).find(|name| self.text(name).is_some());
        stored.or_else(|| self.key_names(kind, text).next())
    }

    fn add_key(&mut self, line: &Line) -> Checked {
        let Some((text, key)) = line.api_key() else { return Ok(()) };
        if self.text(&key::organisation(key.organisation)).is_none() {
            return problem("there is no such organisation");
        }
        self.are_open([key::organisation(key.organisation)])?;
        let (least, length) = (if self.allowed.short_keys { 1 } else { 12 }, text.chars().count());
        if !(1..=256).contains(&length) || !text.chars().all(is_visible) {
            return problem(format!("a key or token must have {least} to 256 visible characters"));
        }
        if text.starts_with("management_") {
            return problem("this is a management key, which must not be an API key or token");
        }
        // A header consists of bytes, and clients encode other characters in different ways.
        if key.kind != KeyKind::Token && !text.is_ascii() {
            return problem("an API key must have ASCII characters only: clients encode others in different ways");
        }
        if length < 12 && !self.allowed.short_keys {
            return problem("a key or token of less than 12 characters can be guessed (--allow-short-keys accepts it)");
        }
        let Some(name) = self.stored_key_name(key.kind, text) else { return problem("`apiKeys` has no secret") };
        let before: Option<ApiKey> = self.get(&name)?;
        if before.is_none_or(|before| before.label != key.label) {
            check_text("a label", key.label.as_deref().unwrap_or_default(), 0)?;
        }
        for name in KINDS.iter().flat_map(|kind| self.key_names(*kind, text)) {
            if self.get(&name)?.is_some_and(|held: ApiKey| held.organisation != key.organisation) {
                return problem("another organisation has this key or token");
            }
        }
        // A key that an older secret named gets its new name.
        let older: Vec<_> = self.key_names(key.kind, text).skip(1).filter(|name| self.text(name).is_some()).collect();
        self.writes.extend(older.into_iter().map(|name| (name, None)));
        let Some(name) = self.key_names(key.kind, text).next() else { return Ok(()) };
        self.put(name, &ApiKey { secret: self.secrets.api_key_id().map(String::from), ..key })?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    fn add_level(&mut self, level: &Level, depth: usize) -> Checked {
        let key = key::level(level.organisation, &level.path);
        let names: Vec<_> = level.path.split('/').collect();
        let is_new = self.text(&key).is_none();
        if names.len() != depth {
            let expected = ["Folder", "Folder/TagGroup", "Folder/TagGroup/Batch"];
            return problem(format!("the path must be like {}", expected.get(depth.saturating_sub(1)).unwrap_or(&"")));
        }
        // An older version accepted other names. Their state can still be changed.
        if is_new {
            names.iter().try_for_each(|name| check_text("a name in a path", name, 1))?;
        }
        if self.text(&key::organisation(level.organisation)).is_none() {
            return problem("there is no such organisation");
        }
        let outer = level.path.rsplit_once('/').map(|(outer, _)| key::level(level.organisation, outer));
        if outer.as_ref().is_some_and(|outer| self.text(outer).is_none()) {
            return problem("the folder or tag group in the path does not exist");
        }
        if is_new {
            self.are_open(outer.into_iter().chain([key::organisation(level.organisation)]))?;
        }
        if depth != 2 && (level.layout.is_some() || level.rules.is_some()) {
            return problem("only a tag group or a tag can have a layout or rules");
        }
        let before: Option<Level> = self.get(&key)?;
        unless_stored(check_level(level), before.as_ref().map(check_level))?;
        if let Some(rules) = &level.rules {
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
        self.put(key, level)?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    /// Checks that nobody deletes these organisations and levels.
    fn are_open(&self, keys: impl IntoIterator<Item = String>) -> Checked {
        for key in keys {
            if self.text(&key).is_some_and(is_closing) {
                return problem(format!("{key} is being deleted"));
            }
        }
        Ok(())
    }

    async fn add_tag(&mut self, tag: Tag<Keys>) -> Checked {
        check_names(&tag)?;
        let key = tag.key();
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) => Some(before),
            _ => None,
        };
        unless_stored(check_texts(&tag), before.as_deref().map(check_texts))?;
        self.note_tag(key.clone())?;
        if tag.above().iter().any(|key| self.text(key).is_none()) {
            return problem("there is no such organisation or batch");
        }
        self.are_open(tag.above())?;
        let (tag, plain) = self.stored(tag, before.as_deref())?;
        if self.place(tag, plain.as_ref()).await? {
            self.report.waiting = self.report.waiting.saturating_add(1);
            if self.report.first_waiting.len() < 10 {
                self.report.first_waiting.push(key);
            }
        }
        Ok(())
    }

    /// Puts a tag and its names into the registry. Returns `true` if the tag waits for its keys or its layout. `plain` is its
    /// SDMFileReadKey if the line contains it.
    async fn place(&mut self, mut tag: Tag<StoredKeys>, plain: Option<&SdmFileReadKey>) -> Checked<bool> {
        let key = tag.key();
        let keys = tag.above();
        let texts: Vec<_> = keys.iter().map(|key| self.text(key).map(String::from)).collect();
        let above = above(&keys, &texts)?;
        let account = above.organisation.account.clone();
        if tag.cuid.is_some() && account.is_none() {
            return problem("a CUID needs an organisation with an account, because requests name both");
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
        // Keys under an eCode are unknown here, and their counter id does not depend on the layout.
        let given = tag.keys.as_ref().and_then(|keys| keys.counter);
        let counter = counter.or(old.filter(|_| same_key)).or(given);
        if let (Some(old), Some(new)) = (old.filter(|_| same_key), counter.filter(|new| Some(*new) != old)) {
            // The chip continues its counter, so the mark moves to the new counter id.
            let stored = self.store.read(&[], Some(&old)).await?.mark;
            let imported: Vec<_> = self.marks.iter().filter(|(id, _)| *id == old).map(|(_, mark)| *mark).collect();
            self.marks.extend(stored.into_iter().chain(imported).map(|mark| (new, mark)));
        }
        if let Some(keys) = &mut tag.keys {
            self.used_secrets.extend(canary::names(&keys.source));
            keys.counter = counter;
        }
        if let Some(imported) = tag.counter.take() {
            let Some(id) = counter else {
                return problem(
                    "cannot import the counter: the counter id depends on the SDMFileReadKey, which is not known",
                );
            };
            let ImportedCounter { ctr, at, taps } = imported;
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
        let Some((layout, sdm)) = row.layout() else { return self.claim(tag, before, None).await };
        let uid = index::claimed_uid(tag, layout);
        self.claim(tag, before, uid).await?;
        if let Some(reason) = index::unfindable(tag, layout, sdm) {
            self.warn(format!("the page may not find tags with the layout {}: {reason}", layout.template));
        }
        if let Some(shape) = self.index.missing(layout) {
            self.fetch(vec![shape.clone()]).await?;
            let layouts = self.get(&shape)?.unwrap_or_default();
            self.index.load(shape, layouts, self.secrets);
        }
        Ok(self.index.add(layout, uid.is_some(), row.meta_key(), self.allowed.meta_keys)?)
    }

    fn warn(&mut self, warning: String) {
        let warnings = &mut self.report.warnings;
        if warnings.len() < LISTED && !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Lets a tag be found by another UID.
    async fn claim(&mut self, tag: &Tag<StoredKeys>, before: Option<Uid>, now: Option<Uid>) -> Checked {
        let key = tag.key();
        self.claims.insert(key.clone(), now);
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
        if let Some(uid) = self.claims.get(&tag.key()) {
            return Ok(*uid);
        }
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

    /// Checks that the API of a tag can answer requests about it. Returns `true` if the tag waits for its keys or its layout,
    /// and the id of its counter.
    fn check(&mut self, row: &Row, plain: Option<&SdmFileReadKey>) -> Checked<(bool, Option<CounterId>)> {
        let mut record = row.record();
        if row.has_keys() {
            let Some(chip) = &record.chip else { return problem("the tag has keys and no layout") };
            if matches!(chip.keys, RecordKeys::NotLoaded) {
                return problem(if row.has_held_keys() {
                    "no server secret opens the stored keys of the tag"
                } else {
                    "the secrets have no key of this name"
                });
            }
        }
        if let Some(reason) = no_rules(row) {
            if record.chip.is_some() && !self.allowed.no_rules {
                return problem(format!("{reason} (--allow-no-rules accepts it)"));
            }
            self.warn(reason);
        }
        let waits = match unfit(row) {
            Ok(()) => false,
            Err(Unfit::KeysNotLoaded | Unfit::NotProgrammed) => true,
            Err(unfit) => return problem(unfit.to_string()),
        };
        // Keys that are sealed under an eCode are known now, but not when a tap is looked up.
        if let (Some(chip), Some(file)) = (&mut record.chip, plain) {
            chip.keys = RecordKeys::Loaded { meta: None, file: FileKey::Plain(file) };
        }
        Ok((waits, Service::new(&self.secrets.server).counter(&record)))
    }

    /// Checks that no other tag has one of the names of a tag.
    fn is_free(&self, key: &str, tag: &Tag<StoredKeys>, names: &[String]) -> Checked {
        match self.get(key)? {
            None => {}
            Some(Entry::Tag(before)) if before.organisation == tag.organisation => {}
            Some(Entry::Tag(_)) => return problem(OTHER_OWNER),
            Some(Entry::See(_)) => return Err(StoreError::Document(key.into()).into()),
        }
        for name in names {
            match self.get(name)? {
                None => {}
                Some(Entry::See(other)) if other == key => {}
                Some(_) if name.starts_with("counter/") => {
                    return problem("another tag has this key, and the layout has no UID that distinguishes them");
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

/// Returns the kind and the text of the API key or token of a line.
fn api_key_text(line: &Partial<'_>) -> Option<(KeyKind, String)> {
    match line.kind()? {
        Kind::ApiKey => Some((KeyKind::Private, line.value("key")?)),
        Kind::Token => Some((KeyKind::Token, line.value("token")?)),
        _ => None,
    }
}

/// Returns the problem of a line, unless the stored document has the same problem already. An older version had fewer limits,
/// and its documents can still be changed.
fn unless_stored(checked: Result<(), String>, before: Option<Result<(), String>>) -> Checked {
    match checked {
        Err(problem) if before.and_then(Result::err).as_ref() != Some(&problem) => Err(problem.into()),
        _ => Ok(()),
    }
}

/// Returns a line without a byte order mark. Each of several files that were joined may start with one.
fn without_mark(line: &str) -> &str {
    line.trim_start_matches('\u{feff}')
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

/// Returns `true` if the document of an organisation or level says that it is being deleted.
pub(crate) fn is_closing(text: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Outline {
        #[serde(default)]
        closing: bool,
    }
    serde_json::from_str::<Outline>(text).is_ok_and(|outline| outline.closing)
}

/// Returns the keys of the other documents of a tag. The counter id is among them, because two tags with the same counter id
/// would accept each other's taps.
fn other_names(tag: &Tag<StoredKeys>, account: Option<&str>) -> impl Iterator<Item = String> {
    let cuid = account.zip(tag.cuid.as_deref()).map(|(account, cuid)| key::cuid(account, cuid));
    let uid = account.zip(tag.uid).map(|(account, uid)| key::uid(account, uid));
    let counter = tag.keys.as_ref().and_then(|keys| keys.counter.as_ref()).map(key::counter);
    [cuid, uid, counter].into_iter().flatten()
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { listed, all } => {
                for (number, reason) in listed {
                    writeln!(f, "line {number}: {reason}")?;
                }
                if let Some(more) = all.checked_sub(listed.len()).filter(|more| *more > 0) {
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

#[cfg(test)]
mod tests {
    use crate::store::{Address, Options};

    use super::*;

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
