//! Signs in the history of a tag that somebody should look at it.
//!
//! A verdict says whether a tap is genuine and new. The history of a tag says more: somebody opens old links, taps get
//! lost, a seal was opened. [`signals`] compares a tap with earlier ones and returns what it notices.
//!
//! - A signal is not a probability. What it is worth depends on what your tags are for, and the weights are yours.
//! - **Only a tap whose MAC or signature verified can speak against its tag.** Anybody can send forged URLs with the UID
//!   of a tag, so [`Signal::NotAuthentic`] says something about the sender. [`Signal::is_authentic`] makes the difference.
//! - No signal proves that a chip was copied. A genuine tap can arrive late, because the phone had no network.
//!
//! ```
//! use core::time::Duration;
//! use suntap::risk::{Decision, Limits, Signal, Tap, signals};
//! use suntap::{SdmReadCtr, UnixMillis};
//!
//! let tap = |ctr, decision, seconds| Tap {
//!     ctr: SdmReadCtr::new(ctr),
//!     at: Some(UnixMillis::new(1_795_000_000_000 + seconds * 1000)),
//!     ..Tap::new(decision)
//! };
//! let history = [tap(5, Decision::Fresh, 0), tap(9, Decision::Fresh, 60)];
//!
//! // Somebody opens the link of the last tap again.
//! let found = signals(&history, &tap(9, Decision::Replayed, 70), &Limits::default());
//! assert!(found.eq([Signal::ReplayOfLast]));
//!
//! // A tap between two known ones: a phone had no network, or somebody saved the link before using it.
//! let found = signals(&history, &tap(7, Decision::Replayed, 80), &Limits::default());
//! assert!(found.eq([Signal::Late]));
//! ```

use core::time::Duration;

use heapless::Vec;

use crate::sun::tamper::{TagTamper, TtStatus};
use crate::value::{SdmReadCtr, UnixMillis};

/// What was decided about a tap.
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
    /// What was decided.
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

/// From which values on [`signals`] reports something. Write `Limits { gap: 10, ..Limits::default() }` to change one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The greatest number of skipped counters that is not a [`Signal::Gap`]. The default is 50. Taps get lost often: a
    /// phone reads a tag several times, has no network, or its owner does not open the link.
    pub gap: u32,
    /// The greatest time between taps at different readers that is a [`Signal::TwoReaders`]. The default is 10 seconds.
    pub apart: Duration,
    /// The counter at which the chip stops: SDMReadCtrLimit. The default is that of the chip,
    /// [`SdmReadCtr::MAX`].
    pub ctr_limit: SdmReadCtr,
    /// The number of counters before `ctr_limit` that are a [`Signal::NearLimit`]. The default is 1000.
    pub near: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { gap: 50, apart: Duration::from_secs(10), ctr_limit: SdmReadCtr::MAX, near: 1000 }
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
    /// A tap came again that is older than the last accepted one, or the tap is older than the given history.
    ReplayOfEarlier,
    /// A tap that was never seen came after a newer one was accepted. Either the phone had no network, or somebody saved
    /// the link before anybody opened it.
    Late,
    /// Many counters were skipped before this fresh tap. Somebody reads the tag without opening the links, and may save
    /// them.
    Gap {
        /// The number of skipped counters.
        skipped: u32,
    },
    /// Two readers saw taps of the tag at nearly the same time. A relay, or a wrong clock.
    TwoReaders {
        /// The number of the other reader.
        other: u64,
    },
    /// The counter is near the value at which the chip stops to write URLs. Replace the tag.
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
            Self::Gap { .. } => "gap",
            Self::TwoReaders { .. } => "two_readers",
            Self::NearLimit { .. } => "near_limit",
            Self::SealOpened => "seal_opened",
        }
    }
}

/// What the authentic taps of a history say.
#[derive(Default)]
struct Seen {
    /// The greatest counter that was accepted.
    last: Option<SdmReadCtr>,
    /// Whether there was a tap with the counter of the new tap, and whether there was one with a lower counter.
    same: bool,
    lower: bool,
    /// Another reader at nearly the same time.
    other: Option<u64>,
    /// The last known state of the seal.
    seal: Option<TagTamper>,
}

/// Compares a tap with the earlier taps of the same tag, oldest first, and returns what it notices, each signal at most
/// once. The history may begin anywhere, and may contain taps that were not authentic: these are ignored.
pub fn signals<'a, I: IntoIterator<Item = &'a Tap>>(
    history: I,
    tap: &Tap,
    limits: &Limits,
) -> impl Iterator<Item = Signal> + use<'a, I> {
    // One place for each signal that an authentic tap can have.
    let mut found = Vec::<Signal, 5>::new();
    let mut report = |signal: Option<Signal>| signal.map(|signal| found.push(signal));
    if tap.is_authentic() {
        let seen = Seen::of(history, tap, limits);
        report(tap.ctr.and_then(|ctr| seen.order(tap.decision, ctr, limits)));
        report(seen.other.map(|other| Signal::TwoReaders { other }));
        report(tap.ctr.and_then(|ctr| near_limit(ctr, limits)));
        let opened = seal(tap).is_some_and(|seal| matches!(seal, TagTamper::Open | TagTamper::OpenedNowClosed));
        report((seen.seal == Some(TagTamper::Closed) && opened).then_some(Signal::SealOpened));
    } else {
        report(Some(Signal::NotAuthentic));
    }
    found.into_iter()
}

impl Seen {
    fn of<'a>(history: impl IntoIterator<Item = &'a Tap>, tap: &Tap, limits: &Limits) -> Self {
        let mut seen = Self::default();
        for earlier in history.into_iter().filter(|earlier| earlier.is_authentic()) {
            if earlier.decision == Decision::Fresh {
                seen.last = seen.last.max(earlier.ctr);
            }
            if let Some((earlier, ctr)) = earlier.ctr.zip(tap.ctr) {
                seen.same |= earlier == ctr;
                seen.lower |= earlier < ctr;
            }
            let other = earlier.reader.filter(|other| tap.reader.is_some_and(|reader| reader != *other));
            if other.is_some() && is_near(earlier.at, tap.at, limits.apart) {
                seen.other = other;
            }
            seen.seal = seal(earlier).or(seen.seal);
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
            _ if ctr == last => Some(Signal::ReplayOfLast),
            _ if ctr < last && self.lower && !self.same => Some(Signal::Late),
            _ if ctr < last => Some(Signal::ReplayOfEarlier),
            _ => None,
        }
    }
}

/// Returns `true` if the two times are known and at most `apart` from each other.
fn is_near(one: Option<UnixMillis>, other: Option<UnixMillis>, apart: Duration) -> bool {
    one.zip(other).is_some_and(|(one, other)| Duration::from_millis(one.get().abs_diff(other.get())) <= apart)
}

fn near_limit(ctr: SdmReadCtr, limits: &Limits) -> Option<Signal> {
    let left = limits.ctr_limit.get().saturating_sub(ctr.get());
    (left <= limits.near).then_some(Signal::NearLimit { left })
}

/// Returns what an authenticated tamper status says.
fn seal(tap: &Tap) -> Option<TagTamper> {
    tap.tamper.filter(TtStatus::is_authenticated).map(|status| status.state())
}
