//! The findings: what can be wrong with a tap, in a sentence with its remedy.

use core::fmt;

use super::assumptions::Role;
use super::key_source::KeySource;
use crate::cipher::Suite;
use crate::sun::error::Malformed;
use crate::value::{Scheme, SdmReadCtr, Uid};

/// One thing that is wrong with a tap or with the assumptions about it, or that is worth a remark.
///
/// It displays as one or more sentences: what is wrong, and what to do. The texts may improve; the [code](Self::code)
/// stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding<'a> {
    /// Nothing in the URL can be a MAC.
    NoMac,
    /// The MAC, or every mirror, holds only zeros.
    NotMirrored,
    /// The PICCData is too short or too long.
    PiccDataLength {
        /// The number of its digits.
        digits: usize,
    },
    /// The URL does not match the layout.
    Layout(Malformed),
    /// The case of the URL's text was changed.
    CaseChanged,
    /// The URL matches the layout, but its parts differ from what the layout says.
    Parts,
    /// The MAC input begins inside a mirror. No layout can express that.
    MacInputInside {
        /// The text that it covers.
        covered: &'a str,
    },
    /// The tag is in another mode than the layout says.
    Mode {
        /// The mode of the tag.
        actual: Scheme,
    },
    /// The tag has the key of a new chip, but another key was given.
    FactoryKey {
        /// `true` if this holds for the SDMMetaReadKey.
        meta: bool,
        /// `true` if this holds for the SDMFileReadKey.
        file: bool,
    },
    /// The key given as SDMMetaReadKey is the SDMFileReadKey, and the reverse.
    KeysSwapped,
    /// The key of the tag is not the given one, but derived from it.
    DerivedKey {
        /// The role of the key.
        role: Role,
        /// The derivation, and the key from which it is derived.
        source: KeySource<'a>,
    },
    /// The key that works was given for something else.
    OtherKey {
        /// The role of the key.
        role: Role,
        /// The source of the key that works.
        source: KeySource<'a>,
    },
    /// The MAC covers other text than the layout says.
    MacInput {
        /// The text that it covers.
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
    /// The MAC is truncated from its CMAC in another way than a chip does it.
    MacTruncation {
        /// The bytes of the CMAC that it consists of, in words.
        bytes: &'static str,
    },
    /// The tap is genuine, but of another tag.
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
    /// The later tap is of another tag.
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
    /// Returns a short name that does not change.
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
    #[allow(clippy::too_many_lines, reason = "each finding has a sentence")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoMac => {
                "Nothing in the URL has the 16 hexadecimal digits of an SDMMAC. Check that the phone passed the whole URL on, and \
                 that the tag mirrors a MAC (SDMFileRead is not F)."
            }
            Self::NotMirrored => {
                "The mirrors hold zeros only: the tag wrote nothing into its placeholders. Switch SDM on in the file settings, and \
                 read the tag without authenticating first."
            }
            Self::PiccDataLength { digits } => {
                return write!(
                    f,
                    "What looks like PICCData has {digits} digits. It has 32, or 48 in LRP mode: make the placeholder exactly that \
                     long, or the tag writes over the text that follows, or leaves zeros there."
                );
            }
            Self::Layout(error) => {
                return match error {
                    Malformed::Trailing => f.write_str(
                        "There is text after the end of the layout, from a tracker perhaps. Remove it before the tap is parsed.",
                    ),
                    error => write!(f, "The URL is not of the layout: {error}. Compare it with the layout that works."),
                };
            }
            Self::CaseChanged => {
                "Somebody changed letters of the URL to another case on its way: it must be as the tag wrote it. Have it passed on \
                 unchanged, or write the text of the tag in lower case."
            }
            Self::Parts => {
                "The URL has the shape of the layout, but its mirrors are others, or hold something else, than the layout says. \
                 Compare it with the layout that works."
            }
            Self::MacInputInside { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\", which begins inside of a mirror: SDMMACInputOffset is off by some \
                     characters. Set it to the start of a mirror, or of the text before one."
                );
            }
            Self::Mode { actual } => match Suite::of(*actual) {
                Some(Suite::Aes) => "The tag is in AES mode, and the layout says otherwise. Use Scheme::Aes.",
                Some(Suite::Lrp(_)) => {
                    "The tag is in LRP mode, and the layout says otherwise. Use Scheme::Lrp; there is no way back for the chip."
                }
                None => "The tag is an NTAG 22x, and the layout says otherwise. Use Scheme::Suncmac.",
            },
            Self::FactoryKey { meta: true, file: true } => {
                "Both keys of the tag are still those of a new chip, 16 zero bytes. Write your keys into it, or anybody can make its taps."
            }
            Self::FactoryKey { meta: true, file: false } => {
                "The SDMMetaReadKey of the tag is still that of a new chip, 16 zero bytes. Write your key into the application key that \
                 SDMMetaRead names."
            }
            Self::FactoryKey { .. } => {
                "The SDMFileReadKey of the tag is still that of a new chip, 16 zero bytes. Write your key into the application key that \
                 SDMFileRead names, or anybody can make its taps."
            }
            Self::KeysSwapped => {
                "The two keys are swapped: the one given as SDMMetaReadKey makes the MAC, and the other opens the PICCData. Exchange \
                 them."
            }
            Self::DerivedKey { role, source } => {
                return write!(
                    f,
                    "The {} of the tag is not the key that was given: it is {source}. Derive it; the master key stays on the server.",
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
                "The MAC covers no text: SDMMACInputOffset equals SDMMACOffset. Leave [[ out of the layout."
            }
            Self::MacInput { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\" as it stands in the URL, letters and not bytes. Put [[ in front of it in the \
                     layout."
                );
            }
            Self::SessionVector { uid: false, ctr: true } => {
                "The UID is not in the session vector: the tag does not mirror it, whatever the URL shows. Take {uid} out of the layout."
            }
            Self::SessionVector { uid: true, ctr: false } => {
                "The counter is not in the session vector: the tag does not mirror it, whatever the URL shows. Take {ctr} out of the \
                 layout, and better have the tag mirror it."
            }
            Self::SessionVector { uid: true, ctr: true } => {
                "The UID is in the session vector, so the tag mirrors it, and it is missing from the URL. Put it back, or add it from the \
                 record."
            }
            Self::SessionVector { .. } => {
                "Neither UID nor counter is in the session vector: the tag mirrors neither, whatever the URL shows. Take both out of the \
                 layout, and better have the tag mirror the counter."
            }
            Self::CounterByteOrder => {
                "The counter has its bytes in the wrong order. The chip writes it most significant byte first in the URL, and uses it \
                 least significant byte first in the session vector."
            }
            Self::MacTruncation { bytes } => {
                return write!(
                    f,
                    "The MAC has {bytes} of its CMAC. A chip gives out bytes 1, 3, 5, 7, 9, 11, 13 and 15, counted from 0; whatever made \
                     this URL is no chip."
                );
            }
            Self::OtherTag { uid } => {
                return write!(f, "The tap is genuine, and of another tag: its UID is {uid}.");
            }
            Self::NoCounter => {
                "The tap is genuine and carries no counter, so a copy of it is as good as the tag. Have the tag mirror SDMReadCtr."
            }
            Self::CounterZero => {
                "The counter is 0, which no chip sends, since it counts before it writes. Either the tag mirrors no counter and zeros \
                 stand in its place, or whatever made this URL is no chip."
            }
            Self::CounterBehind { ctr, stored } if ctr == stored => {
                return write!(
                    f,
                    "The tap is genuine and was accepted before: its counter is {ctr}, and so is the stored one. Tap again; phones may \
                     fetch a URL twice."
                );
            }
            Self::CounterBehind { ctr, stored } => {
                return write!(
                    f,
                    "The tap is genuine and old: its counter is {ctr}, and {stored} was accepted already. If the tag was set up again, it \
                     counts from 0: give it a new key, and with that a new name for its counter."
                );
            }
            Self::CounterStuck => {
                "Both taps have the same counter: it is one tap fetched twice, or something between tag and server keeps the URL."
            }
            Self::CounterBack => {
                "The later tap has a lower counter: they came in another order, or the tag was set up again in between."
            }
            Self::SecondOfOther { uid } => {
                return write!(f, "The second tap is of another tag: its UID is {uid}.");
            }
            Self::SecondDiffers => {
                "The second tap was not made in the way of the first: another tag, other settings, or altered."
            }
            Self::Altered => {
                "The other tap of this tag verifies, and this one does not: it was altered on its way, or cut, or made up."
            }
            Self::MetaKey => {
                "No key that was tried opens the PICCData. The key is another one, or the tag encrypts under an application key of \
                 another number: look at SDMMetaRead in its file settings."
            }
            Self::FileKey { uid: Some(uid) } => {
                return write!(
                    f,
                    "The PICCData opens, to UID {uid}, and no key that was tried makes the MAC. The SDMFileReadKey is another one, or \
                     derived in a way that was not tried: look at SDMFileRead in the file settings, and at how keys are derived."
                );
            }
            Self::FileKey { uid: None } => {
                "The PICCData opens, and no key that was tried makes the MAC. The SDMFileReadKey is another one, or derived in a way that \
                 was not tried: look at SDMFileRead in the file settings, and at how keys are derived."
            }
            Self::NoMatch => {
                "No key that was tried makes this MAC. The SDMFileReadKey is another one, or derived in a way that was not tried, or the \
                 URL was altered."
            }
            Self::TamperNotCovered => {
                "The tamper status stands outside of what the MAC covers, so anybody can change it. Let [[ begin before {tt}."
            }
            Self::SealOpened => "The tag says that its seal is open, or was.",
            Self::NewChip => "The tag has the keys of a new chip, 16 zero bytes: anybody can make its taps.",
            Self::HexCase => {
                "Digits came in lower case; the chip writes upper case. This library takes either. Where you make the MAC input yourself, \
                 put them in upper case first."
            }
            Self::CounterRunning { reads } => {
                return write!(
                    f,
                    "The counter went up by {reads} between the taps, as it should: one or more for each time that a phone read the tag."
                );
            }
        };
        f.write_str(text)
    }
}
