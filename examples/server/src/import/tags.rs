//! Tags and their names.

use std::sync::Arc;

use suntap::platform::Service;
use suntap::platform::{FileKey, Keys as RecordKeys, TagRecord as _, Unfit};
use suntap::{CounterId, Mark, SdmFileReadKey};

use super::check::{check_names, check_texts, no_rules, unfit, unless_stored};
use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::{Keys, Partial};
use crate::registry::above;
use crate::registry::document::{Entry, ImportedCounter, StoredKeys, Tag, key};
use crate::registry::row::Row;
use crate::secrets::canary;
use crate::store::StoreError;

const OTHER_OWNER: &str = "the tag belongs to another organisation";

impl Draft<'_> {
    /// Returns the stored tag with another state, if a line changes nothing else. The tag is not checked, so that every tag
    /// can be taken out of use, even one that import would refuse now.
    pub(super) fn with_state(&mut self, partial: &Partial<'_>, tag: &Tag<Keys>) -> Checked<Option<Entry>> {
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
    pub(super) async fn place(&mut self, mut tag: Tag<StoredKeys>, plain: Option<&SdmFileReadKey>) -> Checked<bool> {
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
            let imported = self.marks.get(&old).copied();
            stored.into_iter().chain(imported).for_each(|mark| self.add_mark(new, mark));
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
            self.add_mark(id, Mark { ctr, at, taps: taps.unwrap_or(1) });
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
            Err(unfit) => return problem(unfit.to_string()),
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
