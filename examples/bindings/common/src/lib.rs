//! The part that the bindings of suntap for C, WebAssembly and Python share: the verifier, its settings, and the codes of its results.
//!
//! No heap. `../cases.json` lists taps and settings with their codes. Each binding runs all of them.

#![no_std]
#![forbid(unsafe_code)]

mod code;
mod failure;
mod keys;
mod settings;

pub use code::Code;
pub use failure::Failure;
pub use keys::{FileKey, MetaKey, PreparedMetaKey, may_be_key};
pub use settings::{Settings, Verifier};

/// The version of suntap and of its bindings.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the form of a tap: a text that starts with `/` is the path and the query of a request, any other is a URL.
#[must_use]
pub fn presented(tap: &str) -> suntap::Presented<'_> {
    if tap.starts_with('/') { suntap::Presented::OriginForm(tap) } else { suntap::Presented::Url(tap) }
}

/// Returns the state of the seal as text: `closed`, `open`, `openedBefore` or `unknown`. Returns `None` if the layout has no tamper status.
///
/// A status that the MAC does not cover is never `closed`, because anybody could write it into the URL.
#[must_use]
pub fn seal(status: Option<suntap::TtStatus>) -> Option<&'static str> {
    use suntap::TagTamper;
    status.map(|status| match status.state() {
        TagTamper::Closed if status.is_intact() => "closed",
        TagTamper::Open => "open",
        TagTamper::OpenedNowClosed => "openedBefore",
        TagTamper::Closed | TagTamper::NotEnabled | TagTamper::Unknown => "unknown",
    })
}
