//! Session vectors and session keys. Source: NT4H2421Gx §9.3.9, AN12196 Table 2.
//!
//! The line from text to [`FreshTap`](crate::FreshTap) does all this by itself. It is public for those who look into a tap:
//! to show it, to compare it with another implementation, or to find out why it does not verify. Nothing here is a verdict.
//!
//! An NTAG 22x has no session keys; a key that was prepared for one is treated as for AES here.

use crate::cipher::{Block, Cmac, padded};
use crate::key::{PreparedFileReadKey, key_type};
#[cfg(feature = "lrp")]
use crate::lrp::Lrp;
use crate::types::{Mode, SdmReadCtr, Uid};

key_type! {
    /// What a session key is made of.
    ///
    /// In AES mode it is the session key itself. In LRP mode it is SesSDMFileReadMasterKey, of which SDMMAC uses updated
    /// key 0 and SDMENCFileData updated key 1.
    #[doc(alias = "SesSDMFileReadMasterKey")]
    SessionSecret
}

/// Declares a session key, in either mode.
macro_rules! session_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            mode: Mode,
            secret: SessionSecret,
        }

        impl $name {
            /// A key that was derived elsewhere, in a secure element for instance.
            #[must_use]
            pub const fn from_secret(mode: Mode, secret: SessionSecret) -> Self {
                Self { mode, secret }
            }

            /// The key that a session vector gives.
            fn from_vector(key: &PreparedFileReadKey, vector: &Block) -> Self {
                Self::from_secret(key.mode(), SessionSecret::from_bytes(key.session_key(vector)))
            }

            /// What the key is made of.
            #[must_use]
            pub const fn secret(&self) -> &SessionSecret {
                &self.secret
            }

            /// How the key is used.
            #[must_use]
            pub const fn mode(&self) -> Mode {
                self.mode
            }
        }
    };
}

session_key! {
    /// The session key of SDMMAC.
    #[doc(alias = "SesSDMFileReadMACKey")]
    #[doc(alias = "KSesSDMFileReadMAC")]
    MacKey
}

session_key! {
    /// The session key of SDMENCFileData.
    #[doc(alias = "SesSDMFileReadENCKey")]
    #[doc(alias = "KSesSDMFileReadENC")]
    EncKey
}

/// SV1, from which the [`EncKey`] is derived: `C3 3C 00 01 00 80 || UID || SDMReadCtr`, the counter LSB first.
#[must_use]
pub fn sv1(uid: Uid, ctr: SdmReadCtr) -> [u8; 16] {
    vector(&[0xC3, 0x3C, 0x00, 0x01, 0x00, 0x80], Some(uid), Some(ctr))
}

/// SV2, from which the [`MacKey`] is derived: `3C C3 00 01 00 80 [|| UID] [|| SDMReadCtr]`, the counter LSB first.
///
/// What the tag does not mirror, plain or encrypted, is left out; the rest moves up and zero bytes fill the block.
#[must_use]
pub fn sv2(uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> [u8; 16] {
    vector(&[0x3C, 0xC3, 0x00, 0x01, 0x00, 0x80], uid, ctr)
}

/// SV of LRP mode, from which the session's master key is derived: `00 01 00 80 [|| UID] [|| SDMReadCtr] .. || 1E E1`.
///
/// As in [`sv2`], what the tag does not mirror is left out and zero bytes fill the block up, here to the last two.
#[cfg(feature = "lrp")]
#[must_use]
pub fn sv(uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> [u8; 16] {
    let mut block = vector(&[0x00, 0x01, 0x00, 0x80], uid, ctr);
    let [.., last, end] = &mut block;
    (*last, *end) = (0x1E, 0xE1);
    block
}

fn vector(label: &[u8], uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Block {
    let uid = uid.as_ref().map(Uid::as_bytes);
    let ctr = ctr.map(SdmReadCtr::to_lsb_first);
    padded(label.iter().chain(uid.into_iter().flatten()).chain(ctr.iter().flatten()).copied())
}

impl MacKey {
    /// Derives the key from what the tag mirrors.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Self {
        let vector = match key.mode() {
            Mode::Aes | Mode::Ntag22x => sv2(uid, ctr),
            #[cfg(feature = "lrp")]
            Mode::Lrp => sv(uid, ctr),
        };
        Self::from_vector(key, &vector)
    }

    /// The whole CMAC of a MAC input, of which SDMMAC is the [truncation](super::SdmMac::truncate).
    #[must_use]
    pub fn cmac(&self, input: &[u8]) -> [u8; 16] {
        self.cmac_of(input.iter().copied())
    }

    pub(crate) fn cmac_of(&self, input: impl Iterator<Item = u8>) -> [u8; 16] {
        match self.mode {
            Mode::Aes | Mode::Ntag22x => Cmac::new(self.secret.expose_bytes()).of(input),
            #[cfg(feature = "lrp")]
            Mode::Lrp => Cmac::over(Lrp::new(self.secret.expose_bytes(), 0)).of(input),
        }
    }
}

impl EncKey {
    /// Derives the key. The chip encrypts file data only where it mirrors both UID and counter.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Uid, ctr: SdmReadCtr) -> Self {
        let vector = match key.mode() {
            Mode::Aes | Mode::Ntag22x => sv1(uid, ctr),
            #[cfg(feature = "lrp")]
            Mode::Lrp => sv(Some(uid), Some(ctr)),
        };
        Self::from_vector(key, &vector)
    }

    /// As [`derive`](Self::derive), where the [`MacKey`] of the same tap is at hand: in LRP mode both are made of one secret.
    pub(super) fn beside(mac_key: &MacKey, key: &PreparedFileReadKey, uid: Uid, ctr: SdmReadCtr) -> Self {
        match mac_key.mode {
            Mode::Aes | Mode::Ntag22x => Self::derive(key, uid, ctr),
            #[cfg(feature = "lrp")]
            Mode::Lrp => Self::from_secret(mac_key.mode, mac_key.secret.clone()),
        }
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
        let secret = |hex| SessionSecret::from_hex(hex).unwrap();
        assert_eq!(EncKey::derive(&key, uid, ctr).secret(), &secret("66DA61797E23DECA5D8ECA13BBADF7A9"));
        assert_eq!(MacKey::derive(&key, Some(uid), Some(ctr)).secret(), &secret("3A3E8110E05311F7A3FCF0D969BF2B48"));
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
