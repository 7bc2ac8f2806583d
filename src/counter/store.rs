//! Defines the traits for counter stores, and decides whether a counter advances.

use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

/// The result of [`CounterStore::advance`]. A [`Mark`] is the record that a store keeps for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a tap is new only if the counter advanced"]
pub enum Advance {
    /// The new counter was greater than the stored one, or no counter was stored. The store now contains the new
    /// counter.
    Advanced {
        /// The mark that was stored before this tap, or `None` for the first tap of a tag.
        previous: Option<Mark>,
        /// The mark that is stored now.
        now: Mark,
    },
    /// The new counter was equal to or lower than the stored one. The store did not change.
    Stale {
        /// The stored mark, which did not change.
        stored: Mark,
    },
}

impl Advance {
    /// Compares the counter `ctr` of a verified tap with the mark `stored`, and returns the result. If the counter
    /// advances, the new mark in the result contains the time `at`.
    ///
    /// This function does not store the new mark. Use this function in a store that reads and writes marks under its
    /// own lock.
    pub fn decide(stored: Option<Mark>, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Self {
        match stored {
            Some(stored) if ctr <= stored.ctr => Self::Stale { stored },
            previous => {
                let taps = previous.map_or(0, |mark| mark.taps).saturating_add(1);
                Self::Advanced { previous, now: Mark { ctr, at, taps } }
            }
        }
    }

    /// Checks the result that a store returned for a tap with the counter `ctr`. Returns `Stale` instead of `Advanced`
    /// if the reported previous counter is equal to or greater than `ctr`. This check rejects a replay that a faulty
    /// store accepted. The check works only if the store reports the previous mark.
    pub(crate) fn checked(self, ctr: SdmReadCtr) -> Self {
        match self {
            Self::Advanced { previous: Some(stored), .. } if ctr <= stored.ctr => Self::Stale { stored },
            advance => advance,
        }
    }
}

/// Stores the last accepted counter of each tag.
///
/// A store has one method, [`advance`](Self::advance). In one atomic step, `advance` compares the new counter with the
/// stored one, and stores the new counter if it is greater. Two copies of a tap cannot both pass, because a store has
/// no separate read and write.
///
/// **The security of your service depends on your store. Run the checks of the module `conformance` (feature
/// `conformance`) against your store.** The checks detect, for example, an off-by-one comparison, a race condition, or
/// a stored counter that is lost on restart.
///
/// # Contract
/// - [`advance`](Self::advance) is atomic. If several concurrent calls try to advance one counter to the same greater
///   value, exactly one call advances the counter.
/// - A stored counter never decreases, not even after a restart. The new mark must therefore be durable before
///   `advance` returns.
/// - Counters with different counter ids are independent of each other.
/// - `Err` means that the outcome is unknown. The caller must reject the tap.
///
/// The trait is dyn-safe, and a `&mut` reference to a store is also a store.
///
/// The counter id is a pseudonym of the tag, computed with the tag's key. Store the marks in a table of their own, not
/// in the table that describes your tags. Otherwise, the table would link each pseudonym to a tag. To find the mark of
/// a tag, for example for a support request, compute the counter id with `key.prepare(scheme).counter_id(Some(uid))`.
///
/// # A store on a database
///
/// A store on a database needs one conditional upsert. The code below is for SQLite. For PostgreSQL, use the same
/// statements, but replace `BLOB` with `BYTEA`, and each `?` with `$` (for example, `?1` with `$1`). The package in
/// `tests/checks/peers` compiles the code below and runs it against SQLite.
///
/// In SQLite, set `PRAGMA synchronous = EXTRA`. With `synchronous = FULL` and a rollback journal, a power failure can
/// undo the last commit. The store would then accept the tap of the lost commit again.
///
/// All requests of a service share one store, but `advance` needs exclusive access (`&mut self`). To share the store,
/// implement the trait for a reference or a handle, for example `impl CounterStore for &Pool`. Each request then passes
/// its own reference: `&mut &pool`. The tutorial service in `examples/axum` is an example.
///
/// ```ignore
#[doc = include_str!("sql.in")]
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a counter store",
    note = "for a `Mutex`, pass `&mut *store.lock().unwrap()`",
    note = "for a handle whose reference implements the trait, pass `&mut &pool`; a plain `&` or `Arc` is not a store"
)]
pub trait CounterStore {
    /// The error of the store.
    type Error;

    /// Advances the counter of `id` to `ctr` if `ctr` is greater than the stored counter, or if no counter is stored.
    /// `at` is the time to store with the counter.
    ///
    /// # Errors
    /// Returns the store's error if the outcome is unknown. After an error, the caller must reject the tap.
    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error>;
}

impl<S: CounterStore + ?Sized> CounterStore for &mut S {
    type Error = S::Error;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        (**self).advance(id, ctr, at)
    }
}

/// The async counterpart of [`CounterStore`].
///
/// The contract is the same as for [`CounterStore`]. Each store returns its own type of future, so no heap is needed.
/// For the same reason, the trait is not dyn-safe.
///
/// If you drop a future before it completes, you cannot know whether the counter advanced. In this case, reject the
/// tap.
///
/// The trait does not require `Send` futures, so the trait also works with single-threaded executors. With a concrete
/// store type, the compiler knows whether the futures of the store are `Send`. Code that is generic over the store
/// cannot rely on `Send` futures. If generic code needs `Send` futures, use the bound
/// [`SendCounterStore`](crate::SendCounterStore), and pass the store to the verifier as `&mut Sendable(store)`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an async counter store",
    note = "for a blocking store, pass `&mut Blocking(store)`",
    note = "pass the store as `&mut store`, even if it is a handle to a lock or a pool: `&mut &pool`"
)]
pub trait AsyncCounterStore {
    /// The error of the store.
    type Error;

    /// Advances the counter of `id` like [`CounterStore::advance`].
    ///
    /// # Errors
    /// Returns the store's error if the outcome is unknown. After an error, the caller must reject the tap.
    fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> impl Future<Output = Result<Advance, Self::Error>>;
}

impl<S: AsyncCounterStore + ?Sized> AsyncCounterStore for &mut S {
    type Error = S::Error;

    fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> impl Future<Output = Result<Advance, Self::Error>> {
        (**self).advance(id, ctr, at)
    }
}

/// Adapts a [`CounterStore`] to [`AsyncCounterStore`]. Each call blocks the task until the store returns.
#[derive(Clone, Copy, Debug, Default)]
pub struct Blocking<S>(pub S);

impl<S: CounterStore> AsyncCounterStore for Blocking<S> {
    type Error = S::Error;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, Self::Error> {
        self.0.advance(id, ctr, at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ctr(value: u32) -> SdmReadCtr {
        SdmReadCtr::new(value).unwrap()
    }

    /// `decide` accepts only counters that are strictly greater than the stored counter. Source: NT4H2421Gx §9.3.
    #[test]
    fn only_strictly_greater_advances() {
        let stored = Mark { ctr: ctr(8), at: Some(UnixMillis::new(5)), taps: 3 };
        for lower in [0, 1, 7, 8] {
            assert_eq!(Advance::decide(Some(stored), ctr(lower), None), Advance::Stale { stored });
        }
        for higher in [9, 10, 0x00FF_FFFF] {
            let now = Mark { ctr: ctr(higher), at: None, taps: 4 };
            assert_eq!(
                Advance::decide(Some(stored), ctr(higher), None),
                Advance::Advanced { previous: Some(stored), now }
            );
        }
    }

    #[test]
    fn the_maximum_is_terminal_and_taps_saturate() {
        let stored = Mark { ctr: SdmReadCtr::MAX, at: None, taps: 1 };
        assert_eq!(Advance::decide(Some(stored), SdmReadCtr::MAX, None), Advance::Stale { stored });
        let worn = Mark { ctr: ctr(1), at: None, taps: u32::MAX };
        let Advance::Advanced { now, .. } = Advance::decide(Some(worn), ctr(2), None) else { panic!("2 exceeds 1") };
        assert_eq!(now.taps, u32::MAX);
    }
}
