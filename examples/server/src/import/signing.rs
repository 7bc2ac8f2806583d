//! The keys of a tag that signs its taps: its public key, and its SDMMetaReadKey.

use suntap::certificate::tag_public_key;
use suntap::{SdmFileReadKey, SdmMetaReadKey, TagPublicKey, Uid};

use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::{ImportedMeta, ImportedPublic, Keys, Signing};
use super::sealing::{NO_SECRET, NOT_OPENED, Sealer};
use crate::registry::document::{SigningMeta, Tag};
use crate::registry::row;
use crate::time;

/// With this key nobody can sign a tap, but everybody can decrypt its PICCData.
const FACTORY: &str = "`meta` is 16 zero bytes, the factory key, with which everybody can read the UID and the counter of a tap (--allow-factory-keys accepts it)";

impl Sealer<'_> {
    /// Replaces the certificate in a line by its public key. If this fails, the certificate stays.
    pub(super) fn read_certificate(&self, uid: Option<Uid>, signing: &mut Signing) {
        if let Ok(key) = self.public_key(uid, signing) {
            (signing.public, signing.certificate) = (Some(ImportedPublic(key)), None);
        }
    }

    /// Returns the public key, from the certificate if the line has one. `uid` is the UID of the tag.
    pub(super) fn public_key(&self, uid: Option<Uid>, signing: &Signing) -> Checked<TagPublicKey> {
        let digits = match (&signing.public, &signing.certificate) {
            (Some(ImportedPublic(key)), None) => return Ok(*key),
            (None, Some(digits)) => digits,
            _ => return problem("`keys.signing` needs either `public` or `certificate`"),
        };
        let certificate = base16ct::mixed::decode_vec(digits);
        let certificate = certificate.map_err(|_| "`certificate` must have an even number of hex digits")?;
        let uid = uid.ok_or("`certificate` needs the `uid` of the tag")?;
        let now = time::now().ok_or("`certificate` needs a clock after 1970")?;
        let key = tag_public_key(&certificate, self.allowed.roots.keys(), uid, now);
        key.map_err(|error| format!("`certificate`: {error}").into())
    }
}

impl Draft<'_> {
    /// Returns the key as it is stored.
    pub(super) fn signing_meta(&self, tag: &Tag<Keys>, meta: ImportedMeta) -> Checked<SigningMeta> {
        let meta = match meta {
            ImportedMeta::Plain(digits) => {
                SdmMetaReadKey::from_hex(&digits).map_err(|_| "`meta` must have 32 hex digits")?
            }
            ImportedMeta::Held(sealed) => row::open_held(&sealed, tag, self.secrets).ok_or(NOT_OPENED)?.0,
            ImportedMeta::Named(name) => {
                self.refuse_factory_meta(self.secrets.has_zero_meta_key(&name))?;
                return Ok(SigningMeta::Named(name));
            }
        };
        self.refuse_factory_meta(meta == SdmMetaReadKey::FACTORY)?;
        let sealed = row::hold(tag, self.secrets, &meta, &SdmFileReadKey::FACTORY).ok_or(NO_SECRET)?;
        Ok(SigningMeta::Held(sealed))
    }

    fn refuse_factory_meta(&self, is_factory: bool) -> Checked {
        if is_factory && !self.allowed.factory_keys { problem(FACTORY) } else { Ok(()) }
    }
}
