//! Defines the error for a configuration that cannot work.

use core::fmt;

/// A programming error, for example a layout and keys that do not match. No forged tap can cause this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The layout has `{picc}`, but there is no SDMMetaReadKey to decrypt the PICCData.
    NeedsMetaKey,
    /// There is an SDMMetaReadKey, but the layout has no `{picc}`, and therefore no PICCData to decrypt.
    NoPiccData,
    /// A key is for a different [`Scheme`](crate::Scheme) than the scheme of the layout. Either the key was prepared for a
    /// different scheme, or it is the wrong type of key: a public key verifies only taps with a signature, and an AES key
    /// verifies only taps with a MAC.
    WrongScheme,
    /// The layout has `{sig}` and `{picc}`, and there is more than one SDMMetaReadKey. A signature covers the encrypted
    /// PICCData, and therefore does not show which key decrypts it: a wrong key could decrypt it to a different UID.
    #[cfg(feature = "ecdsa")]
    ManyMetaKeys,
    /// `verify_replayable`, which is only for taps without a counter, was called for a tap that carries a counter. Such
    /// a tap must be checked for a replay: call `verify` and `commit`.
    HasCounter,
    /// The layout mirrors no counter. Without a counter, a tap can never be accepted as new.
    NoCounter,
    /// The file-read keys depend on the UID, but the layout does not mirror the UID.
    NoUid,
    /// The tap was parsed with one layout, but the verifier has a different layout.
    OtherLayout,
    /// The file-read keys depend on the eCode, a code in the URL. No `{:name}` element of the layout has the name that
    /// was given for the eCode.
    NoECode,
    /// A diversification input (the data that makes each derived key different) is empty or longer than 31 bytes, or
    /// its suffix after the UID is longer than 24 bytes.
    DiversificationInput,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NeedsMetaKey => "the layout has {picc}: an SDMMetaReadKey is needed to decrypt it",
            Self::NoPiccData => "there is an SDMMetaReadKey, but the layout has no {picc} to decrypt",
            Self::WrongScheme => {
                "a key is for a different scheme than the layout's: call prepare(layout.scheme()), or pass a public key if \
                 and only if the scheme is ecdsa"
            }
            #[cfg(feature = "ecdsa")]
            Self::ManyMetaKeys => {
                "the layout has {sig} and {picc}: pass one SDMMetaReadKey, because a signature does not show which key \
                 decrypts the PICCData"
            }
            Self::NoCounter => {
                "the layout mirrors no counter, so none of its taps can become fresh: it needs {ctr} or {picc}"
            }
            Self::NoUid => {
                "the file-read keys depend on the UID, but the layout does not mirror it: it needs {uid} or {picc}"
            }
            Self::OtherLayout => "the tap was parsed by a different layout",
            Self::NoECode => {
                "the file-read keys depend on the eCode, but no {:name} of the layout has the name given for the eCode"
            }
            Self::DiversificationInput => {
                "the AN10922 input must have 1 to 31 bytes, and the suffix after a UID at most 24"
            }
            Self::HasCounter => "the tap carries a counter: call verify and commit, not verify_replayable",
        })
    }
}

impl core::error::Error for ConfigError {}
