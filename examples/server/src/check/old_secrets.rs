//! Lists what still needs a secret that is not the first of its list.

use std::collections::BTreeSet;

use super::Finding;
use crate::registry::document;
use crate::registry::document::{ApiKey, Derivation, Entry, KeySource, Manager, StoredKeys, Tag};
use crate::registry::index::{Indexed, MetaKeyRef};
use crate::registry::row::seal_of;
use crate::secrets::{Rewrapped, Secrets, canary};
use crate::store::{Store, StoreError};

/// Returns a finding for each tag, layout, API key and token that needs a secret other than the first of `server` or `apiKeys`, or that
/// may need one. Without findings, the other secrets of these lists can be removed.
///
/// # Errors
/// Returns an error if the store fails.
pub async fn check_old_secrets(store: &Store, secrets: &Secrets) -> Result<BTreeSet<Finding>, StoreError> {
    let mut findings = BTreeSet::new();
    let mut add = |key: &str, reason: &str| {
        findings.insert(Finding { key: key.into(), reason: reason.into() });
    };
    for prefix in ["xuid/", "number/"] {
        let tag = |key: &str, text: &str| {
            let Entry::Tag(tag) = document(key, text)? else { return Ok(()) };
            if let Some(reason) = tag_reason(&tag, secrets) {
                add(key, reason);
            }
            Ok::<_, StoreError>(())
        };
        store.list(prefix, tag).await?;
    }
    let shape = |key: &str, text: &str| {
        let layouts: Vec<Indexed> = document(key, text)?;
        let mut keys = layouts.iter().filter_map(|layout| layout.meta_keys.as_ref()).flatten();
        let is_older = |key: &MetaKeyRef| match key {
            MetaKeyRef::Sealed(sealed) => matches!(MetaKeyRef::rewrapped(sealed, secrets), Rewrapped::Older(_)),
            _ => false,
        };
        if keys.any(is_older) {
            add(
                key,
                "meta-read keys of this layout are sealed under an older server secret: run `suntap-server reseal`",
            );
        }
        Ok::<_, StoreError>(())
    };
    store.list("shape/", shape).await?;
    let first = secrets.api_key_id();
    // Without an id, a key was named by an earlier version, which had one secret at a time.
    let recorded = canary::stored(store).await?.unwrap_or_else(|| secrets.canaries().clone());
    let is_first_only = recorded.api_key_ids().all(|id| Some(id) == first);
    let key = |key: &str, text: &str| {
        let secret = if key.starts_with("manager/") {
            document::<Manager>(key, text)?.secret
        } else {
            document::<ApiKey>(key, text)?.secret
        };
        match secret.as_deref() {
            None if !is_first_only => {
                add(key, "it may need an older `apiKeys` secret: import it again, or give the client another key");
            }
            Some(id) if Some(id) != first => {
                add(key, "it needs an older `apiKeys` secret: import it again, or give the client another key");
            }
            _ => {}
        }
        Ok::<_, StoreError>(())
    };
    let mut key = key;
    for prefix in ["key/", "manager/"] {
        store.list(prefix, &mut key).await?;
    }
    Ok(findings)
}

fn tag_reason(tag: &Tag<StoredKeys>, secrets: &Secrets) -> Option<&'static str> {
    if let Some(KeySource::Derived(Derivation::ECode { .. })) = tag.keys.as_ref().map(|keys| &keys.source) {
        let is_rotated = secrets.server.len() > 1;
        return is_rotated.then_some(
            "its keys are derived from an eCode, and may need an older server secret for as long as the tag is in use",
        );
    }
    let (sealed, context) = seal_of(tag)?;
    let is_older = matches!(secrets.rewrap(&sealed, &context), Rewrapped::Older(_));
    is_older.then_some("its keys are sealed under an older server secret: run `suntap-server reseal`")
}
