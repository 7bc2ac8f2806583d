//! Lists documents page by page.

use super::{Admin, AdminError};
use crate::registry::document;
use crate::store::{Cursor, Page, Store, StoreError};

/// Some of the objects of a list, with their keys, and the text with which the next page is asked for.
#[derive(Clone, Debug)]
pub struct Listed<T> {
    /// The objects.
    pub items: Vec<(String, T)>,
    /// `None` after the last page.
    pub next: Option<String>,
}

/// How far a list over several prefixes has been read: the number of the prefix, and the place in it.
type Position = (usize, Option<Cursor>);

impl Admin<'_> {
    /// Returns the documents of one page. `prefixes` are listed one after the other. Over Redis, a page may be empty without being
    /// the last.
    pub(super) async fn listed<T: serde::de::DeserializeOwned>(
        &self,
        prefixes: &[String],
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Listed<T>, AdminError> {
        let (number, start) = cursor.map_or(Ok((0, None)), position)?;
        let prefix = prefixes.get(number).ok_or_else(invalid_cursor)?;
        let page = self.store.page(prefix, start, limit).await?;
        let next = match page.next {
            Some(place) => Some(format!("{number}.{place}")),
            None => number.checked_add(1).filter(|next| *next < prefixes.len()).map(|next| format!("{next}.")),
        };
        let items = page.documents.into_iter().map(|(key, text)| {
            let document = document(&key, &text)?;
            Ok((key, document))
        });
        Ok(Listed { items: items.collect::<Result<_, StoreError>>()?, next })
    }
}

fn position(cursor: &str) -> Result<Position, AdminError> {
    let (number, place) = cursor.split_once('.').ok_or_else(invalid_cursor)?;
    let number = number.parse().map_err(|_| invalid_cursor())?;
    let place = if place.is_empty() { None } else { Some(place.parse().map_err(|_| invalid_cursor())?) };
    Ok((number, place))
}

fn invalid_cursor() -> AdminError {
    AdminError::Invalid("invalid cursor: expected the `next` of the previous page".into())
}

/// Returns the first document under a prefix for which `found` returns `true`. Reads page by page.
pub(super) async fn first(
    store: &Store,
    prefix: &str,
    mut found: impl FnMut(&str, &str) -> Result<bool, StoreError> + Send,
) -> Result<Option<(String, String)>, StoreError> {
    let mut start = None;
    loop {
        let Page { documents, next } = store.page(prefix, start, usize::MAX).await?;
        for (key, text) in documents {
            if found(&key, &text)? {
                return Ok(Some((key, text)));
            }
        }
        match next {
            Some(next) => start = Some(next),
            None => return Ok(None),
        }
    }
}
