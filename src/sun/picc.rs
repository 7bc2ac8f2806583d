//! PICCData: the encrypted UID and counter of a tap. Source: NT4H2421Gx §9.3.4, Table 21.

use super::layout::Mirrored;
use crate::cipher::{Block, PiccWire};
use crate::key::PreparedMetaReadKey;
use crate::value::{SdmReadCtr, Uid};

/// The content of decrypted PICCData.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PiccData {
    pub(crate) uid: Option<Uid>,
    pub(crate) ctr: Option<SdmReadCtr>,
}

impl PiccData {
    /// Decrypts PICCData and reads its content.
    ///
    /// Decryption succeeds even with a wrong key, so the returned values are not proven. This method checks only that
    /// the first byte of the plaintext (PICCDataTag) is valid. With a wrong key, PICCDataTag is a random byte, and 3 of
    /// the 256 possible bytes are valid.
    pub(crate) fn open(key: &PreparedMetaReadKey, wire: &PiccWire) -> Option<Self> {
        Self::read(&key.decrypt(wire)?)
    }

    /// Reads decrypted PICCData: `PICCDataTag [UID] [SDMReadCtr] RandomPadding`.
    pub(super) fn read(plain: &Block) -> Option<Self> {
        let [tag, body @ ..] = plain;
        let (uid, after_uid) = body.split_first_chunk()?;
        // In PICCDataTag, bit 7 is set if there is a UID, and bit 6 is set if there is a counter. Bits 5 and 4 are
        // reserved and zero. Bits 3 to 0 are the length of the UID, or zero if there is no UID.
        let (uid, ctr) = match tag {
            0xC7 => (Some(uid), after_uid.first_chunk()),
            0x87 => (Some(uid), None),
            0x40 => (None, body.first_chunk()),
            _ => return None,
        };
        Some(Self { uid: uid.map(|uid| Uid::from_bytes(*uid)), ctr: ctr.map(|ctr| SdmReadCtr::from_lsb_first(*ctr)) })
    }

    pub(super) fn has_mirrors(&self, pinned: Mirrored) -> bool {
        pinned == Mirrored { uid: self.uid.is_some(), ctr: self.ctr.is_some() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scheme, SdmMetaReadKey};

    /// AN12196 Rev 1.8 Table 3.
    #[test]
    fn an12196_table_3() {
        let mut wire = PiccWire::default();
        crate::value::hex::decode_into(b"EF963FF7828658A599F3041510671E88", &mut wire[..16]).unwrap();
        let key = SdmMetaReadKey::FACTORY.prepare(Scheme::Aes);
        assert_eq!(u128::from_be_bytes(key.decrypt(&wire).unwrap()), 0xC704_DE5F_1EAC_C040_3D00_00DA_5CF6_0941);
        let (uid, ctr) = (Uid::from_hex("04DE5F1EACC040").ok(), SdmReadCtr::new(61));
        assert_eq!(PiccData::open(&key, &wire), Some(PiccData { uid, ctr }));
    }

    /// NT4H2421Gx Table 21: PICCDataTag has only three valid values.
    #[test]
    fn table_21_accepts_three_tag_bytes() {
        let mut plain = [0x11; 16];
        for tag in 0..=u8::MAX {
            plain[0] = tag;
            let read = PiccData::read(&plain);
            let (uid, ctr) = (Uid::from_bytes([0x11; 7]), SdmReadCtr::from_lsb_first([0x11; 3]));
            let expected = match tag {
                0xC7 => Some(PiccData { uid: Some(uid), ctr: Some(ctr) }),
                0x87 => Some(PiccData { uid: Some(uid), ctr: None }),
                0x40 => Some(PiccData { uid: None, ctr: Some(ctr) }),
                _ => None,
            };
            assert_eq!(read, expected, "{tag:#04x}");
        }
    }
}
