//! The findings. Each finding says what is wrong with a tap and what to do about it.

use super::assumptions::Role;
use super::key_source::KeySource;
use super::shift::ShiftCause;
use crate::sun::error::{Field, Malformed};
use crate::value::{Scheme, SdmReadCtr, Uid};

mod text;

/// One thing that is wrong with a tap or with the assumptions about it, or that is worth a remark.
///
/// Its `Display` text says what is wrong and what to do. The text may change between releases, but the
/// [code](Self::code) does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'a> {
    /// Nothing in the URL can be a MAC.
    NoMac,
    /// Every mirror consists of zeros.
    NotMirrored,
    /// The MAC consists of zeros, but the other mirrors do not.
    MacNotMirrored,
    /// The URL is percent-encoded.
    PercentEncoded,
    /// The URL contains `&amp;` or another HTML escape of `&`.
    HtmlEscaped,
    /// The URL carries an ECDSA signature in place of a MAC.
    EccSignature,
    /// The URL is not made by SDM, but by this other scheme.
    OtherScheme(&'static str),
    /// The URL and the layout have the same host, but one begins with `http` and the other with `https`, or with a
    /// different scheme.
    SchemeDiffers,
    /// One SDM offset or all of them are wrong: the mirrors are not at their placeholders.
    OffsetShift {
        /// The mirror whose offset is wrong; `None` if all offsets are wrong by the same cause.
        mirror: Option<Field>,
        /// The number of characters by which the offset is too large, or, if it is negative, too small. If all offsets
        /// are wrong, the number applies to the first mirror.
        by: i32,
        /// The probable cause.
        cause: ShiftCause,
    },
    /// The MAC has fewer than 16 digits, but these digits are right.
    MacLength {
        /// The number of digits.
        digits: usize,
    },
    /// The PICCData is too short or too long.
    PiccDataLength {
        /// The number of digits in the PICCData.
        digits: usize,
    },
    /// The URL does not match the layout.
    Layout(Malformed),
    /// The case of the URL's text was changed.
    CaseChanged,
    /// The URL has the shape of the layout, but its mirrors or their contents differ from what the layout says.
    Parts,
    /// The MAC input begins inside a mirror. No layout can express that.
    MacInputInside {
        /// The text that the MAC covers.
        covered: &'a str,
    },
    /// The tag is not in the mode that the layout says.
    Mode {
        /// The mode of the tag.
        actual: Scheme,
    },
    /// The tag has a key of a new chip, 16 zero bytes.
    FactoryKey {
        /// `true` if this applies to the SDMMetaReadKey.
        meta: bool,
        /// `true` if this applies to the SDMFileReadKey.
        file: bool,
    },
    /// The keys are swapped. The key given as SDMMetaReadKey is the SDMFileReadKey of the tag, and the reverse.
    KeysSwapped,
    /// The key of the tag is not the given key, but a key derived from it.
    DerivedKey {
        /// The role of the key.
        role: Role,
        /// How the key was derived, and from which key.
        source: KeySource<'a>,
    },
    /// The key that works was given for a different role.
    OtherKey {
        /// The role of the key.
        role: Role,
        /// The source of the key that works.
        source: KeySource<'a>,
    },
    /// The MAC does not cover the text that the layout says.
    MacInput {
        /// The text that the MAC covers.
        covered: &'a str,
    },
    /// The session vector does not have the same UID and counter as the URL.
    SessionVector {
        /// `true` if the session vector has a UID.
        uid: bool,
        /// `true` if the session vector has a counter.
        ctr: bool,
    },
    /// The MAC was computed under the key of the tag itself, or under the session key of the file data.
    NoSessionKey {
        /// `true` if it was the session key of the file data.
        is_enc_key: bool,
    },
    /// The MAC covers decoded bytes in place of the text of the URL.
    MacOverBytes,
    /// The counter has the wrong byte order.
    CounterByteOrder,
    /// The MAC was made by truncating the full CMAC in a way that no chip does.
    MacTruncation {
        /// A description of the CMAC bytes that make up the MAC.
        bytes: &'static str,
    },
    /// The tap is genuine, but it comes from a different tag.
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
    /// The later tap has the same counter.
    CounterStuck,
    /// The later tap has a lower counter.
    CounterBack,
    /// The later tap comes from a different tag.
    SecondOfOther {
        /// The UID of that tag.
        uid: Uid,
    },
    /// The later tap was not made in the same way as the first.
    SecondDiffers,
    /// The later tap verifies, but this one does not.
    Altered,
    /// No key that was tried opens the PICCData.
    MetaKey,
    /// The PICCData opens, but no key that was tried yields the MAC.
    FileKey {
        /// The UID in the PICCData, if it has one.
        uid: Option<Uid>,
    },
    /// No key that was tried yields the MAC.
    NoMatch,
    /// The tamper status is outside the MAC input.
    TamperNotCovered,
    /// The seal is open, or was opened before.
    SealOpened,
    /// Every key in use is that of a new chip, and no key was given.
    NewChip,
    /// Some digits are in lower case.
    HexCase,
    /// The counter went up between the two taps.
    CounterRunning {
        /// The number of reads from the first tap to the later one.
        reads: u32,
    },
}

impl Finding<'_> {
    /// Returns the short name of this finding. The name does not change between releases.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMac => "no-mac",
            Self::NotMirrored => "not-mirrored",
            Self::MacNotMirrored => "mac-not-mirrored",
            Self::PercentEncoded => "percent-encoded",
            Self::HtmlEscaped => "html-escaped",
            Self::EccSignature => "ecc-signature",
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
            Self::NewChip => "new-chip",
            Self::HexCase => "hex-case",
            Self::CounterRunning { .. } => "counter-running",
        }
    }

    /// Returns `true` if this is a fault, and `false` if it is only a remark.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::SealOpened | Self::HexCase | Self::CounterRunning { .. })
    }
}
