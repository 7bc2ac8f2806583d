//! The error for text that is not a value.

use core::fmt;

/// The error for text that is not a value of the wanted type. It contains nothing of the text, which may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// The number of characters is wrong.
    Length {
        /// The expected number of characters.
        expected: usize,
        /// The length of the given text in bytes.
        found: usize,
    },
    /// A character is not a digit of the expected kind: hexadecimal, decimal, or base32 for an eCode.
    Digit,
    /// The number is too large for the type.
    Range,
    /// The text is not one of the known names.
    Name,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => write!(f, "expected {expected} characters, got {found}"),
            Self::Digit => f.write_str("a character is not a digit of the expected kind"),
            Self::Range => f.write_str("the number is too large"),
            Self::Name => f.write_str("unknown name"),
        }
    }
}

impl core::error::Error for ParseError {}
