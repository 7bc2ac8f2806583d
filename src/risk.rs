//! Signals from the history of a tag: what an operator may want to look at.
//!
//! A verdict says whether a tap is genuine and new. The history of a tag says more: somebody opens old links, taps get
//! lost, a seal was opened. [`signals`] compares a tap with earlier ones and returns what it notices.
//!
//! - A signal is not a probability. What it is worth depends on what your tags are for, and the weights are yours.
//! - **Only a tap whose MAC or signature verified can speak against its tag.** Anybody can send forged URLs with the UID
//!   of a tag, so [`Signal::NotAuthentic`] says something about the sender only. See [`Signal::is_authentic`].
//! - No signal proves that a chip was copied. A genuine tap can arrive late, because the phone had no network.
//!
//! ```
//! use core::time::Duration;
//! use suntap::risk::{Decision, Limits, Signal, Tap, signals};
//! use suntap::{SdmReadCtr, UnixMillis};
//!
//! let tap = |ctr, decision, seconds: u64| Tap {
//!     ctr: SdmReadCtr::new(ctr),
//!     at: Some(UnixMillis::new(1_795_000_000_000 + seconds * 1000)),
//!     ..Tap::new(decision)
//! };
//! let history = [tap(5, Decision::Fresh, 0), tap(9, Decision::Fresh, 60)];
//!
//! // Somebody opens the link of the last tap again.
//! let again = tap(9, Decision::Replayed, 70);
//! assert!(signals(&history, &again, &Limits::default()).eq([Signal::ReplayOfLast]));
//!
//! // A tap between two known ones: a phone had no network, or somebody saved the link before using it.
//! let late = tap(7, Decision::Replayed, 80);
//! assert!(signals(&history, &late, &Limits::default()).eq([Signal::Late]));
//! ```

use core::array;
use core::cmp::Ordering;
use core::iter::Flatten;
use core::time::Duration;

use crate::sun::tamper::{TagTamper, TtStatus};
use crate::value::{SdmReadCtr, UnixMillis};

/// The decision about a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decision {
    /// The tap was genuine and new.
    Fresh,
    /// The tap was genuine, but not new.
    Replayed,
    /// The MAC or the signature did not verify, or nothing could be verified.
    NotAuthentic,
}

/// A tap in the history of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// The decision.
    pub decision: Decision,
    /// The counter of the tap.
    pub ctr: Option<SdmReadCtr>,
    /// The time at which the tap arrived.
    pub at: Option<UnixMillis>,
    /// Your number for the place or the reader from which the tap came. [`Signal::TwoReaders`] needs it.
    pub reader: Option<u64>,
    /// The tamper status of the tap.
    pub tamper: Option<TtStatus>,
}

impl Tap {
    /// Creates a tap of which only the decision is known.
    #[must_use]
    pub const fn new(decision: Decision) -> Self {
        Self { decision, ctr: None, at: None, reader: None, tamper: None }
    }

    fn is_authentic(&self) -> bool {
        self.decision != Decision::NotAuthentic
    }
}

/// The limits at which [`signals`] reports something. Write `Limits { gap: 10, ..Limits::default() }` to change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of skipped counters that is not a [`Signal::Gap`]. The default is 50. Taps get lost often: a
    /// phone reads a tag several times, has no network, or its owner does not open the link.
    pub gap: u32,
    /// The greatest time between taps at two readers that is a [`Signal::TwoReaders`]. The default is 10 seconds.
    pub reader_window: Duration,
    /// The counter at which the chip stops: SDMReadCtrLimit. The default is that of the chip,
    /// [`SdmReadCtr::MAX`].
    pub ctr_limit: SdmReadCtr,
    /// The number of taps before `ctr_limit` from which on there is a [`Signal::NearLimit`]. The default is 1000.
    pub near_limit: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap: 50, reader_window: Duration::from_secs(10), ctr_limit: SdmReadCtr::MAX, near_limit: 1000 }
    }
}

/// Something that [`signals`] noticed about a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// The MAC or the signature did not verify. This says nothing about the tag: no other signal is reported with it.
    NotAuthentic,
    /// The last accepted tap came again. Often, the visitor reloaded the page or shared the link.
    ReplayOfLast,
    /// A tap came again that is older than the last accepted one.
    ReplayOfEarlier,
    /// A tap that is not in the history came after a newer one was accepted. The phone had no network, or somebody saved
    /// the link and opened it now. If your history has gaps, it may also be a replay.
    Late,
    /// The tap is older than the whole history, so it is not known whether it came before.
    BeforeHistory,
    /// Many counters were skipped before this fresh tap. Somebody reads the tag without opening the links, and may save
    /// them.
    Gap {
        /// The number of skipped counters.
        skipped: u32,
    },
    /// Two readers saw fresh taps of the tag at nearly the same time. The tag was relayed, somebody saved a tap, or a clock
    /// is wrong.
    TwoReaders {
        /// The number of the other reader.
        other: u64,
    },
    /// The counter is near the value at which the chip stops writing URLs. Replace the tag.
    NearLimit {
        /// The number of taps that are left.
        left: u32,
    },
    /// The seal was closed at an earlier tap and was opened since.
    SealOpened,
}

impl Signal {
    /// Returns `true` if the signal comes from a tap whose MAC or signature verified. Do not count other signals against
    /// a tag, because anybody can cause them.
    #[must_use]
    pub fn is_authentic(self) -> bool {
        self != Self::NotAuthentic
    }

    /// Returns the name of the signal, for logs and metrics: lower-case words with `_` between them.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotAuthentic => "not_authentic",
            Self::ReplayOfLast => "replay_of_last",
            Self::ReplayOfEarlier => "replay_of_earlier",
            Self::Late => "late",
            Self::BeforeHistory => "before_history",
            Self::Gap { .. } => "gap",
            Self::TwoReaders { .. } => "two_readers",
            Self::NearLimit { .. } => "near_limit",
            Self::SealOpened => "seal_opened",
        }
    }
}

/// The result of [`signals`].
#[derive(Clone, Debug)]
pub struct Signals(Flatten<array::IntoIter<Option<Signal>, 4>>);

impl Iterator for Signals {
    type Item = Signal;

    fn next(&mut self) -> Option<Signal> {
        self.0.next()
    }
}

/// The facts about the authentic taps of a history that matter for a new tap.
#[derive(Default)]
struct Seen {
    /// The greatest counter that was accepted.
    last: Option<SdmReadCtr>,
    /// `true` if there was a tap with the counter of the new tap.
    same: bool,
    /// `true` if there was a tap with a lower counter than the new tap.
    lower: bool,
    /// Another reader at nearly the same time.
    other: Option<u64>,
    /// The seal at the newest tap before the new tap, by its counter.
    seal: Option<(SdmReadCtr, Seal)>,
}

/// The meaning of a tamper status, if it is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seal {
    Closed,
    Opened,
}

/// Compares a tap with the earlier taps of the same tag, and returns what it notices, each signal at most once.
///
/// The history may begin anywhere and may be in any order. Taps in it that were not authentic are ignored.
pub fn signals<'a>(history: impl IntoIterator<Item = &'a Tap>, tap: &Tap, limits: &Limits) -> Signals {
    let found = if tap.is_authentic() {
        let seen = Seen::from_history(history, tap, limits);
        let order = tap.ctr.and_then(|ctr| seen.order(tap.decision, ctr, limits));
        let reader = seen.other.map(|other| Signal::TwoReaders { other });
        let limit = tap.ctr.max(seen.last).and_then(|ctr| near_limit(ctr, limits));
        let closed = seen.seal.is_some_and(|(_, seal)| seal == Seal::Closed);
        let opened = (closed && seal(tap) == Some(Seal::Opened)).then_some(Signal::SealOpened);
        [order, reader, limit, opened]
    } else {
        [Some(Signal::NotAuthentic), None, None, None]
    };
    Signals(found.into_iter().flatten())
}

impl Seen {
    fn from_history<'a>(history: impl IntoIterator<Item = &'a Tap>, tap: &Tap, limits: &Limits) -> Self {
        let mut seen = Self::default();
        for earlier in history.into_iter().filter(|earlier| earlier.is_authentic()) {
            if earlier.decision == Decision::Fresh {
                seen.last = seen.last.max(earlier.ctr);
            }
            if are_two_readers(earlier, tap, limits) {
                seen.other = earlier.reader;
            }
            let Some((ctr, new)) = earlier.ctr.zip(tap.ctr) else { continue };
            match ctr.cmp(&new) {
                Ordering::Less => {
                    seen.lower = true;
                    let newest = seen.seal.is_none_or(|(newest, _)| newest < ctr);
                    if let Some(seal) = seal(earlier).filter(|_| newest) {
                        seen.seal = Some((ctr, seal));
                    }
                }
                Ordering::Equal => seen.same = true,
                Ordering::Greater => {}
            }
        }
        seen
    }

    /// Compares the counter of the tap with those of the history.
    fn order(&self, decision: Decision, ctr: SdmReadCtr, limits: &Limits) -> Option<Signal> {
        let last = self.last?;
        match decision {
            Decision::Fresh => {
                let skipped = ctr.get().saturating_sub(last.get()).saturating_sub(1);
                (skipped > limits.gap).then_some(Signal::Gap { skipped })
            }
            _ => match ctr.cmp(&last) {
                Ordering::Greater => None,
                Ordering::Equal => Some(Signal::ReplayOfLast),
                Ordering::Less if self.same => Some(Signal::ReplayOfEarlier),
                Ordering::Less if self.lower => Some(Signal::Late),
                Ordering::Less => Some(Signal::BeforeHistory),
            },
        }
    }
}

/// Returns `true` if two readers saw two fresh taps at nearly the same time. A replay does not count, because anybody can
/// open a shared link anywhere.
fn are_two_readers(one: &Tap, other: &Tap, limits: &Limits) -> bool {
    let fresh = [one, other].iter().all(|tap| tap.decision == Decision::Fresh);
    let differ = one.reader.zip(other.reader).is_some_and(|(one, other)| one != other);
    let apart = one.at.zip(other.at).map(|(one, other)| Duration::from_millis(one.get().abs_diff(other.get())));
    fresh && differ && apart.is_some_and(|apart| apart <= limits.reader_window)
}

fn near_limit(ctr: SdmReadCtr, limits: &Limits) -> Option<Signal> {
    let left = limits.ctr_limit.get().saturating_sub(ctr.get());
    (left <= limits.near_limit).then_some(Signal::NearLimit { left })
}

/// Returns what the tamper status of a tap says. A status that is not authenticated, not enabled or unknown says nothing.
fn seal(tap: &Tap) -> Option<Seal> {
    match tap.tamper.filter(TtStatus::is_authenticated)?.state() {
        TagTamper::Closed => Some(Seal::Closed),
        TagTamper::Open | TagTamper::OpenedNowClosed => Some(Seal::Opened),
        TagTamper::NotEnabled | TagTamper::Unknown => None,
    }
}
