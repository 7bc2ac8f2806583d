//! Guesses which parts of a URL are mirrors, by their length and content.

use heapless::Vec;

use super::anatomy::Anatomy;
use super::case::Case;
use crate::sun::error::Malformed;
use crate::sun::span::Span;

/// The possible readings of one URL, the most likely first.
pub(super) type Readings<'a> = Vec<Anatomy<'a>, 32>;
/// The runs of digits that could be mirrors.
type Runs = Vec<Span, 16>;

/// Returns the ways to read a URL: first by the layout, if there is one and it fits, then by the look of its parts. The
/// second value is the error of a layout that does not fit.
pub(super) fn readings<'a>(case: &Case<'a>, url: &str) -> (Readings<'a>, Option<Malformed>) {
    let mut readings = Readings::new();
    let mut unfit = None;
    match case.layout.map(|layout| Anatomy::of(layout, url)) {
        Some(Ok(anatomy)) => push(&mut readings, &anatomy),
        Some(Err(error)) => unfit = Some(error),
        None => {}
    }
    guess(url, &mut readings);
    (readings, unfit)
}

fn push<'a>(readings: &mut Readings<'a>, anatomy: &Anatomy<'a>) {
    let shape = |anatomy: &Anatomy<'_>| (anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.enc, anatomy.mac);
    if readings.iter().all(|other| shape(other) != shape(anatomy)) {
        // If the list is full, the readings that are dropped are the least likely.
        let _ = readings.push(*anatomy);
    }
}

fn guess(url: &str, readings: &mut Readings<'_>) {
    let runs = runs(url);
    let tt_status = tt_status(url);
    for run in runs.iter().rev() {
        let Some(from) = run.to.checked_sub(16).filter(|from| *from >= run.from) else { continue };
        let mac = Span { from, to: run.to };
        let head = Span { from: run.from, to: from };
        let others = || runs.iter().copied().filter(move |other| other != run);
        let plain = Anatomy { mac, window: mac.from, tt_status, ..Anatomy::default() };
        let block = |part: &Span| part.len() > 0 && part.len().is_multiple_of(32);
        // File data precedes the MAC, often directly.
        let enc = |taken: Option<Span>| {
            let apart = others().filter(move |part| Some(*part) != taken && block(part) && part.to <= mac.from);
            let alone = head.len() == 0;
            apart.filter(move |_| alone).map(Some).chain([Some(head).filter(block)])
        };
        if head.len() == 0 || block(&head) {
            for part in others() {
                for picc_data in picc_data(part) {
                    let rest = Span { from: picc_data.to, to: part.to };
                    if rest.len() > 0 {
                        push(readings, &Anatomy { picc_data: Some(picc_data), enc: Some(rest), ..plain });
                    } else {
                        for enc in enc(Some(part)) {
                            push(readings, &Anatomy { picc_data: Some(picc_data), enc, ..plain });
                        }
                    }
                }
            }
            let of_len = |len| others().filter(move |part| part.len() == len);
            let uid = of_len(14).next();
            let ctr = of_len(6).find(|part| uid.is_none_or(|uid| part.from >= uid.to)).or(of_len(6).next());
            for enc in enc(None) {
                push(readings, &Anatomy { uid, ctr, enc, ..plain });
            }
        }
        // UID, counter, PICCData or file data may touch the MAC and form one run with it.
        let cut = head.from.saturating_add(14).min(head.to);
        let (uid, ctr) = (Span { from: head.from, to: cut }, Span { from: cut, to: head.to });
        match head.len() {
            20 => push(readings, &Anatomy { uid: Some(uid), ctr: Some(ctr), ..plain }),
            14 => push(readings, &Anatomy { uid: Some(head), ..plain }),
            6 => push(readings, &Anatomy { ctr: Some(head), ..plain }),
            _ => {}
        }
        for picc_data in picc_data(head) {
            let rest = Span { from: picc_data.to, to: head.to };
            push(readings, &Anatomy { picc_data: Some(picc_data), enc: Some(rest).filter(block), ..plain });
        }
    }
}

/// Returns the PICCData at the start of a run of digits, 32 digits or 48 in LRP mode, if the rest is empty or can be
/// file data.
fn picc_data(run: Span) -> impl Iterator<Item = Span> {
    [32, 48].into_iter().filter_map(move |len| {
        let rest = run.len().checked_sub(len)?;
        rest.is_multiple_of(32).then_some(Span { from: run.from, to: run.from.saturating_add(len) })
    })
}

/// Returns the runs of digits after the host that are as long as a mirror or longer.
fn runs(url: &str) -> Runs {
    let mut runs = Runs::new();
    let mut at = path(url);
    while let Some(rest) = url.get(at..).filter(|rest| !rest.is_empty()) {
        let len = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        if matches!(len, 6 | 14 | 16..) && runs.push(Span { from: at, to: at.saturating_add(len) }).is_err() {
            break;
        }
        let Some(behind) = rest.bytes().skip(len).position(|byte| byte.is_ascii_hexdigit()) else { break };
        at = at.saturating_add(len).saturating_add(behind);
    }
    runs
}

/// Returns the offset at which the path or the query begins.
pub(super) fn path(url: &str) -> usize {
    let host = url.find("://").map_or(0, |at| at.saturating_add(3));
    let path = url.get(host..).and_then(|rest| rest.find(['/', '?']));
    path.map_or(host, |at| at.saturating_add(host))
}

/// Returns the position of a value of two letters that could be a tamper status. It may as well be a country code.
fn tt_status(url: &str) -> Option<Span> {
    let mut at = path(url);
    for piece in url.get(at..)?.split_inclusive(['=', '/', '&', '?', '#']) {
        let text = piece.trim_end_matches(['=', '/', '&', '?', '#']);
        if matches!(text, "CC" | "OC" | "OO" | "II") {
            return Some(Span { from: at, to: at.saturating_add(2) });
        }
        at = at.saturating_add(piece.len());
    }
    None
}

/// Returns the length of a run of digits that was meant to be a PICCData but has the wrong length: nearly 32 or 48
/// characters.
pub(super) fn misfit(url: &str) -> Option<usize> {
    let runs = runs(url);
    let lengths = || runs.iter().map(|run| run.len());
    // There must be another run for the MAC. Otherwise this run may itself be a MAC with something before it.
    let odd = lengths().find(|len| matches!(len, 26..=31 | 33..=40 | 44..=47 | 49..=52));
    odd.filter(|_| lengths().filter(|len| *len >= 16).count() > 1)
}

/// Returns `true` if the MAC, or every run of digits, holds only zeros.
pub(super) fn is_blank(url: &str, readings: &Readings<'_>) -> bool {
    let blank = |part: &Span| part.of(url).bytes().all(|byte| byte == b'0');
    let runs = runs(url);
    let all = !runs.is_empty() && runs.iter().all(blank);
    all || readings.first().is_some_and(|anatomy| blank(&anatomy.mac))
}

#[cfg(test)]
mod tests {
    use std::string::String;
    use std::vec::Vec as List;
    use std::{format, vec};

    use super::*;

    /// Runs of digits that could each be a mirror, by letter: PICCData, file data, UID, counter, another run of that
    /// length, MAC.
    const RUNS: [(&str, &str); 6] = [
        ("P", "11111111111111111111111111111111"),
        ("E", "22222222222222222222222222222222"),
        ("U", "33333333333333"),
        ("N", "444444"),
        ("O", "666666"),
        ("M", "5555555555555555"),
    ];

    /// Returns all readings of a URL in which letters stand for runs, in the same notation.
    fn read(shape: &str) -> List<String> {
        let spell = |text: &str| RUNS.iter().fold(String::from(text), |text, (letter, run)| text.replace(letter, run));
        let letters =
            |text: &str| RUNS.iter().fold(String::from(text), |text, (letter, run)| text.replace(run, letter));
        let url = format!("s://h{}", spell(shape));
        let shown = |anatomy: &Anatomy<'_>| {
            assert_eq!(anatomy.window, anatomy.mac.from);
            let Anatomy { picc_data, uid, ctr, enc, tt_status, mac, .. } = *anatomy;
            let parts = [("p", picc_data), ("u", uid), ("n", ctr), ("e", enc), ("t", tt_status), ("m", Some(mac))];
            let parts =
                parts.into_iter().filter_map(|(name, part)| Some(format!("{name}={}", letters(part?.of(&url)))));
            parts.collect::<List<_>>().join(" ")
        };
        readings(&Case::of(&url), &url).0.iter().map(shown).collect()
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
            assert_eq!(read(shape), readings, "{shape}");
        }
    }
}
