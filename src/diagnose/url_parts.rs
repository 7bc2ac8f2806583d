//! The positions of the mirrors and of the MAC input in a URL, and the template that is built from them.

use core::fmt::{self, Write as _};

use heapless::String;

use super::shift::Shift;
use crate::sun::error::{Field, Malformed};
use crate::sun::layout::{ElementKind, LayoutElement, MAC_CHARS, MAX_NAMES, MAX_TEMPLATE, SIGNATURE_CHARS, SdmLayout};
use crate::sun::span::Span;
use crate::sun::template::LayoutError;
use crate::value::Scheme;

/// The positions of the mirrors in a URL, and the start of the MAC input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UrlParts {
    pub(super) picc_data: Option<Span>,
    pub(super) uid: Option<Span>,
    pub(super) ctr: Option<Span>,
    pub(super) tt_status: Option<Span>,
    pub(super) enc: Option<Span>,
    /// The MAC or the signature. A MAC has fewer than 16 digits if the URL ends inside it.
    pub(super) mac: Span,
    /// The offset at which the MAC input begins. The MAC input ends where the MAC begins.
    pub(super) window_start: usize,
    /// The offset of the tamper status in the decrypted file data: the `K` of `tt@K` in a template.
    pub(super) tt_at: Option<usize>,
    /// For each captured value (`{:name}` in a template): its position in the URL, and the position of its name in the
    /// template.
    pub(super) captured: [Option<(Span, Span)>; MAX_NAMES],
    /// The distance of the mirrors from their placeholders; `None` if the mirrors are at their placeholders.
    pub(super) shift: Option<Shift>,
}

impl UrlParts {
    /// Returns the parts of a URL according to the layout. Returns an error if the URL does not match the layout.
    pub(super) fn locate(layout: &SdmLayout, url: &str) -> Result<Self, Malformed> {
        let tap = layout.parse(url)?;
        Ok(Self::place(layout, layout.elements().zip(tap.texts()).map(|(element, text)| (element, text.len()))))
    }

    /// Returns the parts that the layout expects in a URL of this length. The content of the URL does not matter.
    /// Returns `None` if the layout allows no URL of this length, or if more than one part has a variable length.
    pub(super) fn expected(layout: &SdmLayout, url_len: usize) -> Option<Self> {
        Some(Self::place(layout, expected_elements(layout, url_len)?))
    }

    /// Computes the parts of a URL from the elements of the layout and the number of characters of each element.
    fn place<'l>(layout: &SdmLayout, elements: impl Iterator<Item = (&'l LayoutElement, usize)>) -> Self {
        let mut parts = Self { tt_at: layout.tt_at, ..Self::default() };
        let (mut offset, mut window_start, mut free_slots) = (0usize, None, parts.captured.len());
        for (element, chars) in elements {
            let part = Span::at(offset.saturating_add(element.text.len()), chars);
            offset = part.to;
            match element.kind {
                ElementKind::MacInput => window_start = Some(part.from),
                ElementKind::Value(field) if field == layout.authenticator() => parts.mac = part,
                ElementKind::Value(Field::Captured) => {
                    free_slots = free_slots.saturating_sub(1);
                    if let Some(slot) = parts.captured.get_mut(free_slots) {
                        *slot = Some((part, element.name));
                    }
                }
                ElementKind::Value(field) => {
                    if let Some(mirror) = parts.mirror_mut(field) {
                        *mirror = Some(part);
                    }
                }
                ElementKind::End => {}
            }
        }
        parts.window_start = window_start.unwrap_or(parts.mac.from);
        parts
    }

    /// Returns the span of the text that the MAC or the signature covers.
    pub(super) fn covered(&self) -> Span {
        Span { from: self.window_start, to: self.mac.from }
    }

    /// Returns `true` if the MAC or the signature covers the start of this part.
    pub(super) fn covers(&self, part: Span) -> bool {
        self.covered().contains(part.from)
    }

    /// Returns `true` if the mirrors are at their placeholders and the MAC is whole.
    pub(super) fn is_regular(&self) -> bool {
        self.shift.is_none() && self.mac.len() >= MAC_CHARS
    }

    /// Returns the field that holds the position of this mirror. Returns `None` for the MAC and for a captured value.
    pub(super) fn mirror_mut(&mut self, field: Field) -> Option<&mut Option<Span>> {
        match field {
            Field::PiccData => Some(&mut self.picc_data),
            Field::Uid => Some(&mut self.uid),
            Field::SdmReadCtr => Some(&mut self.ctr),
            Field::TtStatus => Some(&mut self.tt_status),
            Field::EncFileData => Some(&mut self.enc),
            #[cfg(feature = "ecdsa")]
            Field::Signature => None,
            Field::SdmMac | Field::Captured => None,
        }
    }

    /// Returns the positions of all mirrors in the URL, including the MAC.
    pub(super) fn mirrors(&self) -> impl Iterator<Item = (Field, Span)> + Clone + use<> {
        let mirrors = [
            (Field::PiccData, self.picc_data),
            (Field::Uid, self.uid),
            (Field::SdmReadCtr, self.ctr),
            (Field::TtStatus, self.tt_status),
            (Field::EncFileData, self.enc),
            (Field::SdmMac, Some(self.mac)),
        ];
        mirrors.into_iter().filter_map(|(field, part)| Some((field, part?)))
    }

    /// Builds the layout of a URL with these parts. Returns an error if no layout can have these parts. `names` is the
    /// layout that contains the names of the captured values.
    pub(super) fn build_layout(
        &self,
        scheme: Scheme,
        url: &str,
        names: Option<&SdmLayout>,
    ) -> Result<SdmLayout, LayoutError> {
        let mut template = TemplateText::new();
        self.write_template(url, names, &mut template).map_err(|_| LayoutError::TemplateTooLong)?;
        SdmLayout::new(scheme, &template)
    }

    fn write_template(&self, url: &str, names: Option<&SdmLayout>, template: &mut TemplateText) -> fmt::Result {
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
            self.write_placeholder(placeholder, part, names, template)?;
            offset = part.to;
        }
        // In a template, the MAC input cannot begin inside a mirror.
        if window_start.is_none() { Ok(()) } else { Err(fmt::Error) }
    }

    /// Returns the first placeholder that begins at or after this offset of the URL.
    fn next_placeholder(&self, offset: usize) -> Option<(Span, Placeholder)> {
        let mirrors = self.mirrors().map(|(field, part)| (part, Placeholder::Mirror(field)));
        let captured = self.captured.iter().flatten().map(|(part, name)| (*part, Placeholder::Captured(*name)));
        mirrors.chain(captured).filter(|(part, _)| part.from >= offset).min_by_key(|(part, _)| part.from)
    }

    fn write_placeholder(
        &self,
        placeholder: Placeholder,
        part: Span,
        names: Option<&SdmLayout>,
        template: &mut TemplateText,
    ) -> fmt::Result {
        let field = match placeholder {
            Placeholder::Mirror(field) => field,
            Placeholder::Captured(name) => {
                let name = names.map(|layout| layout.text(name)).and_then(|name| str::from_utf8(name).ok());
                return write!(template, "{{:{}}}", name.ok_or(fmt::Error)?);
            }
        };
        template.write_str(match field {
            Field::PiccData => "{picc}",
            Field::Uid => "{uid}",
            Field::SdmReadCtr => "{ctr}",
            Field::TtStatus => "{tt}",
            // `mac` is the place of the signature if the tag signs its taps.
            Field::SdmMac if part.len() == SIGNATURE_CHARS => "{sig}",
            Field::SdmMac => "{mac}",
            #[cfg(feature = "ecdsa")]
            Field::Signature => "{sig}",
            Field::EncFileData => {
                return match self.tt_at {
                    None => write!(template, "{{enc:{}}}", part.len()),
                    Some(at) => write!(template, "{{enc:{},tt@{at}}}", part.len()),
                };
            }
            Field::Captured => return Err(fmt::Error),
        })
    }
}

/// Returns each element of the layout with its number of characters in a URL of this length. Returns `None` in the same
/// cases as [`UrlParts::expected`].
pub(super) fn expected_elements(
    layout: &SdmLayout,
    url_len: usize,
) -> Option<impl Iterator<Item = (&LayoutElement, usize)>> {
    let chars = |element: &LayoutElement| match element.kind {
        ElementKind::Value(field) => layout.fixed_chars(field),
        ElementKind::MacInput | ElementKind::End => Some(0),
    };
    let fixed = layout.elements().fold(0usize, |sum, element| {
        sum.saturating_add(element.text.len()).saturating_add(chars(element).unwrap_or_default())
    });
    let rest = url_len.checked_sub(fixed)?;
    let free = layout.elements().filter(|element| chars(element).is_none()).count();
    let is_possible = free <= 1 && (free == 1) == (rest > 0);
    is_possible.then(|| layout.elements().map(move |element| (element, chars(element).unwrap_or(rest))))
}

/// Returns the offset at which the path or the query begins. If the URL has neither, returns the start of the host.
pub(super) fn path_start(url: &str) -> usize {
    let host = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path = url.get(host..).and_then(|rest| rest.find(['/', '?']));
    path.map_or(host, |at| at.saturating_add(host))
}

type TemplateText = String<MAX_TEMPLATE>;

/// A placeholder of a template, such as `{uid}`.
#[derive(Clone, Copy)]
enum Placeholder {
    Mirror(Field),
    /// A captured value. The span is the position of its name in the assumed template.
    Captured(Span),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only one part can have a variable length, and it has at least one character.
    #[test]
    fn lengths_that_a_layout_allows() {
        for (template, lengths) in
            [("s://h/{mac}", 22..23), ("s://h/{:a}/{mac}", 24..100), ("s://h/{:a}/{:b}/{mac}", 0..0)]
        {
            let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
            for length in 0..100 {
                assert_eq!(
                    UrlParts::expected(&layout, length).is_some(),
                    lengths.contains(&length),
                    "{template} {length}"
                );
            }
        }
    }
}
