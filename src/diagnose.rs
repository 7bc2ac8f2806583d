//! Why a tap does not verify.
//!
//! Given is a URL and what somebody believes of it: its layout, its keys, its UID. What is looked for is the assumption that is
//! wrong. A search goes through the ways in which a tag could have written this URL, with every key that was given, the key of a
//! new chip, and what is derived from them; as soon as a MAC matches, it is known how the URL was made, and what differs from the
//! belief is the fault. No MAC of 64 bits matches by chance. Where none does, what the URL shows by itself is said.
//!
//! ```
//! use suntap::diagnose::{Case, GivenKey, Role, Verdict, diagnose};
//!
//! // A plain tap from a forum: the library at hand took the MAC to be over nothing.
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
//! The search is bounded: [`Diagnosis::tried`] says how much was computed, in MACs, and [`Diagnosis::complete`] whether it came to its
//! end. Tried are every start of the MAC input for the keys as they are, and the starts of mirrors and parameters for keys that are
//! derived; AN10922 over the UID with the suffixes that are in use; versions 0 to 31 of a Bolt Card; URLs of at most 261 characters.
//! A [`Finding`] has a [code](Finding::code) that does not change, and displays as a sentence with its remedy.
//!
//! **What comes out holds keys that work**, and says why a tap fails: it is for the owner of the tag, not for who sends a tap.

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

/// A URL, and what somebody believes of it. Make one from [`Case::of`].
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The URL as it came.
    pub url: &'a str,
    /// The layout that the tag is thought to have.
    pub layout: Option<&'a SdmLayout>,
    /// Keys that may have to do with it.
    pub keys: &'a [GivenKey<'a>],
    /// The UID of the tag.
    pub uid: Option<Uid>,
    /// A later tap of the same tag.
    pub second: Option<&'a str>,
    /// The counter that the store remembers.
    pub stored: Option<SdmReadCtr>,
}

impl<'a> Case<'a> {
    /// A URL of which nothing is known.
    #[must_use]
    pub const fn of(url: &'a str) -> Self {
        Self { url, layout: None, keys: &[], uid: None, second: None, stored: None }
    }
}

/// A key that may have to do with a tap.
#[derive(Clone, Copy)]
pub struct GivenKey<'a> {
    /// What its owner calls it.
    pub name: &'a str,
    /// Its 16 bytes.
    pub key: &'a [u8; 16],
    /// What it is thought to be.
    pub role: Role,
}

/// What a key is thought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The SDMMetaReadKey.
    Meta,
    /// The SDMFileReadKey.
    File,
    /// Either, or a key from which these are derived.
    Any,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The tap verifies, and nothing that was believed of it is wrong.
    Healthy,
    /// It is known how the tap was made, and the findings say what is wrong with it or with what was believed.
    Explained,
    /// Nothing that was tried makes this MAC. The findings say what the URL shows.
    Unexplained,
}

/// What is wrong with a tap, or with what is believed of it.
#[derive(Clone)]
pub struct Diagnosis<'a> {
    /// What came of it.
    pub verdict: Verdict,
    /// How the tap was made; `None` if nobody knows.
    pub works: Option<Works<'a>>,
    /// The work done, in MACs of AES mode: each MAC, each session key and each key that was made ready, derived or not, counts as one, 32 of them in
    /// LRP mode, and a legacy key of sdm-backend as 5000.
    pub tried: u32,
    /// Whether the search came to its end. Otherwise it was cut short, so that all stays within [`MAX_TRIED`].
    pub complete: bool,
    findings: Vec<Finding<'a>, MAX_FINDINGS>,
}

/// How a tap was made.
#[derive(Clone)]
pub struct Works<'a> {
    /// The layout, if a chip can have one like this. It is the believed one where that is right.
    pub layout: Option<SdmLayout>,
    /// How the tag computes.
    pub scheme: Scheme,
    /// The SDMMetaReadKey, and where it is from; `None` where the UID and counter are plain.
    pub meta: Option<(SdmMetaReadKey, KeySource<'a>)>,
    /// The SDMFileReadKey, and where it is from.
    pub file: (SdmFileReadKey, KeySource<'a>),
    /// The UID that the tag says; `None` where it says none.
    pub uid: Option<Uid>,
    /// The counter that the tag says; `None` where it says none.
    pub ctr: Option<SdmReadCtr>,
}

/// Where a key that works is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource<'a> {
    /// It is the key of a new chip, 16 zero bytes, and none that was given for this.
    Factory,
    /// It is the key of this name.
    Given(&'a str),
    /// It is derived from the key of this name, or from that of a new chip.
    Derived {
        /// The name.
        from: Option<&'a str>,
        /// How.
        by: Derivation,
    },
}

/// How a key is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Derivation {
    /// [`kdf::an10922::derive`](crate::kdf::an10922::derive) over the UID and this.
    An10922 {
        /// What follows the UID.
        suffix: &'static [u8],
    },
    /// CMAC over `01`, the UID and this: AN10922 without its padding to 32 bytes, as many programs have it.
    An10922Unpadded {
        /// What follows the UID.
        suffix: &'static [u8],
    },
    /// [`kdf::boltcard`](crate::kdf::boltcard), of a card in this version.
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

/// The most that is computed, in MACs as [`Diagnosis::tried`] counts them, but for the last step that was begun. That is a third of a
/// second on a server.
pub const MAX_TRIED: u32 = 400_000;

const MAX_FINDINGS: usize = 12;

/// Finds out what is wrong.
#[must_use]
pub fn diagnose<'a>(case: &Case<'a>) -> Diagnosis<'a> {
    diagnose_watched(case, |_| ())
}

/// As [`diagnose`], calling `watch` now and then with the number of MACs computed so far.
#[must_use]
pub fn diagnose_watched<'a>(case: &Case<'a>, mut watch: impl FnMut(u32)) -> Diagnosis<'a> {
    compare::diagnose(case, &mut watch)
}

impl<'a> Diagnosis<'a> {
    /// What was found, the heaviest first. Faults stand before what is only remarked.
    #[must_use]
    pub fn findings(&self) -> &[Finding<'a>] {
        &self.findings
    }

    /// Whether something is wrong.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.verdict == Verdict::Healthy
    }
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL may be a tap that nobody has accepted yet.
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
