//! Connects the counter store that suntap calls with the answer that the host gives later.

use alloc::rc::Rc;
use core::cell::Cell;
use core::future::poll_fn;
use core::task::Poll;

use suntap::{Advance, AsyncCounterStore, CounterId, SdmReadCtr, UnixMillis};

/// The store of the host failed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreFailed;

/// The question of a store, and its answer.
#[derive(Default)]
pub(crate) struct Link {
    pub(crate) question: Cell<Option<(CounterId, SdmReadCtr)>>,
    pub(crate) answer: Cell<Option<Result<Advance, StoreFailed>>>,
}

/// A store that waits for the answer.
pub(crate) struct HostStore(pub(crate) Rc<Link>);

impl AsyncCounterStore for HostStore {
    type Error = StoreFailed;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        _: Option<UnixMillis>,
    ) -> Result<Advance, StoreFailed> {
        self.0.question.set(Some((*id, ctr)));
        poll_fn(|_| self.0.answer.take().map_or(Poll::Pending, Poll::Ready)).await
    }
}
