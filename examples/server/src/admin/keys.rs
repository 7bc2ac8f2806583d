//! API keys and tokens.

use suntap::UnixMillis;

use super::{Act, Admin, AdminError, Listed};
use crate::hex;
use crate::keys::{Created, prepare};
use crate::registry::document::{ApiKey, Manager};
use crate::registry::{document, one};
use crate::secrets::redacted;
use crate::store::{Change, Staged, StoreError};
use crate::time;

impl Admin<'_> {
    /// Returns a page of API keys and tokens. Their texts are not known.
    ///
    /// # Errors
    /// Returns an error if the cursor is invalid or the store fails.
    pub async fn keys(&self, cursor: Option<&str>, limit: usize) -> Result<Listed<ApiKey>, AdminError> {
        self.listed(&["key/".into()], cursor, limit).await
    }

    /// Creates an API key or token.
    ///
    /// # Errors
    /// Returns an error if there is no such organisation, the label is invalid, the key would have ended already, or the store fails.
    pub async fn new_key(&self, key: &ApiKey) -> Result<Created, AdminError> {
        check_end(key.expires)?;
        let label = key.label.as_deref().unwrap_or_default();
        let mut attempts = 0;
        loop {
            let (created, change) = prepare(self.store, self.secrets, key).await?;
            if self.write(Act::new("key.new", &created.key).with(label), change, &mut attempts).await? {
                return Ok(created);
            }
        }
    }

    /// Removes an API key or token: from now on, it is unknown.
    ///
    /// # Errors
    /// Returns an error if there is no such key or the store fails.
    pub async fn revoke_key(&self, id: &str) -> Result<(), AdminError> {
        let key = document_key("key", id)?;
        let mut attempts = 0;
        loop {
            let seen = self.existing(&key).await?;
            let change = Change { seen: vec![seen], writes: vec![(key.clone(), None)], ..Change::default() };
            if self.write(Act::new("key.revoke", &key), change, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Sets or removes the end of an API key or token.
    ///
    /// # Errors
    /// Returns an error if there is no such key or the store fails.
    pub async fn expire_key(&self, id: &str, expires: Option<UnixMillis>) -> Result<ApiKey, AdminError> {
        let key = document_key("key", id)?;
        let mut attempts = 0;
        loop {
            let seen = self.existing(&key).await?;
            let mut found: ApiKey = document(&key, seen.1.as_deref().unwrap_or_default())?;
            found.expires = expires;
            let text = json(&key, &found)?;
            let change = Change { seen: vec![seen], writes: vec![(key.clone(), Some(text))], ..Change::default() };
            let (change, detail) = (Staged::from(change), expires.map_or_else(|| "never".into(), time::text));
            if self.is_in_place(&change).await?
                || self.write(Act::new("key.expire", &key).with(&detail), change, &mut attempts).await?
            {
                return Ok(found);
            }
        }
    }

    /// Returns the document of a key, for [`Change::seen`].
    pub(super) async fn existing(&self, key: &str) -> Result<(String, Option<String>), AdminError> {
        match one(self.store, key.into()).await? {
            Some(text) => Ok((key.into(), Some(text))),
            // An API key may be in the place of its id.
            None => Err(AdminError::Missing(redacted(&format!("there is no {key}")))),
        }
    }
}

/// Refuses a new key that has ended already.
pub(super) fn check_end(expires: Option<UnixMillis>) -> Result<(), AdminError> {
    if expires.zip(time::now()).is_some_and(|(expires, now)| expires <= now) {
        return Err(AdminError::Invalid("the key would have ended already: `expires` must be in the future".into()));
    }
    Ok(())
}

/// Returns the key of the document with an id, which is a name of 32 hex digits.
pub(super) fn document_key(kind: &str, id: &str) -> Result<String, AdminError> {
    match hex::decode::<16>(id) {
        Some(bytes) => Ok(format!("{kind}/{}", hex::encode(&bytes))),
        None => Err(AdminError::Invalid("an id must have 32 hex digits, as in the list".into())),
    }
}

pub(super) fn json(key: &str, value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Document(key.into()))
}

/// Returns the organisation of an API key, a token or a management key.
pub(super) fn organisation_of(key: &str, text: &str) -> Result<Option<u64>, StoreError> {
    if key.starts_with("manager/") {
        return Ok(document::<Manager>(key, text)?.organisation);
    }
    Ok(Some(document::<ApiKey>(key, text)?.organisation))
}
