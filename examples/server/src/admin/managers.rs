//! Management keys, which authorise administration.

use suntap::UnixMillis;

use super::keys::{check_end, document_key, json};
use super::listing::first;
use super::{Act, Admin, AdminError, Listed};
use crate::import::check::check_text;
use crate::keys::{Created, manager_names, new_text, no_secret};
use crate::registry::document::{Manager, Role, key};
use crate::registry::{document, one};
use crate::secrets::{Secrets, canary};
use crate::store::{Change, Store, StoreError};
use crate::time;

/// A management key that is to be created.
#[derive(Clone, Debug)]
pub struct NewManager {
    /// A name for the operator, which the history shows. No other management key has it.
    pub label: String,
    /// What the key authorises.
    pub role: Role,
    /// The organisation of a key for the vendor's call.
    pub organisation: Option<u64>,
    /// When it ends.
    pub expires: Option<UnixMillis>,
}

/// Returns the management key with a text. Returns `None` if it is unknown or has expired: a caller must not distinguish these.
///
/// # Errors
/// Returns an error if the store fails.
pub(crate) async fn authenticate(store: &Store, secrets: &Secrets, text: &[u8]) -> Result<Option<Manager>, StoreError> {
    for name in manager_names(secrets, text) {
        let key = key::manager(&name);
        if let Some(text) = one(store, key.clone()).await? {
            return Ok(Some(document::<Manager>(&key, &text)?).filter(|manager| !manager.has_expired()));
        }
    }
    Ok(None)
}

/// Returns `true` if the store has a management key.
///
/// # Errors
/// Returns an error if the store fails.
pub(crate) async fn has_manager(store: &Store) -> Result<bool, StoreError> {
    Ok(first(store, "manager/", |_, _| Ok(true)).await?.is_some())
}

impl Admin<'_> {
    /// Returns a page of management keys. Their texts are not known.
    ///
    /// # Errors
    /// Returns an error if the cursor is invalid or the store fails.
    pub async fn managers(&self, cursor: Option<&str>, limit: usize) -> Result<Listed<Manager>, AdminError> {
        self.listed(&["manager/".into()], cursor, limit).await
    }

    /// Creates a management key.
    ///
    /// # Errors
    /// Returns an error if the label is invalid or another key has it, if the organisation does not fit the role, if the key would have
    /// ended already, or if the store fails.
    pub async fn new_manager(&self, new: &NewManager) -> Result<Created, AdminError> {
        check_text("a label", &new.label, 1).map_err(AdminError::Invalid)?;
        if (new.role == Role::Patch) != new.organisation.is_some() {
            return Err(AdminError::Invalid("the role `patch`, and no other, needs an organisation".into()));
        }
        check_end(new.expires)?;
        let has_label = |key: &str, text: &str| Ok(document::<Manager>(key, text)?.label == new.label);
        if first(self.store, "manager/", has_label).await?.is_some() {
            let message =
                format!("another management key has the label {:?}: the history could not distinguish them", new.label);
            return Err(AdminError::refused("label_in_use", message));
        }
        let mut attempts = 0;
        loop {
            let text = new_text("management")?;
            let name = manager_names(self.secrets, text.as_bytes()).next().ok_or_else(no_secret)?;
            let key = key::manager(&name);
            let mut change = canary::current(self.store, self.secrets).await?;
            if let Some(id) = new.organisation {
                change.seen.push(self.existing(&key::organisation(id)).await?);
            }
            let NewManager { label, role, organisation, expires } = new.clone();
            let secret = self.secrets.api_key_id().map(String::from);
            let manager = Manager { label, role, organisation, expires, created: time::now(), secret };
            change.writes.push((key.clone(), Some(json(&key, &manager)?)));
            if self.write(Act::new("manager.new", &key).with(&new.label), change, &mut attempts).await? {
                return Ok(Created { text, key });
            }
        }
    }

    /// Removes a management key. If `keep_last` is `true`, refuses to remove the last one that can write.
    ///
    /// # Errors
    /// Returns an error if there is no such key, if it must stay, or if the store fails.
    pub async fn revoke_manager(&self, id: &str, keep_last: bool) -> Result<(), AdminError> {
        let key = document_key("manager", id)?;
        let mut attempts = 0;
        loop {
            let mut seen = vec![self.existing(&key).await?];
            let role =
                document::<Manager>(&key, seen.first().and_then(|(_, text)| text.as_deref()).unwrap_or_default())?.role;
            if keep_last && role == Role::ReadWrite {
                let other = self.other_writer(&key).await?.ok_or_else(|| {
                    AdminError::refused(
                        "last_manager",
                        "this is the last management key that can write and does not expire: create another one first",
                    )
                })?;
                // If another process removes that one at the same time, one of both fails.
                seen.push(other);
            }
            let change = Change { seen, writes: vec![(key.clone(), None)], ..Change::default() };
            if self.write(Act::new("manager.revoke", &key), change, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Returns a management key that can write, does not expire, and is not the one under `key`.
    async fn other_writer(&self, key: &str) -> Result<Option<(String, Option<String>)>, StoreError> {
        let found = first(self.store, "manager/", |other, text| {
            let manager: Manager = document(other, text)?;
            // Without its secret, a key does not authorise anybody any more.
            let is_usable = self.secrets.has_api_key_id(manager.secret.as_deref());
            Ok(other != key && is_usable && manager.role == Role::ReadWrite && manager.expires.is_none())
        });
        Ok(found.await?.map(|(key, text)| (key, Some(text))))
    }
}
