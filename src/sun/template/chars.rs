//! The characters of URLs and of captured texts.

/// Returns `true` if this byte may occur in a URL (RFC 3986 §2) and is not a brace.
pub(super) const fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Returns `true` if this byte may occur in a captured text or in its name.
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
