//! Folders, tag groups and batches.

use suntap::platform::Unfit;
use suntap::platform::rules::Rules;

use super::check::{check_level, check_text, unless_stored};
use super::draft::Draft;
use super::error::{Checked, problem};
use crate::registry::document::{Level, key};
use crate::registry::redirect::{Kind, Redirect};
use crate::registry::row::{NO_JWT_KEY, NO_SECOND_TAP, NO_TOKEN_KEY};

impl Draft<'_> {
    pub(super) fn add_level(&mut self, level: &Level, depth: usize) -> Checked {
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
        if depth != 2 && level.two_taps {
            return problem("only a tag group can ask for two taps");
        }
        if depth != 2 && (level.layout.is_some() || level.rules.is_some() || level.redirect.is_some()) {
            return problem("only a tag group or a tag can have a layout, rules or a redirect");
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
        let missing = match level.redirect.as_ref().map(Redirect::kind) {
            Some(Kind::Token) => self.secrets.token_keys.is_empty().then_some(NO_TOKEN_KEY),
            Some(Kind::Jwt) => self.secrets.jwt_keys.is_empty().then_some(NO_JWT_KEY),
            None => None,
        };
        if let Some(reason) = missing {
            self.warn(format!("{key}: {reason}"));
        }
        if level.two_taps && self.secrets.token_keys.is_empty() {
            self.warn(format!("{key}: {NO_SECOND_TAP}"));
        }
        self.put(key, level)?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }

    /// Checks that nobody deletes these organisations and levels.
    pub(super) fn are_open(&self, keys: impl IntoIterator<Item = String>) -> Checked {
        for key in keys {
            if self.text(&key).is_some_and(is_closing) {
                return problem(format!("{key} is being deleted"));
            }
        }
        Ok(())
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
