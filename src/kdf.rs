//! Key derivation: from one secret to the keys of many tags.

pub mod an10922;
pub mod boltcard;
pub mod ecode;
#[cfg(feature = "sdm-backend")]
pub mod sdm_backend;
