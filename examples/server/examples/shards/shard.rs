//! One database with a part of the marks.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use suntap::{Advance, CounterId, Mark, SdmReadCtr};

/// A request that waits for a shard.
pub(crate) struct Call {
    pub(crate) tap: usize,
    pub(crate) attempt: u32,
    /// When the front gives up.
    pub(crate) deadline: Duration,
}

#[derive(Default)]
pub(crate) struct Shard {
    pub(crate) is_down: bool,
    /// The call that is being decided.
    pub(crate) current: Option<Call>,
    pub(crate) queue: VecDeque<Call>,
    marks: HashMap<CounterId, Mark>,
}

impl Shard {
    /// Returns the number of calls that have not been answered.
    pub(crate) fn calls(&self) -> usize {
        self.queue.len().saturating_add(usize::from(self.current.is_some()))
    }

    /// Returns `true` if the counter advances.
    pub(crate) fn advance(&mut self, id: CounterId, ctr: SdmReadCtr) -> bool {
        match Advance::decide(self.marks.get(&id).copied(), ctr, None) {
            Advance::Advanced { now, .. } => {
                self.marks.insert(id, now);
                true
            }
            Advance::Stale { .. } => false,
        }
    }
}
