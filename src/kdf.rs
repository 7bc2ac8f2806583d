//! Key derivation: from one master key to the keys of many tags.

pub mod an10922;
