//! Mirrors that are not at their placeholders, because an SDM offset is wrong.
//!
//! The chip writes a mirror over the text at its offset. If the offset is wrong, the mirror replaces some static text
//! before or after its placeholder, and some zeros of the placeholder remain. The URL keeps its length.

use super::shift::{Shift, ShiftCause, cause_of, decimal_as_hex, file_offset, hex_as_decimal, prefix_len};
use super::url_parts::{self, UrlParts};
use crate::sun::error::Field;
use crate::sun::layout::{MAC_CHARS, SdmLayout};
use crate::sun::span::Span;

/// The largest distance between a mirror and its placeholder, in characters, that is tried if there is a layout. Larger
/// distances are tried only for offsets written in the wrong base, such as decimal for hexadecimal.
const MAX_SHIFT: usize = 40;
/// The largest such distance that is tried without a layout.
pub(super) const MAX_SHIFT_IN_RUN: usize = 16;
/// If the URL ends inside the MAC, the MAC must still have at least this many hexadecimal digits.
pub(super) const MIN_MAC_DIGITS: usize = 10;

/// Returns the possible positions of the mirrors in a URL if one SDM offset is wrong or if all are wrong. Returns no
/// positions if the layout does not allow the length of the URL.
///
/// The positions are returned only if the characters there can be mirrors and the other text matches the layout. At
/// least [`MIN_MAC_DIGITS`] digits of the MAC must be in the URL.
pub(super) fn shifted(layout: &SdmLayout, url: &str) -> impl Iterator<Item = UrlParts> + Clone {
    visible(layout, url).filter(|parts| parts.mac.len() >= MIN_MAC_DIGITS)
}

/// Like [`shifted`], but any part of the MAC may be outside the URL. Such a MAC proves nothing.
fn visible(layout: &SdmLayout, url: &str) -> impl Iterator<Item = UrlParts> + Clone {
    let expected = UrlParts::expected(layout, url.len());
    let prefix = prefix_len(url);
    let distances = (1..=MAX_SHIFT).flat_map(|distance| {
        let distance = i32::try_from(distance).unwrap_or_default();
        [distance.saturating_neg(), distance]
    });
    let mirrors = move || expected.into_iter().flat_map(|expected| expected.mirrors());
    let first = mirrors().map(|(_, part)| part.from).min();
    let all_or_one = move || {
        let one = mirrors().map(|(field, part)| (Some(field), part.from));
        first.map(|first| (None, first)).into_iter().chain(one)
    };
    let by_distance = distances.flat_map(move |by| {
        all_or_one().filter_map(move |(field, at)| {
            let cause = cause_of(by, file_offset(at, prefix), prefix);
            moved(&expected?, url, field, cause, |_| Some(by))
        })
    });
    // If the offsets were written in the wrong base, such as decimal for hexadecimal, each mirror has a different
    // distance from its placeholder.
    let bases = [ShiftCause::DecimalForHex, ShiftCause::HexForDecimal];
    let by_base = bases.into_iter().flat_map(move |cause| {
        let distance = move |at: usize| {
            let right = file_offset(at, prefix);
            let found =
                if cause == ShiftCause::DecimalForHex { Some(decimal_as_hex(right)) } else { hex_as_decimal(right) };
            i32::try_from(found?).ok()?.checked_sub(i32::try_from(right).ok()?)
        };
        all_or_one().filter_map(move |(field, _)| moved(&expected?, url, field, cause, distance))
    });
    by_distance.chain(by_base).filter(move |parts| {
        let is_apart = |(field, part)| parts.mirrors().all(|(other, place)| other == field || !place.overlaps(part));
        parts.mirrors().all(is_apart) && expected.is_some_and(|expected| has_static_text(layout, &expected, parts, url))
    })
}

/// Returns the possible positions of the mirrors in a URL that ends inside its MAC. Returns no positions if the layout
/// has anything after the MAC.
pub(super) fn cut(layout: &SdmLayout, url: &str) -> impl Iterator<Item = UrlParts> + Clone {
    (1..=MAC_CHARS.saturating_sub(MIN_MAC_DIGITS)).filter_map(move |lost| {
        let whole = url.len().saturating_add(lost);
        let mut parts = UrlParts::expected(layout, whole).filter(|parts| parts.mac.to == whole)?;
        parts.mac.to = url.len();
        holds_mirrors(&parts, url).then_some(parts)
    })
}

/// Moves the mirror `field`, or all mirrors if `field` is `None`. `distance` takes the right offset of a mirror in the
/// URL and returns by how many characters the mirror moves. Returns `None` if the characters at the new positions
/// cannot be these mirrors.
fn moved(
    expected: &UrlParts,
    url: &str,
    field: Option<Field>,
    cause: ShiftCause,
    distance: impl Fn(usize) -> Option<i32>,
) -> Option<UrlParts> {
    let mut parts = *expected;
    let mut by = None;
    for (mirror, part) in expected.mirrors().filter(|(mirror, _)| field.is_none_or(|field| field == *mirror)) {
        let shift = distance(part.from)?;
        by = by.or(Some(shift).filter(|shift| *shift != 0));
        let moved = Span::at(move_by(part.from, shift)?, part.len());
        match parts.mirror_mut(mirror) {
            Some(place) => *place = Some(moved),
            None => parts.mac = Span { to: moved.to.min(url.len()), ..moved },
        }
    }
    if field.is_none() || expected.window_start == expected.mac.from {
        let shift = distance(expected.window_start).filter(|_| field.is_none_or(|field| field == Field::SdmMac));
        parts.window_start = move_by(expected.window_start, shift.unwrap_or_default())?;
    }
    parts.shift = Some(Shift { field, by: by?, cause });
    holds_mirrors(&parts, url).then_some(parts)
}

fn move_by(offset: usize, by: i32) -> Option<usize> {
    offset.checked_add_signed(isize::try_from(by).ok()?)
}

/// Returns `true` if each part is inside the URL and contains only characters that its mirror can have.
fn holds_mirrors(parts: &UrlParts, url: &str) -> bool {
    parts.mirrors().all(|(field, part)| {
        let text = part.slice(url);
        let is_status = |byte: u8| matches!(byte, b'C' | b'O' | b'I');
        text.len() == part.len()
            && match field {
                Field::TtStatus => text.bytes().take(2).all(is_status),
                _ => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
            }
    })
}

/// Guesses from the URL which offsets are wrong, although no MAC matches. A guess consists of a position for each
/// mirror. `is_likely` decides whether the UID at these positions is plausible.
///
/// If exactly one guess is likely, returns its shift. If several guesses are likely and have the same distance, returns
/// this distance as the shift of all mirrors, but only if the first or the second of these guesses shifts all mirrors.
/// In all other cases with at least one guess, returns a shift with the distance 0, which means that the distance is
/// not known. Returns `None` if there is no guess.
pub(super) fn visible_shift(
    layout: &SdmLayout,
    url: &str,
    mut is_likely: impl FnMut(&UrlParts) -> bool,
) -> Option<Shift> {
    let possible = || visible(layout, url).filter_map(|parts| Some((parts, parts.shift?)));
    let mut likely = possible().filter(|(parts, _)| is_likely(parts)).map(|(_, shift)| shift);
    match (likely.next(), likely.next()) {
        (Some(shift), None) => return Some(shift),
        (None, _) => {}
        (Some(first), Some(second)) => {
            // If the MAC is outside the URL, the digits of its placeholder look like a MAC. In this case, the URL does
            // not show whether one offset is wrong or all are.
            let same = likely.all(|shift| shift.by == first.by) && second.by == first.by;
            let all = [first, second].into_iter().find(|shift| shift.field.is_none());
            if let Some(all) = all.filter(|_| same) {
                return Some(all);
            }
        }
    }
    possible().next().map(|_| Shift { field: None, by: 0, cause: ShiftCause::Unknown })
}

fn is_in_mirror(parts: &UrlParts, at: usize) -> bool {
    parts.mirrors().any(|(_, part)| part.contains(at))
}

/// Returns `true` if the text outside the mirrors matches the layout, and if one character fills everything that
/// remains of the placeholders.
fn has_static_text(layout: &SdmLayout, expected: &UrlParts, parts: &UrlParts, url: &str) -> bool {
    let Some(elements) = url_parts::expected_elements(layout, url.len()) else { return false };
    let left = |at: &usize| is_in_mirror(expected, *at) && !is_in_mirror(parts, *at);
    let mut left = (0..url.len()).filter(left).map(|at| url.as_bytes().get(at));
    let first = left.next();
    if !left.all(|byte| Some(byte) == first) {
        return false;
    }
    let mut offset = 0usize;
    for (element, chars) in elements {
        let text = layout.text(element.text);
        let from = offset;
        let is_right = |(at, byte): (usize, &u8)| {
            let at = from.saturating_add(at);
            is_in_mirror(parts, at) || url.as_bytes().get(at) == Some(byte)
        };
        if !text.iter().enumerate().all(is_right) {
            return false;
        }
        offset = offset.saturating_add(text.len()).saturating_add(chars);
    }
    true
}

/// Returns the distance of a mirror from its placeholder. `run` is a run of digits: the mirror, and the zeros before or
/// after the mirror that remain of the placeholder. Returns 0 if the mirror fills the whole run.
///
/// Returns `None` if the offset is right but the placeholder is too long. In this case, the mirror begins directly
/// after a separator, and the zeros after the mirror end directly before a separator.
pub(super) fn shift_in_run(run: Span, mirror: Span, url: &str) -> Option<i32> {
    let before = mirror.from.checked_sub(run.from)?;
    let after = run.to.checked_sub(mirror.to)?;
    let byte = |at: usize| url.as_bytes().get(at);
    // After `?` or `&`, the mirror has overwritten the name of its parameter.
    let has_own_place = run.from.checked_sub(1).and_then(byte).is_some_and(|byte| matches!(byte, b'=' | b'/'));
    let ends_placeholder = byte(run.to).is_none_or(|byte| matches!(byte, b'&' | b'/' | b'?' | b'#'));
    if before == 0 && after > 0 && has_own_place && ends_placeholder {
        return None;
    }
    i32::try_from(before).ok()?.checked_sub(i32::try_from(after).ok()?)
}

/// Returns the shift if exactly one mirror is shifted, or if all mirrors are shifted by the same distance. Otherwise
/// returns `None`. In `distances`, a distance is `None` if the placeholder of that mirror is too long.
pub(super) fn common_shift(parts: &UrlParts, distances: &[(Field, Option<i32>)], url: &str) -> Option<Shift> {
    let mut shifted = distances.iter().filter(|(_, by)| by.is_none_or(|by| by != 0));
    let (field, by) = shifted.next()?;
    let by = (*by)?;
    let field = match shifted.clone().count() {
        0 => Some(*field),
        _ if distances.iter().all(|(_, other)| *other == Some(by)) => None,
        _ => return None,
    };
    let first = parts.mirrors().filter(|(mirror, _)| field.is_none_or(|field| field == *mirror));
    let found = first.map(|(_, part)| part.from).min()?;
    let prefix = prefix_len(url);
    let right = file_offset(move_by(found, by.saturating_neg())?, prefix);
    Some(Shift { field, by, cause: cause_of(by, right, prefix) })
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::{format, vec, vec::Vec};

    use super::*;
    use crate::value::Scheme;

    /// The MAC input is empty.
    const ENCRYPTED: &str = "https://t.example/?picc_data={picc}&cmac={mac}";

    fn layout(template: &str) -> SdmLayout {
        SdmLayout::new(Scheme::Aes, template).unwrap()
    }

    /// Returns the URL in which each mirror is at this distance from its placeholder. What does not fit into the URL is
    /// lost.
    fn tap(layout: &SdmLayout, distance: impl Fn(Field) -> i32) -> String {
        let mut url = layout.template().replace("[[", "");
        for (placeholder, chars) in [("{picc}", 32), ("{uid}", 14), ("{ctr}", 6), ("{tt}", 2), ("{mac}", 16)] {
            url = url.replace(placeholder, &"0".repeat(chars));
        }
        let mut bytes = url.into_bytes();
        for (field, part) in UrlParts::expected(layout, bytes.len()).unwrap().mirrors() {
            let digit = match field {
                Field::PiccData => b'1',
                Field::Uid => b'3',
                Field::SdmReadCtr => b'4',
                Field::TtStatus => b'O',
                _ => b'5',
            };
            let from = move_by(part.from, distance(field)).unwrap();
            bytes.iter_mut().skip(from).take(part.len()).for_each(|byte| *byte = digit);
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Asserts that `parts` is one of the possible positions in the URL that [`tap`] returns.
    fn assert_possible(layout: &SdmLayout, shift: Shift, distance: impl Fn(Field) -> i32, window_start: usize) {
        let url = tap(layout, &distance);
        let right = UrlParts::expected(layout, url.len()).unwrap();
        let mut parts = UrlParts { window_start, shift: Some(shift), ..right };
        for (field, part) in right.mirrors() {
            let moved = Span::at(move_by(part.from, distance(field)).unwrap(), part.len());
            match parts.mirror_mut(field) {
                Some(place) => *place = Some(moved),
                None => parts.mac = moved,
            }
        }
        let possible: Vec<_> = shifted(layout, &url).collect();
        assert!(possible.contains(&parts), "{url}: {possible:?}, and not {parts:?}");
    }

    /// The MAC input moves with all mirrors, and with the MAC if it is empty.
    #[test]
    fn moved_mirrors() {
        let unknown = |field, by| Shift { field, by, cause: ShiftCause::Unknown };
        let only = |moved, by| move |field| if field == moved { by } else { 0 };
        let encrypted = layout("https://t.example/?picc_data={picc}&cmac={mac}&x=1234567890");
        let mac_from = 67;
        assert_possible(&encrypted, unknown(None, 3), |_| 3, mac_from + 3);
        assert_possible(&encrypted, unknown(None, -3), |_| -3, mac_from - 3);
        assert_possible(&encrypted, unknown(Some(Field::PiccData), 3), only(Field::PiccData, 3), mac_from);
        assert_possible(&encrypted, unknown(Some(Field::SdmMac), -3), only(Field::SdmMac, -3), mac_from - 3);
        let plain = layout("https://t.example/?[[uid={uid}&ctr={ctr}&tt={tt}&cmac={mac}&x=1234567890");
        let from = 19;
        assert_possible(&plain, unknown(None, 3), |_| 3, from + 3);
        assert_possible(&plain, unknown(Some(Field::SdmMac), 3), only(Field::SdmMac, 3), from);
        assert_possible(&plain, unknown(Some(Field::TtStatus), 2), only(Field::TtStatus, 2), from);
    }

    /// These distances are larger than [`MAX_SHIFT`]. `right` is the offset in the file, where seven bytes stand for
    /// `https://`.
    #[test]
    fn offsets_in_the_wrong_base() {
        for (right, by, cause) in [(70, 42, ShiftCause::DecimalForHex), (0x70, -42, ShiftCause::HexForDecimal)] {
            let before = format!("https://t.example/{}", "x".repeat(right - 17));
            let layout = layout(&format!("{before}{{picc}}{}{{mac}}", "x".repeat(50)));
            let shift = Shift { field: Some(Field::PiccData), by, cause };
            let mac_from = before.len() + 32 + 50;
            assert_possible(&layout, shift, |field| if field == Field::PiccData { by } else { 0 }, mac_from);
        }
    }

    /// At most six digits can be lost.
    #[test]
    fn cut_macs() {
        let ends_with_mac = layout(ENCRYPTED);
        let ends_with_text = layout("https://t.example/?picc_data={picc}&cmac={mac}&x");
        for lost in 0..16 {
            let cut_by = |layout: &SdmLayout| {
                let url = tap(layout, |_| 0);
                let url = &url[..url.len() - lost];
                cut(layout, url).map(|parts| (url.len() - parts.mac.to, parts.mac.len())).collect::<Vec<_>>()
            };
            let expected = if (1..=6).contains(&lost) { vec![(0, 16 - lost)] } else { vec![] };
            assert_eq!(cut_by(&ends_with_mac), expected, "{lost}");
            assert_eq!(cut_by(&ends_with_text), [], "{lost}");
        }
    }

    #[test]
    fn shift_without_a_mac() {
        let unknown = |field, by| Some(Shift { field, by, cause: ShiftCause::Unknown });
        let not_known = unknown(None, 0);
        let picc_data = Some(Field::PiccData);
        // The URL does not show whether the last five digits of the MAC are lost.
        let encrypted = layout(ENCRYPTED);
        let url = tap(&encrypted, |_| 5);
        let if_likely =
            |is_likely: fn(Shift) -> bool| visible_shift(&encrypted, &url, |parts| parts.shift.is_some_and(is_likely));
        assert_eq!(if_likely(|_| true), unknown(None, 5));
        assert_eq!(if_likely(|shift| shift.field.is_some()), unknown(picc_data, 5));
        assert_eq!(if_likely(|_| false), not_known);
        assert_eq!(visible_shift(&encrypted, &url.replace("t.example", "u.example"), |_| true), None);
        // All digits are A, like the text between them. The UID is likely only if the mirrors moved to the right.
        let joined = layout("https://t.example/{picc}AA{mac}AA");
        let by_one = Some(Shift { field: None, by: 1, cause: ShiftCause::PrefixCounted });
        // In the first URL, any mirrors can have moved by one. In the second, PICCData can also have moved by two.
        for (digits, expected) in [("0A", by_one), ("00", not_known)] {
            let url = format!("https://t.example/{digits}{}0{}", "A".repeat(32), "A".repeat(17));
            let found = visible_shift(&joined, &url, |parts| parts.shift.is_some_and(|shift| shift.by > 0));
            assert_eq!(found, expected, "{url}");
        }
    }

    #[test]
    fn common_distances() {
        let url = "https://t.example/";
        let (picc_data, mac) = (Field::PiccData, Field::SdmMac);
        // The right offset of the MAC in the file is 20. The MAC is written at 20h.
        let parts = UrlParts { picc_data: Some(Span::at(90, 32)), mac: Span::at(33, 16), ..UrlParts::default() };
        let shift = |field, by, cause| Some(Shift { field, by, cause });
        for (distances, expected) in [
            ([(picc_data, Some(0)), (mac, Some(0))], None),
            ([(picc_data, Some(0)), (mac, Some(12))], shift(Some(mac), 12, ShiftCause::DecimalForHex)),
            ([(picc_data, Some(12)), (mac, Some(0))], shift(Some(picc_data), 12, ShiftCause::Unknown)),
            ([(picc_data, Some(12)), (mac, Some(12))], shift(None, 12, ShiftCause::DecimalForHex)),
            ([(picc_data, Some(11)), (mac, Some(12))], None),
            ([(picc_data, None), (mac, Some(0))], None),
            ([(picc_data, None), (mac, Some(12))], None),
            ([(picc_data, Some(12)), (mac, None)], None),
        ] {
            assert_eq!(common_shift(&parts, &distances, url), expected, "{distances:?}");
        }
    }
}
