//! Tags.

use std::sync::Arc;

use serde_json::json;
use suntap::Mark;

use super::{Act, Admin, AdminError, Listed};
use crate::import::removal::prepare_removal;
use crate::registry::document::{Entry, Layout, Level, State, StoredKeys, Tag, key};
use crate::registry::redirect::Redirect;
use crate::registry::row::Above;
use crate::registry::{above, one, tag};
use crate::secrets::redacted;
use crate::store::StoreError;

/// A tag, with what applies to it from the levels around it.
#[derive(Debug)]
pub struct TagDetails {
    /// The key of its document.
    pub key: String,
    /// The tag.
    pub tag: Box<Tag<StoredKeys>>,
    /// Its layout, its own or that of its tag group.
    pub layout: Option<Layout>,
    /// Its redirect, its own or that of its tag group.
    pub redirect: Option<Redirect>,
    /// `true` if its tag group asks for two taps.
    pub two_taps: bool,
    /// The outermost level that is inactive, if any: `organisation`, `folder`, `tagGroup`, `batch` or `tag`.
    pub inactive: Option<&'static str>,
    /// Its last accepted tap, if its counter id is known and it has one.
    pub mark: Option<Mark>,
}

/// Returns the key of the document of a tag: `xuid/…` or `number/…`. A text without a slash is an XUID.
///
/// # Errors
/// Returns an error if the text has another form.
pub fn tag_key(text: &str) -> Result<String, AdminError> {
    match text.split_once('/') {
        None => Ok(key::xuid(text)),
        Some(("xuid", xuid)) => Ok(key::xuid(xuid)),
        Some(("number", number)) => match number.parse() {
            Ok(number) => Ok(key::number(number)),
            Err(_) => Err(AdminError::Invalid("the number of a tag must be an integer".into())),
        },
        Some(_) => Err(AdminError::Invalid("a tag must be xuid/XUID or number/NUMBER".into())),
    }
}

pub(super) fn unknown_tag(key: &str) -> AdminError {
    // A key may be in the wrong place.
    AdminError::Missing(redacted(&format!("there is no tag {key}")))
}

impl Admin<'_> {
    /// Returns a page of tags, in the order of their keys (over Redis in any order). `prefix` is the start of a key, such as `xuid/q8`
    /// or `number/10`; a text without a slash is the start of an XUID, and without a text all tags are listed.
    ///
    /// # Errors
    /// Returns an error if the prefix or the cursor is invalid, or the store fails.
    pub async fn tags(
        &self,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Box<Tag<StoredKeys>>>, AdminError> {
        let page = self.listed(&tag_prefixes(prefix)?, cursor, limit).await?;
        let items = page.items.into_iter().map(|(key, entry)| match entry {
            Entry::Tag(tag) => Ok((key, tag)),
            Entry::See(_) => Err(StoreError::Document(key)),
        });
        Ok(Listed { items: items.collect::<Result<_, _>>()?, next: page.next })
    }

    /// Returns a tag.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, or the store fails.
    pub async fn tag(&self, key: &str) -> Result<TagDetails, AdminError> {
        let (key, tag, above) = self.found(key).await?;
        let mark = self.mark_of(&tag).await?;
        let inactive = inactive(&tag, &above);
        let group = above.tag_group.as_ref().and_then(|group| group.layout.clone());
        let layout = tag.layout.clone().or(group);
        let group = above.tag_group.as_ref();
        let redirect = tag.redirect.clone().or_else(|| group?.redirect.clone());
        let two_taps = group.is_some_and(|group| group.two_taps);
        Ok(TagDetails { key, tag, layout, redirect, two_taps, inactive, mark })
    }

    /// Returns the mark of a tag, if its counter id is known and it was tapped.
    pub(super) async fn mark_of(&self, tag: &Tag<StoredKeys>) -> Result<Option<Mark>, StoreError> {
        match tag.keys.as_ref().and_then(|keys| keys.counter) {
            Some(counter) => Ok(self.store.read(&[], Some(&counter)).await?.mark),
            None => Ok(None),
        }
    }

    /// Returns the tag with a key, and what is above it.
    async fn found(&self, key: &str) -> Result<(String, Box<Tag<StoredKeys>>, Arc<Above>), AdminError> {
        let (key, found) = tag(self.store, key.into()).await?.ok_or_else(|| unknown_tag(key))?;
        let keys = found.above();
        let texts = self.store.read(&keys, None).await?.documents;
        Ok((key, found, above(&keys, &texts)?))
    }

    /// Takes a tag out of use, or into use again.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, or the store fails.
    pub async fn set_tag_state(&self, key: &str, state: State) -> Result<(), AdminError> {
        self.set_state_of(key, None, state).await
    }

    /// Like [`set_tag_state`](Self::set_tag_state), but only if the tag belongs to the organisation.
    pub(super) async fn set_state_of(
        &self,
        key: &str,
        organisation: Option<u64>,
        state: State,
    ) -> Result<(), AdminError> {
        let line = line_of(key, organisation, vec![("state", json!(state))]).ok_or_else(|| unknown_tag(key))?;
        if one(self.store, key.into()).await?.is_none() {
            return Err(unknown_tag(key));
        }
        self.import_line(Act::new(act_of(state), key), &line).await
    }

    /// Removes a tag with all of its names. Its counter stays: if the tag is imported again with the same key, it still refuses old
    /// taps.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, or the store fails.
    pub async fn delete_tag(&self, key: &str) -> Result<(), AdminError> {
        let mut attempts = 0;
        loop {
            let change = prepare_removal(self.store, self.secrets, key).await?.ok_or_else(|| unknown_tag(key))?;
            if self.write(Act::new("tag.delete", key), change, &mut attempts).await? {
                return Ok(());
            }
        }
    }
}

/// Returns the name of the act that gives a tag this state.
pub(super) fn act_of(state: State) -> &'static str {
    if state == State::Active { "tag.enable" } else { "tag.disable" }
}

/// Returns the line of an import that changes these fields of a tag. The import refuses it if the tag belongs to another organisation.
pub(super) fn line_of(key: &str, organisation: Option<u64>, changes: Vec<(&str, serde_json::Value)>) -> Option<String> {
    let mut fields = match key.split_once('/')? {
        ("xuid", xuid) => json!({ "xuid": xuid }),
        ("number", number) => json!({ "number": number.parse::<u64>().ok()? }),
        _ => return None,
    };
    let names = fields.as_object_mut()?;
    names.extend(changes.into_iter().map(|(field, value)| (field.into(), value)));
    names.extend(organisation.map(|organisation| ("organisation".into(), json!(organisation))));
    Some(json!({ "tag": fields }).to_string())
}

/// Returns the prefixes of the keys to list.
pub(super) fn tag_prefixes(prefix: &str) -> Result<Vec<String>, AdminError> {
    match prefix.split_once('/') {
        None if prefix.is_empty() => Ok(vec!["xuid/".into(), "number/".into()]),
        None => Ok(vec![key::xuid(prefix)]),
        Some(("xuid" | "number", _)) => Ok(vec![prefix.into()]),
        Some(_) => Err(AdminError::Invalid("a prefix must be like q8, xuid/q8 or number/10".into())),
    }
}

fn inactive(tag: &Tag<StoredKeys>, above: &Above) -> Option<&'static str> {
    let state = |level: &Option<Level>| level.as_ref().map(|level| level.state);
    let states = [
        ("organisation", Some(above.organisation.state)),
        ("folder", state(&above.folder)),
        ("tagGroup", state(&above.tag_group)),
        ("batch", state(&above.batch)),
        ("tag", Some(tag.state)),
    ];
    states.into_iter().find(|(_, state)| *state == Some(State::Inactive)).map(|(name, _)| name)
}
