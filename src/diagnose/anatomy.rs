//! The positions of the parts of a tap in its URL, and the template that describes them.

use core::fmt::{self, Write as _};

use heapless::String;

use crate::sun::error::{Field, Malformed};
use crate::sun::layout::{Kind, MAX_NAMES, MAX_TEMPLATE, SdmLayout};
use crate::sun::span::Span;
use crate::sun::template::LayoutError;
use crate::value::Scheme;

/// The parts of a tap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anatomy<'a> {
    pub(crate) picc_data: Option<Span>,
    pub(crate) uid: Option<Span>,
    pub(crate) ctr: Option<Span>,
    pub(crate) tt_status: Option<Span>,
    pub(crate) enc: Option<Span>,
    pub(crate) mac: Span,
    /// The offset at which the MAC input begins. It ends where the MAC begins.
    pub(crate) window: usize,
    /// The offset `K` of `tt@K`.
    pub(crate) tt_at: Option<usize>,
    /// The captured values with their names.
    pub(crate) captured: [Option<(Span, &'a str)>; MAX_NAMES],
}

/// The maximum length of a repaired URL. It exceeds the longest URL that a tag writes.
const MAX_REPAIRED: usize = 300;
/// A repaired URL.
pub(super) type Repaired = String<MAX_REPAIRED>;

impl<'a> Anatomy<'a> {
    /// Returns the parts of a URL that matches the layout.
    pub(super) fn of(layout: &'a SdmLayout, url: &str) -> Result<Self, Malformed> {
        let tap = layout.parse(url)?;
        let mut anatomy = Anatomy { tt_at: layout.tt_at, ..Anatomy::default() };
        let (mut at, mut window, mut names) = (0usize, None, anatomy.captured.len());
        for (element, text) in layout.elements().zip(tap.texts()) {
            let part = Span::at(at.saturating_add(element.text.len()), text.len());
            at = part.to;
            match element.kind {
                Kind::MacInput => window = Some(part.from),
                Kind::Value(Field::PiccData) => anatomy.picc_data = Some(part),
                Kind::Value(Field::Uid) => anatomy.uid = Some(part),
                Kind::Value(Field::SdmReadCtr) => anatomy.ctr = Some(part),
                Kind::Value(Field::TtStatus) => anatomy.tt_status = Some(part),
                Kind::Value(Field::EncFileData) => anatomy.enc = Some(part),
                Kind::Value(Field::SdmMac) => anatomy.mac = part,
                Kind::Value(Field::Captured) => {
                    names = names.saturating_sub(1);
                    if let Some(slot) = anatomy.captured.get_mut(names) {
                        *slot = str::from_utf8(layout.text(element.name)).ok().map(|name| (part, name));
                    }
                }
                Kind::End => {}
            }
        }
        anatomy.window = window.unwrap_or(anatomy.mac.from);
        Ok(anatomy)
    }
}

/// Cuts off text that was appended to the URL. Returns `None` if the rest does not match the layout.
pub(super) fn cut(layout: &SdmLayout, url: &str) -> Option<Repaired> {
    let ends = url.char_indices().rev().filter(|(_, c)| matches!(c, '&' | '?' | '#' | ' ' | '\n')).map(|(at, _)| at);
    let head = ends.filter_map(|at| url.get(..at)).find(|head| layout.parse(head).is_ok())?;
    Repaired::try_from(head).ok()
}

/// Gives the URL the scheme and host of the layout. `path` is the offset at which its own host ends. Returns `None` if
/// the result does not match the layout.
pub(super) fn rehost(layout: &SdmLayout, url: &str, path: usize) -> Option<Repaired> {
    let head = layout.template().get(..layout.origin).filter(|head| !head.contains(['{', '[']))?;
    let mut repaired = Repaired::try_from(head).ok()?;
    repaired.push_str(url.get(path..)?).ok()?;
    layout.parse(&repaired).is_ok().then_some(repaired)
}

/// Restores the case of the static text from the layout. Returns `None` if the result does not match the layout.
pub(super) fn restore(layout: &SdmLayout, url: &str) -> Option<Repaired> {
    let mut rest = url.as_bytes();
    let mut repaired = Repaired::new();
    let mut put = |bytes: &[u8]| repaired.push_str(str::from_utf8(bytes).ok()?).ok();
    for element in layout.elements() {
        let text = layout.text(element.text);
        let (head, after) = rest.split_at_checked(text.len())?;
        head.eq_ignore_ascii_case(text).then_some(())?;
        put(text)?;
        rest = after;
        if let Kind::Value(field) = element.kind {
            let (value, after) = rest.split_at_checked(layout.chars(field, rest))?;
            put(value)?;
            rest = after;
        }
    }
    rest.is_empty().then_some(())?;
    layout.parse(&repaired).is_ok().then_some(repaired)
}

impl Anatomy<'_> {
    /// Returns the layout of a tap with these parts. Fails if no such layout is possible.
    pub(crate) fn layout(&self, scheme: Scheme, url: &str) -> Result<SdmLayout, LayoutError> {
        let mut template = Template::new();
        self.write(url, &mut template).map_err(|_| LayoutError::TemplateTooLong)?;
        SdmLayout::new(scheme, &template)
    }

    fn write(&self, url: &str, template: &mut Template) -> fmt::Result {
        let mut window = Some(self.window).filter(|window| *window < self.mac.from);
        let mut at = 0;
        loop {
            let next = self.next(at);
            let to = next.map_or(url.len(), |(part, _)| part.from);
            if let Some(from) = window.take_if(|window| (at..=to).contains(window)) {
                template.write_str(url.get(at..from).unwrap_or_default())?;
                template.write_str("[[")?;
                at = from;
            }
            template.write_str(url.get(at..to).unwrap_or_default())?;
            let Some((part, element)) = next else { break };
            element.write(self, part, template)?;
            at = part.to;
        }
        // A template cannot start the MAC input inside a mirror.
        if window.is_none() { Ok(()) } else { Err(fmt::Error) }
    }

    /// Returns the element at this offset of the URL, or the next one after it.
    fn next(&self, at: usize) -> Option<(Span, Element<'_>)> {
        let mirrors = [
            (self.picc_data, Element::Plain("{picc}")),
            (self.uid, Element::Plain("{uid}")),
            (self.ctr, Element::Plain("{ctr}")),
            (self.tt_status, Element::Plain("{tt}")),
            (self.enc, Element::Enc),
            (Some(self.mac), Element::Plain("{mac}")),
        ];
        let mirrors = mirrors.into_iter().filter_map(|(part, element)| Some((part?, element)));
        let captured = self.captured.iter().flatten().map(|(part, name)| (*part, Element::Captured(name)));
        mirrors.chain(captured).filter(|(part, _)| part.from >= at).min_by_key(|(part, _)| part.from)
    }
}

type Template = String<MAX_TEMPLATE>;

#[derive(Clone, Copy)]
enum Element<'a> {
    Plain(&'static str),
    Enc,
    Captured(&'a str),
}

impl Element<'_> {
    fn write(self, anatomy: &Anatomy<'_>, part: Span, template: &mut Template) -> fmt::Result {
        match (self, anatomy.tt_at) {
            (Self::Plain(element), _) => template.write_str(element),
            (Self::Captured(name), _) => write!(template, "{{:{name}}}"),
            (Self::Enc, None) => write!(template, "{{enc:{}}}", part.len()),
            (Self::Enc, Some(at)) => write!(template, "{{enc:{},tt@{at}}}", part.len()),
        }
    }
}
