//! The newest part of the history, in bounded time.
//!
//! A store reads its history from a time on. So this reads the last seconds first, then the minute before them, and so on, until the
//! caller has enough or too many entries were read.

use std::borrow::Cow;

use serde::Deserialize;
use suntap::UnixMillis;

use crate::store::{Entry, Store, StoreError};

/// The greatest number of entries of a page.
const PAGE: usize = 1000;
/// The greatest number of pages that are read altogether.
const PAGES: usize = 40;
/// Servers with different clocks write entries in almost the order of their time. This is the difference in milliseconds.
const DISORDER: u64 = 1000;
/// The spans that are read one after the other.
const SPANS: [Span; 6] = [
    Span(10 * 1000, "10 seconds"),
    Span(MINUTE, "minute"),
    Span(10 * MINUTE, "10 minutes"),
    Span::HOUR,
    Span(24 * 60 * MINUTE, "day"),
    Span(7 * 24 * 60 * MINUTE, "7 days"),
];
const MINUTE: u64 = 60 * 1000;

/// A time until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span(u64, &'static str);

impl Span {
    pub(crate) const HOUR: Self = Self(60 * MINUTE, "hour");

    /// Returns the name, such as `hour` or `7 days`, to be written after `last`.
    pub(crate) fn name(self) -> &'static str {
        self.1
    }
}

/// An entry that was read.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(tag = "event", rename_all = "camelCase")]
pub(crate) enum Past<'t> {
    /// An accepted tap, or a replay.
    Tap {
        #[serde(borrow)]
        verdict: Cow<'t, str>,
        #[serde(borrow)]
        tag: Cow<'t, str>,
        ctr: Option<u32>,
        #[serde(borrow)]
        api: Cow<'t, str>,
    },
    /// A number of refusals within a minute.
    Refused {
        #[serde(borrow)]
        verdict: Cow<'t, str>,
        tag: Option<Cow<'t, str>>,
        count: u64,
    },
    /// An accepted tap, which has a line of its own, says that the seal of the tag is open, or was opened before.
    Seal {
        #[serde(borrow)]
        seal: Cow<'t, str>,
        #[serde(borrow)]
        tag: Cow<'t, str>,
    },
    /// A signal of an accepted tap, which has a line of its own.
    Signal {
        #[serde(borrow)]
        signal: Cow<'t, str>,
        #[serde(borrow)]
        tag: Cow<'t, str>,
    },
    /// What an administrator did.
    Admin {
        #[serde(borrow)]
        act: Cow<'t, str>,
        #[serde(borrow)]
        subject: Cow<'t, str>,
        #[serde(borrow)]
        by: Cow<'t, str>,
    },
}

impl<'t> Past<'t> {
    /// Parses an entry. Returns `None` for one of another version.
    pub(crate) fn new(entry: &'t Entry) -> Option<Self> {
        serde_json::from_str(&entry.text).ok()
    }

    /// Returns the document key of the tag that the entry is about, or of another subject.
    pub(crate) fn subject(&self) -> Option<&str> {
        match self {
            Self::Tap { tag, .. } | Self::Seal { tag, .. } | Self::Signal { tag, .. } => Some(tag),
            Self::Refused { tag, .. } => tag.as_deref(),
            Self::Admin { subject, .. } => Some(subject),
        }
    }
}

/// Reads the history from now to the past.
#[derive(Debug)]
pub(crate) struct Recent<'s> {
    store: &'s Store,
    now: u64,
    /// Everything from this time on was read.
    read_from: u64,
    /// The spans that were read.
    read: usize,
    pages: usize,
    is_cut: bool,
}

impl<'s> Recent<'s> {
    pub(crate) fn new(store: &'s Store, now: UnixMillis) -> Self {
        Self { store, now: now.get(), read_from: u64::MAX, read: 0, pages: PAGES, is_cut: false }
    }

    /// Returns the entries before those that were read, newest first, as far back as the next span goes. Returns `None` after the last
    /// span, and if the next one has too many entries.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Entry>>, StoreError> {
        let Some(Span(length, _)) = SPANS.get(self.read).filter(|_| !self.is_cut) else { return Ok(None) };
        let since = UnixMillis::new(self.now.saturating_sub(*length));
        let mut entries = Vec::new();
        let mut cursor = None;
        loop {
            let Some(pages) = self.pages.checked_sub(1) else {
                self.is_cut = true;
                return Ok(None);
            };
            self.pages = pages;
            let page = self.store.history(Some(since), cursor, PAGE).await?;
            let is_over =
                page.entries.last().is_some_and(|last| self.read_from.saturating_add(DISORDER) <= last.at.get());
            entries.extend(page.entries.into_iter().filter(|entry| entry.at.get() < self.read_from));
            cursor = page.next.filter(|_| !is_over);
            if cursor.is_none() {
                break;
            }
        }
        self.read_from = since.get();
        self.read = self.read.saturating_add(1);
        // The order of the entries of one moment is reversed too.
        entries.reverse();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
        Ok(Some(entries))
    }

    /// Returns the span of which all entries were read, or `None` if not even the shortest one was.
    pub(crate) fn span(&self) -> Option<Span> {
        self.read.checked_sub(1).and_then(|last| SPANS.get(last)).copied()
    }

    /// Returns `true` if reading ended because there were too many entries.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::ops::history::Line;
    use crate::store::{Address, Options, Stream};

    const NOW: u64 = 1_800_000_000_000;

    fn entry(at: u64, text: &str) -> Entry {
        Entry { at: UnixMillis::new(at), text: text.into() }
    }

    /// Returns a store with these entries.
    async fn store(folder: &tempfile::TempDir, entries: Vec<Entry>) -> Store {
        let store = Store::create(&Address::Embedded(folder.path().join("data")), Options::default()).await.unwrap();
        for entries in entries.chunks(5000) {
            store.append(Stream::Records, entries.to_vec()).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn each_entry_of_the_last_days_is_read_once_and_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let ages = [0, 1, 9_999, 10_000, 10_001, 60_000, 599_999, 3_600_000, 3_600_001, 86_400_000, 604_800_000];
        let times: Vec<_> = ages.iter().map(|age| NOW - age).chain([NOW + 5000]).collect();
        let mut given: Vec<_> = times.iter().map(|at| entry(*at, "{}")).collect();
        given.push(entry(NOW - 604_800_001, "{}"));
        let store = store(&folder, given).await;
        let mut recent = Recent::new(&store, UnixMillis::new(NOW));
        assert_eq!(recent.span(), None);
        let mut read = Vec::new();
        let mut spans = Vec::new();
        while let Some(entries) = recent.next().await.unwrap() {
            read.extend(entries.iter().map(|entry| entry.at.get()));
            spans.push((recent.span().unwrap().name(), entries.len()));
        }
        let mut expected = times;
        expected.sort_unstable_by_key(|at| std::cmp::Reverse(*at));
        assert_eq!(read, expected);
        assert_eq!(
            spans,
            [("10 seconds", 5), ("minute", 2), ("10 minutes", 1), ("hour", 1), ("day", 2), ("7 days", 1)]
        );
        assert!(!recent.is_cut());
        store.close().await;
    }

    #[tokio::test]
    async fn a_span_with_too_many_entries_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let many = u64::try_from(PAGE * PAGES).unwrap();
        // In the last minute there are a few, and in the ten minutes before it too many.
        let few = (0..100).map(|number| entry(NOW - number * 100, "{}"));
        let given = (0..many).map(|number| entry(NOW - 120_000 - number, "{}")).chain(few).collect();
        let store = store(&folder, given).await;
        let mut recent = Recent::new(&store, UnixMillis::new(NOW));
        let mut read = 0;
        while let Some(entries) = recent.next().await.unwrap() {
            read += entries.len();
        }
        assert_eq!((read, recent.span().unwrap().name(), recent.is_cut()), (100, "minute", true));
        store.close().await;
    }

    #[test]
    fn what_is_written_is_read() {
        let client: Option<IpAddr> = Some([192, 0, 2, 1].into());
        let (tag, at) = ("xuid/a\"b", UnixMillis::new(1));
        let tap = Line::Tap {
            verdict: "fresh",
            signal: None,
            tag,
            counter_id: None,
            ctr: Some(7),
            api: "page",
            client,
            request: "0".into(),
        };
        let request = String::from("0");
        let seal = Line::Seal { seal: "open", tag, ctr: 7, api: "page", client, request: request.clone() };
        let signal =
            Line::Signal { signal: "gap", skipped: Some(9), left: None, tag, ctr: 7, api: "page", client, request };
        let refused = Line::Refused { verdict: "inactive", tag: Some(tag), count: 3 };
        let admin =
            Line::Admin { act: "tag.disable", subject: tag, detail: "", by: "Ann", client: None, request: None };
        for (line, expected) in [
            (tap, Past::Tap { verdict: "fresh".into(), tag: tag.into(), ctr: Some(7), api: "page".into() }),
            (seal, Past::Seal { seal: "open".into(), tag: tag.into() }),
            (signal, Past::Signal { signal: "gap".into(), tag: tag.into() }),
            (refused, Past::Refused { verdict: "inactive".into(), tag: Some(tag.into()), count: 3 }),
            (admin, Past::Admin { act: "tag.disable".into(), subject: tag.into(), by: "Ann".into() }),
        ] {
            let entry = line.entry(at);
            let past = Past::new(&entry).unwrap();
            assert_eq!(past.subject(), Some(tag));
            assert_eq!(past, expected);
        }
        assert_eq!(Past::new(&entry(1, r#"{"event":"later"}"#)), None);
    }
}
