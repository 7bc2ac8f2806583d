//! Decodes and encodes hexadecimal text of a fixed length. Decoding does not branch on the digits, because the text may
//! be a secret key.

use core::fmt;

use super::parse_error::ParseError;

/// Decodes exactly `N` bytes from `2 * N` hexadecimal digits in upper or lower case.
#[inline]
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], ParseError> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Decodes hexadecimal digits in upper or lower case into `bytes`. The text must have exactly two digits for each byte.
#[allow(clippy::inline_always, reason = "most lengths are known at compile time")]
#[inline(always)]
pub(crate) fn decode_into(text: &[u8], bytes: &mut [u8]) -> Result<(), ParseError> {
    let expected = bytes.len().saturating_mul(2);
    if text.len() != expected {
        return Err(ParseError::Length { expected, found: text.len() });
    }
    let (chunks, rest) = text.as_chunks();
    let (blocks, tail) = bytes.as_chunks_mut();
    let mut wrong = false;
    for (chunk, block) in chunks.iter().zip(blocks) {
        wrong |= digits(chunk, block);
    }
    if !rest.is_empty() {
        let mut block = [0; DIGITS / 2];
        wrong |= digits(&filled_up(rest), &mut block);
        tail.iter_mut().zip(block).for_each(|(byte, decoded)| *byte = decoded);
    }
    if wrong { Err(ParseError::HexDigit) } else { Ok(()) }
}

/// Checks that all characters are hexadecimal digits in upper or lower case.
pub(crate) fn check(text: &[u8]) -> Result<(), ParseError> {
    let (chunks, rest) = text.as_chunks();
    let mut block = [0; DIGITS / 2];
    let wrong = chunks.iter().fold(false, |wrong, chunk| wrong | digits(chunk, &mut block));
    if wrong | digits(&filled_up(rest), &mut block) { Err(ParseError::HexDigit) } else { Ok(()) }
}

/// The number of digits that are decoded together. A microcontroller has no vector instructions. Pairs of digits then
/// need the least code.
const DIGITS: usize = if cfg!(target_pointer_width = "32") { 2 } else { 32 };

/// Returns a block that begins with `text`. The character `0` fills the rest of the block.
#[inline]
fn filled_up(text: &[u8]) -> [u8; DIGITS] {
    let mut block = [b'0'; DIGITS];
    if let Some((start, _)) = block.split_at_mut_checked(text.len()) {
        start.copy_from_slice(text);
    }
    block
}

/// Decodes a block of hexadecimal digits. Also returns `true` if a character is not a hexadecimal digit.
///
/// The function treats all characters alike and evaluates both sides of each `&`, so the compiler can use vector
/// instructions and generates no branch that depends on a digit.
#[allow(clippy::needless_bitwise_bool, reason = "`&&` could branch on a digit")]
#[inline(never)]
fn digits(text: &[u8; DIGITS], bytes: &mut [u8; DIGITS / 2]) -> bool {
    let mut wrong = false;
    let mut values = [0; DIGITS];
    for (value, digit) in values.iter_mut().zip(text) {
        let number = digit.wrapping_sub(b'0');
        let letter = (digit | 0x20).wrapping_sub(b'a');
        wrong |= (number > 9) & (letter > 5);
        // Bit 6 is set in a letter but not in a decimal digit. The low nibble of a letter is 1 for `A` to 6 for `F`, so
        // the value of the letter is the low nibble plus nine.
        *value = (digit & 0x0F).wrapping_add((digit >> 6).wrapping_mul(9));
    }
    let (pairs, _) = values.as_chunks();
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        // The first digit of a pair becomes the high nibble of the byte.
        let pair = u16::from_le_bytes(*pair);
        [*byte, _] = (pair << 4 | pair >> 8).to_le_bytes();
    }
    wrong
}

/// Encodes `bytes` as upper-case hexadecimal digits, the format of a tag's mirrors. `DIGITS` must be twice `N`.
pub(crate) fn encode_upper<const N: usize, const DIGITS: usize>(bytes: &[u8; N]) -> [u8; DIGITS] {
    const { assert!(N.saturating_mul(2) == DIGITS, "each byte needs two digits") };
    let mut text = [0; DIGITS];
    // The lengths were checked at compile time, so `encode` cannot fail.
    let _ = base16ct::upper::encode(bytes, &mut text);
    text
}

/// Writes `bytes` to a formatter as upper-case hexadecimal digits.
pub(crate) fn write_upper(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut text = [0; 32];
    bytes.chunks(16).try_for_each(|bytes| {
        // `text` has two digits for each byte, so `encode_str` cannot fail.
        f.write_str(base16ct::upper::encode_str(bytes, &mut text).map_err(|_| fmt::Error)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_either_case_and_writes_upper_case() {
        assert_eq!(decode::<3>(b"0aFf3C"), Ok([0x0a, 0xff, 0x3c]));
        assert_eq!(&encode_upper::<3, 6>(&[0x0a, 0xff, 0x3c]), b"0AFF3C");
    }

    #[test]
    fn every_byte_that_is_not_a_digit_is_rejected() {
        for byte in 0..=u8::MAX {
            let digit = byte.is_ascii_hexdigit();
            assert_eq!(decode::<1>(&[b'0', byte]).is_ok(), digit, "low {byte:#04x}");
            assert_eq!(decode::<1>(&[byte, b'0']).is_ok(), digit, "high {byte:#04x}");
        }
    }

    /// Compares the results with the results of the crate `base16ct`. The text has upper-case and lower-case digits.
    /// The test tries every byte value at each position.
    #[test]
    fn decodes_like_base16ct() {
        let mut expected = [0; 24];
        for position in 0..48 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0123456789abcdefABCDEF9876543210fedcbaFEDCBA0f1E";
                text[position] = byte;
                let known = base16ct::mixed::decode(text, &mut expected).is_ok();
                assert_eq!(check(&text).is_ok(), known);
                assert_eq!(decode::<24>(&text), if known { Ok(expected) } else { Err(ParseError::HexDigit) });
                let known = base16ct::mixed::decode(&text[..14], &mut expected).is_ok();
                let short = <[u8; 7]>::try_from(&expected[..7]).unwrap();
                assert_eq!(check(&text[..14]).is_ok(), known);
                assert_eq!(decode::<7>(&text[..14]), if known { Ok(short) } else { Err(ParseError::HexDigit) });
            }
        }
    }

    /// Two wrong characters do not cancel each other, wherever they are.
    #[test]
    fn two_wrong_characters_are_rejected() {
        for second in 1..96 {
            let mut text = [b'0'; 96];
            (text[0], text[second]) = (b'G', b'G');
            for length in [64, 70, 96] {
                assert_eq!(check(&text[..length]), Err(ParseError::HexDigit), "{second} {length}");
            }
            assert_eq!(decode::<48>(&text), Err(ParseError::HexDigit), "{second}");
            assert_eq!(decode::<35>(&text[..70]), Err(ParseError::HexDigit), "{second}");
        }
    }

    #[test]
    fn length_is_exact() {
        for len in [0, 1, 2, 3, 5, 6] {
            let text = &b"000000"[..len];
            assert_eq!(decode::<2>(text), Err(ParseError::Length { expected: 4, found: len }));
        }
    }
}
