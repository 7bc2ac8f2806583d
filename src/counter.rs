//! Defines counter stores, which keep the last accepted counter of each tag.

#[cfg(feature = "flash")]
mod flash;
mod memory;
#[cfg(any(feature = "conformance", feature = "flash", feature = "platform"))]
mod ready;
mod send;
mod store;

#[cfg(feature = "flash")]
pub use flash::{FlashCounters, FlashError};
pub use memory::{Full, MemoryCounters};
#[cfg(any(feature = "conformance", feature = "platform"))]
pub(crate) use ready::run_ready;
pub use send::{SendCounterStore, Sendable};
pub use store::{Advance, AsyncCounterStore, Blocking, CounterStore};
