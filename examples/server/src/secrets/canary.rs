//! Detects that the secrets are not those of the store.
//!
//! With other secrets every API key is unknown and every tap is refused, which looks like an attack or a broken tag. So the store
//! keeps one document with a canary, a one-way hash, of each secret that its other documents depend on. The hash reveals nothing
//! about a random secret of 128 bits.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Secrets;
use crate::hex;
use crate::registry::document::{Derivation, KeySource, SigningMeta};
use crate::registry::{document, one};
use crate::store::{Change, Store, StoreError};

/// The key of the document with the canaries.
pub const KEY: &str = "canaries";

/// The canaries of some secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Canaries {
    /// In a store: of each secret that may have named API keys and tokens. A store with one has a text, as in earlier versions.
    #[serde(with = "one_or_many")]
    pub(super) api_keys: Vec<String>,
    /// In a store: of each secret under which an import may have sealed keys.
    pub(super) server: Vec<String>,
    /// By kind and name, such as `masterKeys/shoes`. In a store: of the secrets that tags use.
    #[serde(default)]
    pub(super) named: BTreeMap<String, String>,
}

/// Returns the canary of one secret.
pub(super) fn canary(kind: &str, secret: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in ["suntap canary v1".as_bytes(), kind.as_bytes(), secret] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    let digest: [u8; 32] = hash.finalize().into();
    hex::encode(digest.first_chunk::<16>().unwrap_or(&[0; 16]))
}

/// The length of the id of a secret in digits.
const ID_LENGTH: usize = 8;

/// Returns the id of a secret: the first digits of its canary.
pub(super) fn id(canary: &str) -> &str {
    canary.get(..ID_LENGTH).unwrap_or(canary)
}

impl Canaries {
    /// Returns the ids of the `apiKeys` secrets: the first digits of their canaries.
    pub(crate) fn api_key_ids(&self) -> impl Iterator<Item = &str> {
        self.api_keys.iter().map(|canary| id(canary))
    }

    /// Returns the ids of the `server` secrets.
    pub(crate) fn server_ids(&self) -> impl Iterator<Item = &str> {
        self.server.iter().map(|canary| id(canary))
    }

    /// Returns the canaries that a store has after an import with `secrets`, of which tags use the ones in `used`.
    pub(crate) fn recorded(stored: Option<Self>, secrets: &Secrets, used: &BTreeSet<String>) -> Self {
        let present = &secrets.canaries;
        // A store without canaries may depend on each of the secrets.
        let mut recorded = stored.unwrap_or_else(|| Self { named: BTreeMap::new(), ..present.clone() });
        for (recorded, present) in
            [(&mut recorded.api_keys, &present.api_keys), (&mut recorded.server, &present.server)]
        {
            recorded.extend(present.first().filter(|first| !recorded.contains(first)).cloned());
        }
        let named = present.named.iter().filter(|(name, _)| used.contains(*name));
        recorded.named.extend(named.map(|(name, canary)| (name.clone(), canary.clone())));
        recorded
    }

    /// Returns what is wrong with `secrets` for a store with these canaries.
    fn problems(&self, secrets: &Secrets) -> Vec<String> {
        let present = &secrets.canaries;
        let mut problems = Vec::new();
        let has_one = |stored: &[String], present: &[String]| stored.iter().any(|canary| present.contains(canary));
        if !has_one(&self.api_keys, &present.api_keys) {
            problems.push("`apiKeys` has none of those that API keys were named with".into());
        }
        if !has_one(&self.server, &present.server) {
            problems.push("`server` has none of those that keys were sealed under".into());
        }
        for (name, canary) in &self.named {
            match present.named.get(name) {
                None => problems.push(format!("`{name}` is missing")),
                Some(other) if other != canary => problems.push(format!("`{name}` is a different key")),
                Some(_) => {}
            }
        }
        problems
    }
}

/// Returns the names of the secrets that the keys of a tag are computed with.
pub(crate) fn names(source: &KeySource) -> impl Iterator<Item = String> {
    let name = |kind: &str, name: &String| Some(format!("{kind}/{name}"));
    let names = match source {
        KeySource::Derived(Derivation::An10922 { meta, master, .. }) => {
            [name("masterKeys", master), meta.as_ref().and_then(|meta| name("metaKeys", meta))]
        }
        KeySource::Derived(Derivation::Boltcard { issuer, .. }) => [name("issuerKeys", issuer), None],
        KeySource::Derived(Derivation::SdmBackend { master }) => [name("sdmBackend", master), None],
        KeySource::Signing { meta: Some(SigningMeta::Named(meta)), .. } => [name("metaKeys", meta), None],
        KeySource::Derived(Derivation::ECode { .. })
        | KeySource::Held { .. }
        | KeySource::Sealed { .. }
        | KeySource::Signing { .. } => [None, None],
    };
    names.into_iter().flatten()
}

/// Checks that `secrets` are those of the store, and returns warnings.
///
/// # Errors
/// Returns an error if they are not, if the store is empty, or if it fails.
pub async fn check(store: &Store, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
    if let Some(warnings) = check_recorded(store, secrets).await? {
        return Ok(warnings);
    }
    if is_empty(store).await? {
        return Err(StoreError::Missing("the store is empty".into()).into());
    }
    Ok(vec![
        "the store does not record yet which secrets belong to it: the next import records the secrets in use".into(),
    ])
}

/// Like [`check`], but returns `None` for a store that does not record its secrets.
///
/// # Errors
/// Returns an error if `secrets` are not those of the store, or if it fails.
pub async fn check_recorded(store: &Store, secrets: &Secrets) -> anyhow::Result<Option<Vec<String>>> {
    stored(store).await?.map(|stored| checked(&stored, secrets)).transpose()
}

/// Checks that `secrets` are those of the store that a document with canaries is from, and returns warnings.
///
/// # Errors
/// Returns an error if they are not, or if the document is invalid.
pub fn check_text(text: &str, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
    checked(&document(KEY, text)?, secrets)
}

/// Checks that `secrets` are those of the store, or records them in a store without any. Returns warnings, and `true` if they were
/// recorded.
///
/// # Errors
/// Returns an error if they are not those of the store, or if it fails.
pub async fn record(store: &Store, secrets: &Secrets) -> anyhow::Result<(Vec<String>, bool)> {
    if let Some(warnings) = check_recorded(store, secrets).await? {
        return Ok((warnings, false));
    }
    write(store, None, &Canaries::recorded(None, secrets, &BTreeSet::new())).await?;
    Ok((Vec::new(), true))
}

/// Records `secrets` as those of the store in place of others.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn accept(store: &Store, secrets: &Secrets) -> anyhow::Result<()> {
    let text = one(store, KEY.into()).await?;
    let stored: Option<Canaries> = text.as_deref().map(|text| document(KEY, text)).transpose()?;
    let used = stored.into_iter().flat_map(|stored| stored.named.into_keys()).collect();
    write(store, text, &Canaries::recorded(None, secrets, &used)).await
}

/// Returns a change that records the first secret of each list, because the store is about to depend on it. Returns an empty change if
/// it is recorded, and for a store of an earlier version that records nothing.
pub(crate) async fn current(store: &Store, secrets: &Secrets) -> Result<Change, StoreError> {
    let Some(text) = one(store, KEY.into()).await? else { return Ok(Change::default()) };
    let stored: Canaries = document(KEY, &text)?;
    let recorded = Canaries::recorded(Some(stored.clone()), secrets, &BTreeSet::new());
    if recorded == stored { Ok(Change::default()) } else { replaced(text, &recorded) }
}

/// Records the first server secret as the only one that the store depends on.
///
/// # Errors
/// Returns an error if the store fails, or if an import records secrets at the same time.
pub(crate) async fn drop_server_secrets(store: &Store, secrets: &Secrets) -> Result<(), StoreError> {
    let Some(text) = one(store, KEY.into()).await? else { return Ok(()) };
    let mut recorded: Canaries = document(KEY, &text)?;
    recorded.server = secrets.canaries.server.first().cloned().into_iter().collect();
    store.change(&replaced(text, &recorded)?).await
}

fn replaced(text: String, canaries: &Canaries) -> Result<Change, StoreError> {
    let written = serde_json::to_string(canaries).map_err(|_| StoreError::Document(KEY.into()))?;
    Ok(Change { seen: vec![(KEY.into(), Some(text))], writes: vec![(KEY.into(), Some(written))], ..Change::default() })
}

fn checked(stored: &Canaries, secrets: &Secrets) -> anyhow::Result<Vec<String>> {
    let problems = stored.problems(secrets);
    if !problems.is_empty() {
        bail!(
            "these secrets are not those of this store: {}. Use the secrets that the store was filled with. If you replaced a \
             secret on purpose, record the new one with `suntap-server init --accept-secrets`",
            problems.join(", ")
        );
    }
    let mut warnings = Vec::new();
    let missing = Missing::compare(stored, secrets);
    if missing.server {
        warnings.push(
            "`server` does not list every secret that keys were sealed under: `suntap-server check` lists the tags whose keys no longer \
             open. If there are none, `suntap-server init --accept-secrets` ends this warning"
                .into(),
        );
    }
    if missing.api_keys {
        warnings.push(
            "`apiKeys` does not list every secret that named API keys and tokens: `suntap-server check` lists the keys that are no longer \
             found. If there are none, `suntap-server init --accept-secrets` ends this warning"
                .into(),
        );
    }
    Ok(warnings)
}

/// The lists that do not have every secret that the store was used with.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Missing {
    pub(crate) server: bool,
    pub(crate) api_keys: bool,
}

impl Missing {
    /// Compares secrets with those of a store.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(crate) async fn from(store: &Store, secrets: &Secrets) -> Result<Self, StoreError> {
        Ok(stored(store).await?.map(|stored| Self::compare(&stored, secrets)).unwrap_or_default())
    }

    fn compare(stored: &Canaries, secrets: &Secrets) -> Self {
        let misses = |stored: &[String], present: &[String]| !stored.iter().all(|canary| present.contains(canary));
        let present = &secrets.canaries;
        Self { server: misses(&stored.server, &present.server), api_keys: misses(&stored.api_keys, &present.api_keys) }
    }
}

pub(crate) async fn stored(store: &Store) -> Result<Option<Canaries>, StoreError> {
    one(store, KEY.into()).await?.map(|text| document(KEY, &text)).transpose()
}

async fn write(store: &Store, seen: Option<String>, canaries: &Canaries) -> anyhow::Result<()> {
    let written = Some(serde_json::to_string(canaries)?);
    let change = Change { seen: vec![(KEY.into(), seen)], writes: vec![(KEY.into(), written)], ..Change::default() };
    Ok(store.change(&change).await?)
}

/// Returns `true` if the store has no organisation, to which everything else belongs.
async fn is_empty(store: &Store) -> Result<bool, StoreError> {
    enum Stop {
        Found,
        Failed(StoreError),
    }
    impl From<StoreError> for Stop {
        fn from(error: StoreError) -> Self {
            Self::Failed(error)
        }
    }
    match store.list("organisation/", |_, _| Err(Stop::Found)).await {
        Ok(()) => Ok(true),
        Err(Stop::Found) => Ok(false),
        Err(Stop::Failed(error)) => Err(error),
    }
}

mod one_or_many {
    use serde::{Deserialize, Deserializer, Serialize as _, Serializer};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }

    pub(super) fn serialize<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        match texts {
            [one] => one.serialize(serializer),
            many => many.serialize(serializer),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        Ok(match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts,
        })
    }
}
