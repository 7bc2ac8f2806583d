//! Counters.

use suntap::{CounterId, Mark, SdmReadCtr};

use super::{Act, Admin, AdminError};
use crate::registry::document::{StoredKeys, Tag};
use crate::store::Change;

/// The counter of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter {
    /// The counter id.
    pub id: CounterId,
    /// The last accepted tap, if there is one.
    pub mark: Option<Mark>,
}

impl Admin<'_> {
    /// Returns the counter of a tag.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, if its counter id is unknown, or if the store fails.
    pub async fn counter(&self, key: &str) -> Result<Counter, AdminError> {
        let found = self.tag(key).await?;
        Ok(Counter { id: counter_id(&found.tag)?, mark: found.mark })
    }

    /// Raises the counter of a tag, so that taps up to `ctr` are refused. Never lowers it. Returns the counter after that, and
    /// `false` if the stored counter was at least `ctr` already.
    ///
    /// # Errors
    /// Returns an error if there is no such tag, if its counter id is unknown, or if the store fails.
    pub async fn raise_counter(&self, key: &str, ctr: SdmReadCtr) -> Result<(Counter, bool), AdminError> {
        let mut attempts = 0;
        loop {
            let Counter { id, mark } = self.counter(key).await?;
            if mark.is_some_and(|mark| mark.ctr >= ctr) {
                return Ok((Counter { id, mark }, false));
            }
            // Time and number are those of taps, and this is none. A tap that is accepted at the same time counts on.
            let raised = Mark { ctr, at: mark.and_then(|mark| mark.at), taps: mark.map_or(0, |mark| mark.taps) };
            let change = Change { marks: vec![(id, raised)], ..Change::default() };
            let detail = format!("to {}", ctr.get());
            if self.write(Act::new("counter.raise", key).with(&detail), change, &mut attempts).await? {
                let mark = self.store.read(&[], Some(&id)).await?.mark;
                return Ok((Counter { id, mark }, true));
            }
        }
    }
}

fn counter_id(tag: &Tag<StoredKeys>) -> Result<CounterId, AdminError> {
    tag.keys.as_ref().and_then(|keys| keys.counter).ok_or_else(|| {
        AdminError::refused(
            "counter_unknown",
            "the counter id of the tag is unknown: it depends on keys that are missing, or that only a tap can open",
        )
    })
}
