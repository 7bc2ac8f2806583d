//! Code that the fuzz targets share: generated tags, and counters that count their moves.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fuzzer finds what panics")]

pub mod tags;
pub mod watched;
