//! A received tap: its text, and the values that were read from the text.

use core::fmt;

use super::error::Field;
use super::layout::{ElementKind, LayoutElement, MAC_CHARS, MAX_ELEMENTS, SIGNATURE_CHARS, SdmLayout};
use super::mac::SdmMac;
use super::ntag22x::StatusDetect;
use crate::value::{SdmReadCtr, Uid};

/// The mirrors of a tap, sent as separate values and not as one URL. [`SdmLayout::assemble`] makes a tap from the
/// mirrors.
///
/// Hexadecimal digits may be in upper or lower case, as in a URL.
#[derive(Clone, Copy, Default)]
pub struct Mirrors<'a> {
    /// `{picc}`
    pub picc_data: Option<&'a str>,
    /// `{uid}`. If the sender omits the UID, pass the UID from your record of the tag.
    pub uid: Option<&'a str>,
    /// `{ctr}`
    pub ctr: Option<&'a str>,
    /// `{tt}`
    pub tt_status: Option<&'a str>,
    /// `{enc}`
    pub enc_file_data: Option<&'a str>,
    /// `{mac}` or `{sig}`
    pub mac: Option<&'a str>,
    /// `{enc}` directly followed by `{mac}` or `{sig}`, or `{mac}` or `{sig}` alone if the layout has no `{enc}`. This
    /// field exists because some APIs send `{enc}` and `{mac}` in one parameter. If you set this field, leave
    /// `enc_file_data` and `mac` as `None`.
    pub enc_mac: Option<&'a str>,
    /// The texts of the `{:name}` elements, as pairs of name and text.
    pub captured: &'a [(&'a str, &'a str)],
}

impl<'a> Mirrors<'a> {
    /// Returns the value that was sent for this field.
    pub(super) fn value(&self, layout: &SdmLayout, field: Field) -> Option<&'a str> {
        let chars = if layout.scheme().is_signed() { SIGNATURE_CHARS } else { MAC_CHARS };
        let run_together =
            || self.enc_mac.filter(|_| layout.has(Field::EncFileData)).map(|text| split_mac(text, chars));
        match field {
            Field::PiccData => self.picc_data,
            Field::Uid => self.uid,
            Field::SdmReadCtr => self.ctr,
            Field::TtStatus => self.tt_status,
            Field::EncFileData => run_together().map_or(self.enc_file_data, |(enc, _)| enc),
            Field::SdmMac => run_together().map_or(self.enc_mac.or(self.mac), |(_, mac)| Some(mac)),
            #[cfg(feature = "ecdsa")]
            Field::Signature => self.value(layout, Field::SdmMac),
            Field::Captured => None,
        }
    }

    /// Returns the text that was sent for the `{:name}` element with this name. Names are compared as bytes, because a
    /// conversion of `name` with `from_utf8` would cost 700 bytes of flash in firmware.
    pub(crate) fn captured(&self, name: &[u8]) -> Option<&'a str> {
        self.captured.iter().find(|(given, _)| given.as_bytes() == name).map(|(_, text)| *text)
    }

    /// Returns the value that was sent for this element.
    pub(super) fn text(&self, layout: &SdmLayout, element: &LayoutElement) -> Option<&'a str> {
        match element.kind {
            ElementKind::Value(Field::Captured) => self.captured(layout.text(element.name)),
            ElementKind::Value(field) => self.value(layout, field),
            ElementKind::MacInput | ElementKind::End => None,
        }
    }
}

/// Splits the value of [`Mirrors::enc_mac`] into the encrypted file data and the MAC or signature, which is the last
/// `chars` characters.
///
/// If the value cannot be split, returns `None` and the whole value. [`SdmLayout::assemble`] rejects such a tap,
/// because the file data is missing.
fn split_mac(text: &str, chars: usize) -> (Option<&str>, &str) {
    let split = text.len().checked_sub(chars).and_then(|at| text.split_at_checked(at));
    split.map_or((None, text), |(enc, mac)| (Some(enc), mac))
}

impl fmt::Debug for Mirrors<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirrors").finish_non_exhaustive()
    }
}

/// A received tap: its text, and the values that were read from the text. The struct is kept small, because it is
/// copied whenever the tap gets a new type, for example when an `UnverifiedTap` becomes a `ClaimedTap`.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(super) source: Source<'a>,
    pub(super) uid: Option<Uid>,
    pub(super) ctr: Option<SdmReadCtr>,
    pub(super) mac: SdmMac,
    pub(super) status_detect: Option<StatusDetect>,
}

/// The received text: one URL, or one value for each element.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// All elements are in one string. `starts` gives the offset of each element. The text of an element ends where the
    /// static text before the next element begins.
    Url {
        input: &'a [u8],
        starts: Starts,
    },
    /// All elements are in one string, and the layout fixes the offset of each element.
    Fixed(&'a [u8]),
    Separate(&'a Mirrors<'a>),
}

pub(super) type Starts = [u16; MAX_ELEMENTS];

impl<'a> Received<'a> {
    /// Returns the elements of the layout, each with the text that was received for the element.
    pub(crate) fn texts<'s>(&'s self, layout: &'s SdmLayout) -> impl Iterator<Item = (&'s LayoutElement, &'a [u8])> {
        layout.elements().enumerate().map(|(index, element)| (element, self.text(layout, index).unwrap_or_default()))
    }

    /// Returns the received text of the element at this index of the layout.
    pub(super) fn text(&self, layout: &SdmLayout, index: usize) -> Option<&'a [u8]> {
        match &self.source {
            Source::Url { input, starts } => {
                let after = index.saturating_add(1);
                let (from, to) = (*starts.get(index)?, *starts.get(after)?);
                let to = usize::from(to).checked_sub(layout.elements.get(after)?.text.len())?;
                input.get(usize::from(from)..to)
            }
            Source::Fixed(input) => match layout.elements.get(index)?.kind {
                ElementKind::Value(field) => layout.fixed.as_ref()?.mirror(input, field, layout.fixed_chars(field)?),
                ElementKind::MacInput | ElementKind::End => None,
            },
            Source::Separate(mirrors) => mirrors.text(layout, layout.elements.get(index)?).map(str::as_bytes),
        }
    }

    /// Returns the text of the `{:name}` element with this name.
    pub(super) fn captured(&self, layout: &SdmLayout, name: &str) -> Option<&'a str> {
        let text = self.find(layout, Field::Captured, |element| layout.text(element.name) == name.as_bytes())?;
        str::from_utf8(text).ok()
    }

    /// Returns the received text of a mirror.
    pub(super) fn text_of(&self, layout: &SdmLayout, wanted: Field) -> Option<&'a [u8]> {
        self.find(layout, wanted, |_| true)
    }

    fn find(&self, layout: &SdmLayout, wanted: Field, is_match: impl Fn(&LayoutElement) -> bool) -> Option<&'a [u8]> {
        let index = layout.elements().position(|element| match element.kind {
            ElementKind::Value(field) => field == wanted && is_match(element),
            _ => false,
        })?;
        self.text(layout, index)
    }
}
