//! A verification service for the tags of many owners (feature `platform`). The feature `dialects` adds APIs that are
//! compatible with those of the hosted services ixkio and ETRNL.
//!
//! A [`Service`] decides whether to accept a tap. The service looks up the tag in a [`TagRegistry`], and advances the
//! counter in a [counter store](crate::CounterStore). The [`Record`] of a tag says who owns the tag, and whether the
//! tag is active. The record also contains the keys, or the data from which the service derives or decrypts the keys.
//! The [rules] in the record choose the response text for a tap.
#![cfg_attr(feature = "dialects", doc = "")]
#![cfg_attr(feature = "dialects", doc = include_str!("platform/wire_formats.md"))]

#[cfg(feature = "dialects")]
mod answer;
mod api_key;
#[cfg(feature = "dialects")]
pub mod etrnl;
#[cfg(feature = "dialects")]
pub mod ixkio;
mod keys;
mod outcome;
mod pointers;
mod record;
mod registry;
mod request;
pub mod rules;
mod service;
mod verdict;

#[cfg(feature = "dialects")]
pub use answer::{Answer, Unfit};
pub use api_key::{ApiKeyName, ApiKeySecret};
pub use outcome::{Outcome, Response};
pub use record::{
    Chip, ExtendedData, FileKey, Keys, Level, MetaKey, Names, OrganisationId, Record, Standing, State, TagRecord,
};
pub use registry::{AsyncTagRegistry, TagRef, TagRegistry};
pub use request::{Caller, Request, UnnamedRequest};
pub use service::Service;
pub use verdict::{Accepted, Failure, Refusal, TapValues, Verdict};
