//! The texts of the findings.

use core::fmt;

use super::Finding;
use crate::cipher::Suite;
use crate::diagnose::assumptions::Role;
use crate::diagnose::key_source::KeySource;
use crate::diagnose::shift::ShiftCause;
use crate::sun::error::{Field, Malformed};

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
                "The mirrors still hold the text of their placeholders: the tag wrote nothing there. Switch SDM on in the file settings, and \
                 read the tag without authenticating first."
            }
            Self::MacNotMirrored => {
                "The MAC consists of zeros, although the tag mirrors other values: SDMMACOffset points elsewhere, or SDMFileRead is F, so \
                 that the chip computes no MAC. Set SDMMACOffset to the placeholder of the MAC, and SDMFileRead to the number of a key."
            }
            Self::PercentEncoded => {
                "The URL is percent-encoded: a redirect or a form encoded it. Decode it once before it is parsed. The tap is then read \
                 as the tag wrote it."
            }
            Self::HtmlEscaped => {
                "The URL contains an HTML escape such as &amp; in place of &. Take the URL from the request or the link itself, not from \
                 the HTML source, or undo the escape before it is parsed."
            }
            Self::EccSignature => {
                "The URL carries an ECDSA signature of 128 digits in place of an SDMMAC, as an NTAG X DNA writes it. There is no shared \
                 key: verify the signature with the public key of the tag."
            }
            Self::OtherScheme(name) => {
                return write!(
                    f,
                    "This is not a tap of a chip with SDM. The URL looks like {name}. This library cannot verify it."
                );
            }
            Self::SchemeDiffers => {
                "The URL and the layout begin with different schemes, such as http and https. Write in the layout the scheme that is on \
                 the tag, and pass on the URL as the tag wrote it."
            }
            Self::OffsetShift { mirror, by, cause } => return offset_shift(f, *mirror, *by, *cause),
            Self::MacLength { digits } => {
                return write!(
                    f,
                    "The MAC has {digits} of 16 digits, and these are right: the end of the URL was cut off. Make NLEN in the NDEF file \
                     and the placeholder long enough, and check that nothing on the way shortens the URL."
                );
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
            Self::DerivedKey { role, source: source @ KeySource::Derived { from: None, .. } } => {
                return write!(
                    f,
                    "The {} of the tag is {source}. Anybody can derive it, so anybody can forge its taps. Choose a random master key, and \
                     write the key derived from it to the tag.",
                    role_name(*role)
                );
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
            Self::NoSessionKey { is_enc_key: false } => {
                "The MAC was computed under the key of the tag itself. A chip derives a session key from the UID and the counter (SV2), \
                 so no chip made this URL, but a program that simulates one. Derive the session key there."
            }
            Self::NoSessionKey { is_enc_key: true } => {
                "The MAC was computed under the session key of the file data, which is derived from SV1. A chip derives the key of the \
                 MAC from SV2, so no chip made this URL, but a program that simulates one. Use SV2 there."
            }
            Self::MacOverBytes => {
                "The MAC covers decoded bytes. A chip computes it over the characters of the URL, so no chip made this URL, but a \
                 program that simulates one. Let that program use the ASCII characters from [[ to {mac}, or no text if the layout has no [[."
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
            Self::NewChip => {
                "The tap verifies with the keys of a new chip, 16 zero bytes: the set-up works, and anybody can forge it. Write your own \
                 keys to the tag."
            }
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

/// Returns the data sheet's name of the offset of a mirror.
fn offset_name(mirror: Field) -> &'static str {
    match mirror {
        Field::PiccData => "PICCDataOffset",
        Field::Uid => "UIDOffset",
        Field::SdmReadCtr => "SDMReadCtrOffset",
        Field::TtStatus => "TTStatusOffset",
        Field::EncFileData => "SDMENCOffset",
        Field::SdmMac => "SDMMACOffset",
        Field::Captured => "the offset",
    }
}

fn offset_shift(f: &mut fmt::Formatter<'_>, mirror: Option<Field>, by: i32, cause: ShiftCause) -> fmt::Result {
    let count = by.unsigned_abs();
    let characters = if count == 1 { "character" } else { "characters" };
    let (size, place, verb) = if by < 0 { ("small", "before", "Add") } else { ("large", "after", "Subtract") };
    let is_base = matches!(cause, ShiftCause::DecimalForHex | ShiftCause::HexForDecimal);
    match mirror {
        None if is_base => f.write_str("Every SDM offset is wrong, each by a different number.")?,
        None => write!(
            f,
            "Every SDM offset is {count} too {size}: each mirror begins {count} {characters} {place} its placeholder. {verb} {count} \
             {} each offset.",
            if by < 0 { "to" } else { "from" }
        )?,
        Some(mirror) => write!(
            f,
            "{name} is {count} too {size}: the mirror begins {count} {characters} {place} its placeholder. {verb} {count} {} {name}.",
            if by < 0 { "to" } else { "from" },
            name = offset_name(mirror),
        )?,
    }
    f.write_str(match cause {
        ShiftCause::Unknown => "",
        ShiftCause::HeaderNotCounted => {
            " An offset counts from the start of the file, where seven bytes precede the text of the URL: NLEN (2), the record header (4) \
             and the URI code (1)."
        }
        ShiftCause::NlenNotCounted => " An offset counts from the start of the file, which begins with the two bytes of NLEN.",
        ShiftCause::RecordHeaderNotCounted => {
            " An offset counts from the start of the file, where the record header (4 bytes) and the URI code (1 byte) follow NLEN."
        }
        ShiftCause::PrefixCounted => {
            " In the file, the start of the URL (such as https://) is one byte, the URI code. Count seven bytes (NLEN, record header, \
             URI code), then the characters after that start."
        }
        ShiftCause::DecimalForHex => " The decimal digits of the offset were sent as hexadecimal digits. Convert the number.",
        ShiftCause::HexForDecimal => " The hexadecimal digits of the offset were read as decimal digits. Convert the number.",
    })
}
