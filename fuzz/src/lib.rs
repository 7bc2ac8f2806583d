//! Code that the fuzz targets share: generated tags, and a counter store that counts its advances.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a fuzz target fails by panicking")]

pub mod tags;
pub mod watched;
