//! Which tags are tapped, and when.

use std::time::Duration;

use anyhow::Context as _;
use fastrand::Rng;
use suntap::{CounterId, SdmReadCtr};

/// Arrivals stop at this time.
pub(crate) const END: Duration = Duration::from_secs(60);
/// Three quarters of what eight shards decide.
const TAPS_PER_SECOND: f64 = 1200.0;
const TAGS: u32 = 100_000;
/// A chip is not read more often. Within this time, further requests have a copy of its last URL.
const READ: Duration = Duration::from_millis(500);

struct Tag {
    id: CounterId,
    ctr: u32,
    next_read: Duration,
}

pub(crate) struct Traffic {
    rng: Rng,
    tags: Vec<Tag>,
    /// The sum of the weights up to each tag.
    weights: Vec<f64>,
}

impl Traffic {
    pub(crate) fn new(skewed: bool, seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let id = |rng: &mut Rng| CounterId::from_bytes(rng.u128(..).to_be_bytes());
        let tags = (0..TAGS).map(|_| Tag { id: id(&mut rng), ctr: 0, next_read: Duration::ZERO }).collect();
        // Zipf's law: the nth tag is tapped 1/n times as often as the first.
        let weight = |rank: u32| if skewed { 1.0 / f64::from(rank) } else { 1.0 };
        let weights = (1..=TAGS).scan(0.0, |sum, rank| {
            *sum += weight(rank);
            Some(*sum)
        });
        Self { weights: weights.collect(), rng, tags }
    }

    /// Returns the time until the next tap.
    pub(crate) fn pause(&mut self) -> Duration {
        exponential(&mut self.rng, 1.0 / TAPS_PER_SECOND)
    }

    /// Returns the counter id of the most popular tag.
    pub(crate) fn first(&self) -> Option<CounterId> {
        self.tags.first().map(|tag| tag.id)
    }

    /// Returns the next tap: a new one, or a copy of the last tap of its tag.
    pub(crate) fn tap(&mut self, now: Duration) -> anyhow::Result<(CounterId, SdmReadCtr)> {
        let place = self.rng.f64() * self.weights.last().context("no tags")?;
        let number = self.weights.partition_point(|sum| *sum <= place);
        let tag = self.tags.get_mut(number).context("the weights do not fit the tags")?;
        if now >= tag.next_read {
            tag.ctr = tag.ctr.saturating_add(1);
            tag.next_read = now.saturating_add(READ);
        }
        Ok((tag.id, SdmReadCtr::new(tag.ctr).context("the counter is exhausted")?))
    }
}

/// Returns a random time with this mean, in seconds.
pub(crate) fn exponential(rng: &mut Rng, mean: f64) -> Duration {
    Duration::try_from_secs_f64(-mean * (1.0 - rng.f64()).ln()).unwrap_or_default()
}
