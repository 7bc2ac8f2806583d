//! API keys and tokens: made here, shown once, and kept only as names.

use std::fmt;

use anyhow::bail;
use suntap::platform::ApiKeyName;

use crate::hex;
use crate::registry::document::{ApiKey, KeyKind, key};
use crate::registry::one;
use crate::secrets::{Secrets, random};
use crate::store::{Change, Store};

/// A key that was just made. `Debug` does not show it.
pub struct Created {
    /// What the client gets.
    pub text: String,
    /// What the registry keeps.
    pub name: ApiKeyName,
}

/// Makes a key of an organisation.
///
/// # Errors
/// If there is no such organisation, or the store fails.
pub async fn create(store: &Store, secrets: &Secrets, key: &ApiKey) -> anyhow::Result<Created> {
    let of = key::organisation(key.organisation);
    let known = one(store, of.clone()).await?;
    if known.is_none() {
        bail!("there is no organisation {}", key.organisation);
    }
    let prefix = match key.kind {
        KeyKind::Public => "public",
        KeyKind::Private => "private",
        KeyKind::Token => "token",
    };
    let text = format!("{prefix}_{}", hex::encode(&random::<16>()?).to_lowercase());
    let name = name(secrets, key.kind, &text);
    let written = (key::api_key(&name), Some(serde_json::to_string(key)?));
    store.change(&Change { seen: vec![(of, known)], writes: vec![written], ..Change::default() }).await?;
    Ok(Created { text, name })
}

/// The name under which a key stands.
pub(crate) fn name(secrets: &Secrets, kind: KeyKind, text: &str) -> ApiKeyName {
    match kind {
        KeyKind::Public | KeyKind::Private => secrets.api_keys.key_name(text.as_bytes()),
        KeyKind::Token => secrets.api_keys.token_name(text.as_bytes()),
    }
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("name", &self.name).finish_non_exhaustive()
    }
}
