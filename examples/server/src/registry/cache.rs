//! What many taps read alike: parsed once, and again only when it has changed.

use std::sync::Arc;

use quick_cache::sync::{Cache as Values, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use suntap::{CounterId, Mark};

use super::document;
use super::index::{Indexed, Reader};
use super::row::{Above, OpenTag};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// Maximum number of values in a cache, for example of batches.
const CAPACITY: usize = 4096;
/// About how many bytes the known tags take.
const KNOWN: u64 = 48 * 1024 * 1024;
/// About how many bytes a known tag takes in addition to its documents, and to what is parsed from them, which is about as long.
const TAG: usize = 1024;
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
    parsed: Parsed<T>,
}

/// A value, and the documents that it was parsed from.
#[derive(Debug)]
pub(crate) struct Parsed<T: ?Sized> {
    pub(crate) value: Arc<T>,
    pub(crate) documents: Arc<[Option<String>]>,
}

impl<T: ?Sized> Cache<T> {
    /// Returns the value of the documents under these keys with the documents, and the mark. The last key determines the others.
    pub(crate) async fn get(
        &self,
        store: &Store,
        keys: &[String],
        mark: Option<&CounterId>,
        parse: impl FnOnce(&[Option<String>]) -> Result<Arc<T>, StoreError>,
    ) -> Result<(Parsed<T>, Option<Mark>), StoreError> {
        let name = keys.last().map(String::as_str).unwrap_or_default();
        // The stamp is taken before the documents are read, so a change in between only makes them be read again.
        let stamp = store.stamp();
        let kept = self.0.get(name);
        if let Some(kept) = kept.as_ref().filter(|kept| stamp.is_some() && kept.stamp == stamp) {
            let mark = if mark.is_some() { store.read(&[], mark).await?.mark } else { None };
            return Ok((kept.parsed.clone(), mark));
        }
        let found = store.read(keys, mark).await?;
        let parsed = match kept.filter(|kept| *kept.parsed.documents == *found.documents) {
            Some(kept) if stamp.is_none() => return Ok((kept.parsed, found.mark)),
            Some(kept) => kept.parsed,
            None => Parsed { value: parse(&found.documents)?, documents: found.documents.into() },
        };
        self.0.insert(name.into(), Kept { stamp, parsed: parsed.clone() });
        Ok((parsed, found.mark))
    }
}

impl<T: ?Sized> Default for Cache<T> {
    fn default() -> Self {
        Self(Values::new(CAPACITY))
    }
}

impl<T: ?Sized> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Self { stamp: self.stamp, parsed: self.parsed.clone() }
    }
}

impl<T: ?Sized> Clone for Parsed<T> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), documents: Arc::clone(&self.documents) }
    }
}

/// Tags that were tapped, with open keys, by the name that a request gives. The keys are wiped when a tag is dropped.
#[derive(Debug)]
pub(crate) struct KnownTags(Values<String, Arc<KnownTag>, BySize>);

/// A tag, and what must not have changed since it was read.
#[derive(Debug)]
pub(crate) struct KnownTag {
    /// The stamp of the store before the first read.
    pub(crate) stamp: Option<u64>,
    /// The keys of the document under the name, of the tag if that is another one, and of those above it.
    pub(crate) keys: Vec<String>,
    /// The first documents under these keys.
    pub(crate) named: Vec<Option<String>>,
    /// The others.
    pub(crate) above: Arc<[Option<String>]>,
    pub(crate) tag: FoundTag,
    /// About how many bytes it takes.
    weight: u64,
}

impl KnownTag {
    pub(crate) fn new(
        stamp: Option<u64>,
        keys: Vec<String>,
        named: Vec<Option<String>>,
        above: Arc<[Option<String>]>,
        tag: FoundTag,
    ) -> Self {
        let weight = weight(&named, &above);
        Self { stamp, keys, named, above, tag, weight }
    }
}

/// A tag and everything above it.
#[derive(Clone, Debug)]
pub(crate) struct FoundTag {
    /// The key of its document.
    pub(crate) key: String,
    pub(crate) open: Arc<OpenTag>,
    pub(crate) above: Arc<Above>,
}

impl FoundTag {
    /// Returns the id of the counter whose mark a record shows.
    fn counter(&self) -> Option<&CounterId> {
        self.open.tag().keys.as_ref().and_then(|keys| keys.counter.as_ref())
    }
}

fn weight(named: &[Option<String>], above: &Arc<[Option<String>]>) -> u64 {
    let length = |documents: &[Option<String>]| documents.iter().flatten().map(String::len).sum::<usize>();
    // The cache of `Above` and the caller have a reference each. Any further one belongs to a known tag. What is shared still counts in
    // part, because the tag that counted all of it may be removed first.
    let is_shared = Arc::strong_count(above) > 2;
    let part = if is_shared { length(above) / 8 } else { length(above) };
    let documents = length(named).saturating_add(part);
    u64::try_from(documents.saturating_mul(2).saturating_add(TAG)).unwrap_or(u64::MAX)
}

#[derive(Clone, Debug)]
struct BySize;

impl Weighter<String, Arc<KnownTag>> for BySize {
    fn weight(&self, _: &String, known: &Arc<KnownTag>) -> u64 {
        known.weight
    }
}

impl KnownTags {
    /// Returns the tag with a name, and its mark. Returns `None` if it is not known, or has changed. If the store does not know when a
    /// document changes, all documents are read, in one call with the mark.
    pub(crate) async fn get(&self, store: &Store, name: &str) -> Result<Option<(FoundTag, Option<Mark>)>, StoreError> {
        let Some(known) = self.0.get(name) else { return Ok(None) };
        let counter = known.tag.counter();
        let unchanged = match store.stamp() {
            Some(stamp) if Some(stamp) != known.stamp => None,
            Some(_) if counter.is_none() => Some(None),
            Some(_) => Some(store.read(&[], counter).await?.mark),
            None => {
                let found = store.read(&known.keys, counter).await?;
                let is_same = found.documents.iter().eq(known.named.iter().chain(&*known.above));
                is_same.then_some(found.mark)
            }
        };
        if unchanged.is_none() {
            self.0.remove(name);
        }
        Ok(unchanged.map(|mark| (known.tag.clone(), mark)))
    }

    pub(crate) fn insert(&self, name: String, known: KnownTag) {
        self.0.insert(name, Arc::new(known));
    }
}

impl Default for KnownTags {
    fn default() -> Self {
        Self(Values::with_weighter(32_768, KNOWN, BySize))
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

    /// Otherwise few tags of a batch with long texts would fit.
    #[test]
    fn what_is_above_counts_once_and_then_in_part() {
        let cached: Arc<[Option<String>]> = vec![Some("x".repeat(5_000))].into();
        let first = Arc::clone(&cached);
        let named = [Some("12345".into()), None];
        assert_eq!(weight(&named, &first), 2 * 5_005 + 1024);
        let second = Arc::clone(&cached);
        assert_eq!(weight(&named, &second), 2 * (5 + 625) + 1024);
    }

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
