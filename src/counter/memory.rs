//! Counters in memory: for tests, and for gateways that need not outlive a restart.

use core::fmt;

use heapless::index_map::{Entry, FnvIndexMap};

use super::{Advance, CounterStore};
use crate::types::{Mark, SdmReadCtr, TagId, UnixMillis};

/// Counters of at most `N` tags, kept inline without a heap. `N` is a power of two and at least 2; anything else does not
/// compile.
///
/// When `N` tags are known, the first tap of another is refused with [`Full`]: forgetting a tag would make its old taps new
/// again. It forgets everything when dropped, so what it accepted is accepted again after a restart.
///
/// ```
/// use suntap::{Advance, CounterStore, MemoryCounters, SdmReadCtr, TagId};
///
/// let mut counters = MemoryCounters::<64>::new();
/// let tag = TagId::from_bytes([1; 16]);
/// let ctr = SdmReadCtr::new(61).unwrap();
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Advanced { previous: None, .. }));
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
/// # Ok::<(), suntap::Full>(())
/// ```
#[derive(Debug, Default)]
pub struct MemoryCounters<const N: usize> {
    marks: FnvIndexMap<TagId, Mark, N>,
}

impl<const N: usize> MemoryCounters<N> {
    /// A store that has seen no tap.
    #[must_use]
    pub const fn new() -> Self {
        Self { marks: FnvIndexMap::new() }
    }
}

impl<const N: usize> CounterStore for MemoryCounters<N> {
    type Error = Full;

    fn advance(&mut self, tag: &TagId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        match self.marks.entry(*tag) {
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

/// A [`MemoryCounters`] knows as many tags as it can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no room for another tag")
    }
}

impl core::error::Error for Full {}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(byte: u8) -> TagId {
        TagId::from_bytes([byte; 16])
    }

    #[test]
    fn full_is_an_error_and_evicts_nobody() {
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
    fn it_reports_what_was_there() {
        let mut counters = MemoryCounters::<2>::new();
        let (five, nine) = (SdmReadCtr::new(5).unwrap(), SdmReadCtr::new(9).unwrap());
        let first = Mark { ctr: five, at: Some(UnixMillis(10)), taps: 1 };
        let second = Mark { ctr: nine, at: None, taps: 2 };
        assert_eq!(
            counters.advance(&tag(1), five, Some(UnixMillis(10))),
            Ok(Advance::Advanced { previous: None, now: first })
        );
        assert_eq!(counters.advance(&tag(1), nine, None), Ok(Advance::Advanced { previous: Some(first), now: second }));
        assert_eq!(counters.advance(&tag(1), five, None), Ok(Advance::Stale { stored: second }));
    }
}
