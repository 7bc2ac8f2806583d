//! Defines the errors of tokens.

use core::fmt;

use crate::value::{Mark, UnixMillis};

/// The reason why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenError {
    /// The text is not a token: it has another length, other characters or an unknown version.
    Malformed,
    /// None of the keys has minted the token.
    NotAuthentic,
    /// The token is for a different audience.
    WrongAudience,
    /// The token was minted in the future. The clocks of the two services differ by more than the allowed skew.
    NotYetValid {
        /// The time at which the token was minted, by the clock of the service that minted it.
        issued_at: UnixMillis,
    },
    /// The token has expired.
    Expired {
        /// The time at which the token expired. It is refused from this time plus the allowed skew on.
        expires_at: UnixMillis,
    },
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "not a token",
            Self::NotAuthentic => "token is not authentic",
            Self::WrongAudience => "token is for a different audience",
            Self::NotYetValid { .. } => "token is not valid yet: the clocks of the two services differ",
            Self::Expired { .. } => "token has expired",
        })
    }
}

impl core::error::Error for TokenError {}

/// The reason why a verified token must not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UseError<S> {
    /// The token was used before, or another token of the same tap for the same audience was.
    Used {
        /// The record of the use.
        stored: Mark,
    },
    /// There is a newer tap of the tag.
    NewerTap {
        /// The record of the newer tap.
        stored: Mark,
    },
    /// The token has expired since it was verified.
    Expired,
    /// The store of the taps does not know the tap of the token, so it has lost counters.
    CounterLost,
    /// The store failed. The token may be spent.
    Store(S),
}

impl<S> fmt::Display for UseError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Used { .. } => "token was used before",
            Self::NewerTap { .. } => "there is a newer tap of the tag",
            Self::Expired => "token has expired",
            Self::CounterLost => "the counter store does not know the tap of the token",
            Self::Store(_) => "the counter store failed",
        })
    }
}

impl<S: core::error::Error + 'static> core::error::Error for UseError<S> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
