//! SDMMAC: what it covers, how it is cut, how it is compared. Source: NT4H2421Gx §9.3.7, §9.3.8, §9.1.3.

use core::fmt;

use subtle::ConstantTimeEq;

use super::layout::{Kind, SdmLayout};
use super::parse::{Received, is_digits};
use super::session::MacKey;
use crate::error::{Field, ParseHexError};
use crate::hex;

/// An SDMMAC: 8 bytes.
///
/// `==` takes the same time for any two values. `Debug` does not show it, for the MAC of a tap that was never accepted is as
/// good as the tap.
#[doc(alias = "SDMMAC")]
#[doc(alias = "MACt")]
#[derive(Clone, Copy)]
pub struct SdmMac([u8; 8]);

impl SdmMac {
    /// A MAC from its eight bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// A MAC from 16 hexadecimal digits of either case.
    ///
    /// # Errors
    /// [`ParseHexError`] if the length is not 16 or a character is no digit.
    pub fn from_hex(text: &str) -> Result<Self, ParseHexError> {
        hex::decode(text.as_bytes()).map(Self)
    }

    /// Cuts a whole CMAC: the bytes 1, 3, 5 to 15, counted from 0, remain.
    #[must_use]
    pub const fn truncate(cmac: &[u8; 16]) -> Self {
        let [_, m0, _, m1, _, m2, _, m3, _, m4, _, m5, _, m6, _, m7] = *cmac;
        Self([m0, m1, m2, m3, m4, m5, m6, m7])
    }

    /// The eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }

    /// The MAC that a tag with this session key writes for what was received.
    pub(super) fn compute(key: &MacKey, layout: &SdmLayout, received: &Received<'_>) -> Self {
        Self::truncate(&key.cmac_of(mac_input(layout, received)))
    }
}

/// The text from `[[` to `{mac}`, as the tag wrote it. The chip writes its digits in upper case; some phones do not keep it.
fn mac_input(layout: &SdmLayout, received: &Received<'_>) -> impl Iterator<Item = u8> {
    let mut inside = false;
    layout.elements().zip(received.text).flat_map(move |(element, value)| {
        let before: &[u8] = if inside { layout.text(element.text) } else { &[] };
        inside = match element.kind {
            Kind::MacInput => true,
            Kind::Value(Field::SdmMac) | Kind::End => false,
            Kind::Value(_) => inside,
        };
        let value = if inside { value } else { &[] };
        let digits = matches!(element.kind, Kind::Value(field) if is_digits(field));
        let value = value.iter().map(move |byte| if digits { byte.to_ascii_uppercase() } else { *byte });
        before.iter().copied().chain(value)
    })
}

impl PartialEq for SdmMac {
    fn eq(&self, other: &Self) -> bool {
        self.0[..].ct_eq(&other.0[..]).into()
    }
}

impl Eq for SdmMac {}

impl fmt::Debug for SdmMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SdmMac(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AN12196 Rev 1.8 §4.4.4.2.1 and Table 5.
    #[test]
    fn an12196_table_5_truncation() {
        let cmac = 0xE194_C7EE_12D9_F7EE_8A65_C833_1B70_4386_u128.to_be_bytes();
        assert_eq!(SdmMac::truncate(&cmac), SdmMac::from_hex("94EED9EE65337086").unwrap());
    }

    #[test]
    fn a_difference_in_any_bit_is_seen() {
        let mac = SdmMac::from_bytes([0x5A; 8]);
        for bit in 0..64u32 {
            let other = u64::from_be_bytes(mac.0) ^ (1u64 << bit);
            assert_ne!(SdmMac::from_bytes(other.to_be_bytes()), mac);
        }
    }
}
