//! Defines keys that are prepared for many taps. The key schedule and the CMAC subkeys of a prepared key are computed
//! only once.

use core::array::TryFromSliceError;
use core::fmt;

use zeroize::ZeroizeOnDrop;

use super::counter_id::message;
use super::plain::{SdmFileReadKey, SdmMetaReadKey, hex_key};
use crate::cipher::{Block, Chunk, Cmac, PiccCipher, PiccWire, Secret, Suite, SuiteCmac};
use crate::value::{CounterId, ParseError, Scheme, Uid, hex};

/// Declares a type for a prepared key. Each secret field must have a type that wipes its value on drop.
macro_rules! prepared {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* $(,)? }) => {
        $(#[$doc])*
        ///
        /// The key is wiped on drop, and `Debug` does not show it.
        pub struct $name {
            $($field: $type),*
        }

        impl ZeroizeOnDrop for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(secret)"))
            }
        }
    };
}

prepared! {
    /// An [`SdmMetaReadKey`] prepared for decrypting PICCData.
    PreparedMetaReadKey {
        scheme: Scheme,
        // `None` for the scheme SUNCMAC, because an NTAG 22x has no PICCData.
        cipher: Option<PiccCipher>,
    }
}

prepared! {
    /// An [`SdmFileReadKey`] prepared for deriving session keys. The scheme SUNCMAC has no session keys. Under SUNCMAC,
    /// the key is prepared for computing MACs.
    PreparedFileReadKey {
        scheme: Scheme,
        cmac: SuiteCmac,
    }
}

prepared! {
    /// A key from which the keys of many tags are derived. The master key is never written to a tag.
    ///
    /// A master key is 16 bytes long. The constructors compute the key schedule and the CMAC subkeys in advance,
    /// because a master key is used for many tags.
    MasterKey {
        cmac: Secret<Cmac>,
    }
}

prepared! {
    /// The key of a Bolt Card issuer. The keys of all cards are derived from the issuer key, as described in
    /// [`kdf::boltcard`](crate::kdf::boltcard). The issuer key is never written to a card.
    ///
    /// An issuer key is 16 bytes long. The constructors compute the key schedule and the CMAC subkeys in advance,
    /// because an issuer key is used for many cards.
    IssuerKey {
        cmac: Secret<Cmac>,
    }
}

impl SdmMetaReadKey {
    /// Prepares the key for decrypting the PICCData of many taps.
    #[must_use]
    pub fn prepare(&self, scheme: Scheme) -> PreparedMetaReadKey {
        let cipher = Suite::of_picc_data(scheme).map(|suite| PiccCipher::new(suite, self.expose_bytes()));
        PreparedMetaReadKey { scheme, cipher }
    }
}

impl SdmFileReadKey {
    /// Prepares the key for verifying many taps.
    #[must_use]
    pub fn prepare(&self, scheme: Scheme) -> PreparedFileReadKey {
        PreparedFileReadKey { scheme, cmac: SuiteCmac::new(Suite::of_cmac(scheme), self.expose_bytes()) }
    }
}

/// Defines the constructors of a key from which tag keys are derived.
macro_rules! root_key {
    ($name:ident) => {
        impl $name {
            /// Creates a key from its 16 bytes.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                let bytes = Secret(bytes);
                Self { cmac: Cmac::prepare(&bytes.0) }
            }

            /// Reads a key from 32 hexadecimal digits in upper or lower case, in constant time.
            ///
            /// # Errors
            /// Returns [`ParseError`] if the length is not 32 or a character is not a hexadecimal digit. The error
            /// contains no part of the text.
            pub fn from_hex(text: &str) -> Result<Self, ParseError> {
                hex::decode(text.as_bytes()).map(Self::from_bytes)
            }

            pub(crate) fn cmac(&self) -> &Cmac {
                &self.cmac.0
            }
        }

        hex_key!($name);

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }

        impl TryFrom<&[u8]> for $name {
            type Error = TryFromSliceError;

            fn try_from(bytes: &[u8]) -> Result<Self, TryFromSliceError> {
                bytes.try_into().map(Self::from_bytes)
            }
        }
    };
}

root_key!(MasterKey);
root_key!(IssuerKey);

impl PreparedMetaReadKey {
    /// Returns the scheme for which the key was prepared.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Decrypts mirrored PICCData. Returns `None` if the scheme has no PICCData.
    pub(crate) fn decrypt(&self, picc_data: &PiccWire) -> Option<Block> {
        self.cipher.as_ref().map(|cipher| cipher.decrypt(picc_data))
    }
}

impl PreparedFileReadKey {
    /// Returns the scheme for which the key was prepared.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the counter id of the tag with this UID and this file-read key. A counter store keeps the counter of the
    /// tag under this counter id. [`VerifiedTap::commit`](crate::VerifiedTap::commit) uses the same id. Use this
    /// function, for example, to migrate a counter from a different system.
    ///
    /// The counter id is a pseudonym of the tag, computed with this key. A counter store therefore does not need the
    /// UID. Without the key, nobody can tell to which tag a counter id belongs.
    ///
    /// **The counter id depends on the key.** When you set up a tag again, its counter restarts at 0. Therefore, also
    /// write a new file-read key to the tag. The new key gives the tag a new counter id, under which no counter is
    /// stored yet. Taps that were made with the old key do not verify with the new key.
    ///
    /// If you keep the old key, the counter id and the stored counter also stay the same. All new taps are then
    /// rejected as replays until the tag's counter exceeds the stored counter. No old tap is accepted again.
    ///
    /// `uid` is the UID of the *verified* tap, or `None` for a tag that mirrors no UID. A tag that mirrors no UID must
    /// not share its key with any other tag, because the tags would share one counter id.
    ///
    /// The counter id is the AES-CMAC of a 16-byte message under this key. The message is `"suntap"`, two zero bytes,
    /// `01` and the UID. Without a UID, eight zero bytes replace `01` and the UID. The counter id is the same for every
    /// scheme and in every release.
    ///
    /// ```
    /// use suntap::{Scheme, SdmFileReadKey, Uid};
    ///
    /// let uid = Uid::from_hex("04DE5F1EACC040").ok();
    /// let (old, new) = (SdmFileReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    /// let (old, new) = (old.prepare(Scheme::Aes), new.prepare(Scheme::Aes));
    /// assert_eq!(old.counter_id(uid), old.counter_id(uid));
    /// assert_ne!(old.counter_id(uid), new.counter_id(uid));
    /// ```
    #[must_use]
    pub fn counter_id(&self, uid: Option<Uid>) -> CounterId {
        CounterId::from_bytes(self.cmac.aes_one_block(&message(uid)))
    }

    /// Computes the CMAC of one block, for example to derive a session key from a session vector.
    pub(crate) fn one_block(&self, message: &Block) -> Block {
        self.cmac.one_block(message)
    }

    /// Computes the CMAC of a message.
    pub(crate) fn cmac(&self, message: impl Iterator<Item = Chunk>) -> Block {
        self.cmac.compute(message)
    }
}
