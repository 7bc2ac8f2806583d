//! Finds out why a tap does not verify.
//!
//! The input is a URL and what you assume about it: its layout, its keys, its UID. The result names the assumption that
//! is wrong. A search tries the ways in which a tag could have written this URL, with every given key, the key of a new
//! chip, and the keys derived from them. As soon as a MAC matches, it is known how the URL was made, and each
//! difference from your assumptions is a fault. A 64-bit MAC does not match by chance. If no MAC matches, the findings
//! report what the URL alone shows.
//!
//! ```
//! use suntap::diagnose::{Case, GivenKey, Role, Verdict, diagnose};
//!
//! // A plain tap from a forum post. The library used there assumed that the MAC covers no text.
//! let keys = [GivenKey { name: "zero", key: &[0; 16], role: Role::Any }];
//! let case = Case {
//!     keys: &keys,
//!     ..Case::of("https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3")
//! };
//! let diagnosis = diagnose(&case);
//! assert_eq!(diagnosis.verdict, Verdict::Healthy);
//! let works = diagnosis.works.as_ref().unwrap();
//! let layout = works.layout.as_ref().unwrap();
//! assert_eq!(layout.template(), "https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}");
//! ```
//!
//! The search is bounded: [`Diagnosis::tried`] is the work done, in MACs, and [`Diagnosis::complete`] says whether the
//! search ran to its end. It covers:
//!
//! - every start of the MAC input for the given keys, and the starts of mirrors and parameters for derived keys;
//! - AN10922 over the UID with the suffixes that are in use;
//! - versions 0 to 31 of a Bolt Card;
//! - URLs of at most 261 characters.
//!
//! A [`Finding`] has a [code](Finding::code) that does not change, and displays as a sentence with its remedy.
//!
//! **The result holds keys that work** and says why a tap fails. Show it to the owner of the tag, not to untrusted
//! clients.

use core::fmt;

use heapless::Vec;

use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::value::{Scheme, SdmReadCtr, Uid};

mod anatomy;
mod candidates;
mod compare;
mod finding;
mod read;
mod search;

pub use finding::Finding;

/// A URL and what you assume about it. Create one with [`Case::of`].
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The URL as it was received.
    pub url: &'a str,
    /// The assumed layout of the tag.
    pub layout: Option<&'a SdmLayout>,
    /// Keys that may belong to the tag.
    pub keys: &'a [GivenKey<'a>],
    /// The UID of the tag.
    pub uid: Option<Uid>,
    /// A later tap of the same tag.
    pub second: Option<&'a str>,
    /// The counter in the store.
    pub stored: Option<SdmReadCtr>,
}

impl<'a> Case<'a> {
    /// Returns a case for a URL about which nothing is known.
    #[must_use]
    pub const fn of(url: &'a str) -> Self {
        Self { url, layout: None, keys: &[], uid: None, second: None, stored: None }
    }
}

/// A key that may belong to a tap.
#[derive(Clone, Copy)]
pub struct GivenKey<'a> {
    /// Its name. The findings use it.
    pub name: &'a str,
    /// Its 16 bytes.
    pub key: &'a [u8; 16],
    /// Its assumed role.
    pub role: Role,
}

/// The assumed role of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The SDMMetaReadKey.
    Meta,
    /// The SDMFileReadKey.
    File,
    /// Either of them, or a key from which they are derived.
    Any,
}

/// The outcome of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The tap verifies, and every assumption about it is right.
    Healthy,
    /// It is known how the tap was made. The findings say what is wrong with it or with the assumptions.
    Explained,
    /// Nothing that was tried yields this MAC. The findings say what the URL shows.
    Unexplained,
}

/// The result of a diagnosis: what is wrong with a tap, or with the assumptions about it.
#[derive(Clone)]
pub struct Diagnosis<'a> {
    /// The outcome.
    pub verdict: Verdict,
    /// How the tap was made; `None` if the search did not find it.
    pub works: Option<Works<'a>>,
    /// The work done, in MACs of AES mode. Each MAC, each session key and each prepared key, derived or not, counts as
    /// one, or as 32 in LRP mode. A legacy key of sdm-backend counts as 5000.
    pub tried: u32,
    /// `true` if the search found how the tap was made or ran to its end, and `false` if it was cut short to stay
    /// within [`MAX_TRIED`].
    pub complete: bool,
    findings: Vec<Finding<'a>, MAX_FINDINGS>,
}

/// The way in which a tap was made.
#[derive(Clone)]
pub struct Works<'a> {
    /// The layout, if a chip can have such a layout. It is the assumed one if that is right.
    pub layout: Option<SdmLayout>,
    /// The mode of the tag.
    pub scheme: Scheme,
    /// The SDMMetaReadKey and its source; `None` if UID and counter are plain.
    pub meta: Option<(SdmMetaReadKey, KeySource<'a>)>,
    /// The SDMFileReadKey and its source.
    pub file: (SdmFileReadKey, KeySource<'a>),
    /// The UID that the tag mirrors; `None` if it mirrors none.
    pub uid: Option<Uid>,
    /// The counter that the tag mirrors; `None` if it mirrors none.
    pub ctr: Option<SdmReadCtr>,
}

/// The source of a key that works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource<'a> {
    /// The key of a new chip, 16 zero bytes, which is not among the given keys.
    Factory,
    /// The given key with this name.
    Given(&'a str),
    /// A key derived from a given key or from the key of a new chip.
    Derived {
        /// The name of the given key; `None` for the key of a new chip.
        from: Option<&'a str>,
        /// The derivation.
        by: Derivation,
    },
}

/// The derivation of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Derivation {
    /// [`kdf::an10922::derive`](crate::kdf::an10922::derive) over the UID and `suffix`.
    An10922 {
        /// The bytes after the UID.
        suffix: &'static [u8],
    },
    /// CMAC over `01`, the UID and `suffix`: AN10922 without its padding to 32 bytes. Many programs compute it this
    /// way.
    An10922Unpadded {
        /// The bytes after the UID.
        suffix: &'static [u8],
    },
    /// [`kdf::boltcard`](crate::kdf::boltcard), for a card with this version.
    Boltcard {
        /// The version.
        version: u32,
    },
    /// The standard derivation of sdm-backend: `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendStandard,
    /// The legacy derivation of sdm-backend: `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendLegacy,
}

/// The limit of the search, in MACs as [`Diagnosis::tried`] counts them. Only the last step that was begun can exceed
/// it. The limit corresponds to a third of a second on a server.
pub const MAX_TRIED: u32 = 400_000;

const MAX_FINDINGS: usize = 12;

/// Finds out what is wrong with a tap or with the assumptions about it.
#[must_use]
pub fn diagnose<'a>(case: &Case<'a>) -> Diagnosis<'a> {
    diagnose_watched(case, |_| ())
}

/// Like [`diagnose`], but calls `watch` from time to time with the number of MACs computed so far.
#[must_use]
pub fn diagnose_watched<'a>(case: &Case<'a>, mut watch: impl FnMut(u32)) -> Diagnosis<'a> {
    compare::diagnose(case, &mut watch)
}

impl<'a> Diagnosis<'a> {
    /// Returns the findings, the most serious first. Faults come before remarks.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Returns `true` if nothing is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.verdict == Verdict::Healthy
    }
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not printed: it may be a tap that was not accepted yet.
        f.debug_struct("Case").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for GivenKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

impl fmt::Debug for Diagnosis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Diagnosis")
            .field("verdict", &self.verdict)
            .field("findings", &self.findings)
            .field("works", &self.works)
            .field("tried", &self.tried)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Works<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Works")
            .field("layout", &self.layout)
            .field("meta", &self.meta.as_ref().map(|(_, source)| source))
            .field("file", &self.file.1)
            .field("uid", &self.uid)
            .field("ctr", &self.ctr)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for KeySource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factory => f.write_str("the key of a new chip, 16 zero bytes"),
            Self::Given(name) => write!(f, "the key \"{name}\""),
            Self::Derived { from: Some(name), by } => write!(f, "derived from the key \"{name}\" by {by}"),
            Self::Derived { from: None, by } => write!(f, "derived from 16 zero bytes by {by}"),
        }
    }
}

impl fmt::Display for Derivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, suffix) = match self {
            Self::An10922 { suffix } => ("AN10922 over the UID", *suffix),
            Self::An10922Unpadded { suffix } => ("a CMAC over 01 and the UID (AN10922 without its padding)", *suffix),
            Self::Boltcard { version } => return write!(f, "the scheme of Bolt Cards, version {version}"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendStandard => return f.write_str("the standard derivation of sdm-backend"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendLegacy => return f.write_str("the legacy derivation of sdm-backend"),
        };
        f.write_str(name)?;
        if !suffix.is_empty() {
            f.write_str(" and ")?;
            suffix.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        }
        Ok(())
    }
}
