//! Finds out why a tap does not verify.
//!
//! The input is a URL and your assumptions about the tag: its layout, its keys and its UID. The result names the
//! assumption that is wrong. The search tries the ways in which a tag, or a program that simulates a tag, could have
//! made the URL. The search tries every given key, the key of a new chip, and keys derived from these keys.
//!
//! A combination consists of keys, an interpretation of the URL, and a way to compute the MAC. For each combination,
//! the search computes a MAC. If this MAC equals the MAC in the URL, the URL was made from this combination: a 64-bit
//! MAC does not match by chance. Each difference between this combination and your assumptions is then reported as a
//! fault. If no computed MAC matches, the conclusion is [`Conclusion::Unexplained`], and the findings say only what can
//! be seen without a matching MAC.
//!
//! ```
//! use suntap::diagnose::{Assumptions, Conclusion, diagnose};
//!
//! // A tap from a forum post. Its UID and counter are not encrypted. The library in that post assumed that the MAC
//! // covers no text. The tag still has the key of a new chip.
//! let assumptions =
//!     Assumptions::about("https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3");
//! let diagnosis = diagnose(&assumptions);
//! assert_eq!(diagnosis.conclusion, Conclusion::Explained);
//! assert_eq!(diagnosis.findings()[0].code(), "new-chip");
//! let explanation = diagnosis.explanation.as_ref().unwrap();
//! let layout = explanation.layout.as_ref().unwrap();
//! assert_eq!(layout.template(), "https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}");
//! ```
//!
//! If a tag signs its taps (NTAG X DNA), give its public key in `Assumptions::public_key` (feature `ecdsa`). The search
//! then tries every start of the signed text. It also tries three forms of the signature that no chip writes, and texts
//! with one other digit in the UID or in the counter.
//!
//! The search does at most about as much work as computing [`MAX_TRIED`] MACs. [`Diagnosis::tried`] counts this work,
//! and [`Diagnosis::complete`] says whether the search finished. The search covers:
//!
//! - every start of the MAC input (the text that the MAC covers); for derived keys, only likely starts such as the
//!   start of a mirror or of a parameter;
//! - keys derived by AN10922, or by its variant without padding, from the UID alone or from the UID and a suffix;
//! - as the suffix: each suffix that you give, some common suffixes, and the host of the URL;
//! - the given keys with their bytes in reverse order;
//! - the keys of Bolt Cards of the versions 0 to 31;
//! - with the feature `sdm-backend`, the keys that sdm-backend derives;
//! - URLs of at most 261 characters.
//!
//! Each [`Finding`] has a [code](Finding::code) that stays the same across releases. Its `Display` text says what is
//! wrong and what to do.
//!
//! **The result can contain the keys of the tag**, and it says why a tap fails. Show the result only to the owner of
//! the tag, not to untrusted clients.

mod assumptions;
mod candidates;
mod checks;
mod compare;
mod contents;
mod diagnosis;
#[cfg(feature = "ecdsa")]
mod edited;
mod finding;
mod key_source;
mod other_schemes;
mod readings;
mod recipe;
mod repair;
mod search;
mod shift;
#[cfg(feature = "ecdsa")]
mod signature;
mod unexplained;
mod url_parts;
mod wrong_offsets;

pub use assumptions::{Assumptions, GivenKey, Role};
pub use contents::Contents;
pub use diagnosis::{Conclusion, Diagnosis, Explanation};
pub use finding::Finding;
pub use key_source::{DiversificationInput, KeyDerivation, KeySource};
pub use search::MAX_TRIED;
pub use shift::ShiftCause;

/// Finds out what is wrong with a tap or with the assumptions about it.
#[must_use]
pub fn diagnose<'a>(assumptions: &Assumptions<'a>) -> Diagnosis<'a> {
    diagnose_watched(assumptions, |_| ())
}

/// Like [`diagnose`], but also reports progress. It calls `watch` with the current value of [`Diagnosis::tried`], about
/// once every 4096 MACs.
#[must_use]
pub fn diagnose_watched<'a>(assumptions: &Assumptions<'a>, mut watch: impl FnMut(u32)) -> Diagnosis<'a> {
    compare::diagnose(assumptions, &mut watch)
}
