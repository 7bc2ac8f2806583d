//! The findings. Each finding says what is wrong with a tap and what to do about it.

use super::assumptions::Role;
use super::key_source::KeySource;
use super::shift::ShiftCause;
use crate::sun::error::{Field, Malformed};
use crate::value::{Scheme, SdmReadCtr, Uid};

mod text;

/// A fault in a tap, a fault in the assumptions about the tap, or a remark.
///
/// Its `Display` text says what is wrong and what to do. The text may change between releases, but the
/// [code](Self::code) does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'a> {
    /// No part of the URL can be a MAC.
    NoMac,
    /// The tag wrote no mirrors: the URL still contains the placeholders, usually zeros.
    NotMirrored,
    /// The tag wrote another mirror, but no MAC: the URL still contains the placeholder of the MAC.
    MacNotMirrored,
    /// The URL is percent-encoded.
    PercentEncoded,
    /// The URL contains `&amp;` or another HTML escape of `&`.
    HtmlEscaped,
    /// There is text around the URL or inside it that no tag writes, such as quotes, a space or a line break.
    SurroundingText,
    /// This mirror still holds the text of its placeholder, but the MAC is right.
    FieldNotMirrored(Field),
    /// The MAC does not cover the encrypted file data.
    FileDataNotCovered,
    /// The bytes of the UID are in reverse order.
    UidByteOrder,
    /// The URL contains an ECDSA signature instead of a MAC, and no public key is given.
    EccSignature,
    /// No text verifies under the given public key. Only with the feature `ecdsa`, as are the next five findings.
    SignatureKey {
        /// The UID in the URL, which is not proven; `None` if the URL has no plain UID.
        uid: Option<Uid>,
    },
    /// The signature is that of another UID or another counter, so the URL was changed.
    MirrorChanged {
        /// The UID that the tag signed; `None` if the URL has none.
        uid: Option<Uid>,
        /// The counter that the tag signed; `None` if the URL has none.
        ctr: Option<SdmReadCtr>,
    },
    /// The signature covers a text that begins at another place than the layout says.
    SignatureInput {
        /// The text that the signature covers.
        covered: &'a str,
    },
    /// The signature is right, but does not cover this mirror.
    Unsigned {
        /// The first mirror that is not covered.
        mirror: Field,
        /// The text that the signature covers.
        covered: &'a str,
    },
    /// The signature is right, but it is not written as r and then s, 32 bytes each, MSB first.
    SignatureForm {
        /// The form in which it is written.
        form: &'static str,
    },
    /// The layout has a signature, but the URL has none.
    NoSignature {
        /// `true` if the URL has 16 hexadecimal digits, which may be a MAC.
        has_mac: bool,
    },
    /// The URL was made with a scheme other than SDM. The value describes this scheme.
    OtherScheme(&'static str),
    /// The URL and the layout differ only in the URL scheme: for example, one has `http` and the other `https`.
    SchemeDiffers,
    /// One SDM offset is wrong, or all are. At least one mirror is therefore not at its placeholder.
    OffsetShift {
        /// The mirror whose offset is wrong; `None` if all offsets are wrong for the same reason, or if it is not known
        /// which offset is wrong.
        mirror: Option<Field>,
        /// The wrong offset minus the right offset: positive if the offset is too large, negative if it is too small.
        /// If several offsets are wrong by different amounts, this is one of these amounts. If no amount is known, this
        /// is 0.
        by: i32,
        /// The probable cause.
        cause: ShiftCause,
    },
    /// Either the end of the MAC is missing, or the placeholder of the MAC has more than 16 characters. The digits of
    /// the MAC that are in the URL are right.
    MacLength {
        /// If this is less than 16, it is the number of hexadecimal digits that remain of the MAC. If it is greater
        /// than 16, it is the number of characters of the placeholder.
        digits: usize,
    },
    /// A part of the URL looks like PICCData, but it is too short or too long.
    PiccDataLength {
        /// The number of hexadecimal digits in this part.
        digits: usize,
    },
    /// The URL does not match the layout.
    Layout(Malformed),
    /// The static text of the URL was changed to upper or lower case.
    CaseChanged,
    /// The text of the URL matches the layout, but the layout has the wrong mirrors: the tag mirrors other values.
    Parts,
    /// The MAC input (the text that the MAC covers) begins inside a mirror. No layout can describe such a tag.
    MacInputInside {
        /// The text that the MAC covers.
        covered: &'a str,
    },
    /// The mode of the tag, such as AES or LRP, is not the mode in the layout.
    Mode {
        /// The mode of the tag.
        actual: Scheme,
    },
    /// At least one key of the tag is still the key of a new chip: 16 zero bytes.
    FactoryKey {
        /// `true` if the SDMMetaReadKey is this key.
        meta: bool,
        /// `true` if the SDMFileReadKey is this key.
        file: bool,
    },
    /// The keys are swapped. The key given as SDMMetaReadKey is the SDMFileReadKey of the tag, and vice versa.
    KeysSwapped,
    /// A key of the tag is derived from a given key or from the key of a new chip.
    DerivedKey {
        /// The role of the key.
        role: Role,
        /// The key from which the key of the tag is derived, and the derivation.
        source: KeySource<'a>,
    },
    /// A key of the tag is one of the given keys, but a different key was given for its role.
    OtherKey {
        /// The role of the key.
        role: Role,
        /// The given key that has this role on the tag.
        source: KeySource<'a>,
    },
    /// The MAC input (the text that the MAC covers) does not begin where the layout says.
    MacInput {
        /// The text that the MAC covers.
        covered: &'a str,
    },
    /// The session vector (the input from which a session key is computed) lacks the UID or the counter of the URL, or
    /// has a UID that the URL does not have.
    SessionVector {
        /// `true` if the session vector has a UID.
        uid: bool,
        /// `true` if the session vector has a counter.
        ctr: bool,
        /// `true` if the UID and the counter of the tap are in its PICCData, and `false` if they are plain mirrors.
        is_encrypted: bool,
    },
    /// The MAC was computed with a wrong key: the SDMFileReadKey itself, or the session key for file data.
    NoSessionKey {
        /// `true` if the wrong key is the session key for file data, and `false` if it is the SDMFileReadKey.
        is_enc_key: bool,
    },
    /// The MAC covers the decoded bytes of mirrors instead of the text of the URL.
    MacOverBytes,
    /// The bytes of the counter are in reverse order.
    CounterByteOrder,
    /// The MAC consists of the wrong 8 bytes of the 16-byte CMAC.
    MacTruncation {
        /// A description of the bytes that were used.
        bytes: &'static str,
    },
    /// The tap is genuine, but its UID is not the assumed UID.
    OtherTag {
        /// The UID of that tag.
        uid: Uid,
    },
    /// The tap is genuine, but carries no counter.
    NoCounter,
    /// The counter is 0, which no chip sends.
    CounterZero,
    /// The tap is a replay: its counter is not greater than the stored one.
    CounterBehind {
        /// The counter of the tap.
        ctr: SdmReadCtr,
        /// The counter in the store.
        stored: SdmReadCtr,
    },
    /// The second tap has the same counter as the first tap.
    CounterStuck,
    /// The second tap has a lower counter than the first tap.
    CounterBack,
    /// The second tap comes from a different tag than the first tap.
    SecondOfOther {
        /// The UID of that tag.
        uid: Uid,
    },
    /// The second tap does not verify with the layout and the keys of the first tap.
    SecondDiffers,
    /// The search found keys and a MAC input that reproduce the MAC of the second tap, but none for the first tap.
    Altered,
    /// No key that was tried decrypts the PICCData to valid bytes.
    MetaKey,
    /// The PICCData was decrypted, but no key that was tried yields the MAC.
    FileKey {
        /// The UID in the PICCData; `None` if the PICCData has no UID.
        uid: Option<Uid>,
    },
    /// No key that was tried yields the MAC.
    NoMatch,
    /// The MAC does not cover the tamper status, so the status can be forged.
    TamperNotCovered,
    /// According to the tamper status, the seal of the tag is open or was opened before.
    SealOpened,
    /// The chip does not measure its seal.
    SealNotMeasured,
    /// No key was given, and the tap verifies with the keys of a new chip.
    NewChip,
    /// Some hexadecimal digits of the mirrors are in lower case.
    HexCase,
    /// The second tap has a higher counter than the first tap.
    CounterRunning {
        /// The difference between the two counters.
        reads: u32,
    },
}

impl Finding<'_> {
    /// Returns the short name of this finding. The name stays the same across releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMac => "no-mac",
            Self::NotMirrored => "not-mirrored",
            Self::MacNotMirrored => "mac-not-mirrored",
            Self::PercentEncoded => "percent-encoded",
            Self::HtmlEscaped => "html-escaped",
            Self::SurroundingText => "surrounding-text",
            Self::FieldNotMirrored(_) => "field-not-mirrored",
            Self::FileDataNotCovered => "file-data-not-covered",
            Self::UidByteOrder => "uid-byte-order",
            Self::EccSignature => "ecc-signature",
            Self::SignatureKey { .. } => "signature-key",
            Self::MirrorChanged { .. } => "mirror-changed",
            Self::SignatureInput { .. } => "signature-input",
            Self::Unsigned { .. } => "unsigned-mirror",
            Self::SignatureForm { .. } => "signature-form",
            Self::NoSignature { .. } => "no-signature",
            Self::OtherScheme(_) => "other-scheme",
            Self::SchemeDiffers => "scheme-differs",
            Self::OffsetShift { .. } => "offset-shift",
            Self::MacLength { .. } => "mac-length",
            Self::PiccDataLength { .. } => "picc-data-length",
            Self::Layout(_) => "layout",
            Self::CaseChanged => "case-changed",
            Self::Parts => "parts",
            Self::MacInputInside { .. } => "mac-input-inside",
            Self::Mode { .. } => "mode",
            Self::FactoryKey { .. } => "factory-key",
            Self::KeysSwapped => "keys-swapped",
            Self::DerivedKey { .. } => "derived-key",
            Self::OtherKey { .. } => "other-key",
            Self::MacInput { .. } => "mac-input",
            Self::SessionVector { .. } => "session-vector",
            Self::NoSessionKey { .. } => "no-session-key",
            Self::MacOverBytes => "mac-over-bytes",
            Self::CounterByteOrder => "counter-byte-order",
            Self::MacTruncation { .. } => "mac-truncation",
            Self::OtherTag { .. } => "other-tag",
            Self::NoCounter => "no-counter",
            Self::CounterZero => "counter-zero",
            Self::CounterBehind { .. } => "counter-behind",
            Self::CounterStuck => "counter-stuck",
            Self::CounterBack => "counter-back",
            Self::SecondOfOther { .. } => "second-of-other",
            Self::SecondDiffers => "second-differs",
            Self::Altered => "altered",
            Self::MetaKey => "meta-key",
            Self::FileKey { .. } => "file-key",
            Self::NoMatch => "no-match",
            Self::TamperNotCovered => "tamper-not-covered",
            Self::SealOpened => "seal-opened",
            Self::SealNotMeasured => "seal-not-measured",
            Self::NewChip => "new-chip",
            Self::HexCase => "hex-case",
            Self::CounterRunning { .. } => "counter-running",
        }
    }

    /// Returns `true` if something other than the tag can have made the URL.
    pub(super) const fn allows_forgery(&self) -> bool {
        matches!(
            self,
            Self::FactoryKey { file: true, .. }
                | Self::NewChip
                | Self::DerivedKey { role: Role::File, source: KeySource::Derived { from: None, .. } }
                | Self::FileDataNotCovered
                | Self::SessionVector { is_encrypted: true, .. }
                | Self::NoSessionKey { .. }
                | Self::MacOverBytes
                | Self::MacTruncation { .. }
                | Self::CounterByteOrder
                | Self::UidByteOrder
                | Self::CounterZero
                | Self::Unsigned { .. }
                | Self::SignatureForm { .. }
                | Self::MacLength { digits: ..=15 }
        )
    }

    /// Returns `true` if this finding is a fault, and `false` if it is a remark.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::SealOpened | Self::SealNotMeasured | Self::HexCase | Self::CounterRunning { .. })
    }
}
