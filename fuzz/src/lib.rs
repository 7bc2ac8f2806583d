//! Code that the fuzz targets share: generated tags, edits of taps, and a counter store that counts its advances.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fuzz target fails by panicking")]

pub mod c;
pub mod edits;
pub mod tags;
pub mod watched;
