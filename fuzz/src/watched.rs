//! The tags of the golden files, with a counter store that counts its advances.

use std::sync::OnceLock;

use suntap::platform::Verdict;
use suntap::{Advance, CounterId, CounterStore, Full, MemoryCounters, SdmReadCtr, UnixMillis};

use suntap_testkit::registry::Tags;
use suntap_testkit::world;

/// A counter store that counts how often it advances a counter.
#[derive(Default)]
pub struct Watched {
    counters: MemoryCounters<32>,
    pub moved: u32,
}

impl CounterStore for Watched {
    type Error = Full;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        let advance = self.counters.advance(id, ctr, at)?;
        self.moved += u32::from(matches!(advance, Advance::Advanced { .. }));
        Ok(advance)
    }
}

impl Watched {
    /// Asserts that exactly one counter moved since `before` if the verdict is fresh, and that none moved otherwise.
    /// Only one verdict of a run can be fresh, because a run repeats one request.
    pub fn agrees<E>(&self, before: u32, verdict: Option<&Result<Verdict, E>>) {
        let fresh = matches!(verdict, Some(Ok(Verdict::Fresh(_))));
        assert_eq!(self.moved - before, u32::from(fresh));
        assert!(!fresh || before == 0, "the same request passed twice");
    }
}

/// Calls `run` with the tags of the golden files and an empty store.
pub fn watched(run: impl FnOnce(&Tags, &mut Watched)) {
    static TAGS: OnceLock<Tags> = OnceLock::new();
    run(TAGS.get_or_init(world::tags), &mut Watched::default());
}
