//! The distance of a mirror from its placeholder, and its probable cause.

use crate::sun::error::Field;

/// The bytes of the NDEF file before the text: NLEN (2), the record header (4) and the URI code (1).
const HEADER: usize = 7;

/// How far a mirror, or every mirror, is from its placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shift {
    /// The mirror that is shifted; `None` if every mirror is.
    pub(super) field: Option<Field>,
    /// The number of characters. It is negative if the mirror begins before its placeholder.
    pub(super) by: i32,
    pub(super) cause: ShiftCause,
}

/// The probable reason why an SDM offset is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ShiftCause {
    /// No common mistake gives this difference.
    Unknown,
    /// The seven bytes before the text of the URL were not counted: NLEN, the record header and the URI code.
    HeaderNotCounted,
    /// The two bytes of NLEN were not counted.
    NlenNotCounted,
    /// The five bytes of the record header and the URI code were not counted.
    RecordHeaderNotCounted,
    /// The scheme, such as `https://`, was counted with all its characters. In the file it is one byte, the URI code.
    PrefixCounted,
    /// The hexadecimal digits of the offset are those of the right number in decimal.
    DecimalForHex,
    /// The decimal digits of the offset are those of the right number in hexadecimal.
    HexForDecimal,
}

/// The offset in the NDEF file of a text of which the first `prefix` characters are stored as one byte.
pub(super) fn file_offset(url_offset: usize, prefix: usize) -> usize {
    url_offset.saturating_add(HEADER).saturating_sub(prefix)
}

/// The number of characters of a URL that the URI code of the file replaces.
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

/// Reads the hexadecimal digits of `number` as decimal digits. Returns `None` if one of them is a letter.
pub(super) fn hex_as_decimal(number: usize) -> Option<usize> {
    let (mut rest, mut value, mut place) = (number, 0usize, 1usize);
    while rest > 0 {
        let digit = Some(rest % 16).filter(|digit| *digit < 10)?;
        value = value.saturating_add(digit.saturating_mul(place));
        (rest, place) = (rest / 16, place.saturating_mul(10));
    }
    Some(value)
}

/// Returns the cause of a shift by this number of characters. `right` is the right offset in the file.
pub(super) fn cause_of(by: i32, right: usize, prefix: usize) -> ShiftCause {
    let excess = i32::try_from(prefix).unwrap_or_default();
    let found = usize::try_from(by.unsigned_abs())
        .ok()
        .and_then(|distance| if by < 0 { right.checked_sub(distance) } else { right.checked_add(distance) });
    match by {
        -7 => ShiftCause::HeaderNotCounted,
        -2 => ShiftCause::NlenNotCounted,
        -5 => ShiftCause::RecordHeaderNotCounted,
        // Besides the whole prefix, all of the header was counted, all but the URI code, or nothing.
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

    /// The text of `https://example.com/t?c=` begins after seven bytes, and its prefix of eight characters is one byte.
    #[test]
    fn causes_of_common_distances() {
        let cause = |by| cause_of(by, 40, 8);
        assert_eq!(cause(-7), ShiftCause::HeaderNotCounted);
        assert_eq!(cause(-2), ShiftCause::NlenNotCounted);
        assert_eq!(cause(-5), ShiftCause::RecordHeaderNotCounted);
        assert_eq!([1, 7, 8].map(cause), [ShiftCause::PrefixCounted; 3]);
        assert_eq!(cause(0x40 - 40), ShiftCause::DecimalForHex);
        assert_eq!((cause(28 - 40), cause(3)), (ShiftCause::HexForDecimal, ShiftCause::Unknown));
        // Without a prefix, no distance is blamed on it.
        assert_eq!((cause_of(7, 40, 0), cause_of(-7, 40, 0)), (ShiftCause::Unknown, ShiftCause::HeaderNotCounted));
    }
}
