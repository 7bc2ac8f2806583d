//! The APIs of ixkio and ETRNL over HTTP, on suntap.

mod cache;
pub mod check;
mod demo;
pub mod document;
mod hex;
pub mod http;
pub mod import;
pub mod keys;
mod metrics;
mod page;
pub mod registry;
pub mod row;
pub mod secrets;
pub mod store;

pub use demo::Demo;
