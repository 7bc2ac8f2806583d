//! Session vectors and session keys. Source: NT4H2421Gx §9.3.9, AN12196 Table 2.
//!
//! The line from text to [`FreshTap`](crate::FreshTap) does all this by itself. It is public for those who look into a tap:
//! to show it, to compare it with another implementation, or to find out why it does not verify. Nothing here is a verdict.

use crate::cipher::{Block, Cmac};
use crate::key::{PreparedFileReadKey, key_type};
use crate::types::{SdmReadCtr, Uid};

key_type! {
    /// The session key of SDMMAC.
    #[doc(alias = "SesSDMFileReadMACKey")]
    #[doc(alias = "KSesSDMFileReadMAC")]
    MacKey
}

key_type! {
    /// The session key of SDMENCFileData.
    #[doc(alias = "SesSDMFileReadENCKey")]
    #[doc(alias = "KSesSDMFileReadENC")]
    EncKey
}

/// SV1, from which the [`EncKey`] is derived: `C3 3C 00 01 00 80 || UID || SDMReadCtr`, the counter LSB first.
#[must_use]
pub fn sv1(uid: Uid, ctr: SdmReadCtr) -> [u8; 16] {
    vector([0xC3, 0x3C], Some(uid), Some(ctr))
}

/// SV2, from which the [`MacKey`] is derived: `3C C3 00 01 00 80 [|| UID] [|| SDMReadCtr]`, the counter LSB first.
///
/// What the tag does not mirror, plain or encrypted, is left out; the rest moves up and zero bytes fill the block.
#[must_use]
pub fn sv2(uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> [u8; 16] {
    vector([0x3C, 0xC3], uid, ctr)
}

fn vector(label: [u8; 2], uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Block {
    let uid = uid.as_ref().map(Uid::as_bytes);
    let ctr = ctr.map(SdmReadCtr::to_lsb_first);
    let fields =
        label.iter().chain(&[0x00, 0x01, 0x00, 0x80]).chain(uid.into_iter().flatten()).chain(ctr.iter().flatten());
    let mut block = [0; 16];
    block.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
    block
}

impl MacKey {
    /// Derives the key from what the tag mirrors.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Self {
        Self(key.session_key(&sv2(uid, ctr)))
    }

    /// The whole CMAC of a MAC input, of which SDMMAC is the [truncation](super::SdmMac::truncate).
    #[must_use]
    pub fn cmac(&self, input: &[u8]) -> [u8; 16] {
        let key = self.prepare();
        let mut message = key.message();
        message.update(input.iter().copied());
        message.finish()
    }

    pub(super) fn prepare(&self) -> Cmac {
        Cmac::new(&self.0)
    }
}

impl EncKey {
    /// Derives the key. The chip encrypts file data only where it mirrors both UID and counter.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Uid, ctr: SdmReadCtr) -> Self {
        Self(key.session_key(&sv1(uid, ctr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mode, SdmFileReadKey};

    /// AN12196 Rev 1.8 Table 2.
    #[test]
    fn an12196_table_2() {
        let key = SdmFileReadKey::from_hex("5ACE7E50AB65D5D51FD5BF5A16B8205B").unwrap().prepare(Mode::Aes);
        let uid = Uid::from_hex("04C767F2066180").unwrap();
        let ctr = SdmReadCtr::new(1).unwrap();
        assert_eq!(sv1(uid, ctr), 0xC33C_0001_0080_04C7_67F2_0661_8001_0000_u128.to_be_bytes());
        assert_eq!(sv2(Some(uid), Some(ctr)), 0x3CC3_0001_0080_04C7_67F2_0661_8001_0000_u128.to_be_bytes());
        assert_eq!(EncKey::derive(&key, uid, ctr), EncKey::from_hex("66DA61797E23DECA5D8ECA13BBADF7A9").unwrap());
        assert_eq!(
            MacKey::derive(&key, Some(uid), Some(ctr)),
            MacKey::from_hex("3A3E8110E05311F7A3FCF0D969BF2B48").unwrap()
        );
    }

    /// NT4H2421Gx §9.3.9.1: what is not mirrored is left out, and the block is filled with zero bytes.
    #[test]
    fn sv2_of_partial_mirrors() {
        let uid = Uid::from_hex("04C767F2066180").unwrap();
        let ctr = SdmReadCtr::new(0x12_3456).unwrap();
        assert_eq!(sv2(Some(uid), None), 0x3CC3_0001_0080_04C7_67F2_0661_8000_0000_u128.to_be_bytes());
        assert_eq!(sv2(None, Some(ctr)), 0x3CC3_0001_0080_5634_1200_0000_0000_0000_u128.to_be_bytes());
        assert_eq!(sv2(None, None), 0x3CC3_0001_0080_0000_0000_0000_0000_0000_u128.to_be_bytes());
    }
}
