//! The positions of the mirrors and of the MAC input in a URL, and the template that is built from them.

use core::fmt::{self, Write as _};

use heapless::String;

use crate::sun::error::{Field, Malformed};
use crate::sun::layout::{ElementKind, MAX_NAMES, MAX_TEMPLATE, SdmLayout};
use crate::sun::span::Span;
use crate::sun::template::LayoutError;
use crate::value::Scheme;

/// The positions of the mirrors in a URL, and the start of the MAC input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UrlParts<'a> {
    pub(super) picc_data: Option<Span>,
    pub(super) uid: Option<Span>,
    pub(super) ctr: Option<Span>,
    pub(super) tt_status: Option<Span>,
    pub(super) enc: Option<Span>,
    pub(super) mac: Span,
    /// The offset at which the MAC input begins. The MAC input ends where the MAC begins.
    pub(super) window_start: usize,
    /// The offset `K` in `tt@K`.
    pub(super) tt_at: Option<usize>,
    /// The positions and names of the captured values.
    pub(super) captured: [Option<(Span, &'a str)>; MAX_NAMES],
}

/// The maximum length of a repaired URL. It exceeds the longest URL that a tag writes.
const MAX_REPAIRED: usize = 300;
/// A repaired URL.
pub(super) type Repaired = String<MAX_REPAIRED>;

impl<'a> UrlParts<'a> {
    /// Returns the parts of a URL according to the layout. Fails if the URL does not match the layout.
    pub(super) fn locate(layout: &'a SdmLayout, url: &str) -> Result<Self, Malformed> {
        let tap = layout.parse(url)?;
        let mut parts = UrlParts { tt_at: layout.tt_at, ..UrlParts::default() };
        let (mut offset, mut window_start, mut free_slots) = (0usize, None, parts.captured.len());
        for (element, text) in layout.elements().zip(tap.texts()) {
            let part = Span::at(offset.saturating_add(element.text.len()), text.len());
            offset = part.to;
            match element.kind {
                ElementKind::MacInput => window_start = Some(part.from),
                ElementKind::Value(Field::PiccData) => parts.picc_data = Some(part),
                ElementKind::Value(Field::Uid) => parts.uid = Some(part),
                ElementKind::Value(Field::SdmReadCtr) => parts.ctr = Some(part),
                ElementKind::Value(Field::TtStatus) => parts.tt_status = Some(part),
                ElementKind::Value(Field::EncFileData) => parts.enc = Some(part),
                ElementKind::Value(Field::SdmMac) => parts.mac = part,
                ElementKind::Value(Field::Captured) => {
                    free_slots = free_slots.saturating_sub(1);
                    if let Some(slot) = parts.captured.get_mut(free_slots) {
                        *slot = str::from_utf8(layout.text(element.name)).ok().map(|name| (part, name));
                    }
                }
                ElementKind::End => {}
            }
        }
        parts.window_start = window_start.unwrap_or(parts.mac.from);
        Ok(parts)
    }
}

/// Returns the URL without text that was appended to it, or `None` if the rest does not match the layout.
pub(super) fn without_appended_text(layout: &SdmLayout, url: &str) -> Option<Repaired> {
    let cuts = url.char_indices().rev().filter(|(_, c)| matches!(c, '&' | '?' | '#' | ' ' | '\n')).map(|(at, _)| at);
    let head = cuts.filter_map(|at| url.get(..at)).find(|head| layout.parse(head).is_ok())?;
    Repaired::try_from(head).ok()
}

/// Returns the URL with the scheme and host of the layout, or `None` if the result does not match the layout. `path` is
/// the offset at which the URL's own host ends.
pub(super) fn with_host_of_layout(layout: &SdmLayout, url: &str, path: usize) -> Option<Repaired> {
    let head = layout.template().get(..layout.origin).filter(|head| !head.contains(['{', '[']))?;
    let mut repaired = Repaired::try_from(head).ok()?;
    repaired.push_str(url.get(path..)?).ok()?;
    layout.parse(&repaired).is_ok().then_some(repaired)
}

/// Changes the case of the URL's static text to match the layout. Returns `None` if the URL still does not match.
pub(super) fn with_case_of_layout(layout: &SdmLayout, url: &str) -> Option<Repaired> {
    let mut rest = url.as_bytes();
    let mut repaired = Repaired::new();
    let mut append = |bytes: &[u8]| repaired.push_str(str::from_utf8(bytes).ok()?).ok();
    for element in layout.elements() {
        let text = layout.text(element.text);
        let (head, after) = rest.split_at_checked(text.len())?;
        head.eq_ignore_ascii_case(text).then_some(())?;
        append(text)?;
        rest = after;
        if let ElementKind::Value(field) = element.kind {
            let (value, after) = rest.split_at_checked(layout.chars(field, rest))?;
            append(value)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(())?;
    layout.parse(&repaired).is_ok().then_some(repaired)
}

impl UrlParts<'_> {
    /// Builds the layout of a URL with these parts. Fails if no such layout is possible.
    pub(super) fn build_layout(&self, scheme: Scheme, url: &str) -> Result<SdmLayout, LayoutError> {
        let mut template = TemplateText::new();
        self.write_template(url, &mut template).map_err(|_| LayoutError::TemplateTooLong)?;
        SdmLayout::new(scheme, &template)
    }

    fn write_template(&self, url: &str, template: &mut TemplateText) -> fmt::Result {
        let mut window_start = Some(self.window_start).filter(|start| *start < self.mac.from);
        let mut offset = 0;
        loop {
            let next = self.next_placeholder(offset);
            let to = next.map_or(url.len(), |(part, _)| part.from);
            if let Some(start) = window_start.take_if(|start| (offset..=to).contains(start)) {
                template.write_str(url.get(offset..start).unwrap_or_default())?;
                template.write_str("[[")?;
                offset = start;
            }
            template.write_str(url.get(offset..to).unwrap_or_default())?;
            let Some((part, placeholder)) = next else { break };
            placeholder.write(self, part, template)?;
            offset = part.to;
        }
        // A template cannot start the MAC input inside a mirror.
        if window_start.is_none() { Ok(()) } else { Err(fmt::Error) }
    }

    /// Returns the placeholder at this offset of the URL, or the next one after it.
    fn next_placeholder(&self, offset: usize) -> Option<(Span, Placeholder<'_>)> {
        let mirrors = [
            (self.picc_data, Placeholder::Fixed("{picc}")),
            (self.uid, Placeholder::Fixed("{uid}")),
            (self.ctr, Placeholder::Fixed("{ctr}")),
            (self.tt_status, Placeholder::Fixed("{tt}")),
            (self.enc, Placeholder::EncFileData),
            (Some(self.mac), Placeholder::Fixed("{mac}")),
        ];
        let mirrors = mirrors.into_iter().filter_map(|(part, placeholder)| Some((part?, placeholder)));
        let captured = self.captured.iter().flatten().map(|(part, name)| (*part, Placeholder::Captured(name)));
        mirrors.chain(captured).filter(|(part, _)| part.from >= offset).min_by_key(|(part, _)| part.from)
    }
}

type TemplateText = String<MAX_TEMPLATE>;

/// A placeholder of a template, such as `{uid}`.
#[derive(Clone, Copy)]
enum Placeholder<'a> {
    /// A placeholder that is always written in the same way.
    Fixed(&'static str),
    /// `{enc:…}`, which depends on the length of the file data and on the tamper status inside it.
    EncFileData,
    /// A captured value with this name.
    Captured(&'a str),
}

impl Placeholder<'_> {
    fn write(self, parts: &UrlParts<'_>, part: Span, template: &mut TemplateText) -> fmt::Result {
        match (self, parts.tt_at) {
            (Self::Fixed(text), _) => template.write_str(text),
            (Self::Captured(name), _) => write!(template, "{{:{name}}}"),
            (Self::EncFileData, None) => write!(template, "{{enc:{}}}", part.len()),
            (Self::EncFileData, Some(at)) => write!(template, "{{enc:{},tt@{at}}}", part.len()),
        }
    }
}
