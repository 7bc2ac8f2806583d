//! A tag emulated in software (feature `emulator`), for tests, demonstrations and development without a chip.
//!
//! The emulator works like the chip (NT4H2421Gx §9.3, NT4H2421Tx §9.3.5). Personalisation writes an NDEF file into the
//! emulated tag. A tap copies the file, writes each mirror into the copy, and computes the MAC over the bytes from
//! SDMMACInputOffset to SDMMACOffset. The emulator and the verifier share the code for the template, the session keys
//! and the ciphers. The emulator does not use the verifier's parser or the verifier's code for the MAC input. Tests
//! with the emulator can therefore find mistakes in these two parts of the verifier.
//!
//! With the feature `ecdsa`, an emulated NTAG X DNA signs its taps: see `EmulatedTag::new_signing`.
//!
//! **Anybody can copy an emulated tag.** Give an emulated tag only keys that no real tag uses.
//!
//! ```
//! use suntap::emulator::EmulatedTag;
//! use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid, sdm_layout};
//!
//! static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?e={picc:uid,ctr}&c={mac}");
//! let (meta_key, file_key) = (SdmMetaReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
//! let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
//! let mut tag = EmulatedTag::new(&LAYOUT, &TagTexts::default(), meta_key.clone(), file_key.clone(), uid)?;
//!
//! let url = tag.tap()?;
//! let claimed = LAYOUT.parse(&url)?.open(&meta_key.prepare(Scheme::Aes))?;
//! let verified = claimed.verify(&file_key.prepare(Scheme::Aes))?;
//! assert_eq!((verified.uid(), verified.ctr().get()), (Some(uid), 1));
//! let mut counters = MemoryCounters::<2>::new();
//! assert!(verified.commit(&mut counters, None).is_ok());
//! assert_ne!(tag.tap()?, url);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use core::fmt;
use core::ops::Deref;

#[cfg(feature = "ecdsa")]
use p256::ecdsa::signature::Signer as _;
#[cfg(feature = "ecdsa")]
use p256::ecdsa::{Signature, SigningKey};

use crate::cipher::lrp::Lrp;
use crate::cipher::{Block, BlockEncrypt as _, Encryptor, Secret, Suite, padded};
#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::fixed::MAX_URL;
use crate::sun::layout::SdmLayout;
use crate::sun::mac::SdmMac;
use crate::sun::session::{EncKey, MacKey};
use crate::sun::settings::{Offsets, SettingsError, TagTexts};
use crate::sun::template::{FILE_HEADER, FILE_SIZE};
use crate::value::{Scheme, SdmReadCtr, Uid, hex};

/// An emulated tag.
#[derive(Clone)]
pub struct EmulatedTag {
    layout: SdmLayout,
    suite: Suite,
    meta_key: SdmMetaReadKey,
    file_key: SdmFileReadKey,
    #[cfg(feature = "ecdsa")]
    private_key: Option<TagPrivateKey>,
    uid: Uid,
    ctr: SdmReadCtr,
    limit: SdmReadCtr,
    /// The state of the tamper seal. The first value is `true` if the seal was ever open. The second value is `true` if
    /// the seal is open now. `None` if seal measurement is disabled.
    seal: Option<(bool, bool)>,
    seed: [u8; 16],
    file: [u8; FILE_SIZE],
    /// The number of bytes of `file` in use.
    len: usize,
    offsets: Offsets,
}

impl EmulatedTag {
    /// Creates a tag that has just been set up. The counter of the tag is 0, and the tamper seal is closed.
    ///
    /// If the layout has `{picc}` without options, PICCData contains both UID and counter. If the layout has `{enc}`
    /// without a fixed length, the emulator chooses the smallest positive multiple of 32 characters that has space for
    /// the file data and the tamper status.
    ///
    /// # Errors
    /// Returns [`SettingsError`] if the layout or the `texts` cannot be written to a chip, if the layout describes an
    /// NTAG 22x, which the emulator does not support, or if the layout has `{sig}`, which needs a private key.
    pub fn new(
        layout: &SdmLayout,
        texts: &TagTexts<'_>,
        meta_key: SdmMetaReadKey,
        file_key: SdmFileReadKey,
        uid: Uid,
    ) -> Result<Self, SettingsError> {
        if layout.scheme().is_signed() {
            return Err(SettingsError::EccKey);
        }
        Self::build(layout, texts, meta_key, file_key, uid)
    }

    /// Creates a tag that signs its taps, like [`new`](Self::new). The layout must have the scheme
    /// [`Scheme::Ecdsa`].
    ///
    /// The emulator generates signatures as RFC 6979 describes: the same tap always has the same signature. A chip
    /// generates them with random numbers. `file_key` encrypts the file data if the layout has `{enc}`.
    ///
    /// ```
    /// use suntap::emulator::{EmulatedTag, TagPrivateKey};
    /// use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid, Verifier, sdm_layout};
    ///
    /// static LAYOUT: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://example.com/t?m=[[{uid}&c={ctr}&s={sig}");
    ///
    /// let key = TagPrivateKey::from_bytes([1; 32]).ok_or("not a private key")?;
    /// let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
    /// let verifier = Verifier::new(&LAYOUT, (), key.public_key())?;
    /// let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
    /// let mut tag = EmulatedTag::new_signing(&LAYOUT, &TagTexts::default(), meta_key, file_key, key, uid)?;
    /// assert_eq!(verifier.verify(&tag.tap()?)?.uid(), Some(uid));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`SettingsError::EccKey`] if the layout has no `{sig}`, and otherwise the same errors as
    /// [`new`](Self::new).
    #[cfg(feature = "ecdsa")]
    pub fn new_signing(
        layout: &SdmLayout,
        texts: &TagTexts<'_>,
        meta_key: SdmMetaReadKey,
        file_key: SdmFileReadKey,
        private_key: TagPrivateKey,
        uid: Uid,
    ) -> Result<Self, SettingsError> {
        if !layout.scheme().is_signed() {
            return Err(SettingsError::EccKey);
        }
        Ok(Self { private_key: Some(private_key), ..Self::build(layout, texts, meta_key, file_key, uid)? })
    }

    fn build(
        layout: &SdmLayout,
        texts: &TagTexts<'_>,
        meta_key: SdmMetaReadKey,
        file_key: SdmFileReadKey,
        uid: Uid,
    ) -> Result<Self, SettingsError> {
        let mut tag = Self {
            layout: layout.clone(),
            suite: Suite::of_session(aes_scheme(layout)).ok_or(SettingsError::NoSdm)?,
            meta_key,
            file_key,
            #[cfg(feature = "ecdsa")]
            private_key: None,
            uid,
            ctr: SdmReadCtr::ZERO,
            limit: SdmReadCtr::MAX,
            seal: Some((false, false)),
            seed: [0; 16],
            file: [0; FILE_SIZE],
            len: 0,
            offsets: Offsets::default(),
        };
        tag.write_file(texts)?;
        Ok(tag)
    }

    /// Sets up the tag again, like [`new`](Self::new). The tag gets new keys, and its counter starts at 0 again. The
    /// private key of a tag that signs its taps does not change, and the new layout must also have `{sig}`. The state of
    /// the seal does not change. A chip remembers forever that its seal was opened, even if the chip is set up
    /// again.
    ///
    /// # Errors
    /// Returns the same errors as [`new`](Self::new). After an error, the tag is unchanged.
    pub fn personalise(
        &mut self,
        layout: &SdmLayout,
        texts: &TagTexts<'_>,
        meta_key: SdmMetaReadKey,
        file_key: SdmFileReadKey,
    ) -> Result<(), SettingsError> {
        let fresh = self.again(layout, texts, meta_key, file_key)?;
        *self = Self { seal: self.seal, seed: self.seed, ..fresh };
        Ok(())
    }

    /// Returns a new tag with the UID and, if any, the private key of this one.
    fn again(
        &self,
        layout: &SdmLayout,
        texts: &TagTexts<'_>,
        meta_key: SdmMetaReadKey,
        file_key: SdmFileReadKey,
    ) -> Result<Self, SettingsError> {
        #[cfg(feature = "ecdsa")]
        if let Some(private_key) = self.private_key.clone() {
            return Self::new_signing(layout, texts, meta_key, file_key, private_key, self.uid);
        }
        Self::new(layout, texts, meta_key, file_key, self.uid)
    }

    /// Returns the same tag with a different seed for its random bytes. In AES mode, PICCData contains random bytes
    /// after the UID and counter. In LRP mode, PICCData contains random bytes both before and after the UID and
    /// counter. For each tap, the emulator computes these bytes from the seed and the counter.
    #[must_use]
    pub fn with_seed(mut self, seed: [u8; 16]) -> Self {
        self.seed = seed;
        self
    }

    /// Returns the same tag with the counter `ctr`, as if the tag had been read `ctr` times.
    #[must_use]
    pub fn with_ctr(mut self, ctr: SdmReadCtr) -> Self {
        self.ctr = ctr;
        self
    }

    /// Returns the same tag with the SDMReadCtrLimit `limit`. After the counter has reached the limit, the tag can no
    /// longer be read.
    #[must_use]
    pub fn with_read_ctr_limit(mut self, limit: SdmReadCtr) -> Self {
        self.limit = limit;
        self
    }

    /// Returns the same tag with seal measurement disabled. The returned tag mirrors the tamper status `II`, which
    /// means that the measurement is disabled.
    #[must_use]
    pub fn without_seal(mut self) -> Self {
        self.seal = None;
        self
    }

    /// Opens the seal. From now on, the tamper status says that the seal was opened, even after
    /// [`close_seal`](Self::close_seal). This method has no effect if seal measurement is disabled.
    pub fn open_seal(&mut self) {
        self.seal = self.seal.map(|_| (true, true));
    }

    /// Closes the seal again.
    pub fn close_seal(&mut self) {
        self.seal = self.seal.map(|(ever, _)| (ever, false));
    }

    /// Returns the UID.
    #[must_use]
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// Returns the counter of the last tap.
    #[must_use]
    pub fn ctr(&self) -> SdmReadCtr {
        self.ctr
    }

    /// Reads the tag: increments the counter by one and returns the URL.
    ///
    /// # Errors
    /// Returns [`ReadLimit`] if the counter has reached SDMReadCtrLimit, which is `FFFFFFh` by default.
    pub fn tap(&mut self) -> Result<Url, ReadLimit> {
        let prf = Secret(Encryptor::new(&self.seed));
        let mut blocks = [[0; 16]; 2];
        for (number, block) in (0..).zip(&mut blocks) {
            let [low, mid, high] = self.ctr.to_lsb_first();
            *block = padded([number, low, mid, high]);
            prf.0.encrypt(block);
        }
        self.tap_with(&padded(blocks.as_flattened().iter().copied()))
    }

    /// Like [`tap`](Self::tap), but takes the random bytes of PICCData from `random`. In AES mode, bytes from the start
    /// of `random` fill the space after the UID and counter. In LRP mode, the first eight bytes of `random` become
    /// PICCRand, the random value before the UID and counter. The next bytes fill the space after the UID and counter.
    /// Bytes that do not fit are ignored.
    ///
    /// # Errors
    /// Returns the same errors as [`tap`](Self::tap).
    pub fn tap_with(&mut self, random: &[u8; 20]) -> Result<Url, ReadLimit> {
        let next = self.ctr.get().checked_add(1).and_then(SdmReadCtr::new);
        let ctr = next.filter(|next| *next <= self.limit).ok_or(ReadLimit)?;
        self.ctr = ctr;
        let mut file = self.file;
        let offsets = self.offsets;
        let mirrored = self.layout.mirrored();
        let uid = Some(self.uid).filter(|_| mirrored.uid);
        let counted = Some(ctr).filter(|_| mirrored.ctr);

        put(&mut file, offsets.uid, &self.uid.to_ascii());
        put(&mut file, offsets.ctr, &ctr.to_msb_ascii());
        if let Some(at) = offsets.picc_data {
            self.put_picc_data(&mut file, at, uid, counted, random);
        }
        let letter = |open| if open { b'O' } else { b'C' };
        let status = self.seal.map_or(*b"II", |(ever, now)| [letter(ever), letter(now)]);
        put(&mut file, offsets.tt_status, &status);
        let key = self.file_key.prepare(aes_scheme(&self.layout));
        let enc_key = uid.zip(counted).and_then(|(uid, ctr)| EncKey::derive(&key, uid, ctr));
        if let (Some(at), Some(enc_key)) = (offsets.enc, enc_key) {
            let mut blocks = [[0; 16]; 8];
            let blocks = blocks.get_mut(..offsets.enc_chars / 32).unwrap_or_default();
            let plain = file.get(at..).unwrap_or_default();
            blocks.as_flattened_mut().iter_mut().zip(plain).for_each(|(block, byte)| *block = *byte);
            encrypt_file_data(self.suite, &enc_key, ctr, blocks);
            put_digits(&mut file, at, blocks.as_flattened());
        }
        let covered = file.get(offsets.mac_input.unwrap_or(offsets.mac)..offsets.mac).unwrap_or_default();
        let mac = MacKey::derive(&key, uid, counted).map(|key| SdmMac::truncate(&key.cmac(covered)));
        #[cfg(feature = "ecdsa")]
        let (signature, mac) = match &self.private_key {
            Some(TagPrivateKey(private_key)) => (Some(private_key.sign(covered)), None),
            None => (None::<Signature>, mac),
        };
        if let Some(mac) = mac {
            put_digits(&mut file, offsets.mac, mac.as_bytes());
        }
        #[cfg(feature = "ecdsa")]
        if let Some(signature) = signature {
            put_digits(&mut file, offsets.mac, &signature.to_bytes());
        }

        // The file has a one-byte URI code in place of the URL's beginning (for example `https://`), so add the
        // beginning here.
        let (_, prefix) = self.layout.uri_code();
        let prefix = self.layout.template().as_bytes().get(..prefix).unwrap_or_default();
        let rest = file.get(FILE_HEADER..self.len).unwrap_or_default();
        let len = prefix.len().saturating_add(rest.len());
        let text = padded(prefix.iter().chain(rest).copied());
        Ok(Url { text, len, origin: origin(&text) })
    }

    /// Encrypts PICCData and writes it into the file at `at`.
    fn put_picc_data(&self, file: &mut [u8], at: usize, uid: Option<Uid>, ctr: Option<SdmReadCtr>, random: &[u8; 20]) {
        let tag = match (uid, ctr) {
            (Some(_), Some(_)) => 0xC7,
            (Some(_), None) => 0x87,
            (None, _) => 0x40,
        };
        let uid = uid.as_ref().map(Uid::as_bytes).into_iter().flatten().copied();
        let ctr = ctr.map(SdmReadCtr::to_lsb_first).into_iter().flatten();
        let head = [tag].into_iter().chain(uid).chain(ctr);
        match self.suite {
            Suite::Aes => {
                let mut block: Block = padded(head.chain(*random));
                Secret(Encryptor::new(self.meta_key.expose_bytes())).0.encrypt(&mut block);
                put_digits(file, at, &block);
            }
            Suite::Lrp(enabled) => {
                let [mut rand @ .., _, _, _, _, _, _, _, _, _, _, _, _] = *random;
                put_digits(file, at, &rand);
                let mut blocks = [padded(head.chain(random.iter().copied().skip(8)))];
                Lrp::prepare(enabled, self.meta_key.expose_bytes(), 0).encrypt(&mut rand, &mut blocks);
                put_digits(file, at.saturating_add(16), blocks.as_flattened());
            }
        }
    }

    fn write_file(&mut self, texts: &TagTexts<'_>) -> Result<(), SettingsError> {
        let status_end = self.layout.tt_end().unwrap_or_default();
        let bytes = texts.file_data.len().max(status_end).max(1).next_multiple_of(16);
        let (file, offsets) = self.layout.lay_out(texts, Some(bytes.saturating_mul(2)))?;
        (self.file, self.len, self.offsets) = (padded(file.iter().copied()), file.len(), offsets);
        Ok(())
    }
}

/// Returns the scheme of the file-read key. A tag that signs its taps has a file-read key for `{enc}`.
fn aes_scheme(layout: &SdmLayout) -> Scheme {
    if layout.scheme().is_signed() { Scheme::Aes } else { layout.scheme() }
}

/// Returns the offset of the first `/`, `?` or `#` after the host and port of a URL, or the length of the URL if none
/// of these characters follows. Source: RFC 3986 §3.
fn origin(url: &[u8]) -> usize {
    let authority = url.windows(3).position(|text| text == b"://").map_or(0, |at| at.saturating_add(3));
    let rest = url.get(authority..).unwrap_or_default();
    let len = rest.iter().take_while(|byte| !matches!(byte, b'/' | b'?' | b'#')).count();
    authority.saturating_add(len)
}

/// Encrypts file data: in AES mode with cipher block chaining (CBC), and in LRP mode with the counter mode of LRP.
/// Source: NT4H2421Gx §9.3.6.
fn encrypt_file_data(suite: Suite, key: &EncKey, ctr: SdmReadCtr, blocks: &mut [Block]) {
    let ctr = ctr.to_lsb_first();
    let secret = key.expose_bytes();
    match suite {
        Suite::Aes => {
            let Secret(cipher) = &Secret(Encryptor::new(secret));
            let mut chain: Block = padded(ctr);
            cipher.encrypt(&mut chain);
            for block in blocks {
                block.iter_mut().zip(chain).for_each(|(byte, chain)| *byte ^= chain);
                cipher.encrypt(block);
                chain = *block;
            }
        }
        Suite::Lrp(enabled) => Lrp::prepare(enabled, secret, 1).encrypt(&mut padded::<6>(ctr), blocks),
    }
}

/// Writes `bytes` into the file at the offset `at`. Does nothing if `at` is `None`.
fn put(file: &mut [u8], at: Option<usize>, bytes: &[u8]) {
    let place = at.and_then(|at| file.get_mut(at..)).unwrap_or_default();
    place.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
}

/// Like [`put`], but writes each byte as two hexadecimal digits.
fn put_digits(file: &mut [u8], at: usize, bytes: &[u8]) {
    for (index, byte) in bytes.iter().enumerate() {
        put(file, index.checked_mul(2).and_then(|index| index.checked_add(at)), &hex::encode_upper::<1, 2>(&[*byte]));
    }
}

impl fmt::Debug for EmulatedTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatedTag")
            .field("layout", &self.layout)
            .field("uid", &self.uid)
            .field("ctr", &self.ctr)
            .finish_non_exhaustive()
    }
}

/// The private key of an emulated tag that signs its taps. A real chip generates this key and never reveals it.
///
/// The key is wiped on drop, and `Debug` does not show it.
#[cfg(feature = "ecdsa")]
#[derive(Clone)]
pub struct TagPrivateKey(SigningKey);

#[cfg(feature = "ecdsa")]
impl TagPrivateKey {
    /// Creates a private key from 32 bytes, MSB first. Returns `None` if the number is 0, or is not less than the order
    /// of the curve P-256.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        let bytes = Secret(bytes);
        SigningKey::from_slice(&bytes.0).ok().map(Self)
    }

    /// Returns the public key, with which the taps of the tag are verified.
    #[must_use]
    pub fn public_key(&self) -> TagPublicKey {
        TagPublicKey::from_private_key(&self.0)
    }
}

#[cfg(feature = "ecdsa")]
impl fmt::Debug for TagPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TagPrivateKey(secret)")
    }
}

/// The URL of one tap. This type does not use the heap.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Url {
    text: [u8; MAX_URL],
    len: usize,
    /// The offset at which the path or query begins.
    origin: usize,
}

impl Url {
    /// Returns the path and query, which is the part of the URL that an HTTP server receives.
    #[must_use]
    pub fn origin_form(&self) -> &str {
        self.get(self.origin..).unwrap_or_default()
    }
}

impl Deref for Url {
    type Target = str;

    fn deref(&self) -> &str {
        // The template and all values that the emulator writes are ASCII, so the conversion cannot fail.
        str::from_utf8(self.text.get(..self.len).unwrap_or_default()).unwrap_or_default()
    }
}

impl AsRef<str> for Url {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The error for a tag that can no longer be read, because its counter has reached SDMReadCtrLimit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReadLimit;

impl fmt::Display for ReadLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the counter of the tag has reached its limit")
    }
}

impl core::error::Error for ReadLimit {}
