//! Plain values: identifiers, counters, times and hexadecimal text.

mod counter_id;
mod ctr;
pub(crate) mod hex;
mod mark;
mod mode;
mod uid;

pub use counter_id::TagId;
pub use ctr::SdmReadCtr;
pub use hex::ParseHexError;
pub use mark::{Mark, UnixMillis};
pub use mode::Mode;
pub use uid::Uid;
