//! The admission of one tap: it waits while the host calls its store.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use suntap::{Advance, CommitError, Error, UnixMillis};
use suntap_bindings::presented;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::link::{HostStore, Link, StoreFailed};
use crate::{Failure, Mark, Tap, on_wiped_stack};

type Outcome = Pin<Box<dyn Future<Output = Result<Tap, Failure>>>>;

/// A verified tap that waits for the answer of the store.
///
/// The future owns the verified tap and a reference to the keys. It ends when the host answers, or when the host frees
/// the admission.
#[wasm_bindgen]
pub struct Admission {
    link: Rc<Link>,
    outcome: Option<Outcome>,
    counter_id: String,
    ctr: u32,
}

impl Admission {
    pub(crate) fn begin(
        verifier: Rc<suntap_bindings::Verifier>,
        tap: String,
        at: Option<UnixMillis>,
    ) -> Result<Self, Failure> {
        let link = Rc::new(Link::default());
        let mut store = HostStore(Rc::clone(&link));
        let mut outcome: Outcome = Box::pin(async move {
            let genuine = verifier.verify(presented(&tap)).map_err(Failure::tap)?;
            let fresh = genuine.commit_async(&mut store, at).await;
            Ok(Tap::of_fresh(&fresh.map_err(|error| Failure::tap(Error::Commit(error)))?))
        });
        match poll(&mut outcome) {
            Poll::Ready(Err(failure)) => Err(failure),
            Poll::Ready(Ok(_)) => Err(store_failed()),
            Poll::Pending => {
                let (id, ctr) = link.question.take().ok_or_else(store_failed)?;
                Ok(Self { link, outcome: Some(outcome), counter_id: id.to_string(), ctr: ctr.get() })
            }
        }
    }

    fn answer(&mut self, answer: Result<Advance, StoreFailed>) -> Result<Tap, Failure> {
        let mut outcome = self.outcome.take().ok_or_else(|| Failure::argument("the store answered twice"))?;
        self.link.answer.set(Some(answer));
        match poll(&mut outcome) {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => Err(store_failed()),
        }
    }
}

#[wasm_bindgen]
impl Admission {
    /// Returns the id under which the store keeps the counter.
    #[must_use]
    #[wasm_bindgen(getter, js_name = counterId)]
    pub fn counter_id(&self) -> String {
        self.counter_id.clone()
    }

    /// Returns the counter of the tap.
    #[must_use]
    #[wasm_bindgen(getter)]
    pub fn ctr(&self) -> u32 {
        self.ctr
    }

    /// Ends the admission: the store advanced the counter.
    ///
    /// # Errors
    /// Fails if the mark before the tap shows that the tap is a replay, or if a mark is invalid.
    pub fn advanced(&mut self, previous: Option<Mark>, now: Mark) -> Result<Tap, Failure> {
        let previous = previous.map(|mark| mark.read().ok_or(StoreFailed)).transpose();
        let now = now.read().ok_or(StoreFailed);
        self.answer(previous.and_then(|previous| Ok(Advance::Advanced { previous, now: now? })))
    }

    /// Ends the admission: the stored counter is not lower.
    ///
    /// # Errors
    /// Always fails, because the tap is a replay.
    pub fn stale(&mut self, stored: Mark) -> Result<Tap, Failure> {
        self.answer(stored.read().ok_or(StoreFailed).map(|stored| Advance::Stale { stored }))
    }

    /// Ends the admission: the store failed.
    ///
    /// # Errors
    /// Always fails, because the counter may or may not have advanced.
    pub fn failed(&mut self) -> Result<Tap, Failure> {
        self.answer(Err(StoreFailed))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").field("ctr", &self.ctr).finish_non_exhaustive()
    }
}

fn poll(outcome: &mut Outcome) -> Poll<Result<Tap, Failure>> {
    on_wiped_stack(|| outcome.as_mut().poll(&mut Context::from_waker(Waker::noop())))
}

fn store_failed() -> Failure {
    Failure::tap(Error::Commit(CommitError::Store(StoreFailed)))
}
