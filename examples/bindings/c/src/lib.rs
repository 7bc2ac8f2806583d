//! suntap for C. `include/suntap.h` declares what this library exports.
//!
//! There is no heap and no global state: the caller owns all memory. Only the modules [`api`], `border` and `abort`
//! contain `unsafe` code. The modules between them see references and slices.

#![no_std]

// A build that unwinds has the panic handler of `std`: a test or a fuzz target.
#[cfg(panic = "abort")]
mod abort;
pub mod api;
mod border;
mod mark;
mod problem;
mod settings;
mod store;
mod tap;
mod texts;
mod verifier;

pub use mark::Mark;
pub use settings::{Key, Settings};
pub use store::{AdvanceFn, SUNTAP_ADVANCED, SUNTAP_FAILED, SUNTAP_STALE, Store};
pub use tap::{
    SUNTAP_FILE_DATA_SIZE, SUNTAP_SEAL_CLOSED, SUNTAP_SEAL_NONE, SUNTAP_SEAL_OPEN, SUNTAP_SEAL_OPENED_BEFORE,
    SUNTAP_SEAL_UNKNOWN, Tap,
};
pub use texts::{SUNTAP_WHY_SIZE, Why};
pub use verifier::{SUNTAP_VERIFIER_ALIGN, SUNTAP_VERIFIER_SIZE, VerifierBuffer};

#[cfg(test)]
extern crate std;

#[cfg(test)]
mod tests;
