//! The error of a configuration that cannot work.

use core::fmt;

/// A mistake of the program: a layout and keys that do not fit together. No tap can cause it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The layout has `{picc}`, and there is no SDMMetaReadKey to open it with.
    NeedsMetaKey,
    /// The layout has no `{picc}`, so there is nothing to open with an SDMMetaReadKey.
    NoPiccData,
    /// The key was prepared for another [`Scheme`](crate::Scheme) than that of the layout.
    WrongScheme,
    /// The tap carries a counter, so it must not be accepted as a tap without one.
    HasCounter,
    /// The layout mirrors no counter, so no tap of it could ever be fresh.
    NoCounter,
    /// The file-read keys depend on the UID, and the layout mirrors none.
    NoUid,
    /// The tap was parsed by a layout other than that of the verifier.
    OtherLayout,
    /// The file-read keys depend on the eCode, and the layout has no `{:name}` of the name given for it.
    NoECode,
    /// An AN10922 diversification input is empty or has more than 31 bytes, or the suffix after the UID has more than 24.
    DiversificationInput,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsMetaKey => "the layout has {picc}: an SDMMetaReadKey is needed to open it",
            Self::NoPiccData => "the layout has no {picc}, so there is nothing to open with an SDMMetaReadKey",
            Self::WrongScheme => {
                "a key was prepared for another scheme than that of the layout: call prepare(layout.scheme())"
            }
            Self::NoCounter => {
                "the layout mirrors no counter, so no tap of it could ever be fresh: it needs {ctr} or {picc}"
            }
            Self::NoUid => {
                "the file-read keys depend on the UID, and the layout mirrors none: it needs {uid} or {picc}"
            }
            Self::OtherLayout => "the tap was parsed by another layout",
            Self::NoECode => {
                "the file-read keys depend on the eCode, and the layout captures no {:name} of the name given for it"
            }
            Self::DiversificationInput => {
                "the AN10922 input must have 1 to 31 bytes, and the suffix after a UID at most 24"
            }
            Self::HasCounter => "the tap carries a counter: call verify and commit, not verify_replayable",
        })
    }
}

impl core::error::Error for ConfigError {}
