//! The vendor's management call, which changes a tag by its XUID, CUID or UID.

use serde_json::{Value, json};
use suntap::Uid;
use suntap::platform::rules::Rule;

use super::tags::{act_of, line_of, unknown_tag};
use super::{Act, Admin, AdminError};
use crate::registry::document::{Entry, Level, Manager, Role, RuleGroup, RuleSet, State, StoredKeys, Tag, key};
use crate::registry::{document, one, tag};
use crate::text::is_hidden;

/// The name of a tag in the vendor's call.
#[derive(Clone, Debug)]
pub enum VendorTag {
    /// Its XUID.
    Xuid(String),
    /// Its CUID in an account.
    Cuid(String, String),
    /// Its UID in an account.
    Uid(String, Uid),
}

/// What the vendor's call changes.
#[derive(Clone, Debug, Default)]
pub struct VendorChange {
    /// The default response of the tag. An empty text removes the tag's own rules, so that those of the tag group apply.
    pub default_response: Option<String>,
    /// The state of the tag.
    pub state: Option<State>,
}

impl Admin<'_> {
    /// Changes a tag, and returns its XUID. A management key of the role `patch` reaches only the tags of its organisation: others are
    /// unknown to it.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, if the change is refused as by an import, or if the store fails.
    pub async fn vendor_change(
        &self,
        by: &Manager,
        name: &VendorTag,
        change: &VendorChange,
    ) -> Result<String, AdminError> {
        let name = match name {
            VendorTag::Xuid(xuid) => key::xuid(xuid),
            VendorTag::Cuid(account, cuid) => key::cuid(account, cuid),
            VendorTag::Uid(account, uid) => key::uid(account, *uid),
        };
        let is_own = |organisation| by.role == Role::ReadWrite || by.organisation == Some(organisation);
        let mut attempts = 0;
        loop {
            let (key, _) = tag(self.store, name.clone()).await?.ok_or_else(|| unknown_tag(&name))?;
            let text = one(self.store, key.clone()).await?.ok_or_else(|| unknown_tag(&name))?;
            let Entry::Tag(found) = document(&key, &text)? else { return Err(unknown_tag(&name)) };
            let xuid = found.xuid.clone().filter(|_| is_own(found.organisation)).ok_or_else(|| unknown_tag(&name))?;
            let (mut acts, mut changes) = (Vec::new(), Vec::new());
            if let Some(response) = &change.default_response {
                self.differs(&found, response).await?;
                acts.push(Act::new("tag.response", &key));
                changes.push(("rules", self.rules_with(&found, response).await?));
            }
            if let Some(state) = change.state {
                acts.push(Act::new(act_of(state), &key));
                changes.push(("state", json!(state)));
            }
            let line = line_of(&key, Some(found.organisation), changes).ok_or_else(|| unknown_tag(&name))?;
            // The rules were computed from this text, so a change that came in between must not be overwritten.
            if self.try_line(&acts, &line, vec![(key.clone(), Some(text))], &mut attempts).await? {
                return Ok(xuid);
            }
        }
    }

    /// Returns the rules of a tag with another default response, or null if it is empty.
    async fn rules_with(&self, tag: &Tag<StoredKeys>, response: &str) -> Result<Value, AdminError> {
        let groups = match (&tag.rules, tag.above().get(2)) {
            _ if response.is_empty() => return Ok(Value::Null),
            (Some(rules), _) => rules.groups.clone(),
            // The groups of the tag group stay in force: with `{tagcodedr}` in one of its responses only the default is the tag's
            // own, and otherwise the tag's own rules would replace them.
            (None, Some(group)) => self.own_groups(group).await?,
            (None, None) => Vec::new(),
        };
        Ok(json!({ "groups": groups, "default": response }))
    }

    /// Checks that forged taps do not get the response of genuine ones, nor one that looks like it.
    async fn differs(&self, tag: &Tag<StoredKeys>, response: &str) -> Result<(), AdminError> {
        if response.chars().any(is_hidden) {
            return Err(AdminError::Invalid("the default response must not have invisible characters".into()));
        }
        let of_group = match tag.above().get(2) {
            Some(group) => self.rules_of(group).await?,
            None => None,
        };
        let folded = |text: &str| text.trim().to_lowercase();
        let mut groups = [&tag.rules, &of_group].into_iter().flatten().flat_map(|rules| &rules.groups);
        let is_same = groups
            .any(|group| group.rules.contains(&Rule::TagAuthentication) && folded(&group.response) == folded(response));
        if is_same {
            let message = "a rule group with `authentication` has this response: forged taps would get the same answer";
            return Err(AdminError::Invalid(message.into()));
        }
        Ok(())
    }

    async fn rules_of(&self, group: &str) -> Result<Option<RuleSet>, AdminError> {
        let Some(text) = one(self.store, group.into()).await? else { return Ok(None) };
        Ok(document::<Level>(group, &text)?.rules)
    }

    /// Returns the rule groups of a tag group that a tag with its own default response needs: none if the tag group has a place for
    /// this response.
    async fn own_groups(&self, group: &str) -> Result<Vec<RuleGroup>, AdminError> {
        let Some(rules) = self.rules_of(group).await? else { return Ok(Vec::new()) };
        let has_place = rules.groups.iter().any(|group| group.response.to_ascii_lowercase().contains("{tagcodedr}"));
        Ok(if has_place { Vec::new() } else { rules.groups })
    }
}
