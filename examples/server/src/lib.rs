//! A server for the APIs of ixkio and ETRNL, built on suntap.

pub mod admin;
mod app;
pub mod check;
mod demo;
pub mod emulate;
mod hex;
pub mod http;
pub mod import;
pub mod jwt;
pub mod keys;
pub mod ops;
mod panics;
pub mod registry;
pub mod reseal;
pub mod secrets;
pub mod store;
pub mod text;
mod time;
pub mod trace;
mod url;

pub use app::App;
pub use demo::Demo;
