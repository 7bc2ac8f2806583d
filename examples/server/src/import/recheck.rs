//! Checks stored tags whose tag group or organisation changes.

use std::collections::HashMap;

use super::draft::{Draft, Placed};
use super::error::{Checked, Stop};
use super::tags::other_names;
use crate::registry::document;
use crate::registry::document::{Entry, Organisation, StoredKeys, Tag, key};
use crate::store::StoreError;

/// The number of tags that are looked up together.
const PART: usize = 1000;

impl Draft<'_> {
    /// Checks all tags of the tag groups whose layout or rules change, and moves their counters if necessary. Adds the names
    /// of all tags of the organisations that get an account. Returns the problems, each with the number of the line that
    /// caused it.
    pub(super) async fn recheck(&mut self) -> Result<Vec<(usize, String)>, StoreError> {
        let groups = std::mem::take(&mut self.changed_groups);
        let accounts = std::mem::take(&mut self.new_accounts);
        if groups.is_empty() && accounts.is_empty() {
            return Ok(Vec::new());
        }
        let line = |tag: &Tag<StoredKeys>| {
            let group = tag.batch.as_ref().and_then(|path| path.rsplit_once('/'));
            let group = group.and_then(|(group, _)| groups.get(&(tag.organisation, group.to_owned())));
            group.or_else(|| accounts.get(&tag.organisation)).copied()
        };
        let mut found = HashMap::new();
        let mut keep = |key: &str, text: &str| {
            if let Entry::Tag(tag) = document(key, text)?
                && let Some(number) = line(&tag)
            {
                found.insert(key.to_owned(), number);
            }
            Ok::<_, StoreError>(())
        };
        for prefix in ["xuid/", "number/"] {
            self.store.list(prefix, &mut keep).await?;
        }
        for (key, text) in self.documents.written() {
            if let (Some(Placed { has_line: true, .. }), Some(text)) = (self.tags.get(key), text) {
                keep(key, text)?;
            }
        }
        self.settle().await?;
        if let Some(spill) = &mut self.spill {
            for record in spill.records()? {
                let record = record?;
                if let (Some(Placed { has_line: true, .. }), Some(Some(text))) =
                    (self.tags.get(&*record.key), record.write)
                {
                    keep(&record.key, &text)?;
                }
            }
        }
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_unstable();
        let mut problems = Vec::new();
        for part in found.chunks(PART) {
            self.spill_if_large().await?;
            self.fetch(part.iter().map(|(key, _)| key.clone()).collect()).await?;
            for (key, number) in part {
                match self.recheck_tag(key, *number, &line).await {
                    Ok(()) => {}
                    Err(Stop::Line(problem)) => problems.push((*number, format!("{key}: {problem}"))),
                    Err(Stop::Store(error)) => return Err(error),
                }
            }
        }
        problems.sort();
        Ok(problems)
    }

    /// Checks a tag that `line` finds at the line `number`.
    async fn recheck_tag(
        &mut self,
        key: &str,
        number: usize,
        line: impl Fn(&Tag<StoredKeys>) -> Option<usize>,
    ) -> Checked {
        let Some(Entry::Tag(tag)) = self.get(key)? else { return Ok(()) };
        // This import may have moved the tag to another group.
        if line(&tag) != Some(number) {
            return Ok(());
        }
        let mut keys = tag.above();
        // The account of the organisation decides about the names of the tag.
        self.fetch(keys.clone()).await?;
        let account = self.get::<Organisation>(&key::organisation(tag.organisation))?.and_then(|one| one.account);
        keys.extend(other_names(&tag, account.as_deref()));
        self.fetch(keys).await?;
        self.place(*tag, None).await.map(drop)
    }
}
