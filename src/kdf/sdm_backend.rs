//! Implements the two key derivations of the project nfc-developer/sdm-backend (feature `sdm-backend`). Use this module
//! to verify tags that were set up with sdm-backend, without programming the tags again. For new tags, use a different
//! derivation, because no other project uses the derivations of sdm-backend.
//!
//! The setting `DERIVE_MODE` of sdm-backend selects the derivation: `standard` or `legacy`. The sample configuration of
//! sdm-backend selects `legacy`. The PICCData key (the meta-read key) is application key 1 and is the same for all
//! tags. The file key (the file-read key) is application key 2 and is different for each tag.
//!
//! With the derivations of sdm-backend, the keys of a tag never change. When a tag is set up again, its counter
//! restarts at 0, but its keys stay the same. The counter id, under which a counter store keeps the tag's counter, also
//! stays the same. New taps of the tag are therefore rejected as replays until the tag's counter exceeds the stored
//! counter.
//!
//! ```
//! use suntap::kdf::sdm_backend::Master;
//! use suntap::{SdmFileReadKey, SdmMetaReadKey, Uid};
//!
//! let master = Master::standard(&[0; 16]).ok_or("key must have 16 or 32 bytes")?; // the demo's master key
//! assert_eq!(master.meta_read_key(), SdmMetaReadKey::FACTORY);
//! assert_eq!(master.file_read_key(Uid::from_hex("04A39493CC8680")?), SdmFileReadKey::FACTORY);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::cipher::{Block, Cmac, chunks, padded};
use crate::key::{ApplicationKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// The number of PBKDF2 rounds in the legacy derivation.
const ROUNDS: u32 = 5000;

/// The key derivation that an installation of sdm-backend uses.
#[derive(Clone, Copy, Debug)]
enum Derivation {
    /// HMAC-SHA-256 and AES-CMAC.
    Standard,
    /// PBKDF2-HMAC-SHA-512 with 5000 rounds.
    Legacy,
}

/// The master key of an installation of sdm-backend. It is 16 or 32 bytes long and is wiped on drop.
///
/// If the master key is 16 zero bytes, all derived keys are also 16 zero bytes, like the keys of a new chip.
/// sdm-backend treats this master key in the same way.
pub struct Master {
    derivation: Derivation,
    /// The key, padded with zeros. HMAC also pads its key with zeros, so the padding does not change the result.
    key: [u8; 64],
    factory: bool,
}

impl Master {
    /// Creates the master key of an installation of sdm-backend in which `DERIVE_MODE` is `standard`. Keys are derived
    /// with HMAC-SHA-256 and AES-CMAC.
    ///
    /// Returns `None` if the key is not 16 or 32 bytes long.
    #[must_use]
    pub fn standard(key: &[u8]) -> Option<Self> {
        Self::new(Derivation::Standard, key)
    }

    /// Creates the master key of an installation of sdm-backend in which `DERIVE_MODE` is `legacy`. Keys are derived
    /// with PBKDF2-HMAC-SHA-512 in 5000 rounds.
    ///
    /// Deriving one key takes milliseconds on a server and seconds on a microcontroller. Derive each key once and keep
    /// it.
    ///
    /// Returns `None` if the key is not 16 or 32 bytes long.
    #[must_use]
    pub fn legacy(key: &[u8]) -> Option<Self> {
        Self::new(Derivation::Legacy, key)
    }

    fn new(derivation: Derivation, key: &[u8]) -> Option<Self> {
        if !matches!(key.len(), 16 | 32) {
            return None;
        }
        let factory = key.len() == 16 && bool::from(key.ct_eq(&[0; 16]));
        Some(Self { derivation, key: padded(key.iter().copied()), factory })
    }

    /// Derives the PICCData key, which is application key 1. The PICCData key is the same for all tags, because it does
    /// not depend on the UID.
    #[must_use]
    pub fn meta_read_key(&self) -> SdmMetaReadKey {
        SdmMetaReadKey::from_bytes(self.undiversified(1))
    }

    /// Derives the file key of the tag with this UID. The file key is application key 2.
    #[must_use]
    pub fn file_read_key(&self, uid: Uid) -> SdmFileReadKey {
        SdmFileReadKey::from_bytes(self.diversified(uid, 2))
    }

    /// Derives the application key with this number for the tag with this UID. Use this function to personalise a tag.
    #[must_use]
    pub fn application_key(&self, uid: Uid, number: u8) -> ApplicationKey {
        ApplicationKey::from_bytes(self.diversified(uid, number))
    }

    /// Derives the application key with this number. All tags share the derived key. Use this function to personalise a
    /// tag.
    ///
    /// In the standard derivation, only key 1 can be shared, so this function returns `None` for any other number.
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
                Cmac::once(&slot.first, chunks(core::iter::once(0x01).chain(*diversifier.first)))
            }
            Derivation::Legacy => self.pbkdf2(&[b"key", uid.as_bytes(), &[number]]),
        }
    }

    fn pbkdf2(&self, salt: &[&[u8]]) -> Block {
        // Every salt is eleven bytes long: either `key_no_uid || number`, or `key || UID || number`.
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

/// The output of HMAC-SHA-256, split into two halves of 16 bytes. Most callers use only the first half.
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

    /// Returns the whole output, padded with zeros to 64 bytes for use as the key of another HMAC.
    fn padded(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(padded(self.first.iter().chain(self.second.iter()).copied()))
    }
}
