//! Derives the keys of many tags from one secret.

pub mod an10922;
pub mod boltcard;
pub mod ecode;
#[cfg(feature = "sdm-backend")]
pub mod sdm_backend;
