//! Defines SDMReadCtr, the read counter of a chip.

use core::fmt;
use core::str::FromStr;

use super::hex;
use super::parse_error::ParseError;

/// The 24-bit SDM read counter.
///
/// The chip sets the counter to 0 when SDM is enabled. Before each series of consecutive reads, the chip increments the
/// counter by 1. A genuine tap therefore carries a counter of 1 or more. Only an NTAG 22x DNA whose counter is off writes 0.
///
/// The counter is **LSB first** in PICCData, in session vectors (from which session keys are computed), and in the IV
/// of SDMENCFileData. The counter is **MSB first** in the plain ASCII mirror, and in the MAC input of an NTAG 22x DNA.
/// Source: NT4H2421Gx §9.3.1.
#[doc(alias = "SDMReadCtr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SdmReadCtr(u32);

impl SdmReadCtr {
    /// The counter 0, which is never accepted.
    pub const ZERO: Self = Self(0);
    /// The counter `FFFFFFh`. After a chip has reached this counter, the chip produces no more taps.
    pub const MAX: Self = Self(0x00FF_FFFF);

    /// Creates a counter from its value. Returns `None` if the value is greater than [`Self::MAX`].
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        if value <= Self::MAX.0 { Some(Self(value)) } else { None }
    }

    /// Creates a counter from three bytes, least significant first.
    #[must_use]
    pub const fn from_lsb_first([low, mid, high]: [u8; 3]) -> Self {
        Self(u32::from_le_bytes([low, mid, high, 0]))
    }

    /// Reads a counter from the six hexadecimal digits of the plain ASCII mirror, most significant digit first. The
    /// digits may be upper case or lower case.
    ///
    /// # Errors
    /// Returns [`ParseError`] if the length is not 6 or a character is not a hexadecimal digit.
    pub fn from_msb_ascii(text: &str) -> Result<Self, ParseError> {
        hex::decode(text.as_bytes()).map(Self::from_msb_first)
    }

    pub(crate) const fn from_msb_first([high, mid, low]: [u8; 3]) -> Self {
        Self::from_lsb_first([low, mid, high])
    }

    /// Returns the value.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Returns the three bytes, least significant first.
    #[must_use]
    pub const fn to_lsb_first(self) -> [u8; 3] {
        let [low, mid, high, _] = self.0.to_le_bytes();
        [low, mid, high]
    }

    pub(crate) const fn to_msb_first(self) -> [u8; 3] {
        let [low, mid, high] = self.to_lsb_first();
        [high, mid, low]
    }

    /// Returns the six upper-case hexadecimal digits of the plain ASCII mirror, most significant digit first.
    #[must_use]
    pub fn to_msb_ascii(self) -> [u8; 6] {
        hex::encode_upper(&self.to_msb_first())
    }
}

impl FromStr for SdmReadCtr {
    type Err = ParseError;

    /// Reads a decimal number in the form that `Display` writes. To read the hexadecimal digits of the mirror, use
    /// [`from_msb_ascii`](SdmReadCtr::from_msb_ascii).
    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseError::Decimal);
        }
        text.parse().ok().and_then(Self::new).ok_or(ParseError::Range)
    }
}

impl fmt::Display for SdmReadCtr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counter is LSB first in binary data and MSB first in ASCII. Source: NT4H2421Gx §9.3.1.
    #[test]
    fn ctr_byte_orders() {
        let ctr = SdmReadCtr::from_lsb_first([0x56, 0x34, 0x12]);
        assert_eq!(ctr.get(), 0x0012_3456);
        assert_eq!(&ctr.to_msb_ascii(), b"123456");
        assert_eq!(SdmReadCtr::from_msb_ascii("123456"), Ok(ctr));
        assert_eq!(ctr.to_lsb_first(), [0x56, 0x34, 0x12]);
    }

    #[test]
    fn ctr_is_displayed_and_parsed_as_a_decimal() {
        for (text, value) in [("0", Ok(0)), ("61", Ok(61)), ("0061", Ok(61)), ("16777215", Ok(0x00FF_FFFF))] {
            assert_eq!(text.parse().map(SdmReadCtr::get), value);
        }
        for (text, error) in [("16777216", ParseError::Range), ("99999999999", ParseError::Range)] {
            assert_eq!(text.parse::<SdmReadCtr>(), Err(error));
        }
        for text in ["", "+1", "-1", "3D", " 1"] {
            assert_eq!(text.parse::<SdmReadCtr>(), Err(ParseError::Decimal), "{text}");
        }
    }

    #[test]
    fn ctr_is_24_bit() {
        assert_eq!(SdmReadCtr::new(0x00FF_FFFF), Some(SdmReadCtr::MAX));
        assert_eq!(SdmReadCtr::new(0x0100_0000), None);
        assert_eq!(SdmReadCtr::from_lsb_first([0xFF; 3]), SdmReadCtr::MAX);
    }
}
