//! How the page finds a tag whose URL does not name it.

use suntap::Uid;

use super::draft::{Draft, Placed};
use super::error::{Checked, problem};
use crate::registry::document;
use crate::registry::document::{Level, StoredKeys, Tag, key};
use crate::registry::index::{self, MAX_SAME_UID};
use crate::registry::row::Row;
use crate::store::StoreError;

impl Draft<'_> {
    /// Makes a tag findable by the URL that it writes. `before` is the UID by which it was found until now.
    pub(super) async fn index_tag(&mut self, row: &Row, before: Option<Uid>) -> Checked {
        let tag = row.tag();
        let Some((layout, sdm)) = row.layout() else { return self.claim(tag, before, None).await };
        if self.index.is_settled(layout, tag.xuid.is_some()) {
            return self.claim(tag, before, None).await;
        }
        let uid = index::claimed_uid(tag, layout);
        self.claim(tag, before, uid).await?;
        let unfindable = index::unfindable(tag, layout, sdm);
        if let Some(reason) = unfindable {
            self.warn(format!("the page may not find tags with the layout {}: {reason}", layout.template));
        }
        if let Some(shape) = self.index.missing(layout) {
            self.fetch(vec![shape.clone()]).await?;
            let layouts = self.get(&shape)?.unwrap_or_default();
            self.index.load(shape, layouts, self.secrets);
        }
        self.index.add(layout, uid.is_some(), row.meta_key(), self.allowed.meta_keys)?;
        let has_xuid = tag.xuid.is_some();
        if unfindable.is_none() && index::names_tag(layout, has_xuid) {
            self.index.settle(layout, has_xuid);
        }
        Ok(())
    }

    /// Lets a tag be found by another UID.
    pub(super) async fn claim(&mut self, tag: &Tag<StoredKeys>, before: Option<Uid>, now: Option<Uid>) -> Checked {
        let key = tag.key();
        match self.tags.get_mut(&*key) {
            Some(placed) => placed.claim = Some(now),
            None => drop(self.tags.insert((&*key).into(), Placed { claim: Some(now), ..Placed::default() })),
        }
        if let Some(old) = before.filter(|old| now != Some(*old)) {
            let (name, mut tags) = self.claimed(old).await?;
            tags.retain(|tag| *tag != key);
            if tags.is_empty() {
                self.write(name, None);
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
    pub(super) async fn claimed(&mut self, uid: Uid) -> Checked<(String, Vec<String>)> {
        let name = key::claimed(uid);
        self.fetch_missing(std::slice::from_ref(&name)).await?;
        let tags = self.get(&name)?.unwrap_or_default();
        Ok((name, tags))
    }

    /// Returns the UID by which a stored tag is found.
    pub(super) async fn claimed_before(&mut self, tag: &Tag<StoredKeys>) -> Result<Option<Uid>, StoreError> {
        if let Some(uid) = self.tags.get(&*tag.key()).and_then(|placed| placed.claim) {
            return Ok(uid);
        }
        let group = match (&tag.layout, tag.above().get(2)) {
            (None, Some(group)) => {
                self.fetch(vec![group.clone()]).await?;
                // This import may change the layout of the group.
                let stored = self.documents.stored(group);
                stored.map(|text| document::<Level>(group, text)).transpose()?.and_then(|group| group.layout)
            }
            _ => None,
        };
        Ok(tag.layout.as_ref().or(group.as_ref()).and_then(|layout| index::claimed_uid(tag, layout)))
    }
}
