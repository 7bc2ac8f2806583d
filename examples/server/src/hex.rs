//! Hexadecimal text.

/// Returns upper-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

/// Returns the `N` bytes of exactly `2 * N` digits, in either case.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = base16ct::mixed::decode(text, &mut bytes).ok()?;
    (decoded.len() == N).then_some(bytes)
}
