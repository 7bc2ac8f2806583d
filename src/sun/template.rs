//! Parses URL templates, at compile time or at run time, and checks the rules that templates must follow.

use core::str::FromStr;

use super::error::Field;
use super::fixed::FixedUrl;
use super::layout::{ElementKind, LayoutElement, MAX_ELEMENTS, MAX_TEMPLATE, Mirrored, SdmLayout};
use super::span::Span;
use crate::value::Scheme;

mod chars;
mod error;
mod rules;
#[cfg(feature = "ecdsa")]
mod signed;

use chars::is_url_byte;
pub(crate) use chars::{is_name, is_name_byte};
pub use error::LayoutError;
pub(crate) use rules::{FILE_HEADER, FILE_SIZE};

/// Creates a layout from a template and checks the template at compile time.
///
/// ```
/// use suntap::{SdmLayout, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?picc_data={picc:uid,ctr}&cmac={mac}");
/// ```
///
/// The template must be a constant. For a template that is known only at run time, for example from a configuration
/// file, call [`SdmLayout::new`](crate::SdmLayout::new).
///
/// A template that breaks a rule does not compile. The compiler's message names the rule. For an invalid element or
/// character, the message also gives the position in the template. For example, the following template does not
/// compile, because `{picc}` cannot be combined with `{uid}`:
///
/// ```compile_fail,E0080
/// use suntap::{SdmLayout, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?picc_data={picc}&uid={uid}&cmac={mac}");
/// ```
#[macro_export]
macro_rules! sdm_layout {
    ($template:expr) => {
        $crate::sdm_layout!($crate::Scheme::Aes, $template)
    };
    ($scheme:expr, $template:expr) => {
        const {
            match $crate::SdmLayout::new($scheme, $template) {
                Ok(layout) => layout,
                Err(error) => panic!("{}", error.const_text().as_str()),
            }
        }
    };
}

/// The parsed content of one pair of braces, for example of `{enc:64}`.
struct Braced {
    kind: ElementKind,
    picc: Option<Mirrored>,
    enc_chars: Option<usize>,
    tt_at: Option<usize>,
}

impl Braced {
    const fn plain(field: Field) -> Self {
        Self { kind: ElementKind::Value(field), picc: None, enc_chars: None, tt_at: None }
    }

    const fn read(inner: &[u8]) -> Option<Self> {
        let mut braced = match inner {
            [b'p', b'i', b'c', b'c', ..] => Self::plain(Field::PiccData),
            [b'e', b'n', b'c', ..] => Self::plain(Field::EncFileData),
            b"uid" => return Some(Self::plain(Field::Uid)),
            b"ctr" => return Some(Self::plain(Field::SdmReadCtr)),
            b"tt" => return Some(Self::plain(Field::TtStatus)),
            b"mac" => return Some(Self::plain(Field::SdmMac)),
            #[cfg(feature = "ecdsa")]
            b"sig" => return Some(Self::plain(Field::Signature)),
            [b':', name @ ..] if is_name(name) => return Some(Self::plain(Field::Captured)),
            _ => return None,
        };
        match inner {
            b"picc" | b"enc" => {}
            b"picc:uid,ctr" => braced.picc = Some(Mirrored { uid: true, ctr: true }),
            b"picc:uid" => braced.picc = Some(Mirrored { uid: true, ctr: false }),
            b"picc:ctr" => braced.picc = Some(Mirrored { uid: false, ctr: true }),
            [b'e', b'n', b'c', b':', options @ ..] => {
                let options = match number(options) {
                    Some((chars, [])) => {
                        braced.enc_chars = Some(chars);
                        return Some(braced);
                    }
                    Some((chars, [b',', more @ ..])) => {
                        braced.enc_chars = Some(chars);
                        more
                    }
                    Some(_) => return None,
                    None => options,
                };
                let [b't', b't', b'@', offset @ ..] = options else { return None };
                let Some((offset, [])) = number(offset) else { return None };
                braced.tt_at = Some(offset);
            }
            _ => return None,
        }
        Some(braced)
    }
}

impl SdmLayout {
    /// Parses a URL template.
    ///
    /// | element | meaning |
    /// |---|---|
    /// | `{picc}` | encrypted PICCData with UID, counter or both, depending on the first decrypted byte (PICCDataTag) |
    /// | `{picc:uid,ctr}` `{picc:uid}` `{picc:ctr}` | encrypted PICCData with exactly these values |
    /// | `{uid}` `{ctr}` | the plain mirrors: 14 and 6 hexadecimal digits |
    /// | `{tt}` | the plain TTStatus: two characters `[A-Za-z0-9_-]`, or ten on an NTAG 22x StatusDetect |
    /// | `{enc}` | SDMENCFileData: a multiple of 32 hexadecimal digits |
    /// | `{enc:N}` | SDMENCFileData: exactly N hexadecimal digits |
    /// | `{enc:N,tt@K}` `{enc:tt@K}` | SDMENCFileData; the tamper status begins at offset K of the plaintext |
    /// | `{mac}` | SDMMAC: 16 hexadecimal digits |
    /// | `{sig}` | the signature of an NTAG X DNA: 128 hexadecimal digits, only with `Scheme::Ecdsa` (feature `ecdsa`) |
    /// | `{:name}` | static text that can differ from tag to tag, `[A-Za-z0-9_-]+`; [`captured`] returns it |
    /// | `[[` | the start of the MAC input (SDMMACInputOffset); without `[[`, the MAC input is empty |
    ///
    /// [`captured`]: crate::UnverifiedTap::captured
    ///
    /// The elements may be in any order, with two exceptions: `[[` must not follow `{mac}`, and `{enc}` must be between
    /// `[[` and `{mac}`. A signature proves only what it covers, so with `{sig}`, the elements `{uid}`, `{ctr}`, `{picc}`
    /// and `{enc}` must all be between `[[` and `{sig}`. All other text of the template is static: the URL of a tap must
    /// contain exactly the same bytes. You can call this function in `const` context, as
    /// [`sdm_layout!`](crate::sdm_layout) does.
    ///
    /// The URL must fit into the 256-byte file of the chip. In the file, a one-byte URI code stands for one of these
    /// prefixes of the URL: `https://www.` (02h), `http://www.` (01h), `https://` (04h), `http://` (03h). This crate
    /// chooses the longest prefix that does not extend past `[[`. At most 249 characters can follow the prefix. A URL
    /// without such a prefix has the URI code 00h and can have at most 249 characters.
    ///
    /// `{picc}` without options accepts a UID, a counter or both. The first byte of the decrypted PICCData (the
    /// PICCDataTag) determines which values the tap claims. A forger without the key cannot choose this byte. The byte
    /// is then random, and about 1 in 128 forged taps claims only a UID or only a counter. To rule out such claims,
    /// name ("pin") the values that your tags write, for example with `{picc:uid,ctr}`.
    ///
    /// # Errors
    /// Returns a [`LayoutError`], which names the rule that the template breaks.
    pub const fn new(scheme: Scheme, template: &str) -> Result<Self, LayoutError> {
        Self::compile(scheme, template, true)
    }

    /// Parses a template. `makes_mac` is `false` for a tag without cryptography, which cannot write a MAC.
    pub(super) const fn compile(scheme: Scheme, template: &str, makes_mac: bool) -> Result<Self, LayoutError> {
        let bytes = template.as_bytes();
        let mut layout = Self::blank(scheme);
        let Some((text, _)) = layout.template.split_at_mut_checked(bytes.len()) else {
            return Err(LayoutError::TemplateTooLong);
        };
        text.copy_from_slice(bytes);

        let mut free: &mut [LayoutElement] = &mut layout.elements;
        let mut rest = bytes;
        let mut at: usize = 0;
        let mut text_from: usize = 0;
        loop {
            let (kind, name, after, width) = match rest {
                [] => (ElementKind::End, Span::EMPTY, rest, 0),
                [b'[', b'[', after @ ..] => (ElementKind::MacInput, Span::EMPTY, after, 2),
                [b'{', after @ ..] => {
                    let Some((inner, after)) = until_brace(after) else {
                        return Err(LayoutError::Unclosed { at });
                    };
                    let Some(braced) = Braced::read(inner) else {
                        return Err(LayoutError::UnknownElement { at });
                    };
                    if braced.picc.is_some() {
                        layout.picc = braced.picc;
                    }
                    if braced.enc_chars.is_some() {
                        layout.enc_chars = braced.enc_chars;
                    }
                    if braced.tt_at.is_some() {
                        layout.tt_at = braced.tt_at;
                    }
                    let width = inner.len().saturating_add(2);
                    let name = match braced.kind {
                        ElementKind::Value(Field::Captured) => {
                            Span { from: at.saturating_add(2), to: at.saturating_add(width).saturating_sub(1) }
                        }
                        _ => Span::EMPTY,
                    };
                    (braced.kind, name, after, width)
                }
                [byte, after @ ..] if is_url_byte(*byte) => {
                    rest = after;
                    at = at.saturating_add(1);
                    continue;
                }
                _ => return Err(LayoutError::Character { at }),
            };
            let Some((slot, others)) = { free }.split_first_mut() else {
                // The template has more than `MAX_ELEMENTS` elements. If an element is repeated, `checked` reports the
                // repetition. Otherwise, the template has too many `{:name}` elements.
                return match layout.checked(makes_mac) {
                    Err(error) => Err(error),
                    Ok(_) => Err(LayoutError::TooManyNames),
                };
            };
            *slot = LayoutElement { kind, text: Span { from: text_from, to: at }, name };
            free = others;
            if matches!(kind, ElementKind::End) {
                break;
            }
            rest = after;
            at = at.saturating_add(width);
            text_from = at;
        }
        layout.len = at;
        layout.origin = origin(bytes);
        if let Some(at) = percent_encoded(bytes) {
            return Err(LayoutError::PercentEncoded { at });
        }
        match layout.checked(makes_mac) {
            Ok(_) if !has_scheme(bytes) => Err(LayoutError::NoScheme),
            Ok(_) if is_html(bytes) => Err(LayoutError::HtmlEscaped),
            Ok(mut layout) => {
                layout.fixed = layout.fixed_url();
                layout.window_from = layout.window_start();
                Ok(layout)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns the index of the first element after `[[`, or [`MAX_ELEMENTS`] if the MAC input is always empty.
    const fn window_start(&self) -> usize {
        let mut elements: &[LayoutElement] = &self.elements;
        let mut after: usize = 0;
        while let [element, later @ ..] = elements {
            elements = later;
            after = after.saturating_add(1);
            if matches!(element.kind, ElementKind::MacInput) {
                return if is_mac_input_empty(later) { MAX_ELEMENTS } else { after };
            }
        }
        MAX_ELEMENTS
    }

    /// Returns the form of a URL, or `None` if the layout does not fix the length of each element.
    const fn fixed_url(&self) -> Option<FixedUrl> {
        let mut url = FixedUrl::EMPTY;
        // The elements after `End` have no text.
        let mut elements: &[LayoutElement] = &self.elements;
        while let [element, later @ ..] = elements {
            elements = later;
            let Some(longer) = url.with_text(self.text(element.text)) else { return None };
            url = longer;
            if let ElementKind::Value(field) = element.kind {
                let Some(chars) = self.fixed_chars(field) else { return None };
                let Some(longer) = url.with_mirror(field, chars) else { return None };
                url = longer;
            }
        }
        Some(url)
    }

    const fn blank(scheme: Scheme) -> Self {
        Self {
            scheme,
            template: [0; MAX_TEMPLATE],
            len: 0,
            elements: [LayoutElement { kind: ElementKind::End, text: Span::EMPTY, name: Span::EMPTY }; MAX_ELEMENTS],
            fixed: None,
            origin: 0,
            picc: None,
            enc_chars: None,
            enc_reserve: 0,
            tt_at: None,
            window_from: MAX_ELEMENTS,
            tt_in_window: false,
        }
    }
}

/// Returns `true` if the MAC or the signature directly follows `[[`. `after` contains the elements after `[[`.
const fn is_mac_input_empty(after: &[LayoutElement]) -> bool {
    let [next, ..] = after else { return false };
    next.text.len() == 0
        && match next.kind {
            ElementKind::Value(Field::SdmMac) => true,
            #[cfg(feature = "ecdsa")]
            ElementKind::Value(Field::Signature) => true,
            _ => false,
        }
}

impl FromStr for SdmLayout {
    type Err = LayoutError;

    /// Parses the template of a layout in AES mode ([`Scheme::Aes`]), like [`SdmLayout::new`].
    fn from_str(template: &str) -> Result<Self, LayoutError> {
        Self::new(Scheme::Aes, template)
    }
}

/// Splits text at the first `}`, and returns the text before and the text after the `}`.
const fn until_brace(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = text;
    let mut len: usize = 0;
    while let [byte, after @ ..] = rest {
        if *byte == b'}' {
            return match text.split_at_checked(len) {
                Some((inner, _)) => Some((inner, after)),
                None => None,
            };
        }
        rest = after;
        len = len.saturating_add(1);
    }
    None
}

/// Parses the decimal number at the start of `text`. Returns the number and the text after the number, or `None` if
/// `text` does not begin with a digit.
const fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let mut rest = text;
    let mut value: usize = 0;
    let mut any = false;
    while let [digit, after @ ..] = rest {
        let digit = match digit {
            b'0' => 0,
            b'1' => 1,
            b'2' => 2,
            b'3' => 3,
            b'4' => 4,
            b'5' => 5,
            b'6' => 6,
            b'7' => 7,
            b'8' => 8,
            b'9' => 9,
            _ => break,
        };
        value = value.saturating_mul(10).saturating_add(digit);
        rest = after;
        any = true;
    }
    if any { Some((value, rest)) } else { None }
}

/// Returns `true` if the text begins with a URL scheme and a colon, such as `https:`. A `[[` may precede the URL
/// scheme. Source: RFC 3986 §3.1.
const fn has_scheme(text: &[u8]) -> bool {
    let ([b'[', b'[', first, rest @ ..] | [first, rest @ ..]) = text else { return false };
    let mut rest = rest;
    while let [byte, after @ ..] = rest {
        match byte {
            b':' => return first.is_ascii_alphabetic(),
            b'+' | b'-' | b'.' => {}
            byte if byte.is_ascii_alphanumeric() => {}
            _ => return false,
        }
        rest = after;
    }
    false
}

/// Returns the offset of the first percent-encoded element, such as `%7Bmac%7D`.
const fn percent_encoded(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let mut at: usize = 0;
    while let [_, after @ ..] = rest {
        if let [b'%', b'7', b'B' | b'b', name @ ..] = rest
            && let [b'p', b'i', b'c', b'c', ..]
            | [b'e', b'n', b'c', ..]
            | [b'u', b'i', b'd', ..]
            | [b'c', b't', b'r', ..]
            | [b't', b't', ..]
            | [b'm', b'a', b'c', ..]
            | [b's', b'i', b'g', ..]
            | [b':', ..] = name
        {
            return Some(at);
        }
        rest = after;
        at = at.saturating_add(1);
    }
    None
}

/// Returns `true` if the text contains `&amp;`.
const fn is_html(text: &[u8]) -> bool {
    let mut rest = text;
    while let [_, after @ ..] = rest {
        if let [b'&', b'a', b'm', b'p', b';', ..] = rest {
            return true;
        }
        rest = after;
    }
    false
}

/// Returns the offset of the path in the template, or of the query if there is no path. An HTTP server does not receive
/// the text before this offset.
const fn origin(template: &[u8]) -> usize {
    let mut rest = template;
    let mut at: usize = 0;
    let mut authority = false;
    while let [byte, after @ ..] = rest {
        if !authority && let [b':', b'/', b'/', after_slashes @ ..] = rest {
            authority = true;
            rest = after_slashes;
            at = at.saturating_add(3);
            continue;
        }
        if matches!(byte, b'/' | b'?') {
            break;
        }
        rest = after;
        at = at.saturating_add(1);
    }
    at
}
