// `links.md` and `README.md` define links with the same names to the guide chapters. The links in `links.md` lead to
// rustdoc modules. The links in `README.md` lead to files in the repository. Rustdoc uses the first definition of a
// link, so `links.md` must come first.
#![doc = include_str!("guide/links.md")]
#![doc = include_str!("../README.md")]
#![no_std]
#![cfg_attr(not(feature = "accel"), forbid(unsafe_code))]
#![cfg_attr(feature = "accel", deny(unsafe_code))]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "certificate")]
pub mod certificate;
mod cipher;
#[cfg(feature = "conformance")]
pub mod conformance;
mod counter;
pub mod diagnose;
#[cfg(feature = "emulator")]
pub mod emulator;
#[cfg(any(doc, doctest))]
#[cfg_attr(
    not(all(feature = "dialects", feature = "emulator", feature = "flash", feature = "sdm-backend")),
    allow(rustdoc::broken_intra_doc_links, reason = "chapters name items of every feature")
)]
pub mod guide;
pub mod identify;
pub mod kdf;
mod key;
#[cfg(feature = "platform")]
pub mod platform;
pub mod risk;
#[cfg(feature = "serde")]
mod serde;
pub mod sun;
#[cfg(feature = "token")]
pub mod token;
mod value;
mod verifier;

#[cfg(feature = "lrp")]
pub use cipher::lrp;
pub use counter::{
    Advance, AsyncCounterStore, Blocking, CounterStore, Full, MemoryCounters, SendCounterStore, Sendable,
};
#[cfg(feature = "flash")]
pub use counter::{FlashCounters, FlashError};
#[cfg(feature = "ecdsa")]
pub use key::TagPublicKey;
pub use key::{
    ApplicationKey, FileReadKey, IssuerKey, MasterKey, MetaReadKey, PreparedFileReadKey, PreparedMetaReadKey,
    SdmFileReadKey, SdmMetaReadKey,
};
pub use sun::batch::verify_batch;
pub use sun::chip::{Chip, ChipError, Evidence};
pub use sun::counter_tag::{CounterTagLayout, UnverifiableTap};
pub use sun::error::{CommitError, Error, Field, Malformed, VerifyError};
pub use sun::layout::SdmLayout;
pub use sun::mac::SdmMac;
pub use sun::message::SunMessage;
pub use sun::presented::Presented;
pub use sun::proof::FreshProof;
pub use sun::received::Mirrors;
pub use sun::settings::{Access, CapturedName, KeyNumber, SdmAccess, SettingsError, TagTexts};
pub use sun::tamper::{TagTamper, TtStatus};
pub use sun::tap::{ClaimedTap, FreshTap, ReplayableTap, UnverifiedTap, VerifiedTap};
pub use sun::template::LayoutError;
pub use value::{ConfigError, CounterId, Mark, ParseError, Scheme, SdmReadCtr, Uid, UnixMillis};
pub use verifier::{An10922, AsyncFileKeys, BoltCard, ECodeKeys, FileKeys, MetaKeys, Verifier};
