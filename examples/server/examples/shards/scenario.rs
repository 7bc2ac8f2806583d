//! What differs between two rows of the table.

use std::ops::Range;

/// Which taps there are, which shard fails, how long calls wait, and what clients do then.
pub(crate) struct Scenario(pub(crate) Load, pub(crate) Front, pub(crate) Retries);

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Load {
    Uniform,
    /// Some tags are tapped far more often than others.
    Skewed,
    /// A shard stops.
    Dead,
    /// A shard stops, and returns.
    Returns,
}

/// How many calls wait in the front. A call that does not fit is answered with 503 at once.
#[derive(Debug)]
pub(crate) enum Front {
    /// 32 calls for each shard: 160 ms of work.
    Short,
    /// 1,000 calls for each shard: 5 s of work, so that an answer can come after its client has left.
    Long,
    /// 256 calls for all shards together, as many as `Short` has.
    Shared,
}

/// What a client does after 503 or a time-out.
#[derive(Debug)]
pub(crate) enum Retries {
    None,
    /// Tries up to 20 times, with 100 ms between two attempts.
    Naive,
    /// Tries up to 5 times, after random pauses that double, and with at most one retry for ten taps, whatever their shards.
    Careful,
}

impl Scenario {
    /// Returns the seconds in which the shard of the most popular tag is down.
    pub(crate) fn outage(&self) -> Option<Range<u64>> {
        match self.0 {
            Load::Uniform | Load::Skewed => None,
            Load::Dead => Some(10..u64::MAX),
            Load::Returns => Some(10..20),
        }
    }
}
