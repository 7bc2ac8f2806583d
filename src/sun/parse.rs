//! Parses received text into an [`UnverifiedTap`]. Parsing checks only that the text matches the layout. Nothing is
//! decrypted or verified.

use super::error::{Field, Malformed};
use super::fixed::{FixedUrl, MAX_URL};
use super::layout::{ElementKind, LayoutElement, MAX_ELEMENTS, SdmLayout};
use super::mac::SdmMac;
use super::ndef::UriRecord;
use super::ntag22x::StatusDetect;
use super::received::{Mirrors, Received, Source};
use super::tap::UnverifiedTap;
use super::template::is_name_byte;
use crate::cipher::PiccWire;
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

impl<'a> UnverifiedTap<'a> {
    /// Creates a tap without values. The parser fills in the UID, the counter and the MAC later.
    fn begun(layout: &'a SdmLayout, source: Source<'a>) -> Self {
        let mac = SdmMac::from_bytes([0; 8]);
        let received = Received { source, uid: None, ctr: None, mac, status_detect: None };
        Self { layout, received, picc_data: PiccWire::default() }
    }

    /// Returns `true` if both taps have the same texts and values.
    fn reads_like(&self, other: &Self) -> bool {
        let values = |Received { uid, ctr, mac, status_detect, .. }: Received<'_>| (uid, ctr, mac, status_detect);
        self.texts().eq(other.texts())
            && self.picc_data == other.picc_data
            && values(self.received) == values(other.received)
    }

    /// Checks the length and the characters of `text`, which is the received text of the element `field`. Stores the
    /// decoded value if later steps need the value.
    #[allow(clippy::inline_always, reason = "`read_fixed` needs only a small part of this method for each mirror")]
    #[inline(always)]
    fn accept(&mut self, field: Field, text: &[u8]) -> Result<(), Malformed> {
        let Self { layout, received, picc_data } = self;
        if layout.fixed_chars(field).is_some_and(|chars| chars != text.len()) {
            return Err(Malformed::Length(field));
        }
        if text.len() > MAX_URL {
            return Err(Malformed::TooLong);
        }
        let digits = |_| Malformed::Character(field);
        let all = |allowed: fn(&u8) -> bool| text.iter().all(allowed).then_some(()).ok_or(Malformed::Character(field));
        match field {
            Field::PiccData => {
                let wire = picc_data.get_mut(..text.len() / 2).ok_or(Malformed::Length(field))?;
                hex::decode_into(text, wire).map_err(digits)?;
            }
            Field::Uid => received.uid = Some(Uid::from_bytes(hex::decode(text).map_err(digits)?)),
            Field::SdmReadCtr => received.ctr = Some(SdmReadCtr::from_msb_first(hex::decode(text).map_err(digits)?)),
            Field::SdmMac => received.mac = SdmMac::from_bytes(hex::decode(text).map_err(digits)?),
            // The signature is decoded when it is verified, because `Received` is kept small.
            #[cfg(feature = "ecdsa")]
            Field::Signature => hex::check(text).map_err(digits)?,
            Field::EncFileData => {
                let enough = layout.tt_end().is_none_or(|end| end <= text.len() / 2);
                if text.is_empty() || !text.len().is_multiple_of(32) || !enough {
                    return Err(Malformed::Length(field));
                }
                hex::check(text).map_err(digits)?;
            }
            Field::TtStatus if layout.scheme() == Scheme::Suncmac => {
                let block = StatusDetect::from_ascii(text).ok_or(Malformed::Character(field))?;
                received.status_detect = Some(block);
            }
            Field::Captured if text.is_empty() => return Err(Malformed::Length(field)),
            Field::TtStatus | Field::Captured => all(|byte| is_name_byte(*byte))?,
        }
        Ok(())
    }
}

impl SdmLayout {
    /// Parses a full URL.
    ///
    /// Static text must match byte by byte. Each element must have the correct length and valid characters. Hexadecimal
    /// digits may be in upper or lower case. Missing elements, repeated elements and trailing text are rejected.
    /// Nothing is percent-decoded.
    ///
    /// # Errors
    /// Returns [`Malformed`] with the reason.
    pub fn parse<'a>(&'a self, url: &'a str) -> Result<UnverifiedTap<'a>, Malformed> {
        let url = url.as_bytes();
        self.read(url, 0).map_err(|error| if url.starts_with(b"/") { Malformed::OriginForm } else { error })
    }

    /// Parses the `/path?query` of an HTTP request, which is the only part of the URL that a server receives. The text
    /// before the path, for example `https://example.com`, is taken from the template.
    ///
    /// If the template has no path, as in `lnurlw://example.com?p={picc}&c={mac}`, this method accepts the `/` that an
    /// HTTP client inserts before the `?`.
    ///
    /// # Errors
    /// Returns [`Malformed`] with the reason.
    pub fn parse_origin_form<'a>(&'a self, target: &'a str) -> Result<UnverifiedTap<'a>, Malformed> {
        let target = target.as_bytes();
        let pathless = self.template().as_bytes().get(self.origin) == Some(&b'?');
        match target {
            [b'/', query @ ..] if pathless && query.starts_with(b"?") => {
                self.read(query, self.origin).map_err(|error| match error {
                    Malformed::StaticText { at } => Malformed::StaticText { at: at.saturating_add(1) },
                    error => error,
                })
            }
            [b'/' | b'?', ..] => self.read(target, self.origin),
            _ => {
                let is_url = || target.windows(3).any(|text| text == b"://");
                self.read(target, self.origin).map_err(|error| if is_url() { Malformed::FullUrl } else { error })
            }
        }
    }

    /// Parses the NDEF file of a tag. An NFC reader reads this file with the command ISOReadBinary or ReadData. The
    /// file consists of NLEN (the length of the message, two bytes) and the NDEF message.
    ///
    /// The first record must be a URI record that is not split into chunks. Further records and bytes after the message
    /// are ignored. The first byte of the record's payload is the URI code. The URI code stands for the beginning of
    /// the URL, for example `https://`. All codes from 00h to 04h are accepted. Pass raw bytes, not hexadecimal digits:
    ///
    /// ```
    /// use suntap::{SdmLayout, sdm_layout};
    ///
    /// static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
    ///
    /// let text = b"ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
    /// // NLEN, the header of a short URI record with a payload of 71 bytes, and URI code 04h for "https://".
    /// let file = [&[0x00, 0x4B, 0xD1, 0x01, 0x47, 0x55, 0x04], &text[..], &[0; 178]].concat();
    /// assert!(LAYOUT.parse_ndef_file(&file).is_ok());
    /// ```
    ///
    /// # Errors
    /// Returns [`Malformed`] with the reason. The offset in [`Malformed::StaticText`] is counted from the start of the
    /// whole URL, including the beginning for which the URI code stands.
    pub fn parse_ndef_file<'a>(&'a self, file: &'a [u8]) -> Result<UnverifiedTap<'a>, Malformed> {
        let UriRecord { prefix, text, .. } = UriRecord::read(file)?;
        let prefix = prefix.as_bytes();
        let template = self.template.get(..self.len).unwrap_or_default();
        if !template.starts_with(prefix) {
            let same = template.iter().zip(prefix).take_while(|(template, prefix)| template == prefix).count();
            return Err(Malformed::StaticText { at: same });
        }
        self.read(text, prefix.len()).map_err(|error| match error {
            Malformed::StaticText { at } => Malformed::StaticText { at: at.saturating_add(prefix.len()) },
            error => error,
        })
    }

    /// Assembles a tap from mirrors (values that the tag writes) that arrived separately and not as one URL.
    ///
    /// All static text comes from the template, including the static text inside the MAC window. The returned tap
    /// borrows the values, just as a parsed tap borrows its URL.
    ///
    /// # Errors
    /// Returns [`Malformed`] if `mirrors` lacks a value that the layout requires, contains a value twice, or
    /// contains a value that is not in the layout. A wrong length or an invalid character in a value is also an error.
    pub fn assemble<'a>(&'a self, mirrors: &'a Mirrors<'a>) -> Result<UnverifiedTap<'a>, Malformed> {
        self.assemble_with(mirrors, None)
    }

    /// Like [`assemble`](Self::assemble), but the caller can pass the UID of the tap as `known`. If `known` is `Some`,
    /// this method does not decode the text of the UID in `mirrors`. If the layout has `{uid}`, `mirrors` must contain
    /// a text for the UID even if `known` is `Some`.
    pub(crate) fn assemble_with<'a>(
        &'a self,
        mirrors: &'a Mirrors<'a>,
        known: Option<Uid>,
    ) -> Result<UnverifiedTap<'a>, Malformed> {
        if mirrors.enc_mac.is_some() && (mirrors.enc_file_data.is_some() || mirrors.mac.is_some()) {
            return Err(Malformed::Duplicate(self.authenticator()));
        }
        let captured = mirrors.captured;
        if self.names().any(|name| captured.iter().filter(|(given, _)| *given == name).count() > 1) {
            return Err(Malformed::Duplicate(Field::Captured));
        }
        let mut tap = UnverifiedTap::begun(self, Source::Separate(mirrors));
        for element in self.elements() {
            let ElementKind::Value(field) = element.kind else { continue };
            let text = mirrors.text(self, element).ok_or(Malformed::Missing(field))?;
            match known {
                Some(uid) if field == Field::Uid => tap.received.uid = Some(uid),
                _ => tap.accept(field, text.as_bytes())?,
            }
        }
        let fields =
            [Field::PiccData, Field::Uid, Field::SdmReadCtr, Field::TtStatus, Field::EncFileData, self.authenticator()];
        for field in fields {
            if mirrors.value(self, field).is_some() && !self.has(field) {
                return Err(Malformed::Unexpected(field));
            }
        }
        if captured.len() > self.names().count() {
            return Err(Malformed::Unexpected(Field::Captured));
        }
        Ok(tap)
    }

    /// Parses `input` against the part of the template that begins at the offset `origin`.
    fn read<'a>(&'a self, input: &'a [u8], origin: usize) -> Result<UnverifiedTap<'a>, Malformed> {
        let mut tap = UnverifiedTap::begun(self, Source::Fixed(input));
        match tap.read_fixed(input, origin) {
            Some(()) => {
                debug_assert!(self.read_in_order(input, origin).is_ok_and(|expected| tap.reads_like(&expected)));
                Ok(tap)
            }
            None => self.read_in_order(input, origin),
        }
    }

    /// Like [`read`](Self::read), but reads one element after the other, and explains errors. This method also reads the
    /// URLs of layouts that do not fix the length of each element.
    fn read_in_order<'a>(&'a self, input: &'a [u8], origin: usize) -> Result<UnverifiedTap<'a>, Malformed> {
        // No tag can write a text this long, so return at once, without a search for a more precise error.
        if input.len() > 4 * MAX_URL {
            return Err(Malformed::TooLong);
        }
        let mut starts = [0; MAX_ELEMENTS];
        let mut tap = UnverifiedTap::begun(self, Source::Url { input, starts });
        let mut rest = input;
        // The element that ends directly before `rest`. `None` if static text ends directly before `rest`.
        let mut before = None;
        for (index, element) in self.elements().enumerate() {
            let text = self.text_from(origin, element);
            let Some(after) = rest.strip_prefix(text) else {
                let same = rest.iter().zip(text).take_while(|(received, wanted)| received == wanted).count();
                let at = input.len().saturating_sub(rest.len()).saturating_add(same);
                let before = before.filter(|_| same == 0);
                return Err(self.explain(input, rest, before, element, Malformed::StaticText { at }));
            };
            rest = after;
            before = before.filter(|_| text.is_empty());
            let at = input.len().saturating_sub(rest.len());
            if let (Some(start), Ok(at)) = (starts.get_mut(index), u16::try_from(at)) {
                *start = at;
            }
            match element.kind {
                ElementKind::MacInput => {}
                ElementKind::End if rest.is_empty() => break,
                ElementKind::End => return Err(self.explain(input, rest, before, element, Malformed::Trailing)),
                ElementKind::Value(field) => {
                    if rest.is_empty() || element.text.to < origin {
                        return Err(Malformed::Missing(field));
                    }
                    // If the text of the element is invalid, `refine` looks for the static text after the element,
                    // to find a more precise error.
                    let chars = self.chars(field, rest);
                    let refine =
                        |error| refine(error, field, rest.get(..chars).unwrap_or(rest), self.text_after(index));
                    let (text, after) = rest.split_at_checked(chars).ok_or(Malformed::Length(field)).map_err(refine)?;
                    tap.accept(field, text).map_err(refine)?;
                    rest = after;
                    before = Some(field);
                }
            }
        }
        if input.len() > MAX_URL {
            return Err(Malformed::TooLong);
        }
        tap.received.source = Source::Url { input, starts };
        Ok(tap)
    }

    /// Returns the static text before an element, without the part that lies before the template offset `origin`.
    pub(super) fn text_from(&self, origin: usize, element: &LayoutElement) -> &[u8] {
        let mut span = element.text;
        span.from = span.from.max(origin).min(span.to);
        self.text(span)
    }

    /// Returns the length, in characters, of the element `field` at the start of `rest`.
    pub(crate) fn chars(&self, field: Field, rest: &[u8]) -> usize {
        let run = |part: fn(&u8) -> bool| rest.iter().take_while(|byte| part(byte)).count();
        match self.fixed_chars(field) {
            Some(chars) => chars,
            None if matches!(field, Field::EncFileData) => run(u8::is_ascii_hexdigit).saturating_sub(self.enc_reserve),
            None => run(|byte| is_name_byte(*byte)),
        }
    }

    /// Returns the static text after the element at this index of the layout.
    fn text_after(&self, index: usize) -> &[u8] {
        let mut following = self.elements().skip(index.saturating_add(1));
        // `[[` marks the start of the MAC input in the template, but does not appear in the URL. So skip a `[[` that
        // has no static text before it.
        let next = following.find(|next| next.text.len() > 0 || !matches!(next.kind, ElementKind::MacInput));
        next.map_or(&[], |next| self.text(next.text))
    }

    /// Returns the error for an input that does not match the template. `rest` is the part of `input` that is not
    /// parsed yet. `before` is the element that ends directly before `rest`, or `None` if static text ends there.
    /// `element` is the next element of the layout. Returns `otherwise` if this method finds no more precise error.
    fn explain(
        &self,
        input: &[u8],
        rest: &[u8],
        before: Option<Field>,
        element: &LayoutElement,
        otherwise: Malformed,
    ) -> Malformed {
        let times = |key: &[u8]| parts(input).filter(|part| part.starts_with(key)).count();
        if let Some((field, _)) = self.parameters().find(|(_, key)| times(key) > 1) {
            return Malformed::Duplicate(field);
        }
        if let Some((field, _)) = self.parameters().find(|(_, key)| times(key) == 0) {
            return Malformed::Missing(field);
        }
        match (before, rest.first(), element.kind) {
            (_, None, ElementKind::Value(field)) => Malformed::Missing(field),
            // A character that is neither a URL delimiter nor white space continues the element before it, so this
            // element is too long. A `{:name}` element has no maximum length, so it cannot be too long. For such an
            // element, the error is an invalid character.
            (Some(field), Some(next), _) if !matches!(next, b'/' | b'?' | b'&' | b'#' | b' ' | b'\t'..=b'\r') => {
                match field {
                    Field::Captured => Malformed::Character(field),
                    _ => Malformed::Length(field),
                }
            }
            _ => otherwise,
        }
    }

    /// Returns each element that directly follows the `name=` of a query parameter, together with this `name=`.
    fn parameters(&self) -> impl Iterator<Item = (Field, &[u8])> {
        let mut before: &[u8] = &[];
        self.elements().filter_map(move |element| {
            // If `[[` is between the name and the value of a parameter, the name is in the static text before `[[`.
            let text = match self.text(element.text) {
                [] => before,
                text => text,
            };
            before = text;
            let ElementKind::Value(field) = element.kind else { return None };
            before = &[];
            let key = parts(text).next_back()?;
            (key.len() < text.len() && key.len() > 1 && key.ends_with(b"=")).then_some((field, key))
        })
    }
}

/// Returns a more precise error than `error`, or `error` itself if there is none. `text` is the received text, which is
/// not valid for the element `field`. `next` is the static text after the element in the template.
fn refine(error: Malformed, field: Field, text: &[u8], next: &[u8]) -> Malformed {
    match (error, next) {
        (_, [_, ..]) if text.starts_with(next) || text.is_empty() => Malformed::Missing(field),
        // If the element is too short, it ends before the end of `text`, so `text` contains the first character of
        // `next`. A hexadecimal digit does not count, because the digit can belong to the element.
        (Malformed::Character(_), [first, ..]) if text.contains(first) && !first.is_ascii_hexdigit() => {
            Malformed::Length(field)
        }
        _ => error,
    }
}

/// Splits text at the characters that begin or end a query parameter.
fn parts(text: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b'?' | b'&' | b'#'))
}

impl UnverifiedTap<'_> {
    /// Reads the mirrors in `input`, which must match the part of the template that begins at the offset `origin`.
    ///
    /// Returns `None` if `input` is invalid, or if the layout does not fix the length of each element. The caller must then
    /// discard the tap and call the parser that explains errors.
    #[inline]
    fn read_fixed(&mut self, input: &[u8], origin: usize) -> Option<()> {
        let url = self.layout.fixed.as_ref().filter(|_| FixedUrl::ENABLED)?;
        let [first, ..] = &self.layout.elements;
        // If no element begins before `origin`, then `origin` is also the offset in the URL.
        if first.text.to < origin || !url.fits(input, origin) {
            return None;
        }
        // These calls are not a loop, so that the compiler generates code without a table for each mirror.
        self.read_mirror(url, input, Field::PiccData)?;
        self.read_mirror(url, input, Field::Uid)?;
        self.read_mirror(url, input, Field::SdmReadCtr)?;
        self.read_mirror(url, input, Field::TtStatus)?;
        self.read_mirror(url, input, Field::EncFileData)?;
        #[cfg(feature = "ecdsa")]
        if self.layout.authenticator() == Field::Signature {
            return self.read_mirror(url, input, Field::Signature);
        }
        self.read_mirror(url, input, Field::SdmMac)
    }

    #[allow(clippy::inline_always, reason = "see `read_fixed`")]
    #[inline(always)]
    fn read_mirror(&mut self, url: &FixedUrl, input: &[u8], mirror: Field) -> Option<()> {
        if !url.has(mirror) {
            return Some(());
        }
        let chars = self.layout.fixed_chars(mirror)?;
        self.accept(mirror, url.mirror(input, mirror, chars)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layouts that together have every mirror, each with a URL.
    const EXAMPLES: [(Scheme, &str, &str); 6] = [
        (
            Scheme::Aes,
            "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}",
            "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086",
        ),
        (
            Scheme::Aes,
            "https://a.b/?u=[[{uid}x{ctr}{tt}&e={enc:32}{mac}#v",
            "https://a.b/?u=04de5f1eacc040x00003DCC&e=CEE9A53E3E463EF1F459635736738962ecc1e7f6c6c73bf6#v",
        ),
        (
            Scheme::Aes,
            "lnurlw://card.example.com?p={picc}&c={mac}",
            "lnurlw://card.example.com?p=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086",
        ),
        (Scheme::Aes, "https://[[a.example.com/{uid}/{mac}", "https://a.example.com/04DE5F1EACC040/94EED9EE65337086"),
        (Scheme::Aes, "https://{uid}.example.com/{mac}", "https://04DE5F1EACC040.example.com/94EED9EE65337086"),
        (
            Scheme::Suncmac,
            "https://example.com/?m={uid}x{ctr}x{tt}x{mac}",
            "https://example.com/?m=04C767F2066180x000003xCO11223344x3779793DFE592188",
        ),
    ];

    /// Asserts that `read_fixed` gives the same result as the parser that explains errors. Returns `true` if `input` is
    /// valid.
    fn agree(layout: &SdmLayout, input: &[u8], origin: usize) -> bool {
        let mut tap = UnverifiedTap::begun(layout, Source::Fixed(input));
        let fixed = tap.read_fixed(input, origin);
        let expected = layout.read_in_order(input, origin);
        if fixed.is_some() {
            let text = str::from_utf8(input);
            assert!(expected.as_ref().is_ok_and(|expected| tap.reads_like(expected)), "{text:?} of {layout}");
        }
        // This module does not read every valid origin form, but all URLs.
        assert!(origin > 0 || fixed.is_some() == expected.is_ok(), "{input:?} of {layout}");
        expected.is_ok()
    }

    /// Tries every byte value at each position, and every length, for the full URL and for each possible origin.
    #[test]
    fn agrees_with_the_parser_that_explains_errors() {
        for (scheme, template, url) in EXAMPLES {
            let layout = SdmLayout::new(scheme, template).unwrap();
            assert!(agree(&layout, url.as_bytes(), 0), "{url}");
            for origin in 0..=template.len() {
                for skipped in 0..=url.len() {
                    agree(&layout, &url.as_bytes()[skipped..], origin);
                    agree(&layout, &url.as_bytes()[..skipped], origin);
                }
            }
            let mut origins = [0, 8, layout.origin].to_vec();
            origins.dedup();
            for origin in origins {
                let mut input = url.as_bytes()[origin..].to_vec();
                for position in 0..input.len() {
                    let before = input[position];
                    for byte in 0..=u8::MAX {
                        input[position] = byte;
                        agree(&layout, &input, origin);
                    }
                    input[position] = before;
                }
            }
        }
    }

    #[test]
    fn origin_forms_and_ndef_texts_are_read_at_fixed_offsets() {
        for (index, (scheme, template, url)) in EXAMPLES.into_iter().enumerate() {
            let layout = SdmLayout::new(scheme, template).unwrap();
            for origin in [layout.origin, 8] {
                let input = &url.as_bytes()[origin.min(url.len())..];
                let mut tap = UnverifiedTap::begun(&layout, Source::Fixed(input));
                // In the last two layouts with AES, an element begins before the path.
                let expected = template.as_bytes()[..origin] == url.as_bytes()[..origin];
                assert_eq!(tap.read_fixed(input, origin).is_some(), expected, "{index} {origin}");
            }
        }
    }

    /// The comparison of the two parsers would detect nothing if it accepted taps that differ.
    #[test]
    fn taps_with_another_text_or_value_do_not_read_alike() {
        let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{:id}?p={picc:uid,ctr}&c={mac}").unwrap();
        let url = "https://a.b/x?p=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
        let parsed = || layout.parse(url).unwrap();
        let tap = parsed();
        assert!(tap.reads_like(&parsed()));
        for (from, to) in [("b/x", "b/y"), ("p=EF", "p=ef"), ("p=EF", "p=EE"), ("c=94", "c=95")] {
            let url = url.replace(from, to);
            assert!(!tap.reads_like(&layout.parse(&url).unwrap()), "{url}");
        }
        // Texts that are equal do not hide a wrong value, and the reverse.
        let mut other = parsed();
        other.received.ctr = Some(SdmReadCtr::from_msb_first([0, 0, 1]));
        assert!(!tap.reads_like(&other));
        let mut other = parsed();
        other.picc_data = PiccWire::default();
        assert!(!tap.reads_like(&other));
    }

    #[test]
    fn layouts_with_a_variable_length_have_no_fixed_offsets() {
        for template in ["https://a.b/{:id}?c={mac}", "https://a.b/?p={picc}&e=[[{enc}&c={mac}"] {
            assert!(SdmLayout::new(Scheme::Aes, template).unwrap().fixed.is_none());
        }
    }
}
