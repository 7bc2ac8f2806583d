//! Finds out why a tap does not verify.
//!
//! The input is a URL and your assumptions about the tag: its layout, its keys and its UID. The result names the
//! assumption that is wrong. The search tries the ways in which a tag could have written this URL. It tries every given
//! key, the key of a new chip, and the keys derived from these.
//!
//! If a MAC matches, the search has found how the URL was made, because a 64-bit MAC does not match by chance. Each
//! difference from your assumptions is then a fault. If no MAC matches, the findings report only what the URL itself
//! shows.
//!
//! ```
//! use suntap::diagnose::{Assumptions, Conclusion, diagnose};
//!
//! // A plain tap from a forum post. The library used there assumed that the MAC covers no text. The tag still has the
//! // key of a new chip.
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
//! The search is bounded. [`Diagnosis::tried`] is the number of MACs computed, and [`Diagnosis::complete`] says whether
//! the search finished. The search covers:
//!
//! - for the given keys, a MAC input that starts at any character; for derived keys, a MAC input that starts at a
//!   mirror or at a parameter;
//! - AN10922 over the UID with nine common suffixes;
//! - versions 0 to 31 of a Bolt Card;
//! - URLs of at most 261 characters.
//!
//! Each [`Finding`] has a [code](Finding::code) that does not change. Its `Display` text says what is wrong and what to
//! do.
//!
//! **The result contains keys that work**, and it says why a tap fails. Show it only to the owner of the tag, not to
//! untrusted clients.

mod assumptions;
mod candidates;
mod compare;
mod contents;
mod diagnosis;
mod finding;
mod key_source;
mod other_schemes;
mod readings;
mod recipe;
mod repair;
mod search;
mod shift;
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

/// Like [`diagnose`], but calls `watch` about every 4096 MACs with the number of MACs computed so far.
#[must_use]
pub fn diagnose_watched<'a>(assumptions: &Assumptions<'a>, mut watch: impl FnMut(u32)) -> Diagnosis<'a> {
    compare::diagnose(assumptions, &mut watch)
}
