//! The input of a diagnosis: a URL and the assumptions about it.

use core::fmt;

#[cfg(feature = "ecdsa")]
use crate::key::TagPublicKey;
use crate::sun::layout::SdmLayout;
use crate::value::{SdmReadCtr, Uid};

/// The URL of a tap, and what you assume about the tap and its tag. Create this value with [`Assumptions::about`], and
/// set the fields that you know.
#[derive(Clone, Copy)]
pub struct Assumptions<'a> {
    /// The URL as it was received.
    pub url: &'a str,
    /// The assumed layout of the tag.
    pub layout: Option<&'a SdmLayout>,
    /// Keys that may belong to the tag.
    pub keys: &'a [GivenKey<'a>],
    /// System identifiers from which the keys of the tag may be derived. AN10922 derives a key from a diversification
    /// input, and the system identifier is the last part of this input. The search tries each system identifier with
    /// and without the UID, and with and without the application identifier.
    pub suffixes: &'a [&'a [u8]],
    /// The application identifier that the diversification input may contain. If this is `None`, the search tries
    /// several common ones. The first is `3042F5`, from the example of AN10922.
    pub aid: Option<&'a [u8; 3]>,
    /// The assumed UID of the tag.
    pub uid: Option<Uid>,
    /// The public key of a tag that signs its taps.
    #[cfg(feature = "ecdsa")]
    pub public_key: Option<&'a TagPublicKey>,
    /// The URL of a second tap of the same tag. The second tap was made after the tap in `url`.
    pub second_url: Option<&'a str>,
    /// The last accepted counter of the tag, from your counter store.
    pub stored_ctr: Option<SdmReadCtr>,
}

impl<'a> Assumptions<'a> {
    /// Creates the input of a diagnosis from a URL, without assumptions.
    #[must_use]
    pub const fn about(url: &'a str) -> Self {
        Self {
            url,
            layout: None,
            keys: &[],
            suffixes: &[],
            aid: None,
            uid: None,
            #[cfg(feature = "ecdsa")]
            public_key: None,
            second_url: None,
            stored_ctr: None,
        }
    }
}

/// A key that may belong to the tag.
#[derive(Clone, Copy)]
pub struct GivenKey<'a> {
    /// The name that the findings use for this key.
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
    /// The role is not known. The key may be the SDMMetaReadKey, the SDMFileReadKey, or a key from which they are
    /// derived.
    Any,
}

impl fmt::Debug for Assumptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL is not printed: if no verifier has accepted it yet, a reader of the log could submit it as a tap.
        f.debug_struct("Assumptions").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl fmt::Debug for GivenKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivenKey").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}
