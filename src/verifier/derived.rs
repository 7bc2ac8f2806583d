//! Defines the key sources that derive the SDMFileReadKey of a tag.

use core::convert::Infallible;
use core::fmt;

use heapless::Vec;

use super::file_keys::{AsyncFileKeys, FileKeys, never_waits};
use crate::kdf::an10922::{self, MAX_SUFFIX};
use crate::kdf::boltcard;
use crate::kdf::ecode::{self, ECode, ServerSecret};
#[cfg(feature = "sdm-backend")]
use crate::kdf::sdm_backend;
use crate::key::{IssuerKey, MasterKey, SdmFileReadKey, SdmMetaReadKey};
use crate::sun::layout::SdmLayout;
use crate::sun::tap::ClaimedTap;
use crate::value::{ConfigError, Uid};

/// A source that derives the file-read key of each tag from a master key, as specified in NXP AN10922. The source calls
/// [`an10922::derive_in_epoch`] with the UID of the tag. The suffix (bytes that follow the UID in the input of the
/// derivation) and the epoch (the number of earlier setups of a tag) are the same for all tags.
///
/// This source derives a key for any UID, so no tag is [unknown](crate::Error::UnknownTag) to this source. To refuse
/// certain tags, for example stolen tags, use a closure as the key source instead. In the closure, return `None` for
/// the refused tags, and call [`file_read_key`](Self::file_read_key) for all other tags.
///
/// ```
/// use suntap::{An10922, MasterKey, SdmLayout, SdmMetaReadKey, Verifier, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?e={picc:uid,ctr}&c={mac}");
///
/// let keys = An10922::new(MasterKey::from_hex("00112233445566778899AABBCCDDEEFF")?, b"example.com")?;
/// let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::from_hex("0123456789ABCDEF0123456789ABCDEF")?, keys)?;
/// # let _: &Verifier<An10922> = &verifier;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct An10922 {
    master: MasterKey,
    suffix: Vec<u8, MAX_SUFFIX>,
    epoch: u32,
}

impl An10922 {
    /// Creates a source for tags that were set up only once. For tags that were set up again, call
    /// [`in_epoch`](Self::in_epoch) on the source. The input of the derivation is the UID followed by `suffix`. If two
    /// applications use the same master key but different suffixes, their file-read keys are different.
    ///
    /// # Errors
    /// Returns [`ConfigError::DiversificationInput`] if the suffix is longer than 24 bytes.
    pub fn new(master: MasterKey, suffix: &[u8]) -> Result<Self, ConfigError> {
        let suffix = Vec::from_slice(suffix).map_err(|_| ConfigError::DiversificationInput)?;
        Ok(Self { master, suffix, epoch: 0 })
    }

    /// Returns this source with a different epoch. The epoch of a tag is the number of its earlier setups: 0 after the
    /// first setup, 1 after the second. All tags of this source must have the same epoch.
    ///
    /// If your tags have different epochs, use a closure as the key source. In the closure, look up the epoch of the
    /// tag and call [`an10922::derive_in_epoch`].
    #[must_use]
    pub fn in_epoch(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }

    /// Derives the file-read key of a tag. Write the derived key to the tag when you set it up.
    #[must_use]
    pub fn file_read_key(&self, uid: Uid) -> SdmFileReadKey {
        an10922::file_read_key(&self.master, uid, self.epoch, &self.suffix)
    }
}

impl FileKeys for An10922 {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        Ok(tap.uid().map(|uid| self.file_read_key(uid)))
    }
}

/// A source that derives the file-read keys of Bolt Cards with [`boltcard::file_read_key`]. The version of a card is a
/// number that increases by one each time the card is programmed again. All cards of this source must have the same
/// version.
///
/// If your cards have different versions, use a closure that looks up the version of the card:
///
/// ```
/// use std::collections::HashMap;
/// use suntap::kdf::boltcard;
/// use suntap::{IssuerKey, SdmLayout, Uid, Verifier, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("lnurlw://card.example.com?p={picc:uid,ctr}&c={mac}");
///
/// let issuer = IssuerKey::from_hex("00000000000000000000000000000001")?;
/// let versions = HashMap::from([(Uid::from_hex("04A39493CC8680")?, 1)]);
/// let meta_key = boltcard::meta_read_key(&issuer);
/// let verifier = Verifier::new(&LAYOUT, meta_key, |uid: Uid| {
///     let version = versions.get(&uid);
///     Ok::<_, core::convert::Infallible>(version.map(|version| boltcard::file_read_key(&issuer, uid, *version)))
/// })?;
/// # let _ = verifier.layout();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// For cards of several issuers, pass the meta-read keys of all issuers to the verifier. Your key source receives the
/// index of the meta-read key that decrypted the PICCData. Use this index to find the issuer:
///
/// ```
/// use suntap::{BoltCard, ClaimedTap, FileKeys, IssuerKey, SdmFileReadKey, SdmLayout, Verifier, sdm_layout};
///
/// static LAYOUT: SdmLayout = sdm_layout!("lnurlw://card.example.com?p={picc:uid,ctr}&c={mac}");
///
/// struct Issuers([BoltCard; 2]);
///
/// impl FileKeys for Issuers {
///     type Key<'k> = SdmFileReadKey;
///     type Error = core::convert::Infallible;
///
///     fn file_key(&self, tap: &ClaimedTap<'_>, meta_key: usize) -> Result<Option<SdmFileReadKey>, Self::Error> {
///         Ok(tap.uid().zip(self.0.get(meta_key)).map(|(uid, issuer)| issuer.file_read_key(uid)))
///     }
/// }
///
/// let issuers = [[1; 16], [2; 16]].map(|key| BoltCard::new(IssuerKey::from_bytes(key), 1));
/// let meta_keys = issuers.each_ref().map(BoltCard::meta_read_key);
/// let verifier = Verifier::new(&LAYOUT, meta_keys, Issuers(issuers))?;
/// # let _ = verifier.layout();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BoltCard {
    issuer: IssuerKey,
    version: u32,
}

impl BoltCard {
    /// Creates a source for the cards of one issuer. All these cards must have the same version. The version of a card
    /// increases by one each time the card is programmed again.
    #[must_use]
    pub const fn new(issuer: IssuerKey, version: u32) -> Self {
        Self { issuer, version }
    }

    /// Derives the meta-read key, which all cards of the issuer share.
    #[must_use]
    pub fn meta_read_key(&self) -> SdmMetaReadKey {
        boltcard::meta_read_key(&self.issuer)
    }

    /// Derives the file-read key of the card with this UID.
    #[must_use]
    pub fn file_read_key(&self, uid: Uid) -> SdmFileReadKey {
        boltcard::file_read_key(&self.issuer, uid, self.version)
    }
}

impl FileKeys for BoltCard {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        Ok(tap.uid().map(|uid| self.file_read_key(uid)))
    }
}

/// A source that derives the file-read key of a tag from a server secret, the UID and the eCode, which is a random code
/// in the tag's URL. The source calls [`ecode::derive_file_read_key`].
///
/// The layout must have a `{:name}` element at the position of the eCode. A tap is refused if the eCode in the URL is
/// invalid or belongs to a different tag.
pub struct ECodeKeys {
    secret: ServerSecret,
    name: &'static str,
    epoch: u32,
}

impl ECodeKeys {
    /// Creates a source for tags that were set up only once. For tags that were set up again, call
    /// [`in_epoch`](Self::in_epoch) on the source. `name` is the name of the `{:name}` element that contains the eCode,
    /// for example `eCode` for `{:eCode}`.
    #[must_use]
    pub const fn new(secret: ServerSecret, name: &'static str) -> Self {
        Self { secret, name, epoch: 0 }
    }

    /// Returns this source with a different epoch. The epoch of a tag is the number of its earlier setups: 0 after the
    /// first setup, 1 after the second. All tags of this source must have the same epoch.
    #[must_use]
    pub fn in_epoch(self, epoch: u32) -> Self {
        Self { epoch, ..self }
    }
}

impl FileKeys for ECodeKeys {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        match layout.mirrored().uid {
            true if layout.names().any(|name| name == self.name) => Ok(()),
            true => Err(ConfigError::NoECode),
            false => Err(ConfigError::NoUid),
        }
    }

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        let ecode = tap.captured(self.name).and_then(|text| ECode::parse(text).ok());
        let key = |(uid, ecode)| ecode::derive_file_read_key(&self.secret, &ecode, uid, self.epoch);
        Ok(tap.uid().zip(ecode).map(key))
    }
}

#[cfg(feature = "sdm-backend")]
impl FileKeys for sdm_backend::Master {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        Ok(tap.uid().map(|uid| self.file_read_key(uid)))
    }
}

never_waits!(An10922 BoltCard ECodeKeys);
#[cfg(feature = "sdm-backend")]
never_waits!(sdm_backend::Master);

impl fmt::Debug for An10922 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("An10922").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl fmt::Debug for BoltCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoltCard").field("version", &self.version).finish_non_exhaustive()
    }
}

impl fmt::Debug for ECodeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ECodeKeys").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}
