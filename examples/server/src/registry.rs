//! Finds tags among the documents of a store.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use suntap::registry::{AsyncTagRegistry, OrganisationId, TagRef};
use suntap::{ApiKeyName, SdmLayout};

use crate::document::{Entry, Layout, StoredKeys, Tag, key};
use crate::row::{Above, Row};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// The registry as one request sees it. It remembers what it found, for the log.
#[derive(Debug)]
pub struct Registry<'s> {
    store: &'s Store,
    secrets: &'static Secrets,
    found: OnceLock<String>,
}

/// Layouts, and the document that they were read from.
#[derive(Debug, Default)]
pub struct LayoutCache(Mutex<(String, Arc<[SdmLayout]>)>);

impl<'s> Registry<'s> {
    /// A registry over a store.
    #[must_use]
    pub fn new(store: &'s Store, secrets: &'static Secrets) -> Self {
        Self { store, secrets, found: OnceLock::new() }
    }

    /// The key of the tag that was found.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        self.found.get().map(String::as_str)
    }

    /// Every layout that was imported. `cache` has those that were read last, and the text that they were read from.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn layouts(&self, cache: &LayoutCache) -> Result<Arc<[SdmLayout]>, StoreError> {
        let Some(text) = one(self.store, key::LAYOUTS.into()).await? else { return Ok(Arc::default()) };
        let mut cached = cache.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cached.0 != text {
            let broken = |_| StoreError::Document(key::LAYOUTS.into());
            let layouts: Vec<Layout> = document(key::LAYOUTS, &text)?;
            let layouts = layouts.iter().map(Layout::sdm).collect::<Result<_, _>>().map_err(broken)?;
            *cached = (text, layouts);
        }
        Ok(Arc::clone(&cached.1))
    }

    async fn row(&self, key: String) -> Result<Option<Row>, StoreError> {
        let Some((key, tag)) = tag(self.store, key).await? else { return Ok(None) };
        let keys = tag.above();
        let counter = tag.keys.as_ref().and_then(|keys: &StoredKeys| keys.counter);
        let found = self.store.read(&keys, counter.as_ref()).await?;
        let above = above(&keys, &found.documents)?;
        let row = Row::new(*tag, above, found.mark, self.secrets).map_err(|_| StoreError::Document(key.clone()))?;
        let _ = self.found.set(key);
        Ok(Some(row))
    }
}

impl AsyncTagRegistry for &Registry<'_> {
    type Record = Row;
    type Error = StoreError;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<Row>, StoreError> {
        let key = match tag {
            TagRef::Xuid(xuid) | TagRef::Captured { name: "xuid", text: xuid } => key::xuid(xuid),
            TagRef::Cuid { account, cuid } => key::cuid(account, cuid),
            TagRef::Uid { account, uid } => key::uid(account, uid),
            TagRef::Number(number) => key::number(number),
            TagRef::Captured { name: "tagId", text } => match text.parse() {
                Ok(number) => key::number(number),
                Err(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        // No name of a tag is so long, and no store has to look for it.
        if key.len() > 1024 || key.contains('\0') {
            return Ok(None);
        }
        self.row(key).await
    }

    async fn organisation(&self, name: &ApiKeyName) -> Result<Option<OrganisationId>, StoreError> {
        let key = key::api_key(name);
        let Some(text) = one(self.store, key.clone()).await? else { return Ok(None) };
        Ok(Some(OrganisationId(document::<u64>(&key, &text)?.into())))
    }
}

/// The tag that stands under a name, and the key under which it is.
pub(crate) async fn tag(store: &Store, mut key: String) -> Result<Option<(String, Box<Tag<StoredKeys>>)>, StoreError> {
    let Some(text) = one(store, key.clone()).await? else { return Ok(None) };
    let mut entry = document(&key, &text)?;
    if let Entry::See(other) = entry {
        // Between the two readings the tag may have been taken away.
        let Some(text) = one(store, other.clone()).await? else { return Ok(None) };
        entry = document(&other, &text)?;
        key = other;
    }
    match entry {
        Entry::Tag(tag) => Ok(Some((key, tag))),
        Entry::See(_) => Err(StoreError::Document(key)),
    }
}

impl<K> Tag<K> {
    /// The keys of what stands above a tag: its organisation, and its folder, tag group and batch if it has them.
    pub(crate) fn above(&self) -> Vec<String> {
        let batch = self.batch.iter().flat_map(|path| levels(path)).map(|path| key::level(self.organisation, path));
        [key::organisation(self.organisation)].into_iter().chain(batch).collect()
    }
}

/// A folder, and the tag group and batch within it, by the path of the innermost.
pub(crate) fn levels(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| path.get(..end).unwrap_or(path)).chain([path])
}

/// What stands above a tag, from the documents of its organisation, folder, tag group and batch.
pub(crate) fn above(keys: &[String], documents: &[Option<String>]) -> Result<Above, StoreError> {
    let text = |index: usize| match (keys.get(index), documents.get(index)) {
        // What a tag stands in is there before the tag is.
        (Some(key), Some(Some(text))) => Ok(Some((key, text))),
        (Some(key), _) => Err(StoreError::Document(key.clone())),
        (None, _) => Ok(None),
    };
    let level = |index| text(index)?.map(|(key, text)| document(key, text)).transpose();
    let (key, organisation) = text(0)?.ok_or_else(|| StoreError::Document("organisation".into()))?;
    Ok(Above { organisation: document(key, organisation)?, folder: level(1)?, tag_group: level(2)?, batch: level(3)? })
}

/// The document under one key.
pub(crate) async fn one(store: &Store, key: String) -> Result<Option<String>, StoreError> {
    Ok(store.read(&[key], None).await?.documents.pop().flatten())
}

/// What a document says.
pub(crate) fn document<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Document(key.into()))
}
