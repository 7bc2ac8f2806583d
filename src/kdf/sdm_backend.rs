//! Implements the two key derivations of the project nfc-developer/sdm-backend (feature `sdm-backend`). Use them to
//! verify tags that were set up with that project, without writing the tags again. For new tags, use a different
//! derivation, because no other project uses these two.
//!
//! The setting `DERIVE_MODE` of that backend selects the derivation. The sample configuration of the backend selects
//! `legacy`. The PICCData key is application key 1 and is the same for all tags. The file key is application key 2 and
//! is different for each tag.
//!
//! With these derivations, the keys of a tag never change. When a tag is set up again, its counter starts from 0 again,
//! but its key and its counter id stay the same. The taps of the tag are then rejected as replays until its counter is
//! greater than the stored one.
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

use crate::cipher::{Block, Cmac, padded};
use crate::key::{ApplicationKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

/// The number of PBKDF2 rounds in the legacy derivation.
const ROUNDS: u32 = 5000;

/// The derivation that a backend uses.
#[derive(Clone, Copy, Debug)]
enum Derivation {
    /// HMAC-SHA-256 and AES-CMAC.
    Standard,
    /// PBKDF2-HMAC-SHA-512 with 5000 rounds.
    Legacy,
}

/// The master key of a backend, 16 or 32 bytes. It is wiped on drop.
///
/// A master key of 16 zero bytes gives all-zero keys, like those of a new chip. The backend does the same.
pub struct Master {
    derivation: Derivation,
    /// The key, padded with zeros as in HMAC.
    key: [u8; 64],
    factory: bool,
}

impl Master {
    /// Creates the master key of a backend whose `DERIVE_MODE` is `standard`: HMAC-SHA-256 and AES-CMAC.
    ///
    /// Returns `None` unless the key is 16 or 32 bytes long.
    #[must_use]
    pub fn standard(key: &[u8]) -> Option<Self> {
        Self::new(Derivation::Standard, key)
    }

    /// Creates the master key of a backend whose `DERIVE_MODE` is `legacy`: PBKDF2-HMAC-SHA-512 with 5000 rounds.
    ///
    /// Deriving one key takes milliseconds on a server and seconds on a microcontroller. Derive each key once and keep
    /// it. Returns `None` if the key does not have 16 or 32 bytes.
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

    /// Derives the PICCData key. It is application key 1, which is not diversified, so it is the same for all tags.
    #[must_use]
    pub fn meta_read_key(&self) -> SdmMetaReadKey {
        SdmMetaReadKey::from_bytes(self.undiversified(1))
    }

    /// Derives the file key of a tag. It is application key 2, diversified by the UID.
    #[must_use]
    pub fn file_read_key(&self, uid: Uid) -> SdmFileReadKey {
        SdmFileReadKey::from_bytes(self.diversified(uid, 2))
    }

    /// Derives the application key with this number for a tag. The key is diversified by the UID. Use it for
    /// personalisation.
    #[must_use]
    pub fn application_key(&self, uid: Uid, number: u8) -> ApplicationKey {
        ApplicationKey::from_bytes(self.diversified(uid, number))
    }

    /// Derives the application key with this number, which all tags share. Use it for personalisation. The standard
    /// derivation has only one shared key, key 1, so this function returns `None` for every other number.
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
        // Both salts have eleven bytes.
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

/// An HMAC-SHA-256 in two halves. Most callers use only the first half.
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

    /// Returns both halves, padded for use as the key of a further HMAC.
    fn padded(&self) -> Zeroizing<[u8; 64]> {
        Zeroizing::new(padded(self.first.iter().chain(self.second.iter()).copied()))
    }
}
