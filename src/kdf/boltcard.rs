//! The deterministic keys of Bolt Cards. Source: `docs/DETERMINISTIC.md` of the project boltcard/boltcard.
//!
//! One issuer key gives all keys of all cards; each card has a version that grows by one whenever it is programmed again. The
//! card mirrors `p={picc:uid,ctr}` and `c={mac}`. Its PICCData opens with [`meta_read_key`], which all cards of an issuer share,
//! and the UID in it, with the version from the card's record, gives the [`file_read_key`].
//!
//! ```
//! use suntap::kdf::boltcard;
//! use suntap::{IssuerKey, Scheme, Uid};
//!
//! let issuer = IssuerKey::from_hex("00000000000000000000000000000001")?.prepare();
//! let uid = Uid::from_hex("04A39493CC8680")?;
//! let id = boltcard::card_id(&issuer, uid); // finds the record, which holds the version
//! assert_eq!(id.as_bytes()[..4], [0xE0, 0x7C, 0xE1, 0x27]);
//! let meta_key = boltcard::meta_read_key(&issuer);
//! let file_key = boltcard::file_read_key(&issuer, uid, 1);
//! assert_eq!(meta_key.expose_bytes()[..4], [0x55, 0xDA, 0x17, 0x4C]);
//! assert_eq!(file_key.expose_bytes()[..4], [0xF4, 0xB4, 0x04, 0xBE]);
//!
//! // The chip counts from 0 again when the card is programmed again. Its ID stays; its version, with that its key, and with
//! // that the name of its counter do not.
//! let name = |version| boltcard::file_read_key(&issuer, uid, version).prepare(Scheme::Aes).counter_id(Some(uid));
//! assert_ne!(name(1), name(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;

use zeroize::Zeroize;

use crate::cipher::{Block, Cmac};
use crate::key::{ApplicationKey, PreparedIssuerKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

// What the messages begin with, big endian as in the document.
const CARD_KEY: [u8; 4] = [0x2D, 0x00, 0x3F, 0x75];
const K0: [u8; 4] = [0x2D, 0x00, 0x3F, 0x76];
const K1: [u8; 4] = [0x2D, 0x00, 0x3F, 0x77];
const K2: [u8; 4] = [0x2D, 0x00, 0x3F, 0x78];
const K3: [u8; 4] = [0x2D, 0x00, 0x3F, 0x79];
const K4: [u8; 4] = [0x2D, 0x00, 0x3F, 0x7A];
const ID: [u8; 4] = [0x2D, 0x00, 0x3F, 0x7B];

/// The name of a card in an issuer's records: 16 bytes that tell nothing of the UID to whoever has not the issuer key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardId([u8; 16]);

impl CardId {
    /// A name from its 16 bytes, as a record holds it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for CardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardId({:032X})", u128::from_be_bytes(self.0))
    }
}

/// All five application keys of a card, for its personalisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardKeys {
    /// The application master key.
    pub k0: ApplicationKey,
    /// The SDMMetaReadKey, the same for all cards of an issuer.
    pub k1: SdmMetaReadKey,
    /// The SDMFileReadKey.
    pub k2: SdmFileReadKey,
    /// Unused by the scheme.
    pub k3: ApplicationKey,
    /// Unused by the scheme.
    pub k4: ApplicationKey,
}

/// The name of the card with this UID: `CMAC(issuer key, 2D003F7B || UID)`. It stays when the card is programmed again.
#[must_use]
pub fn card_id(issuer: &PreparedIssuerKey, uid: Uid) -> CardId {
    CardId(issuer.cmac().of(ID.into_iter().chain(*uid.as_bytes())))
}

/// K1: `CMAC(issuer key, 2D003F77)`.
#[must_use]
pub fn meta_read_key(issuer: &PreparedIssuerKey) -> SdmMetaReadKey {
    SdmMetaReadKey::from_bytes(issuer.cmac().of(K1.into_iter()))
}

/// K2 of the card with this UID in this version.
#[must_use]
pub fn file_read_key(issuer: &PreparedIssuerKey, uid: Uid, version: u32) -> SdmFileReadKey {
    SdmFileReadKey::from_bytes(card_key(issuer, uid, version).of(K2.into_iter()))
}

/// All keys of the card with this UID in this version.
#[must_use]
pub fn card_keys(issuer: &PreparedIssuerKey, uid: Uid, version: u32) -> CardKeys {
    let card = card_key(issuer, uid, version);
    let key = |label: [u8; 4]| card.of(label.into_iter());
    CardKeys {
        k0: ApplicationKey::from_bytes(key(K0)),
        k1: meta_read_key(issuer),
        k2: SdmFileReadKey::from_bytes(key(K2)),
        k3: ApplicationKey::from_bytes(key(K3)),
        k4: ApplicationKey::from_bytes(key(K4)),
    }
}

/// `CardKey = CMAC(issuer key, 2D003F75 || UID || version)`, the version in four bytes, LSB first.
fn card_key(issuer: &PreparedIssuerKey, uid: Uid, version: u32) -> Cmac {
    let message = CARD_KEY.into_iter().chain(*uid.as_bytes()).chain(version.to_le_bytes());
    let mut key: Block = issuer.cmac().of(message);
    let prepared = Cmac::new(&key);
    key.zeroize();
    prepared
}
