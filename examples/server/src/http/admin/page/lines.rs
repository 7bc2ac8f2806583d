//! Lines of the history, as rows of a table.

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use suntap::UnixMillis;

use super::{chip, number, path_of, shown};
use crate::http::page::Sign;
use crate::ops::history::Past;
use crate::text::escaped;

/// Some rows, newest first.
#[derive(Debug)]
pub(super) struct Rows {
    most: usize,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    at: UnixMillis,
    what: What,
    subject: Option<String>,
    /// The number of further tags.
    others: u64,
}

#[derive(Debug)]
enum What {
    Tap { verdict: String, ctr: Option<u32>, api: String },
    Refused { verdict: String, count: u64 },
    Seal(Sign, Cow<'static, str>),
    Signal(Cow<'static, str>),
    Admin { act: String, by: String },
}

impl Rows {
    /// Collects at most `most` rows.
    pub(super) fn new(most: usize) -> Self {
        Self { most, rows: Vec::new() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= self.most
    }

    /// Adds an entry, which is older than the others. Refusals of one kind in one minute share a row, so that forged requests in the
    /// names of many tags do not fill the table.
    pub(super) fn add(&mut self, at: UnixMillis, past: &Past<'_>) {
        let subject = past.subject().map(String::from);
        if let Past::Refused { verdict, count, .. } = past {
            let same = self.rows.iter_mut().find_map(|row| match &mut row.what {
                What::Refused { verdict: other, count } if row.at == at && other == verdict => {
                    Some((&row.subject, &mut row.others, count))
                }
                _ => None,
            });
            if let Some((first, others, all)) = same {
                *all = all.saturating_add(*count);
                *others = others.saturating_add(u64::from(*first != subject));
                return;
            }
        }
        if self.is_full() {
            return;
        }
        let what = match past {
            Past::Tap { verdict, ctr, api, .. } => {
                What::Tap { verdict: verdict.to_string(), ctr: *ctr, api: api.to_string() }
            }
            Past::Refused { verdict, count, .. } => What::Refused { verdict: verdict.to_string(), count: *count },
            Past::Seal { seal, .. } => seal_of(seal),
            Past::Signal { signal, .. } => What::Signal(signal_text(signal)),
            Past::Admin { act, by, .. } => What::Admin { act: act.to_string(), by: by.to_string() },
        };
        self.rows.push(Row { at, what, subject, others: 0 });
    }

    /// Returns a table, or `None` if there is no row.
    pub(super) fn table(&self, name: &str, has_tags: bool, now: UnixMillis) -> Option<Markup> {
        (!self.rows.is_empty()).then(|| {
            html! {
                div.scroll role="region" aria-label=(name) tabindex="0" {
                    table {
                        caption.hidden { (name) }
                        thead {
                            tr {
                                th.nowrap scope="col" { "Time, UTC" }
                                th scope="col" { @if has_tags { "Verdict" } @else { "What" } }
                                @if has_tags { th scope="col" { "Tag" } }
                                th.end.wide-only scope="col" { "Counter" }
                                th.wide-only scope="col" { @if has_tags { "Asked by" } @else { "By" } }
                            }
                        }
                        tbody { @for row in &self.rows { (row.markup(has_tags, now)) } }
                    }
                }
            }
        })
    }
}

impl Row {
    fn markup(&self, has_tags: bool, now: UnixMillis) -> Markup {
        let none = html! { span.soft { "—" } };
        let is_minute = matches!(self.what, What::Refused { .. });
        let (what, ctr, by) = match &self.what {
            What::Tap { verdict, ctr, api } => {
                let (sign, text) = verdict_of(verdict);
                (chip(sign, &text), *ctr, Some(api_name(api)))
            }
            What::Refused { verdict, count } => {
                let (sign, text) = verdict_of(verdict);
                (
                    html! { (chip(sign, &text)) @if *count > 1 { " " span.soft { (number(*count)) " times" } } },
                    None,
                    None,
                )
            }
            What::Seal(sign, text) => (chip(*sign, text), None, None),
            What::Signal(text) => (html! { (text) }, None, None),
            What::Admin { act, by } => (html! { code { (shown(act)) } }, None, Some(&**by)),
        };
        html! {
            tr {
                td.nowrap { (clock(self.at, now, is_minute)) }
                td { (what) }
                @if has_tags {
                    td.nowrap {
                        @match &self.subject {
                            Some(key) => (tag_link(key)),
                            None => (none),
                        }
                        @if self.others > 0 { span.soft { " and others" } }
                    }
                }
                td.end.wide-only { @match ctr { Some(ctr) => (ctr), None => (none) } }
                td.wide-only { @match by { Some(by) => (shown(by)), None => (none) } }
            }
        }
    }
}

/// Shows a tag with a link to its page. `*` stands for tags without a count of their own.
pub(super) fn tag_link(key: &str) -> Markup {
    let name = key.split_once('/').map_or(key, |(_, name)| name);
    html! {
        @match path_of(key) {
            Some(path) => a.mono href=(path) { (shown(name)) },
            None if key == "*" => span.soft { "further tags" },
            None => span.mono { (shown(key)) },
        }
    }
}

fn api_name(api: &str) -> &str {
    match api {
        "etrnl" => "ETRNL",
        "page" => "Page",
        other => other,
    }
}

/// Returns the sign of a verdict, and its name for people. A verdict of another version has no name but its word.
pub(super) fn verdict_of(word: &str) -> (Sign, Cow<'static, str>) {
    let (sign, text) = match word {
        "fresh" => (Sign::Genuine, "Genuine"),
        "replayed" => (Sign::Used, "Seen before"),
        "seal_broken" => (Sign::NotRecognised, "Wrong eCode"),
        "not_authentic" => (Sign::NotRecognised, "Not authentic"),
        "unknown_tag" => (Sign::NotRecognised, "Unknown tag"),
        "inactive" => (Sign::NotRecognised, "Inactive"),
        "not_the_owner" => (Sign::NotRecognised, "Not the owner"),
        "malformed" => (Sign::NotRecognised, "Malformed"),
        "not_opened" => (Sign::NotRecognised, "Not decrypted"),
        "other_uid" => (Sign::NotRecognised, "Other UID"),
        "no_counter" => (Sign::NotRecognised, "No counter"),
        "no_chip" => (Sign::NotReached, "No chip"),
        "no_keys" => (Sign::NotReached, "No keys"),
        "wrong_scheme" => (Sign::NotReached, "Wrong mode"),
        "no_request" => (Sign::NotReached, "No request"),
        "registry_failed" | "counters_failed" => (Sign::NoAnswer, "Store failed"),
        _ => return (Sign::NotRecognised, escaped(word).into()),
    };
    (sign, text.into())
}

fn seal_of(word: &str) -> What {
    match word {
        "open" => What::Seal(Sign::Open, "Seal open".into()),
        "opened_before" => What::Seal(Sign::OpenedBefore, "Seal opened before".into()),
        _ => What::Seal(Sign::SealUnknown, escaped(word).into()),
    }
}

fn signal_text(word: &str) -> Cow<'static, str> {
    match word {
        "gap" => "Skipped counters".into(),
        "near_limit" => "Near the last counter".into(),
        _ => escaped(word).into(),
    }
}

/// Shows the time of a day, and the day unless it is that of `now`.
fn clock(at: UnixMillis, now: UnixMillis, is_minute: bool) -> Markup {
    let time = |at: UnixMillis| i64::try_from(at.get()).ok().and_then(DateTime::<Utc>::from_timestamp_millis);
    let Some(at) = time(at) else { return html! { "—" } };
    let is_today = time(now).is_some_and(|now| now.date_naive() == at.date_naive());
    let format = match (is_today, is_minute) {
        (true, true) => "%H:%M",
        (true, false) => "%H:%M:%S",
        (false, true) => "%d %b, %H:%M",
        (false, false) => "%d %b, %H:%M:%S",
    };
    html! { time datetime=(at.to_rfc3339_opts(SecondsFormat::Secs, true)) { (at.format(format)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_one_kind_and_minute_share_a_row() {
        let mut rows = Rows::new(2);
        let at = UnixMillis::new(1_800_000_000_000);
        for number in 0..1000 {
            let tag = format!("xuid/t{number}");
            rows.add(at, &Past::Refused { verdict: "not_authentic".into(), tag: Some(tag.into()), count: 2 });
        }
        let tap = Past::Tap { verdict: "fresh".into(), tag: "number/7".into(), ctr: Some(3), api: "etrnl".into() };
        rows.add(UnixMillis::new(at.get() - 86_400_000), &tap);
        rows.add(UnixMillis::new(0), &tap);
        let table = rows.table("Taps", true, at).unwrap().0;
        assert_eq!(table.matches("<tr>").count(), 3, "{table}");
        for expected in [
            "2,000 times",
            " and others",
            "/tags/xuid/t0\"",
            "/tags/number/7\"",
            ">08:00<",
            ">14 Jan, 08:00:00<",
            "ETRNL",
        ] {
            assert!(table.contains(expected), "{expected}: {table}");
        }
        let mut rows = Rows::new(3);
        rows.add(at, &Past::Seal { seal: "open".into(), tag: "number/7".into() });
        rows.add(at, &Past::Signal { signal: "gap".into(), tag: "number/7".into() });
        let table = rows.table("Taps", true, at).unwrap().0;
        assert!(table.contains("Seal open") && table.contains("Skipped counters"), "{table}");
        assert!(Rows::new(2).table("Taps", true, at).is_none());
    }
}
