//! Defines the traits for counter stores, and decides whether a counter advances.

use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

/// The result of [`CounterStore::advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a tap is new only if the counter advanced"]
pub enum Advance {
    /// The counter was strictly greater than the stored one, or no counter was stored. The new counter is now stored.
    Advanced {
        /// The mark that was stored before, or `None` for the first tap of a tag.
        previous: Option<Mark>,
        /// The mark that is stored now.
        now: Mark,
    },
    /// The counter was equal to or lower than the stored one. Nothing changed.
    Stale {
        /// The stored mark, which did not change.
        stored: Mark,
    },
}

impl Advance {
    /// Decides whether a verified tap with the counter `ctr` advances the mark `stored`, and returns the result.
    ///
    /// Use this function in a store that reads and writes the mark under its own lock.
    pub fn decide(stored: Option<Mark>, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Self {
        match stored {
            Some(stored) if ctr <= stored.ctr => Self::Stale { stored },
            previous => {
                let taps = previous.map_or(0, |mark| mark.taps).saturating_add(1);
                Self::Advanced { previous, now: Mark { ctr, at, taps } }
            }
        }
    }

    /// Checks the answer of a store for a tap with the counter `ctr`. Returns `Stale` instead of `Advanced` if the
    /// reported previous counter is equal to or greater than `ctr`. This check rejects a replay that a faulty store
    /// accepted, as long as the store reports the previous mark.
    pub(crate) fn checked(self, ctr: SdmReadCtr) -> Self {
        match self {
            Self::Advanced { previous: Some(stored), .. } if ctr <= stored.ctr => Self::Stale { stored },
            advance => advance,
        }
    }
}

/// Stores the last accepted counter of each tag.
///
/// A store has one method, [`advance`](Self::advance). In one atomic step, this method compares the new counter with
/// the stored one, and stores the new counter if it is greater. There is no separate read or write, so two copies of a
/// tap cannot both pass.
///
/// **The security of your service depends on your store. Run the checks of the module `conformance` (feature
/// `conformance`) against your store.** These checks detect an off-by-one comparison, a race, and a mark that is lost
/// in a restart.
///
/// # Contract
/// - [`advance`](Self::advance) is atomic. If several concurrent calls have the same counter id and the same new
///   counter, exactly one call advances the counter.
/// - A counter never decreases, not even after a restart. The new mark must therefore be durable before `advance`
///   returns.
/// - The counters of different ids are independent of each other.
/// - `Err` means that the outcome is unknown. The caller rejects the tap.
///
/// The trait is dyn-safe, and a `&mut` reference to a store is also a store.
///
/// The counter id is a keyed pseudonym of the tag. Store the marks in a separate table and not in the tag's row.
/// Otherwise, the row would link the pseudonym to the tag. To find the mark of a tag, for example for support, compute
/// `key.prepare(scheme).counter_id(Some(uid))`.
///
/// # A store on a database
///
/// A store on a database needs one conditional upsert. The package in `tests/checks/peers` compiles the code below and
/// runs it against SQLite. For PostgreSQL, use the same statements, but with `BYTEA` instead of `BLOB` and `$1` instead
/// of `?1`.
///
/// With SQLite, set `PRAGMA synchronous = EXTRA`. With `FULL` and a rollback journal, a power failure can undo the last
/// commit. The store would then accept the tap of that commit again.
///
/// All requests of a service share one store. Implement the trait for a reference or a handle, for example `impl
/// CounterStore for &Pool`. Then pass `&mut &pool`. The tutorial service in `examples/axum` does so.
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

    /// Advances the counter of `id` to `ctr` if `ctr` is strictly greater than the stored counter or if no counter is
    /// stored. `at` is the time to store with the counter.
    ///
    /// # Errors
    /// Returns the store's error if the outcome is unknown. The caller must then reject the tap.
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
/// Both traits have the same contract. This trait is not dyn-safe, because its method returns a future of the store's
/// own type. The future therefore needs no heap.
///
/// If a future is dropped before it completes, the counter may or may not have advanced. In either case, treat the tap
/// as used.
///
/// The trait does not require `Send` futures, so it also works with single-threaded executors. If the futures of a
/// store are `Send`, all futures built on them are also `Send`. Code that is generic over the store cannot rely on
/// `Send` futures. In generic code, use [`SendCounterStore`](crate::SendCounterStore) as the bound, and pass `&mut
/// Sendable(store)`.
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
    /// Returns the store's error if the outcome is unknown. The caller must then reject the tap.
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

/// Adapts a [`CounterStore`] to [`AsyncCounterStore`]. A call to the store blocks the task until the call returns.
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

    /// NT4H2421Gx §9.3: only a counter that is strictly greater than the last accepted one is accepted.
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
