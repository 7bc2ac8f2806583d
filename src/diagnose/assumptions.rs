//! The input of a diagnosis: a URL and the assumptions about it.

use core::fmt;

use crate::sun::layout::SdmLayout;
use crate::value::{SdmReadCtr, Uid};

/// The URL of a tap and what you assume about it. Create this value with [`Assumptions::about`], and set the fields
/// that you know.
#[derive(Clone, Copy)]
pub struct Assumptions<'a> {
    /// The URL as it was received.
    pub url: &'a str,
    /// The assumed layout of the tag.
    pub layout: Option<&'a SdmLayout>,
    /// Keys that may belong to the tag.
    pub keys: &'a [GivenKey<'a>],
    /// System identifiers from which the keys of the tag may be diversified, by AN10922 or a variant of it. They are
    /// tried alone, after the UID, and after an application identifier.
    pub suffixes: &'a [&'a [u8]],
    /// The application identifier that may precede a system identifier. If it is `None`, `3042F5` is tried, which is the
    /// identifier in the example of AN10922.
    pub aid: Option<&'a [u8; 3]>,
    /// The UID of the tag.
    pub uid: Option<Uid>,
    /// The URL of a later tap of the same tag.
    pub second_url: Option<&'a str>,
    /// The counter in the store.
    pub stored_ctr: Option<SdmReadCtr>,
}

impl<'a> Assumptions<'a> {
    /// Creates the input for a URL about which nothing is assumed.
    #[must_use]
    pub const fn about(url: &'a str) -> Self {
        Self { url, layout: None, keys: &[], suffixes: &[], aid: None, uid: None, second_url: None, stored_ctr: None }
    }
}

/// A key that may belong to the tag.
#[derive(Clone, Copy)]
pub struct GivenKey<'a> {
    /// The name of the key in findings.
    pub name: &'a str,
    /// The 16 bytes of the key.
    pub key: &'a [u8; 16],
    /// The assumed role of the key.
    pub role: Role,
}

/// The assumed role of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The SDMMetaReadKey.
    Meta,
    /// The SDMFileReadKey.
    File,
    /// Either of these two keys, or a key from which they are derived.
    Any,
}

impl fmt::Debug for Assumptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not printed, because it may be a tap that was not accepted yet.
        f.debug_struct("Assumptions").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for GivenKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
