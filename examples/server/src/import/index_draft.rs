//! The index of layouts, as an import changes it.

use std::collections::HashMap;

use crate::registry::document::Layout;
use crate::registry::index::{self, Indexed, MetaKeyRef};
use crate::secrets::Secrets;

/// The layouts of each shape.
#[derive(Default)]
pub(super) struct IndexDraft(HashMap<String, Shape>);

struct Shape {
    layouts: Vec<Indexed>,
    is_changed: bool,
}

impl IndexDraft {
    /// Takes over what is stored for a shape. A key that is sealed under an older server secret is sealed again, so that the same
    /// key has the same text. A key that no secret opens is removed, because no tap can need it.
    pub(super) fn load(&mut self, shape: String, mut layouts: Vec<Indexed>, secrets: &Secrets) {
        let mut is_changed = false;
        for keys in layouts.iter_mut().filter_map(|layout| layout.meta_keys.as_mut()) {
            let renewed = index::renewed(keys, secrets);
            is_changed |= *keys != renewed;
            *keys = renewed;
        }
        self.0.insert(shape, Shape { layouts, is_changed });
    }

    /// Returns the key of the shape of a layout, unless it is loaded.
    pub(super) fn missing(&self, layout: &Layout) -> Option<String> {
        Some(index::shape_of(layout)).filter(|shape| !self.0.contains_key(shape))
    }

    /// Adds the layout of a tag. With `search`, its URL does not name the tag, and the page searches for its UID with
    /// `meta_key`, if there is one. `limit` is the number of layouts, and of keys, that a shape may have.
    pub(super) fn add(
        &mut self,
        layout: &Layout,
        search: bool,
        meta_key: Option<MetaKeyRef>,
        limit: usize,
    ) -> Result<(), String> {
        let Some(Shape { layouts, is_changed }) = self.0.get_mut(&index::shape_of(layout)) else { return Ok(()) };
        let layout = index::without_host(layout);
        let place = layouts.iter().position(|indexed| indexed.layout == layout);
        if place.is_none() {
            if layouts.len() >= limit {
                return Err(format!("{limit} other layouts have the same path and parameters (--max-meta-keys)"));
            }
            index::with_any_host(&layout).map_err(|error| error.to_string())?;
            layouts.push(Indexed { layout, meta_keys: None });
            *is_changed = true;
        }
        if !search {
            return Ok(());
        }
        let known: usize = layouts.iter().filter_map(|indexed| indexed.meta_keys.as_ref()).map(Vec::len).sum();
        let Some(indexed) = (match place {
            Some(place) => layouts.get_mut(place),
            None => layouts.last_mut(),
        }) else {
            return Ok(());
        };
        *is_changed |= indexed.meta_keys.is_none();
        let meta_keys = indexed.meta_keys.get_or_insert_default();
        let Some(key) = meta_key.filter(|key| !meta_keys.contains(key)) else { return Ok(()) };
        if known >= limit {
            return Err(format!(
                "the URL does not name the tag, and {limit} other meta-read keys have the same path and parameters: put \
                 {{:xuid}} or {{:tagId}} into the template, or let tags share a meta-read key (--max-meta-keys)"
            ));
        }
        meta_keys.push(key);
        *is_changed = true;
        Ok(())
    }

    /// Returns the documents to write.
    pub(super) fn changed(self) -> impl Iterator<Item = (String, Vec<Indexed>)> {
        let changed = self.0.into_iter().filter(|(_, shape)| shape.is_changed);
        changed.map(|(key, shape)| (key, shape.layouts))
    }
}
