//! The index that finds the layout of a URL, and the tags that may have written it.
//!
//! An HTTP server sees only the path and the query of a URL. Layouts are therefore stored by the *shape* of these: the
//! segments of the path and the names of the parameters. A request reads only the layouts of its own shape, however many
//! others there are. The host is not in the shape, because a proxy may change it.
//!
//! A URL that names its tag, with `{:xuid}` or `{:tagId}`, needs nothing more. For other layouts, the index also has the
//! meta-read keys of their tags, and the tags by their UID.

use serde::{Deserialize, Serialize};
use suntap::kdf::boltcard;
use suntap::kdf::ecode::SealedKeys;
use suntap::kdf::sdm_backend::Master;
use suntap::{Field, LayoutError, PreparedMetaReadKey, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, identify};

use super::document::{Derivation, KeySource, Layout, StoredKeys, Tag, key, sealed_text};
use super::row::{WITHOUT_CODE, context_of};
use crate::secrets::{Rewrapped, Secrets};

/// Maximum number of layouts, and of different meta-read keys, that import accepts for one shape, unless it is told
/// otherwise. Each request of this shape tries all of them.
pub const MAX_META_KEYS: usize = 1024;
/// Maximum number of tags with the same UID.
pub const MAX_SAME_UID: usize = 8;
/// Maximum number of UIDs that one request looks up if its shape has at most [`MAX_META_KEYS`] keys.
///
/// A wrong key opens PICCData in 3 of 256 cases, so 1,024 keys yield 12 wrong UIDs on average. It is practically impossible that
/// they are more than 31.
const MAX_UIDS: usize = 32;
/// One more UID is looked up for each group of so many further keys. This is more than twice the average.
const KEYS_PER_UID: usize = 32;
/// Maximum number of path segments of which each may be replaced by an element. For longer paths, only the number of segments
/// is compared.
const MAX_SEGMENTS: usize = 4;
/// Stands for a path segment that differs between tags or taps.
const ANY: &str = "*";

/// A layout without scheme and host, and the keys that search for its tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Indexed {
    pub(crate) layout: Layout,
    /// The different meta-read keys of the tags that the URL does not name. `None` if the URL names each tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) meta_keys: Option<Vec<MetaKeyRef>>,
}

/// A meta-read key, as the index stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum MetaKeyRef {
    /// The key is sealed under the server secret.
    Sealed(#[serde(with = "sealed_text")] SealedKeys),
    /// The key has this name in the secrets.
    MetaKey(String),
    /// The key of all Bolt Cards under the issuer key with this name.
    Boltcard(String),
    /// The key of all tags under the sdm-backend master key with this name.
    SdmBackend(String),
}

impl MetaKeyRef {
    /// Seals a key. The same key always gives the same text.
    pub(crate) fn sealed(key: &SdmMetaReadKey, secrets: &Secrets) -> Option<Self> {
        let secret = secrets.server.first()?;
        let context = context_of("meta keys", None);
        Some(Self::Sealed(SealedKeys::seal(secret, &WITHOUT_CODE, &context, key, &SdmFileReadKey::FACTORY)))
    }

    /// Seals a key under the current secret without opening it.
    pub(crate) fn rewrapped(sealed: &SealedKeys, secrets: &Secrets) -> Rewrapped {
        secrets.rewrap(sealed, &context_of("meta keys", None))
    }

    /// Returns the same key, sealed under the current secret. Returns `None` if the secrets do not have it.
    fn renewed(&self, secrets: &Secrets) -> Option<Self> {
        let key = self.key(secrets)?;
        if matches!(self, Self::Sealed(_)) { Self::sealed(&key, secrets) } else { Some(self.clone()) }
    }

    /// Returns the key, or `None` if the secrets do not have it.
    fn key(&self, secrets: &Secrets) -> Option<SdmMetaReadKey> {
        match self {
            Self::Sealed(sealed) => {
                let (key, _) = secrets.unseal(sealed, &WITHOUT_CODE, &context_of("meta keys", None))?;
                Some(key)
            }
            Self::MetaKey(name) => secrets.plain_meta_key(name).cloned(),
            Self::Boltcard(name) => secrets.issuer_key(name).map(boltcard::meta_read_key),
            Self::SdmBackend(name) => secrets.sdm_backend(name).map(Master::meta_read_key),
        }
    }
}

/// Returns the keys that the secrets have, each once and sealed under the current secret.
pub(crate) fn renewed(keys: &[MetaKeyRef], secrets: &Secrets) -> Vec<MetaKeyRef> {
    let mut renewed = Vec::with_capacity(keys.len());
    for key in keys.iter().filter_map(|key| key.renewed(secrets)) {
        if !renewed.contains(&key) {
            renewed.push(key);
        }
    }
    renewed
}

/// An [`Indexed`] layout, ready for use.
#[derive(Debug)]
pub(crate) struct Reader {
    layout: SdmLayout,
    meta_keys: Option<Vec<PreparedMetaReadKey>>,
}

impl Reader {
    pub(crate) fn new(indexed: &Indexed, secrets: &Secrets) -> Result<Self, LayoutError> {
        let layout = with_any_host(&indexed.layout)?;
        let prepare = |keys: &Vec<MetaKeyRef>| {
            keys.iter().filter_map(|key| Some(key.key(secrets)?.prepare(layout.scheme()))).collect()
        };
        let meta_keys = indexed.meta_keys.as_ref().map(prepare);
        Ok(Self { layout, meta_keys })
    }

    /// Returns the number of keys that a request tries.
    pub(crate) fn weight(&self) -> usize {
        self.meta_keys.as_ref().map_or(0, Vec::len)
    }

    /// Adds the tags that may have written the path and query `target`. Returns `false` if no tag of this layout wrote it.
    pub(crate) fn read(&self, target: &str, suspects: &mut Suspects) -> bool {
        let Ok(tap) = self.layout.parse_origin_form(target) else { return false };
        let number = || tap.captured("tagId").and_then(|text| text.parse().ok()).map(key::number);
        suspects.add_key(tap.captured("xuid").map(key::xuid).or_else(number));
        let Some(keys) = &self.meta_keys else { return true };
        if self.layout.has(Field::PiccData) {
            let claims = identify::candidates(&tap, keys);
            claims.filter_map(|(_, claimed)| claimed.uid()).for_each(|uid| suspects.add_uid(uid));
        } else if let Some(uid) = tap.read_plain().ok().and_then(|claimed| claimed.uid()) {
            suspects.add_uid(uid);
        }
        true
    }
}

/// The tags that may have written a URL.
#[derive(Debug)]
pub(crate) struct Suspects {
    max_uids: usize,
    /// The keys of the tags that the URL names.
    pub(crate) named: Vec<String>,
    /// The UIDs that the URL claims.
    pub(crate) uids: Vec<Uid>,
}

impl Suspects {
    /// Prepares a search with so many meta-read keys.
    pub(crate) fn new(keys: usize) -> Self {
        let max_uids = MAX_UIDS.saturating_add(keys.saturating_sub(MAX_META_KEYS) / KEYS_PER_UID);
        Self { max_uids, named: Vec::new(), uids: Vec::new() }
    }

    fn add_key(&mut self, key: Option<String>) {
        self.named.extend(key.filter(|key| !self.named.contains(key)));
    }

    fn add_uid(&mut self, uid: Uid) {
        if self.uids.len() < self.max_uids && !self.uids.contains(&uid) {
            self.uids.push(uid);
        }
    }
}

/// Returns the path and query of a template, as an HTTP server receives them.
fn origin_form(template: &str) -> String {
    let scheme = template.find("://").map_or(0, |at| at.saturating_add(3));
    let rest = template.get(scheme..).unwrap_or_default();
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let window = if host.contains("[[") || template.starts_with("[[") { "[[" } else { "" };
    format!("{window}{rest}")
}

/// Returns the key of the shape of a template, from its path and query.
fn shape(template: &str) -> String {
    let template = template.replace("[[", "");
    let (path, names) = parts(&template);
    let segments: Vec<_> = path.split('/').map(|segment| if segment.contains('{') { ANY } else { segment }).collect();
    if segments.len() > MAX_SEGMENTS { long(&segments, &names) } else { joined(&segments, &names) }
}

/// Returns the keys of all shapes whose layouts may read the path and query of a request.
pub(crate) fn shapes(target: &str) -> Vec<String> {
    let (path, names) = parts(target);
    let segments: Vec<_> = path.split('/').collect();
    if segments.len() > MAX_SEGMENTS {
        return vec![long(&segments, &names)];
    }
    let mut all = vec![Vec::new()];
    for segment in segments {
        all = all.into_iter().flat_map(|start| [segment, ANY].map(|end| [&start[..], &[end]].concat())).collect();
    }
    let mut shapes: Vec<_> = all.iter().map(|segments| joined(segments, &names)).collect();
    shapes.sort_unstable();
    shapes.dedup();
    shapes
}

fn joined(segments: &[&str], names: &str) -> String {
    key::shape(&format!("{}{names}", segments.join("/")))
}

fn long(segments: &[&str], names: &str) -> String {
    key::shape(&format!("{ANY}{}{names}", segments.len()))
}

/// Returns the path without its first slash, and the names of the parameters.
fn parts(origin_form: &str) -> (&str, String) {
    let (path, query) = origin_form.split_once('?').map_or((origin_form, None), |(path, query)| (path, Some(query)));
    let mut names = String::new();
    for pair in query.iter().flat_map(|query| query.split('&')) {
        names.push('&');
        names.extend(pair.split_once('=').map(|(name, _)| name));
    }
    (path.strip_prefix('/').unwrap_or(path), names)
}

/// Returns the key of the shape of a layout.
pub(crate) fn shape_of(layout: &Layout) -> String {
    shape(&origin_form(&layout.template))
}

/// Returns the layout without scheme and host.
pub(crate) fn without_host(layout: &Layout) -> Layout {
    Layout { mode: layout.mode, template: origin_form(&layout.template) }
}

/// Returns `true` if the path or the query of a tag's URL names the tag: by its XUID if it has one, by its number otherwise.
pub(crate) fn names_tag(layout: &Layout, has_xuid: bool) -> bool {
    origin_form(&layout.template).contains(if has_xuid { "{:xuid}" } else { "{:tagId}" })
}

/// Returns the reason why the page cannot find the tag of this layout, if it cannot.
pub(crate) fn unfindable(tag: &Tag<StoredKeys>, layout: &Layout, sdm: &SdmLayout) -> Option<&'static str> {
    let origin = origin_form(&layout.template);
    let head = layout.template.get(..layout.template.len().saturating_sub(origin.len())).unwrap_or_default();
    let path = parts(&origin).0.to_owned();
    let is_reserved = path == "v1" || path.starts_with("v1/") || matches!(&*path, "healthz" | "readyz" | "metrics");
    if origin.contains('#') {
        return Some("a server does not receive the text after #");
    }
    if head.contains('{') {
        return Some("an element is before the path");
    }
    let is_dots = |segment: &str| matches!(&*segment.to_ascii_lowercase().replace("%2e", "."), "." | "..");
    if path.split('/').any(is_dots) {
        return Some("clients remove . and .. from a path");
    }
    if is_reserved {
        return Some("the server uses this path itself");
    }
    if parts(&origin).1.contains('{') {
        return Some("an element is in the name of a parameter");
    }
    if names_tag(layout, tag.xuid.is_some()) {
        return None;
    }
    if tag.keys.is_some() && claimed_uid(tag, layout).is_none() {
        return Some("the URL does not name the tag, and its keys need an eCode, or the tag has no UID");
    }
    let has_uid = sdm.has(Field::PiccData) || sdm.has(Field::Uid);
    (!has_uid).then_some("the URL contains neither {:xuid}, {:tagId} nor a UID")
}

/// Returns a layout without scheme and host as the library has it.
pub(crate) fn with_any_host(Layout { mode, template }: &Layout) -> Result<SdmLayout, LayoutError> {
    Layout { mode: *mode, template: format!("https://h{template}") }.sdm()
}

/// Returns the UID by which the page must find a tag, because its URL does not name it. Returns `None` if the URL names the tag,
/// or if the keys of the tag are not known without an eCode.
pub(crate) fn claimed_uid(tag: &Tag<StoredKeys>, layout: &Layout) -> Option<Uid> {
    let is_open =
        !matches!(tag.keys.as_ref()?.source, KeySource::Sealed { .. } | KeySource::Derived(Derivation::ECode { .. }));
    tag.uid.filter(|_| is_open && !names_tag(layout, tag.xuid.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_template_is_among_those_of_its_taps() {
        for (template, target) in [
            ("https://a.example/ntag424?e={picc}&c={mac}", "/ntag424?e=EF96&c=94EE"),
            ("https://a.example?picc_data={picc}&cmac={mac}", "/?picc_data=EF96&cmac=94EE"),
            ("lnurlw://card.example?p={picc}&c={mac}", "/?p=00&c=11"),
            ("https://a.example/{:xuid}/t/{uid}x{ctr}/{mac}", "/abc/t/04x00/94"),
            ("https://a.example/a/b/c/d/e/{:xuid}?u=[[{uid}{ctr}&m={mac}", "/a/b/c/d/e/q?u=1&m=2"),
            ("https://a.example/t?{uid}x{ctr}x{mac}", "/t?04x01x94"),
        ] {
            assert!(shapes(target).contains(&shape(&origin_form(template))), "{template}");
        }
        let other = ["/ntag425?e=EF96&c=94EE", "/ntag424?e=EF96&d=94EE", "/ntag424/?e=EF96&c=94EE", "/ntag424?e=EF96"];
        let shape = shape(&origin_form("https://a.example/ntag424?e={picc}&c={mac}"));
        assert!(other.iter().all(|target| !shapes(target).contains(&shape)));
        // The limit of wrong UIDs grows faster than their average, 3 of 256 keys.
        for keys in [0, 1024, 2048, 10_000] {
            assert!(Suspects::new(keys).max_uids >= 20 + keys * 3 / 256, "{keys}");
        }
        assert!(shapes(&"/a".repeat(1000)).len() == 1 && shapes("/a/b/c/d").len() == 16);
    }
}
