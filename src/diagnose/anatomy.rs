//! Where the parts of a tap are in its URL, and the template that says so.

use core::fmt::{self, Write as _};

use crate::sun::error::{Field, Malformed};
use crate::sun::layout::{Kind, MAX_NAMES, MAX_TEMPLATE, SdmLayout};
use crate::sun::template::LayoutError;
use crate::value::Scheme;

/// A part of a URL, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Part {
    pub(crate) fn of<'a>(&self, url: &'a str) -> &'a str {
        url.get(self.from..self.to).unwrap_or_default()
    }

    pub(crate) fn len(&self) -> usize {
        self.to.saturating_sub(self.from)
    }
}

/// The parts of a tap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Anatomy<'a> {
    pub(crate) picc_data: Option<Part>,
    pub(crate) uid: Option<Part>,
    pub(crate) ctr: Option<Part>,
    pub(crate) tt_status: Option<Part>,
    pub(crate) enc: Option<Part>,
    pub(crate) mac: Part,
    /// Where the MAC input begins. It ends where the MAC does.
    pub(crate) window: usize,
    /// `tt@K`
    pub(crate) tt_at: Option<usize>,
    /// What is captured, with its name.
    pub(crate) captured: [Option<(Part, &'a str)>; MAX_NAMES],
}

impl SdmLayout {
    /// The parts of a tap of this layout.
    pub(crate) fn anatomy(&self, url: &str) -> Result<Anatomy<'_>, Malformed> {
        let tap = self.parse(url)?;
        let mut anatomy = Anatomy { tt_at: self.tt_at, ..Anatomy::default() };
        let (mut at, mut window, mut names) = (0usize, None, anatomy.captured.len());
        for (element, text) in tap.texts() {
            let from = at.saturating_add(element.text.len());
            let part = Part { from, to: from.saturating_add(text.len()) };
            at = part.to;
            match element.kind {
                Kind::MacInput => window = Some(from),
                Kind::Value(Field::PiccData) => anatomy.picc_data = Some(part),
                Kind::Value(Field::Uid) => anatomy.uid = Some(part),
                Kind::Value(Field::SdmReadCtr) => anatomy.ctr = Some(part),
                Kind::Value(Field::TtStatus) => anatomy.tt_status = Some(part),
                Kind::Value(Field::EncFileData) => anatomy.enc = Some(part),
                Kind::Value(Field::SdmMac) => anatomy.mac = part,
                Kind::Value(Field::Captured) => {
                    names = names.saturating_sub(1);
                    if let Some(slot) = anatomy.captured.get_mut(names) {
                        *slot = str::from_utf8(self.text(element.name)).ok().map(|name| (part, name));
                    }
                }
                Kind::End => {}
            }
        }
        anatomy.window = window.unwrap_or(anatomy.mac.from);
        Ok(anatomy)
    }

    /// The URL without what was put behind it, if that makes it one of this layout.
    pub(crate) fn cut<'u>(&self, url: &'u str) -> Option<&'u str> {
        let ends =
            url.char_indices().rev().filter(|(_, c)| matches!(c, '&' | '?' | '#' | ' ' | '\n')).map(|(at, _)| at);
        ends.filter_map(|at| url.get(..at)).find(|head| self.parse(head).is_ok())
    }

    /// Writes the URL with the scheme and host of the layout, if that makes it one of this layout; how many bytes that are. `path`
    /// is where its own end.
    pub(crate) fn rehost(&self, url: &str, path: usize, buffer: &mut [u8; 300]) -> Option<usize> {
        let head = self.template().get(..self.origin).filter(|head| !head.contains(['{', '[']))?;
        let tail = url.get(path..)?;
        let len = head.len().checked_add(tail.len())?;
        let place = buffer.get_mut(..len)?;
        place.iter_mut().zip(head.bytes().chain(tail.bytes())).for_each(|(place, byte)| *place = byte);
        self.parse(str::from_utf8(place).ok()?).is_ok().then_some(len)
    }

    /// Writes the URL with the layout's own spelling of its text, if that makes it one of this layout; how many bytes that are.
    pub(crate) fn restore(&self, url: &str, buffer: &mut [u8; 300]) -> Option<usize> {
        let mut rest = url.as_bytes();
        let mut to = 0usize;
        let mut put = |bytes: &[u8]| {
            let from = to;
            to = from.checked_add(bytes.len())?;
            buffer.get_mut(from..to)?.copy_from_slice(bytes);
            Some(())
        };
        for element in self.elements() {
            let text = self.text(element.text);
            let (head, behind) = rest.split_at_checked(text.len())?;
            head.eq_ignore_ascii_case(text).then_some(())?;
            put(text)?;
            rest = behind;
            if let Kind::Value(field) = element.kind {
                let (value, behind) = rest.split_at_checked(self.chars(field, rest))?;
                put(value)?;
                rest = behind;
            }
        }
        rest.is_empty().then_some(())?;
        self.parse(str::from_utf8(buffer.get(..to)?).ok()?).is_ok().then_some(to)
    }
}

impl Anatomy<'_> {
    /// The layout of which such a tap is, if there can be one.
    pub(crate) fn layout(&self, scheme: Scheme, url: &str) -> Result<SdmLayout, LayoutError> {
        let mut template = Template { text: [0; MAX_TEMPLATE], len: 0 };
        self.write(url, &mut template).map_err(|_| LayoutError::TemplateTooLong)?;
        let text = template.text.get(..template.len).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default();
        SdmLayout::new(scheme, text)
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
        // Inside of a mirror it can not begin.
        if window.is_none() { Ok(()) } else { Err(fmt::Error) }
    }

    /// The element that is at this place of the URL, or the next behind it.
    fn next(&self, at: usize) -> Option<(Part, Element<'_>)> {
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

#[derive(Clone, Copy)]
enum Element<'a> {
    Plain(&'static str),
    Enc,
    Captured(&'a str),
}

impl Element<'_> {
    fn write(self, anatomy: &Anatomy<'_>, part: Part, template: &mut Template) -> fmt::Result {
        match (self, anatomy.tt_at) {
            (Self::Plain(element), _) => template.write_str(element),
            (Self::Captured(name), _) => write!(template, "{{:{name}}}"),
            (Self::Enc, None) => write!(template, "{{enc:{}}}", part.len()),
            (Self::Enc, Some(at)) => write!(template, "{{enc:{},tt@{at}}}", part.len()),
        }
    }
}

struct Template {
    text: [u8; MAX_TEMPLATE],
    len: usize,
}

impl fmt::Write for Template {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let to = self.len.saturating_add(text.len());
        self.text.get_mut(self.len..to).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = to;
        Ok(())
    }
}
