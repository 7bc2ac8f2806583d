//! The option `--mode`.

use clap::ValueEnum;
use suntap::Scheme;

/// How a tag authenticates its taps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// AES mode of NTAG 424 DNA
    #[default]
    Aes,
    /// LRP mode of NTAG 424 DNA
    Lrp,
    /// NTAG 223 DNA and NTAG 224 DNA
    Suncmac,
    /// NTAG X DNA that signs its taps
    Ecdsa,
}

/// How a tag with SDM authenticates its taps. An NTAG 22x has no SDM settings, and cannot be emulated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum SdmMode {
    /// AES mode of NTAG 424 DNA
    #[default]
    Aes,
    /// LRP mode of NTAG 424 DNA
    Lrp,
    /// NTAG X DNA that signs its taps
    Ecdsa,
}

impl SdmMode {
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Aes => Scheme::Aes,
            Self::Lrp => Scheme::Lrp,
            Self::Ecdsa => Scheme::Ecdsa,
        }
    }
}

impl Mode {
    pub(crate) fn scheme(self) -> Scheme {
        match self {
            Self::Aes => Scheme::Aes,
            Self::Lrp => Scheme::Lrp,
            Self::Suncmac => Scheme::Suncmac,
            Self::Ecdsa => Scheme::Ecdsa,
        }
    }
}
