//! All integration tests, in one program: a test of one subject is `cargo test --all-features --test it SUBJECT`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod batch;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(all(feature = "emulator", feature = "lrp", feature = "nfcdeveloper"))]
mod diagnose;
#[cfg(feature = "dialects")]
mod dialects;
mod doctor_example;
#[cfg(all(feature = "emulator", feature = "lrp"))]
mod emulator;
#[cfg(all(feature = "flash", feature = "conformance"))]
mod flash;
#[cfg(feature = "dialects")]
mod golden;
mod house;
mod identify;
mod keys;
mod layout;
mod leaks;
mod neighbours;
mod properties;
mod rules;
mod settings;
mod states;
mod vectors;
mod verifier;
mod verify_example;
