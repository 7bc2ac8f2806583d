//! Tags and their names.

use std::sync::Arc;

use suntap::platform::Service;
use suntap::platform::{FileKey, Keys as RecordKeys, TagRecord as _, Unfit};
use suntap::{CounterId, Mark, SdmFileReadKey};

use super::check::{check_names, check_texts, no_rules, unfit, unfit_reason, unless_stored};
use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::{Keys, Partial, PlainKeys};
use crate::registry::above;
use crate::registry::document::{Entry, EntryRef, ImportedCounter, KeySource, StoredKeys, Tag, key};
use crate::registry::row::{Above, OpenTag, Row};
use crate::secrets::canary;
use crate::store::StoreError;

const OTHER_OWNER: &str = "the tag belongs to another organisation";

impl Draft<'_> {
    /// Returns the stored tag with another state, if a line changes nothing else. The tag is not checked, so that every tag
    /// can be taken out of use, even one that import would refuse now.
    pub(super) fn with_state(&mut self, partial: &Partial, tag: &Tag<Keys>) -> Checked<Option<Entry>> {
        if self.allowed.replace || !partial.has_only_state {
            return Ok(None);
        }
        let key = tag.key();
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) if before.xuid == tag.xuid && before.number == tag.number => before,
            _ => return Ok(None),
        };
        if before.organisation != tag.organisation {
            return problem(OTHER_OWNER);
        }
        self.note_tag(key)?;
        Ok(Some(Entry::Tag(Box::new(Tag { state: tag.state, ..*before }))))
    }

    /// Counts a tag. Fails if this import has a line for it already.
    pub(super) fn note_tag(&mut self, key: String) -> Checked {
        let placed = self.tags.entry(key.into_boxed_str()).or_default();
        if std::mem::replace(&mut placed.has_line, true) {
            return problem("the tag is in this import twice");
        }
        self.report.tags = self.report.tags.saturating_add(1);
        Ok(())
    }

    pub(super) async fn add_tag(&mut self, tag: Tag<Keys>) -> Checked {
        check_names(&tag)?;
        let key = tag.key();
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) => Some(before),
            _ => None,
        };
        unless_stored(check_texts(&tag), before.as_deref().map(check_texts))?;
        self.note_tag(key.clone())?;
        if !self.around(&tag).is_some_and(|around| around.is_open) {
            let above = tag.above();
            self.fetch_missing(&above).await?;
            if above.iter().any(|key| self.text(key).is_none()) {
                return problem("there is no such organisation or batch");
            }
            self.are_open(above)?;
        }
        let (tag, plain) = self.stored(tag, before.as_deref())?;
        if self.place(tag, plain).await? {
            self.report.waiting = self.report.waiting.saturating_add(1);
            if self.report.first_waiting.len() < 10 {
                self.report.first_waiting.push(key);
            }
        }
        Ok(())
    }

    /// Returns the documents above a tag.
    async fn above(&mut self, tag: &Tag<StoredKeys>) -> Result<Arc<Above>, StoreError> {
        if let Some(around) = self.around(tag) {
            return Ok(around.above);
        }
        let keys = tag.above();
        self.fetch_missing(&keys).await?;
        if let Some(around) = self.around(tag) {
            return Ok(around.above);
        }
        let texts: Vec<_> = keys.iter().map(|key| self.text(key).map(String::from)).collect();
        above(&keys, &texts)
    }

    /// Puts a tag and its names into the registry. Returns `true` if the tag waits for its keys or its layout. `plain` are its
    /// keys if the line contains them.
    pub(super) async fn place(&mut self, tag: Tag<StoredKeys>, mut plain: Option<PlainKeys>) -> Checked<bool> {
        let key = tag.key();
        let above = self.above(&tag).await?;
        let account = above.organisation.account.as_deref();
        if tag.cuid.is_some() && account.is_none() {
            return problem("a CUID needs an organisation with an account, because requests name both");
        }
        let is_held = matches!(tag.keys, Some(StoredKeys { source: KeySource::Held { .. }, .. }));
        let row = |open| Row::new(Arc::new(open), Arc::clone(&above), None, self.secrets);
        let open = match plain.take_if(|_| is_held) {
            Some(PlainKeys { meta, file }) => OpenTag::with_held(tag, Some((meta, file))),
            None => OpenTag::new(tag, self.secrets),
        };
        let mut placed = row(open.map_err(|error| error.to_string())?);
        let before = match self.get(&key)? {
            Some(Entry::Tag(before)) => Some(*before),
            _ => None,
        };
        let same_key = match &before {
            Some(before) => {
                let before = OpenTag::new(before.clone(), self.secrets);
                before.is_ok_and(|before| row(before).has_same_key(&placed))
            }
            None => false,
        };
        let old = before.as_ref().and_then(|before| before.keys.as_ref()?.counter);
        let (waits, counter) = self.check(&placed, plain.as_ref().map(|plain| &plain.file))?;
        // Keys under an eCode are unknown here, and their counter id does not depend on the layout.
        let given = placed.tag().keys.as_ref().and_then(|keys| keys.counter);
        let counter = counter.or(old.filter(|_| same_key)).or(given);
        if let (Some(old), Some(new)) = (old.filter(|_| same_key), counter.filter(|new| Some(*new) != old)) {
            // The chip continues its counter, so the mark moves to the new counter id.
            let stored = self.store.read(&[], Some(&old)).await?.mark;
            let imported = self.marks.get(&old).copied();
            stored.into_iter().chain(imported).for_each(|mark| self.add_mark(new, mark));
        }
        if let Some(keys) = &placed.tag().keys {
            self.used_secrets.extend(canary::names(&keys.source));
        }
        placed.set_counter_id(counter);
        if let Some(reason) = placed.no_redirect() {
            self.warn(format!("{key}: {reason}"));
        }
        if let Some(imported) = placed.take_counter() {
            let Some(id) = counter else {
                return problem(
                    "cannot import the counter: the counter id depends on the SDMFileReadKey, which is not known",
                );
            };
            let ImportedCounter { ctr, at, taps } = imported;
            self.add_mark(id, Mark { ctr, at, taps: taps.unwrap_or(1) });
        }

        let names: Vec<_> = other_names(placed.tag(), account).collect();
        self.fetch_missing(&names).await?;
        self.is_free(&key, placed.tag(), &names)?;
        let mut found_by = None;
        if let Some(before) = before {
            found_by = self.claimed_before(&before).await?;
            for name in other_names(&before, account).filter(|name| !names.contains(name)) {
                self.fetch_missing(std::slice::from_ref(&name)).await?;
                if matches!(self.get(&name)?, Some(Entry::See(other)) if other == key) {
                    self.write(name, None);
                }
            }
        }
        let see = serde_json::to_string(&EntryRef::See(&key)).map_err(|_| StoreError::Document(key.clone()))?;
        for name in names {
            self.write(name, Some(see.clone()));
        }
        self.index_tag(&placed, found_by).await?;
        self.put(key, &EntryRef::Tag(placed.tag()))?;
        Ok(waits)
    }

    /// Checks that the API of a tag can answer requests about it. Returns `true` if the tag waits for its keys or its layout,
    /// and the id of its counter.
    pub(super) fn check(&mut self, row: &Row, plain: Option<&SdmFileReadKey>) -> Checked<(bool, Option<CounterId>)> {
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
            Err(unfit) => return problem(unfit_reason(row, unfit)),
        };
        // Keys that are sealed under an eCode are known now, but not when a tap is looked up.
        if let (Some(chip), Some(file)) = (&mut record.chip, plain) {
            chip.keys = RecordKeys::Loaded { meta: None, file: FileKey::Plain(file) };
        }
        Ok((waits, Service::new(&self.secrets.server).counter(&record)))
    }

    /// Checks that no other tag has one of the names of a tag.
    pub(super) fn is_free(&self, key: &str, tag: &Tag<StoredKeys>, names: &[String]) -> Checked {
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
}

/// Returns the keys of the other documents of a tag. The counter id is among them, because two tags with the same counter id
/// would accept each other's taps.
pub(super) fn other_names(tag: &Tag<StoredKeys>, account: Option<&str>) -> impl Iterator<Item = String> {
    let cuid = account.zip(tag.cuid.as_deref()).map(|(account, cuid)| key::cuid(account, cuid));
    let uid = account.zip(tag.uid).map(|(account, uid)| key::uid(account, uid));
    let counter = tag.keys.as_ref().and_then(|keys| keys.counter.as_ref()).map(key::counter);
    [cuid, uid, counter].into_iter().flatten()
}
