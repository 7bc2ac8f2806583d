//! Creates API keys and tokens. A key is shown once; the store keeps only its name, a keyed hash.

use std::fmt;

use suntap::platform::ApiKeyName;

use crate::admin::AdminError;
use crate::hex;
use crate::import::check::check_text;
use crate::import::is_closing;
use crate::registry::document::{ApiKey, KeyKind, key};
use crate::registry::one;
use crate::secrets::{Secrets, canary, random};
use crate::store::{Change, Store, StoreError};

/// A new key. `Debug` does not show it.
pub struct Created {
    /// The key, for the client.
    pub text: String,
    /// The key of its document, with the name that the store keeps.
    pub key: String,
}

/// Creates a key for an organisation.
///
/// # Errors
/// Returns an error if there is no such organisation, or the store fails.
pub async fn create(store: &Store, secrets: &Secrets, key: &ApiKey) -> Result<Created, AdminError> {
    let (created, change) = prepare(store, secrets, key).await?;
    store.change(&change).await?;
    Ok(created)
}

/// Returns a new key, and the change that stores its name.
pub(crate) async fn prepare(store: &Store, secrets: &Secrets, key: &ApiKey) -> Result<(Created, Change), AdminError> {
    let organisation = key::organisation(key.organisation);
    let known = one(store, organisation.clone()).await?;
    if known.as_deref().is_none_or(is_closing) {
        return Err(AdminError::Missing(format!("there is no organisation {}", key.organisation)));
    }
    check_text("a label", key.label.as_deref().unwrap_or_default(), 0).map_err(AdminError::Invalid)?;
    let text = new_text(match key.kind {
        KeyKind::Public => "public",
        KeyKind::Private => "private",
        KeyKind::Token => "token",
    })?;
    let name = names(secrets, key.kind, &text).next().map(|name| key::api_key(&name)).ok_or_else(no_secret)?;
    let key = ApiKey { secret: secrets.api_key_id().map(String::from), ..key.clone() };
    let document = serde_json::to_string(&key).map_err(|_| StoreError::Document(name.clone()))?;
    let mut change = canary::current(store, secrets).await?;
    change.seen.push((organisation, known));
    change.writes.push((name.clone(), Some(document)));
    Ok((Created { text, key: name }, change))
}

/// Returns the text of a new key: a word for people, and 16 random bytes.
pub(crate) fn new_text(kind: &str) -> Result<String, AdminError> {
    let bytes = random::<16>().map_err(|error| AdminError::NoRandomBytes(error.to_string()))?;
    Ok(format!("{kind}_{}", hex::encode(&bytes).to_lowercase()))
}

/// Returns the names by which a key may be found, one for each `apiKeys` secret. A new key gets the first.
pub(crate) fn names(secrets: &Secrets, kind: KeyKind, text: &str) -> impl Iterator<Item = ApiKeyName> {
    secrets.api_keys.iter().map(move |secret| match kind {
        KeyKind::Public | KeyKind::Private => secret.key_name(text.as_bytes()),
        KeyKind::Token => secret.token_name(text.as_bytes()),
    })
}

/// Returns the names by which a management key may be found, one for each `apiKeys` secret. A new key gets the first.
pub(crate) fn manager_names(secrets: &Secrets, text: &[u8]) -> impl Iterator<Item = ApiKeyName> {
    secrets.api_keys.iter().map(move |secret| secret.management_key_name(text))
}

/// The parser of the secrets refuses an empty list.
pub(crate) fn no_secret() -> AdminError {
    AdminError::Refused { name: "no_secret", message: "`apiKeys` has no secret".into() }
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("key", &self.key).finish_non_exhaustive()
    }
}
