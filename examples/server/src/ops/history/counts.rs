//! Counts of refusals, by tag and minute, in bounded space.

use std::collections::{HashMap, VecDeque};

use suntap::UnixMillis;

use super::Line;
use crate::store::Entry;

/// The greatest number of tags and verdicts with a count of their own in a minute.
const COUNTS: usize = 1000;
/// The greatest number of minutes that wait to be written while the store is slow.
const MINUTES: usize = 10;
const MINUTE: u64 = 60_000;
/// Stands for the tags without a count of their own.
const OTHERS: &str = "*";

/// The refusals of some minutes.
#[derive(Debug)]
pub(super) struct Counts {
    /// The first refusal of each tag is counted too. Otherwise it has an entry of its own.
    includes_first: bool,
    minute: u64,
    current: HashMap<(&'static str, Option<Box<str>>), u64>,
    /// Minutes that have ended.
    ended: VecDeque<Vec<Entry>>,
}

/// Whether a refusal is the first one of its tag and verdict in a minute.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Counted {
    First,
    /// Not the first one, or beyond the limit of tags.
    Further,
}

impl Counts {
    pub(super) fn new(includes_first: bool) -> Self {
        Self { includes_first, minute: 0, current: HashMap::new(), ended: VecDeque::new() }
    }

    /// Counts a refusal. Returns the number of lines that were given up, because the store was slow for a long time.
    pub(super) fn add(&mut self, at: UnixMillis, verdict: &'static str, tag: Option<&str>) -> (Counted, usize) {
        let lost = self.end_minute(at);
        if let Some(count) = self.current.get_mut(&(verdict, tag.map(Into::into))) {
            *count = count.saturating_add(1);
            return (Counted::Further, lost);
        }
        let (tag, counted) =
            if self.current.len() < COUNTS { (tag, Counted::First) } else { (Some(OTHERS), Counted::Further) };
        let count = self.current.entry((verdict, tag.map(Into::into))).or_default();
        if self.includes_first || counted == Counted::Further {
            *count = count.saturating_add(1);
        }
        (counted, lost)
    }

    /// Ends the minute if `at` is in another one.
    fn end_minute(&mut self, at: UnixMillis) -> usize {
        let minute = at.get() / MINUTE;
        // Requests come a little out of order. A clock that was set back further starts again.
        if (minute..minute.saturating_add(2)).contains(&self.minute) {
            return 0;
        }
        let ended = self.end();
        self.minute = minute;
        if !ended.is_empty() {
            self.ended.push_back(ended);
        }
        if self.ended.len() > MINUTES { self.ended.pop_front().map_or(0, |minute| minute.len()) } else { 0 }
    }

    fn end(&mut self) -> Vec<Entry> {
        let at = UnixMillis::new(self.minute.saturating_mul(MINUTE));
        let counts = std::mem::take(&mut self.current).into_iter().filter(|(_, count)| *count > 0);
        let line = |((verdict, tag), count): ((_, Option<Box<str>>), _)| {
            Line::Refused { verdict, tag: tag.as_deref(), count }.entry(at)
        };
        counts.map(line).collect()
    }

    /// Returns the lines of all minutes that have ended.
    pub(super) fn take(&mut self, now: UnixMillis) -> Vec<Entry> {
        // Lines are lost only while nobody takes them.
        let _ = self.end_minute(now);
        self.ended.drain(..).flatten().collect()
    }

    /// Returns all lines, when the server ends.
    pub(super) fn take_all(&mut self) -> Vec<Entry> {
        let last = self.end();
        self.ended.drain(..).flatten().chain(last).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis::new(120_500);

    #[test]
    fn the_lines_of_a_minute_are_bounded_and_complete() {
        let mut counts = Counts::new(true);
        for number in 0..5000_u32 {
            let tag = format!("xuid/{}", number % 2500);
            let (counted, lost) = counts.add(NOW, "not_authentic", Some(&tag));
            assert_eq!((counted == Counted::First, lost), (number < 1000, 0), "{number}");
        }
        assert!(counts.take(NOW).is_empty());
        let lines = counts.take(UnixMillis::new(180_000));
        assert_eq!(lines.len(), 1001);
        assert!(lines.iter().all(|entry| entry.at.get() == 120_000));
        let others = r#"{"event":"refused","verdict":"not_authentic","tag":"*","count":3000}"#;
        assert_eq!(lines.iter().filter(|entry| entry.text == others).count(), 1);
        assert_eq!(lines.iter().filter(|entry| entry.text.ends_with(r#""count":2}"#)).count(), 1000);
        assert!(counts.take_all().is_empty());
    }

    #[test]
    fn a_store_that_fails_does_not_fill_the_memory() {
        let mut counts = Counts::new(true);
        let lost: usize =
            (0..100).map(|minute| counts.add(UnixMillis::new(minute * MINUTE), "malformed", None).1).sum();
        // Ten minutes wait, and one goes on.
        assert_eq!((lost, counts.take_all().len()), (89, 11));
    }

    #[test]
    fn a_refusal_with_an_entry_of_its_own_is_not_counted() {
        let mut counts = Counts::new(false);
        assert_eq!(counts.add(NOW, "replayed", Some("xuid/a")).0, Counted::First);
        assert!(counts.end().is_empty());
        for _ in 0..3 {
            counts.add(NOW, "replayed", Some("xuid/a"));
        }
        let [entry] = &*counts.end() else { panic!("expected one line") };
        assert_eq!(entry.text, r#"{"event":"refused","verdict":"replayed","tag":"xuid/a","count":2}"#);
    }
}
