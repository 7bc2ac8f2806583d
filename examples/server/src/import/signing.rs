//! The SDMMetaReadKey of a tag that signs its taps.

use suntap::{SdmFileReadKey, SdmMetaReadKey};

use super::draft::Draft;
use super::error::{Checked, problem};
use super::line::{ImportedMeta, Keys};
use super::sealing::{NO_SECRET, NOT_OPENED};
use crate::registry::document::{SigningMeta, Tag};
use crate::registry::row;

/// With this key nobody can sign a tap, but everybody can decrypt its PICCData.
const FACTORY: &str = "`meta` is 16 zero bytes, the factory key, with which everybody can read the UID and the counter of a tap (--allow-factory-keys accepts it)";

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
