//! The possible readings of a URL. A reading is an interpretation of the URL: it says which parts of the URL are
//! mirrors. Without a layout, a reading is a guess from the length and the content of each part.

use heapless::Vec;

use super::url_parts::{UrlParts, path_start};
use super::wrong_offsets::{self, MAX_SHIFT_IN_RUN, MIN_MAC_DIGITS};
use crate::sun::error::{Field, Malformed};
use crate::sun::layout::{ElementKind, MAC_CHARS, SIGNATURE_CHARS, SdmLayout};
use crate::sun::span::Span;

/// The possible readings of one URL, the most likely first.
pub(super) type Readings = Vec<UrlParts, 48>;
/// Runs of hexadecimal digits. Each run could contain mirrors.
type DigitRuns = Vec<Span, 24>;

/// The number of hexadecimal digits of a counter, which is the shortest hexadecimal mirror.
const CTR_CHARS: usize = 6;

/// Returns the possible readings of a URL. The first reading comes from the layout, if there is one and it matches the
/// URL. The other readings are guesses from the length and the content of the parts. If the layout does not match the
/// URL, the second value is the error.
pub(super) fn readings(layout: Option<&SdmLayout>, url: &str) -> (Readings, Option<Malformed>) {
    let mut readings = Readings::new();
    let mut layout_error = None;
    match layout.map(|layout| UrlParts::locate(layout, url)) {
        Some(Ok(reading)) => add(&mut readings, &reading),
        Some(Err(error)) => layout_error = Some(error),
        None => {}
    }
    add_guesses(url, &mut readings);
    add_shifted_guesses(url, &mut readings);
    (readings, layout_error)
}

/// Adds a reading if the list has no reading with the same mirrors yet.
fn add(readings: &mut Readings, reading: &UrlParts) {
    let mirrors = |reading: &UrlParts| (reading.picc_data, reading.uid, reading.ctr, reading.enc, reading.mac);
    if readings.iter().all(|other| mirrors(other) != mirrors(reading)) {
        // If the list is full, this reading is dropped. It is less likely than those in the list.
        let _ = readings.push(*reading);
    }
}

/// Adds readings in which each run of digits is one mirror, or several mirrors without text between them. The last 16
/// digits of any run could be the MAC.
fn add_guesses(url: &str, readings: &mut Readings) {
    let runs = digit_runs(url);
    let tt_status = find_tt_status(url);
    for run in runs.iter().rev() {
        let Some(from) = run.to.checked_sub(MAC_CHARS).filter(|from| *from >= run.from) else { continue };
        let mac = Span { from, to: run.to };
        let before_mac = Span { from: run.from, to: from };
        let others = || runs.iter().copied().filter(move |other| !other.overlaps(*run));
        let mac_only = UrlParts { mac, window_start: mac.from, tt_status, ..UrlParts::default() };
        let is_file_data = |part: &Span| part.len() > 0 && part.len().is_multiple_of(32);
        // The file data are before the MAC, often directly before it.
        let enc_candidates = |picc_run: Option<Span>| {
            let separate =
                others().filter(move |part| Some(*part) != picc_run && is_file_data(part) && part.to <= mac.from);
            let mac_is_alone = before_mac.len() == 0;
            let touching = Some(before_mac).filter(is_file_data);
            separate.filter(move |_| mac_is_alone).map(Some).chain([touching])
        };
        if before_mac.len() == 0 || is_file_data(&before_mac) {
            for part in others() {
                for picc_data in picc_data_candidates(part) {
                    let rest = Span { from: picc_data.to, to: part.to };
                    if rest.len() > 0 {
                        add(readings, &UrlParts { picc_data: Some(picc_data), enc: Some(rest), ..mac_only });
                    } else {
                        for enc in enc_candidates(Some(part)) {
                            add(readings, &UrlParts { picc_data: Some(picc_data), enc, ..mac_only });
                        }
                    }
                }
            }
            let with_len = |len| others().filter(move |part| part.len() == len);
            let uid = with_len(14).next();
            let ctr = with_len(6).find(|part| uid.is_none_or(|uid| part.from >= uid.to)).or(with_len(6).next());
            for enc in enc_candidates(None) {
                add(readings, &UrlParts { uid, ctr, enc, ..mac_only });
            }
        }
        // Other mirrors may be directly before the MAC, in the same run of digits.
        let uid_end = before_mac.from.saturating_add(14).min(before_mac.to);
        let uid = Span { from: before_mac.from, to: uid_end };
        let ctr = Span { from: uid_end, to: before_mac.to };
        match before_mac.len() {
            20 => add(readings, &UrlParts { uid: Some(uid), ctr: Some(ctr), ..mac_only }),
            14 => add(readings, &UrlParts { uid: Some(before_mac), ..mac_only }),
            6 => add(readings, &UrlParts { ctr: Some(before_mac), ..mac_only }),
            _ => {}
        }
        for picc_data in picc_data_candidates(before_mac) {
            let rest = Span { from: picc_data.to, to: before_mac.to };
            let enc = Some(rest).filter(is_file_data);
            add(readings, &UrlParts { picc_data: Some(picc_data), enc, ..mac_only });
        }
    }
}

/// Adds readings for three mistakes. If an SDM offset is wrong, or if a placeholder is too long, a run of digits
/// contains a mirror and the zeros that remain of its placeholder. If NLEN is wrong, the URL may end inside the MAC.
fn add_shifted_guesses(url: &str, readings: &mut Readings) {
    let runs = digit_runs(url);
    let parts = |chars: usize| {
        let in_run = move |run: Span| {
            places_in(run, chars, url).map(move |part| (part, wrong_offsets::shift_in_run(run, part, url)))
        };
        runs.iter().copied().flat_map(in_run)
    };
    for (mac, mac_shift) in parts(MAC_CHARS).chain(runs.iter().flat_map(|run| cut_macs(*run, url))) {
        let mac_only = UrlParts { mac, window_start: mac.from, ..UrlParts::default() };
        let mut add_if_irregular = |reading: UrlParts, mirrors: &[(Field, Option<i32>)]| {
            let shift = wrong_offsets::common_shift(&reading, mirrors, url);
            let is_too_long = mirrors.iter().any(|(_, by)| by.is_none());
            let is_in_place = mirrors.iter().all(|(_, by)| by.is_none_or(|by| by == 0));
            if shift.is_some() || (is_in_place && (is_too_long || mac.len() < MAC_CHARS)) {
                let is_file_data = |run: &Span| {
                    let is_apart = reading.mirrors().all(|(_, part)| !part.overlaps(*run));
                    run.len().is_multiple_of(32) && run.to <= mac.from && is_apart
                };
                let enc = runs.iter().copied().filter(is_file_data).map(Some);
                for enc in [None].into_iter().chain(enc) {
                    add(readings, &UrlParts { enc, shift, ..reading });
                }
            }
        };
        let is_apart = |part: &Span| !part.overlaps(mac);
        for (picc_data, shift) in [32, 48].into_iter().flat_map(parts).filter(|(part, _)| is_apart(part)) {
            let reading = UrlParts { picc_data: Some(picc_data), ..mac_only };
            add_if_irregular(reading, &[(Field::PiccData, shift), (Field::SdmMac, mac_shift)]);
        }
        for (uid, uid_shift) in parts(14).filter(|(part, _)| is_apart(part)) {
            for (ctr, ctr_shift) in parts(CTR_CHARS).filter(|(part, _)| is_apart(part) && part.from >= uid.to) {
                let reading = UrlParts { uid: Some(uid), ctr: Some(ctr), ..mac_only };
                let shifts = [(Field::Uid, uid_shift), (Field::SdmReadCtr, ctr_shift), (Field::SdmMac, mac_shift)];
                add_if_irregular(reading, &shifts);
            }
        }
    }
}

/// Returns the number of characters in the placeholder of a mirror, if the placeholder is too long. The mirror then
/// fills the start of the placeholder, and zeros fill the rest, up to the next separator.
pub(super) fn long_placeholder(mirror: Option<Span>, url: &str) -> Option<usize> {
    let part = mirror?;
    let rest = url.get(part.to..)?;
    let zeros = rest.bytes().take_while(|byte| *byte == b'0').count();
    let is_end = rest.as_bytes().get(zeros).is_none_or(|byte| matches!(byte, b'&' | b'/' | b'?' | b'#'));
    (zeros > 0 && is_end).then(|| part.len().saturating_add(zeros))
}

/// Returns the possible positions of a MAC that is cut off by the end of the URL, each with its distance from the
/// placeholder. The run must be at the end of the URL; otherwise nothing is returned. It must be a shortened MAC, or
/// zeros of the placeholder followed by a shortened MAC.
fn cut_macs(run: Span, url: &str) -> impl Iterator<Item = (Span, Option<i32>)> {
    let lost = (1..=MAC_CHARS.saturating_sub(MIN_MAC_DIGITS)).filter(move |_| run.to == url.len());
    lost.filter_map(move |lost| {
        let chars = MAC_CHARS.saturating_sub(lost);
        let zeros = run.len().checked_sub(chars)?;
        let mac = Span { from: run.from.saturating_add(zeros), ..run };
        let is_placeholder = Span { to: mac.from, ..run }.slice(url).bytes().all(|byte| byte == b'0');
        ((zeros == 0 || zeros == lost) && is_placeholder).then_some((mac, i32::try_from(zeros).ok()))
    })
}

/// Returns the possible positions of a mirror with `chars` digits in a run of digits. The mirror is the whole run, or
/// it is at one end of the run and the rest of the run consists of zeros.
fn places_in(run: Span, chars: usize, url: &str) -> impl Iterator<Item = Span> {
    let rest = run.len().checked_sub(chars).filter(|rest| *rest <= MAX_SHIFT_IN_RUN);
    let starts = rest.into_iter().flat_map(move |rest| [0, rest].into_iter().take(if rest == 0 { 1 } else { 2 }));
    starts.map(move |start| Span::at(run.from.saturating_add(start), chars)).filter(move |part| {
        let is_zero = |span: Span| span.slice(url).bytes().all(|byte| byte == b'0');
        is_zero(Span { to: part.from, ..run }) && is_zero(Span { from: part.to, ..run })
    })
}

/// Returns the parts of a run of digits that could be PICCData. PICCData is at the start of the run and has 32 digits,
/// or 48 in LRP mode. The length of the rest of the run must be a multiple of 32: the rest is empty, or it may be file
/// data.
fn picc_data_candidates(run: Span) -> impl Iterator<Item = Span> {
    [32, 48].into_iter().filter_map(move |len| {
        let rest = run.len().checked_sub(len)?;
        rest.is_multiple_of(32).then_some(Span { from: run.from, to: run.from.saturating_add(len) })
    })
}

/// Returns the runs of hexadecimal digits after the host. Runs that are shorter than a counter are left out.
///
/// Letters of static text can look like hexadecimal digits: for example, `mac` ends with `ac`. A chip writes
/// hexadecimal digits in upper case. If a run also has upper-case letters, or if it has lower-case letters only at its
/// ends, the lower-case letters may be static text. Each part between them is then also returned as a run.
fn digit_runs(url: &str) -> DigitRuns {
    let mut runs = DigitRuns::new();
    let mut add = |run: Span| {
        if run.len() >= CTR_CHARS {
            // If the list is full, this run is dropped.
            let _ = runs.push(run);
        }
    };
    let mut offset = path_start(url);
    while let Some(rest) = url.get(offset..).filter(|rest| !rest.is_empty()) {
        let len = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let run = Span::at(offset, len);
        add(run);
        let is_lower = |byte: &u8| byte.is_ascii_lowercase();
        let text = run.slice(url);
        let trimmed = text.trim_matches(|c: char| c.is_ascii_lowercase());
        let is_joined =
            text.bytes().any(|byte| byte.is_ascii_uppercase()) || !trimmed.bytes().any(|byte| is_lower(&byte));
        if is_joined && text.bytes().any(|byte| is_lower(&byte)) {
            let mut from = run.from;
            for part in text.split(|c: char| c.is_ascii_lowercase()) {
                add(Span::at(from, part.len()));
                from = from.saturating_add(part.len()).saturating_add(1);
            }
        }
        let Some(gap) = rest.bytes().skip(len).position(|byte| byte.is_ascii_hexdigit()) else { break };
        offset = offset.saturating_add(len).saturating_add(gap);
    }
    runs
}

/// Returns the position of a value that is probably a tamper status. Two letters may also be something else, such as a
/// country code. They count as a status only if the name of the parameter suggests a status, or if they have no name
/// and follow a run of hexadecimal digits.
fn find_tt_status(url: &str) -> Option<Span> {
    let mut offset = path_start(url);
    let (mut name, mut before) = ("", "");
    for piece in url.get(offset..)?.split_inclusive(['=', '/', '&', '?', '#']) {
        let text = piece.trim_end_matches(['=', '/', '&', '?', '#']);
        let is_named = ["tt", "tamper", "seal", "status"].iter().any(|part| contains_ignore_case(name, part))
            || name.eq_ignore_ascii_case("t");
        let is_digits = |text: &str| text.len() >= CTR_CHARS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_after_mirror = name.is_empty() && is_digits(before);
        if matches!(text, "CC" | "OC" | "OO" | "CO" | "II") && (is_named || is_after_mirror) {
            return Some(Span { from: offset, to: offset.saturating_add(2) });
        }
        name = if piece.ends_with('=') { text } else { "" };
        before = text;
        offset = offset.saturating_add(piece.len());
    }
    None
}

fn contains_ignore_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

/// Returns the length of a run of hexadecimal digits that is probably PICCData with a wrong length. Such a run is a few
/// digits shorter or longer than 32 or 48.
pub(super) fn wrong_picc_data_length(url: &str) -> Option<usize> {
    let runs = digit_runs(url);
    let lengths = || runs.iter().map(|run| run.len());
    // The URL must have another run for the MAC. Otherwise the MAC may be at the end of this run.
    let wrong = lengths().find(|len| matches!(len, 26..=31 | 33..=40 | 44..=47 | 49..=52));
    wrong.filter(|_| lengths().filter(|len| *len >= 16).count() > 1)
}

/// Counts the hexadecimal digits at the place where the layout has PICCData. Returns this number if it differs from the
/// number in the layout.
pub(super) fn wrong_picc_data_of_layout(layout: &SdmLayout, url: &str) -> Option<usize> {
    let mut offset = 0usize;
    for element in layout.elements() {
        offset = offset.saturating_add(element.text.len());
        let ElementKind::Value(field) = element.kind else { continue };
        let chars = layout.fixed_chars(field)?;
        if field == Field::PiccData {
            let rest = url.get(offset..)?;
            let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
            let is_after_text = url.as_bytes().get(..offset)?.ends_with(layout.text(element.text));
            return Some(digits).filter(|digits| is_after_text && *digits > 0 && *digits != chars);
        }
        offset = offset.saturating_add(chars);
    }
    None
}

/// The mirrors that the tag did not write. The URL still contains their placeholders.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    None,
    /// The tag wrote no MAC, but it wrote another mirror.
    Mac,
    All,
}

/// Finds mirrors that the tag did not write. A placeholder is recognised by its zeros. If the layout says where the
/// placeholder is, any character that fills the whole placeholder counts.
pub(super) fn blank(layout: Option<&SdmLayout>, url: &str, readings: &Readings) -> Blank {
    let is_repeated = |part: Span| {
        let mut bytes = part.slice(url).bytes();
        let first = bytes.next();
        bytes.all(|byte| Some(byte) == first)
    };
    let is_zero = |part: &Span| part.slice(url).bytes().all(|byte| byte == b'0');
    let expected =
        layout.and_then(|layout| UrlParts::locate(layout, url).ok().or_else(|| UrlParts::expected(layout, url.len())));
    if let Some(parts) = expected.filter(|parts| is_repeated(parts.mac)) {
        let all = parts.mirrors().all(|(_, part)| is_repeated(part));
        return if all { Blank::All } else { Blank::Mac };
    }
    if layout.is_some_and(|layout| layout.parse(url).is_ok()) {
        // Other zeros are static text.
        return Blank::None;
    }
    let runs = digit_runs(url);
    let mut long = runs.iter().filter(|run| matches!(run.len(), CTR_CHARS | 14 | MAC_CHARS..));
    if long.next().is_some_and(is_zero) && long.all(is_zero) {
        return Blank::All;
    }
    // The last run with the length of a MAC is probably the MAC.
    let mac = runs.iter().rfind(|run| run.len() == MAC_CHARS);
    let of_reading = readings.first().is_some_and(|reading| is_zero(&reading.mac));
    if of_reading || mac.is_some_and(is_zero) { Blank::Mac } else { Blank::None }
}

/// Returns the position of the last run of hexadecimal digits that is as long as an ECDSA signature. Zeros are a
/// placeholder, and do not count.
pub(super) fn signature(url: &str) -> Option<Span> {
    last_run(url, |run| run.len() == SIGNATURE_CHARS && run.bytes().any(|digit| digit != b'0'))
}

/// Returns the last run of hexadecimal digits that fulfils the condition.
pub(super) fn last_run(url: &str, is_wanted: impl Fn(&str) -> bool) -> Option<Span> {
    digit_runs(url).into_iter().rfind(|run| is_wanted(run.slice(url)))
}

/// Returns the positions of mirrors in a URL without a MAC: PICCData and file data, or UID and counter.
pub(super) fn without_mac(url: &str) -> Option<UrlParts> {
    let runs = digit_runs(url);
    let with_len = |lens: &[usize]| runs.iter().copied().find(|run| lens.contains(&run.len()));
    if let Some(picc_data) = with_len(&[32, 48]) {
        let is_enc = |run: &&Span| run.from >= picc_data.to && run.len().is_multiple_of(32);
        let enc = runs.iter().find(is_enc).copied();
        return Some(UrlParts { picc_data: Some(picc_data), enc, ..UrlParts::default() });
    }
    let (uid, ctr) = (with_len(&[14]), with_len(&[CTR_CHARS]));
    uid.map(|uid| UrlParts { uid: Some(uid), ctr, ..UrlParts::default() })
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec as List;
    use std::{format, vec};

    use super::*;
    use crate::diagnose::shift::Shift;
    use crate::value::Scheme;

    /// Each run of digits, with a letter that stands for it. The runs have the length of PICCData, file data, a UID, a
    /// counter, another counter, and a MAC.
    const RUNS: [(&str, &str); 6] = [
        ("P", "11111111111111111111111111111111"),
        ("E", "22222222222222222222222222222222"),
        ("U", "33333333333333"),
        ("N", "444444"),
        ("O", "666666"),
        ("M", "5555555555555555"),
    ];

    /// Replaces the letters in `shape` with runs of digits.
    fn url_of(shape: &str) -> String {
        RUNS.iter().fold(format!("s://h{shape}"), |text, (letter, run)| text.replace(letter, run))
    }

    /// Returns all readings of a URL with this shape. In the readings, the runs of digits are replaced with their letters
    /// again.
    fn readings_of(shape: &str) -> List<String> {
        let to_letters =
            |text: &str| RUNS.iter().fold(String::from(text), |text, (letter, run)| text.replace(run, letter));
        let url = url_of(shape);
        let describe = |reading: &UrlParts| {
            assert_eq!(reading.window_start, reading.mac.from);
            let UrlParts { picc_data, uid, ctr, enc, tt_status, mac, shift, .. } = *reading;
            let parts = [("p", picc_data), ("u", uid), ("n", ctr), ("e", enc), ("t", tt_status), ("m", Some(mac))];
            let parts =
                parts.into_iter().filter_map(|(name, part)| Some(format!("{name}={}", to_letters(part?.slice(&url)))));
            let shift = shift.map(|Shift { field, by, .. }| match field {
                Some(field) => format!("{field:?}{by:+}"),
                None => format!("all{by:+}"),
            });
            parts.chain(shift).collect::<List<_>>().join(" ")
        };
        readings(None, &url).0.iter().map(describe).collect()
    }

    /// Every possible reading is listed, the most likely first.
    #[test]
    fn readings_of_every_shape() {
        let table = [
            ("?p=P&c=M", vec!["p=P m=M", "e=P m=M", "m=M"]),
            ("?p=P&t=EM", vec!["p=P e=E m=M", "e=E m=M", "p=E m=M"]),
            ("?e=PE&c=M", vec!["p=P e=E m=M", "e=PE m=M", "m=M", "p=P2222222222222222 m=2222222222222222"]),
            ("?x=PEM", vec!["e=PE m=M", "p=P e=E m=M"]),
            ("?p=PM&c=M", vec!["p=PM m=M", "m=M", "e=P m=M", "p=P m=M"]),
            ("?u=U&n=N&c=M", vec!["u=U n=N m=M"]),
            ("?n=N&u=U&c=M", vec!["u=U n=N m=M"]),
            ("?k=O&u=U&n=N&k=O&c=M", vec!["u=U n=N m=M"]),
            ("?k=é&x=1234567&u=U&n=N&c=M", vec!["u=U n=N m=M"]),
            ("/UNM", vec!["u=U n=N m=M"]),
            ("/UM", vec!["u=U m=M"]),
            ("/NM", vec!["n=N m=M"]),
            ("?u=U&n=N&e=EM", vec!["u=U n=N e=E m=M", "p=E m=M"]),
            ("?u=U&n=N&t=CC&e=E&c=M", vec!["p=E t=CC m=M", "u=U n=N e=E t=CC m=M", "u=U n=N t=CC m=M"]),
            // The file data are before the MAC.
            ("?c=M&p=P", vec!["p=P m=M", "m=M"]),
            ("?p=P&c=M&e=E", vec!["p=P m=M", "p=E e=P m=M", "p=E m=M", "e=P m=M", "m=M"]),
            ("?p=P&e=E&c=M", vec!["p=P e=E m=M", "p=P m=M", "p=E e=P m=M", "p=E m=M", "e=P m=M", "e=E m=M", "m=M"]),
            ("?hello=world", vec![]),
            ("?u=U&n=N", vec![]),
        ];
        for (shape, readings) in table {
            assert_eq!(readings_of(shape), readings, "{shape}");
        }
    }

    /// Zeros of a placeholder are next to a mirror, or the URL ends inside the MAC.
    #[test]
    fn readings_of_misplaced_mirrors() {
        let table = [
            ("?p=P0000&c=M", vec!["m=M", "u=11111111111111 n=111111 m=1111111111110000", "p=P m=M"]),
            ("?P00&c=M", vec!["m=M", "p=P m=M PiccData-2"]),
            ("?p=0000P&c=M", vec!["m=M", "u=00001111111111 n=111111 m=1111111111111111", "p=P m=M PiccData+4"]),
            ("?p=0000P&c=0000M", vec!["u=00001111111111 n=111111 m=1111111111111111", "p=P m=M all+4"]),
            ("?p=0000P&c=00M", vec!["u=00001111111111 n=111111 m=1111111111111111"]),
            ("?p=P&c=00M", vec!["p=P m=M SdmMac+2"]),
            ("?p=00P&e=E&c=M", vec!["p=E m=M", "e=E m=M", "m=M", "p=P m=M PiccData+2", "p=P e=E m=M PiccData+2"]),
            ("?p=00P&c=M&e=E", vec!["p=E m=M", "m=M", "p=P m=M PiccData+2"]),
            ("?u=00U&n=N&c=M", vec!["n=N m=M", "n=N m=00U", "u=U n=N m=M Uid+2"]),
            ("?u=U&n=00N&c=M", vec!["u=U m=M", "u=U n=N m=M SdmReadCtr+2"]),
            ("?u=00U&n=00N&c=00M", vec!["m=00U", "u=U n=N m=M all+2"]),
            ("?n=N&u=00U&c=M", vec!["n=N m=M", "n=N m=00U"]),
            ("?p=P&c=5555555555", vec!["p=P m=5555555555"]),
            (
                "?p=P&c=0055555555555555",
                vec![
                    "p=P m=0055555555555555",
                    "e=P m=0055555555555555",
                    "m=0055555555555555",
                    "p=P m=055555555555555 SdmMac+1",
                    "p=P m=55555555555555 SdmMac+2",
                ],
            ),
            ("?p=P&c=000555555555555555", vec!["p=P m=0555555555555555 SdmMac+2"]),
        ];
        for (shape, readings) in table {
            assert_eq!(readings_of(shape), readings, "{shape}");
        }
    }

    /// Lower-case letters are text if there is a digit in upper case, or if they are only at the ends.
    #[test]
    fn runs_of_digits() {
        let table = [
            ("?x=12345678", vec!["12345678"]),
            ("?x=1234ab567890", vec!["1234ab567890"]),
            ("?x=123456abc789012", vec!["123456abc789012"]),
            ("?mac123456", vec!["ac123456", "123456"]),
            ("?x=123456abcd", vec!["123456abcd", "123456"]),
            ("?x=ABCDEF0a123456", vec!["ABCDEF0a123456", "ABCDEF0", "123456"]),
            ("?x=ABCDEF0a12345", vec!["ABCDEF0a12345", "ABCDEF0"]),
            ("?x=ABCDEF", vec!["ABCDEF"]),
            ("?x=12345", vec![]),
        ];
        for (text, runs) in table {
            let url = format!("s://h{text}");
            assert_eq!(digit_runs(&url).iter().map(|run| run.slice(&url)).collect::<List<_>>(), runs, "{text}");
        }
    }

    #[test]
    fn mirrors_that_the_tag_did_not_write() {
        let zeros = "0".repeat(16);
        let table = [
            (String::from("?hello=world"), Blank::None),
            (String::from("/item/12345678"), Blank::None),
            (String::from("?p=P&c=M"), Blank::None),
            (format!("?p={zeros}{zeros}&c={zeros}"), Blank::All),
            (format!("?p=P&c={zeros}"), Blank::Mac),
            // Only the first reading has this MAC. No run has its length.
            (format!("?x=P{zeros}"), Blank::Mac),
            // Only the run has this MAC. The first reading has another.
            (format!("?c={zeros}&x=PM"), Blank::Mac),
        ];
        for (shape, expected) in table {
            let url = url_of(&shape);
            let found = blank(None, &url, &readings(None, &url).0);
            assert!(found == expected, "{shape}");
        }
        // With a layout that fits, other zeros are static text.
        let layout = SdmLayout::new(Scheme::Aes, &format!("s://h?p={{picc}}&c={{mac}}&x={zeros}")).unwrap();
        let url = url_of(&format!("?p=P&c=0123456789ABCD01&x={zeros}"));
        assert!(blank(Some(&layout), &url, &readings(Some(&layout), &url).0) == Blank::None);
        assert!(blank(None, &url, &readings(None, &url).0) == Blank::Mac);
        // Two texts of the layout have a variable length.
        let layout = SdmLayout::new(Scheme::Aes, "s://h/{:a}/{:b}?p={picc}&c={mac}").unwrap();
        let url = format!("s://h/ab/c?p={}&c={zeros}", "0123456789ABCDEF".repeat(2));
        assert!(blank(Some(&layout), &url, &readings(Some(&layout), &url).0) == Blank::Mac);
    }

    /// The digits are counted where the layout has PICCData, and only if the text before them is that of the layout.
    #[test]
    fn picc_data_of_a_wrong_length() {
        let layout = |template| SdmLayout::new(Scheme::Aes, template).unwrap();
        let table = [
            ("s://h?p={picc}&c={mac}", "?p=P&c=M", None),
            ("s://h?p={picc}&c={mac}", "?p=PNN&c=M", Some(44)),
            ("s://h?p={picc}&c={mac}", "?p=U&c=M", Some(14)),
            ("s://h?p={picc}&c={mac}", "?p=&c=M", None),
            ("s://h?p={picc}&c={mac}", "?q=U&c=M", None),
            ("s://h?p={picc}&c={mac}", "?p", None),
            ("s://h?t={tt}&p={picc}&c={mac}", "?t=CC&p=U&c=M", Some(14)),
            ("s://h?u={uid}&n={ctr}&c={mac}", "?u=U&n=N&c=M", None),
            ("s://h?x={:x}&p={picc}&c={mac}", "?x=1&p=U&c=M", None),
        ];
        for (template, shape, digits) in table {
            assert_eq!(wrong_picc_data_of_layout(&layout(template), &url_of(shape)), digits, "{template} {shape}");
        }
    }
}
