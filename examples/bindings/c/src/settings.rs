//! The settings of a verifier.

use core::ffi::c_char;
use core::fmt;

use suntap::{MasterKey, SdmFileReadKey, SdmMetaReadKey};
use suntap_bindings::{FileKey, MetaKey, Verifier};

use crate::problem::Problem;

/// An AES key. `suntap_key_from_hex` reads it from text. Wipe it with `suntap_key_wipe` after use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Key {
    /// The bytes of the key.
    pub bytes: [u8; 16],
}

impl Key {
    /// Reads a key from 32 hexadecimal digits.
    pub(crate) fn from_hex(text: &[u8]) -> Option<Self> {
        let mut bytes = [0; 16];
        // The decoder accepts a shorter text.
        (base16ct::mixed::decode(text, &mut bytes).ok()?.len() == 16).then_some(Self { bytes })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

/// The settings of a verifier. Initialize it with `= {0}` or designated initializers, so that unused members are NULL
/// or 0. suntap_verifier_init copies what it needs.
///
/// Set either `file_read_key` or `master_key`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// "aes", "lrp" or "suncmac".
    pub scheme: *const c_char,
    /// The URL as the tag writes it, with a placeholder for each part that changes. At most 256 bytes.
    pub url_template: *const c_char,
    /// The key that decrypts the PICCData (SDMMetaReadKey), or NULL if the template has no {picc}.
    pub meta_read_key: *const Key,
    /// The SDMFileReadKey of all tags, or NULL.
    pub file_read_key: *const Key,
    /// The master key from which the SDMFileReadKey of each tag is derived, as in NXP AN10922, or NULL.
    pub master_key: *const Key,
    /// With `master_key`: the bytes of the derivation input after the UID, or NULL.
    pub suffix: *const u8,
    /// The number of bytes of `suffix`, at most 24.
    pub suffix_len: usize,
    /// With `master_key`: the number of times that the keys of the tags were changed.
    pub epoch: u32,
}

/// The settings after the pointers were checked.
#[derive(Debug)]
pub(crate) struct Checked<'a> {
    pub(crate) scheme: &'a [u8],
    pub(crate) url_template: &'a [u8],
    pub(crate) meta_read_key: Option<&'a Key>,
    pub(crate) file_read_key: Option<&'a Key>,
    pub(crate) master_key: Option<&'a Key>,
    pub(crate) suffix: Option<&'a [u8]>,
    pub(crate) epoch: u32,
}

/// The maximum length of a template. suntap checks it, too; here, it ends the search for the end of the string.
pub(crate) const MAX_TEMPLATE: usize = 256;
/// A scheme has a shorter name.
pub(crate) const MAX_SCHEME: usize = 16;

impl Checked<'_> {
    /// Creates the verifier.
    pub(crate) fn verifier(&self) -> Result<Verifier, Problem> {
        let file_read_key = self.file_key()?;
        let meta_read_key = MetaKey(self.meta_read_key.map(|key| SdmMetaReadKey::from_bytes(key.bytes)));
        // An invalid text is not the name of a scheme.
        let scheme = str::from_utf8(self.scheme).unwrap_or_default();
        if self.url_template.len() > MAX_TEMPLATE {
            return Err(Problem::Template("url_template has more than 256 bytes"));
        }
        let template = str::from_utf8(self.url_template).map_err(|_| Problem::Template("url_template is not UTF-8"))?;
        Ok(suntap_bindings::Settings { scheme, template, meta_read_key, file_read_key }.verifier()?)
    }

    fn file_key(&self) -> Result<FileKey, Problem> {
        match (self.file_read_key, self.master_key) {
            (Some(_), Some(_)) => Err(Problem::Argument("file_read_key and master_key are both set")),
            (None, None) => Err(Problem::Argument("file_read_key or master_key must be set")),
            (Some(_), None) if self.suffix.is_some() || self.epoch != 0 => {
                Err(Problem::Argument("suffix and epoch need master_key"))
            }
            (Some(key), None) => Ok(FileKey::Same(SdmFileReadKey::from_bytes(key.bytes))),
            (None, Some(key)) => {
                let suffix = self.suffix.unwrap_or_default();
                Ok(FileKey::derived(MasterKey::from_bytes(key.bytes), suffix, self.epoch)?)
            }
        }
    }
}
