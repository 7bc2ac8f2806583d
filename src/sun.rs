//! The states of a tap, from received text to a verdict.
//!
//! | state | returned by | guarantee |
//! |---|---|---|
//! | [`UnverifiedTap`] | [`parse`], [`parse_origin_form`], [`assemble`] | The text matches the layout. |
//! | [`ClaimedTap`] | [`open`], [`read_plain`] | The tap *claims* a UID and counter. Use them only to choose a key. |
//! | [`VerifiedTap`] | [`verify`] | The tap is genuine. It carries a counter, but it may still be a replay. |
//! | [`FreshTap`] | [`commit`], [`commit_async`] | The tap is genuine and is not a replay. |
//! | [`ReplayableTap`] | [`verify_replayable`] | The tap is genuine. It has no counter, so it may be a replay. |
//!
//! [`UnverifiedTap`]: crate::UnverifiedTap
//! [`parse`]: crate::SdmLayout::parse
//! [`parse_origin_form`]: crate::SdmLayout::parse_origin_form
//! [`assemble`]: crate::SdmLayout::assemble
//! [`ClaimedTap`]: crate::ClaimedTap
//! [`open`]: crate::UnverifiedTap::open
//! [`read_plain`]: crate::UnverifiedTap::read_plain
//! [`VerifiedTap`]: crate::VerifiedTap
//! [`verify`]: crate::ClaimedTap::verify
//! [`FreshTap`]: crate::FreshTap
//! [`commit`]: crate::VerifiedTap::commit
//! [`commit_async`]: crate::VerifiedTap::commit_async
//! [`ReplayableTap`]: crate::ReplayableTap
//! [`verify_replayable`]: crate::ClaimedTap::verify_replayable
//!
//! [`parse_ndef_file`](crate::SdmLayout::parse_ndef_file) also returns an `UnverifiedTap`.
//!
//! The states have no public constructor, so a caller cannot skip a step. Each step consumes the previous state, and
//! no state is `Clone`, so a caller cannot repeat a step. No method turns a `ReplayableTap` into a `FreshTap`. You may
//! drop a `VerifiedTap` without a commit: the tap is then not accepted, and its counter does not advance.
//!
//! The types cannot enforce the [contract](crate::CounterStore) of a counter store. If a store loses counters or
//! reports a wrong result, a replay can become a `FreshTap`.
//!
//! # Misuse that does not compile
//!
//! A claimed tap cannot be committed:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ClaimedTap<'_>, counters: &mut MemoryCounters<2>) {
//!     tap.commit(counters, None);
//! }
//! ```
//!
//! A tap without a counter cannot be committed:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ReplayableTap<'_>, counters: &mut MemoryCounters<2>) {
//!     tap.commit(counters, None);
//! }
//! ```
//!
//! A tap cannot be committed twice:
//!
//! ```compile_fail,E0382
//! # use suntap::*;
//! fn admit(tap: VerifiedTap<'_>, counters: &mut MemoryCounters<2>) {
//!     let first = tap.commit(counters, None);
//!     let second = tap.commit(counters, None);
//! }
//! ```
//!
//! A state cannot be cloned:
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::UnverifiedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::ClaimedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::VerifiedTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::FreshTap<'_>>();
//! ```
//!
//! ```compile_fail,E0277
//! fn keeps<T: Clone>() {}
//! keeps::<suntap::ReplayableTap<'_>>();
//! ```
//!
//! Each method accepts only the type of key that it needs:
//!
//! ```compile_fail,E0277
//! # use suntap::*;
//! fn verify(tap: ClaimedTap<'_>, meta: &PreparedMetaReadKey) {
//!     let _ = tap.verify(meta);
//! }
//! ```
//!
//! ```compile_fail,E0277
//! # use suntap::*;
//! fn open(tap: UnverifiedTap<'_>, file: &PreparedFileReadKey) {
//!     let _ = tap.open(file);
//! }
//! ```
//!
//! A caller cannot construct a `FreshTap`:
//!
//! ```compile_fail,E0451
//! # use suntap::*;
//! fn forge<'a>(message: SunMessage<'a>, ctr: SdmReadCtr, id: CounterId, now: Mark) -> FreshTap<'a> {
//!     FreshTap { message, ctr, id, previous: None, now }
//! }
//! ```

pub(crate) mod batch;
pub(crate) mod chip;
pub(crate) mod counter_tag;
pub(crate) mod error;
pub(crate) mod fixed;
pub(crate) mod layout;
pub(crate) mod mac;
pub(crate) mod message;
mod ndef;
pub mod ntag22x;
mod parse;
pub(crate) mod picc;
pub(crate) mod presented;
pub(crate) mod proof;
pub(crate) mod received;
pub mod session;
pub(crate) mod settings;
pub(crate) mod span;
pub(crate) mod tamper;
pub(crate) mod tap;
pub(crate) mod template;
mod verify;
pub(crate) mod window;
