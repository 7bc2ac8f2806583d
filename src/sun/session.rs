//! Session keys and session vectors. The session keys of a tap are derived from the file-read key of the tag and a
//! session vector. The session vector contains the mirrored UID and counter. Sources: AN12196 Table 2, NT4H2421Gx
//! §9.3.9.
//!
//! Verification uses this module internally. The module is public for tools that show the steps of the computation,
//! compare results with those of a different implementation, or find out why a tap does not verify. No result of this
//! module proves that a tap is authentic.
//!
//! An NTAG 22x has no session keys. Such a chip computes the MAC directly with the key of the tag.

use crate::cipher::{Block, Chunk, Secret, Suite, chunks};
use crate::key::{FileReadKey, PreparedFileReadKey};
use crate::value::{CounterId, Scheme, SdmReadCtr, Uid};

#[allow(dead_code, unreachable_pub, reason = "the macro also defines items that only other keys need")]
mod secret {
    crate::key::key_type! {
        /// The secret of a session key.
        ///
        /// In AES mode, the secret is the session key itself. In LRP mode, the secret is SesSDMFileReadMasterKey. From
        /// this master key, LRP mode generates one key for SDMMAC and one key for SDMENCFileData.
        SessionSecret
    }
}

use secret::SessionSecret;

macro_rules! session_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            suite: Suite,
            secret: SessionSecret,
        }

        impl $name {
            /// Creates a session key from the bytes that [`expose_bytes`](Self::expose_bytes) returns. The bytes can
            /// also come from elsewhere, for example from a secure element. Returns `None` if the scheme has no session
            /// keys.
            #[must_use]
            pub fn from_secret(scheme: Scheme, secret: [u8; 16]) -> Option<Self> {
                Some(Self { suite: Suite::of_session(scheme)?, secret: SessionSecret::from_bytes(secret) })
            }

            /// Returns the secret bytes. In AES mode, these bytes are the session key. In LRP mode, these bytes are
            /// SesSDMFileReadMasterKey, from which the keys for SDMMAC and for SDMENCFileData are derived.
            #[must_use]
            pub const fn expose_bytes(&self) -> &[u8; 16] {
                self.secret.expose_bytes()
            }
        }

        impl zeroize::ZeroizeOnDrop for $name {}
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

/// Returns the session vector SV1: `C3 3C 00 01 00 80 || UID || SDMReadCtr`, with the counter LSB first. The [`EncKey`]
/// of AES mode is derived from SV1.
#[must_use]
pub fn sv1(uid: Uid, ctr: SdmReadCtr) -> [u8; 16] {
    vector([0xC3, 0x3C, 0x00, 0x01, 0x00, 0x80], Some(uid), Some(ctr))
}

/// Returns the session vector SV2: `3C C3 00 01 00 80 [|| UID] [|| SDMReadCtr]`, with the counter LSB first. The
/// [`MacKey`] of AES mode is derived from SV2.
///
/// Pass `None` for a value that the tag mirrors neither plain nor in PICCData. SV2 leaves no gap for a missing value:
/// the next value moves up, and zero bytes fill the rest of the block.
#[must_use]
pub fn sv2(uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> [u8; 16] {
    vector([0x3C, 0xC3, 0x00, 0x01, 0x00, 0x80], uid, ctr)
}

/// Returns the session vector SV of LRP mode: `00 01 00 80 [|| UID] [|| SDMReadCtr] .. || 1E E1`, with the counter LSB
/// first. SesSDMFileReadMasterKey is derived from SV.
///
/// Pass `None` for a value that the tag does not mirror, as for [`sv2`]. Zero bytes fill the space before the last two
/// bytes.
#[must_use]
pub fn sv(uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> [u8; 16] {
    let mut block = vector([0x00, 0x01, 0x00, 0x80], uid, ctr);
    let [.., last, end] = &mut block;
    (*last, *end) = (0x1E, 0xE1);
    block
}

/// Assembles a session vector as one big-endian number. A number is faster to assemble than sixteen separate bytes, and
/// the verification of every tap needs a session vector.
fn vector<const N: usize>(label: [u8; N], uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Block {
    let mut free = u128::BITS;
    let mut place = |bits: u32, bytes: [u8; 8]| {
        free = free.wrapping_sub(bits);
        u128::from(u64::from_be_bytes(bytes)).wrapping_shl(free)
    };
    let label = label.map(|byte| place(8, [0, 0, 0, 0, 0, 0, 0, byte]));
    let mut vector = label.into_iter().fold(0, |vector, byte| vector | byte);
    if let Some(uid) = uid {
        let mut bytes = [0; 8];
        let [_, rest @ ..] = &mut bytes;
        *rest = *uid.as_bytes();
        vector |= place(56, bytes);
    }
    if let Some(ctr) = ctr {
        let [low, mid, high] = ctr.to_lsb_first();
        vector |= place(24, [0, 0, 0, 0, 0, low, mid, high]);
    }
    vector.to_be_bytes()
}

impl MacKey {
    /// Derives the session key of SDMMAC from the values that the tag mirrors. Returns `None` if `key` was prepared for
    /// a scheme without session keys.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Option<Self> {
        let suite = Suite::of_session(key.scheme())?;
        let secret = SessionSecret::from_bytes(key.one_block(&vector_of_mac(suite, uid, ctr)));
        Some(Self { suite, secret })
    }

    /// Computes the full CMAC of a MAC input. SDMMAC is the [truncation](crate::SdmMac::truncate) of this CMAC.
    #[must_use]
    pub fn cmac(&self, input: &[u8]) -> [u8; 16] {
        self.cmac_of(chunks(input.iter().copied()))
    }

    pub(crate) fn cmac_of(&self, input: impl Iterator<Item = Chunk>) -> [u8; 16] {
        self.suite.cmac(self.secret.expose_bytes(), input)
    }
}

/// The values that the verification of a tap computes.
pub(crate) struct Session {
    /// The secret of the [`MacKey`].
    pub(crate) secret: Secret<Block>,
    /// The id under which a store keeps the counter of the tag, or `None` in LRP mode.
    pub(crate) id: Option<CounterId>,
    /// The full CMAC of the MAC input.
    pub(crate) cmac: Block,
}

impl Session {
    /// Computes the session of a tap from any type of file-read key, prepared or not. Returns `None` if the key was
    /// prepared for a different scheme.
    ///
    /// The counter id is an AES-CMAC over the claimed UID under the key of the tag. In AES mode, all values are computed
    /// together, so that the AES key schedule of a key that was not prepared is computed only once.
    ///
    /// In LRP mode, the counter id must not be computed before the MAC is verified. The sender of a forged tap chooses
    /// the claimed UID, and could thus choose a block that AES encrypts under the key of the tag. LRP itself encrypts
    /// only constant blocks directly under this key.
    #[inline]
    pub(super) fn compute(
        scheme: Scheme,
        suite: Suite,
        key: &impl FileReadKey,
        uid: Option<Uid>,
        ctr: Option<SdmReadCtr>,
        input: impl Iterator<Item = Chunk>,
    ) -> Option<Self> {
        let vector = vector_of_mac(suite, uid, ctr);
        match suite {
            Suite::Aes => {
                let (secret, id, cmac) = key.aes_session(scheme, &vector, uid, input)?;
                Some(Self { secret, id: Some(id), cmac })
            }
            Suite::Lrp(_) => {
                let secret = Secret(key.one_block_in(scheme, &vector)?);
                let cmac = suite.cmac(&secret.0, input);
                Some(Self { secret, id: None, cmac })
            }
        }
    }
}

impl EncKey {
    /// Derives the session key of SDMENCFileData. Returns `None` if `key` was prepared for a scheme without session
    /// keys.
    ///
    /// UID and counter are required, because a chip that encrypts file data always mirrors both values.
    #[must_use]
    pub fn derive(key: &PreparedFileReadKey, uid: Uid, ctr: SdmReadCtr) -> Option<Self> {
        let suite = Suite::of_session(key.scheme())?;
        let vector = match suite {
            Suite::Aes => sv1(uid, ctr),
            Suite::Lrp(_) => sv(Some(uid), Some(ctr)),
        };
        Some(Self { suite, secret: SessionSecret::from_bytes(key.one_block(&vector)) })
    }

    /// Like [`derive`](Self::derive), but copies the secret of the [`MacKey`] in LRP mode. In LRP mode, both session
    /// keys of a tap have the same secret.
    pub(super) fn derive_after_mac_key(
        mac_key: &Secret<Block>,
        scheme: Scheme,
        key: &impl FileReadKey,
        uid: Uid,
        ctr: SdmReadCtr,
    ) -> Option<Self> {
        let suite = Suite::of_session(scheme)?;
        let secret = match suite {
            Suite::Aes => key.one_block_in(scheme, &sv1(uid, ctr))?,
            Suite::Lrp(_) => mac_key.0,
        };
        Some(Self { suite, secret: SessionSecret::from_bytes(secret) })
    }

    /// Decrypts whole blocks of SDMENCFileData in place. `blocks` must begin with the first block of the file data. The
    /// plaintext has no padding.
    ///
    /// AES mode uses AES-128-CBC. To compute the IV, SDMReadCtr (LSB first) is padded with zero bytes and encrypted
    /// under the session key. LRP mode uses LRICB, the counter mode of LRP. The six-byte LRICB counter is SDMReadCtr
    /// (LSB first) followed by three zero bytes. Source: NT4H2421Gx §9.3.6.
    pub fn decrypt(&self, ctr: SdmReadCtr, blocks: &mut [[u8; 16]]) {
        self.suite.decrypt_file_data(self.secret.expose_bytes(), ctr.to_lsb_first(), blocks);
    }
}

/// Returns the session vector from which the [`MacKey`] is derived.
pub(super) fn vector_of_mac(suite: Suite, uid: Option<Uid>, ctr: Option<SdmReadCtr>) -> Block {
    match suite {
        Suite::Aes => sv2(uid, ctr),
        Suite::Lrp(_) => sv(uid, ctr),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scheme, SdmFileReadKey};

    /// AN12196 Rev 1.8 Table 2.
    #[test]
    fn an12196_table_2() {
        let key = SdmFileReadKey::from_hex("5ACE7E50AB65D5D51FD5BF5A16B8205B").unwrap().prepare(Scheme::Aes);
        let uid = Uid::from_hex("04C767F2066180").unwrap();
        let ctr = SdmReadCtr::new(1).unwrap();
        assert_eq!(sv1(uid, ctr), 0xC33C_0001_0080_04C7_67F2_0661_8001_0000_u128.to_be_bytes());
        assert_eq!(sv2(Some(uid), Some(ctr)), 0x3CC3_0001_0080_04C7_67F2_0661_8001_0000_u128.to_be_bytes());
        let (enc, mac) = (EncKey::derive(&key, uid, ctr).unwrap(), MacKey::derive(&key, Some(uid), Some(ctr)).unwrap());
        assert_eq!(u128::from_be_bytes(*enc.expose_bytes()), 0x66DA_6179_7E23_DECA_5D8E_CA13_BBAD_F7A9);
        assert_eq!(u128::from_be_bytes(*mac.expose_bytes()), 0x3A3E_8110_E053_11F7_A3FC_F0D9_69BF_2B48);
    }

    /// NT4H2421Gx §9.3.9.1: a value that is not mirrored is left out, and zero bytes fill the block.
    #[test]
    fn sv2_of_partial_mirrors() {
        let uid = Uid::from_hex("04C767F2066180").unwrap();
        let ctr = SdmReadCtr::new(0x12_3456).unwrap();
        assert_eq!(sv2(Some(uid), None), 0x3CC3_0001_0080_04C7_67F2_0661_8000_0000_u128.to_be_bytes());
        assert_eq!(sv2(None, Some(ctr)), 0x3CC3_0001_0080_5634_1200_0000_0000_0000_u128.to_be_bytes());
        assert_eq!(sv2(None, None), 0x3CC3_0001_0080_0000_0000_0000_0000_0000_u128.to_be_bytes());
    }

    /// AN12196 Rev 1.8 Table 4.
    #[test]
    fn an12196_table_4() {
        let secret = 0x8097_D733_44D5_3F96_3B09_E23E_03B6_2336_u128.to_be_bytes();
        let key = EncKey::from_secret(Scheme::Aes, secret).unwrap();
        let mut blocks = [0x9459_2FDE_69FA_06E8_E3B6_CA68_6A22_842B_u128.to_be_bytes()];
        key.decrypt(SdmReadCtr::new(1).unwrap(), &mut blocks);
        assert_eq!(&blocks, &[*b"xxxxxxxxxxxxxxxx"]);
    }
}
