//! Counter stores for tests: without a limit, shared, and failing on request.

use core::convert::Infallible;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use suntap::{Advance, AsyncCounterStore, CounterId, CounterStore, Mark, SdmReadCtr, UnixMillis};

/// A store without a limit.
#[derive(Clone, Debug, Default)]
pub struct MapCounters(pub HashMap<CounterId, Mark>);

impl CounterStore for MapCounters {
    type Error = Infallible;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Infallible> {
        let advance = Advance::decide(self.0.get(id).copied(), ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            self.0.insert(*id, now);
        }
        Ok(advance)
    }
}

/// A handle on a store that threads or tasks share.
#[derive(Debug, Default)]
pub struct SharedCounters<S>(pub Arc<Mutex<S>>);

impl<S> SharedCounters<S> {
    pub fn new(store: S) -> Self {
        Self(Arc::new(Mutex::new(store)))
    }
}

impl<S> Clone for SharedCounters<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: CounterStore> CounterStore for SharedCounters<S> {
    type Error = S::Error;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, S::Error> {
        self.0.lock().unwrap().advance(id, ctr, at)
    }
}

impl<S: CounterStore> AsyncCounterStore for SharedCounters<S> {
    type Error = S::Error;

    async fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, S::Error> {
        core::future::ready(()).await;
        self.0.lock().unwrap().advance(id, ctr, at)
    }
}

/// A store that fails on request, before or after it advances the counter.
#[derive(Debug, Default)]
pub struct FailingCounters<S> {
    pub counters: S,
    /// `Some(false)` makes the next call fail before it advances the counter, and `Some(true)` after that. Each call
    /// resets this to `None`.
    pub fail: Option<bool>,
}

/// The error of a [`FailingCounters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed<E> {
    /// The failure was requested.
    Told,
    /// The inner store failed.
    Store(E),
}

impl<S: CounterStore> CounterStore for FailingCounters<S> {
    type Error = Failed<S::Error>;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        let fail = self.fail.take();
        if fail == Some(false) {
            return Err(Failed::Told);
        }
        let advance = self.counters.advance(id, ctr, at).map_err(Failed::Store)?;
        if fail.is_some() { Err(Failed::Told) } else { Ok(advance) }
    }
}
