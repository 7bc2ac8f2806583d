//! Why a call failed.

use core::fmt;

use suntap_bindings::{Code, Failure};

use crate::store::StoreFailed;

/// Why a call failed. `Display` writes the text for a log.
#[derive(Debug)]
pub(crate) enum Problem {
    /// An argument is null, misaligned, too small, or contradicts another one. The text says which.
    Argument(&'static str),
    /// The template is too long or not UTF-8.
    Template(&'static str),
    /// The bytes of the tap are not UTF-8.
    Malformed(&'static str),
    /// No verifier can be made from the settings.
    Settings(Failure),
    /// The tap is refused.
    Tap(Failure<StoreFailed>),
}

impl Problem {
    /// Returns the number of the code. It is never 0.
    pub(crate) const fn code(&self) -> i32 {
        match self {
            Self::Argument(_) => Code::InvalidArgument,
            Self::Template(_) => Code::InvalidTemplate,
            Self::Malformed(_) => Code::Malformed,
            Self::Settings(failure) => failure.code(),
            Self::Tap(failure) => failure.code(),
        }
        .number()
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Settings(failure)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(text) | Self::Template(text) | Self::Malformed(text) => f.write_str(text),
            Self::Settings(failure) => failure.fmt(f),
            Self::Tap(failure) => failure.fmt(f),
        }
    }
}
