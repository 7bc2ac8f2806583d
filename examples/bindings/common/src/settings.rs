//! The settings of a verifier.

use suntap::{Scheme, SdmLayout};

use crate::keys::PreparedMetaKey;
use crate::{Failure, FileKey, MetaKey};

/// A verifier that owns its layout and its keys.
///
/// Call `admit` or `admit_async`: they verify a tap and advance the counter of its tag.
pub type Verifier = suntap::Verifier<FileKey, PreparedMetaKey, SdmLayout>;

/// The settings of a verifier.
#[derive(Debug)]
pub struct Settings<'a> {
    /// `aes`, `lrp` or `suncmac`.
    pub scheme: &'a str,
    /// The URL as the tag writes it, with a placeholder for each part that changes.
    pub template: &'a str,
    /// The key that decrypts the PICCData.
    pub meta_read_key: MetaKey,
    /// The source of the file-read keys.
    pub file_read_key: FileKey,
}

impl Settings<'_> {
    /// Creates the verifier.
    ///
    /// # Errors
    /// Fails if the template or a key is invalid, or if they do not fit together.
    pub fn verifier(self) -> Result<Verifier, Failure> {
        let scheme: Scheme = self.scheme.parse().map_err(|_| Failure::Scheme)?;
        let layout = SdmLayout::new(scheme, self.template)?;
        Ok(Verifier::new(layout, self.meta_read_key, self.file_read_key)?)
    }
}
