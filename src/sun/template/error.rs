//! Defines the error for a template that breaks a rule.

use core::fmt;

use crate::sun::error::Field;

/// The reason why a template is not a valid layout. Sources of the rules: NT4H2421Gx §9.3.3 to §9.3.7, Table 71.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LayoutError {
    /// The template is longer than 256 characters. This limit of the crate applies to the text of the template, which
    /// includes the names of the `{:name}` elements. The chip limits only the length of the URL: see
    /// [`FileTooLong`](Self::FileTooLong).
    TemplateTooLong,
    /// Even the shortest URL that matches the template does not fit into the 256-byte file of the chip.
    FileTooLong,
    /// The template has a character that a URL cannot contain (RFC 3986 §2), or a `}` without `{`.
    Character {
        /// The number of template bytes before the character.
        at: usize,
    },
    /// The text between a `{` and the next `}` is not a known element.
    UnknownElement {
        /// The number of template bytes before the `{`.
        at: usize,
    },
    /// This element occurs more than once.
    Repeated(Field),
    /// Two `{:name}` elements have the same name.
    RepeatedName,
    /// The template has more than four `{:name}` elements.
    TooManyNames,
    /// `[[` occurs more than once.
    RepeatedMacInput,
    /// `{picc}` is combined with `{uid}` or `{ctr}`. A chip writes the UID and the counter either both encrypted or
    /// both plain.
    PiccDataAndPlain,
    /// The template does not begin with the scheme of a URL, for example `https:` (RFC 3986 §3.1).
    NoScheme,
    /// The template contains `&amp;`, probably because it was copied from HTML. A tag writes `&`.
    HtmlEscaped,
    /// An element is percent-encoded, as in `%7Bmac%7D`.
    PercentEncoded {
        /// The number of template bytes before the element.
        at: usize,
    },
    /// A `{` has no `}` after it.
    Unclosed {
        /// The number of template bytes before the `{`.
        at: usize,
    },
    /// `{mac}` is missing, so no tap could be verified.
    NoMac,
    /// The scheme is [`Scheme::Ecdsa`](crate::Scheme::Ecdsa), but `{sig}` is missing, so no tap could be verified.
    #[cfg(feature = "ecdsa")]
    NoSignature,
    /// The template has `{sig}`, but the scheme is not [`Scheme::Ecdsa`](crate::Scheme::Ecdsa).
    #[cfg(feature = "ecdsa")]
    UnexpectedSignature,
    /// `{sig}` is combined with `{mac}`. A chip writes one of them at SDMMACOffset.
    #[cfg(feature = "ecdsa")]
    SignatureAndMac,
    /// The template has `{sig}`, but no `[[` (SDMMACInputOffset), or has `[[` directly before `{sig}`. The signature would
    /// cover no text, and therefore prove nothing.
    #[cfg(feature = "ecdsa")]
    NoMacInput,
    /// The template has `{sig}`, but this `{uid}`, `{ctr}` or `{picc}` is not between `[[` and `{sig}`. Unlike a MAC, a
    /// signature proves only what it covers: anybody could change this value in a genuine tap.
    #[cfg(feature = "ecdsa")]
    Unsigned(Field),
    /// `{sig}` is combined with `{tt}`, or with a tamper status in `{enc}`. NTAG X DNA has no tamper status. To read its
    /// GPIO status, put a `{:name}` element between `[[` and `{sig}`.
    #[cfg(feature = "ecdsa")]
    SignatureAndTamper,
    /// `[[` (SDMMACInputOffset) is after `{mac}` or `{sig}` (SDMMACOffset). The chip requires SDMMACInputOffset <=
    /// SDMMACOffset.
    MacInputAfterMac,
    /// `{enc}` is not between `[[` and `{mac}` or `{sig}`. The chip requires that SDMMACInputOffset <= SDMENCOffset and
    /// that SDMENCOffset + SDMENCLength <= SDMMACOffset.
    EncOutsideMacInput,
    /// The length N in `{enc:N}` is not a positive multiple of 32 characters.
    EncLength,
    /// The template has `{enc}`, but the UID, the counter or both are missing. The chip derives the key of the file
    /// data from the UID and the counter.
    EncNeedsUidAndCtr,
    /// In `{enc:N,tt@K}`, the two bytes of the tamper status at offset K do not fit into the N/2 bytes of plaintext.
    TamperOutsideEnc,
    /// The template has the tamper status twice: as `{tt}` and inside `{enc}`.
    TamperTwice,
    /// A template for a [`CounterTagLayout`](crate::CounterTagLayout) has neither `{uid}` nor `{ctr}`, or has an
    /// element that a tag without cryptography does not support: `{picc}`, `{tt}`, `{enc}`, `{mac}`, `{sig}` or `[[`.
    CounterTag,
    /// A template for [`Scheme::Suncmac`](crate::Scheme::Suncmac) lacks `{uid}` or `{ctr}`, or has an element that an
    /// NTAG 22x does not support: `{picc}`, `{enc}` or `[[`.
    Ntag22x,
    /// The end of this element is ambiguous, because its length varies and the next character could also belong to the
    /// element. Fix the length with `{enc:N}`, or put a separator such as `&` or `/` after the element.
    Unbounded(Field),
}

impl LayoutError {
    /// Returns the broken rule in one sentence.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::TemplateTooLong => "a template must have at most 256 characters",
            Self::FileTooLong => "the URL must fit into the 256-byte file of the chip",
            Self::Character { .. } => "a template may contain only characters of a URL, and no unmatched brace",
            Self::UnknownElement { .. } => {
                "an element must be one of {picc} {picc:uid,ctr} {picc:uid} {picc:ctr} {uid} {ctr} {tt} {enc} {enc:N} \
                 {enc:N,tt@K} {enc:tt@K} {mac} {:name} [[, or with the feature ecdsa {sig}"
            }
            Self::Repeated(_) => "each element may occur only once",
            Self::RepeatedName => "each {:name} must have a different name",
            Self::TooManyNames => "at most four texts can be captured",
            Self::RepeatedMacInput => "[[ may occur only once",
            Self::PiccDataAndPlain => "{picc} holds UID and counter, so it cannot be combined with {uid} or {ctr}",
            Self::NoScheme => "a template must begin with the scheme of a URL, such as https:",
            Self::HtmlEscaped => "write & instead of &amp;: a template is not HTML",
            Self::PercentEncoded { .. } => "braces must not be percent-encoded: write {mac}, not %7Bmac%7D",
            Self::Unclosed { .. } => "a { needs a } after it",
            Self::NoMac => "{mac} is missing",
            #[cfg(feature = "ecdsa")]
            Self::NoSignature => "{sig} is missing",
            #[cfg(feature = "ecdsa")]
            Self::UnexpectedSignature => "{sig} needs the scheme ecdsa",
            #[cfg(feature = "ecdsa")]
            Self::SignatureAndMac => "{sig} cannot be combined with {mac}",
            #[cfg(feature = "ecdsa")]
            Self::NoMacInput => "{sig} needs [[ and text after it, or the signature covers nothing",
            #[cfg(feature = "ecdsa")]
            Self::Unsigned(_) => {
                "{uid}, {ctr} and {picc} must be between [[ and {sig}, or the signature does not prove them"
            }
            #[cfg(feature = "ecdsa")]
            Self::SignatureAndTamper => "a chip that writes {sig} has no tamper status",
            Self::MacInputAfterMac => "[[ must not be after {mac} or {sig}",
            Self::EncOutsideMacInput => "{enc} must be between [[ and {mac} or {sig}",
            Self::EncLength => "the length of {enc:N} must be a positive multiple of 32",
            Self::EncNeedsUidAndCtr => "{enc} needs both UID and counter mirrored",
            Self::TamperOutsideEnc => "the tamper status of {enc:N,tt@K} needs K + 2 <= N / 2",
            Self::TamperTwice => "the tamper status may be {tt} or inside {enc}, but not both",
            Self::CounterTag => "a tag without cryptography mirrors only {uid}, {ctr} or both",
            Self::Ntag22x => "an NTAG 22x mirrors {uid}, {ctr}, {tt} and {mac}, and its MAC covers no text",
            Self::Unbounded(_) => "an element without a fixed length needs a separator after it, or a pinned length",
        }
    }
}

/// The message of a [`LayoutError`], for the panic of `sdm_layout!`. The macro cannot use `Display`, because Rust
/// cannot format values in `const` context.
#[doc(hidden)]
#[derive(Debug)]
#[allow(unnameable_types, reason = "only the macro uses it")]
pub struct ConstText {
    bytes: [u8; 256],
    len: usize,
}

impl ConstText {
    const fn push(mut self, text: &[u8]) -> Self {
        if let Some((_, free)) = self.bytes.split_at_mut_checked(self.len)
            && let Some((place, _)) = free.split_at_mut_checked(text.len())
        {
            place.copy_from_slice(text);
            self.len = self.len.saturating_add(text.len());
        }
        self
    }

    const fn push_number(self, number: usize) -> Self {
        let before = if number < 10 { self } else { self.push_number(number / 10) };
        let [.., digit] = (number % 10).to_be_bytes();
        before.push(&[b'0'.saturating_add(digit)])
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(&self) -> &str {
        match self.bytes.split_at_checked(self.len) {
            Some((text, _)) => match str::from_utf8(text) {
                Ok(text) => text,
                Err(_) => "",
            },
            None => "",
        }
    }
}

impl LayoutError {
    /// Returns the same text as `Display`, but without the name of the element. `sdm_layout!` panics with this text.
    #[doc(hidden)]
    #[must_use]
    pub const fn const_text(&self) -> ConstText {
        let text = ConstText { bytes: [0; 256], len: 0 }.push(self.rule().as_bytes());
        match self {
            Self::Character { at }
            | Self::UnknownElement { at }
            | Self::PercentEncoded { at }
            | Self::Unclosed { at } => text.push(b" (byte ").push_number(*at).push(b" of the template)"),
            _ => text,
        }
    }
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule())?;
        match self {
            Self::Character { at }
            | Self::UnknownElement { at }
            | Self::PercentEncoded { at }
            | Self::Unclosed { at } => write!(f, " (byte {at} of the template)"),
            Self::Repeated(field) | Self::Unbounded(field) => write!(f, " ({field})"),
            #[cfg(feature = "ecdsa")]
            Self::Unsigned(field) => write!(f, " ({field})"),
            _ => Ok(()),
        }
    }
}

impl core::error::Error for LayoutError {}

#[cfg(test)]
mod tests {
    use std::string::ToString as _;

    use super::*;

    #[test]
    fn macro_text_contains_the_position() {
        for at in [0, 9, 10, 255, 12_345] {
            for error in [LayoutError::Character { at }, LayoutError::UnknownElement { at }] {
                assert_eq!(error.const_text().as_str(), error.to_string());
            }
        }
        assert_eq!(LayoutError::NoMac.const_text().as_str(), LayoutError::NoMac.to_string());
    }
}
