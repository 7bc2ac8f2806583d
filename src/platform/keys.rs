//! Gets the keys of a record ready for use: unseals or derives them if necessary, and prepares them for the scheme.

use core::ops::Deref;

use super::record::{FileKey, Keys, MetaKey};
use super::verdict::Refusal;
use crate::kdf::ecode::{ECode, ServerSecret, derive_file_read_key, derive_meta_read_key};
use crate::kdf::{an10922, boltcard};
#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::key::{PreparedFileReadKey, PreparedMetaReadKey};
use crate::sun::error::VerifyError;
use crate::sun::tap::{ClaimedTap, VerifiedTap};
use crate::value::{CounterId, Scheme, Uid};

/// The keys of one tag, prepared for the scheme of the layout.
pub(super) struct TagKeys<'r> {
    pub(super) meta: Option<Ready<'r, PreparedMetaReadKey>>,
    pub(super) file: VerifyingKey<'r>,
}

/// The key that verifies the taps of a tag.
#[cfg_attr(
    feature = "ecdsa",
    allow(clippy::large_enum_variant, reason = "the key is on the stack for one tap, and there is no heap")
)]
pub(super) enum VerifyingKey<'r> {
    /// Verifies a MAC.
    File(Ready<'r, PreparedFileReadKey>),
    /// Verifies a signature.
    #[cfg(feature = "ecdsa")]
    Public(&'r TagPublicKey),
}

impl VerifyingKey<'_> {
    fn is_for(&self, scheme: Scheme) -> bool {
        match self {
            Self::File(key) => key.scheme() == scheme && !scheme.is_signed(),
            #[cfg(feature = "ecdsa")]
            Self::Public(_) => scheme.is_signed(),
        }
    }

    /// Verifies a claimed tap, like [`ClaimedTap::verify`].
    pub(super) fn verify<'a>(&self, tap: ClaimedTap<'a>) -> Result<VerifiedTap<'a>, VerifyError> {
        match self {
            Self::File(key) => tap.verify(&**key),
            #[cfg(feature = "ecdsa")]
            Self::Public(key) => tap.verify(key),
        }
    }

    /// Returns the counter id of the tag with this key and UID.
    pub(super) fn counter_id(&self, uid: Option<Uid>) -> CounterId {
        match self {
            Self::File(key) => key.counter_id(uid),
            #[cfg(feature = "ecdsa")]
            Self::Public(key) => key.counter_id(uid),
        }
    }
}

/// A prepared key. Either the service prepared the key for this tap (`Now`), or the caller prepared it earlier
/// (`Before`).
pub(super) enum Ready<'r, K> {
    Now(K),
    Before(&'r K),
}

impl<K> Deref for Ready<'_, K> {
    type Target = K;

    fn deref(&self) -> &K {
        match self {
            Self::Now(key) => key,
            Self::Before(key) => key,
        }
    }
}

impl<'r> TagKeys<'r> {
    /// Prepares the keys of a tag. `needs_meta_key` is `true` if the service must still decrypt PICCData. `uid` is the
    /// UID of the record. `ecode` is the text of the eCode, a code in the URL of the tag. Keys that are derived from an
    /// eCode are derived with the first secret.
    pub(super) fn prepare(
        secrets: &[ServerSecret],
        keys: &Keys<'r>,
        scheme: Scheme,
        needs_meta_key: bool,
        uid: Option<Uid>,
        ecode: Option<&str>,
    ) -> Result<Self, Refusal> {
        let ecode = || ecode.and_then(|text| ECode::parse(text).ok()).ok_or(Refusal::SealBroken);
        let meta_key = |meta: &Option<MetaKey<'r>>| {
            let ready = |key: &MetaKey<'r>| key.ready(scheme);
            if needs_meta_key { meta.as_ref().map(ready).ok_or(Refusal::NoKeys).map(Some) } else { Ok(None) }
        };
        let (meta, file) = match keys {
            Keys::NotLoaded => return Err(Refusal::NoKeys),
            Keys::Loaded { meta, file } => {
                let (meta, file) = (meta_key(meta)?, VerifyingKey::File(file.ready(scheme, uid)?));
                return Self { meta, file }.checked(scheme);
            }
            #[cfg(feature = "ecdsa")]
            Keys::Signing { meta, public } => {
                return Self { meta: meta_key(meta)?, file: VerifyingKey::Public(public) }.checked(scheme);
            }
            Keys::Sealed { keys, tag } => {
                if secrets.is_empty() {
                    return Err(Refusal::NoKeys);
                }
                let ecode = ecode()?;
                let mut unsealed = secrets.iter().filter_map(|secret| keys.unseal(secret, &ecode, tag).ok());
                unsealed.next().ok_or(Refusal::SealBroken)?
            }
            Keys::ECode { epoch } => {
                let (uid, secret) = uid.zip(secrets.first()).ok_or(Refusal::NoKeys)?;
                let ecode = ecode()?;
                let meta = derive_meta_read_key(secret, &ecode, uid, *epoch);
                (meta, derive_file_read_key(secret, &ecode, uid, *epoch))
            }
        };
        let meta = needs_meta_key.then(|| Ready::Now(meta.prepare(scheme)));
        Self { meta, file: VerifyingKey::File(Ready::Now(file.prepare(scheme))) }.checked(scheme)
    }

    /// Checks that the keys are for the scheme of the layout.
    fn checked(self, scheme: Scheme) -> Result<Self, Refusal> {
        let is_for = self.file.is_for(scheme) && self.meta.as_ref().is_none_or(|key| key.scheme() == scheme);
        if is_for { Ok(self) } else { Err(Refusal::WrongScheme) }
    }
}

impl<'r> MetaKey<'r> {
    fn ready(&self, scheme: Scheme) -> Ready<'r, PreparedMetaReadKey> {
        match self {
            Self::Plain(key) => Ready::Now(key.prepare(scheme)),
            Self::Prepared(key) => Ready::Before(key),
            Self::Boltcard(issuer) => Ready::Now(boltcard::meta_read_key(issuer).prepare(scheme)),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackend(master) => Ready::Now(master.meta_read_key().prepare(scheme)),
        }
    }
}

impl<'r> FileKey<'r> {
    fn ready(&self, scheme: Scheme, uid: Option<Uid>) -> Result<Ready<'r, PreparedFileReadKey>, Refusal> {
        let uid = || uid.ok_or(Refusal::NoKeys);
        Ok(Ready::Now(match self {
            Self::Prepared(key) => return Ok(Ready::Before(key)),
            Self::Plain(key) => key.prepare(scheme),
            Self::An10922 { master, suffix, epoch } => {
                let key = an10922::derive_in_epoch(master, uid()?, *epoch, suffix).map_err(|_| Refusal::NoKeys)?;
                key.prepare(scheme)
            }
            Self::Boltcard { issuer, version } => boltcard::file_read_key(issuer, uid()?, *version).prepare(scheme),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackend(master) => master.file_read_key(uid()?).prepare(scheme),
        }))
    }
}
