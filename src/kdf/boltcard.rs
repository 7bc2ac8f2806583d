//! Derives the deterministic keys of Bolt Cards. Source: `docs/DETERMINISTIC.md` of the project boltcard/boltcard.
//!
//! An issuer derives the keys of all its cards from one issuer key. Each card has a version, which increases by one
//! each time the card is programmed again. The URL of a card contains `p={picc:uid,ctr}` and `c={mac}`. All cards of an
//! issuer share one [`meta_read_key`], which decrypts the PICCData. The [`file_read_key`] of a card depends on the UID
//! in the PICCData and on the version in the card's record.
//!
//! ```
//! use suntap::kdf::boltcard;
//! use suntap::{IssuerKey, Scheme, Uid};
//!
//! let issuer = IssuerKey::from_hex("00000000000000000000000000000001")?;
//! let uid = Uid::from_hex("04A39493CC8680")?;
//! let id = boltcard::card_id(&issuer, uid); // identifies the card's record, which contains the version
//! assert_eq!(id[..4], [0xE0, 0x7C, 0xE1, 0x27]);
//! let meta_key = boltcard::meta_read_key(&issuer);
//! let file_key = boltcard::file_read_key(&issuer, uid, 1);
//! assert_eq!(meta_key.expose_bytes()[..4], [0x55, 0xDA, 0x17, 0x4C]);
//! assert_eq!(file_key.expose_bytes()[..4], [0xF4, 0xB4, 0x04, 0xBE]);
//!
//! // When the card is programmed again, its counter restarts at 0. The card id stays the same. The version changes, so
//! // the file-read key and the counter id also change.
//! let id = |version| boltcard::file_read_key(&issuer, uid, version).prepare(Scheme::Aes).counter_id(Some(uid));
//! assert_ne!(id(1), id(2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use zeroize::Zeroize;

use crate::cipher::{Block, Cmac, Secret, chunks};
use crate::key::{ApplicationKey, IssuerKey, SdmFileReadKey, SdmMetaReadKey};
use crate::value::Uid;

// The four-byte prefixes of the CMAC messages, written big endian as in `DETERMINISTIC.md`.
const CARD_KEY: [u8; 4] = [0x2D, 0x00, 0x3F, 0x75];
const K0: [u8; 4] = [0x2D, 0x00, 0x3F, 0x76];
const K1: [u8; 4] = [0x2D, 0x00, 0x3F, 0x77];
const K2: [u8; 4] = [0x2D, 0x00, 0x3F, 0x78];
const K3: [u8; 4] = [0x2D, 0x00, 0x3F, 0x79];
const K4: [u8; 4] = [0x2D, 0x00, 0x3F, 0x7A];
const ID: [u8; 4] = [0x2D, 0x00, 0x3F, 0x7B];

/// Returns the 16-byte id of the card with this UID: `CMAC(issuer key, 2D003F7B || UID)`.
///
/// The id identifies the card in the issuer's records. Without the issuer key, the id reveals nothing about the UID.
/// The id does not change when the card is programmed again.
#[must_use]
pub fn card_id(issuer: &IssuerKey, uid: Uid) -> [u8; 16] {
    issuer.cmac().compute(chunks(ID.into_iter().chain(*uid.as_bytes())))
}

/// Derives the meta-read key K1: `CMAC(issuer key, 2D003F77)`. All cards of the issuer share this key.
#[must_use]
pub fn meta_read_key(issuer: &IssuerKey) -> SdmMetaReadKey {
    SdmMetaReadKey::from_bytes(issuer.cmac().compute(chunks(K1.into_iter())))
}

/// Derives the file-read key K2 for the card with this UID and version. The version increases by one each time the card
/// is programmed again.
#[must_use]
pub fn file_read_key(issuer: &IssuerKey, uid: Uid, version: u32) -> SdmFileReadKey {
    SdmFileReadKey::from_bytes(card_key(issuer, uid, version).0.compute(chunks(K2.into_iter())))
}

/// Derives the application keys K0 to K4, in this order, for the card with this UID and version. The version increases
/// by one each time the card is programmed again.
///
/// K0 is the application master key, K1 is the [meta-read key](meta_read_key), and K2 is the [file-read
/// key](file_read_key). Bolt Cards do not use K3 and K4.
#[must_use]
pub fn card_keys(issuer: &IssuerKey, uid: Uid, version: u32) -> [ApplicationKey; 5] {
    let card = card_key(issuer, uid, version);
    let key = |label: [u8; 4]| ApplicationKey::from_bytes(card.0.compute(chunks(label.into_iter())));
    [key(K0), ApplicationKey::from_bytes(*meta_read_key(issuer).expose_bytes()), key(K2), key(K3), key(K4)]
}

/// Derives `CardKey = CMAC(issuer key, 2D003F75 || UID || version)`. The version is a four-byte little-endian number.
fn card_key(issuer: &IssuerKey, uid: Uid, version: u32) -> Secret<Cmac> {
    let message = CARD_KEY.into_iter().chain(*uid.as_bytes()).chain(version.to_le_bytes());
    let mut key: Block = issuer.cmac().compute(chunks(message));
    let prepared = Cmac::prepare(&key);
    key.zeroize();
    prepared
}
