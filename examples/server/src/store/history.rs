//! The history of a store: entries that are only added, read in the order of their time, and removed when they are old.
//!
//! There are four [streams](Stream), each with a limit of its own. What anybody can cause, with an old URL or with an invented one,
//! therefore never removes an entry about an accepted tap or an administrator.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;

use suntap::{Advance, CounterId, SdmReadCtr, UnixMillis};

use super::{Entry, Kind, Store, StoreError, timed};

/// A part of the history with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Accepted taps.
    Records,
    /// What administrators did. Anybody with a management key can cause many of these.
    Acts,
    /// Taps that were genuine and are refused. Anybody with an old URL can cause these.
    Replays,
    /// Refusals without a valid MAC. Anybody can cause these.
    Refusals,
}

impl Stream {
    /// All streams.
    pub(crate) const ALL: [Self; STREAMS] = [Self::Records, Self::Acts, Self::Replays, Self::Refusals];

    /// Returns the name of the table or key of this stream.
    pub(crate) const fn table(self) -> &'static str {
        match self {
            Self::Records => "suntap_history",
            Self::Acts => "suntap_acts",
            Self::Replays => "suntap_replays",
            Self::Refusals => "suntap_refusals",
        }
    }
}

/// When a store writes the entry of an accepted tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// Together with the counter: both or neither.
    WithCounter,
    /// Afterwards, with [`Store::append`].
    Later,
    /// Never: the store has no history, or it is switched off.
    Off,
}

/// The place of an entry in its stream: a time in milliseconds, and a number that differs for equal times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position(pub(crate) u64, pub(crate) u64);

impl Position {
    /// Returns the last possible position before `time`, or `None` if there is none.
    pub(crate) fn before(time: u64) -> Option<Self> {
        Some(Self(time.checked_sub(1)?, u64::MAX))
    }
}

/// Where a page of the history starts. Its text can be given to a client and parsed again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryCursor([Option<Position>; STREAMS]);

impl HistoryCursor {
    /// Returns a cursor with the same position in each stream.
    pub(crate) const fn at(position: Option<Position>) -> Self {
        Self([position; STREAMS])
    }

    /// Returns the position in a stream.
    pub(crate) fn get(&self, stream: Stream) -> Option<Position> {
        Stream::ALL.into_iter().zip(self.0).find_map(|(of, position)| position.filter(|_| of == stream))
    }

    /// Sets the position in a stream.
    pub(crate) fn set(&mut self, stream: Stream, position: Option<Position>) {
        let Self(positions) = self;
        if let Some((_, place)) = Stream::ALL.into_iter().zip(positions).find(|(of, _)| *of == stream) {
            *place = position;
        }
    }
}

/// Some of the entries of the history, oldest first.
#[derive(Debug, Default)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next page starts, or `None` if there was no further entry.
    pub next: Option<HistoryCursor>,
}

/// What a history keeps.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Older entries are removed.
    pub before: UnixMillis,
    /// The number of accepted taps that are kept. Each other stream keeps a tenth of this number.
    pub entries: u64,
}

impl Retention {
    pub(super) fn limit(&self, stream: Stream) -> u64 {
        match stream {
            Stream::Records => self.entries,
            Stream::Acts | Stream::Replays | Stream::Refusals => self.entries / 10,
        }
    }

    /// Returns how many of the `oldest` entries of a stream with `count` entries are to be removed.
    pub(super) fn excess(&self, stream: Stream, count: u64, oldest: impl Iterator<Item = UnixMillis>) -> usize {
        let too_many = count.saturating_sub(self.limit(stream));
        oldest.zip(0_u64..).take_while(|(at, index)| *at < self.before || *index < too_many).count()
    }
}

/// The number of streams.
const STREAMS: usize = 4;
/// Entries that one step of pruning looks at. A tap may wait for a step.
pub(crate) const STEP: usize = 500;
/// Entries of a page, at most.
const PAGE: usize = 1000;
/// The clock of Redis may differ this much from that of a server, in milliseconds.
const SKEW: u64 = 10 * 60 * 1000;

impl Store {
    /// Switches the history on or off. It is on in a new `Store`. Without it, entries are neither written nor removed.
    #[must_use]
    pub fn with_history(self, has_history: bool) -> Self {
        Self { has_history, ..self }
    }

    /// Returns when the entry of an accepted tap is written.
    #[must_use]
    pub fn recording(&self) -> Recording {
        match &self.kind {
            _ if !self.has_history => Recording::Off,
            Kind::Postgres(store) if !store.has_history() => Recording::Off,
            Kind::Redis(store) if store.is_cluster() => Recording::Later,
            Kind::Embedded(_) | Kind::Postgres(_) | Kind::Redis(_) => Recording::WithCounter,
        }
    }

    /// Advances a counter, and writes `entry` if and only if the counter advances. Ignores `entry` unless [`recording`](Self::recording)
    /// returns [`Recording::WithCounter`].
    ///
    /// # Errors
    /// Returns an error if it is unknown whether the counter was advanced.
    pub async fn advance_recorded(
        &self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
        entry: Option<Entry>,
    ) -> Result<Advance, StoreError> {
        let entry = entry.filter(|_| self.recording() == Recording::WithCounter);
        let advanced = async {
            match &self.kind {
                Kind::Embedded(store) => self.in_time(store.advance(id, ctr, at, entry)).await,
                // Boxed, so that the state of every request is not as large as the largest of these futures.
                Kind::Postgres(store) => self.in_time(Box::pin(store.advance(id, ctr, at, entry.as_ref()))).await,
                Kind::Redis(store) => self.in_time(Box::pin(store.advance(id, ctr, at, entry.as_ref()))).await,
            }
        };
        timed("store advance", &self.calls.advance, advanced).await
    }

    /// Adds entries that belong to no change.
    ///
    /// # Errors
    /// Returns an error if the store fails. Some or all entries may be written then.
    pub async fn append(&self, stream: Stream, entries: Vec<Entry>) -> Result<(), StoreError> {
        if entries.is_empty() || self.recording() == Recording::Off {
            return Ok(());
        }
        match &self.kind {
            Kind::Embedded(store) => store.append(stream, entries).await,
            Kind::Postgres(store) => self.in_time(Box::pin(store.append(stream, &entries))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.append(stream, &entries))).await,
        }
    }

    /// Returns at most `limit` entries of the history, oldest first, from the time `since` on. The pages together have every entry that
    /// was written before the first one was read. Entries that are written meanwhile may be missing if several servers write.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn history(
        &self,
        since: Option<UnixMillis>,
        after: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let limit = limit.clamp(1, PAGE);
        let HistoryCursor(positions) = after.unwrap_or_else(|| {
            let skew = if matches!(self.kind, Kind::Redis(_)) { SKEW } else { 0 };
            let start = since.and_then(|since| Position::before(since.get().saturating_sub(skew)));
            HistoryCursor([start; STREAMS])
        });
        let mut pages = Vec::with_capacity(positions.len());
        for (stream, position) in Stream::ALL.into_iter().zip(positions) {
            let entries = self.entries(stream, position, limit).await?;
            pages.push(Source { is_full: entries.len() >= limit, position, entries: entries.into() });
        }
        let mut entries = Vec::new();
        for _ in 0..limit {
            let oldest = pages.iter_mut().filter(|page| page.oldest().is_some()).min_by_key(|page| page.oldest());
            let Some(entry) = oldest.and_then(Source::take) else { break };
            if since.is_none_or(|since| since <= entry.at) {
                entries.push(entry);
            }
        }
        let is_last = pages.iter().all(|page| !page.is_full && page.oldest().is_none());
        let mut positions = pages.iter().map(|page| page.position);
        let cursor = HistoryCursor([(); STREAMS].map(|()| positions.next().flatten()));
        Ok(HistoryPage { entries, next: Some(cursor).filter(|_| !is_last) })
    }

    /// Returns at most `limit` entries of one stream, in the order of their positions.
    pub(crate) async fn entries(
        &self,
        stream: Stream,
        after: Option<Position>,
        limit: usize,
    ) -> Result<Vec<(Position, Entry)>, StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.entries(stream, after, limit),
            Kind::Postgres(store) => self.in_time(Box::pin(store.entries(stream, after, limit))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.entries(stream, after, limit))).await,
        }
    }

    /// Removes some of the oldest entries that are not to be kept, and returns their number. A call is short, so that no tap waits for
    /// long. Call it again until it returns 0.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn prune_history(&self, retention: &Retention) -> Result<usize, StoreError> {
        let mut removed = 0_usize;
        for stream in Stream::ALL {
            removed = removed.saturating_add(self.prune_stream(stream, retention).await?);
        }
        Ok(removed)
    }

    /// Like [`prune_history`](Self::prune_history), for one stream. Removes its oldest entries, at most [`STEP`].
    pub(crate) async fn prune_stream(&self, stream: Stream, retention: &Retention) -> Result<usize, StoreError> {
        match &self.kind {
            _ if self.recording() == Recording::Off => Ok(0),
            Kind::Embedded(store) => store.prune(stream, *retention).await,
            Kind::Postgres(store) => self.in_time(Box::pin(store.prune(stream, retention))).await,
            Kind::Redis(store) => self.in_time(Box::pin(store.prune(stream, retention))).await,
        }
    }
}

impl AsRef<Self> for Store {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A page of one stream, while the streams are merged.
struct Source {
    /// There may be more entries after the page.
    is_full: bool,
    /// The last entry that was taken.
    position: Option<Position>,
    entries: VecDeque<(Position, Entry)>,
}

impl Source {
    fn oldest(&self) -> Option<UnixMillis> {
        self.entries.front().map(|(_, entry)| entry.at)
    }

    fn take(&mut self) -> Option<Entry> {
        let (position, entry) = self.entries.pop_front()?;
        self.position = Some(position);
        Some(entry)
    }
}

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, position) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            match position {
                Some(Position(time, number)) => write!(f, "{separator}{time}-{number}")?,
                None => f.write_str(separator)?,
            }
        }
        Ok(())
    }
}

impl FromStr for HistoryCursor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let position = |text: &str| match text.split_once('-') {
            None if text.is_empty() => Some(None),
            None => None,
            Some((time, number)) => Some(Some(Position(time.parse().ok()?, number.parse().ok()?))),
        };
        let positions: Option<Vec<_>> = text.split(',').map(position).collect();
        positions
            .and_then(|positions| positions.try_into().ok())
            .map(Self)
            .ok_or_else(|| "invalid cursor: expected the text that came with the previous page".into())
    }
}
