//! The index of layouts, as an import changes it.

use std::collections::{HashMap, HashSet};

use crate::registry::document::Layout;
use crate::registry::index::{self, Indexed, MetaKeyRef};
use crate::secrets::Secrets;

/// The most layouts that are remembered as settled, for each of the two ids of a tag.
const MOST_SETTLED: usize = 1000;

/// The layouts of each shape.
#[derive(Default)]
pub(super) struct IndexDraft {
    shapes: HashMap<String, Shape>,
    /// Indexed layouts that name their tags by the XUID.
    by_xuid: HashSet<Layout>,
    /// Indexed layouts that name their tags by the number.
    by_number: HashSet<Layout>,
}

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
        self.shapes.insert(shape, Shape { layouts, is_changed });
    }

    /// Returns the key of the shape of a layout, unless it is loaded.
    pub(super) fn missing(&self, layout: &Layout) -> Option<String> {
        Some(index::shape_of(layout)).filter(|shape| !self.shapes.contains_key(shape))
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
        let Some(Shape { layouts, is_changed }) = self.shapes.get_mut(&index::shape_of(layout)) else { return Ok(()) };
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

    /// Remembers that a layout is in the index, that it names its tags, and that the page finds them. Nothing is to be done for
    /// another tag with the same kind of id then.
    pub(super) fn settle(&mut self, layout: &Layout, has_xuid: bool) {
        let settled = if has_xuid { &mut self.by_xuid } else { &mut self.by_number };
        if settled.len() < MOST_SETTLED {
            settled.insert(layout.clone());
        }
    }

    /// Returns `true` if [`settle`](Self::settle) was called for this layout and kind of id.
    pub(super) fn is_settled(&self, layout: &Layout, has_xuid: bool) -> bool {
        let settled = if has_xuid { &self.by_xuid } else { &self.by_number };
        settled.contains(layout)
    }

    /// Returns the documents to write.
    pub(super) fn changed(self) -> impl Iterator<Item = (String, Vec<Indexed>)> {
        let changed = self.shapes.into_iter().filter(|(_, shape)| shape.is_changed);
        changed.map(|(key, shape)| (key, shape.layouts))
    }
}
