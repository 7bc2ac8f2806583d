//! Defines the schemes for the MAC of a tap: AES, LRP and SUNCMAC.

use core::fmt;
use core::str::FromStr;

use super::parse_error::ParseError;

/// The method by which a tag computes the MAC of a tap. The chip's type and settings determine the scheme. The verifier
/// takes the scheme from the layout and not from the URL, so the sender of a tap cannot choose the scheme.
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
}

impl Scheme {
    /// Returns the name of the scheme: `aes`, `lrp` or `suncmac`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes => "aes",
            #[cfg(feature = "lrp")]
            Self::Lrp => "lrp",
            Self::Suncmac => "suncmac",
        }
    }

    /// All schemes that this build supports.
    pub(crate) const ALL: &[Self] = &[
        Self::Aes,
        #[cfg(feature = "lrp")]
        Self::Lrp,
        Self::Suncmac,
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
    /// `lrp`.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        Self::ALL.iter().copied().find(|scheme| scheme.name().eq_ignore_ascii_case(text)).ok_or(ParseError::Scheme)
    }
}
