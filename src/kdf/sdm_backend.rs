//! The two derivations of the project nfc-developer/sdm-backend (feature `sdm-backend`), so that tags that were set up with it
//! need not be written again. For new tags take another: nothing but that project uses these.
//!
//! Which of the two a tag has is said by `DERIVE_MODE` of that backend, whose sample configuration says `legacy`. The PICCData
//! key is key 1, and the same for all tags; the file key is key 2, and each tag's own.
//!
//! The keys of a tag never change here: one that is set up again counts from 0 under its old key, keeps the name of its counter,
//! and is refused until it has caught up.
//!
//! ```
//! use suntap::kdf::sdm_backend::{Derivation, Master};
//! use suntap::{SdmFileReadKey, SdmMetaReadKey, Uid};
//!
//! let master = Master::new(Derivation::Standard, &[0; 16])?; // the master key of its demonstration
//! assert_eq!(master.meta_read_key(), SdmMetaReadKey::FACTORY);
//! assert_eq!(master.file_read_key(Uid::from_hex("04A39493CC8680")?), SdmFileReadKey::FACTORY);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::{Block, Cmac, padded};
use crate::key::{ApplicationKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// Rounds of PBKDF2 in the legacy derivation.
const ROUNDS: u32 = 5000;

/// Which derivation a backend used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Derivation {
    /// `standard`: HMAC-SHA-256 and AES-CMAC.
    Standard,
    /// `legacy`: PBKDF2-HMAC-SHA-512 of 5000 rounds. That is milliseconds a key on a server and seconds on a microcontroller:
    /// derive once and keep the key.
    Legacy,
}

/// The master key of a backend, 16 or 32 bytes. Zeroized when dropped.
///
/// 16 zero bytes give keys of zeros, those of a new chip, as they do there.
pub struct Master {
    derivation: Derivation,
    /// Filled up with zeros, as HMAC fills up its keys itself.
    key: [u8; 64],
    factory: bool,
}

impl Master {
    /// A master key and how keys come from it.
    ///
    /// # Errors
    /// [`MasterLength`] if the key has not 16 or 32 bytes.
    pub fn new(derivation: Derivation, key: &[u8]) -> Result<Self, MasterLength> {
        if !matches!(key.len(), 16 | 32) {
            return Err(MasterLength);
        }
        let factory = key.len() == 16 && bool::from(key.ct_eq(&[0; 16]));
        Ok(Self { derivation, key: padded(key.iter().copied()), factory })
    }

    /// The PICCData key, the same for all tags: key 1, not diversified.
    #[must_use]
    pub fn meta_read_key(&self) -> SdmMetaReadKey {
        SdmMetaReadKey::from_bytes(self.undiversified(1))
    }

    /// The file key of a tag: key 2, diversified by the UID.
    #[must_use]
    pub fn file_read_key(&self, uid: Uid) -> SdmFileReadKey {
        SdmFileReadKey::from_bytes(self.diversified(uid, 2))
    }

    /// The application key of a tag with this number, diversified by the UID, for personalisation.
    #[must_use]
    pub fn application_key(&self, uid: Uid, number: u8) -> ApplicationKey {
        ApplicationKey::from_bytes(self.diversified(uid, number))
    }

    /// The application key with this number that all tags share, for personalisation; `None` for any but key 1 in the standard
    /// derivation, which knows no other.
    #[must_use]
    pub fn shared_application_key(&self, number: u8) -> Option<ApplicationKey> {
        match (self.derivation, number) {
            (Derivation::Standard, 1) | (Derivation::Legacy, _) => {
                Some(ApplicationKey::from_bytes(self.undiversified(number)))
            }
            (Derivation::Standard, _) => None,
        }
    }

    fn undiversified(&self, number: u8) -> Block {
        match self.derivation {
            _ if self.factory => [0; 16],
            Derivation::Standard => *Halves::hmac(&self.key, &[b"PICCDataKey"]).first,
            Derivation::Legacy => self.pbkdf2(&[b"key_no_uid", &[number]]),
        }
    }

    fn diversified(&self, uid: Uid, number: u8) -> Block {
        match self.derivation {
            _ if self.factory => [0; 16],
            Derivation::Standard => {
                let slot = Halves::hmac(&self.key, &[b"SlotMasterKey", &[number]]);
                let base = Halves::hmac(&self.key, &[b"DivBaseKey"]);
                let diversifier = Halves::hmac(&base.padded(), &[uid.as_bytes()]);
                Cmac::new(&slot.first).of(core::iter::once(0x01).chain(*diversifier.first))
            }
            Derivation::Legacy => self.pbkdf2(&[b"key", uid.as_bytes(), &[number]]),
        }
    }

    fn pbkdf2(&self, salt: &[&[u8]]) -> Block {
        // Either salt has eleven bytes.
        let joined: [u8; 11] = padded(salt.iter().copied().flatten().copied());
        let mut key = [0; 16];
        pbkdf2::pbkdf2_hmac::<Sha512>(&self.key, &joined, ROUNDS, &mut key);
        key
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl ZeroizeOnDrop for Master {}

impl fmt::Debug for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Master").field("derivation", &self.derivation).finish_non_exhaustive()
    }
}

/// An HMAC-SHA-256 in two halves, of which mostly the first is wanted.
struct Halves {
    first: Zeroizing<Block>,
    second: Zeroizing<Block>,
}

impl Halves {
    fn hmac(key: &[u8; 64], message: &[&[u8]]) -> Self {
        let mut mac = Hmac::<Sha256>::new(key.into());
        for part in message {
            mac.update(part);
        }
        let mut whole: [u8; 32] = mac.finalize().into_bytes().into();
        let mut halves = Self { first: Zeroizing::new([0; 16]), second: Zeroizing::new([0; 16]) };
        if let ([first, second], []) = whole.as_chunks() {
            (*halves.first, *halves.second) = (*first, *second);
        }
        whole.zeroize();
        halves
    }

    /// Both, as a key for another HMAC.
    fn padded(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(padded(self.first.iter().chain(self.second.iter()).copied()))
    }
}

/// A master key has not 16 or 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MasterLength;

impl fmt::Display for MasterLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a master key of nfc-developer has 16 or 32 bytes")
    }
}

impl core::error::Error for MasterLength {}
