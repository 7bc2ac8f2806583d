//! The errors: one small type for each step, and [`Error`] for all of them.
//!
//! No error contains a key, a MAC or text of a tap, so you may log every error. Return one generic refusal to untrusted
//! clients, and keep the detailed error for your logs.

use core::convert::Infallible;
use core::fmt;

use crate::value::{ConfigError, Mark, SdmReadCtr, Uid};

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

/// The reason why a text does not have the shape of the layout. Nothing was decrypted, and no MAC was compared.
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
    /// An element contains an invalid character, for example a letter that is not a hexadecimal digit, or the `%` of
    /// percent-encoded text.
    Character(Field),
    /// There is text after the last element.
    Trailing,
    /// The input is the `/path?query` of a request, but a full URL was expected. Call
    /// [`parse_origin_form`](crate::SdmLayout::parse_origin_form) for such input.
    OriginForm,
    /// The input is a full URL, but the `/path?query` of a request was expected. Call
    /// [`parse`](crate::SdmLayout::parse) for such input.
    FullUrl,
    /// A length in the NDEF file points past the end of the file.
    NdefLength,
    /// The NDEF file does not begin with a whole URI record.
    NdefRecord,
    /// The URI code of the NDEF record is above 04h. Only the codes 00h to 04h are supported.
    NdefPrefix,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("malformed tap: longer than a tag's file allows"),
            Self::StaticText { at } => write!(f, "malformed tap: differs from the layout at byte {at}"),
            Self::Missing(field) => write!(f, "malformed tap: {field} is missing"),
            Self::Duplicate(field) => write!(f, "malformed tap: {field} occurs twice"),
            Self::Unexpected(field) => write!(f, "malformed tap: {field} was given but is not in the layout"),
            Self::Length(Field::PiccData) => {
                f.write_str("malformed tap: PICCData has the wrong length: 32 digits in AES mode, 48 in LRP mode")
            }
            Self::Length(field) => write!(f, "malformed tap: {field} has the wrong length"),
            Self::Character(field) => write!(f, "malformed tap: {field} has an invalid character"),
            Self::Trailing => f.write_str(
                "malformed tap: text after the end of the layout, such as a line break or another parameter",
            ),
            Self::OriginForm => f.write_str(
                "malformed tap: expected a full URL, got the path and query of a request: \
                 pass Presented::OriginForm, or call parse_origin_form",
            ),
            Self::FullUrl => f.write_str(
                "malformed tap: expected the path and query of a request, got a full URL: \
                 pass Presented::Url, or call parse",
            ),
            Self::NdefLength => f.write_str(
                "malformed tap: a length in the NDEF file points past its end: expected raw bytes, from NLEN on",
            ),
            Self::NdefRecord => f.write_str(
                "malformed tap: the NDEF file does not begin with a URI record: \
                 expected raw bytes, from NLEN on",
            ),
            Self::NdefPrefix => f.write_str("malformed tap: the URI code of the NDEF record is above 04h"),
        }
    }
}

impl core::error::Error for Malformed {}

/// The reason why a well-formed tap was not verified.
///
/// Every variant except [`Config`](Self::Config) is caused by the tap. `Config` reports a programming error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum VerifyError {
    /// The tap was not made by a holder of the keys.
    ///
    /// Invalid decrypted PICCData, a wrong MAC and a counter of 0 all cause this error, so that an attacker cannot
    /// distinguish these cases. To find out whether the keys, the key derivation, the scheme or the MAC input are
    /// wrong, use [`diagnose`](crate::diagnose) with the URL and your keys.
    NotAuthentic,
    /// The tap is genuine but carries no counter, so it may be a replay. See
    /// [`ClaimedTap::verify_replayable`](crate::ClaimedTap::verify_replayable).
    NoCounter,
    /// The tap is genuine, but from a different tag than the caller expected.
    WrongTag,
    /// The layout, the keys and the called methods do not fit together.
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
            Self::WrongTag => f.write_str("tap is genuine but from a different tag than expected"),
            Self::Config(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VerifyError {}

/// The reason why a verified tap did not become a fresh tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommitError<S> {
    /// The counter is not greater than the stored one: this tap, or a later one, was accepted before.
    Replayed {
        /// The counter of the tap.
        ctr: SdmReadCtr,
        /// The mark in the store. If its counter is equal to `ctr`, this tap is the last accepted tap. If its counter
        /// is greater, a later tap was accepted.
        stored: Mark,
    },
    /// The store failed. It is unknown whether the counter advanced. The tap is rejected.
    Store(S),
}

/// Writes the text for a replay. If the counters are equal, the tap is a copy of the last accepted one.
pub(crate) fn write_replayed(f: &mut fmt::Formatter<'_>, ctr: SdmReadCtr, stored: SdmReadCtr) -> fmt::Result {
    if ctr == stored {
        write!(f, "replayed tap: this tap, with counter {ctr}, was already accepted")
    } else {
        write!(f, "replayed tap: its counter is {ctr}, and counter {stored} was already accepted")
    }
}

impl<S> fmt::Display for CommitError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replayed { ctr, stored } => write_replayed(f, *ctr, stored.ctr),
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

/// Any error that can occur between the received text and a [`FreshTap`](crate::FreshTap). The error of each step
/// converts into this type.
///
/// `S` is the error of the counter store, and `K` is the error of the source of keys. `Display` writes the error text
/// of the step that failed. If the store or the source of keys failed, `source` returns its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<S = Infallible, K = Infallible> {
    /// The text does not have the shape of the layout.
    Malformed(Malformed),
    /// The tap was not verified.
    Verify(VerifyError),
    /// There is no key for the claimed tag, so nothing was verified. Either the tag is not listed, its eCode is not 26
    /// characters of a-z and 2-7, or the tap is a forgery.
    ///
    /// Untrusted clients must not be able to distinguish this error from [`VerifyError::NotAuthentic`].
    UnknownTag {
        /// The claimed UID. It is not proven.
        uid: Option<Uid>,
    },
    /// The source of keys failed, so nothing was verified.
    Keys(K),
    /// The tap was verified, but it is a replay or the store failed.
    Commit(CommitError<S>),
}

impl<S, K> From<Malformed> for Error<S, K> {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl<S, K> From<VerifyError> for Error<S, K> {
    fn from(error: VerifyError) -> Self {
        Self::Verify(error)
    }
}

impl<S, K> From<CommitError<S>> for Error<S, K> {
    fn from(error: CommitError<S>) -> Self {
        Self::Commit(error)
    }
}

impl<S, K> fmt::Display for Error<S, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => error.fmt(f),
            Self::Verify(error) => error.fmt(f),
            Self::UnknownTag { uid: Some(uid) } => write!(f, "no key for the claimed UID {uid}"),
            Self::UnknownTag { uid: None } => f.write_str("no key for the claimed tag"),
            Self::Keys(_) => f.write_str("the source of keys failed"),
            Self::Commit(error) => error.fmt(f),
        }
    }
}

impl<S: core::error::Error + 'static, K: core::error::Error + 'static> core::error::Error for Error<S, K> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(_) | Self::Verify(_) | Self::UnknownTag { .. } => None,
            Self::Keys(error) => Some(error),
            Self::Commit(error) => error.source(),
        }
    }
}
