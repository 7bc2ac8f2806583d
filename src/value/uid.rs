//! Defines the UID of a chip.

use core::array::TryFromSliceError;
use core::fmt;
use core::str::FromStr;

use super::hex;
use super::parse_error::ParseError;

/// The seven-byte unique identifier of a chip. The bytes are in the order in which the chip sends and mirrors them.
///
/// `Display` writes the UID as 14 upper-case hexadecimal digits. Source: NT4H2421Gx §9.3.3, Table 20.
///
/// ```
/// # use suntap::Uid;
/// let uid = Uid::from_hex("04de5f1eacc040")?;
/// assert_eq!(uid.to_string(), "04DE5F1EACC040");
/// # Ok::<(), suntap::ParseError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid([u8; 7]);

impl Uid {
    /// Creates a UID from its seven bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 7]) -> Self {
        Self(bytes)
    }

    /// Reads a UID from 14 hexadecimal digits in upper or lower case.
    ///
    /// # Errors
    /// Returns [`ParseError`] if the length is not 14 or a character is not a hexadecimal digit.
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        hex::decode(text.as_bytes()).map(Self)
    }

    /// Returns the seven bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 7] {
        &self.0
    }

    /// Returns the 14 upper-case hexadecimal digits that the chip mirrors.
    #[must_use]
    pub fn to_ascii(self) -> [u8; 14] {
        hex::encode_upper(&self.0)
    }
}

impl FromStr for Uid {
    type Err = ParseError;

    /// Reads a UID like [`Uid::from_hex`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::from_hex(text)
    }
}

impl TryFrom<&[u8]> for Uid {
    type Error = TryFromSliceError;

    fn try_from(bytes: &[u8]) -> Result<Self, TryFromSliceError> {
        bytes.try_into().map(Self)
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex::write_upper(&self.0, f)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uid({self})")
    }
}
