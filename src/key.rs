//! Defines the key types. There is one type for each purpose. Keys are wiped on drop and never printed.
//!
//! A *plain* key is stored as its 16 bytes. A *prepared* key is stored as values that were computed from the 16 bytes
//! in advance, such as the key schedule and the CMAC subkeys. Store and pass plain keys. If you use a key for more than
//! one tap, prepare it once. A *public* key, which verifies signatures, is neither.

mod counter_id;
mod plain;
mod prepared;
#[cfg(feature = "ecdsa")]
mod public;
mod usable;

pub(crate) use counter_id::message as counter_id_message;
pub use plain::{ApplicationKey, SdmFileReadKey, SdmMetaReadKey};
pub(crate) use plain::{hex_key, key_type};
pub use prepared::{IssuerKey, MasterKey, PreparedFileReadKey, PreparedMetaReadKey};
#[cfg(feature = "ecdsa")]
pub use public::TagPublicKey;
pub use usable::{FileReadKey, MetaReadKey};
