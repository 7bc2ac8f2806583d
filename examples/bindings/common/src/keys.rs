//! The keys of a verifier.

use core::convert::Infallible;

use suntap::{
    An10922, ClaimedTap, ConfigError, FileKeys, MasterKey, MetaKeys, PreparedMetaReadKey, Scheme, SdmFileReadKey,
    SdmLayout, SdmMetaReadKey,
};

use crate::Failure;

/// Returns `true` if a name may be a key, maybe a damaged one: it has 24 or more hexadecimal digits. A UID has 14, a key has 32.
///
/// The doctor repeats the names of keys. Names and keys may have been exchanged.
#[must_use]
pub fn may_be_key(name: &str) -> bool {
    name.chars().filter(char::is_ascii_hexdigit).count() >= 24
}

/// The source of the SDMFileReadKey of a tag. The keys are wiped on drop.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is no heap, and a verifier holds one of them")]
pub enum FileKey {
    /// All tags have this key.
    Same(SdmFileReadKey),
    /// The key of each tag is derived from a master key and the UID, as in NXP AN10922.
    Derived(An10922),
}

impl FileKey {
    /// Reads the key of all tags from 32 hexadecimal digits.
    ///
    /// # Errors
    /// Fails if the text has another length or other characters.
    pub fn from_hex(text: &str) -> Result<Self, Failure> {
        Ok(Self::Same(SdmFileReadKey::from_hex(text)?))
    }

    /// Returns a source that derives the key of each tag. The AN10922 input is the UID, then `suffix` (at most 24 bytes). `epoch` is 0, or
    /// the number of times that the keys of the tags were changed.
    ///
    /// # Errors
    /// Fails if `suffix` is too long.
    pub fn derived(master: MasterKey, suffix: &[u8], epoch: u32) -> Result<Self, Failure> {
        Ok(Self::Derived(An10922::new(master, suffix)?.in_epoch(epoch)))
    }
}

impl FileKeys for FileKey {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    fn check(&self, layout: &SdmLayout) -> Result<(), ConfigError> {
        match self {
            Self::Same(key) => key.check(layout),
            Self::Derived(keys) => FileKeys::check(keys, layout),
        }
    }

    fn file_key(&self, tap: &ClaimedTap<'_>, meta_key: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        match self {
            Self::Same(key) => Ok(Some(key.clone())),
            Self::Derived(keys) => FileKeys::file_key(keys, tap, meta_key),
        }
    }
}

/// The SDMMetaReadKey, which decrypts the PICCData, or `None` for a template without `{picc}`.
#[derive(Debug)]
pub struct MetaKey(pub Option<SdmMetaReadKey>);

impl MetaKey {
    /// Reads the key from 32 hexadecimal digits.
    ///
    /// # Errors
    /// Fails if the text has another length or other characters.
    pub fn from_hex(text: Option<&str>) -> Result<Self, Failure> {
        Ok(Self(text.map(SdmMetaReadKey::from_hex).transpose()?))
    }
}

/// The prepared [`MetaKey`].
#[derive(Debug)]
pub struct PreparedMetaKey(Option<PreparedMetaReadKey>);

impl AsRef<[PreparedMetaReadKey]> for PreparedMetaKey {
    fn as_ref(&self) -> &[PreparedMetaReadKey] {
        self.0.as_slice()
    }
}

impl MetaKeys for MetaKey {
    type Prepared = PreparedMetaKey;

    fn into_prepared(self, scheme: Scheme) -> PreparedMetaKey {
        PreparedMetaKey(self.0.map(|key| key.prepare(scheme)))
    }
}
