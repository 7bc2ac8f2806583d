//! The record that a counter store keeps for a tag.

use suntap::{Advance, SdmReadCtr, UnixMillis};

/// What a store keeps for a tag. All members are 0 if the store has no mark for this tag yet.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Time of the last accepted tap in milliseconds since 1970, or 0 if no time was given.
    pub at: u64,
    /// Counter of the last accepted tap.
    pub ctr: u32,
    /// Number of accepted taps. At least 1 in a stored mark.
    pub taps: u32,
}

/// A mark that no store can have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidMark;

impl Mark {
    /// Returns the mark, or `None` if all members are 0.
    pub(crate) fn get(self) -> Result<Option<suntap::Mark>, InvalidMark> {
        if self == Self::default() {
            return Ok(None);
        }
        let ctr = SdmReadCtr::new(self.ctr).filter(|_| self.taps > 0).ok_or(InvalidMark)?;
        Ok(Some(suntap::Mark { ctr, at: time(self.at), taps: self.taps }))
    }

    /// Compares the counter of a tap with this mark. Returns the new mark if the counter is greater.
    pub(crate) fn advanced(self, ctr: u32, at: u64) -> Result<Option<Self>, InvalidMark> {
        let ctr = SdmReadCtr::new(ctr).ok_or(InvalidMark)?;
        Ok(match Advance::decide(self.get()?, ctr, time(at)) {
            Advance::Advanced { now, .. } => Some(now.into()),
            Advance::Stale { .. } => None,
        })
    }
}

impl From<suntap::Mark> for Mark {
    fn from(mark: suntap::Mark) -> Self {
        Self { at: millis(mark.at), ctr: mark.ctr.get(), taps: mark.taps }
    }
}

/// Returns the time, or `None` for 0.
pub(crate) fn time(millis: u64) -> Option<UnixMillis> {
    (millis != 0).then_some(UnixMillis::new(millis))
}

/// Returns the milliseconds, or 0 if there is no time.
pub(crate) fn millis(time: Option<UnixMillis>) -> u64 {
    time.map_or(0, UnixMillis::get)
}
