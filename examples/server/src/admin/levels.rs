//! Organisations, folders, tag groups and batches.

use serde_json::json;

use super::keys::{json as text_of, organisation_of};
use super::listing::first;
use super::{Act, Admin, AdminError, Listed};
use crate::registry::document;
use crate::registry::document::{Entry, Level, Organisation, State, StoredKeys, Tag, key};
use crate::store::{Change, StoreError};

/// The kind of a level, by the depth of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LevelKind {
    /// `Folder`
    Folder,
    /// `Folder/TagGroup`
    TagGroup,
    /// `Folder/TagGroup/Batch`
    Batch,
}

/// An organisation, or a level of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The organisation with a number.
    Organisation(u64),
    /// The level of this organisation with this path.
    Level(u64, String),
}

impl LevelKind {
    /// Returns the kind of the level with a path.
    #[must_use]
    pub fn from_path(path: &str) -> Self {
        match path.split('/').count() {
            0 | 1 => Self::Folder,
            2 => Self::TagGroup,
            _ => Self::Batch,
        }
    }

    /// Returns the word for an import line of this kind, which is also the first word of its acts in the history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::TagGroup => "tagGroup",
            Self::Batch => "batch",
        }
    }
}

impl Place {
    fn key(&self) -> String {
        match self {
            Self::Organisation(id) => key::organisation(*id),
            Self::Level(organisation, path) => key::level(*organisation, path),
        }
    }

    /// Returns the line of an import that changes the state. Enabling also ends a deletion that was interrupted.
    fn line(&self, state: State) -> String {
        let (kind, mut fields) = match self {
            Self::Organisation(id) => ("organisation", json!({ "id": id, "state": state })),
            Self::Level(organisation, path) => (
                LevelKind::from_path(path).word(),
                json!({ "organisation": organisation, "path": path, "state": state }),
            ),
        };
        if let (State::Active, Some(fields)) = (state, fields.as_object_mut()) {
            fields.insert("closing".into(), serde_json::Value::Null);
        }
        json!({ kind: fields }).to_string()
    }

    /// Returns the names of the acts that enable, disable and delete it.
    fn acts(&self) -> [&'static str; 3] {
        match self {
            Self::Organisation(_) => ["organisation.enable", "organisation.disable", "organisation.delete"],
            Self::Level(_, path) => match LevelKind::from_path(path) {
                LevelKind::Folder => ["folder.enable", "folder.disable", "folder.delete"],
                LevelKind::TagGroup => ["group.enable", "group.disable", "group.delete"],
                LevelKind::Batch => ["batch.enable", "batch.disable", "batch.delete"],
            },
        }
    }

    /// Returns `true` if a tag is in this place.
    fn has(&self, tag: &Tag<StoredKeys>) -> bool {
        match self {
            Self::Organisation(id) => tag.organisation == *id,
            Self::Level(organisation, path) => {
                let rest = tag.batch.as_deref().and_then(|batch| batch.strip_prefix(&**path));
                tag.organisation == *organisation && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Admin<'_> {
    /// Returns a page of organisations.
    ///
    /// # Errors
    /// Returns an error if the cursor is invalid or the store fails.
    pub async fn organisations(&self, cursor: Option<&str>, limit: usize) -> Result<Listed<Organisation>, AdminError> {
        self.listed(&["organisation/".into()], cursor, limit).await
    }

    /// Returns an organisation.
    ///
    /// # Errors
    /// Returns an error if there is none with this number, or the store fails.
    pub async fn organisation(&self, id: u64) -> Result<Organisation, AdminError> {
        let (key, text) = self.existing(&key::organisation(id)).await?;
        Ok(document(&key, text.as_deref().unwrap_or_default())?)
    }

    /// Returns a page of folders, tag groups and batches, of one organisation or of all. `prefix` is the start of a path; it needs an
    /// organisation. With `kind`, a page has only levels of this kind, and can be empty without being the last.
    ///
    /// # Errors
    /// Returns an error if the prefix or the cursor is invalid, or the store fails.
    pub async fn levels(
        &self,
        organisation: Option<u64>,
        prefix: &str,
        kind: Option<LevelKind>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Listed<Level>, AdminError> {
        let prefix = match organisation {
            Some(id) => key::level(id, prefix),
            None if prefix.is_empty() => "level/".into(),
            None => return Err(AdminError::Invalid("a prefix of a path needs an organisation".into())),
        };
        let mut page: Listed<Level> = self.listed(&[prefix], cursor, limit).await?;
        page.items.retain(|(_, level)| kind.is_none_or(|kind| kind == LevelKind::from_path(&level.path)));
        Ok(page)
    }

    /// Returns a folder, tag group or batch.
    ///
    /// # Errors
    /// Returns an error if there is no such level, or the store fails.
    pub async fn level(&self, organisation: u64, path: &str) -> Result<Level, AdminError> {
        let (key, text) = self.existing(&key::level(organisation, path)).await?;
        Ok(document(&key, text.as_deref().unwrap_or_default())?)
    }

    /// Takes an organisation or a level out of use with all of its tags, or into use again.
    ///
    /// # Errors
    /// Returns an error if it does not exist, or the store fails.
    pub async fn set_state(&self, place: &Place, state: State) -> Result<(), AdminError> {
        let key = place.key();
        self.existing(&key).await?;
        let [enable, disable, _] = place.acts();
        let act = if state == State::Active { enable } else { disable };
        self.import_line(Act::new(act, &key), &place.line(state)).await
    }

    /// Removes an organisation or a level that has no tags, levels, keys or tokens.
    ///
    /// The document is first marked as closing, so that no import adds anything while its contents are looked for. If this is
    /// interrupted, deleting it again continues.
    ///
    /// # Errors
    /// Returns an error if it does not exist or is not empty, or if the store fails.
    pub async fn delete_level(&self, place: &Place) -> Result<(), AdminError> {
        let key = place.key();
        let [.., act] = place.acts();
        let mut attempts = 0;
        loop {
            let (_, before) = self.existing(&key).await?;
            let before = before.unwrap_or_default();
            if let Some(inside) = self.inside(place).await? {
                return Err(not_empty(&key, &inside));
            }
            let closing = closed(place, &key, &before)?;
            let close = swap(&key, &before, Some(closing.text.clone()));
            match self.store.change(&close).await {
                Ok(()) => {}
                Err(StoreError::Contended) if attempts < super::ATTEMPTS => {
                    attempts = attempts.saturating_add(1);
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(inside) = self.inside(place).await? {
                // An import was faster.
                self.store.change(&swap(&key, &closing.text, Some(closing.opened))).await?;
                return Err(not_empty(&key, &inside));
            }
            let mut change = swap(&key, &closing.text, None);
            change.writes.extend(closing.account.map(|account| (key::account(&account), None)));
            if self.write(Act::new(act, &key), change, &mut attempts).await? {
                return Ok(());
            }
        }
    }

    /// Returns the key of something that is in a place. Reads page by page.
    async fn inside(&self, place: &Place) -> Result<Option<String>, StoreError> {
        let prefix = match place {
            Place::Organisation(id) => key::level(*id, ""),
            Place::Level(organisation, path) => format!("{}/", key::level(*organisation, path)),
        };
        if let Some((key, _)) = first(self.store, &prefix, |_, _| Ok(true)).await? {
            return Ok(Some(key));
        }
        if let Place::Organisation(id) = place {
            for prefix in ["key/", "manager/"] {
                let belongs = |key: &str, text: &str| Ok(organisation_of(key, text)? == Some(*id));
                if let Some((key, _)) = first(self.store, prefix, belongs).await? {
                    return Ok(Some(key));
                }
            }
        }
        for prefix in ["xuid/", "number/"] {
            let is_in = |key: &str, text: &str| match document(key, text)? {
                Entry::Tag(tag) => Ok(place.has(&tag)),
                Entry::See(_) => Ok(false),
            };
            if let Some((key, _)) = first(self.store, prefix, is_in).await? {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

/// The document of a place while it is being deleted.
struct Closed {
    text: String,
    /// The document if it turns out not to be empty.
    opened: String,
    account: Option<String>,
}

fn closed(place: &Place, key: &str, text: &str) -> Result<Closed, StoreError> {
    match place {
        Place::Organisation(_) => {
            let open = Organisation { closing: false, ..document(key, text)? };
            let closing = Organisation { closing: true, ..open.clone() };
            Ok(Closed { text: text_of(key, &closing)?, opened: text_of(key, &open)?, account: open.account })
        }
        Place::Level(..) => {
            let open = Level { closing: false, ..document(key, text)? };
            let closing = Level { closing: true, ..open.clone() };
            Ok(Closed { text: text_of(key, &closing)?, opened: text_of(key, &open)?, account: None })
        }
    }
}

/// Returns the change that replaces or removes a document.
fn swap(key: &str, before: &str, after: Option<String>) -> Change {
    let seen = vec![(key.to_owned(), Some(before.to_owned()))];
    Change { seen, writes: vec![(key.to_owned(), after)], ..Change::default() }
}

fn not_empty(key: &str, inside: &str) -> AdminError {
    AdminError::refused("not_empty", format!("{key} is not empty: it has {inside}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::Actor;
    use crate::import::{Allowed, Input};
    use crate::secrets::Secrets;
    use crate::store::{Address, Options, Pace, Store};

    #[tokio::test]
    async fn an_interrupted_deletion_goes_on_or_is_ended_by_enabling() {
        let folder = tempfile::tempdir().unwrap();
        let address = Address::Embedded(folder.path().join("data.redb"));
        let store = Store::create(&address, Options::default()).await.unwrap();
        let secrets = Secrets::random().unwrap();
        let admin = Admin::new(&store, &secrets, Actor::command_line());
        let import = async |lines: &str| {
            admin.import(&mut Input::text(lines), Allowed::default(), Pace::Alone, |_| ()).await.map(drop)
        };
        import("{\"organisation\":{\"id\":5,\"name\":\"Five\"}}\n{\"folder\":{\"organisation\":5,\"path\":\"X\"}}")
            .await
            .unwrap();
        let (place, key) = (Place::Level(5, "X".into()), key::level(5, "X"));
        let close = async || {
            let before = admin.existing(&key).await.unwrap().1.unwrap();
            let closing = closed(&place, &key, &before).unwrap();
            store.change(&swap(&key, &before, Some(closing.text))).await.unwrap();
        };
        let group = r#"{"tagGroup":{"organisation":5,"path":"X/Y"}}"#;

        close().await;
        let refused = import(group).await.unwrap_err().to_string();
        assert!(refused.contains("level/5/X is being deleted"), "{refused}");
        admin.set_state(&place, State::Active).await.unwrap();
        import(group).await.unwrap();
        admin.delete_level(&Place::Level(5, "X/Y".into())).await.unwrap();
        close().await;
        admin.delete_level(&place).await.unwrap();
        assert!(admin.level(5, "X").await.is_err());
        store.close().await;
    }
}
