//! One tap, from its text to a verdict.
//!
//! | state | returned by | what it guarantees |
//! |---|---|---|
//! | [`UnverifiedTap`](crate::UnverifiedTap) | [`SdmLayout::parse`](crate::SdmLayout::parse), [`parse_origin_form`](crate::SdmLayout::parse_origin_form), [`assemble`](crate::SdmLayout::assemble) | the right shape, nothing else |
//! | [`ClaimedTap`](crate::ClaimedTap) | [`open`](crate::UnverifiedTap::open), [`read_plain`](crate::UnverifiedTap::read_plain) | a UID and counter are *claimed*: good for choosing a key |
//! | [`VerifiedTap`](crate::VerifiedTap) | [`verify`](crate::ClaimedTap::verify) | made by a holder of the key, perhaps long ago; it carries a counter |
//! | [`FreshTap`](crate::FreshTap) | [`commit`](crate::VerifiedTap::commit), [`commit_async`](crate::VerifiedTap::commit_async) | genuine, and seen for the first time |
//! | [`ReplayableTap`](crate::ReplayableTap) | [`verify_replayable`](crate::ClaimedTap::verify_replayable) | genuine, without a counter, perhaps seen before; it never becomes a `FreshTap` |
//!
//! Each step consumes the state before it, and no state is `Clone`, so no step can be left out or done twice. Dropping a `VerifiedTap` is
//! harmless: it opens nothing. Types cannot show that a store keeps its [contract](crate::CounterStore): a store that forgets, or reports
//! what is not true, defeats them.
//!
//! # What does not compile
//!
//! A tap that is only claimed has no counter to commit:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ClaimedTap<'_>, counters: &mut MemoryCounters<2>, tag: &CounterId) {
//!     tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nor has a tap without a counter:
//!
//! ```compile_fail,E0599
//! # use suntap::*;
//! fn admit(tap: ReplayableTap<'_>, counters: &mut MemoryCounters<2>, tag: &CounterId) {
//!     tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nothing is committed twice:
//!
//! ```compile_fail,E0382
//! # use suntap::*;
//! fn admit(tap: VerifiedTap<'_>, counters: &mut MemoryCounters<2>, tag: &CounterId) {
//!     let first = tap.commit(counters, tag, None);
//!     let second = tap.commit(counters, tag, None);
//! }
//! ```
//!
//! Nothing is kept back for later, in no state:
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
//! A key does the work of its own kind only:
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
//! And no verdict is made by hand:
//!
//! ```compile_fail,E0451
//! # use suntap::*;
//! fn forge<'a>(message: SunMessage<'a>, ctr: SdmReadCtr, now: Mark) -> FreshTap<'a> {
//!     FreshTap { message, ctr, previous: None, now }
//! }
//! ```

pub(crate) mod batch;
pub(crate) mod counter_tag;
pub(crate) mod error;
pub(crate) mod file_data;
pub(crate) mod layout;
pub(crate) mod mac;
pub(crate) mod message;
pub mod ntag22x;
mod parse;
pub(crate) mod picc;
pub(crate) mod received;
pub mod session;
pub(crate) mod settings;
pub(crate) mod span;
pub(crate) mod tamper;
pub(crate) mod tap;
pub(crate) mod template;
mod verify;
pub(crate) mod window;
