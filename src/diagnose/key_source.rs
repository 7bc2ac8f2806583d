//! The source of a key that verifies a tap.

use core::fmt;

use crate::value::Uid;

/// The source of a key that verifies a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeySource<'a> {
    /// The key of a new chip, which is 16 zero bytes. It was not among the given keys.
    Factory,
    /// The given key with this name.
    Given(&'a str),
    /// A key derived from a given key or from the key of a new chip.
    Derived {
        /// The name of the given key; `None` for the key of a new chip.
        from: Option<&'a str>,
        /// The derivation of the key.
        derivation: KeyDerivation<'a>,
    },
}

/// The derivation of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyDerivation<'a> {
    /// The key is derived by [`kdf::an10922::derive`](crate::kdf::an10922::derive).
    An10922(DiversificationInput<'a>),
    /// The key is derived by [`kdf::plain_cmac::derive`](crate::kdf::plain_cmac::derive), which is AN10922 without its
    /// padding. Many programs derive keys this way.
    PlainCmac(DiversificationInput<'a>),
    /// The key has the bytes of the given key in reverse order.
    Reversed,
    /// The key is derived by [`kdf::boltcard`](crate::kdf::boltcard), for a Bolt Card with this version.
    Boltcard {
        /// The version of the card.
        version: u32,
    },
    /// The key is derived by the standard derivation of sdm-backend. See `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendStandard,
    /// The key is derived by the legacy derivation of sdm-backend. See `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendLegacy,
}

/// The input from which a key is derived: `before_uid`, `uid`, `aid` and `suffix`, concatenated in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DiversificationInput<'a> {
    /// The bytes before the UID, usually an application identifier.
    pub before_uid: &'a [u8],
    /// The UID; `None` if the input has no UID, in which case all tags have the same key.
    pub uid: Option<Uid>,
    /// `true` if the bytes of the UID are in reverse order. `uid` is then the reversed UID.
    pub is_uid_reversed: bool,
    /// The application identifier after the UID.
    pub aid: &'a [u8],
    /// The system identifier, or other bytes at the end of the input.
    pub suffix: &'a [u8],
}

impl DiversificationInput<'_> {
    /// Returns the bytes of `before_uid`, `uid`, `aid` and `suffix`. If the input has no UID, the second slice is
    /// empty.
    pub(super) fn parts(&self) -> [&[u8]; 4] {
        let uid = self.uid.as_ref().map_or(&[][..], |uid| uid.as_bytes());
        [self.before_uid, uid, self.aid, self.suffix]
    }
}

/// Writes the fields that are not empty, for example `UID || 3042F5 || "NXP Abu"`.
impl fmt::Display for DiversificationInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (index, part) in self.parts().into_iter().enumerate().filter(|(_, part)| !part.is_empty()) {
            f.write_str(separator)?;
            separator = " || ";
            if index == 1 {
                f.write_str(if self.is_uid_reversed { "reversed UID" } else { "UID" })?;
            } else if part.len() > 3 && part.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ') {
                write!(f, "\"{}\"", part.escape_ascii())?;
            } else {
                part.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for KeySource<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Factory => f.write_str("the key of a new chip, 16 zero bytes"),
            Self::Given(name) => write!(f, "the key \"{name}\""),
            Self::Derived { from: Some(name), derivation } => {
                write!(f, "derived from the key \"{name}\" by {derivation}")
            }
            Self::Derived { from: None, derivation } => write!(f, "derived from 16 zero bytes by {derivation}"),
        }
    }
}

impl fmt::Display for KeyDerivation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::An10922(input) => write!(f, "AN10922 over {input}"),
            Self::PlainCmac(input) => write!(f, "a CMAC over 01 || {input} (AN10922 without its padding)"),
            Self::Reversed => f.write_str("reversing its bytes"),
            Self::Boltcard { version } => write!(f, "the scheme of Bolt Cards, version {version}"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendStandard => f.write_str("the standard derivation of sdm-backend"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendLegacy => f.write_str("the legacy derivation of sdm-backend"),
        }
    }
}
