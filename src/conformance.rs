//! Tests counter stores (feature `conformance`). A *law* is a property that every counter store must have. Call the
//! checks of this module from the tests of your own store.
//!
//! Functions whose names end in `_async` take an [`AsyncCounterStore`]. All other functions take a [`CounterStore`].
//! This module does not need `std`, so you can also run the checks on a device. If a store breaks a law, the check
//! returns a [`Violation`], which names the [`Law`].
//!
//! A *counter id* is the key under which a store keeps the counter of a tag. Each check derives its counter ids from a
//! number `run`, which you choose. Choose a number that no earlier check used with the same store, so that the store
//! contains none of these counter ids yet. A check uses at most [`TAGS`] tags, except [`Contest::Apart`], which uses
//! one tag for each participant (a thread or task). [`sequential`] calls the store about 20 times. The store must
//! return every stored time exactly, to the millisecond.
//!
//! ```
//! use suntap::conformance;
//! use suntap::MemoryCounters;
//!
//! let mut store = MemoryCounters::<8>::new();
//! conformance::sequential(&mut store, 1)?;
//! # Ok::<(), suntap::conformance::Violation<suntap::Full>>(())
//! ```
//!
//! # Laws about concurrent calls
//!
//! A [`Contest`] checks one law with concurrent calls. A *participant* is a thread or task that calls the store. Run
//! several participants in parallel, and give each participant its own handle to the same store. Let each participant
//! wait until all participants are ready, for example with a barrier. Each participant then calls
//! [`enter`](Contest::enter) once. After that, call [`judge`](Contest::judge) with the results. Repeat the contest many
//! times, each time with a new `run`. A race condition lasts only a few microseconds, so a single contest can miss it.
//!
//! ```
//! use std::sync::{Barrier, Mutex};
//! use suntap::conformance::Contest;
//! use suntap::{Advance, CounterStore, Full, MemoryCounters, SdmReadCtr, CounterId, UnixMillis};
//!
//! struct Handle<'a>(&'a Mutex<MemoryCounters<2048>>);
//!
//! impl CounterStore for Handle<'_> {
//!     type Error = Full;
//!
//!     fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
//!         self.0.lock().unwrap().advance(id, ctr, at)
//!     }
//! }
//!
//! let store = &Mutex::new(MemoryCounters::new());
//! for round in 0..100 {
//!     let run = 3 * round;
//!     for contest in [Contest::Equal { run }, Contest::Increasing { run: run + 1 }, Contest::Apart { run: run + 2 }] {
//!         let start = &Barrier::new(8);
//!         let results = std::thread::scope(|scope| {
//!             let enter = |number| {
//!                 scope.spawn(move || {
//!                     start.wait();
//!                     contest.enter(&mut Handle(store), number)
//!                 })
//!             };
//!             let threads: Vec<_> = (0..8).map(enter).collect();
//!             threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
//!         });
//!         contest.judge(&mut Handle(store), results)?;
//!     }
//! }
//! # Ok::<(), suntap::conformance::Violation<Full>>(())
//! ```
//!
//! # Laws that need a restart or a failure
//!
//! A [`Promise`] records the mark (counter, time and number of taps) that a store reported as stored. To record a mark,
//! call [`Promise::make`]. Call [`Promise::make_failing`] instead if your test makes the store's writes fail. After you
//! open the store again, call [`Promise::keep`] to check that the mark is still stored.

use core::fmt;

use crate::counter::{Advance, AsyncCounterStore, Blocking, CounterStore, run_ready};
use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

/// The maximum number of tags that a check uses. [`Contest::Apart`] is an exception: it uses one tag for each
/// participant.
pub const TAGS: u8 = 3;

/// A property that every counter store must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Law {
    /// The store accepts any counter in the first tap of a tag, and reports no previous mark.
    FirstTapAdvances,
    /// If the new counter is greater than the stored counter, the store returns `Advanced`.
    GreaterAdvances,
    /// If the new counter is equal to the stored counter, the store returns `Stale` and changes nothing.
    EqualIsStale,
    /// If the new counter is lower than the stored counter, the store returns `Stale` and changes nothing.
    LowerIsStale,
    /// When a counter advances, the store reports the previous mark and the new mark. The new mark contains the new
    /// counter and the new time. The number of taps in the new mark is one greater than in the previous mark.
    PreviousIsReported,
    /// For a stale counter, the store reports the stored mark: counter, time and number of accepted taps.
    StoredIsReported,
    /// A tap of one tag does not affect any other tag, even if the counter ids are similar.
    TagsAreIndependent,
    /// After the stored counter of a tag has reached the maximum, `FFFFFFh`, the stored counter never changes again.
    MaximumIsTerminal,
    /// If many concurrent calls try to advance one counter to the same value, exactly one call advances the counter.
    OneWinner,
    /// After many concurrent calls with different counters for one tag, the greatest counter is stored. The number of
    /// taps in the mark is the number of calls that advanced the counter.
    GreatestRemains,
    /// If the store reported a mark as stored, the mark is still stored after the store is opened again.
    MarksSurvive,
    /// If the store fails to write a mark, the store does not report that the counter advanced.
    FailuresAreReported,
    /// The store returns no error as long as it can read and write its data.
    Works,
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FirstTapAdvances => "the first tap of a tag advances",
            Self::GreaterAdvances => "a greater counter advances",
            Self::EqualIsStale => "an equal counter is stale and changes nothing",
            Self::LowerIsStale => "a lower counter is stale and changes nothing",
            Self::PreviousIsReported => "an advance reports the previous mark and the new one",
            Self::StoredIsReported => "a stale result reports the stored mark",
            Self::TagsAreIndependent => "tags are independent",
            Self::MaximumIsTerminal => "nothing advances after the maximum",
            Self::OneWinner => "of many concurrent calls with equal counters, exactly one advances",
            Self::GreatestRemains => "concurrent calls with different counters end at the greatest counter",
            Self::MarksSurvive => "an acknowledged mark is still stored when the store is opened again",
            Self::FailuresAreReported => "a mark that was not written is not reported as advanced",
            Self::Works => "the store works while nothing is broken",
        })
    }
}

/// A law that a store broke, and the wrong result or the error that the store returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation<E> {
    /// The law that is broken.
    pub law: Law,
    /// The wrong result that the store returned, or `None` if the store returned an error.
    pub answered: Option<Advance>,
    /// The error that the store returned, or `None` if the store returned a wrong result.
    pub error: Option<E>,
}

impl<E> Violation<E> {
    fn answered(law: Law, advance: Advance) -> Self {
        Self { law, answered: Some(advance), error: None }
    }

    fn failed(error: E) -> Self {
        Self { law: Law::Works, answered: None, error: Some(error) }
    }
}

impl<E: fmt::Display> fmt::Display for Violation<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a law is broken: {}", self.law)?;
        if let Some(advance) = &self.answered {
            write!(f, "; the store answered {advance:?}")?;
        }
        match &self.error {
            Some(error) => write!(f, "; the store failed: {error}"),
            None => Ok(()),
        }
    }
}

impl<E: core::error::Error> core::error::Error for Violation<E> {}

/// Returns the counter id of tag `number`. The id of tag 1 differs from the id of tag 0 only in the first bit. The id
/// of tag 2 differs from the id of tag 0 only in the last bit. A store that ignores the first or the last byte of the
/// id therefore confuses two of these tags.
fn tag(run: u64, number: u8) -> CounterId {
    let mut id = [0; 16];
    let bytes = run.to_be_bytes();
    id.iter_mut().skip(4).zip(bytes).for_each(|(id, byte)| *id = byte);
    match number {
        0 => {}
        1 => id.iter_mut().take(1).for_each(|byte| *byte = 0x80),
        _ => id.iter_mut().rev().take(1).for_each(|byte| *byte = 0x01),
    }
    CounterId::from_bytes(id)
}

fn ctr(value: u32) -> SdmReadCtr {
    SdmReadCtr::new(value).unwrap_or(SdmReadCtr::MAX)
}

/// A store under test.
struct Trial<'s, S> {
    store: &'s mut S,
    run: u64,
}

impl<S: AsyncCounterStore> Trial<'_, S> {
    async fn advance(
        &mut self,
        number: u8,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, Violation<S::Error>> {
        self.store.advance(&tag(self.run, number), ctr, at).await.map_err(Violation::failed)
    }

    /// Tries to advance the counter of tag `number` to `now.ctr`. Checks that the counter advances, and that the store
    /// reports the marks `previous` and `now`.
    async fn advances(
        &mut self,
        number: u8,
        law: Law,
        previous: Option<Mark>,
        now: Mark,
    ) -> Result<(), Violation<S::Error>> {
        let advance = self.advance(number, now.ctr, now.at).await?;
        match advance {
            Advance::Stale { .. } => Err(Violation::answered(law, advance)),
            expected if expected == (Advance::Advanced { previous, now }) => Ok(()),
            Advance::Advanced { .. } => Err(Violation::answered(Law::PreviousIsReported, advance)),
        }
    }

    /// Tries to advance the counter of tag `number` to `ctr`. Checks that the store rejects `ctr` as stale, and reports
    /// the mark `stored`.
    async fn is_stale(
        &mut self,
        number: u8,
        law: Law,
        ctr: SdmReadCtr,
        stored: Mark,
    ) -> Result<(), Violation<S::Error>> {
        let advance = self.advance(number, ctr, Some(UnixMillis::new(1_763_802_000_999))).await?;
        match advance {
            Advance::Advanced { .. } => Err(Violation::answered(law, advance)),
            expected if expected == (Advance::Stale { stored }) => Ok(()),
            Advance::Stale { .. } => Err(Violation::answered(Law::StoredIsReported, advance)),
        }
    }

    async fn sequential(&mut self) -> Result<(), Violation<S::Error>> {
        // The times cover three cases: a running clock, a clock that was set back, and a missing clock.
        let first = Mark { ctr: ctr(8), at: Some(UnixMillis::new(1_763_802_000_123)), taps: 1 };
        let second = Mark { ctr: ctr(9), at: None, taps: 2 };
        let third = Mark { ctr: ctr(0x01_0000), at: Some(UnixMillis::new(7)), taps: 3 };
        let last = Mark { ctr: SdmReadCtr::MAX, at: Some(UnixMillis::new(1_763_802_000_124)), taps: 4 };

        self.advances(0, Law::FirstTapAdvances, None, first).await?;
        self.is_stale(0, Law::EqualIsStale, first.ctr, first).await?;
        for lower in [7, 1, 0] {
            self.is_stale(0, Law::LowerIsStale, ctr(lower), first).await?;
        }
        self.advances(0, Law::GreaterAdvances, Some(first), second).await?;
        self.is_stale(0, Law::EqualIsStale, second.ctr, second).await?;
        self.is_stale(0, Law::LowerIsStale, first.ctr, second).await?;
        // A store that compares only the two low bytes of the counter would reject this counter.
        self.advances(0, Law::GreaterAdvances, Some(second), third).await?;
        self.is_stale(0, Law::LowerIsStale, ctr(0x00_FFFF), third).await?;

        // The taps of tag 0 must not affect tags 1 and 2.
        let zero = Mark { ctr: SdmReadCtr::ZERO, at: None, taps: 1 };
        let other = Mark { ctr: ctr(5), at: None, taps: 1 };
        self.advances(1, Law::FirstTapAdvances, None, other).await?;
        self.advances(2, Law::FirstTapAdvances, None, zero).await?;
        self.is_stale(2, Law::EqualIsStale, SdmReadCtr::ZERO, zero).await?;
        self.is_stale(0, Law::TagsAreIndependent, third.ctr, third).await?;
        self.is_stale(1, Law::TagsAreIndependent, other.ctr, other).await?;

        self.advances(0, Law::GreaterAdvances, Some(third), last).await?;
        for ended in [SdmReadCtr::MAX, ctr(0xFF_FFFE), ctr(1)] {
            self.is_stale(0, Law::MaximumIsTerminal, ended, last).await?;
        }
        self.is_stale(1, Law::TagsAreIndependent, other.ctr, other).await
    }
}

/// Checks all laws that can be checked without concurrent calls, a restart or a failure.
///
/// # Errors
/// Returns a [`Violation`] that names the first broken law.
pub fn sequential<S: CounterStore>(store: &mut S, run: u64) -> Result<(), Violation<S::Error>> {
    run_ready(sequential_async(&mut Blocking(store), run))
}

/// Like [`sequential`], but for an [`AsyncCounterStore`].
///
/// # Errors
/// Returns a [`Violation`] that names the first broken law.
pub async fn sequential_async<S: AsyncCounterStore>(store: &mut S, run: u64) -> Result<(), Violation<S::Error>> {
    Trial { store, run }.sequential().await
}

/// A check of one law with concurrent calls. Several participants, for example threads, call the store at the same
/// time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Contest {
    /// Checks [`Law::OneWinner`]. All participants use the same tag and the same counter. Exactly one call must advance
    /// the counter.
    Equal {
        /// The number from which the check derives the counter id of the tag. Use a new number for each check of a
        /// store.
        run: u64,
    },
    /// Checks [`Law::GreatestRemains`]. All participants use the same tag, but each participant uses a different
    /// counter. After all calls, the greatest counter must be stored.
    Increasing {
        /// The number from which the check derives the counter id of the tag. Use a new number for each check of a
        /// store.
        run: u64,
    },
    /// Checks [`Law::TagsAreIndependent`]. Each participant uses a different tag. Every call must advance the counter
    /// of its tag.
    Apart {
        /// The number from which the check derives the counter ids of the tags. Use a new number for each check of a
        /// store.
        run: u64,
    },
}

impl Contest {
    fn tag(self, number: u16) -> CounterId {
        match self {
            Self::Equal { run } | Self::Increasing { run } => tag(run, 0),
            Self::Apart { run } => {
                let mut id = *tag(run, 0).as_bytes();
                id.iter_mut().zip(number.to_be_bytes()).for_each(|(id, byte)| *id = byte);
                CounterId::from_bytes(id)
            }
        }
    }

    fn ctr(self, number: u16) -> SdmReadCtr {
        match self {
            Self::Equal { .. } | Self::Apart { .. } => ctr(1000),
            Self::Increasing { .. } => ctr(u32::from(number).saturating_add(1)),
        }
    }

    /// Calls the store once for participant `number`. Participants are numbered from 0.
    ///
    /// # Errors
    /// Returns the error of the store.
    pub fn enter<S: CounterStore + ?Sized>(self, store: &mut S, number: u16) -> Result<Advance, S::Error> {
        store.advance(&self.tag(number), self.ctr(number), Some(UnixMillis::new(number.into())))
    }

    /// Like [`enter`](Self::enter), but for an [`AsyncCounterStore`].
    ///
    /// # Errors
    /// Returns the error of the store.
    pub async fn enter_async<S: AsyncCounterStore + ?Sized>(
        self,
        store: &mut S,
        number: u16,
    ) -> Result<Advance, S::Error> {
        store.advance(&self.tag(number), self.ctr(number), Some(UnixMillis::new(number.into()))).await
    }

    /// Checks that the results of all participants obey the law of this contest. Call this function after all
    /// participants are done. `results` must contain the results in the order of the participant numbers.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the law is broken. If the store returned an error, the violation names
    /// [`Law::Works`].
    pub fn judge<S: CounterStore>(
        self,
        store: &mut S,
        results: impl IntoIterator<Item = Result<Advance, S::Error>>,
    ) -> Result<(), Violation<S::Error>> {
        run_ready(self.judge_async(&mut Blocking(store), results))
    }

    /// Like [`judge`](Self::judge), but for an [`AsyncCounterStore`].
    ///
    /// # Errors
    /// Returns the same errors as [`judge`](Self::judge).
    pub async fn judge_async<S: AsyncCounterStore>(
        self,
        store: &mut S,
        results: impl IntoIterator<Item = Result<Advance, S::Error>>,
    ) -> Result<(), Violation<S::Error>> {
        let law = match self {
            Self::Equal { .. } => Law::OneWinner,
            Self::Increasing { .. } => Law::GreatestRemains,
            Self::Apart { .. } => Law::TagsAreIndependent,
        };
        let mut winners: u32 = 0;
        let mut greatest = None;
        for (number, result) in (0..=u16::MAX).zip(results) {
            let entered = self.ctr(number);
            greatest = greatest.max(Some((entered, Some(UnixMillis::new(number.into())))));
            match result {
                Err(error) => return Err(Violation::failed(error)),
                Ok(advance @ Advance::Advanced { previous, now }) => {
                    winners = winners.saturating_add(1);
                    let is_increase = previous.is_none_or(|previous| previous.ctr < entered);
                    let mark = Mark {
                        ctr: entered,
                        at: Some(UnixMillis::new(number.into())),
                        taps: previous.map_or(0, |mark| mark.taps).saturating_add(1),
                    };
                    if !is_increase || now != mark {
                        return Err(Violation::answered(law, advance));
                    }
                }
                Ok(advance @ Advance::Stale { stored }) => {
                    if stored.ctr < entered || matches!(self, Self::Apart { .. }) {
                        return Err(Violation::answered(law, advance));
                    }
                }
            }
        }
        let Some((ctr, last)) = greatest else { return Ok(()) };
        // All participants are done, so the stored marks no longer change.
        let tags = if matches!(self, Self::Apart { .. }) { winners } else { 1 };
        for number in (0..=u16::MAX).take(usize::try_from(tags).unwrap_or(usize::MAX)) {
            let advance = store.advance(&self.tag(number), ctr, None).await.map_err(Violation::failed)?;
            let is_right = match (self, advance) {
                (_, Advance::Advanced { .. }) => false,
                (Self::Equal { .. }, Advance::Stale { stored }) => {
                    stored.ctr == ctr && stored.taps == 1 && winners == 1
                }
                (Self::Increasing { .. }, Advance::Stale { stored }) => {
                    stored.ctr == ctr && stored.at == last && stored.taps == winners
                }
                (Self::Apart { .. }, Advance::Stale { stored }) => {
                    stored == Mark { ctr, at: Some(UnixMillis::new(number.into())), taps: 1 }
                }
            };
            if !is_right {
                return Err(Violation::answered(law, advance));
            }
        }
        Ok(())
    }
}

/// Records the result of one call to a store. After you open the store again, call [`keep`](Self::keep) to check that
/// the recorded mark is still stored.
///
/// ```
/// use suntap::conformance::Promise;
/// # use suntap::MemoryCounters;
///
/// # let mut store = MemoryCounters::<8>::new();
/// let promise = Promise::make(&mut store, 7, 500);
/// // Here the store is dropped and opened again.
/// promise.keep(&mut store)?;
/// # Ok::<(), suntap::conformance::Violation<suntap::Full>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    run: u64,
    asked: Mark,
    /// The mark that the store reported as stored, or `None` if the store returned an error.
    acknowledged: Option<Mark>,
    /// The law that is broken if the recorded mark is no longer stored.
    law: Law,
}

impl Promise {
    /// Advances the counter of a tag to `value`, and records the result. The counter id is derived from `run`. A
    /// `value` above `FFFFFFh` counts as `FFFFFFh`.
    pub fn make<S: CounterStore>(store: &mut S, run: u64, value: u32) -> Self {
        run_ready(Self::make_async(&mut Blocking(store), run, value))
    }

    /// Like [`make`](Self::make), but for an [`AsyncCounterStore`].
    pub async fn make_async<S: AsyncCounterStore>(store: &mut S, run: u64, value: u32) -> Self {
        Self::record(store, run, value, Law::MarksSurvive).await
    }

    /// Like [`make`](Self::make), but for a store that cannot write or is interrupted in the middle of a write. The
    /// store may return an error. But if the store reports success, the mark must really be stored.
    pub fn make_failing<S: CounterStore>(store: &mut S, run: u64, value: u32) -> Self {
        run_ready(Self::make_failing_async(&mut Blocking(store), run, value))
    }

    /// Like [`make_failing`](Self::make_failing), but for an [`AsyncCounterStore`].
    pub async fn make_failing_async<S: AsyncCounterStore>(store: &mut S, run: u64, value: u32) -> Self {
        Self::record(store, run, value, Law::FailuresAreReported).await
    }

    async fn record<S: AsyncCounterStore>(store: &mut S, run: u64, value: u32, law: Law) -> Self {
        let asked = Mark { ctr: ctr(value), at: Some(UnixMillis::new(value.into())), taps: 0 };
        let acknowledged = match store.advance(&tag(run, 0), asked.ctr, asked.at).await {
            Ok(Advance::Advanced { now, .. }) => Some(now),
            Ok(Advance::Stale { stored }) => Some(stored),
            Err(_) => None,
        };
        Self { run, asked, acknowledged, law }
    }

    /// Returns the mark that the store reported as stored, or `None` if the store returned an error.
    #[must_use]
    pub fn acknowledged(&self) -> Option<Mark> {
        self.acknowledged
    }

    /// Checks that the recorded mark is still stored. The store must be able to read and write its data during this
    /// call. You can check several promises in any order, and each promise any number of times. If the store returned
    /// an error when the promise was made, no mark was recorded. In this case, this function presents the same counter
    /// again, and the store may accept this counter or reject it as stale.
    ///
    /// # Errors
    /// Returns a [`Violation`] if the store contains neither the recorded mark nor a newer mark of the same tag. The
    /// violation names [`Law::MarksSurvive`] for a promise from [`make`](Self::make), and
    /// [`Law::FailuresAreReported`] for a promise from [`make_failing`](Self::make_failing). If the store returns an error,
    /// the violation names [`Law::Works`].
    pub fn keep<S: CounterStore>(&self, store: &mut S) -> Result<(), Violation<S::Error>> {
        run_ready(self.keep_async(&mut Blocking(store)))
    }

    /// Like [`keep`](Self::keep), but for an [`AsyncCounterStore`].
    ///
    /// # Errors
    /// Returns the same errors as [`keep`](Self::keep).
    pub async fn keep_async<S: AsyncCounterStore>(&self, store: &mut S) -> Result<(), Violation<S::Error>> {
        // Presents the recorded counter again. If the recorded mark is still stored, the store rejects this counter as
        // stale, and reports the stored mark. If the store returned an error when the promise was made, presents the
        // counter of that call.
        let probe = self.acknowledged.unwrap_or(self.asked);
        let advance = store.advance(&tag(self.run, 0), probe.ctr, probe.at).await.map_err(Violation::failed)?;
        let is_kept = match (advance, self.acknowledged) {
            (Advance::Stale { stored }, Some(mark)) => {
                stored == mark || stored.ctr > mark.ctr && stored.taps > mark.taps
            }
            (Advance::Advanced { .. }, Some(_)) => false,
            (Advance::Stale { stored }, None) => stored.ctr >= self.asked.ctr,
            (Advance::Advanced { .. }, None) => true,
        };
        if is_kept { Ok(()) } else { Err(Violation::answered(self.law, advance)) }
    }
}
