//! The crate `ntag424` on a set of taps, in a build without suntap.

#[path = "../../src/peer.rs"]
pub mod peer;
