//! Defines the record that a counter store keeps for a tag.

use core::time::Duration;

use super::ctr::SdmReadCtr;

/// Milliseconds since 1970-01-01T00:00:00Z, from the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(u64);

impl UnixMillis {
    /// Creates a time from the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the time that is later by `duration`, in whole milliseconds. The result stops at the last time.
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).map_or(u64::MAX, |millis| self.0.saturating_add(millis)))
    }
}

#[cfg(feature = "std")]
impl UnixMillis {
    /// Returns the current time of the system clock (feature `std`).
    #[must_use]
    pub fn now() -> Self {
        std::time::SystemTime::now().into()
    }
}

/// Converts a system time (feature `std`). A time before 1970 becomes 0.
#[cfg(feature = "std")]
impl From<std::time::SystemTime> for UnixMillis {
    fn from(time: std::time::SystemTime) -> Self {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The record that a counter store keeps for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The counter of the last accepted tap.
    pub ctr: SdmReadCtr,
    /// The time that the caller gave for the last accepted tap, or `None` if the caller gave no time.
    pub at: Option<UnixMillis>,
    /// The number of accepted taps of this tag, including the last accepted tap. The number stops at `u32::MAX`.
    pub taps: u32,
}
