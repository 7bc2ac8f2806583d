//! Seals the stored keys under the first server secret, so that the other server secrets can be removed.
//!
//! The outer layer of a seal is replaced without opening the inner one, so keys that are sealed under an eCode need no eCode. Keys that
//! are *derived* from an eCode cannot be sealed again: they need their server secret for as long as the tag is in use.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::registry::document;
use crate::registry::document::{Derivation, Entry, KeySource, SigningMeta, StoredKeys, Tag};
use crate::registry::index::{Indexed, MetaKeyRef};
use crate::registry::row::seal_of;
use crate::secrets::{Rewrapped, Secrets, canary};
use crate::store::{Change, Store, StoreError};

/// The number of documents that are changed together. A tap waits at most for one such change.
const PART: usize = 200;
/// The number of names that a report lists.
const LISTED: usize = 10;
/// How often a change is tried if other changes interfere.
const ATTEMPTS: u32 = 120;
const PAUSE: Duration = Duration::from_millis(500);

/// What was done, or what was done until now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The number of tags and layouts that were examined.
    pub examined: usize,
    /// The number of them whose keys were sealed under the first secret.
    pub resealed: usize,
    /// The number of tags whose keys are derived from an eCode. They may need an older secret.
    pub derived: usize,
    /// The number of tags whose keys no listed secret opens.
    pub unopened: usize,
    /// The keys of the documents of the first ten of these tags.
    pub first_unopened: Vec<String>,
    /// `true` if the store now depends on no other server secret than the first, and this is recorded in it.
    pub is_complete: bool,
}

/// Seals the keys of all tags, and the meta-read keys of the index, under the first server secret. Calls `progress` after each part.
///
/// A call that was interrupted can be repeated. Servers over the same store may run, if all of them have the first secret in their list:
/// otherwise they refuse the taps of resealed tags. Imports that still have another first secret must have ended.
///
/// # Errors
/// Returns an error if the store fails, or if other changes interfere for more than a minute. A part of the keys may be resealed then.
pub async fn reseal(store: &Store, secrets: &Secrets, mut progress: impl FnMut(&Report)) -> Result<Report, StoreError> {
    record_first(store, secrets).await?;
    let mut report = Report::default();
    for prefix in ["xuid/", "number/", "shape/"] {
        let mut next = None;
        loop {
            let page = store.page(prefix, next, PART).await?;
            reseal_part(store, secrets, page.documents, &mut report).await?;
            progress(&report);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    if report.derived == 0 && report.unopened == 0 {
        let mut patience = Patience::new();
        while let Err(error) = canary::drop_server_secrets(store, secrets).await {
            patience.wait(error).await?;
        }
        report.is_complete = true;
    }
    Ok(report)
}

/// Records that the store depends on the first secret, before it does.
async fn record_first(store: &Store, secrets: &Secrets) -> Result<(), StoreError> {
    let mut patience = Patience::new();
    loop {
        let change = canary::current(store, secrets).await?;
        if change.writes.is_empty() {
            return Ok(());
        }
        match store.change(&change).await {
            Ok(()) => return Ok(()),
            Err(error) => patience.wait(error).await?,
        }
    }
}

/// Seals the keys in some documents, and adds the result to the report.
async fn reseal_part(
    store: &Store,
    secrets: &Secrets,
    mut documents: Vec<(String, String)>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let keys: Vec<_> = documents.iter().map(|(key, _)| key.clone()).collect();
    let mut patience = Patience::new();
    loop {
        let mut part = Part::default();
        for (key, text) in documents {
            part.add(key, text, secrets)?;
        }
        let changed = if part.change.writes.is_empty() { Ok(()) } else { store.change(&part.change).await };
        match changed {
            Ok(()) => {
                report.add(part.report);
                return Ok(());
            }
            Err(error) => patience.wait(error).await?,
        }
        // Another process has changed a document, or Redis has written some of them.
        let found = store.read(&keys, None).await?.documents;
        documents = keys.iter().cloned().zip(found).filter_map(|(key, text)| Some((key, text?))).collect();
    }
}

/// How often a change is tried again if others interfere with it.
struct Patience(u32);

impl Patience {
    const fn new() -> Self {
        Self(ATTEMPTS)
    }

    /// Waits before the next attempt. Returns an error that another attempt cannot solve.
    async fn wait(&mut self, error: StoreError) -> Result<(), StoreError> {
        match self.0.checked_sub(1) {
            Some(left) if is_passing(&error) => self.0 = left,
            _ => return Err(error),
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }
}

fn is_passing(error: &StoreError) -> bool {
    match error {
        StoreError::Contended | StoreError::Locked { .. } => true,
        StoreError::Incomplete(error) => is_passing(error),
        _ => false,
    }
}

/// The change of some documents.
#[derive(Default)]
struct Part {
    change: Change,
    report: Report,
}

impl Part {
    fn add(&mut self, key: String, text: String, secrets: &Secrets) -> Result<(), StoreError> {
        self.report.examined = self.report.examined.saturating_add(1);
        let resealed = if key.starts_with("shape/") {
            let mut layouts: Vec<Indexed> = document(&key, &text)?;
            if reseal_index(&mut layouts, secrets) { Some(to_text(&key, &layouts)?) } else { None }
        } else {
            match document(&key, &text)? {
                Entry::Tag(mut tag) => {
                    if self.reseal_tag(&key, &mut tag, secrets) {
                        Some(to_text(&key, &Entry::Tag(tag))?)
                    } else {
                        None
                    }
                }
                Entry::See(_) => None,
            }
        };
        if let Some(resealed) = resealed {
            self.report.resealed = self.report.resealed.saturating_add(1);
            self.change.seen.push((key.clone(), Some(text)));
            self.change.writes.push((key, Some(resealed)));
        }
        Ok(())
    }

    /// Returns `true` if the keys of the tag are now sealed under another secret.
    fn reseal_tag(&mut self, key: &str, tag: &mut Tag<StoredKeys>, secrets: &Secrets) -> bool {
        let seal = seal_of(tag);
        match tag.keys.as_mut().map(|keys| &mut keys.source) {
            Some(KeySource::Derived(Derivation::ECode { .. })) => {
                self.report.derived = self.report.derived.saturating_add(1);
                false
            }
            None
            | Some(KeySource::Derived(_) | KeySource::Signing { meta: None | Some(SigningMeta::Named(_)), .. }) => {
                false
            }
            Some(
                KeySource::Held { sealed, .. }
                | KeySource::Sealed { sealed, .. }
                | KeySource::Signing { meta: Some(SigningMeta::Held(sealed)), .. },
            ) => match seal.map_or(Rewrapped::Unopened, |(keys, context)| secrets.rewrap(&keys, &context)) {
                Rewrapped::Current => false,
                Rewrapped::Older(rewrapped) => {
                    *sealed = rewrapped;
                    true
                }
                Rewrapped::Unopened => {
                    self.report.unopened = self.report.unopened.saturating_add(1);
                    self.report.first_unopened.push(key.into());
                    false
                }
            },
        }
    }
}

/// Returns `true` if a key of the index is now sealed under another secret.
fn reseal_index(layouts: &mut [Indexed], secrets: &Secrets) -> bool {
    let mut is_changed = false;
    for keys in layouts.iter_mut().filter_map(|layout| layout.meta_keys.as_mut()) {
        let mut seen = BTreeSet::new();
        keys.retain_mut(|key| {
            let MetaKeyRef::Sealed(sealed) = key else { return true };
            if let Rewrapped::Older(rewrapped) = MetaKeyRef::rewrapped(sealed, secrets) {
                *sealed = rewrapped;
                is_changed = true;
            }
            // The same key may have been there under both secrets.
            seen.insert(*sealed.as_bytes())
        });
    }
    is_changed
}

fn to_text(key: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|_| StoreError::Document(key.into()))
}

impl Report {
    fn add(&mut self, part: Self) {
        self.examined = self.examined.saturating_add(part.examined);
        self.resealed = self.resealed.saturating_add(part.resealed);
        self.derived = self.derived.saturating_add(part.derived);
        self.unopened = self.unopened.saturating_add(part.unopened);
        let more = LISTED.saturating_sub(self.first_unopened.len());
        self.first_unopened.extend(part.first_unopened.into_iter().take(more));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A running service does this in a task.
    #[test]
    fn the_future_is_send() {
        fn spawned(store: &Store, secrets: &Secrets) -> impl Send {
            reseal(store, secrets, |_| ())
        }
        let _ = spawned;
    }
}
