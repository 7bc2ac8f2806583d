//! Repairs of a URL and its layout. If the URL was changed after the tag wrote it, the change is undone. If the layout
//! and the URL differ only in URL scheme or host, the layout gets the URL scheme and host of the URL.

use heapless::{String, Vec};

use super::finding::Finding;
use super::readings::last_run;
use super::url_parts::{UrlParts, path_start};
use super::wrong_offsets::MIN_MAC_DIGITS;
use crate::sun::error::Malformed;
use crate::sun::layout::{ElementKind, MAX_TEMPLATE, SdmLayout};

/// The maximum length of a repaired URL. It is larger than the maximum length of the URL on a tag, because the URL of a
/// redirect can contain the percent-encoded URL of the tag.
const MAX_REPAIRED: usize = 1024;
type Repaired = String<MAX_REPAIRED>;
/// The maximum number of times that a URL is decoded. For example, a redirect inside a redirect encodes the URL of the
/// tag twice.
const MAX_DECODINGS: usize = 5;

/// A repaired URL and layout, and the findings about what was repaired.
pub(super) struct Repair {
    url: Option<Repaired>,
    pub(super) layout: Option<SdmLayout>,
    /// The findings about the repairs.
    pub(super) findings: Vec<Finding<'static>, 3>,
}

impl Repair {
    /// Creates a repair that changes nothing.
    pub(super) fn none(layout: Option<&SdmLayout>) -> Self {
        Self { url: None, layout: layout.cloned(), findings: Vec::new() }
    }

    /// Changes nothing if the URL matches the layout. Otherwise removes text around the URL, and undoes
    /// percent-encoding and HTML escaping. If the result does not match the layout either, tries three changes:
    /// removing appended text, changing the case of the static text, and changing the URL scheme and host of the
    /// layout. Makes only the first of these changes that makes the URL match the layout.
    pub(super) fn new(layout: Option<&SdmLayout>, original: &str) -> Self {
        let mut repair = Self::none(layout);
        if layout.is_some_and(|layout| layout.parse(original).is_ok()) {
            return repair;
        }
        if let Some(inner) = without_surrounding_text(original) {
            repair.url = Some(inner);
            repair.add(Finding::SurroundingText);
        }
        if let Some((decoded, finding)) = decoded(repair.url(original)) {
            repair.url = Some(decoded);
            repair.add(finding);
        }
        let Some(layout) = layout else { return repair };
        let url = repair.url(original);
        let Err(error) = layout.parse(url) else { return repair };
        if let Some(shortened) = without_appended_text(layout, url) {
            repair.url = Some(shortened);
            repair.add(Finding::Layout(Malformed::Trailing));
        } else if let Some(restored) = with_case_of_layout(layout, url) {
            repair.url = Some(restored);
            repair.add(Finding::CaseChanged);
        } else if let Some(moved) = with_origin_of_url(layout, url) {
            let has_same_host = host_of(layout.template()).eq_ignore_ascii_case(host_of(url));
            repair.layout = Some(moved);
            repair.add(if has_same_host { Finding::SchemeDiffers } else { Finding::Layout(error) });
        }
        repair
    }

    fn add(&mut self, finding: Finding<'static>) {
        // There are at most three findings: text around the URL, an encoding, and one of the three other changes.
        let _ = self.findings.push(finding);
    }

    /// Returns the URL as the tag probably wrote it. `original` is the URL that was given to [`Repair::new`].
    pub(super) fn url<'u>(&'u self, original: &'u str) -> &'u str {
        self.url.as_deref().unwrap_or(original)
    }

    /// Returns `true` if percent-encoding was undone.
    pub(super) fn is_percent_decoded(&self) -> bool {
        self.findings.contains(&Finding::PercentEncoded)
    }
}

/// The repaired URL, the repaired layout, and the error if they do not match.
pub(super) struct Tap<'t> {
    pub(super) url: &'t str,
    pub(super) layout: Option<&'t SdmLayout>,
    pub(super) layout_error: Option<Malformed>,
}

impl Tap<'_> {
    /// Returns the parts of the URL according to the layout. Returns `None` if there is no layout, or if the layout
    /// does not match the URL.
    pub(super) fn assumed_parts(&self) -> Option<UrlParts> {
        self.layout.and_then(|layout| UrlParts::locate(layout, self.url).ok())
    }
}

/// Splits the text at characters that no tag writes, such as quotes, spaces or angle brackets. Returns the first part
/// that contains `://`. If there is a `'` directly before the URL scheme, returns only the text up to the last `'`; inside
/// a URL, this character is allowed. Returns `None` if there is nothing to remove, or no such part.
fn without_surrounding_text(text: &str) -> Option<Repaired> {
    let is_foreign = |c: char| !c.is_ascii_graphic() || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '|');
    let part = text.split(is_foreign).find(|part| part.contains("://"))?;
    let (before, quoted) = part.split_at_checked(scheme_start(part, part.find("://")?)?)?;
    let is_quoted = before.ends_with('\'');
    let url = if is_quoted { quoted.rsplit_once('\'').map_or(quoted, |(url, _)| url) } else { part };
    Repaired::try_from(url).ok().filter(|_| url != text)
}

/// Returns the offset at which the URL scheme before the `://` at the offset `at` begins.
fn scheme_start(text: &str, at: usize) -> Option<usize> {
    let letters = text.get(..at)?.bytes().rev().take_while(u8::is_ascii_alphabetic).count();
    at.checked_sub(letters)
}

/// Undoes HTML escaping and percent-encoding, at most [`MAX_DECODINGS`] times. Returns `None` if the URL has neither.
fn decoded(url: &str) -> Option<(Repaired, Finding<'static>)> {
    let (mut decoded, mut finding): (Option<Repaired>, Option<Finding<'static>>) = (None, None);
    for _ in 0..MAX_DECODINGS {
        let text = decoded.as_deref().unwrap_or(url);
        if let Some(unescaped) = html_unescaped(text) {
            decoded = Some(unescaped);
            finding = finding.or(Some(Finding::HtmlEscaped));
        } else if let Some(unescaped) = percent_decoded(text) {
            decoded = Some(unescaped);
            finding = Some(Finding::PercentEncoded);
        } else {
            break;
        }
    }
    let mut decoded = decoded?;
    // If this is the URL of a redirect, it contains the URL of the tag. Only the URL of the tag is kept.
    let inner = decoded.rfind("://").and_then(|at| scheme_start(&decoded, at).filter(|from| *from < at));
    if let Some((before, inner)) = inner.and_then(|from| decoded.split_at_checked(from)) {
        let has_mac = |text: &str| last_run(text, |run| run.len() >= MIN_MAC_DIGITS).is_some();
        if has_mac(inner) || !has_mac(before) {
            decoded = Repaired::try_from(inner).ok()?;
        } else if url.starts_with(before) {
            // The inner URL is a parameter of the URL of the tag, and only this parameter is encoded.
            return None;
        }
    }
    Some((decoded, finding?))
}

/// Replaces each HTML escape of `&`, such as `&amp;`, with `&`. Returns `None` if the URL has no such escape.
fn html_unescaped(url: &str) -> Option<Repaired> {
    const ESCAPES: [&str; 4] = ["&amp;", "&#38;", "&#x26;", "&#X26;"];
    let mut unescaped = Repaired::new();
    let mut rest = url;
    let mut changed = false;
    while let Some(first) = rest.chars().next() {
        if let Some(after) = ESCAPES.iter().find_map(|escape| rest.strip_prefix(escape)) {
            unescaped.push('&').ok()?;
            (rest, changed) = (after, true);
        } else {
            unescaped.push(first).ok()?;
            rest = rest.get(first.len_utf8()..)?;
        }
    }
    changed.then_some(unescaped)
}

/// Replaces each `%XX` that encodes a visible ASCII character with this character. Returns `None` if the URL has no
/// such `%XX`.
fn percent_decoded(url: &str) -> Option<Repaired> {
    let mut decoded = Repaired::new();
    let mut rest = url;
    let mut changed = false;
    while let Some(first) = rest.chars().next() {
        let digits = rest.strip_prefix('%').and_then(|after| after.get(..2));
        let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(u8::is_ascii_graphic);
        let (c, len) = byte.map_or((first, first.len_utf8()), |byte| (char::from(byte), 3));
        changed |= byte.is_some();
        decoded.push(c).ok()?;
        rest = rest.get(len..)?;
    }
    changed.then_some(decoded)
}

/// Returns the URL without the text that was appended to it. The appended text may begin with `&`, `?`, `#`, a space or
/// a line break. Returns `None` if the URL does not match the layout after any such cut.
fn without_appended_text(layout: &SdmLayout, url: &str) -> Option<Repaired> {
    let cuts = url.char_indices().rev().filter(|(_, c)| matches!(c, '&' | '?' | '#' | ' ' | '\n')).map(|(at, _)| at);
    let head = cuts.filter_map(|at| url.get(..at)).find(|head| layout.parse(head).is_ok())?;
    Repaired::try_from(head).ok()
}

/// Changes the case of the URL's static text to match the layout. Returns `None` if the URL still does not match.
fn with_case_of_layout(layout: &SdmLayout, url: &str) -> Option<Repaired> {
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

/// Returns the layout with the URL scheme and host of the URL. Returns `None` if this is not possible, or if the result
/// does not match the URL either.
fn with_origin_of_url(layout: &SdmLayout, url: &str) -> Option<SdmLayout> {
    let (origin, tail) = layout.template().split_at_checked(layout.origin)?;
    let (scheme, host) = split_origin(url.get(..path_start(url))?);
    let (_, layout_host) = split_origin(origin);
    let mut template: String<MAX_TEMPLATE> = String::new();
    // If the layout has a `[[` before its URL scheme, its host or its path, the new layout has it at the same place. A
    // `[[` elsewhere, such as inside the host, cannot be transferred.
    let marks = [origin.starts_with("[["), layout_host.starts_with("[["), origin.ends_with("[[")];
    let [before_scheme, before_host, before_path] = marks;
    if origin.contains('{') || (origin.contains("[[") && !marks.contains(&true)) {
        return None;
    }
    for (text, is_written) in [
        ("[[", before_scheme),
        (scheme, true),
        ("[[", before_host),
        (host, true),
        ("[[", before_path && !before_host && !before_scheme),
        (tail, true),
    ] {
        if is_written {
            template.push_str(text).ok()?;
        }
    }
    let moved = SdmLayout::new(layout.scheme(), &template).ok()?;
    moved.parse(url).is_ok().then_some(moved)
}

/// Splits an origin (the URL scheme and the host) after `://`.
fn split_origin(origin: &str) -> (&str, &str) {
    let at = origin.find("://").map_or(0, |at| at.saturating_add(3));
    origin.split_at_checked(at).unwrap_or((origin, ""))
}

fn host_of(url: &str) -> &str {
    let (_, rest) = split_origin(url);
    rest.trim_start_matches("[[").split(['/', '?', '#', '[']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::format;

    use super::*;
    use crate::value::Scheme;

    /// The new layout has the origin of the URL, and the `[[` at the same place.
    #[test]
    fn origins_are_replaced() {
        let query = "?p={picc}&c={mac}";
        let url = format!("http://b.example/x?p={}&c={}", "1".repeat(32), "5".repeat(16));
        for (origin, expected) in [
            ("https://a.example", Some("http://b.example")),
            ("[[https://a.example", Some("[[http://b.example")),
            ("https://[[a.example", Some("http://[[b.example")),
            ("https://a.example[[", Some("http://b.example[[")),
            ("https://a.ex[[ample", None),
            ("https://{:shop}.example", None),
        ] {
            let layout = |origin: &str| SdmLayout::new(Scheme::Aes, &format!("{origin}/x{query}")).unwrap();
            assert_eq!(with_origin_of_url(&layout(origin), &url), expected.map(layout), "{origin}");
        }
    }

    #[test]
    fn text_around_urls() {
        for (text, expected) in [
            ("https://a.b/?c=1", None),
            ("https://a.b/o'neil?c=1", None),
            ("'https://a.b/o'neil?c=1'", Some("https://a.b/o'neil?c=1")),
            ("'https://a.b/?c=1", Some("https://a.b/?c=1")),
            ("<a href='https://a.b/?c=1'>", Some("https://a.b/?c=1")),
            ("fetch('https://a.b/?c=1')", Some("https://a.b/?c=1")),
            ("{'url': 'https://a.b/?c=1'}", Some("https://a.b/?c=1")),
            ("see \"https://a.b/?c=1\"", Some("https://a.b/?c=1")),
            ("see this", None),
        ] {
            assert_eq!(without_surrounding_text(text).as_deref(), expected, "{text}");
        }
    }

    /// Only a `://` after a scheme begins the URL of a tag.
    #[test]
    fn urls_in_redirects() {
        for (text, expected) in [
            ("https%3A%2F%2Fa.b/?c=1", Some("https://a.b/?c=1")),
            ("https://r.b/?to=https%3A%2F%2Fa.b/?c=1", Some("https://a.b/?c=1")),
            ("https%3A%2F%2Fa.b/?c=1://d", Some("https://a.b/?c=1://d")),
            ("https://a.b/?c=0123456789&to=https%3A%2F%2Fr.b", None),
            ("https%3A%2F%2Fa.b/?c=0123456789&to=https://r.b", Some("https://a.b/?c=0123456789&to=https://r.b")),
            ("https://r.b/0123456789?to=https%3A%2F%2Fa.b/?c=0123456789", Some("https://a.b/?c=0123456789")),
            ("https://a.b/?c=1", None),
        ] {
            assert_eq!(decoded(text).as_ref().map(|(url, _)| url.as_str()), expected, "{text}");
        }
    }
}
