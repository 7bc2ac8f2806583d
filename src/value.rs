//! Plain values: identifiers, counters, times and hexadecimal text.

mod counter_id;
mod ctr;
pub(crate) mod hex;
mod mark;
mod scheme;
mod uid;

pub use counter_id::CounterId;
pub use ctr::SdmReadCtr;
pub use hex::ParseHexError;
pub use mark::{Mark, UnixMillis};
pub use scheme::Scheme;
pub use uid::Uid;
