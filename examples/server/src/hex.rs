//! Hexadecimal digits of a fixed number of bytes.

/// Upper-case digits.
pub(crate) fn encode(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

/// The bytes of exactly so many digits, in either case.
pub(crate) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let decoded = base16ct::mixed::decode(text, &mut bytes).ok()?;
    (decoded.len() == N).then_some(bytes)
}
