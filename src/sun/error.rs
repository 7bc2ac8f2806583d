//! The errors of verification: one small type for each step, and [`Error`], which can hold the error of any step.
//!
//! No error contains a key or a MAC, so you may log every error. [`Error::UnknownTag`] contains the claimed UID, and
//! [`CommitError::Replayed`] the counter; no other error contains a value of a tap. Return one generic refusal to
//! untrusted clients, and keep the detailed error for your logs.

use core::convert::Infallible;
use core::fmt;

use crate::value::{ConfigError, Mark, SdmReadCtr, Uid};

/// One element of a layout. All variants except `Captured` are named as in the data sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// `{picc}`: the encrypted PICCData.
    PiccData,
    /// `{uid}`: the plain UID mirror.
    Uid,
    /// `{ctr}`: the plain SDMReadCtr mirror.
    SdmReadCtr,
    /// `{tt}`: the plain TTStatus mirror (the tamper status).
    TtStatus,
    /// `{enc}`: SDMENCFileData (the encrypted file data).
    EncFileData,
    /// `{mac}`: SDMMAC (the MAC of the tap).
    SdmMac,
    /// `{sig}`: the ECDSA signature of the tap, which NTAG X DNA mirrors at SDMMACOffset in place of SDMMAC.
    #[cfg(feature = "ecdsa")]
    Signature,
    /// `{:name}`: a capture, which is static text that can differ from tag to tag.
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
            #[cfg(feature = "ecdsa")]
            Self::Signature => "the signature",
            Self::Captured => "the text of a {:name}",
        })
    }
}

/// The reason why a received text does not match the layout. Parsing returns this error before anything is decrypted or verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Malformed {
    /// The input is longer than any URL that fits into the 256-byte file of a chip.
    TooLong,
    /// The input differs from the static text of the template. The first difference is at byte `at` of the input.
    StaticText {
        /// The number of input bytes before the difference.
        at: usize,
    },
    /// An element of the layout is missing.
    Missing(Field),
    /// An element occurs more than once in the input.
    Duplicate(Field),
    /// A value was given for an element that the layout does not have.
    Unexpected(Field),
    /// An element is too short or too long.
    Length(Field),
    /// An element contains an invalid character, for example a letter that is not a hexadecimal digit, or the `%` of
    /// percent-encoded text.
    Character(Field),
    /// The input contains extra text after the part that the layout describes.
    Trailing,
    /// The input is the `/path?query` of a request, but a full URL was expected. To parse a `/path?query`, call
    /// [`parse_origin_form`](crate::SdmLayout::parse_origin_form).
    OriginForm,
    /// The input is a full URL, but the `/path?query` of a request was expected. To parse a full URL, call
    /// [`parse`](crate::SdmLayout::parse).
    FullUrl,
    /// A length in the NDEF file points past the end of the file.
    NdefLength,
    /// The NDEF file does not begin with a URI record, or this record is split into chunks.
    NdefRecord,
    /// The URI code of the NDEF record is above 04h. A URI code abbreviates the beginning of the URL, and only the
    /// codes 00h to 04h are supported.
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
    /// The tap does not verify. It is forged or changed, or the keys or the layout do not match the tag.
    ///
    /// Invalid decrypted PICCData, a wrong MAC and a counter of 0 all cause this error, so that an attacker cannot
    /// distinguish the three causes. To find out what is wrong (a key, the key derivation, the scheme or the MAC
    /// input), use [`diagnose`](crate::diagnose) with the URL and your keys.
    NotAuthentic,
    /// The tap is genuine but carries no counter, so it may be a replay. See
    /// [`ClaimedTap::verify_replayable`](crate::ClaimedTap::verify_replayable).
    NoCounter,
    /// The tap is genuine, but from a different tag than the caller expected.
    WrongTag,
    /// The calling code has a mistake: the layout, the keys and the called method do not fit together. The
    /// [`ConfigError`] gives the reason.
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
    /// The counter of the tap is not greater than the stored counter. The store has already accepted this tap or a
    /// newer tap of the same tag.
    Replayed {
        /// The counter of the tap.
        ctr: SdmReadCtr,
        /// The record of the last accepted tap in the store. If the counter in this record is equal to `ctr`, the
        /// rejected tap is a copy of the last accepted tap. If the counter in this record is greater than `ctr`, the
        /// rejected tap is older than the last accepted tap.
        stored: Mark,
    },
    /// The store failed. The counter may or may not have advanced, so the tap is rejected.
    Store(S),
}

/// Writes the error text for a replay. If `ctr` (the counter of the tap) is equal to `stored` (the counter in the
/// store), the tap is a copy of the last accepted tap.
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

/// Any error that can occur on the way from the received text to a [`FreshTap`](crate::FreshTap). [`Malformed`],
/// [`VerifyError`] and [`CommitError`] convert into this type.
///
/// `S` is the error type of the counter store. `K` is the error type of the key source, which finds the file-read key
/// of a tag. `Display` writes the error text of the step that failed. If the counter store or the key source failed,
/// [`source`](core::error::Error::source) returns the error of type `S` or `K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error<S = Infallible, K = Infallible> {
    /// The received text does not match the layout.
    Malformed(Malformed),
    /// The tap was not verified.
    Verify(VerifyError),
    /// The key source has no key for the claimed tag, so nothing was verified. Possible causes are a tag that your
    /// records do not list, an invalid eCode, and a forged tap. An eCode is a code of 26 characters (a-z and 2-7) in
    /// the URL of some tags. The keys of these tags can be decrypted or derived only with the eCode.
    ///
    /// Untrusted clients must not be able to distinguish this error from [`VerifyError::NotAuthentic`].
    UnknownTag {
        /// The claimed UID, which is not proven.
        uid: Option<Uid>,
    },
    /// The key source failed, so nothing was verified.
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
