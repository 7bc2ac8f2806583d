//! The source of a key that verifies a tap.

use core::fmt;

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
        /// How the key is derived.
        derivation: KeyDerivation,
    },
}

/// How a key is derived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyDerivation {
    /// The key is derived by [`kdf::an10922::derive`](crate::kdf::an10922::derive) from the UID and `suffix`.
    An10922 {
        /// The bytes after the UID.
        suffix: &'static [u8],
    },
    /// The key is a CMAC over `01`, the UID and `suffix`. This is AN10922 without its padding to 32 bytes. Many
    /// programs derive keys this way.
    An10922Unpadded {
        /// The bytes after the UID.
        suffix: &'static [u8],
    },
    /// The key is derived by [`kdf::boltcard`](crate::kdf::boltcard), for a card with this version.
    Boltcard {
        /// The version.
        version: u32,
    },
    /// The key is derived by the standard derivation of sdm-backend. See `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendStandard,
    /// The key is derived by the legacy derivation of sdm-backend. See `kdf::sdm_backend`.
    #[cfg(feature = "sdm-backend")]
    SdmBackendLegacy,
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

impl fmt::Display for KeyDerivation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, suffix) = match self {
            Self::An10922 { suffix } => ("AN10922 over the UID", *suffix),
            Self::An10922Unpadded { suffix } => ("a CMAC over 01 and the UID (AN10922 without its padding)", *suffix),
            Self::Boltcard { version } => return write!(f, "the scheme of Bolt Cards, version {version}"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendStandard => return f.write_str("the standard derivation of sdm-backend"),
            #[cfg(feature = "sdm-backend")]
            Self::SdmBackendLegacy => return f.write_str("the legacy derivation of sdm-backend"),
        };
        f.write_str(name)?;
        if !suffix.is_empty() {
            f.write_str(" and ")?;
            suffix.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
        }
        Ok(())
    }
}
