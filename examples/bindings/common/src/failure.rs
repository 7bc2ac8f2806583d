//! The errors of all calls.

use core::convert::Infallible;
use core::fmt;

use suntap::{CommitError, ConfigError, Error, LayoutError, ParseError, VerifyError};

use crate::Code;

/// Why a call failed. `S` is the error type of the counter store.
///
/// `Display` writes the text for a log. Answer every untrusted client with the same refusal: the difference between two texts
/// can help an attacker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure<S = Infallible> {
    /// The template breaks a rule.
    Template(LayoutError),
    /// A key is not 16 bytes or 32 hexadecimal digits.
    Key,
    /// The name of the scheme is unknown.
    Scheme,
    /// The template and the keys do not fit together.
    Settings(ConfigError),
    /// The tap is refused.
    Tap(Error<S>),
}

impl<S> Failure<S> {
    /// Returns the code of the error. It is never [`Code::Fresh`].
    pub const fn code(&self) -> Code {
        match self {
            Self::Template(_) => Code::InvalidTemplate,
            Self::Key => Code::InvalidKey,
            Self::Scheme => Code::InvalidArgument,
            Self::Settings(_) | Self::Tap(Error::Verify(VerifyError::Config(_))) => Code::InvalidSettings,
            Self::Tap(Error::Malformed(_)) => Code::Malformed,
            Self::Tap(Error::Verify(VerifyError::NoCounter)) => Code::NoCounter,
            Self::Tap(Error::Commit(CommitError::Replayed { .. })) => Code::Replayed,
            Self::Tap(Error::Commit(_)) => Code::StoreFailed,
            // No binding lets an attacker see whether the PICCData was decrypted.
            Self::Tap(_) => Code::NotAuthentic,
        }
    }
}

impl<S> From<LayoutError> for Failure<S> {
    fn from(error: LayoutError) -> Self {
        Self::Template(error)
    }
}

impl<S> From<ConfigError> for Failure<S> {
    fn from(error: ConfigError) -> Self {
        Self::Settings(error)
    }
}

impl<S> From<ParseError> for Failure<S> {
    fn from(_: ParseError) -> Self {
        Self::Key
    }
}

impl<S> From<Error<S>> for Failure<S> {
    fn from(error: Error<S>) -> Self {
        Self::Tap(error)
    }
}

impl<S> fmt::Display for Failure<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Template(error) => error.fmt(f),
            Self::Key => f.write_str(Code::InvalidKey.text()),
            Self::Scheme => f.write_str("the scheme must be aes, lrp or suncmac"),
            Self::Settings(error) => error.fmt(f),
            // The claimed UID is not proven, and a reader of the log could take it for one that is.
            Self::Tap(Error::UnknownTag { .. }) => VerifyError::NotAuthentic.fmt(f),
            Self::Tap(error) => error.fmt(f),
        }
    }
}

impl<S: fmt::Debug> core::error::Error for Failure<S> {}
