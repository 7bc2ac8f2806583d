//! What an operator sees of a running server.

pub mod log;
pub(crate) mod metrics;
