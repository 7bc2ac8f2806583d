#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(not(feature = "accel"), forbid(unsafe_code))]
#![cfg_attr(feature = "accel", deny(unsafe_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

mod api_key;
mod cipher;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod counter;
pub mod diagnose;
#[cfg(feature = "dialects")]
pub mod dialect;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
mod hex;
pub mod identify;
pub mod kdf;
mod key;
#[cfg(feature = "lrp")]
pub mod lrp;
pub mod registry;
pub mod rules;
pub mod sun;
mod types;
pub mod verifier;

pub use api_key::{ApiKeyName, ApiKeySecret};
pub use counter::{Advance, AsyncCounterStore, Blocking, CounterStore, Full, MemoryCounters};
#[cfg(feature = "flash")]
pub use counter::{FlashCounters, FlashError};
pub use error::{CommitError, Error, Field, Malformed, ParseHexError, VerifyError};
pub use key::{
    ApplicationKey, FileReadKey, IssuerKey, MasterKey, PreparedFileReadKey, PreparedIssuerKey, PreparedMasterKey,
    PreparedMetaReadKey, SdmFileReadKey, SdmMetaReadKey,
};
pub use sun::{
    Access, Batch, ClaimedTap, CounterTagLayout, FileDataError, FreshTap, KeyNumber, LayoutError, Mirrors,
    ReplayableTap, SdmAccess, SdmLayout, SdmMac, SettingsError, SunMessage, TagTamper, TagTexts, TtStatus,
    UnverifiableTap, UnverifiedTap, VerifiedTap, ntag22x, session, verify_batch,
};
pub use types::{Mark, Mode, SdmReadCtr, TagId, Uid, UnixMillis};
