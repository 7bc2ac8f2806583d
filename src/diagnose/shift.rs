//! The distance of a mirror from its placeholder, and the probable cause of this distance.

use core::fmt;

use crate::sun::error::Field;
use crate::sun::template::FILE_HEADER;

/// The distance of one mirror, or of every mirror, from its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// The mirror that is not at its placeholder; `None` if every mirror is shifted.
    pub(super) field: Option<Field>,
    /// The distance in characters. It is negative if the mirror begins before its placeholder, and 0 if it is not
    /// known. If the distances differ, this is one of them.
    pub(super) by: i32,
    pub(super) cause: ShiftCause,
}

/// The probable mistake that made an SDM offset wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShiftCause {
    /// No common mistake explains the distance.
    Unknown,
    /// The seven bytes before the text of the URL were not counted: NLEN, the record header and the URI code.
    HeaderNotCounted,
    /// The two bytes of NLEN were not counted.
    NlenNotCounted,
    /// The five bytes of the record header and the URI code were not counted.
    RecordHeaderNotCounted,
    /// Every character of the prefix of the URL, such as `https://`, was counted. In the file, the prefix is one byte,
    /// the URI code.
    PrefixCounted,
    /// The decimal digits of the right offset were written as hexadecimal digits: for example, 40h instead of 40.
    DecimalForHex,
    /// The hexadecimal digits of the right offset were written as decimal digits: for example, 40 instead of 40h.
    HexForDecimal,
}

impl ShiftCause {
    /// Returns the probable cause of a wrong SDM offset. `by` is the wrong offset minus the right offset. `right` is
    /// the right offset in the NDEF file, and `url` is a URL of the tag.
    #[must_use]
    pub fn guess(by: i32, right: usize, url: &str) -> Self {
        cause_of(by, right, prefix_len(url))
    }
}

/// Writes a sentence with a space before it, or nothing if the cause is unknown.
impl fmt::Display for ShiftCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "",
            Self::HeaderNotCounted => {
                " An offset counts from the start of the file, where seven bytes precede the text of the URL: NLEN \
                 (2), the record header (4) and the URI code (1)."
            }
            Self::NlenNotCounted => {
                " An offset counts from the start of the file, which begins with the two bytes of NLEN."
            }
            Self::RecordHeaderNotCounted => {
                " An offset counts from the start of the file, where the record header (4 bytes) and the URI code (1 \
                 byte) follow NLEN."
            }
            Self::PrefixCounted => {
                " In the file, the start of the URL (such as https://) is one byte, the URI code. Count seven bytes \
                 (NLEN, record header, URI code), then the characters after that start."
            }
            Self::DecimalForHex => {
                " The decimal digits of the offset were sent as hexadecimal digits. Convert the number."
            }
            Self::HexForDecimal => {
                " The hexadecimal digits of the offset were read as decimal digits. Convert the number."
            }
        })
    }
}

/// Converts `url_offset`, an offset in the URL, to an offset in the NDEF file. The file stores the first `prefix`
/// characters of the URL as one byte, the URI code.
pub(super) fn file_offset(url_offset: usize, prefix: usize) -> usize {
    url_offset.saturating_add(FILE_HEADER).saturating_sub(prefix)
}

/// Returns the number of characters at the start of a URL that the URI code replaces.
pub(super) fn prefix_len(url: &str) -> usize {
    const PREFIXES: [&str; 4] = ["https://www.", "http://www.", "https://", "http://"];
    PREFIXES.iter().find(|prefix| url.starts_with(**prefix)).map_or(0, |prefix| prefix.len())
}

/// Reads the decimal digits of `number` as hexadecimal digits.
pub(super) fn decimal_as_hex(number: usize) -> usize {
    let (mut rest, mut value, mut place) = (number, 0usize, 1usize);
    while rest > 0 {
        value = value.saturating_add((rest % 10).saturating_mul(place));
        (rest, place) = (rest / 10, place.saturating_mul(16));
    }
    value
}

/// Reads the hexadecimal digits of `number` as decimal digits. Returns `None` if one of the digits is a letter.
pub(super) fn hex_as_decimal(number: usize) -> Option<usize> {
    let (mut rest, mut value, mut place) = (number, 0usize, 1usize);
    while rest > 0 {
        let digit = Some(rest % 16).filter(|digit| *digit < 10)?;
        value = value.saturating_add(digit.saturating_mul(place));
        (rest, place) = (rest / 16, place.saturating_mul(10));
    }
    Some(value)
}

/// Returns the probable cause of a wrong SDM offset. `by` is the wrong offset minus the right offset. `right` is the
/// right offset in the NDEF file, and `prefix` is the result of [`prefix_len`].
pub(super) fn cause_of(by: i32, right: usize, prefix: usize) -> ShiftCause {
    let excess = i32::try_from(prefix).unwrap_or_default();
    let found = usize::try_from(by.unsigned_abs())
        .ok()
        .and_then(|distance| if by < 0 { right.checked_sub(distance) } else { right.checked_add(distance) });
    match by {
        -7 => ShiftCause::HeaderNotCounted,
        -2 => ShiftCause::NlenNotCounted,
        -5 => ShiftCause::RecordHeaderNotCounted,
        // All characters of the prefix were counted. Of the seven bytes before the text, all were counted, or six
        // (without the URI code), or none.
        by if prefix > 0 && [0, -1, -7].into_iter().any(|header| excess.saturating_add(header) == by) => {
            ShiftCause::PrefixCounted
        }
        _ if found == Some(decimal_as_hex(right)) => ShiftCause::DecimalForHex,
        _ if found.is_some() && found == hex_as_decimal(right) => ShiftCause::HexForDecimal,
        _ => ShiftCause::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_in_the_wrong_base() {
        for (number, as_hex, as_decimal) in [(0, 0, Some(0)), (9, 9, Some(9)), (32, 0x32, Some(20)), (60, 0x60, None)] {
            assert_eq!((decimal_as_hex(number), hex_as_decimal(number)), (as_hex, as_decimal), "{number}");
        }
    }

    /// The right offset is 40, and the URL begins with `https://`, a prefix of eight characters.
    #[test]
    fn causes_of_common_distances() {
        let cause = |by| cause_of(by, 40, 8);
        assert_eq!(cause(-7), ShiftCause::HeaderNotCounted);
        assert_eq!(cause(-2), ShiftCause::NlenNotCounted);
        assert_eq!(cause(-5), ShiftCause::RecordHeaderNotCounted);
        assert_eq!([1, 7, 8].map(cause), [ShiftCause::PrefixCounted; 3]);
        assert_eq!(cause(0x40 - 40), ShiftCause::DecimalForHex);
        assert_eq!((cause(28 - 40), cause(3)), (ShiftCause::HexForDecimal, ShiftCause::Unknown));
        // If the URL has no prefix, the prefix cannot be the cause.
        assert_eq!((cause_of(7, 40, 0), cause_of(-7, 40, 0)), (ShiftCause::Unknown, ShiftCause::HeaderNotCounted));
    }
}
