//! Keeps counters in memory, for tests and for gateways whose counters do not need to survive a restart.

use core::fmt;

use heapless::index_map::{Entry, FnvIndexMap};

use super::store::{Advance, CounterStore};
use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

/// A counter store in memory for at most `N` tags. The store keeps one [`Mark`] for each tag, and needs no heap.
///
/// **Create one store for the whole program**, not one for each request. If you drop a store, the counters of all tags
/// are lost. A new, empty store would accept old taps again.
///
/// The store needs about 52 bytes for each of the `N` tags. A large store can overflow the stack. `Box::new` does not
/// help, because it builds the store on the stack first. If `N` is greater than about 1,000, put the store in a
/// `static`:
///
/// ```
/// use std::sync::Mutex;
/// use suntap::MemoryCounters;
///
/// static COUNTERS: Mutex<MemoryCounters<16384>> = Mutex::new(MemoryCounters::new());
/// # drop(COUNTERS.lock());
/// ```
///
/// `N` must be a power of two from 2 to 32768. Any other value does not compile:
///
/// ```compile_fail,E0080
/// let _ = suntap::MemoryCounters::<65536>::new();
/// ```
///
/// A store that contains `N` tags rejects the taps of all other tags with [`Full`]. The store never removes a tag to
/// make space, because the old taps of the removed tag would then be accepted again.
///
/// ```
/// use suntap::{Advance, CounterStore, MemoryCounters, SdmReadCtr, CounterId};
///
/// let mut counters = MemoryCounters::<64>::new();
/// let tag = CounterId::from_bytes([1; 16]);
/// let ctr = SdmReadCtr::new(61).unwrap();
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Advanced { previous: None, .. }));
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
/// # Ok::<(), suntap::Full>(())
/// ```
#[derive(Debug)]
pub struct MemoryCounters<const N: usize> {
    marks: FnvIndexMap<CounterId, Mark, N>,
}

impl<const N: usize> MemoryCounters<N> {
    /// Creates an empty store.
    #[must_use]
    pub const fn new() -> Self {
        // The map stores indices in 16 bits. With an `N` above 32768, the map would silently lose entries.
        const { assert!(N.is_power_of_two() && N >= 2 && N <= 1 << 15, "N must be a power of two from 2 to 32768") };
        Self { marks: FnvIndexMap::new() }
    }
}

impl<const N: usize> Default for MemoryCounters<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> CounterStore for MemoryCounters<N> {
    type Error = Full;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        match self.marks.entry(*id) {
            Entry::Occupied(mut entry) => {
                let advance = Advance::decide(Some(*entry.get()), ctr, at);
                if let Advance::Advanced { now, .. } = advance {
                    *entry.get_mut() = now;
                }
                Ok(advance)
            }
            Entry::Vacant(entry) => {
                let advance = Advance::decide(None, ctr, at);
                if let Advance::Advanced { now, .. } = advance {
                    entry.insert(now).map_err(|_| Full)?;
                }
                Ok(advance)
            }
        }
    }
}

/// The error of [`MemoryCounters`]: the store already contains `N` tags, and the tap is from a tag that the store does
/// not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store already holds as many tags as it can")
    }
}

impl core::error::Error for Full {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(byte: u8) -> CounterId {
        CounterId::from_bytes([byte; 16])
    }

    #[test]
    fn full_store_returns_an_error_and_evicts_no_tag() {
        let mut counters = MemoryCounters::<2>::new();
        let one = SdmReadCtr::new(1).unwrap();
        for known in [1, 2] {
            assert!(matches!(counters.advance(&tag(known), one, None), Ok(Advance::Advanced { .. })));
        }
        assert_eq!(counters.advance(&tag(3), one, None), Err(Full));
        for known in [1, 2] {
            assert!(matches!(counters.advance(&tag(known), one, None), Ok(Advance::Stale { .. })));
            let two = SdmReadCtr::new(2).unwrap();
            assert!(matches!(counters.advance(&tag(known), two, None), Ok(Advance::Advanced { .. })));
        }
    }

    #[test]
    fn largest_store_keeps_every_tag() {
        static COUNTERS: std::sync::Mutex<MemoryCounters<32768>> = std::sync::Mutex::new(MemoryCounters::new());
        let mut counters = COUNTERS.lock().unwrap();
        let one = SdmReadCtr::new(1).unwrap();
        let tags = (0..32768u128).map(|number| CounterId::from_bytes(number.to_be_bytes()));
        for tag in tags.clone() {
            assert!(matches!(counters.advance(&tag, one, None), Ok(Advance::Advanced { .. })));
        }
        for tag in tags {
            assert!(matches!(counters.advance(&tag, one, None), Ok(Advance::Stale { .. })));
        }
        assert_eq!(counters.advance(&CounterId::from_bytes([0xFF; 16]), one, None), Err(Full));
    }

    #[test]
    fn advance_reports_the_previous_mark() {
        let mut counters = MemoryCounters::<2>::new();
        let (five, nine) = (SdmReadCtr::new(5).unwrap(), SdmReadCtr::new(9).unwrap());
        let first = Mark { ctr: five, at: Some(UnixMillis::new(10)), taps: 1 };
        let (later, second) = (Some(UnixMillis::new(11)), Mark { ctr: nine, at: Some(UnixMillis::new(11)), taps: 2 });
        assert_eq!(
            counters.advance(&tag(1), five, Some(UnixMillis::new(10))),
            Ok(Advance::Advanced { previous: None, now: first })
        );
        assert_eq!(
            counters.advance(&tag(1), nine, later),
            Ok(Advance::Advanced { previous: Some(first), now: second })
        );
        assert_eq!(counters.advance(&tag(1), five, None), Ok(Advance::Stale { stored: second }));
    }
}
