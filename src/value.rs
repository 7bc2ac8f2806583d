//! Plain values: identifiers, counters, times and hexadecimal text.

mod counter_id;
mod ctr;
pub(crate) mod hex;
mod mark;
mod opaque;
mod scheme;
mod uid;

pub use counter_id::CounterId;
pub use ctr::SdmReadCtr;
pub use hex::ParseHexError;
pub use mark::{Mark, UnixMillis};
pub(crate) use opaque::opaque_id;
pub use scheme::Scheme;
pub use uid::Uid;
