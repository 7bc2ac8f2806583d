//! Converts a layout to the settings and the NDEF file of a tag, and vice versa. Source: NT4H2421Gx §10.7.1, Tables 69
//! and 73.

mod access;
mod error;
mod read;
mod write;

pub use access::{Access, KeyNumber, SdmAccess, TagTexts};
pub use error::{CapturedName, SettingsError};
#[cfg(feature = "emulator")]
pub(crate) use write::Offsets;
