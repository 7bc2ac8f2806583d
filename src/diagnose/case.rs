//! What is asked: a URL and the assumptions about it.

use core::fmt;

use crate::sun::layout::SdmLayout;
use crate::value::{SdmReadCtr, Uid};

/// A URL and what you assume about it. Create one with [`Case::of`].
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The URL as it was received.
    pub url: &'a str,
    /// The assumed layout of the tag.
    pub layout: Option<&'a SdmLayout>,
    /// Keys that may belong to the tag.
    pub keys: &'a [GivenKey<'a>],
    /// The UID of the tag.
    pub uid: Option<Uid>,
    /// A later tap of the same tag.
    pub second: Option<&'a str>,
    /// The counter in the store.
    pub stored: Option<SdmReadCtr>,
}

impl<'a> Case<'a> {
    /// Returns a case for a URL about which nothing is known.
    #[must_use]
    pub const fn of(url: &'a str) -> Self {
        Self { url, layout: None, keys: &[], uid: None, second: None, stored: None }
    }
}

/// A key that may belong to a tap.
#[derive(Clone, Copy)]
pub struct GivenKey<'a> {
    /// Its name. The findings use it.
    pub name: &'a str,
    /// Its 16 bytes.
    pub key: &'a [u8; 16],
    /// Its assumed role.
    pub role: Role,
}

/// The assumed role of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The SDMMetaReadKey.
    Meta,
    /// The SDMFileReadKey.
    File,
    /// Either of them, or a key from which they are derived.
    Any,
}

impl fmt::Debug for Case<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not printed: it may be a tap that was not accepted yet.
        f.debug_struct("Case").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for GivenKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
