//! Why lines are refused.

use std::fmt;
use std::io;

use crate::store::StoreError;

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportError {
    /// Some lines are invalid.
    Lines {
        /// The first of these lines: its number, from 1, and what is wrong with it.
        listed: Vec<(usize, String)>,
        /// The number of invalid lines.
        all: usize,
    },
    /// The lines cannot be read.
    Input(io::Error),
    /// The store failed.
    Store(StoreError),
}

/// Why a line is refused.
pub(super) enum Stop {
    /// The line is invalid.
    Line(String),
    /// The store failed, so the import ends.
    Store(StoreError),
}

pub(super) type Checked<T = ()> = Result<T, Stop>;

pub(super) fn problem<T>(reason: impl Into<String>) -> Checked<T> {
    Err(Stop::Line(reason.into()))
}

impl<T: Into<String>> From<T> for Stop {
    fn from(reason: T) -> Self {
        Self::Line(reason.into())
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines { listed, all } => {
                for (number, reason) in listed {
                    writeln!(f, "line {number}: {reason}")?;
                }
                if let Some(more) = all.checked_sub(listed.len()).filter(|more| *more > 0) {
                    writeln!(f, "and {more} more lines")?;
                }
                f.write_str("nothing was imported")
            }
            Self::Input(_) => f.write_str("cannot read the lines"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ImportError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Lines { .. } => None,
            Self::Input(error) => Some(error),
            Self::Store(error) => Some(error),
        }
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
