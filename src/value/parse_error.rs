//! Defines the error for text that cannot be parsed.

use core::fmt;

/// The error for text that is not a valid value of the expected type. The error contains no part of the text, because
/// the text may be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParseError {
    /// The number of hexadecimal digits is wrong.
    Length {
        /// The expected number of hexadecimal digits.
        expected: usize,
        /// The length of the given text in bytes.
        found: usize,
    },
    /// A character is not a hexadecimal digit.
    HexDigit,
    /// The text is not a decimal number.
    Decimal,
    /// The number is too large for the type.
    Range,
    /// The text is not an eCode, a code of 26 base32 characters.
    ECode,
    /// The text is not the name of a [`Scheme`](crate::Scheme).
    Scheme,
    /// The bytes are not the SEC1 encoding of a point on the curve P-256, or they encode the point at infinity.
    #[cfg(feature = "ecdsa")]
    PublicKey,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { expected, found } => {
                write!(f, "expected {expected} hexadecimal digits without prefix or spaces, got {found} characters")
            }
            Self::HexDigit => f.write_str("a character is not a hexadecimal digit"),
            Self::Decimal => f.write_str("expected a decimal number"),
            Self::Range => f.write_str("the number is too large"),
            Self::ECode => f.write_str("an eCode has 26 characters of base32: a-z and 2-7"),
            Self::Scheme => f.write_str("unknown scheme, expected `aes`, `lrp`, `suncmac` or `ecdsa`"),
            #[cfg(feature = "ecdsa")]
            Self::PublicKey => {
                f.write_str("expected a point on P-256 in SEC1 form: 02 or 03 and 32 bytes, or 04 and 64 bytes")
            }
        }
    }
}

impl core::error::Error for ParseError {}
