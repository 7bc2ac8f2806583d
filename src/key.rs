//! Keys: one type for each purpose, zeroized when dropped, never printed.
//!
//! A key is kept and passed around as one of the plain types here. Work is done by its *prepared* form, which holds the key
//! schedule and the CMAC subkeys: prepare a key that serves more than one tap once.

use core::fmt;

use zeroize::ZeroizeOnDrop;

#[cfg(feature = "lrp")]
use crate::cipher::lrp::Lrp;
use crate::cipher::{Block, Cmac, Decryptor, padded};
use crate::value::{Mode, TagId, Uid};

/// Declares a 128-bit key type.
macro_rules! key_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 16 bytes. Zeroized when dropped; `Debug` does not show it; `==` takes the same time for any two keys.
        #[derive(Clone)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A key from its 16 bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// A key from 32 hexadecimal digits of either case, read in constant time.
            ///
            /// # Errors
            /// [`ParseHexError`](crate::ParseHexError) if the length is not 32 or a character is no digit; it holds
            /// nothing of the text.
            pub fn from_hex(text: &str) -> Result<Self, crate::value::ParseHexError> {
                crate::value::hex::decode(text.as_bytes()).map(Self)
            }

            /// The secret bytes, for whoever must write them into a chip. Do not log them.
            #[must_use]
            pub const fn expose_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // All at once, which takes a tenth of the time of byte by byte; the barrier keeps it in.
                self.0 = [0; 16];
                zeroize::optimization_barrier(&self.0);
            }
        }

        impl zeroize::ZeroizeOnDrop for $name {}

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                subtle::ConstantTimeEq::ct_eq(&self.0[..], &other.0[..]).into()
            }
        }

        impl Eq for $name {}
    };
}
pub(crate) use key_type;

key_type! {
    /// A key from which the keys of many tags are derived. It never goes into a tag.
    MasterKey
}

key_type! {
    /// The key of a Bolt Card issuer: see [`kdf::boltcard`](crate::kdf::boltcard). It never goes into a card.
    IssuerKey
}

key_type! {
    /// A key that a personalisation writes into a chip and no verification needs.
    ApplicationKey
}

key_type! {
    /// The key that encrypts PICCData: the application key named by SDMMetaRead.
    ///
    /// It is needed before the UID is known, so tags share it. Source: NT4H2421Gx §9.3.4, Table 10.
    #[doc(alias = "SDMMetaReadKey")]
    #[doc(alias = "K_SDMMetaRead")]
    SdmMetaReadKey
}

key_type! {
    /// The key at the root of a tag's session keys, and so of SDMMAC and SDMENCFileData: the application key named by
    /// SDMFileRead.
    ///
    /// It may, and should, differ from tag to tag. Source: NT4H2421Gx §9.3.9, Table 11.
    #[doc(alias = "SDMFileReadKey")]
    #[doc(alias = "K_SDMFileRead")]
    #[doc(alias = "SUNCMAC_KEY")]
    SdmFileReadKey
}

impl SdmMetaReadKey {
    /// What every application key of a new chip is: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);

    /// Computes what opening a tap needs, once for many taps.
    #[must_use]
    pub fn prepare(&self, mode: Mode) -> PreparedMetaReadKey {
        let cipher = match mode {
            // An NTAG 22x has no PICCData to open.
            Mode::Aes | Mode::Ntag22x => MetaCipher::Aes(Decryptor::new(&self.0)),
            #[cfg(feature = "lrp")]
            Mode::Lrp => MetaCipher::Lrp(Lrp::new(&self.0, 0)),
        };
        PreparedMetaReadKey { mode, cipher }
    }
}

impl SdmFileReadKey {
    /// What every application key of a new chip is: 16 zero bytes.
    pub const FACTORY: Self = Self([0; 16]);

    /// Computes what verifying a tap needs, once for many taps.
    #[must_use]
    pub fn prepare(&self, mode: Mode) -> PreparedFileReadKey {
        let cipher = match mode {
            Mode::Aes | Mode::Ntag22x => FileCipher::Aes(Cmac::new(&self.0)),
            #[cfg(feature = "lrp")]
            Mode::Lrp => FileCipher::Lrp(Cmac::lrp(&self.0)),
        };
        PreparedFileReadKey { mode, cipher }
    }
}

impl MasterKey {
    /// Computes what deriving a key needs, once for many tags.
    #[must_use]
    pub fn prepare(&self) -> PreparedMasterKey {
        PreparedMasterKey(Cmac::new(&self.0))
    }
}

impl IssuerKey {
    /// Computes what deriving a key needs, once for many cards.
    #[must_use]
    pub fn prepare(&self) -> PreparedIssuerKey {
        PreparedIssuerKey(Cmac::new(&self.0))
    }
}

/// An [`SdmMetaReadKey`] ready to open PICCData. Zeroized when dropped.
pub struct PreparedMetaReadKey {
    mode: Mode,
    cipher: MetaCipher,
}

#[cfg_attr(feature = "lrp", allow(clippy::large_enum_variant, reason = "there is no heap to put one of them on"))]
enum MetaCipher {
    Aes(Decryptor),
    #[cfg(feature = "lrp")]
    Lrp(Lrp),
}

/// An [`SdmFileReadKey`] ready to derive session keys. Zeroized when dropped.
pub struct PreparedFileReadKey {
    mode: Mode,
    cipher: FileCipher,
}

#[cfg_attr(feature = "lrp", allow(clippy::large_enum_variant, reason = "there is no heap to put one of them on"))]
enum FileCipher {
    Aes(Cmac),
    #[cfg(feature = "lrp")]
    Lrp(Cmac<Lrp>),
}

/// A [`MasterKey`] ready to derive keys. Zeroized when dropped.
pub struct PreparedMasterKey(Cmac);

/// An [`IssuerKey`] ready to derive keys. Zeroized when dropped.
pub struct PreparedIssuerKey(Cmac);

impl PreparedMetaReadKey {
    /// The mode that the key was prepared for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Decrypts a mirrored PICCData; `None` if it is shorter than the mode wants.
    pub(crate) fn decrypt(&self, picc_data: &[u8]) -> Option<Block> {
        match &self.cipher {
            MetaCipher::Aes(key) => {
                let mut block = *picc_data.first_chunk()?;
                key.decrypt(&mut block);
                Some(block)
            }
            #[cfg(feature = "lrp")]
            MetaCipher::Lrp(key) => {
                let (picc_rand, ciphertext) = picc_data.split_first_chunk::<8>()?;
                let mut blocks = [*ciphertext.first_chunk()?];
                // PICCRand is the counter.
                key.decrypt(&mut picc_rand.clone(), &mut blocks);
                let [block] = blocks;
                Some(block)
            }
        }
    }
}

impl PreparedFileReadKey {
    /// The mode that the key was prepared for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The name of the counter of a tag with this file-read key, as a keyed pseudonym: a store that holds it needs no UID, and
    /// nobody without the key can tell whose it is.
    ///
    /// **It follows the key.** A tag that is set up again counts from 0; it needs a new file-read key then, gets a new name with
    /// it, and what was made under the old key is not authentic any more. If the key stays, so do the name and the counter that
    /// is remembered under it: the chip is refused until it has caught up, and no old tap lives again. A new name without a new
    /// key can not be had.
    ///
    /// `uid` is what the *verified* tap says: `None` for a tag that mirrors none, whose key must be its own then. The [`Mode`]
    /// that the key was prepared for is part of the name as well. The name is a CMAC over 16 bytes: `"suntap"`, two zeros, and
    /// `01` and the UID, or eight zeros. It is the same in every release.
    ///
    /// ```
    /// use suntap::{Mode, SdmFileReadKey, Uid};
    ///
    /// let uid = Uid::from_hex("04DE5F1EACC040").ok();
    /// let (old, new) = (SdmFileReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    /// let (old, new) = (old.prepare(Mode::Aes), new.prepare(Mode::Aes));
    /// assert_eq!(old.tag_id(uid), old.tag_id(uid));
    /// assert_ne!(old.tag_id(uid), new.tag_id(uid));
    /// ```
    #[must_use]
    pub fn tag_id(&self, uid: Option<Uid>) -> TagId {
        // No session vector begins like this, so what a store sees is no key.
        let label = *b"suntap\0\0";
        let tail = uid.map(|uid| [0x01].into_iter().chain(*uid.as_bytes()));
        TagId::from_bytes(self.session_key(&padded(label.into_iter().chain(tail.into_iter().flatten()))))
    }

    /// The session key that belongs to this session vector.
    pub(crate) fn session_key(&self, vector: &Block) -> Block {
        match &self.cipher {
            FileCipher::Aes(key) => key.one_block(vector),
            #[cfg(feature = "lrp")]
            FileCipher::Lrp(key) => key.one_block(vector),
        }
    }

    /// The tag of a message directly under this key, as an NTAG 22x makes it.
    pub(crate) fn cmac(&self, message: impl Iterator<Item = u8>) -> Block {
        match &self.cipher {
            FileCipher::Aes(key) => key.of(message),
            #[cfg(feature = "lrp")]
            FileCipher::Lrp(key) => key.of(message),
        }
    }
}

/// A file-read key to verify with: an [`SdmFileReadKey`] as it is where it serves one tap, since nothing is kept of it then, or a
/// [`PreparedFileReadKey`] where it serves many.
pub trait FileReadKey: sealed::Cmacs {}

impl FileReadKey for SdmFileReadKey {}
impl FileReadKey for PreparedFileReadKey {}

mod sealed {
    use super::{Block, Cmac, Mode, PreparedFileReadKey, SdmFileReadKey};

    #[allow(unnameable_types, reason = "this is what seals `FileReadKey`")]
    pub trait Cmacs {
        /// The session key that belongs to this session vector in this mode; `None` if the key was prepared for another.
        fn session_key_in(&self, mode: Mode, vector: &Block) -> Option<Block>;

        /// The CMAC of a message in this mode; `None` if the key was prepared for another.
        fn cmac_in(&self, mode: Mode, message: impl Iterator<Item = u8>) -> Option<Block>;
    }

    impl Cmacs for PreparedFileReadKey {
        fn session_key_in(&self, mode: Mode, vector: &Block) -> Option<Block> {
            (self.mode == mode).then(|| self.session_key(vector))
        }

        fn cmac_in(&self, mode: Mode, message: impl Iterator<Item = u8>) -> Option<Block> {
            (self.mode == mode).then(|| self.cmac(message))
        }
    }

    impl Cmacs for SdmFileReadKey {
        fn session_key_in(&self, mode: Mode, vector: &Block) -> Option<Block> {
            Some(match mode {
                Mode::Aes | Mode::Ntag22x => Cmac::once_one_block(&self.0, vector),
                #[cfg(feature = "lrp")]
                Mode::Lrp => Cmac::lrp(&self.0).one_block(vector),
            })
        }

        fn cmac_in(&self, mode: Mode, message: impl Iterator<Item = u8>) -> Option<Block> {
            Some(match mode {
                Mode::Aes | Mode::Ntag22x => Cmac::once(&self.0, message),
                #[cfg(feature = "lrp")]
                Mode::Lrp => Cmac::lrp(&self.0).of(message),
            })
        }
    }
}

impl PreparedMasterKey {
    pub(crate) fn cmac(&self) -> &Cmac {
        &self.0
    }
}

impl PreparedIssuerKey {
    pub(crate) fn cmac(&self) -> &Cmac {
        &self.0
    }
}

// Each consists of nothing but parts that are zeroized when dropped.
impl ZeroizeOnDrop for PreparedMetaReadKey {}
impl ZeroizeOnDrop for PreparedFileReadKey {}
impl ZeroizeOnDrop for PreparedMasterKey {}
impl ZeroizeOnDrop for PreparedIssuerKey {}

impl fmt::Debug for PreparedMetaReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedMetaReadKey(secret)")
    }
}

impl fmt::Debug for PreparedFileReadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedFileReadKey(secret)")
    }
}

impl fmt::Debug for PreparedIssuerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedIssuerKey(secret)")
    }
}

impl fmt::Debug for PreparedMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PreparedMasterKey(secret)")
    }
}
