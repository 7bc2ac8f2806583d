//! What fuzz targets share: tags that a fuzzer makes up, and counters that are watched.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fuzzer finds what panics")]

pub mod tags;
pub mod watched;
