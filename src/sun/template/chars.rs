//! Checks the characters of URLs and of `{:name}` elements. A `{:name}` element stands for a text that can differ from
//! tag to tag.

/// Returns `true` if a URL may contain this byte (RFC 3986 §2). Braces are excluded, so a template can use them for its
/// elements.
pub(super) const fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Returns `true` if the name or the text of a `{:name}` element may contain this byte.
pub(crate) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

pub(crate) const fn is_name(mut name: &[u8]) -> bool {
    if name.is_empty() {
        return false;
    }
    while let [first, rest @ ..] = name {
        if !is_name_byte(*first) {
            return false;
        }
        name = rest;
    }
    true
}
