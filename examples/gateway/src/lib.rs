//! Code that the programs of this package share.

#![no_std]

#[cfg(feature = "flash")]
pub mod flash;
