//! API keys and tokens: made here, shown once, and kept only as names.

use std::fmt;

use anyhow::bail;
use suntap::platform::ApiKeyName;

use crate::document::key;
use crate::hex;
use crate::registry::one;
use crate::secrets::{Secrets, random};
use crate::store::{Change, Store};

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// The header `API-Key` of ETRNL's clients.
    ApiKey,
    /// The parameter `r` of ixkio's clients.
    Token,
}

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
pub async fn create(store: &Store, secrets: &Secrets, organisation: u64, kind: Kind) -> anyhow::Result<Created> {
    let of = key::organisation(organisation);
    let known = one(store, of.clone()).await?;
    if known.is_none() {
        bail!("there is no organisation {organisation}");
    }
    let (prefix, secret) = match kind {
        Kind::ApiKey => ("key", random::<16>()?),
        Kind::Token => ("token", random::<16>()?),
    };
    let text = format!("{prefix}_{}", hex::encode(&secret).to_lowercase());
    let name = match kind {
        Kind::ApiKey => secrets.api_keys.key_name(text.as_bytes()),
        Kind::Token => secrets.api_keys.token_name(text.as_bytes()),
    };
    let change =
        Change { seen: vec![(of, known)], writes: vec![(key::api_key(&name), Some(organisation.to_string()))] };
    store.change(&change).await?;
    Ok(Created { text, name })
}

impl fmt::Debug for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Created").field("name", &self.name).finish_non_exhaustive()
    }
}
