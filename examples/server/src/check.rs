//! Lists the tags that cannot be verified, the tag groups without rules, and documents that this program cannot read.

mod documents;
mod old_secrets;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use suntap::platform::TagRecord as _;
use suntap::platform::rules::Rules;

use crate::import::check::{no_rules, unfit, unfit_reason};
use crate::registry::document::{ApiKey, Entry, Manager, key};
use crate::registry::index::{self, Indexed};
use crate::registry::row::{Above, NO_SECOND_TAP, OpenTag, Row};
use crate::registry::{above, document, one};
use crate::secrets::Secrets;
use crate::secrets::canary::Missing;
use crate::store::{Store, StoreError};

pub use self::old_secrets::check_old_secrets;

/// A problem of a tag or a tag group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The key of its document.
    pub key: String,
    /// What is wrong.
    pub reason: String,
}

/// Checks every tag of a store. An import that runs at the same time may be seen in part.
///
/// # Errors
/// Returns an error if the store fails, or if an import adds tags to new batches at the same time.
pub async fn check(store: &Store, secrets: &Secrets) -> Result<BTreeSet<Finding>, StoreError> {
    let mut scan = Scan {
        secrets,
        missing: Missing::from(store, secrets).await?,
        documents: HashMap::new(),
        above: HashMap::new(),
        claims: HashSet::new(),
        shapes: HashMap::new(),
        invalid: HashSet::new(),
        absent: BTreeSet::new(),
        findings: BTreeSet::new(),
    };
    let parse = |key: &str, text: &str| {
        scan.parse(key, text);
        Ok::<_, StoreError>(())
    };
    store.list("", parse).await?;
    for prefix in ["organisation/", "level/"] {
        let keep = |key: &str, text: &str| {
            scan.documents.insert(key.into(), text.into());
            Ok::<_, StoreError>(())
        };
        store.list(prefix, keep).await?;
    }
    store.list("claimed/", |key, text| scan.claims(key, text)).await?;
    store.list("shape/", |key, text| scan.shape(key, text)).await?;
    for prefix in ["xuid/", "number/"] {
        store.list(prefix, |key, text| scan.tag(key, text)).await?;
    }
    for prefix in ["key/", "manager/"] {
        store.list(prefix, |key, text| scan.api_key(key, text)).await?;
    }
    for key in std::mem::take(&mut scan.absent) {
        if one(store, key.clone()).await?.is_some() {
            // It was added after the levels were listed.
            return Err(StoreError::Contended);
        }
        scan.add(&key, "the document is missing, and tags are in it: import a line of it again".into());
    }
    Ok(scan.findings)
}

struct Scan<'s> {
    secrets: &'s Secrets,
    /// The secrets that the store was used with and that are no longer listed.
    missing: Missing,
    /// The documents of organisations and levels.
    documents: HashMap<String, String>,
    /// The same documents, parsed, by the key of the innermost level.
    above: HashMap<String, Arc<Above>>,
    /// The keys of documents of UIDs, each with a tag in it.
    claims: HashSet<(String, String)>,
    /// The layouts of each shape, with the keys that the secrets have.
    shapes: HashMap<String, Vec<Indexed>>,
    /// The keys of documents that cannot be read.
    invalid: HashSet<String>,
    /// The keys of organisations and levels of tags that were not listed.
    absent: BTreeSet<String>,
    /// A set, because a store may list a document twice.
    findings: BTreeSet<Finding>,
}

impl Scan<'_> {
    fn parse(&mut self, key: &str, text: &str) {
        if !documents::is_valid(key, text) {
            self.invalid.insert(key.into());
            self.add(key, "the document is invalid: suntap-server cannot read it".into());
        }
    }

    fn claims(&mut self, key: &str, text: &str) -> Result<(), StoreError> {
        if self.invalid.contains(key) {
            return Ok(());
        }
        let tags: Vec<String> = document(key, text)?;
        self.claims.extend(tags.into_iter().map(|tag| (key.to_owned(), tag)));
        Ok(())
    }

    fn shape(&mut self, key: &str, text: &str) -> Result<(), StoreError> {
        if self.invalid.contains(key) {
            return Ok(());
        }
        let mut layouts: Vec<Indexed> = document(key, text)?;
        for keys in layouts.iter_mut().filter_map(|layout| layout.meta_keys.as_mut()) {
            *keys = index::renewed(keys, self.secrets);
        }
        self.shapes.insert(key.into(), layouts);
        Ok(())
    }

    /// Returns `true` if the index leads to a tag, or if it does not have to.
    fn is_found(&self, key: &str, row: &Row) -> bool {
        let Some(((layout, _), uid)) = row.layout().zip(row.claimed_uid()) else { return true };
        let layouts = self.shapes.get(&index::shape_of(layout));
        let layout = index::without_host(layout);
        let indexed = layouts.and_then(|layouts| layouts.iter().find(|indexed| indexed.layout == layout));
        let has_key = indexed
            .and_then(|indexed| indexed.meta_keys.as_ref())
            .is_some_and(|keys| row.meta_key().is_none_or(|key| keys.contains(&key)));
        has_key && self.claims.contains(&(key::claimed(uid), key.to_owned()))
    }

    fn tag(&mut self, key: &str, text: &str) -> Result<(), StoreError> {
        if self.invalid.contains(key) {
            return Ok(());
        }
        let Entry::Tag(tag) = document(key, text)? else { return Err(StoreError::Document(key.into())) };
        let keys = tag.above();
        if keys.iter().any(|key| self.invalid.contains(key)) {
            return Ok(());
        }
        let Some(above) = self.above(&keys)? else { return Ok(()) };
        let open = OpenTag::new(*tag, self.secrets).map_err(|_| StoreError::Document(key.into()))?;
        let row = Row::new(Arc::new(open), above, None, self.secrets);
        if let Err(unfit) = unfit(&row) {
            self.add(key, unfit_reason(&row, unfit));
        }
        if !self.is_found(key, &row) {
            self.add(key, "the page does not find the tag: import a line of it again".into());
        }
        if self.missing.server && row.is_derived_from_code() {
            self.add(key, "its keys may need a server secret that is no longer listed".into());
        }
        if row.needs_other_secret() {
            self.add(key, "no server secret opens its keys".into());
        }
        let record = row.record();
        if record.names.xuid.is_some() && record.chip.is_none() && row.has_keys() {
            self.add(key, "the tag has keys and no layout".into());
        }
        if let Some(reason) = no_rules(&row) {
            self.add(key, reason);
        }
        if let Some(reason) = row.no_redirect() {
            self.add(key, reason.into());
        }
        if let Some(group) = keys.get(2).filter(|_| row.needs_two_taps() && row.token_keys().is_empty()) {
            self.add(group, NO_SECOND_TAP.into());
        }
        // A tag may have rules of its own. The next tag of the group may not.
        let group_rules = Rules { tag_code: None, ..record.rules };
        let is_group_empty = record.names.xuid.is_some()
            && group_rules.default_response().is_empty()
            && group_rules.tag_group.groups.iter().all(Option::is_none);
        if let Some(group) = keys.get(2).filter(|_| is_group_empty) {
            self.add(group, "the tag group has no rules".into());
        }
        Ok(())
    }

    fn api_key(&mut self, key: &str, text: &str) -> Result<(), StoreError> {
        if self.invalid.contains(key) {
            return Ok(());
        }
        let secret = if key.starts_with("manager/") {
            document::<Manager>(key, text)?.secret
        } else {
            document::<ApiKey>(key, text)?.secret
        };
        match secret {
            None if self.missing.api_keys => {
                self.add(key, "it may need an `apiKeys` secret that is no longer listed".into());
            }
            Some(id) if !self.secrets.has_api_key_id(Some(&id)) => {
                self.add(key, "it needs an `apiKeys` secret that is no longer listed".into());
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns what is above a tag, or `None` if a document of it was not listed.
    fn above(&mut self, keys: &[String]) -> Result<Option<Arc<Above>>, StoreError> {
        let innermost = keys.last().map(String::as_str).unwrap_or_default();
        if let Some(above) = self.above.get(innermost) {
            return Ok(Some(Arc::clone(above)));
        }
        let texts: Vec<_> = keys.iter().map(|key| self.documents.get(key).cloned()).collect();
        let absent = keys.iter().zip(&texts).filter(|(_, text)| text.is_none()).map(|(key, _)| key.clone());
        self.absent.extend(absent);
        if texts.iter().any(Option::is_none) {
            return Ok(None);
        }
        let above = above(keys, &texts)?;
        self.above.insert(innermost.into(), Arc::clone(&above));
        Ok(Some(above))
    }

    fn add(&mut self, key: &str, reason: String) {
        self.findings.insert(Finding { key: key.into(), reason });
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.reason)
    }
}
