//! The findings. Each finding says what is wrong with a tap and what to do about it.

use core::fmt;

use super::assumptions::Role;
use super::key_source::KeySource;
use crate::cipher::Suite;
use crate::sun::error::Malformed;
use crate::value::{Scheme, SdmReadCtr, Uid};

/// One thing that is wrong with a tap or with the assumptions about it, or that is worth a remark.
///
/// Its `Display` text says what is wrong and what to do. The text may change between releases, but the
/// [code](Self::code) does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'a> {
    /// Nothing in the URL can be a MAC.
    NoMac,
    /// The MAC, or every mirror, consists of zeros.
    NotMirrored,
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
    /// The tag has the key of a new chip, but a different key was given.
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
    /// The tag has the keys of a new chip.
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
        !matches!(self, Self::SealOpened | Self::NewChip | Self::HexCase | Self::CounterRunning { .. })
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Meta => "SDMMetaReadKey",
        Role::File | Role::Any => "SDMFileReadKey",
    }
}

impl fmt::Display for Finding<'_> {
    #[allow(clippy::too_many_lines, reason = "each finding has its own text")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoMac => {
                "Nothing in the URL has the 16 hexadecimal digits of an SDMMAC. Check that the phone passed on the whole URL, and \
                 that the tag mirrors a MAC (SDMFileRead is not F)."
            }
            Self::NotMirrored => {
                "The mirrors hold only zeros: the tag wrote nothing into its placeholders. Switch SDM on in the file settings, and \
                 read the tag without authenticating first."
            }
            Self::PiccDataLength { digits } => {
                return write!(
                    f,
                    "What looks like PICCData has {digits} digits. It has 32, or 48 in LRP mode: make the placeholder exactly that \
                     long. Otherwise the tag overwrites the text that follows, or leaves zeros there."
                );
            }
            Self::Layout(error) => {
                return match error {
                    Malformed::Trailing => f.write_str(
                        "There is text after the end of the layout, perhaps added by a tracker. Remove it before the tap is parsed.",
                    ),
                    error => write!(f, "The URL does not match the layout: {error}. Compare it with the layout that works."),
                };
            }
            Self::CaseChanged => {
                "The case of letters in the URL was changed after the tag wrote it. Make sure that the URL is passed on unchanged, \
                 or write the text of the tag in lower case."
            }
            Self::Parts => {
                "The URL has the shape of the layout, but its mirrors, or their contents, differ from what the layout says. \
                 Compare it with the layout that works."
            }
            Self::MacInputInside { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\", which begins inside a mirror: SDMMACInputOffset is off by some \
                     characters. Set it to the start of a mirror, or of the text before one."
                );
            }
            Self::Mode { actual } => match Suite::of(*actual) {
                Some(Suite::Aes) => "The tag is in AES mode, but the layout says otherwise. Use Scheme::Aes.",
                Some(Suite::Lrp(_)) => {
                    "The tag is in LRP mode, but the layout says otherwise. Use Scheme::Lrp; a chip cannot return to AES mode."
                }
                None => "The tag is an NTAG 22x, but the layout says otherwise. Use Scheme::Suncmac.",
            },
            Self::FactoryKey { meta: true, file: true } => {
                "Both keys of the tag are still those of a new chip, 16 zero bytes. Write your keys to the tag; otherwise anybody can forge its taps."
            }
            Self::FactoryKey { meta: true, file: false } => {
                "The SDMMetaReadKey of the tag is still that of a new chip, 16 zero bytes. Write your key to the application key that \
                 SDMMetaRead names."
            }
            Self::FactoryKey { .. } => {
                "The SDMFileReadKey of the tag is still that of a new chip, 16 zero bytes. Write your key to the application key that \
                 SDMFileRead names; otherwise anybody can forge its taps."
            }
            Self::KeysSwapped => {
                "The two keys are swapped: the one given as SDMMetaReadKey makes the MAC, and the other opens the PICCData. Swap \
                 them."
            }
            Self::DerivedKey { role, source } => {
                return write!(
                    f,
                    "The {} of the tag is not the key that was given: it is {source}. Derive it, and keep the master key on the server.",
                    role_name(*role)
                );
            }
            Self::OtherKey { role, source } => {
                return write!(
                    f,
                    "The {} of the tag is {source}, which was given for something else.",
                    role_name(*role)
                );
            }
            Self::MacInput { covered: "" } => {
                "The MAC covers no text: SDMMACInputOffset equals SDMMACOffset. Remove [[ from the layout."
            }
            Self::MacInput { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\" as it stands in the URL: its characters, not decoded bytes. Put [[ in front of it \
                     in the layout."
                );
            }
            Self::SessionVector { uid: false, ctr: true } => {
                "The UID is not in the session vector: the tag does not mirror it, even if the URL shows one. Remove {uid} from the layout."
            }
            Self::SessionVector { uid: true, ctr: false } => {
                "The counter is not in the session vector: the tag does not mirror it, even if the URL shows one. Remove {ctr} from \
                 the layout, or preferably set the tag up to mirror the counter."
            }
            Self::SessionVector { uid: true, ctr: true } => {
                "The UID is in the session vector, so the tag mirrors it, but it is missing from the URL. Put it back, or add it from the \
                 record."
            }
            Self::SessionVector { .. } => {
                "Neither UID nor counter is in the session vector: the tag mirrors neither, even if the URL shows them. Remove both from \
                 the layout, or preferably set the tag up to mirror the counter."
            }
            Self::CounterByteOrder => {
                "The bytes of the counter are in the wrong order. The chip writes it most significant byte first in the URL, and uses it \
                 least significant byte first in the session vector."
            }
            Self::MacTruncation { bytes } => {
                return write!(
                    f,
                    "The MAC consists of {bytes} of its CMAC. A chip uses bytes 1, 3, 5, 7, 9, 11, 13 and 15, counted from 0, so no \
                     chip made this URL."
                );
            }
            Self::OtherTag { uid } => {
                return write!(f, "The tap is genuine, but of another tag: its UID is {uid}.");
            }
            Self::NoCounter => {
                "The tap is genuine but carries no counter, so a copy of it is as good as the tag. Set the tag up to mirror SDMReadCtr."
            }
            Self::CounterZero => {
                "The counter is 0. A chip never sends 0, because it increments the counter before it writes the URL. Either the tag \
                 mirrors no counter and zeros stand in its place, or no chip made this URL."
            }
            Self::CounterBehind { ctr, stored } if ctr == stored => {
                return write!(
                    f,
                    "The tap is genuine but was accepted before: its counter and the stored one are both {ctr}. Tap again; phones may \
                     fetch a URL twice."
                );
            }
            Self::CounterBehind { ctr, stored } => {
                return write!(
                    f,
                    "The tap is genuine but old: its counter is {ctr}, and {stored} was already accepted. If the tag was set up again, it \
                     counts from 0: give it a new key, which also gives it a new counter id."
                );
            }
            Self::CounterStuck => {
                "Both taps have the same counter: one tap was fetched twice, or something between tag and server caches the URL."
            }
            Self::CounterBack => {
                "The later tap has a lower counter: the taps are in the wrong order, or the tag was set up again in between."
            }
            Self::SecondOfOther { uid } => {
                return write!(f, "The second tap is of another tag: its UID is {uid}.");
            }
            Self::SecondDiffers => {
                "The second tap was not made in the same way as the first: it is of another tag, has other settings, or was altered."
            }
            Self::Altered => {
                "The other tap of this tag verifies, but this one does not: it was altered, truncated, or invented."
            }
            Self::MetaKey => {
                "No key that was tried opens the PICCData. The tag has a different key, or it encrypts under an application key of \
                 another number: check SDMMetaRead in its file settings."
            }
            Self::FileKey { uid: Some(uid) } => {
                return write!(
                    f,
                    "The PICCData opens (UID {uid}), but no key that was tried yields the MAC. The SDMFileReadKey is a different one, or is \
                     derived in a way that was not tried: check SDMFileRead in the file settings, and how keys are derived."
                );
            }
            Self::FileKey { uid: None } => {
                "The PICCData opens, but no key that was tried yields the MAC. The SDMFileReadKey is a different one, or is derived in a \
                 way that was not tried: check SDMFileRead in the file settings, and how keys are derived."
            }
            Self::NoMatch => {
                "No key that was tried yields this MAC. The SDMFileReadKey is a different one or is derived in a way that was not \
                 tried, or the URL was altered."
            }
            Self::TamperNotCovered => {
                "The tamper status is outside the MAC input, so anybody can change it. Let the MAC input ([[) begin before {tt}."
            }
            Self::SealOpened => "The tag reports that its seal is open or was opened before.",
            Self::NewChip => "The tag has the keys of a new chip, 16 zero bytes: anybody can forge its taps.",
            Self::HexCase => {
                "Some digits are in lower case, but the chip writes upper case. This library accepts both. If you build the MAC input \
                 yourself, convert the digits to upper case first."
            }
            Self::CounterRunning { reads } => {
                return write!(
                    f,
                    "The counter increased by {reads} between the taps. This is normal: it increases at least once each time a phone reads the tag."
                );
            }
        };
        f.write_str(text)
    }
}
