//! Derives the keys of many tags from one secret.

pub mod an10922;
pub mod boltcard;
pub mod ecode;
pub mod plain_cmac;
#[cfg(feature = "sdm-backend")]
pub mod sdm_backend;
