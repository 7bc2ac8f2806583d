//! The possible readings of a URL. A reading says which parts of the URL could be mirrors, judged by their length and
//! content.

use heapless::Vec;

use super::assumptions::Assumptions;
use super::url_parts::UrlParts;
use crate::sun::error::Malformed;
use crate::sun::span::Span;

/// The possible readings of one URL, the most likely first.
pub(super) type Readings<'a> = Vec<UrlParts<'a>, 32>;
/// The runs of digits that could be mirrors.
type DigitRuns = Vec<Span, 16>;

/// Returns the possible readings of a URL. The first reading comes from the layout, if there is one and it matches the
/// URL. The other readings come from the length and content of the URL's parts. The second value is the error if the
/// layout does not match the URL.
pub(super) fn readings<'a>(assumptions: &Assumptions<'a>, url: &str) -> (Readings<'a>, Option<Malformed>) {
    let mut readings = Readings::new();
    let mut layout_error = None;
    match assumptions.layout.map(|layout| UrlParts::locate(layout, url)) {
        Some(Ok(reading)) => add(&mut readings, &reading),
        Some(Err(error)) => layout_error = Some(error),
        None => {}
    }
    add_guesses(url, &mut readings);
    (readings, layout_error)
}

/// Adds a reading, unless the list already has a reading with the same mirrors.
fn add<'a>(readings: &mut Readings<'a>, reading: &UrlParts<'a>) {
    let mirrors = |reading: &UrlParts<'_>| (reading.picc_data, reading.uid, reading.ctr, reading.enc, reading.mac);
    if readings.iter().all(|other| mirrors(other) != mirrors(reading)) {
        // If the list is full, the least likely readings are dropped.
        let _ = readings.push(*reading);
    }
}

/// Adds the readings that the runs of digits suggest. The last 16 digits of each run could be the MAC.
fn add_guesses(url: &str, readings: &mut Readings<'_>) {
    let runs = digit_runs(url);
    let tt_status = find_tt_status(url);
    for run in runs.iter().rev() {
        let Some(from) = run.to.checked_sub(16).filter(|from| *from >= run.from) else { continue };
        let mac = Span { from, to: run.to };
        let before_mac = Span { from: run.from, to: from };
        let others = || runs.iter().copied().filter(move |other| other != run);
        let mac_only = UrlParts { mac, window_start: mac.from, tt_status, ..UrlParts::default() };
        let is_file_data = |part: &Span| part.len() > 0 && part.len().is_multiple_of(32);
        // File data precedes the MAC, often directly.
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
        // The UID, the counter, the PICCData or the file data may directly precede the MAC and form one run with it.
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

/// Returns the parts at the start of a run of digits that could be PICCData. PICCData has 32 digits, or 48 in LRP mode.
/// The rest of the run must be empty or have a length that file data can have.
fn picc_data_candidates(run: Span) -> impl Iterator<Item = Span> {
    [32, 48].into_iter().filter_map(move |len| {
        let rest = run.len().checked_sub(len)?;
        rest.is_multiple_of(32).then_some(Span { from: run.from, to: run.from.saturating_add(len) })
    })
}

/// Returns the runs of digits after the host that are as long as a counter or a UID, or at least as long as a MAC.
fn digit_runs(url: &str) -> DigitRuns {
    let mut runs = DigitRuns::new();
    let mut offset = path_start(url);
    while let Some(rest) = url.get(offset..).filter(|rest| !rest.is_empty()) {
        let len = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if matches!(len, 6 | 14 | 16..) && runs.push(Span { from: offset, to: offset.saturating_add(len) }).is_err() {
            break;
        }
        let Some(gap) = rest.bytes().skip(len).position(|byte| byte.is_ascii_hexdigit()) else { break };
        offset = offset.saturating_add(len).saturating_add(gap);
    }
    runs
}

/// Returns the offset at which the path or the query begins.
pub(super) fn path_start(url: &str) -> usize {
    let host = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path = url.get(host..).and_then(|rest| rest.find(['/', '?']));
    path.map_or(host, |at| at.saturating_add(host))
}

/// Returns the position of a two-letter value that could be a tamper status. The value could also be a country code.
fn find_tt_status(url: &str) -> Option<Span> {
    let mut offset = path_start(url);
    for piece in url.get(offset..)?.split_inclusive(['=', '/', '&', '?', '#']) {
        let text = piece.trim_end_matches(['=', '/', '&', '?', '#']);
        if matches!(text, "CC" | "OC" | "OO" | "II") {
            return Some(Span { from: offset, to: offset.saturating_add(2) });
        }
        offset = offset.saturating_add(piece.len());
    }
    None
}

/// Returns the length of a run of digits that was probably meant to be PICCData but has the wrong length. Such a run
/// has nearly 32 or 48 digits.
pub(super) fn wrong_picc_data_length(url: &str) -> Option<usize> {
    let runs = digit_runs(url);
    let lengths = || runs.iter().map(|run| run.len());
    // There must be another run for the MAC. Otherwise this run may end with the MAC.
    let wrong = lengths().find(|len| matches!(len, 26..=31 | 33..=40 | 44..=47 | 49..=52));
    wrong.filter(|_| lengths().filter(|len| *len >= 16).count() > 1)
}

/// Returns `true` if the MAC, or every run of digits, consists of zeros.
pub(super) fn is_blank(url: &str, readings: &Readings<'_>) -> bool {
    let is_zero = |part: &Span| part.of(url).bytes().all(|byte| byte == b'0');
    let runs = digit_runs(url);
    let all_runs = !runs.is_empty() && runs.iter().all(is_zero);
    all_runs || readings.first().is_some_and(|reading| is_zero(&reading.mac))
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec as List;
    use std::{format, vec};

    use super::*;

    /// Runs of digits that could each be a mirror, with a letter for each run. They are the PICCData, the file data,
    /// the UID, the counter, a second run with the length of a counter, and the MAC.
    const RUNS: [(&str, &str); 6] = [
        ("P", "11111111111111111111111111111111"),
        ("E", "22222222222222222222222222222222"),
        ("U", "33333333333333"),
        ("N", "444444"),
        ("O", "666666"),
        ("M", "5555555555555555"),
    ];

    /// Replaces the letters in `shape` with runs of digits, and returns all readings of the resulting URL. The readings
    /// use the same letters.
    fn readings_of(shape: &str) -> List<String> {
        let to_digits =
            |text: &str| RUNS.iter().fold(String::from(text), |text, (letter, run)| text.replace(letter, run));
        let to_letters =
            |text: &str| RUNS.iter().fold(String::from(text), |text, (letter, run)| text.replace(run, letter));
        let url = format!("s://h{}", to_digits(shape));
        let describe = |reading: &UrlParts<'_>| {
            assert_eq!(reading.window_start, reading.mac.from);
            let UrlParts { picc_data, uid, ctr, enc, tt_status, mac, .. } = *reading;
            let parts = [("p", picc_data), ("u", uid), ("n", ctr), ("e", enc), ("t", tt_status), ("m", Some(mac))];
            let parts =
                parts.into_iter().filter_map(|(name, part)| Some(format!("{name}={}", to_letters(part?.of(&url)))));
            parts.collect::<List<_>>().join(" ")
        };
        readings(&Assumptions::about(&url), &url).0.iter().map(describe).collect()
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
            // File data precedes the MAC.
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
}
