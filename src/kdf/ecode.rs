//! Seals (encrypts) the keys of a tag. Unsealing (decrypting) the keys needs a code from the URL of the tag.
//!
//! Unsealing needs two secrets: the server secret and the tag's code, called the eCode. The server does not store the
//! eCode. The eCode is static text in the tag's URL (`{:eCode}` in the layout), so the server receives the eCode with
//! each tap. **The keys in a leaked database cannot be unsealed without the URLs. A leaked URL unseals nothing without
//! the server secret.** An attacker who has both the URLs and the server's data, including the server secret, gets the
//! keys. An attacker who controls the server while taps arrive also gets the keys.
//!
//! A hosted service also uses eCodes, but documents only their purpose. This crate therefore defines its own method of
//! sealing. The method is the same in every release. In the table, a number in parentheses is a length in bytes:
//!
//! | part | definition |
//! |---|---|
//! | inner layer | `SIV(KDF(eCode), meta key ‖ file key)`, 48 bytes: SIV tag, ciphertext |
//! | outer layer | `SIV(KDF(server secret), inner layer)`, 64 bytes: the [`SealedKeys`] |
//! | SIV | AES-SIV-CMAC-256, RFC 5297, with one string of associated data |
//! | associated data | version `01` ‖ tag id (8) ‖ UID (7) ‖ epoch (4), numbers big endian |
//! | KDF | SP 800-108 §4.1, counter mode, PRF CMAC-AES-128, i from 1, L = 256 bits |
//! | PRF input | `[i] (4) ‖ label ‖ 00 ‖ context ‖ [L] (4)` |
//! | label, context | `suntap ecode v1`, tag id (8) ‖ epoch (4) |
//!
//! SIV is deterministic. Sealing the same keys with the same secret, eCode and tag gives the same bytes, so anyone who
//! sees both results knows that the keys are the same.
//!
//! When you replace the server secret, call [`rewrap`](SealedKeys::rewrap) to replace the outer layer. `rewrap` does
//! not need the eCode.
//!
//! If the layout contains `[[`, put `{:eCode}` before the `[[`, so that the MAC does not cover the eCode. Some wallet
//! apps change the case of the eCode, and a MAC over the eCode would no longer match.
//!
//! Unsealing needs the UID. Take the UID from the tag's record, because the UID in the PICCData can be decrypted only
//! after unsealing. The counter id, under which a counter store keeps the tag's counter, is [computed from the unsealed
//! file-read key](crate::PreparedFileReadKey::counter_id).
//!
//! ```
//! use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext};
//! use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, sdm_layout};
//!
//! static LAYOUT: SdmLayout =
//!     sdm_layout!("https://example.com/{:tag}?k={:eCode}&e={picc:uid,ctr}&c={mac}");
//!
//! // At personalisation: write the eCode (16 random bytes) to the tag's URL as 26 characters. Store the sealed keys in
//! // the tag's record.
//! let secret = ServerSecret::from_bytes([7; 16]); // from a vault
//! let record = TagContext { tag_id: 1234, uid: Uid::from_hex("04DE5F1EACC040")?, epoch: 0 };
//! let ecode = ECode::from_bytes([42; 16]);
//! let text = ecode.to_text();
//! let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY); // for this example only
//! let sealed = SealedKeys::seal(&secret, &ecode, &record, &meta_key, &file_key);
//!
//! // At verification:
//! let code = core::str::from_utf8(&text)?;
//! let url = format!("https://example.com/1234?k={code}&e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086");
//! let tap = LAYOUT.parse(&url)?;
//! let ecode = ECode::parse(tap.captured("eCode").unwrap_or_default())?;
//! let (meta_key, file_key) = sealed.unseal(&secret, &ecode, &record)?;
//! let file_key = file_key.prepare(Scheme::Aes);
//! let verified = tap.open(&meta_key.prepare(Scheme::Aes))?.verify(&file_key)?.expect_uid(record.uid)?;
//! assert!(verified.commit(&mut MemoryCounters::<2>::new(), None).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;
use core::str::FromStr;

use aes_siv::KeyInit;
use aes_siv::siv::Aes128Siv;
use base32ct::{Base32Unpadded, Encoding};
use zeroize::{Zeroize, Zeroizing};

use crate::cipher::{Block, Cmac, chunks, on_deep_wiped_stack, padded};
use crate::key::{SdmFileReadKey, SdmMetaReadKey, hex_key, key_type};
use crate::value::{ParseError, Uid};

const VERSION: u8 = 1;
const SEAL: &[u8] = b"suntap ecode v1";
const DERIVE: &[u8] = b"suntap ecode derive v1";

/// The length of an eCode in characters.
const TEXT_LEN: usize = 26;
/// The length in bytes of a SIV tag, which authenticates one layer of the sealed keys.
const TAG_LEN: usize = 16;

key_type! {
    /// A secret of the server. The server needs this secret to unseal or derive the keys of tags. The secret is never
    /// written to a tag. Store the secret separately from the sealed keys.
    ServerSecret
}

key_type! {
    /// A code in the URL of a tag. The server needs this code to unseal or derive the keys of the tag. Generate a new
    /// random code for each tag and for each personalisation.
    ECode
}

hex_key!(ServerSecret);

impl FromStr for ECode {
    type Err = ParseError;

    /// Parses an eCode like [`ECode::parse`].
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::parse(text)
    }
}

impl ECode {
    /// Parses an eCode from 26 characters of base32 (RFC 4648) without padding. Upper case and lower case are both
    /// accepted, because some wallet apps change the case.
    ///
    /// # Errors
    /// Returns [`ParseError`] if the text does not have this form. The error does not contain the text.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let text: &[u8; TEXT_LEN] = text.as_bytes().try_into().map_err(|_| ParseError::ECode)?;
        let mut lower = Zeroizing::new(*text);
        lower.make_ascii_lowercase();
        let mut code = Self([0; 16]);
        let decoded = Base32Unpadded::decode(*lower, &mut code.0).map(<[u8]>::len);
        // The last character has two unused bits, so the same eCode could be spelled in several ways. Only the
        // spelling in which these two bits are 0 is accepted.
        let canonical = decoded == Ok(16) && *Zeroizing::new(code.to_text()) == *lower;
        canonical.then_some(code).ok_or(ParseError::ECode)
    }

    /// Returns the eCode as 26 lower-case characters. Protect this text like the URL that contains it.
    #[must_use]
    pub fn to_text(&self) -> [u8; TEXT_LEN] {
        let mut text = [0; TEXT_LEN];
        // 16 bytes always encode to 26 characters, so encoding cannot fail.
        let _ = Base32Unpadded::encode(self.expose_bytes(), &mut text);
        text
    }
}

/// Identifies the tag to which sealed keys belong. Unsealing fails if any field differs from its value at sealing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagContext {
    /// The number of the tag in the server's records.
    pub tag_id: u64,
    /// The UID of the chip.
    pub uid: Uid,
    /// The number of earlier personalisations of the tag.
    pub epoch: u32,
}

impl TagContext {
    fn associated_data(&self) -> [u8; 20] {
        let numbers = [VERSION].into_iter().chain(self.tag_id.to_be_bytes());
        padded(numbers.chain(*self.uid.as_bytes()).chain(self.epoch.to_be_bytes()))
    }

    /// Derives the SIV key of one layer, and returns a SIV cipher with this key. `secret` is the eCode for the inner
    /// layer, and the server secret for the outer layer.
    fn layer(&self, secret: &[u8; 16]) -> Aes128Siv {
        let context = self.tag_id.to_be_bytes().into_iter().chain(self.epoch.to_be_bytes());
        let mut blocks = [[0; 16]; 2];
        kdf(secret, SEAL, &context, &mut blocks);
        let mut key = aes_siv::Key::<Aes128Siv>::default();
        key.iter_mut().zip(blocks.as_flattened()).for_each(|(key, byte)| *key = *byte);
        let siv = Aes128Siv::new(&key);
        blocks.as_flattened_mut().zeroize();
        key.as_mut_slice().zeroize();
        siv
    }
}

/// Fills `out` with the output of the KDF of SP 800-108 §4.1.
fn kdf(secret: &[u8; 16], label: &[u8], context: &(impl Iterator<Item = u8> + Clone), out: &mut [Block]) {
    let bits = u32::try_from(out.len()).unwrap_or(u32::MAX).saturating_mul(128);
    for (number, block) in (1u32..).zip(out) {
        let message = number.to_be_bytes().into_iter().chain(label.iter().copied()).chain([0x00]);
        *block = Cmac::once(secret, chunks(message.chain(context.clone()).chain(bits.to_be_bytes())));
    }
}

/// The meta-read key and the file-read key of one tag, encrypted in two layers. The inner layer uses the eCode, and the
/// outer layer uses the server secret. The sealed keys are 64 bytes long.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SealedKeys([u8; 64]);

impl SealedKeys {
    /// Seals the keys of a tag.
    #[must_use]
    pub fn seal(
        secret: &ServerSecret,
        ecode: &ECode,
        tag: &TagContext,
        meta_key: &SdmMetaReadKey,
        file_key: &SdmFileReadKey,
    ) -> Self {
        let mut sealed = [0; 64];
        let (_, inner) = sealed.split_at_mut(TAG_LEN);
        let (_, keys) = inner.split_at_mut(TAG_LEN);
        let bytes = meta_key.expose_bytes().iter().chain(file_key.expose_bytes());
        keys.iter_mut().zip(bytes).for_each(|(sealed, byte)| *sealed = *byte);
        close(ecode.expose_bytes(), tag, inner);
        close(secret.expose_bytes(), tag, &mut sealed);
        Self(sealed)
    }

    /// Decrypts both layers and returns the keys.
    ///
    /// # Errors
    /// Returns [`SealBroken`] if the secret, the eCode or a value in `tag` differs from the value used for sealing, or
    /// if the sealed bytes were changed.
    pub fn unseal(
        &self,
        secret: &ServerSecret,
        ecode: &ECode,
        tag: &TagContext,
    ) -> Result<(SdmMetaReadKey, SdmFileReadKey), SealBroken> {
        // The copy contains the keys after decryption, so the copy is wiped on every return, even after an error.
        let mut sealed = Zeroizing::new(self.0);
        let inner = open(secret.expose_bytes(), tag, &mut *sealed)?;
        let keys = open(ecode.expose_bytes(), tag, inner)?;
        let ([meta_key, file_key], []) = keys.as_chunks() else { return Err(SealBroken) };
        Ok((SdmMetaReadKey::from_bytes(*meta_key), SdmFileReadKey::from_bytes(*file_key)))
    }

    /// Decrypts the outer layer with the old server secret, and encrypts the result with the new server secret. This
    /// function does not need the eCode, because the inner layer stays encrypted.
    ///
    /// # Errors
    /// Returns [`SealBroken`] if the old secret or a value in `tag` differs from the value used for sealing, or if the
    /// sealed bytes were changed.
    pub fn rewrap(&self, old: &ServerSecret, new: &ServerSecret, tag: &TagContext) -> Result<Self, SealBroken> {
        let mut sealed = self.0;
        open(old.expose_bytes(), tag, &mut sealed)?;
        close(new.expose_bytes(), tag, &mut sealed);
        Ok(Self(sealed))
    }

    /// Creates sealed keys from the 64 stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// Returns the 64 bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl fmt::Debug for SealedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedKeys(..)")
    }
}

/// Encrypts all bytes after the first 16 under the key of one [layer](TagContext::layer), and writes the SIV tag to the
/// first 16 bytes.
fn close(secret: &[u8; 16], tag: &TagContext, bytes: &mut [u8]) {
    let (siv_tag, message) = bytes.split_at_mut(TAG_LEN);
    // The crate `aes-siv` leaves key schedules on the stack.
    let encrypted = on_deep_wiped_stack(|| {
        tag.layer(secret).encrypt_inout_detached([tag.associated_data()], message.into()).map(<[u8; TAG_LEN]>::from)
    });
    match encrypted {
        Ok(computed) => siv_tag.copy_from_slice(&computed),
        // Encryption fails if a call passes more strings of associated data than RFC 5297 allows. This call passes one
        // string. If encryption fails nevertheless, the plaintext must not remain in the buffer.
        Err(_) => bytes.zeroize(),
    }
}

/// Checks the SIV tag in the first 16 bytes under the key of one [layer](TagContext::layer), and decrypts and returns
/// the rest.
fn open<'b>(secret: &[u8; 16], tag: &TagContext, bytes: &'b mut [u8]) -> Result<&'b mut [u8], SealBroken> {
    let (siv_tag, message) = bytes.split_first_chunk_mut::<TAG_LEN>().ok_or(SealBroken)?;
    let siv_tag = (*siv_tag).into();
    let decrypted = on_deep_wiped_stack(|| {
        let message = (&mut *message).into();
        tag.layer(secret).decrypt_inout_detached([tag.associated_data()], message, &siv_tag).is_ok()
    });
    if decrypted { Ok(message) } else { Err(SealBroken) }
}

/// Derives the file-read key of a tag from its eCode and the server secret. The server does not need to store the key.
///
/// The [module documentation](self) defines the key derivation function (KDF). The key of the KDF is the server secret,
/// and the output length L is 128 bits. The label is `suntap ecode derive v1`. The context is `02` ‖ eCode (16) ‖ UID
/// (7) ‖ epoch (4). A number in parentheses is a length in bytes.
///
/// ```
/// use suntap::Uid;
/// use suntap::kdf::ecode::{ECode, ServerSecret, derive_file_read_key};
///
/// let (secret, ecode) = (ServerSecret::from_bytes([7; 16]), ECode::from_bytes([42; 16]));
/// let uid = Uid::from_hex("04DE5F1EACC040")?;
/// assert_ne!(derive_file_read_key(&secret, &ecode, uid, 0), derive_file_read_key(&secret, &ecode, uid, 1));
/// # Ok::<(), suntap::ParseError>(())
/// ```
#[must_use]
pub fn derive_file_read_key(secret: &ServerSecret, ecode: &ECode, uid: Uid, epoch: u32) -> SdmFileReadKey {
    SdmFileReadKey::from_bytes(*derive(secret, ecode, uid, epoch, 2))
}

/// Derives the meta-read key of a tag like [`derive_file_read_key`], but with `01` instead of `02` at the start of the
/// context.
///
/// The derived key is different for each tag, so the server must identify the tag before it can decrypt the PICCData.
/// Use this function if other text in the URL, such as a tag id, identifies the tag.
#[must_use]
pub fn derive_meta_read_key(secret: &ServerSecret, ecode: &ECode, uid: Uid, epoch: u32) -> SdmMetaReadKey {
    SdmMetaReadKey::from_bytes(*derive(secret, ecode, uid, epoch, 1))
}

fn derive(secret: &ServerSecret, ecode: &ECode, uid: Uid, epoch: u32, purpose: u8) -> Zeroizing<Block> {
    let context = [purpose].into_iter().chain(*ecode.expose_bytes()).chain(*uid.as_bytes());
    let mut key = Zeroizing::new([0; 16]);
    let blocks = core::slice::from_mut(&mut *key);
    kdf(secret.expose_bytes(), DERIVE, &context.chain(epoch.to_be_bytes()), blocks);
    key
}

/// The error for sealed keys that cannot be unsealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SealBroken;

impl fmt::Display for SealBroken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sealed keys of this tag cannot be unsealed with this secret and eCode")
    }
}

impl core::error::Error for SealBroken {}
