//! The errors: one small type for each step, and [`Error`] for all of them.
//!
//! No error carries a key, a MAC or text of a tap, so each may be logged. Return one generic refusal to untrusted
//! clients; keep the detailed error for your logs.

use core::fmt;

use crate::value::Mark;

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
    /// The tap is genuine and carries a counter, so it must not be accepted as a tap without one.
    HasCounter,
    /// The tap is genuine, but of another tag than the caller expected.
    WrongTag,
    /// The layout has encrypted PICCData: open it with an `SdmMetaReadKey`.
    Encrypted,
    /// The layout has no PICCData: there is nothing to open.
    NotEncrypted,
    /// The key was prepared for another mode than that of the layout.
    WrongScheme,
}

impl fmt::Display for VerifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAuthentic => "not authentic",
            Self::NoCounter => "genuine, but without a counter",
            Self::HasCounter => "genuine, and with a counter: use verify and commit",
            Self::WrongTag => "genuine, but another tag than expected",
            Self::Encrypted => "the layout has encrypted PICCData: an SDMMetaReadKey is needed",
            Self::NotEncrypted => "the layout has no PICCData to open",
            Self::WrongScheme => "the key was prepared for another mode than that of the layout",
        })
    }
}

impl core::error::Error for VerifyError {}

/// The reason why a verified tap did not become a fresh one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError<S> {
    /// The counter is not greater than the stored one: this tap, or a later one, was accepted before.
    Replayed {
        /// The mark in the store.
        stored: Mark,
    },
    /// The store failed. It is unknown whether the counter advanced, and the tap is rejected.
    Store(S),
}

impl<S: fmt::Display> fmt::Display for CommitError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed { stored } => write!(f, "seen before: the counter stands at {}", stored.ctr),
            Self::Store(error) => write!(f, "the counter store failed: {error}"),
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<S> {
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

impl<S: fmt::Display> fmt::Display for Error<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed: {error}"),
            Self::Verify(error) => error.fmt(f),
            Self::Commit(error) => error.fmt(f),
        }
    }
}

impl<S: core::error::Error + 'static> core::error::Error for Error<S> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(error) => Some(error),
            Self::Verify(error) => Some(error),
            Self::Commit(error) => Some(error),
        }
    }
}
