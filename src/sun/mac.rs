//! Defines the SDMMAC type, which truncates a CMAC and compares MACs in constant time. Source: NT4H2421Gx §9.3.7,
//! §9.3.8, §9.1.3.

use core::fmt;

use subtle::ConstantTimeEq;

use crate::value::{ParseError, hex};

/// An SDMMAC: a CMAC truncated to 8 bytes.
///
/// `==` runs in constant time. `Debug` does not show the bytes, so that the MAC of a tap does not get into a log. Until
/// the tap is accepted, a reader of the log could submit the tap with this MAC.
#[doc(alias = "SDMMAC")]
#[doc(alias = "MACt")]
#[derive(Clone, Copy)]
pub struct SdmMac([u8; 8]);

impl SdmMac {
    /// Creates a MAC from its eight bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// Parses a MAC from 16 hexadecimal digits of either case.
    ///
    /// # Errors
    /// Returns [`ParseError`] if `text` is not 16 characters long or contains a character that is not a hexadecimal
    /// digit.
    pub fn from_hex(text: &str) -> Result<Self, ParseError> {
        hex::decode(text.as_bytes()).map(Self)
    }

    /// Truncates a full CMAC in the same way as the chip: bytes 1, 3, 5, 7, 9, 11, 13 and 15 (counted from 0) remain.
    #[must_use]
    pub const fn truncate(cmac: &[u8; 16]) -> Self {
        let [_, m0, _, m1, _, m2, _, m3, _, m4, _, m5, _, m6, _, m7] = *cmac;
        Self([m0, m1, m2, m3, m4, m5, m6, m7])
    }

    /// Returns the eight bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl PartialEq for SdmMac {
    fn eq(&self, other: &Self) -> bool {
        u64::from_ne_bytes(self.0).ct_eq(&u64::from_ne_bytes(other.0)).into()
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
    use crate::sun::session::MacKey;
    use crate::{Scheme, SdmFileReadKey, SdmReadCtr, Uid};

    /// Checks the session key, full CMAC and SDMMAC of a tap under factory keys.
    fn check(uid: &str, ctr: u32, input: &[u8], session_key: u128, cmac: u128, mac: &str) {
        let key = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
        let session = MacKey::derive(&key, Uid::from_hex(uid).ok(), SdmReadCtr::new(ctr)).unwrap();
        assert_eq!(u128::from_be_bytes(*session.expose_bytes()), session_key);
        assert_eq!(u128::from_be_bytes(session.cmac(input)), cmac);
        assert_eq!(SdmMac::truncate(&session.cmac(input)), SdmMac::from_hex(mac).unwrap());
    }

    /// AN12196 Rev 1.8 Table 5, where the MAC input is empty.
    #[test]
    fn an12196_table_5() {
        let session_key = 0x3FB5_F6E3_A807_A03D_5E35_70AC_E393_776F;
        let cmac = 0xE194_C7EE_12D9_F7EE_8A65_C833_1B70_4386;
        check("04DE5F1EACC040", 61, b"", session_key, cmac, "94EED9EE65337086");
    }

    /// AN12196 Rev 1.8 Table 6, where the MAC input is the encrypted file data followed by `&cmac=`.
    #[test]
    fn an12196_table_6() {
        let input = b"CEE9A53E3E463EF1F459635736738962&cmac=";
        let session_key = 0x3ED0_920E_5E6A_0320_D823_D598_7FEA_FBB1;
        let cmac = 0x81EC_45C1_75E7_2FF6_FAC6_1BC7_AB3B_AEF6;
        check("04958CAA5C5E80", 8, input, session_key, cmac, "ECC1E7F6C6C73BF6");
    }

    #[test]
    fn a_difference_in_any_bit_is_detected() {
        let mac = SdmMac::from_bytes([0x5A; 8]);
        for bit in 0..64u32 {
            let other = u64::from_be_bytes(mac.0) ^ (1u64 << bit);
            assert_ne!(SdmMac::from_bytes(other.to_be_bytes()), mac);
        }
    }
}
