//! Gets the keys of a record ready for use: unseals or derives them if necessary, and prepares them for the scheme.

use core::ops::Deref;

use super::record::{FileKey, Keys, MetaKey};
use super::verdict::Refusal;
use crate::kdf::ecode::{ECode, ServerSecret, derive_file_read_key, derive_meta_read_key};
use crate::kdf::{an10922, boltcard};
use crate::key::{PreparedFileReadKey, PreparedMetaReadKey};
use crate::value::{Scheme, Uid};

/// The keys of one tag, prepared for the scheme of the layout.
pub(super) struct TagKeys<'r> {
    pub(super) meta: Option<Ready<'r, PreparedMetaReadKey>>,
    pub(super) file: Ready<'r, PreparedFileReadKey>,
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
        let (meta, file) = match keys {
            Keys::NotLoaded => return Err(Refusal::NoKeys),
            Keys::Loaded { meta, file } => {
                let meta =
                    if needs_meta_key { Some(meta.as_ref().ok_or(Refusal::NoKeys)?.ready(scheme)) } else { None };
                let keys = Self { meta, file: file.ready(scheme, uid)? };
                let is_right_scheme =
                    keys.file.scheme() == scheme && keys.meta.as_ref().is_none_or(|key| key.scheme() == scheme);
                return if is_right_scheme { Ok(keys) } else { Err(Refusal::WrongScheme) };
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
        Ok(Self { meta, file: Ready::Now(file.prepare(scheme)) })
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
