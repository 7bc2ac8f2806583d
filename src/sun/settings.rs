//! Conversion between a layout and the bytes that are written to a tag to personalise it. Source: NT4H2421Gx §10.7.1,
//! Tables 69 and 73.

mod access;
mod error;
mod read;
mod write;

pub use access::{Access, KeyNumber, SdmAccess, TagTexts};
pub use error::{CapturedName, SettingsError};
#[cfg(feature = "emulator")]
pub(crate) use write::Offsets;
