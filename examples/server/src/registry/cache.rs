//! What many taps read alike: parsed once, and again only when it has changed.

use std::sync::Arc;

use quick_cache::sync::{Cache as Values, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use suntap::{CounterId, Mark};

use super::document;
use super::index::{Indexed, Reader};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// Maximum number of values in a cache, for example of batches.
const CAPACITY: usize = 4096;
/// Maximum number of layouts and prepared meta-read keys in a cache. They take some 16 MiB.
const READERS: u64 = 32_768;

/// Values that are parsed from documents.
///
/// Some stores do not know when a document changes. Then the documents are read each time, and only parsing is saved.
#[derive(Debug)]
pub(crate) struct Cache<T: ?Sized>(Values<String, Kept<T>>);

#[derive(Debug)]
struct Kept<T: ?Sized> {
    stamp: Option<u64>,
    documents: Arc<[Option<String>]>,
    value: Arc<T>,
}

impl<T: ?Sized> Cache<T> {
    /// Returns the value of the documents under these keys, and the mark. The last key determines the others.
    pub(crate) async fn get(
        &self,
        store: &Store,
        keys: &[String],
        mark: Option<&CounterId>,
        parse: impl FnOnce(&[Option<String>]) -> Result<Arc<T>, StoreError>,
    ) -> Result<(Arc<T>, Option<Mark>), StoreError> {
        let name = keys.last().map(String::as_str).unwrap_or_default();
        // The stamp is taken before the documents are read, so a change in between only makes them be read again.
        let stamp = store.stamp();
        let kept = self.0.get(name);
        if let Some(kept) = kept.as_ref().filter(|kept| stamp.is_some() && kept.stamp == stamp) {
            let mark = if mark.is_some() { store.read(&[], mark).await?.mark } else { None };
            return Ok((Arc::clone(&kept.value), mark));
        }
        let found = store.read(keys, mark).await?;
        let value = match kept.filter(|kept| *kept.documents == *found.documents) {
            Some(kept) if stamp.is_none() => return Ok((kept.value, found.mark)),
            Some(kept) => kept.value,
            None => parse(&found.documents)?,
        };
        let kept = Kept { stamp, documents: found.documents.into(), value: Arc::clone(&value) };
        self.0.insert(name.into(), kept);
        Ok((value, found.mark))
    }
}

impl<T: ?Sized> Default for Cache<T> {
    fn default() -> Self {
        Self(Values::new(CAPACITY))
    }
}

impl<T: ?Sized> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { stamp: self.stamp, documents: Arc::clone(&self.documents), value: Arc::clone(&self.value) }
    }
}

/// The layouts of a shape, with their keys prepared, and the document from which they were made.
#[derive(Clone, Debug)]
struct Shape {
    text: Arc<str>,
    readers: Arc<[Reader]>,
}

/// Layouts by the key of their shape.
#[derive(Debug)]
pub(crate) struct Readers(Values<String, Shape, ByKeys>);

#[derive(Clone, Debug)]
struct ByKeys;

impl Weighter<String, Shape> for ByKeys {
    fn weight(&self, _: &String, shape: &Shape) -> u64 {
        let weights = shape.readers.iter().map(|reader| reader.weight().saturating_add(1));
        u64::try_from(weights.sum::<usize>()).unwrap_or(u64::MAX)
    }
}

impl Readers {
    /// Returns the layouts of a document.
    pub(crate) fn get(&self, key: &str, text: String, secrets: &Secrets) -> Result<Arc<[Reader]>, StoreError> {
        if let Some(shape) = self.0.get(key).filter(|shape| *shape.text == *text) {
            return Ok(shape.readers);
        }
        let layouts: Vec<Indexed> = document(key, &text)?;
        let readers: Result<_, _> = layouts.iter().map(|layout| Reader::new(layout, secrets)).collect();
        let readers: Arc<[Reader]> = readers.map_err(|_| StoreError::Document(key.into()))?;
        self.0.insert(key.into(), Shape { text: text.into(), readers: Arc::clone(&readers) });
        Ok(readers)
    }
}

impl Default for Readers {
    fn default() -> Self {
        // The cache has a single part, because a part does not keep a value that is larger than itself.
        let options = OptionsBuilder::new().shards(1).estimated_items_capacity(1024).weight_capacity(READERS).build();
        options.map_or_else(
            |_| Self(Values::with_weighter(1024, READERS, ByKeys)),
            |options| {
                Self(Values::with_options(options, ByKeys, DefaultHashBuilder::default(), DefaultLifecycle::default()))
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large shape must not be prepared again for each request.
    #[test]
    fn the_largest_shape_is_kept() {
        let secrets = Secrets::random().unwrap();
        let readers = Readers::default();
        let key = |number: u32| crate::registry::index::MetaKeyRef::sealed(&key_of(number), &secrets).unwrap();
        let layout = serde_json::json!({ "template": "/t?e={picc}&c={mac}" });
        let keys: Vec<_> = (0..10_000).map(key).collect();
        let text = serde_json::json!([{ "layout": layout, "metaKeys": keys }]).to_string();
        let first = readers.get("shape/t&e&c", text.clone(), &secrets).unwrap();
        assert!(Arc::ptr_eq(&first, &readers.get("shape/t&e&c", text, &secrets).unwrap()));
    }

    fn key_of(number: u32) -> suntap::SdmMetaReadKey {
        let mut key = [7; 16];
        key.iter_mut().zip(number.to_be_bytes()).for_each(|(key, byte)| *key = byte);
        suntap::SdmMetaReadKey::from_bytes(key)
    }
}
