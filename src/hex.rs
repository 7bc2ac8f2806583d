//! Fixed-length hexadecimal text, read without branching on its digits: the same code reads mirrors and keys.

use crate::error::ParseHexError;

/// Reads exactly `N` bytes from `2 * N` digits of either case.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], ParseHexError> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Fills `bytes` from twice as many digits of either case.
pub(crate) fn decode_into(text: &[u8], bytes: &mut [u8]) -> Result<(), ParseHexError> {
    let expected = bytes.len().saturating_mul(2);
    if text.len() != expected {
        return Err(ParseHexError::Length { expected, found: text.len() });
    }
    match base16ct::mixed::decode(text, bytes) {
        Ok(_) => Ok(()),
        Err(_) => Err(ParseHexError::Digit),
    }
}

/// Writes `bytes` as upper-case digits, the case a tag writes. `DIGITS` is twice `N`.
pub(crate) fn encode_upper<const N: usize, const DIGITS: usize>(bytes: &[u8; N]) -> [u8; DIGITS] {
    const { assert!(N.saturating_mul(2) == DIGITS, "two digits a byte") };
    let mut text = [0; DIGITS];
    // The lengths were checked at compile time, so there is no error to report.
    let _ = base16ct::upper::encode(bytes, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_either_case_and_writes_upper() {
        assert_eq!(decode::<3>(b"0aFf3C"), Ok([0x0a, 0xff, 0x3c]));
        assert_eq!(&encode_upper::<3, 6>(&[0x0a, 0xff, 0x3c]), b"0AFF3C");
    }

    #[test]
    fn every_byte_that_is_not_a_digit_is_refused() {
        for byte in 0..=u8::MAX {
            let digit = byte.is_ascii_hexdigit();
            assert_eq!(decode::<1>(&[b'0', byte]).is_ok(), digit, "low {byte:#04x}");
            assert_eq!(decode::<1>(&[byte, b'0']).is_ok(), digit, "high {byte:#04x}");
        }
    }

    #[test]
    fn length_is_exact() {
        for len in [0, 1, 2, 3, 5, 6] {
            let text = &b"000000"[..len];
            assert_eq!(decode::<2>(text), Err(ParseHexError::Length { expected: 4, found: len }));
        }
    }
}
