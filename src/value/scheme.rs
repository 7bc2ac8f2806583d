//! Defines the schemes by which a tag authenticates its taps: AES, LRP, SUNCMAC and ECDSA.

use core::fmt;
use core::str::FromStr;

use super::parse_error::ParseError;

/// The method by which a tag authenticates a tap: with a MAC, or with a signature. The chip's type and settings determine
/// the scheme. The verifier takes the scheme from the layout and not from the URL, so the sender of a tap cannot choose
/// the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// SDM in AES mode: CBC, CMAC and session keys use AES-128. Source: NT4H2421Gx §9.3.
    Aes,
    /// SDM in LRP mode, which uses the leakage-resilient primitive. A chip that is switched to LRP cannot be switched
    /// back. Source: NT4H2421Gx §9.3, AN12304.
    #[cfg(feature = "lrp")]
    Lrp,
    /// SUNCMAC, the scheme of NTAG 223 DNA and NTAG 224 DNA, including the StatusDetect versions of these chips. See
    /// [`ntag22x`](crate::sun::ntag22x).
    #[doc(alias = "NTAG 22x")]
    Suncmac,
    /// ECDSA over NIST P-256 with SHA-256, the signature of NTAG X DNA. The verifier holds the public key of the tag, see
    /// [`TagPublicKey`](crate::TagPublicKey), and nothing with which a tap could be forged. PICCData is encrypted with
    /// AES, as in [`Aes`](Self::Aes). An NTAG X DNA whose taps have an SDMMAC uses the scheme [`Aes`](Self::Aes). Source:
    /// NXP/nxmw v02.07.00, `demos/nx/sdm`.
    ///
    /// A signature proves only the text that it covers. A template whose `[[` is missing, or after a mirror that would
    /// then not be proven, does not compile:
    ///
    /// ```compile_fail,E0080
    /// use suntap::{Scheme, SdmLayout, sdm_layout};
    ///
    /// static LAYOUT: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://example.com/t?m={uid}&c=[[{ctr}&s={sig}");
    /// ```
    #[cfg(feature = "ecdsa")]
    #[doc(alias = "NTAG X DNA")]
    Ecdsa,
}

impl Scheme {
    /// Returns the name of the scheme: `aes`, `lrp`, `suncmac` or `ecdsa`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes => "aes",
            #[cfg(feature = "lrp")]
            Self::Lrp => "lrp",
            Self::Suncmac => "suncmac",
            #[cfg(feature = "ecdsa")]
            Self::Ecdsa => "ecdsa",
        }
    }

    /// Returns `true` if a tag signs its taps, with a private key. Otherwise, a tag writes a MAC.
    pub(crate) const fn is_signed(self) -> bool {
        match self {
            #[cfg(feature = "ecdsa")]
            Self::Ecdsa => true,
            _ => false,
        }
    }

    /// All schemes that this build supports.
    pub(crate) const ALL: &[Self] = &[
        Self::Aes,
        #[cfg(feature = "lrp")]
        Self::Lrp,
        Self::Suncmac,
        #[cfg(feature = "ecdsa")]
        Self::Ecdsa,
    ];
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scheme {
    type Err = ParseError;

    /// Reads the [name](Scheme::name) of a scheme in upper or lower case. `lrp` is accepted only with the feature
    /// `lrp`, and `ecdsa` only with the feature `ecdsa`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.iter().copied().find(|scheme| scheme.name().eq_ignore_ascii_case(text)).ok_or(ParseError::Scheme)
    }
}
