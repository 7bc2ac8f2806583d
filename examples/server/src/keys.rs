//! Creates API keys and tokens. A key is shown once; the store keeps only its name, a keyed hash.

use std::fmt;

use anyhow::{Context as _, bail};
use suntap::platform::ApiKeyName;

use crate::hex;
use crate::import::check::check_text;
use crate::registry::document::{ApiKey, KeyKind, key};
use crate::registry::one;
use crate::secrets::{Secrets, canary, random};
use crate::store::Store;

/// A new key. `Debug` does not show it.
pub struct Created {
    /// The key, for the client.
    pub text: String,
    /// The name that the store keeps.
    pub name: ApiKeyName,
}

/// Creates a key for an organisation.
///
/// # Errors
/// Returns an error if there is no such organisation, or the store fails.
pub async fn create(store: &Store, secrets: &Secrets, key: &ApiKey) -> anyhow::Result<Created> {
    let of = key::organisation(key.organisation);
    let known = one(store, of.clone()).await?;
    if known.is_none() {
        bail!("there is no organisation {}", key.organisation);
    }
    check_text("a label", key.label.as_deref().unwrap_or_default(), 0).map_err(anyhow::Error::msg)?;
    let prefix = match key.kind {
        KeyKind::Public => "public",
        KeyKind::Private => "private",
        KeyKind::Token => "token",
    };
    let text = format!("{prefix}_{}", hex::encode(&random::<16>()?).to_lowercase());
    let name = names(secrets, key.kind, &text).next().context("`apiKeys` has no secret")?;
    let key = ApiKey { secret: secrets.api_key_id().map(String::from), ..key.clone() };
    let mut change = canary::current(store, secrets).await?;
    change.seen.push((of, known));
    change.writes.push((key::api_key(&name), Some(serde_json::to_string(&key)?)));
    store.change(&change).await?;
    Ok(Created { text, name })
}

/// Returns the names by which a key may be found, one for each `apiKeys` secret. A new key gets the first.
pub(crate) fn names(secrets: &Secrets, kind: KeyKind, text: &str) -> impl Iterator<Item = ApiKeyName> {
    secrets.api_keys.iter().map(move |secret| match kind {
        KeyKind::Public | KeyKind::Private => secret.key_name(text.as_bytes()),
        KeyKind::Token => secret.token_name(text.as_bytes()),
    })
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("name", &self.name).finish_non_exhaustive()
    }
}
