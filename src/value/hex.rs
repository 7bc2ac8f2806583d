//! Decodes and encodes hexadecimal text of a fixed length. Decoding does not branch on the digits, because the text may
//! be a secret key.

use core::fmt;

use super::parse_error::ParseError;

/// Decodes exactly `N` bytes from `2 * N` hexadecimal digits in upper or lower case.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], ParseError> {
    let mut bytes = [0; N];
    decode_into(text, &mut bytes)?;
    Ok(bytes)
}

/// Decodes hexadecimal digits in upper or lower case into `bytes`. The text must have exactly two digits for each byte.
pub(crate) fn decode_into(text: &[u8], bytes: &mut [u8]) -> Result<(), ParseError> {
    let expected = bytes.len().saturating_mul(2);
    if text.len() != expected {
        return Err(ParseError::Length { expected, found: text.len() });
    }
    let (chunks, rest) = text.as_chunks();
    let (words, tail) = bytes.as_chunks_mut();
    let mut wrong = 0;
    for (chunk, word) in chunks.iter().zip(words) {
        *word = eight_digits(u64::from_le_bytes(*chunk), &mut wrong);
    }
    if !rest.is_empty() {
        let read = eight_digits(filled_up(rest), &mut wrong);
        tail.iter_mut().zip(read).for_each(|(byte, read)| *byte = read);
    }
    if wrong == 0 { Ok(()) } else { Err(ParseError::HexDigit) }
}

/// Checks that all characters are hexadecimal digits in upper or lower case.
pub(crate) fn check(text: &[u8]) -> Result<(), ParseError> {
    let (chunks, rest) = text.as_chunks();
    let mut wrong = 0;
    for chunk in chunks {
        eight_digits(u64::from_le_bytes(*chunk), &mut wrong);
    }
    eight_digits(filled_up(rest), &mut wrong);
    if wrong == 0 { Ok(()) } else { Err(ParseError::HexDigit) }
}

/// Packs at most seven bytes of hexadecimal text into a word, and fills the rest of the word with the character `0`.
fn filled_up(digits: &[u8]) -> u64 {
    digits.iter().rev().fold(0x3030_3030_3030_3030, |word, digit| word << 8 | u64::from(*digit))
}

/// Decodes eight hexadecimal digits at once. Each byte of `word` is one ASCII digit, and the lowest byte is the first
/// digit. The function sets a bit in `wrong` for each character that is not a hexadecimal digit.
fn eight_digits(word: u64, wrong: &mut u64) -> [u8; 4] {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = EACH << 7;
    // Sets the top bit of each byte whose value is at least `low`. The top bit of each input byte must be clear.
    let at_least = |bytes: u64, low: u8| bytes.wrapping_add(EACH.wrapping_mul(u64::from(0x80_u8.wrapping_sub(low))));

    let ascii = word & !TOP;
    let lower = ascii | EACH << 5;
    let number = at_least(ascii, b'0') & !at_least(ascii, b'9'.wrapping_add(1));
    let letter = at_least(lower, b'a') & !at_least(lower, b'f'.wrapping_add(1));
    *wrong |= (word | !(number | letter)) & TOP;

    // Bit 6 is set in a letter but not in a decimal digit. The low nibble of a letter is 1 for `A` to 6 for `F`, so the
    // value of the letter is the low nibble plus nine.
    let nine_more = (ascii >> 6 & EACH).wrapping_mul(9);
    let halves = (ascii & EACH.wrapping_mul(0x0F)).wrapping_add(nine_more);
    // The first digit of each pair becomes the high nibble of a byte. The last two steps pack the four bytes together.
    let bytes = (halves << 4 | halves >> 8) & 0x00FF_00FF_00FF_00FF;
    let pairs = (bytes | bytes >> 8) & 0x0000_FFFF_0000_FFFF;
    let [a, b, c, d, ..] = (pairs | pairs >> 16).to_le_bytes();
    [a, b, c, d]
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
pub(super) fn write_upper(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

    #[test]
    fn length_is_exact() {
        for len in [0, 1, 2, 3, 5, 6] {
            let text = &b"000000"[..len];
            assert_eq!(decode::<2>(text), Err(ParseError::Length { expected: 4, found: len }));
        }
    }
}
