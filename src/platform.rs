//! A verification service for the tags of many owners (feature `platform`), and the public APIs of two hosted services
//! (feature `dialects`).
//!
//! [`Service`] decides about a tap with a [`TagRegistry`] and a [counter store](crate::CounterStore). A [`Record`] says
//! who owns a tag, whether the tag may be used, where its keys come from, and which [rules] answer it.
//!
//! # The wire formats
//!
//! [`ixkio`] answers `GET /v1/t`, [`etrnl`] answers `POST /v1/tags/verify-authenticity`. Clients of either service keep
//! their requests and get the same answers. This module contains no HTTP server. Status and headers are plain values,
//! so each API fits into any server with a few lines. This example uses the types of the crate `http`:
//!
//! ```
//! use suntap::platform::{Answer, etrnl::Etrnl, ixkio::Ixkio};
//! # use suntap::platform::{ApiKeySecret, Record, Service, TagRef, TagRegistry};
//! # use suntap::{CounterStore, MemoryCounters, UnixMillis};
//!
//! fn serve<R: TagRegistry, S: CounterStore>(
//!     request: &http::Request<Vec<u8>>,
//!     (ixkio, etrnl): (&Ixkio, &Etrnl),
//!     (registry, counters): (&R, &mut S),
//!     now: UnixMillis,
//! ) -> http::Result<http::Response<String>> {
//!     let answer = match (request.method().as_str(), request.uri().path()) {
//!         ("GET", "/v1/t") => {
//!             let query = request.uri().query().unwrap_or_default();
//!             ixkio.answer(query, registry, counters, Some(now))
//!         }
//!         ("POST", "/v1/tags/verify-authenticity") => {
//!             let key = request.headers().get("API-Key").map(|key| key.as_bytes());
//!             etrnl.answer(key, request.body(), registry, counters, Some(now))
//!         }
//!         _ => return http::Response::builder().status(404).body(String::new()),
//!     };
//!     let Answer { status, headers, body, verdict: _for_your_logs } = answer;
//!     let response = http::Response::builder().status(status);
//!     headers.iter().fold(response, |response, (name, value)| response.header(*name, *value)).body(body)
//! }
//! # struct Empty;
//! # impl TagRegistry for Empty {
//! #     type Record = Record<'static>;
//! #     type Error = core::convert::Infallible;
//! #     fn find(&self, _: TagRef<'_>) -> Result<Option<Self::Record>, Self::Error> { Ok(None) }
//! # }
//! # let secret = ApiKeySecret::from_bytes([1; 16]);
//! # let (ixkio, etrnl) = (Ixkio::new(Service::new(&[]), &secret), Etrnl::new(Service::new(&[]), &secret));
//! # let mut counters = MemoryCounters::<2>::new();
//! # let mut get = |request: http::request::Builder, body: &str| {
//! #     let request = request.body(body.into()).unwrap();
//! #     serve(&request, (&ixkio, &etrnl), (&Empty, &mut counters), UnixMillis::new(0)).unwrap()
//! # };
//! # let asked = get(http::Request::get("/v1/t?x=q8w3sbcz&n=000001&e=0000"), "");
//! # assert_eq!((asked.status().as_u16(), asked.headers()["cache-control"].to_str().unwrap()), (404, "no-store"));
//! # assert_eq!(asked.body(), r#"{"xuid":"q8w3sbcz","error":"tag_not_found"}"#);
//! # assert_eq!(get(http::Request::post("/v1/tags/verify-authenticity"), "{}").status(), 401);
//! ```
//!
//! On an asynchronous server, call `answer_async` with an [`AsyncTagRegistry`] and an
//! [`AsyncCounterStore`](crate::AsyncCounterStore). The future is `Send` if theirs are.
//!
//! The same [`Record`] works for both APIs. Before you add tags to a registry, call [`ixkio::check`] or
//! [`etrnl::check`]. They report what would prevent the service from answering for a tag.
//!
//!
#![cfg_attr(feature = "dialects", doc = include_str!("platform/moving.md"))]

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
