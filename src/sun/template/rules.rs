//! Checks that a template follows the rules of the chip, and that each URL can be parsed in only one way. Source:
//! NT4H2421Gx §9.3.3 to §9.3.7, Table 71.

use super::chars::is_name_byte;
use super::error::LayoutError;
use crate::sun::error::Field;
use crate::sun::layout::{ElementKind, LayoutElement, MAX_NAMES, SdmLayout};
use crate::sun::span::Span;
use crate::value::Scheme;

/// The size of the chip's NDEF file in bytes. Source: NT4H2421Gx Table 71.
pub(crate) const FILE_SIZE: usize = 256;
/// The number of file bytes before the text of the URI. These bytes are NLEN (the length of the NDEF message), the
/// record header and the URI code.
pub(crate) const FILE_HEADER: usize = 7;

impl SdmLayout {
    /// Checks the number, the order, the combination and the lengths of the elements, and returns the layout.
    /// `makes_mac` is `false` for a tag without cryptography.
    pub(super) const fn checked(mut self, makes_mac: bool) -> Result<Self, LayoutError> {
        #[cfg(feature = "ecdsa")]
        if makes_mac && let Err(error) = self.check_signed() {
            return Err(error);
        }
        let (mut picc, mut uid, mut ctr, mut tt, mut enc, mut mac) = (false, false, false, false, false, false);
        let mut window = false;
        let mut names: usize = 0;
        let mut elements: &[LayoutElement] = &self.elements;
        while let [element, rest @ ..] = elements {
            elements = rest;
            let twice = match element.kind {
                ElementKind::MacInput if window => return Err(LayoutError::RepeatedMacInput),
                ElementKind::MacInput if mac => return Err(LayoutError::MacInputAfterMac),
                ElementKind::MacInput => {
                    window = true;
                    continue;
                }
                ElementKind::End => break,
                ElementKind::Value(field) => match field {
                    Field::PiccData => replace(&mut picc),
                    Field::Uid => replace(&mut uid),
                    Field::SdmReadCtr => replace(&mut ctr),
                    Field::TtStatus => {
                        self.tt_in_window = window && !mac;
                        replace(&mut tt)
                    }
                    Field::EncFileData => {
                        if !window || mac {
                            return Err(LayoutError::EncOutsideMacInput);
                        }
                        if self.enc_chars.is_none() {
                            let Some(reserve) = self.digits_after(rest) else {
                                return Err(LayoutError::Unbounded(field));
                            };
                            self.enc_reserve = reserve;
                        }
                        replace(&mut enc)
                    }
                    Field::SdmMac => replace(&mut mac),
                    #[cfg(feature = "ecdsa")]
                    Field::Signature => replace(&mut mac),
                    Field::Captured => {
                        if self.name_in(element.name, rest) {
                            return Err(LayoutError::RepeatedName);
                        }
                        if !self.name_ends(rest) {
                            return Err(LayoutError::Unbounded(field));
                        }
                        names = names.saturating_add(1);
                        false
                    }
                },
            };
            if twice && let ElementKind::Value(field) = element.kind {
                return Err(LayoutError::Repeated(field));
            }
        }
        if names > MAX_NAMES {
            return Err(LayoutError::TooManyNames);
        }
        if !makes_mac {
            if window || picc || tt || enc || mac || !(uid || ctr) {
                return Err(LayoutError::CounterTag);
            }
        } else if !mac {
            return Err(LayoutError::NoMac);
        }
        if picc && (uid || ctr) {
            return Err(LayoutError::PiccDataAndPlain);
        }
        // An NTAG 22x supports neither `{picc}` nor `{enc}`. The following check also rules out both elements:
        // `{picc}` cannot be combined with the required `{uid}`, and `{enc}` needs the forbidden `[[`.
        if matches!(self.scheme, Scheme::Suncmac) && (window || !uid || !ctr) {
            return Err(LayoutError::Ntag22x);
        }
        let both = match self.picc {
            Some(pinned) => pinned.uid && pinned.ctr,
            None => picc || (uid && ctr),
        };
        if enc && !both {
            return Err(LayoutError::EncNeedsUidAndCtr);
        }
        if let Some(chars) = self.enc_chars {
            if chars == 0 || chars % 32 != 0 {
                return Err(LayoutError::EncLength);
            }
            if let Some(end) = self.tt_end()
                && end > chars / 2
            {
                return Err(LayoutError::TamperOutsideEnc);
            }
        }
        if tt && self.tt_at.is_some() {
            return Err(LayoutError::TamperTwice);
        }
        if self.shortest_file() > FILE_SIZE {
            return Err(LayoutError::FileTooLong);
        }
        Ok(self)
    }

    /// Returns the length in bytes of an NDEF file that contains the shortest URL of this layout.
    pub(crate) const fn shortest_file(&self) -> usize {
        let mut total = FILE_HEADER;
        let mut elements: &[LayoutElement] = &self.elements;
        while let [element, rest @ ..] = elements {
            elements = rest;
            total = total.saturating_add(element.text.len());
            total = total.saturating_add(match element.kind {
                ElementKind::MacInput => 0,
                ElementKind::End => break,
                ElementKind::Value(field) => match self.fixed_chars(field) {
                    Some(chars) => chars,
                    None if matches!(field, Field::EncFileData) => match self.tt_end() {
                        Some(end) => end.div_ceil(16).saturating_mul(32),
                        None => 32,
                    },
                    None => 1,
                },
            });
        }
        let (_, prefix) = self.uri_code();
        total.saturating_sub(prefix)
    }

    /// Returns the URI code of the NDEF record, and the length of the URL prefix that this code abbreviates. This
    /// function chooses the longest prefix that has a URI code and does not extend past `[[`. Source: NFC Forum URI
    /// RTD, codes 00h to 04h.
    pub(crate) const fn uri_code(&self) -> (u8, usize) {
        let [first, ..] = &self.elements;
        match self.text(first.text) {
            [b'h', b't', b't', b'p', b's', b':', b'/', b'/', b'w', b'w', b'w', b'.', ..] => (2, 12),
            [b'h', b't', b't', b'p', b':', b'/', b'/', b'w', b'w', b'w', b'.', ..] => (1, 11),
            [b'h', b't', b't', b'p', b's', b':', b'/', b'/', ..] => (4, 8),
            [b'h', b't', b't', b'p', b':', b'/', b'/', ..] => (3, 7),
            _ => (0, 0),
        }
    }

    /// Returns the number of hexadecimal digits in the fixed-length elements directly after an `{enc}` of variable
    /// length. The parser counts all hexadecimal digits in a row, and subtracts this number to get the length of
    /// `{enc}`.
    ///
    /// Returns `None` if the character after these elements could also be a hexadecimal digit. The length of `{enc}`
    /// would then be ambiguous.
    const fn digits_after(&self, mut elements: &[LayoutElement]) -> Option<usize> {
        let mut digits = 0usize;
        while let [element, rest @ ..] = elements {
            elements = rest;
            match self.text(element.text) {
                [] => {}
                [first, ..] => return if first.is_ascii_hexdigit() { None } else { Some(digits) },
            }
            match element.kind {
                ElementKind::End => break,
                ElementKind::MacInput => {}
                ElementKind::Value(Field::TtStatus | Field::Captured) => return None,
                ElementKind::Value(field) => match self.fixed_chars(field) {
                    Some(chars) => digits = digits.saturating_add(chars),
                    None => return None,
                },
            }
        }
        Some(digits)
    }

    /// Returns `true` if the character after a `{:name}` element cannot be part of the text of this element. `elements`
    /// are the elements after the `{:name}` element.
    const fn name_ends(&self, mut elements: &[LayoutElement]) -> bool {
        while let [element, rest @ ..] = elements {
            elements = rest;
            match (self.text(element.text), element.kind) {
                ([first, ..], _) => return !is_name_byte(*first),
                ([], ElementKind::End) => return true,
                ([], ElementKind::Value(_)) => return false,
                ([], ElementKind::MacInput) => {}
            }
        }
        true
    }

    const fn name_in(&self, name: Span, mut elements: &[LayoutElement]) -> bool {
        while let [element, rest @ ..] = elements {
            elements = rest;
            if matches!(element.kind, ElementKind::Value(Field::Captured))
                && same(self.text(name), self.text(element.name))
            {
                return true;
            }
        }
        false
    }
}

/// Sets a flag and returns its previous value.
const fn replace(flag: &mut bool) -> bool {
    let before = *flag;
    *flag = true;
    before
}

const fn same(mut left: &[u8], mut right: &[u8]) -> bool {
    loop {
        match (left, right) {
            ([], []) => return true,
            ([l, left_rest @ ..], [r, right_rest @ ..]) if *l == *r => {
                left = left_rest;
                right = right_rest;
            }
            _ => return false,
        }
    }
}
