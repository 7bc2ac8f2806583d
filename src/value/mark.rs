//! The record that a counter store keeps of a tag.

use super::ctr::SdmReadCtr;

/// Milliseconds since 1970-01-01T00:00:00Z, as the caller's clock has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

/// What a store remembers of a tag: the last tap it accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The counter of that tap.
    pub ctr: SdmReadCtr,
    /// When it was accepted; `None` where the caller has no clock.
    pub at: Option<UnixMillis>,
    /// How many taps of this tag were accepted, that one included. It stays at `u32::MAX` once there.
    pub taps: u32,
}
