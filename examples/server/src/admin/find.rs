//! Finds tags by any of their names.

use suntap::Uid;

use super::{Admin, AdminError};
use crate::registry::document::{Entry, Organisation, StoredKeys, Tag, key};
use crate::registry::{document, is_key};
use crate::store::StoreError;

/// The greatest number of organisations in whose accounts a CUID or a UID is looked for.
const ORGANISATIONS: usize = 1000;
/// The greatest number of pages that are read to find these organisations. Over Redis, a page can be empty.
const PAGES: usize = 20;
/// The greatest number of tags that are returned.
const TAGS: usize = 100;

/// The tags with a name.
#[derive(Debug)]
pub(crate) struct Found {
    /// The keys of their documents, and the tags.
    pub(crate) tags: Vec<(String, Box<Tag<StoredKeys>>)>,
    /// `true` if there may be more of them.
    pub(crate) is_cut: bool,
}

impl Admin<'_> {
    /// Returns the tags with a name: an XUID, a number, a CUID, a UID, or one of the keys `xuid/XUID`, `number/NUMBER`,
    /// `cuid/ACCOUNT/CUID` and `uid/ACCOUNT/UID`. Looks only in a limited number of organisations.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub(crate) async fn find(&self, name: &str) -> Result<Found, AdminError> {
        let mut is_cut = false;
        let uid = Uid::from_hex(name).ok();
        let names = if let Some("xuid" | "number" | "cuid" | "uid") = name.split_once('/').map(|(kind, _)| kind) {
            vec![name.to_owned()]
        } else {
            let (accounts, has_more) = self.accounts().await?;
            is_cut = has_more;
            let mut names = vec![key::xuid(name)];
            names.extend(name.parse().ok().map(key::number));
            names.extend(accounts.iter().map(|account| key::cuid(account, name)));
            names.extend(uid.iter().flat_map(|uid| accounts.iter().map(|account| key::uid(account, *uid))));
            names
        };
        let mut keys = Vec::new();
        for (name, text) in self.existing_of(names).await? {
            keys.push(match document(&name, &text)? {
                Entry::Tag(_) => name,
                Entry::See(key) => key,
            });
        }
        let claimed = uid.into_iter().map(key::claimed).collect();
        for (name, text) in self.existing_of(claimed).await? {
            keys.extend(document::<Vec<String>>(&name, &text)?);
        }
        keys.sort_unstable();
        keys.dedup();
        is_cut |= keys.len() > TAGS;
        keys.truncate(TAGS);
        let mut tags = Vec::new();
        for (key, text) in self.existing_of(keys).await? {
            match document(&key, &text)? {
                Entry::Tag(tag) => tags.push((key, tag)),
                Entry::See(_) => return Err(StoreError::Document(key).into()),
            }
        }
        Ok(Found { tags, is_cut })
    }

    /// Returns the accounts of the organisations, and `true` if there may be more of them.
    async fn accounts(&self) -> Result<(Vec<String>, bool), AdminError> {
        let (mut accounts, mut read, mut cursor) = (Vec::new(), 0_usize, None);
        for _ in 0..PAGES {
            let page = self.organisations(cursor.as_deref(), ORGANISATIONS.saturating_sub(read)).await?;
            read = read.saturating_add(page.items.len());
            accounts.extend(page.items.into_iter().filter_map(|(_, Organisation { account, .. })| account));
            cursor = page.next;
            if cursor.is_none() || read >= ORGANISATIONS {
                break;
            }
        }
        Ok((accounts, cursor.is_some()))
    }

    /// Returns those of the documents that exist.
    async fn existing_of(&self, mut keys: Vec<String>) -> Result<Vec<(String, String)>, StoreError> {
        keys.retain(|key| is_key(key));
        let texts = if keys.is_empty() { Vec::new() } else { self.store.read(&keys, None).await?.documents };
        Ok(keys.into_iter().zip(texts).filter_map(|(key, text)| Some((key, text?))).collect())
    }
}
