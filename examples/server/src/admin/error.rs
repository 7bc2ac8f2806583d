//! Why an administration request fails.

use std::fmt;

use crate::import::ImportError;
use crate::store::StoreError;

/// Why an administration request fails.
#[derive(Debug)]
pub enum AdminError {
    /// There is no such object.
    Missing(String),
    /// The request is invalid.
    Invalid(String),
    /// The request is valid, but not for the present state of the registry.
    Refused {
        /// A name for programs, such as `not_empty`.
        name: &'static str,
        /// The reason, for people.
        message: String,
    },
    /// The operating system has no random bytes for a new key.
    NoRandomBytes(String),
    /// An import has invalid lines.
    Import(ImportError),
    /// The store failed.
    Store(StoreError),
}

impl AdminError {
    pub(super) fn refused(name: &'static str, message: impl Into<String>) -> Self {
        Self::Refused { name, message: message.into() }
    }
}

impl fmt::Display for AdminError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(message)
            | Self::Invalid(message)
            | Self::Refused { message, .. }
            | Self::NoRandomBytes(message) => f.write_str(message),
            Self::Import(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AdminError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Import(error) => error.source(),
            Self::Store(error) => error.source(),
            Self::Missing(_) | Self::Invalid(_) | Self::Refused { .. } | Self::NoRandomBytes(_) => None,
        }
    }
}

impl From<StoreError> for AdminError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ImportError> for AdminError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Store(error) => Self::Store(error),
            error => Self::Import(error),
        }
    }
}
