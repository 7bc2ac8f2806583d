//! Layouts: the positions of the mirrors and of the MAC window in the URL.

use core::fmt;

use super::error::Field;
use super::fixed::FixedUrl;
use super::span::Span;
use crate::cipher::Suite;
use crate::value::Scheme;

/// Maximum length of a template in characters.
pub(crate) const MAX_TEMPLATE: usize = 256;
/// Maximum number of `{:name}` elements (captures).
pub(crate) const MAX_NAMES: usize = 4;
/// Maximum number of elements: `[[`, at most five mirrors, the `{:name}` elements and [`ElementKind::End`].
pub(crate) const MAX_ELEMENTS: usize = 1 + 5 + MAX_NAMES + 1;

/// The number of characters of SDMMAC.
pub(crate) const MAC_CHARS: usize = 16;
/// The number of characters of a signature: r and s, 32 bytes each.
pub(crate) const SIGNATURE_CHARS: usize = 128;

/// A parsed URL template: the static text of the URL, the positions of the mirrors, and the part of the URL that the
/// MAC covers.
///
/// A layout owns its data and does not use the heap, so it can be a `const` or `static`. A layout determines how taps
/// are parsed and what the MAC covers. The layout also fixes the [`Scheme`], so that the sender of a tap cannot choose
/// the scheme.
///
/// [`SdmLayout::new`] creates a layout and documents the grammar. [`sdm_layout!`](crate::sdm_layout) creates a layout
/// at compile time.
#[doc(alias = "PICCDataOffset")]
#[doc(alias = "SDMMACInputOffset")]
#[doc(alias = "SDMMACOffset")]
#[doc(alias = "SDMENCOffset")]
#[doc(alias = "SDMENCLength")]
#[derive(Clone)]
pub struct SdmLayout {
    pub(crate) scheme: Scheme,
    pub(crate) template: [u8; MAX_TEMPLATE],
    /// The number of bytes of `template` in use.
    pub(crate) len: usize,
    pub(crate) elements: [LayoutElement; MAX_ELEMENTS],
    /// The form of a URL, if the layout fixes the length of each element.
    pub(super) fixed: Option<FixedUrl>,
    /// The offset in `template` at which the path begins, or the query if there is no path.
    pub(crate) origin: usize,
    /// The values that PICCData must contain, for example UID and counter for `{picc:uid,ctr}`. `None` for `{picc}`
    /// without options, and for a layout without PICCData.
    pub(crate) picc: Option<Mirrored>,
    /// The required number of characters of the SDMENCFileData: the `N` in `{enc:N}`.
    pub(crate) enc_chars: Option<usize>,
    /// The total number of hexadecimal digits of the mirrors that directly follow an `{enc}` without a fixed length.
    /// The parser counts the hexadecimal digits in a row from the start of `{enc}`. The last `enc_reserve` digits
    /// belong to the mirrors after `{enc}`, and all digits before them belong to `{enc}`.
    pub(crate) enc_reserve: usize,
    /// The offset of the tamper status in the plaintext of `{enc}`.
    pub(crate) tt_at: Option<usize>,
    /// The index in `elements` of the first element after `[[`, or [`MAX_ELEMENTS`] if the MAC input is always empty.
    pub(crate) window_from: usize,
    /// `true` if `{tt}` is between `[[` and `{mac}`, so that the MAC covers `{tt}`. Always `false` for an NTAG 22x: the
    /// template has no `[[`, although the MAC of this chip always covers `{tt}`.
    pub(crate) tt_in_window: bool,
}

/// Two flags that say which values a tag mirrors, in PICCData or in plain text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mirrored {
    pub(crate) uid: bool,
    pub(crate) ctr: bool,
}

/// An element of the template, and the static text before the element.
#[derive(Clone, Copy)]
pub(crate) struct LayoutElement {
    pub(crate) kind: ElementKind,
    pub(crate) text: Span,
    /// The name in a `{:name}` element.
    pub(crate) name: Span,
}

#[derive(Clone, Copy)]
pub(crate) enum ElementKind {
    /// `[[`
    MacInput,
    Value(Field),
    End,
}

impl SdmLayout {
    /// Returns the scheme that the tag uses to authenticate its taps.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the text of the template.
    #[must_use]
    pub fn template(&self) -> &str {
        let template = self.text(Span { from: 0, to: self.len });
        // A template contains only ASCII, so the conversion cannot fail.
        str::from_utf8(template).unwrap_or_default()
    }

    /// Returns the elements in order, up to and including [`ElementKind::End`].
    pub(crate) fn elements(&self) -> impl Iterator<Item = &LayoutElement> {
        let mut ended = false;
        self.elements.iter().take_while(move |element| {
            let before = ended;
            ended = matches!(element.kind, ElementKind::End);
            !before
        })
    }

    pub(crate) const fn text(&self, span: Span) -> &[u8] {
        match self.template.split_at_checked(span.to) {
            Some((head, _)) => match head.split_at_checked(span.from) {
                Some((_, text)) => text,
                None => &[],
            },
            None => &[],
        }
    }

    /// Returns the mirror that authenticates the tap.
    pub(crate) const fn authenticator(&self) -> Field {
        authenticator(self.scheme)
    }

    /// Returns `true` if the layout has this element.
    #[must_use]
    pub fn has(&self, wanted: Field) -> bool {
        self.elements().any(|element| matches!(element.kind, ElementKind::Value(field) if field == wanted))
    }

    /// Returns the set of values that the taps of this layout carry, plain or in `{picc}`. For a `{picc}` without
    /// options, the set contains both UID and counter, although a tap may carry only one of the two values.
    pub(crate) fn mirrored(&self) -> Mirrored {
        let picc_data = self.has(Field::PiccData);
        let all = Mirrored { uid: picc_data || self.has(Field::Uid), ctr: picc_data || self.has(Field::SdmReadCtr) };
        self.picc.unwrap_or(all)
    }

    /// Returns `true` if the taps of this layout carry a counter. Without a counter, a replay cannot be detected.
    ///
    /// Returns `true` for layouts with `{ctr}`, and for layouts with any form of `{picc}` except `{picc:uid}`.
    #[must_use]
    pub fn carries_ctr(&self) -> bool {
        self.mirrored().ctr
    }

    /// Returns `true` if the MAC input consists only of `{enc}`.
    #[cfg(feature = "dialects")]
    pub(crate) fn covers_enc_alone(&self) -> bool {
        let mut kinds = self.elements().skip_while(|element| !matches!(element.kind, ElementKind::MacInput)).skip(1);
        let mut next_is = |wanted| {
            let element = kinds.next();
            element.is_some_and(|element| {
                element.text.len() == 0 && matches!(element.kind, ElementKind::Value(field) if field == wanted)
            })
        };
        next_is(Field::EncFileData) && next_is(self.authenticator())
    }

    /// Returns `true` if the taps of this layout carry a tamper status: `{tt}`, or a status inside `{enc}`.
    #[must_use]
    pub fn carries_tamper(&self) -> bool {
        self.tt_at.is_some() || self.has(Field::TtStatus)
    }

    /// Returns the offset of the first byte after the tamper status in the plaintext of `{enc}`.
    pub(crate) const fn tt_end(&self) -> Option<usize> {
        match self.tt_at {
            Some(at) => Some(at.saturating_add(2)),
            None => None,
        }
    }

    /// Returns the names of the `{:name}` elements, in the order of the template.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.elements().filter_map(|element| match element.kind {
            ElementKind::Value(Field::Captured) => str::from_utf8(self.text(element.name)).ok(),
            _ => None,
        })
    }

    /// Returns the number of characters of an element, or `None` if the layout does not fix this number.
    pub(crate) const fn fixed_chars(&self, field: Field) -> Option<usize> {
        match field {
            Field::EncFileData => self.enc_chars,
            _ => mirror_chars(self.scheme, field),
        }
    }
}

/// Returns the mirror that authenticates the taps of a scheme.
pub(crate) const fn authenticator(scheme: Scheme) -> Field {
    match scheme {
        #[cfg(feature = "ecdsa")]
        Scheme::Ecdsa => Field::Signature,
        _ => Field::SdmMac,
    }
}

/// Returns the number of characters of a mirror, or `None` if the chip does not fix this number.
pub(crate) const fn mirror_chars(scheme: Scheme, field: Field) -> Option<usize> {
    match (field, scheme) {
        (Field::PiccData, _) => match Suite::of_picc_data(scheme) {
            Some(suite) => Some(suite.picc_data_chars()),
            None => None,
        },
        (Field::Uid, _) => Some(14),
        (Field::SdmReadCtr, _) => Some(6),
        (Field::TtStatus, Scheme::Suncmac) => Some(10),
        (Field::TtStatus, _) => Some(2),
        (Field::SdmMac, _) => Some(MAC_CHARS),
        #[cfg(feature = "ecdsa")]
        (Field::Signature, _) => Some(SIGNATURE_CHARS),
        (Field::EncFileData | Field::Captured, _) => None,
    }
}

impl PartialEq for SdmLayout {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.template() == other.template()
    }
}

impl Eq for SdmLayout {}

/// Writes the template, but not the [`Scheme`].
impl fmt::Display for SdmLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.template())
    }
}

impl fmt::Debug for SdmLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdmLayout")
            .field("scheme", &self.scheme)
            .field("template", &self.template())
            .finish_non_exhaustive()
    }
}
