//! How a chip computes.

/// How a chip computes: fixed by its application, so pinned by the layout and never chosen by who sends a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// AES-128: CBC, CMAC and session keys as in NT4H2421Gx §9.3.
    Aes,
    /// The leakage-resilient primitive: NT4H2421Gx §9.3, AN12304. A chip is switched to it once and for all.
    #[cfg(feature = "lrp")]
    Lrp,
    /// NTAG 223 DNA and NTAG 224 DNA, StatusDetect or not: SUNCMAC, see [`ntag22x`](crate::sun::ntag22x).
    Ntag22x,
}

impl Mode {
    /// Every mode of this build.
    pub(crate) const ALL: &[Self] = &[
        Self::Aes,
        #[cfg(feature = "lrp")]
        Self::Lrp,
        Self::Ntag22x,
    ];
}
