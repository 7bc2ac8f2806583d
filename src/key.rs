//! Keys: one type for each purpose, wiped on drop, never printed.
//!
//! Store and pass a key as one of the plain types. Its *prepared* form holds the key schedule and the CMAC subkeys:
//! prepare a key once if you use it for more than one tap.

mod counter_id;
mod plain;
mod prepared;
mod usable;

pub(crate) use counter_id::message as counter_id_message;
pub use plain::{ApplicationKey, SdmFileReadKey, SdmMetaReadKey};
pub(crate) use plain::{hex_key, key_type};
pub use prepared::{IssuerKey, MasterKey, PreparedFileReadKey, PreparedMetaReadKey};
pub use usable::{FileReadKey, MetaReadKey};
