//! The errors: one small type for each step, and [`Error`] for all of them.
//!
//! No error carries a key, a MAC or text of a tap, so each may be logged. Return one generic refusal to untrusted
//! clients; keep the detailed error for your logs.

use core::convert::Infallible;
use core::fmt;

use crate::value::{Mark, SdmReadCtr};

/// One element of a layout, with its name from the data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `{picc}`: the encrypted PICCData.
    PiccData,
    /// `{uid}`: the plain UID mirror.
    Uid,
    /// `{ctr}`: the plain SDMReadCtr mirror.
    SdmReadCtr,
    /// `{tt}`: the plain TTStatus mirror.
    TtStatus,
    /// `{enc}`: SDMENCFileData.
    EncFileData,
    /// `{mac}`: SDMMAC.
    SdmMac,
    /// `{:name}`: a captured static text.
    Captured,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PiccData => "PICCData",
            Self::Uid => "UID",
            Self::SdmReadCtr => "SDMReadCtr",
            Self::TtStatus => "TTStatus",
            Self::EncFileData => "SDMENCFileData",
            Self::SdmMac => "SDMMAC",
            Self::Captured => "captured text",
        })
    }
}

/// The reason why text is not a tap of a layout. It concerns only the shape: nothing was decrypted or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The text is longer than the 256-byte file of a chip allows.
    TooLong,
    /// The static text differs from the template, first at byte `at` of the input.
    StaticText {
        /// The number of input bytes before the difference.
        at: usize,
    },
    /// An element of the layout is missing.
    Missing(Field),
    /// An element occurs more than once.
    Duplicate(Field),
    /// A value was given for an element that the layout does not have.
    Unexpected(Field),
    /// An element is too short or too long.
    Length(Field),
    /// An element holds an invalid character, for example one that is not a digit, or percent-encoded text.
    Character(Field),
    /// There is text after the last element.
    Trailing,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("longer than a tag's file could make it"),
            Self::StaticText { at } => write!(f, "differs from the template at byte {at}"),
            Self::Missing(field) => write!(f, "{field} is missing"),
            Self::Duplicate(field) => write!(f, "{field} is there twice"),
            Self::Unexpected(field) => write!(f, "{field} was given but is not in the layout"),
            Self::Length(field) => write!(f, "{field} has the wrong length"),
            Self::Character(field) => write!(f, "{field} has a character that does not belong there"),
            Self::Trailing => f.write_str("text after the end of the template"),
        }
    }
}

impl core::error::Error for Malformed {}

/// The reason why a well-formed tap was not verified.
///
/// Every variant but [`Config`](Self::Config) is a statement about the tap. `Config` is a mistake of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyError {
    /// The tap was not made by a holder of the keys.
    ///
    /// PICCData that does not open, a MAC that does not match and a counter of 0 return this same error on purpose: an
    /// attacker learns nothing from the difference.
    NotAuthentic,
    /// The tap is genuine but carries no counter, so it may be a replay: see
    /// [`ClaimedTap::verify_replayable`](crate::ClaimedTap::verify_replayable).
    NoCounter,
    /// The tap is genuine, but of another tag than the caller expected.
    WrongTag,
    /// The layout, the keys and the methods that were called do not fit together.
    Config(ConfigError),
}

impl From<ConfigError> for VerifyError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAuthentic => f.write_str("tap is not authentic"),
            Self::NoCounter => f.write_str("tap is genuine but carries no counter, so it may be a replay"),
            Self::WrongTag => f.write_str("tap is genuine but of another tag than expected"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VerifyError {}

/// A mistake of the program: a layout and keys that do not fit together. No tap can cause it and no tap can cure it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The layout has `{picc}`, and there is no SDMMetaReadKey to open it with.
    NeedsMetaKey,
    /// The layout has no `{picc}`, so there is nothing to open with an SDMMetaReadKey.
    NoPiccData,
    /// The key was prepared for another [`Scheme`](crate::Scheme) than that of the layout.
    WrongScheme,
    /// The tap carries a counter, so it must not be accepted as a tap without one.
    HasCounter,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsMetaKey => "the layout has {picc}: an SDMMetaReadKey is needed to open it",
            Self::NoPiccData => "the layout has no {picc}, so there is nothing to open with an SDMMetaReadKey",
            Self::WrongScheme => "the key was prepared for another scheme than that of the layout",
            Self::HasCounter => "the tap carries a counter: call verify and commit, not verify_replayable",
        })
    }
}

impl core::error::Error for ConfigError {}

/// The reason why a verified tap did not become a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError<S> {
    /// The counter is not greater than the stored one: this tap, or a later one, was accepted before.
    Replayed {
        /// The counter of the tap.
        ctr: SdmReadCtr,
        /// The mark in the store. Its counter is equal to that of the tap if this is the last accepted tap, and greater
        /// if a later one was accepted.
        stored: Mark,
    },
    /// The store failed. It is unknown whether the counter advanced, and the tap is rejected.
    Store(S),
}

impl<S> fmt::Display for CommitError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed { ctr, stored } => {
                write!(f, "replayed tap: its counter is {ctr}, and counter {} was already accepted", stored.ctr)
            }
            Self::Store(_) => f.write_str("the counter store failed"),
        }
    }
}

impl<S: core::error::Error + 'static> core::error::Error for CommitError<S> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Replayed { .. } => None,
            Self::Store(error) => Some(error),
        }
    }
}

/// Any error on the way from text to a [`FreshTap`](crate::FreshTap). The error of each step converts into it. `S` is
/// the error of the counter store.
///
/// `Display` is that of the step, and so is `source`: the error of the counter store if it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<S = Infallible> {
    /// The text does not have the shape of the layout.
    Malformed(Malformed),
    /// The tap was not verified.
    Verify(VerifyError),
    /// The tap was verified, but it is a replay, or the store failed.
    Commit(CommitError<S>),
}

impl<S> From<Malformed> for Error<S> {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl<S> From<VerifyError> for Error<S> {
    fn from(error: VerifyError) -> Self {
        Self::Verify(error)
    }
}

impl<S> From<CommitError<S>> for Error<S> {
    fn from(error: CommitError<S>) -> Self {
        Self::Commit(error)
    }
}

impl<S> fmt::Display for Error<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Verify(error) => error.fmt(f),
            Self::Commit(error) => error.fmt(f),
        }
    }
}

impl<S: core::error::Error + 'static> core::error::Error for Error<S> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(_) | Self::Verify(_) => None,
            Self::Commit(error) => error.source(),
        }
    }
}
