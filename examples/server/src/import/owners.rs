//! Organisations, API keys and tokens.

use super::check::{check_text, is_name, is_visible};
use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::Line;
use crate::keys;
use crate::registry::document::{ApiKey, KeyKind, Organisation, key};

/// A kind of key with each of the two ways in which a text is hashed.
pub(super) const KINDS: [KeyKind; 2] = [KeyKind::Private, KeyKind::Token];

impl Draft<'_> {
    pub(super) fn add_organisation(&mut self, number: usize, organisation: &Organisation) -> Checked {
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
    pub(super) fn key_names(&self, kind: KeyKind, text: &str) -> impl Iterator<Item = String> {
        keys::names(self.secrets, kind, text).map(|name| key::api_key(&name))
    }

    /// Returns the key of the stored document of a text, or of its new document if there is none.
    pub(super) fn stored_key_name(&self, kind: KeyKind, text: &str) -> Option<String> {
        let stored = self.key_names(kind, text).find(|name| self.text(name).is_some());
        stored.or_else(|| self.key_names(kind, text).next())
    }

    pub(super) fn add_key(&mut self, line: &Line) -> Checked {
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
        for name in older {
            self.write(name, None);
        }
        let Some(name) = self.key_names(key.kind, text).next() else { return Ok(()) };
        self.put(name, &ApiKey { secret: self.secrets.api_key_id().map(String::from), ..key })?;
        self.report.others = self.report.others.saturating_add(1);
        Ok(())
    }
}
