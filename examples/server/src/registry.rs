//! Finds tags in the documents of a store.

pub(crate) mod cache;
pub mod document;
pub mod index;
pub mod redirect;
pub mod row;

use std::sync::{Arc, Mutex, PoisonError};

use suntap::Mark;
use suntap::platform::{ApiKeyName, AsyncTagRegistry, OrganisationId, TagRef};

use self::cache::{Cache, FoundTag, KnownTag, KnownTags, Readers};
use self::document::{ApiKey, Entry, Layout, Level, StoredKeys, Tag, key};
use self::index::{Reader, Suspects};
use self::row::{Above, OpenTag, Row};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// The registry of one request. It remembers the tag that it found, for the log.
#[derive(Debug)]
pub struct Registry<'s> {
    store: &'s Store,
    caches: &'s Caches,
    secrets: &'s Secrets,
    found: Mutex<Option<String>>,
}

/// Parsed documents that requests share.
#[derive(Debug, Default)]
pub struct Caches {
    readers: Readers,
    above: Cache<Above>,
    tags: KnownTags,
}

impl<'s> Registry<'s> {
    /// Creates a registry over a store.
    #[must_use]
    pub fn new(store: &'s Store, caches: &'s Caches, secrets: &'s Secrets) -> Self {
        Self { store, caches, secrets, found: Mutex::default() }
    }

    /// Returns the key of the tag that was found last.
    #[must_use]
    pub fn found(&self) -> Option<String> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the tags that may have written the path and query `target`: those that it names, and those with a UID that it
    /// claims. Returns `None` if no layout reads it.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn suspects(&self, target: &str) -> Result<Option<Vec<String>>, StoreError> {
        let shapes: Vec<_> = index::shapes(target).into_iter().filter(|key| is_key(key)).collect();
        let found = self.store.read(&shapes, None).await?.documents;
        let found = shapes.iter().zip(found).filter_map(|(shape, text)| Some((shape, text?)));
        let readers = found.map(|(shape, text)| self.caches.readers.get(shape, text, self.secrets));
        let readers = readers.collect::<Result<Vec<_>, _>>()?;
        let mut suspects = Suspects::new(readers.iter().flat_map(|readers| readers.iter()).map(Reader::weight).sum());
        let mut is_read = false;
        for reader in readers.iter().flat_map(|readers| readers.iter()) {
            is_read |= reader.read(target, &mut suspects);
        }
        if !is_read {
            return Ok(None);
        }
        let Suspects { named: mut tags, uids, .. } = suspects;
        let claimed: Vec<_> = uids.into_iter().map(key::claimed).collect();
        if !claimed.is_empty() {
            let found = self.store.read(&claimed, None).await?.documents;
            for (key, text) in claimed.iter().zip(found).filter_map(|(key, text)| Some((key, text?))) {
                tags.extend(document::<Vec<String>>(key, &text)?);
            }
        }
        Ok(Some(tags))
    }

    async fn row(&self, name: String) -> Result<Option<Box<Row>>, StoreError> {
        let found = match self.caches.tags.get(self.store, &name).await? {
            Some(found) => Some(found),
            None => self.load(name).await?,
        };
        let Some((FoundTag { key, open, above }, mark)) = found else { return Ok(None) };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
        Ok(Some(Box::new(Row::new(open, above, mark, self.secrets))))
    }

    /// Reads the tag with a name.
    async fn load(&self, name: String) -> Result<Option<(FoundTag, Option<Mark>)>, StoreError> {
        // Taken before the first read, so a change in between only makes the next request read again.
        let stamp = self.store.stamp();
        let Some((mut keys, named, tag)) = named_tag(self.store, name.clone()).await? else { return Ok(None) };
        let key = keys.last().unwrap_or(&name).clone();
        let above_keys = tag.above();
        let counter = tag.keys.as_ref().and_then(|keys: &StoredKeys| keys.counter);
        let parse = |documents: &[Option<String>]| above(&above_keys, documents);
        let (above, mark) = self.caches.above.get(self.store, &above_keys, counter.as_ref(), parse).await?;
        let open = OpenTag::new(*tag, self.secrets).map_err(|_| StoreError::Document(key.clone()))?;
        let found = FoundTag { key, open: Arc::new(open), above: above.value };
        keys.extend(above_keys);
        self.caches.tags.insert(name, KnownTag::new(stamp, keys, named, above.documents, found.clone()));
        Ok(Some((found, mark)))
    }
}

impl AsyncTagRegistry for &Registry<'_> {
    /// A box keeps the state of a request small.
    type Record = Box<Row>;
    type Error = StoreError;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<Box<Row>>, StoreError> {
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
        if is_key(&key) { self.row(key).await } else { Ok(None) }
    }

    async fn organisation(&self, name: &ApiKeyName) -> Result<Option<OrganisationId>, StoreError> {
        let key = api_key(self.store, name).await?;
        Ok(key.map(|key| OrganisationId::new(key.organisation.into())))
    }
}

/// Returns the API key or token with a name, unless it has expired.
pub(crate) async fn api_key(store: &Store, name: &ApiKeyName) -> Result<Option<ApiKey>, StoreError> {
    let key = key::api_key(name);
    let Some(text) = one(store, key.clone()).await? else { return Ok(None) };
    Ok(Some(document::<ApiKey>(&key, &text)?).filter(|key| !key.has_expired()))
}

/// Returns `false` for a key that no document has. Such a key is not looked up, because a store may reject it.
pub(crate) fn is_key(key: &str) -> bool {
    key.len() <= 1024 && !key.contains('\0')
}

/// Returns the reference by which the service finds the tag with the document key `key`.
#[must_use]
pub fn tag_ref(key: &str) -> Option<TagRef<'_>> {
    match key.split_once('/')? {
        ("xuid", xuid) => Some(TagRef::Xuid(xuid)),
        ("number", number) => number.parse().ok().map(TagRef::Number),
        _ => None,
    }
}

/// Returns the tag with a name, and the key of its document.
pub(crate) async fn tag(store: &Store, name: String) -> Result<Option<(String, Box<Tag<StoredKeys>>)>, StoreError> {
    let found = named_tag(store, name).await?;
    Ok(found.and_then(|(mut keys, _, tag)| Some((keys.pop()?, tag))))
}

/// Keys, the documents under them, and the tag that the last one has.
type NamedTag = (Vec<String>, Vec<Option<String>>, Box<Tag<StoredKeys>>);

/// Returns the tag with a name, and the documents that lead to it.
async fn named_tag(store: &Store, name: String) -> Result<Option<NamedTag>, StoreError> {
    let (mut key, mut keys, mut documents) = (name, Vec::new(), Vec::new());
    loop {
        // The tag may have been removed between the two reads.
        let Some(text) = one(store, key.clone()).await? else { return Ok(None) };
        let entry = document(&key, &text)?;
        keys.push(key);
        documents.push(Some(text));
        key = match entry {
            Entry::Tag(tag) => return Ok(Some((keys, documents, tag))),
            Entry::See(other) if keys.len() == 1 => other,
            Entry::See(_) => return Err(StoreError::Document(keys.pop().unwrap_or_default())),
        };
    }
}

impl<K> Tag<K> {
    /// Returns the keys of the documents above a tag: its organisation, and its folder, tag group and batch if it has them.
    pub(crate) fn above(&self) -> Vec<String> {
        let batch = self.batch.iter().flat_map(|path| levels(path)).map(|path| key::level(self.organisation, path));
        [key::organisation(self.organisation)].into_iter().chain(batch).collect()
    }

    /// Returns the last of [`above`](Self::above).
    pub(crate) fn innermost(&self) -> String {
        match &self.batch {
            Some(path) => key::level(self.organisation, path),
            None => key::organisation(self.organisation),
        }
    }
}

/// Returns the paths of a folder, and of the tag group and the batch in it, from the path of the innermost.
pub(crate) fn levels(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(end, _)| path.get(..end).unwrap_or(path)).chain([path])
}

/// Parses the documents above a tag: its organisation, folder, tag group and batch.
pub(crate) fn above(keys: &[String], documents: &[Option<String>]) -> Result<Arc<Above>, StoreError> {
    let text = |index: usize| match (keys.get(index), documents.get(index)) {
        // Import writes these documents before the tag.
        (Some(key), Some(Some(text))) => Ok(Some((key, text))),
        (Some(key), _) => Err(StoreError::Document(key.clone())),
        (None, _) => Ok(None),
    };
    let level = |index| text(index)?.map(|(key, text)| document::<Level>(key, text)).transpose();
    let (key, organisation) = text(0)?.ok_or_else(|| StoreError::Document("organisation".into()))?;
    let (organisation, folder, tag_group, batch) = (document(key, organisation)?, level(1)?, level(2)?, level(3)?);
    let layout = tag_group.as_ref().and_then(|group| group.layout.as_ref()).map(Layout::sdm).transpose();
    let layout = layout.map_err(|_| StoreError::Document(keys.get(2).cloned().unwrap_or_default()))?;
    Ok(Arc::new(Above { organisation, folder, tag_group, batch, layout }))
}

/// Returns the document with one key.
pub(crate) async fn one(store: &Store, key: String) -> Result<Option<String>, StoreError> {
    Ok(store.read(&[key], None).await?.documents.pop().flatten())
}

/// Parses a document.
pub(crate) fn document<T: serde::de::DeserializeOwned>(key: &str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Document(key.into()))
}
