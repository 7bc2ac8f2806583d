//! The entries that an endpoint has not accepted yet, in the order of the history.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use suntap::UnixMillis;
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::event::Message;
use crate::store::{HistoryCursor, Position, Store, StoreError, Stream};
use crate::time::now;

/// Entries that are read at once.
const PAGE: usize = 200;
/// Entries after the oldest one that is not delivered, at most. No more are read until it is.
const OPEN: usize = 200_000;
/// The time between two looks for entries that appear late.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Ranges of delivered entries that are kept for a restart, at most. The entries of further ones are delivered twice.
const RANGES: usize = 500;

/// What an endpoint has accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// Everything up to this position of each stream.
    pub(super) cursor: HistoryCursor,
    /// The numbers of entries after it, as inclusive ranges, in the order of the streams. Only of a store in which they are unique.
    pub(super) ahead: [Vec<(u64, u64)>; Stream::ALL.len()],
}

impl Progress {
    pub(super) fn has(&self, stream: Stream, position: Position) -> bool {
        let ahead = Stream::ALL.into_iter().zip(&self.ahead).find(|(of, _)| *of == stream);
        let is_ahead =
            |ranges: &Vec<(u64, u64)>| ranges.iter().any(|(first, last)| (*first..=*last).contains(&position.1));
        self.cursor.get(stream).is_some_and(|cursor| position <= cursor)
            || ahead.is_some_and(|(_, ranges)| is_ahead(ranges))
    }
}

/// Identifies an entry that is being delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticket {
    stream: Stream,
    position: Position,
}

/// The entries of an endpoint.
pub(super) struct Queue<'a> {
    endpoint: &'a Endpoint,
    lanes: Vec<Lane>,
    /// What was delivered before this process started.
    earlier: Progress,
}

/// The entries of one stream.
struct Lane {
    stream: Stream,
    /// How much later than newer ones an entry can appear, in milliseconds.
    disorder: u64,
    /// Everything up to here is delivered, and nothing can appear before it.
    low: Option<Position>,
    /// Everything up to here was read.
    high: Option<Position>,
    /// The entries after `low` that were read.
    open: BTreeMap<Position, Open>,
    waiting: VecDeque<(Position, Message)>,
    /// The last page was full.
    has_more: bool,
    looked: Instant,
}

struct Open {
    at: UnixMillis,
    is_done: bool,
}

impl<'a> Queue<'a> {
    pub(super) fn new(endpoint: &'a Endpoint, earlier: Progress, disorder: impl Fn(Stream) -> Duration) -> Self {
        let lane = |stream| {
            let disorder = u64::try_from(disorder(stream).as_millis()).unwrap_or(u64::MAX);
            let low = earlier.cursor.get(stream);
            let (open, waiting) = (BTreeMap::new(), VecDeque::new());
            Lane { stream, disorder, low, high: low, open, waiting, has_more: true, looked: Instant::now() }
        };
        let lanes = Stream::ALL.into_iter().filter(|stream| endpoint.reads(*stream)).map(lane).collect();
        Self { endpoint, lanes, earlier }
    }

    /// Returns `true` if entries are known to be in the store that were not read.
    pub(super) fn has_more(&self) -> bool {
        self.lanes.iter().any(|lane| lane.has_more && lane.wants_more())
    }

    /// Reads further entries: all that can be read at a `tick`, otherwise only those that are known to be in the store.
    pub(super) async fn read(&mut self, store: &Store, is_tick: bool) -> Result<(), StoreError> {
        for lane in &mut self.lanes {
            if !lane.wants_more() || !(is_tick || lane.has_more) {
                continue;
            }
            let entries = store.entries(lane.stream, lane.high, PAGE).await?;
            lane.has_more = entries.len() >= PAGE;
            for (position, entry) in entries {
                lane.high = Some(position);
                let message = Message::from_entry(self.endpoint, lane.stream, position, &entry);
                lane.add(position, entry.at, message.filter(|_| !self.earlier.has(lane.stream, position)));
            }
            if lane.disorder > 0 && !lane.open.is_empty() && lane.looked.elapsed() >= LOOK_AGAIN {
                lane.look_again(store, self.endpoint).await?;
                lane.looked = Instant::now();
            }
            lane.settle();
        }
        Ok(())
    }

    /// Returns the oldest message that is not being delivered.
    pub(super) fn next(&mut self) -> Option<(Ticket, Message)> {
        let at = |lane: &&mut Lane| lane.waiting.front().map(|(_, message)| message.at);
        let lane = self.lanes.iter_mut().filter(|lane| !lane.waiting.is_empty()).min_by_key(at)?;
        let (position, message) = lane.waiting.pop_front()?;
        Some((Ticket { stream: lane.stream, position }, message))
    }

    /// Notes that a message was delivered.
    pub(super) fn finish(&mut self, ticket: Ticket) {
        let Some(lane) = self.lanes.iter_mut().find(|lane| lane.stream == ticket.stream) else { return };
        if let Some(open) = lane.open.get_mut(&ticket.position) {
            open.is_done = true;
        }
        lane.settle();
    }

    /// Returns what was delivered. The cursor of a stream without events for this endpoint is the present time.
    pub(super) fn progress(&self) -> Progress {
        let mut progress = self.earlier.clone();
        progress.ahead = Default::default();
        if let Some(now) = now().map(UnixMillis::get) {
            for stream in Stream::ALL.into_iter().filter(|stream| !self.endpoint.reads(*stream)) {
                // Not more precise, so that the document changes rarely.
                progress.cursor.set(stream, Position::before(now.saturating_sub(now % HOUR)));
            }
        }
        for lane in &self.lanes {
            progress.cursor.set(lane.stream, lane.low);
            let ahead = Stream::ALL.into_iter().zip(&mut progress.ahead).find(|(stream, _)| *stream == lane.stream);
            if let (Some((_, ahead)), true) = (ahead, lane.disorder > 0) {
                *ahead = lane.ahead();
            }
        }
        progress
    }

    /// Returns the time of the oldest event that is not delivered.
    pub(super) fn oldest(&self) -> Option<UnixMillis> {
        let oldest = |lane: &Lane| lane.open.values().find(|open| !open.is_done).map(|open| open.at);
        self.lanes.iter().filter_map(oldest).min()
    }
}

const HOUR: u64 = 60 * 60 * 1000;

impl Lane {
    fn wants_more(&self) -> bool {
        self.waiting.len() < PAGE && self.open.len() < OPEN
    }

    /// Adds an entry. Without a message, there is nothing to deliver.
    fn add(&mut self, position: Position, at: UnixMillis, message: Option<Message>) {
        self.open.insert(position, Open { at, is_done: message.is_none() });
        self.waiting.extend(message.map(|message| (position, message)));
    }

    /// Reads the entries between `low` and `high` again, because one may have appeared among them.
    async fn look_again(&mut self, store: &Store, endpoint: &Endpoint) -> Result<(), StoreError> {
        let mut after = self.low;
        loop {
            let entries = store.entries(self.stream, after, PAGE).await?;
            let is_last = entries.len() < PAGE;
            for (position, entry) in entries {
                if Some(position) > self.high {
                    return Ok(());
                }
                after = Some(position);
                if !self.open.contains_key(&position) {
                    self.add(position, entry.at, Message::from_entry(endpoint, self.stream, position, &entry));
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Moves `low` over delivered entries that no other can come before.
    fn settle(&mut self) {
        let end = match self.disorder {
            0 => u64::MAX,
            disorder => now().map_or(0, |now| now.get().saturating_sub(disorder)),
        };
        while let Some(entry) = self.open.first_entry() {
            if !entry.get().is_done || entry.key().0 >= end {
                return;
            }
            self.low = Some(*entry.key());
            entry.remove();
        }
    }

    /// Returns the numbers of the delivered entries after `low`, as ranges.
    fn ahead(&self) -> Vec<(u64, u64)> {
        let mut numbers: Vec<u64> =
            self.open.iter().filter(|(_, open)| open.is_done).map(|(position, _)| position.1).collect();
        numbers.sort_unstable();
        let is_next = |number: &u64, next: &u64| number.checked_add(1) == Some(*next);
        let ranges = numbers.chunk_by(is_next).filter_map(|range| Some((*range.first()?, *range.last()?)));
        ranges.take(RANGES).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(disorder: u64) -> Lane {
        let (open, waiting) = (BTreeMap::new(), VecDeque::new());
        let (stream, has_more, looked) = (Stream::Records, true, Instant::now());
        Lane { stream, disorder, low: None, high: None, open, waiting, has_more, looked }
    }

    /// Adds entries with these numbers, all in the year 2001.
    fn add(lane: &mut Lane, numbers: &[u64], is_done: bool) {
        for number in numbers {
            lane.open.insert(Position(1_000_000_000_000, *number), Open { at: UnixMillis::new(0), is_done });
        }
    }

    #[test]
    fn the_cursor_stops_before_the_oldest_open_entry() {
        let mut lane = lane(0);
        add(&mut lane, &[1, 2, 4], true);
        add(&mut lane, &[3], false);
        lane.settle();
        assert_eq!((lane.low, lane.open.len()), (Some(Position(1_000_000_000_000, 2)), 2));
        add(&mut lane, &[3], true);
        lane.settle();
        assert_eq!((lane.low, lane.open.len()), (Some(Position(1_000_000_000_000, 4)), 0));
    }

    #[test]
    fn delivered_entries_stay_while_others_can_come_before_them() {
        let mut lane = lane(u64::MAX);
        add(&mut lane, &[1, 2, 3, 7, 8, 10], true);
        add(&mut lane, &[9], false);
        lane.settle();
        assert_eq!((lane.low, lane.ahead()), (None, vec![(1, 3), (7, 8), (10, 10)]));
        let progress =
            Progress { cursor: HistoryCursor::default(), ahead: [lane.ahead(), Vec::new(), Vec::new(), Vec::new()] };
        let has = |number| progress.has(Stream::Records, Position(1_000_000_000_000, number));
        assert_eq!([1, 3, 4, 7, 9, 10, 11].map(has), [true, true, false, true, false, true, false]);
        assert!(!progress.has(Stream::Replays, Position(1_000_000_000_000, 1)));
    }
}
