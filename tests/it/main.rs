//! All integration tests, in one program. Run the tests of one subject with `cargo test -p suntap-tests SUBJECT`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod architecture;
mod batch;
#[cfg(feature = "certificate")]
mod certificate;
mod chips;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(all(feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod diagnose;
#[cfg(feature = "dialects")]
mod dialects;
#[cfg(all(feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod doctor_cases;
#[cfg(all(feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod doctor_measured;
#[cfg(all(feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod doctor_pitfalls;
#[cfg(feature = "ecdsa")]
mod doctor_signed;
#[cfg(feature = "ecdsa")]
mod ecdsa;
#[cfg(feature = "emulator")]
mod emulator;
#[cfg(all(feature = "flash", feature = "conformance"))]
mod flash;
#[cfg(feature = "dialects")]
mod golden;
mod identify;
// loom does not support all processors.
#[cfg(all(feature = "token", target_arch = "x86_64"))]
mod interleavings;
mod keys;
mod layout;
#[cfg(all(feature = "dialects", feature = "lrp", feature = "sdm-backend"))]
mod leaks;
mod neighbours;
mod properties;
mod risk;
#[cfg(feature = "platform")]
mod rules;
#[cfg(feature = "serde")]
mod serde;
#[cfg(all(feature = "dialects", feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod service;
#[cfg(all(feature = "dialects", feature = "ecdsa", feature = "emulator"))]
mod service_ecdsa;
mod settings;
mod states;
#[cfg(feature = "token")]
mod token;
#[cfg(all(feature = "dialects", feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
mod types;
mod vectors;
mod verifier;
