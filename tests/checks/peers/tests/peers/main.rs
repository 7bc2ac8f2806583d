//! Tests of suntap with `ntag424`, a database and an HTTP server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod agreement;
mod registry;
mod sql;
