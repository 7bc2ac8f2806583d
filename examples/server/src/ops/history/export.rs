//! The history as lines of text.

use std::borrow::Cow;
use std::ops::Deref;

use chrono::{NaiveDate, NaiveTime};
use clap::ValueEnum;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use serde::Deserialize;
use suntap::UnixMillis;

use super::line;
use crate::store::{Entry, HistoryCursor, Store, StoreError};
use crate::time;

/// Entries that are read at once.
const PAGE: usize = 500;
/// The entries of a store are in the order of their time, except for this many milliseconds: servers have different clocks.
const DISORDER: u64 = 10 * 60 * 1000;

/// A kind of line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Event {
    /// An accepted tap, or a replay.
    Tap,
    /// An accepted tap of a tag whose seal was opened.
    Seal,
    /// A signal of an accepted tap.
    Signal,
    /// A count of refusals in a minute.
    Refused,
    /// What an administrator did.
    Admin,
}

impl Event {
    /// Returns the text of `event` in a line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Seal => "seal",
            Self::Signal => "signal",
            Self::Refused => "refused",
            Self::Admin => "admin",
        }
    }
}

/// Which lines are exported.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only lines from this time on.
    pub since: Option<UnixMillis>,
    /// Only lines before this time.
    pub until: Option<UnixMillis>,
    /// Only lines about the tag, or the subject, with this document key.
    pub tag: Option<String>,
    /// Only lines of this kind.
    pub event: Option<Event>,
}

#[derive(Deserialize)]
struct Head<'t> {
    #[serde(borrow)]
    event: Cow<'t, str>,
    #[serde(borrow)]
    tag: Option<Cow<'t, str>>,
    #[serde(borrow)]
    subject: Option<Cow<'t, str>>,
}

impl Filter {
    fn has(&self, entry: &Entry) -> bool {
        if self.until.is_some_and(|until| until <= entry.at) {
            return false;
        }
        if self.tag.is_none() && self.event.is_none() {
            return true;
        }
        let Ok(head) = serde_json::from_str::<Head<'_>>(&entry.text) else { return false };
        let is_about = |key: &String| [&head.tag, &head.subject].iter().any(|found| found.as_deref() == Some(key));
        let is_event = |event: Event| head.event == event.name();
        self.tag.as_ref().is_none_or(is_about) && self.event.is_none_or(is_event)
    }

    /// Returns `true` if no entry after this one can be before `until`.
    fn is_over(&self, entry: &Entry) -> bool {
        self.until.is_some_and(|until| until.get().saturating_add(DISORDER) < entry.at.get())
    }
}

/// Parses a time such as `2026-11-26T09:30:00Z`, or a date, which stands for midnight UTC.
///
/// # Errors
/// Returns an error if the text is neither.
pub fn parse_time(text: &str) -> Result<UnixMillis, String> {
    let date = || {
        let date = text.parse::<NaiveDate>().ok()?;
        let millis = date.and_time(NaiveTime::MIN).and_utc().timestamp_millis();
        u64::try_from(millis).ok().map(UnixMillis::new)
    };
    time::parse(text).or_else(date).ok_or_else(|| "expected a time such as 2026-11-26T09:30:00Z, or a date".into())
}

/// Returns the lines of the history, oldest first. Each text has the lines of a page, each with a line break, and may be empty. `store`
/// is a `&Store`, or an `Arc<App>` for an answer that is sent later.
pub fn lines<S>(store: S, filter: Filter) -> impl Stream<Item = Result<String, StoreError>> + Send
where
    S: Deref<Target: AsRef<Store>> + Send + Sync,
{
    try_unfold(Some((store, filter, None)), async |state: Option<(S, Filter, Option<HistoryCursor>)>| {
        let Some((store, filter, cursor)) = state else { return Ok(None) };
        let page = (*store).as_ref().history(filter.since, cursor, PAGE).await?;
        let mut text = String::new();
        for entry in page.entries.iter().filter(|entry| filter.has(entry)) {
            text.push_str(&line(entry));
            text.push('\n');
        }
        let is_over = page.entries.last().is_some_and(|entry| filter.is_over(entry));
        let next = page.next.filter(|_| !is_over).map(|next| (store, filter, Some(next)));
        Ok(Some((text, next)))
    })
}
