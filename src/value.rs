//! Defines basic values: identifiers, counters, times and hexadecimal text.

mod config_error;
mod counter_id;
mod ctr;
pub(crate) mod hex;
mod mark;
mod opaque;
mod parse_error;
mod scheme;
mod uid;

pub use config_error::ConfigError;
pub use counter_id::CounterId;
pub use ctr::SdmReadCtr;
pub use mark::{Mark, UnixMillis};
#[cfg(feature = "platform")]
pub(crate) use opaque::opaque_id;
pub use parse_error::ParseError;
pub use scheme::Scheme;
pub use uid::Uid;
