//! Removes a tag from the registry.

use super::Allowed;
use super::draft::Draft;
use super::error::Stop;
use super::tags::other_names;
use crate::registry::document::{Entry, Organisation, StoredKeys, Tag, key};
use crate::secrets::Secrets;
use crate::store::{Staged, Store, StoreError};

/// Returns the change that removes a tag with all of its names. Returns `None` if there is no tag with this key.
///
/// The mark stays, so that a tag that is imported again with the same key still refuses old taps. The layout stays in the index: other
/// tags may have it.
pub(crate) async fn prepare_removal(store: &Store, secrets: &Secrets, key: &str) -> Result<Option<Staged>, StoreError> {
    let mut draft = Draft::new(store, secrets, Allowed::default());
    draft.fetch(vec![key.to_owned()]).await?;
    let Some(Entry::Tag(tag)) = draft.get(key)? else { return Ok(None) };
    match draft.remove(&tag).await {
        Ok(()) => {}
        Err(Stop::Store(error)) => return Err(error),
        // A removal adds no name, so no name can be taken.
        Err(Stop::Line(_)) => return Err(StoreError::Document(key.into())),
    }
    Ok(Some(draft.finished().await?.1))
}

impl Draft<'_> {
    async fn remove(&mut self, tag: &Tag<StoredKeys>) -> Result<(), Stop> {
        let key = tag.key();
        let organisation = key::organisation(tag.organisation);
        self.fetch(vec![organisation.clone()]).await?;
        let account = self.get::<Organisation>(&organisation)?.and_then(|organisation| organisation.account);
        let names: Vec<_> = other_names(tag, account.as_deref()).collect();
        self.fetch(names.clone()).await?;
        for name in names {
            if matches!(self.get(&name)?, Some(Entry::See(other)) if other == key) {
                self.write(name, None);
            }
        }
        let found_by = self.claimed_before(tag).await?;
        self.claim(tag, found_by, None).await?;
        self.write(key, None);
        Ok(())
    }
}
