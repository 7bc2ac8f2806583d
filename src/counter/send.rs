//! Defines a trait for async counter stores. The trait is for generic code that moves futures between threads.

use super::store::{Advance, AsyncCounterStore};
use crate::value::{CounterId, SdmReadCtr, UnixMillis};

/// The counterpart of [`AsyncCounterStore`] with futures that are `Send`.
///
/// Code with a concrete store type does not need this trait, because the compiler knows whether the futures of that
/// type are `Send`. In generic code, the bound [`AsyncCounterStore`] does not guarantee `Send` futures. In such code,
/// use the bound `SendCounterStore` instead, and wrap the store in [`Sendable`]:
///
/// ```
/// use suntap::{SdmFileReadKey, SendCounterStore, Sendable, Verifier};
///
/// fn spawn<F: Future<Output: Send> + Send + 'static>(task: F) {
///     // A placeholder for `tokio::spawn`.
/// #   let _ = task;
/// }
///
/// fn handle<S: SendCounterStore + Send + 'static>(verifier: &'static Verifier<SdmFileReadKey>, url: String, store: S) {
///     spawn(async move { verifier.admit_async(&url, &mut Sendable(store), None).await.is_ok() });
/// }
/// ```
pub trait SendCounterStore {
    /// The error of the store.
    type Error: Send;

    /// Advances the counter of `id` like [`CounterStore::advance`](crate::CounterStore::advance).
    ///
    /// # Errors
    /// Returns the store's error if the outcome is unknown. After an error, the caller must reject the tap.
    fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> impl Future<Output = Result<Advance, Self::Error>> + Send;
}

/// Adapts a [`SendCounterStore`] to [`AsyncCounterStore`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Sendable<S>(pub S);

impl<S: SendCounterStore> AsyncCounterStore for Sendable<S> {
    type Error = S::Error;

    fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> impl Future<Output = Result<Advance, Self::Error>> {
        self.0.advance(id, ctr, at)
    }
}
