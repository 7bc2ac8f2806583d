//! Code that the tests, fuzzers, benches and checks of suntap share.
//!
//! [`Tag`] is a tag in software. It is written from the data sheet and uses the crates `aes` and `cmac`. It uses no
//! code of suntap, so one mistake cannot hide in both.

#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::return_self_not_must_use,
    reason = "a test fails by panicking, and this package is not published"
)]

use core::pin::pin;
use core::task::{Context, Poll, Waker};

#[cfg(feature = "lrp")]
pub mod faults;
#[cfg(feature = "flash")]
pub mod flash;
pub mod line;
#[cfg(feature = "ntag424")]
pub mod peer;
pub mod planted;
#[cfg(feature = "platform")]
pub mod registry;
#[cfg(feature = "lrp")]
pub mod setup;
pub mod stores;
mod tag;
#[cfg(feature = "platform")]
pub mod world;

pub use tag::{Tag, Tap, Written, sdm_mac};

/// Polls a future once and returns its output.
///
/// # Panics
/// Panics if the future is pending.
pub fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future is pending"),
    }
}
