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
                "Nothing in the URL has the 16 hexadecimal digits of an SDMMAC. Check that the server received the \
                 whole URL. Check also that the tag writes a MAC: SDMFileRead must not be F, and SDMMACOffset must \
                 point to a placeholder in the URL."
            }
            Self::NotMirrored => {
                "The URL still has the text of the placeholders: the tag wrote no mirrors. Switch SDM on in the file \
                 settings, and read the tag without authentication."
            }
            Self::MacNotMirrored => {
                "The tag wrote other mirrors, but its placeholder of the MAC is unchanged. Either SDMMACOffset points \
                 elsewhere, or SDMFileRead is F, so that the chip computes no MAC. Set SDMMACOffset to the \
                 placeholder of the MAC, and SDMFileRead to the number of a key."
            }
            Self::PercentEncoded => {
                "The URL is percent-encoded, probably by a redirect or a form. Decode it before you parse it. If the \
                 URL of a redirect contains the URL of the tag, parse only the URL of the tag."
            }
            Self::HtmlEscaped => {
                "The URL contains an HTML escape such as &amp; instead of &. Take the URL from the request or from \
                 the link itself, not from the HTML source, or undo the escape before you parse the URL."
            }
            Self::SurroundingText => {
                "There is text around the URL or inside it that no tag writes, such as quotes, a space or a line \
                 break. Pass on only the URL, as the tag wrote it."
            }
            Self::FieldNotMirrored(field) => {
                return write!(
                    f,
                    "The MAC is right, but {field} still holds the text of its placeholder: the tag does not write \
                     this mirror. Switch the mirror on in the file settings of the tag, or remove it from the layout."
                );
            }
            Self::FileDataNotCovered => {
                "The MAC does not cover the file data, so anybody can change them. Set SDMMACInputOffset on the tag \
                 to the file data, or to text before them."
            }
            Self::UidByteOrder => {
                "The bytes of the UID are in reverse order. The chip writes the UID as it is printed (04 first), in \
                 the URL and in the session vector, so no chip made this URL."
            }
            Self::EccSignature => {
                "The URL contains an ECDSA signature of 128 hexadecimal digits instead of an SDMMAC. An NTAG X DNA \
                 writes such URLs. There is no secret key to try: verify the signature with the public key of the tag, and \
                 write {sig} in place of {mac} in the layout."
            }
            Self::SignatureKey { uid } => {
                f.write_str(
                    "The signature does not verify under the given public key, whichever text before it is taken. Either \
                     the key belongs to another tag, or the URL was changed. Each chip has a key of its own: ",
                )?;
                return match uid {
                    Some(uid) => write!(
                        f,
                        "read the certificate of the tag with the UID {uid}, and compare its key. Then tap again, and \
                         pass the URL on unchanged."
                    ),
                    None => f.write_str(
                        "read the certificate of the tag, and compare its key. Then tap again, and pass the URL on \
                         unchanged.",
                    ),
                };
            }
            Self::MirrorChanged { uid, ctr } => {
                f.write_str("The tag signed another text: ")?;
                if let Some(uid) = uid {
                    write!(f, "the UID {uid}")?;
                }
                if let Some(ctr) = ctr {
                    write!(f, "{}the counter {ctr}", if uid.is_some() { " and " } else { "" })?;
                }
                return f.write_str(
                    ". The URL was changed after the tag wrote it. Check that the URL is passed on as the tag wrote it.",
                );
            }
            Self::SignatureInput { covered } => {
                return write!(
                    f,
                    "The signature covers the text \"{covered}\", which is not what the layout says. Put [[ before this \
                     text in the layout, or set SDMMACInputOffset on the tag to the place of [[."
                );
            }
            Self::Unsigned { mirror, covered } => {
                return write!(
                    f,
                    "The signature is right, but it covers only the text \"{covered}\". It does not prove {mirror}, \
                     because anybody can change it. Set SDMMACInputOffset on the tag to the first mirror or to text before \
                     it, and put [[ at the same place in the layout."
                );
            }
            Self::SignatureForm { form } => {
                return write!(
                    f,
                    "The signature is right, but it is written as {form}. A chip writes r and then s, 32 bytes each, most \
                     significant byte first, so a program that simulates a chip made this URL. Use this form in that \
                     program."
                );
            }
            Self::NoSignature { has_mac: true } => {
                "The layout has {sig}, but the URL has no signature of 128 hexadecimal digits. It has 16 hexadecimal \
                 digits, so the tag probably writes a MAC. Write {mac} in place of {sig} in the layout, and use the mode \
                 of the tag (Scheme::Aes or Scheme::Lrp) and its SDMFileReadKey."
            }
            Self::NoSignature { has_mac: false } => {
                "The layout has {sig}, but the URL has no signature of 128 hexadecimal digits. Check that the server \
                 received the whole URL, that SDMMACOffset points to a placeholder of 128 characters, and that the file \
                 settings name an ECC key."
            }
            Self::OtherScheme(name) => {
                return write!(
                    f,
                    "This is not a tap of a chip with SDM. The URL looks like {name}. This library cannot verify it."
                );
            }
            Self::SchemeDiffers => {
                "The URL and the layout begin with different URL schemes, such as http and https. Use the URL scheme \
                 of the tag in the layout, and pass the URL on as the tag wrote it."
            }
            Self::OffsetShift { mirror, by, cause } => return offset_shift(f, *mirror, *by, *cause),
            Self::MacLength { digits: digits @ 17.. } => {
                return write!(
                    f,
                    "The placeholder of the MAC has {digits} characters, but a MAC has 16 hexadecimal digits. Make \
                     the placeholder exactly that long. Otherwise zeros of the placeholder follow the MAC."
                );
            }
            Self::MacLength { digits } => {
                return write!(
                    f,
                    "The MAC has {digits} of 16 hexadecimal digits, and these digits are right: the end of the URL \
                     was cut off. Make sure that the placeholder of the MAC has 16 characters, that NLEN covers the \
                     whole URL, and that nothing on the way shortens the URL."
                );
            }
            Self::PiccDataLength { digits } => {
                return write!(
                    f,
                    "The PICCData seems to have {digits} digits, which is wrong. It has 32 digits in AES mode and 48 \
                     in LRP mode. Make the placeholder on the tag exactly that long, and check that the URL was not \
                     changed on its way."
                );
            }
            Self::Layout(error) => {
                return match error {
                    Malformed::Trailing => f.write_str(
                        "The URL continues after the end of the layout. A tracker may have added this text. Remove it \
                         before you parse the URL.",
                    ),
                    Malformed::TooLong => f.write_str(
                        "The URL is longer than a tag can store, so text was added to it. Pass on only the URL that \
                         the tag wrote.",
                    ),
                    error => write!(
                        f,
                        "The URL does not match the layout: {error}. Compare the layout with the URL that the tag \
                         writes, and check that the URL was not changed on its way."
                    ),
                };
            }
            Self::CaseChanged => {
                "The static text of the URL was changed to upper or lower case after the tag wrote it. Pass the URL \
                 on unchanged. If that is not possible, write the static text on the tag in that case."
            }
            Self::Parts => {
                "The URL matches the layout as text, but the tag mirrors other values than the layout says. Compare \
                 your layout with the layout that was found."
            }
            Self::MacInputInside { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\", which begins inside a mirror: SDMMACInputOffset is wrong. \
                     Set it to the start of a mirror or to a place in the static text, and put [[ at the same place \
                     in the layout."
                );
            }
            Self::Mode { actual } => match Suite::of_session(*actual) {
                Some(Suite::Aes) => {
                    "The tag is in AES mode, but the layout says otherwise. Use AES mode (Scheme::Aes)."
                }
                Some(Suite::Lrp(_)) => {
                    "The tag is in LRP mode, but the layout says otherwise. Use LRP mode (Scheme::Lrp). A tag in LRP \
                     mode cannot return to AES mode."
                }
                #[cfg(feature = "ecdsa")]
                None if actual.is_signed() => {
                    "The tag signs its taps, but the layout says otherwise. Use its mode (Scheme::Ecdsa), write {sig} in \
                     place of {mac}, and put [[ before the first mirror."
                }
                None => {
                    "The tag is an NTAG 22x, but the layout says otherwise. Use its mode (Scheme::Suncmac), and remove [[ \
                     from the layout."
                }
            },
            Self::FactoryKey { meta: true, file: true } => {
                "Both keys of the tag are still those of a new chip, 16 zero bytes. Anybody can forge its taps. Write \
                 your own keys to the tag."
            }
            Self::FactoryKey { meta: true, file: false } => {
                "The SDMMetaReadKey of the tag is still that of a new chip, 16 zero bytes. Anybody can decrypt its \
                 UID and counter. Write your key to the application key whose number is in SDMMetaRead."
            }
            Self::FactoryKey { .. } => {
                "The SDMFileReadKey of the tag is still that of a new chip, 16 zero bytes. Anybody can forge its \
                 taps. Write your key to the application key whose number is in SDMFileRead."
            }
            Self::KeysSwapped => {
                "The two keys are swapped: the key given as SDMMetaReadKey computes the MAC, and the key given as \
                 SDMFileReadKey decrypts the PICCData. Swap them."
            }
            Self::DerivedKey { role, source: source @ KeySource::Derived { from: None, .. } } => {
                return write!(
                    f,
                    "The {} of the tag is {source}. Anybody can derive this key, so it protects nothing. Choose a \
                     random master key, and write the key derived from it to the tag.",
                    role_name(*role)
                );
            }
            Self::DerivedKey { role, source } => {
                return write!(
                    f,
                    "The {} of the tag is not the given key: it is {source}. Derive the key in this way before you \
                     verify a tap.",
                    role_name(*role)
                );
            }
            Self::OtherKey { role, source } => {
                return write!(
                    f,
                    "The {} of the tag is {source}, which was not given for this role. Use it in this role.",
                    role_name(*role)
                );
            }
            Self::MacInput { covered: "" } => {
                "The MAC covers no text: SDMMACInputOffset equals SDMMACOffset. Remove [[ from the layout, or set \
                 SDMMACInputOffset on the tag to the place of [[."
            }
            Self::MacInput { covered } => {
                return write!(
                    f,
                    "The MAC covers the text \"{covered}\". It covers the characters of the URL, not decoded bytes. \
                     Put [[ before this text in the layout."
                );
            }
            Self::SessionVector { is_encrypted: true, .. } => {
                "The session vector (the input of the session key) does not have the UID and the counter of the PICCData. \
                 A chip puts exactly these values into it, so a program that simulates a chip made this URL. Use the same \
                 values in that program."
            }
            Self::SessionVector { uid: false, ctr: true, .. } => {
                "The session vector (the input of the session key) has no UID, so the tag does not mirror its UID. If \
                 the URL shows a UID, it is static text. Remove {uid} from the layout, or preferably set the tag up \
                 to mirror the UID."
            }
            Self::SessionVector { uid: true, ctr: false, .. } => {
                "The session vector (the input of the session key) has no counter, so the tag does not mirror its \
                 counter. If the URL shows a counter, it is static text. Remove {ctr} from the layout, or preferably \
                 set the tag up to mirror the counter."
            }
            Self::SessionVector { uid: true, ctr: true, .. } => {
                "The session vector (the input of the session key) has the UID of the tag, but the URL does not. Find \
                 out what removed or changed the UID in the URL, or take the UID from your record of the tag."
            }
            Self::SessionVector { .. } => {
                "The session vector (the input of the session key) has no UID and no counter, so the tag mirrors \
                 neither. If the URL shows them, they are static text. Remove both from the layout, or preferably set \
                 the tag up to mirror them."
            }
            Self::NoSessionKey { is_enc_key: false } => {
                "The MAC was computed with the SDMFileReadKey itself. A chip uses a session key, which it derives \
                 from the UID and the counter (SV2). So a program that simulates a chip made this URL. Derive the \
                 session key in that program."
            }
            Self::NoSessionKey { is_enc_key: true } => {
                "The MAC was computed with the session key for file data, which is derived from SV1. A chip uses the \
                 session key for the MAC, which is derived from SV2. So a program that simulates a chip made this \
                 URL. Use SV2 in that program."
            }
            Self::MacOverBytes => {
                "The MAC covers decoded bytes. On a chip, it covers the characters of the URL, so a program that \
                 simulates a chip made this URL. In that program, use the characters from [[ to {mac}, or no text if \
                 the layout has no [[."
            }
            Self::CounterByteOrder => {
                "The bytes of the counter are in the wrong order. A chip writes a plain counter most significant byte \
                 first, and uses it least significant byte first in PICCData and in the session vector. Correct the \
                 program that made the URL."
            }
            Self::MacTruncation { bytes } => {
                return write!(
                    f,
                    "The MAC consists of {bytes} of its CMAC. A chip uses bytes 1, 3, 5, 7, 9, 11, 13 and 15, counted \
                     from 0, so a program that simulates a chip made this URL. Use these bytes in that program."
                );
            }
            Self::OtherTag { uid } => {
                return write!(
                    f,
                    "The tap is genuine, but it comes from a different tag: its UID is {uid}. Tap the expected tag, \
                     or correct the assumed UID."
                );
            }
            Self::NoCounter => {
                "The tap is genuine but carries no counter, so a copy of the URL is never recognised as a replay. Set \
                 the tag up to mirror SDMReadCtr."
            }
            Self::CounterZero => {
                "The counter is 0, but a chip increments the counter before it writes the URL. Either the tag does not \
                 mirror the counter and the URL shows zeros instead, or the counter of an NTAG 22x DNA is off, or no \
                 chip made this URL. Check that the file settings mirror SDMReadCtr."
            }
            Self::CounterBehind { ctr, stored } if ctr == stored => {
                return write!(
                    f,
                    "The tap is genuine but was accepted before: its counter and the stored one are both {ctr}. A \
                     phone may have fetched the URL twice. Tap again."
                );
            }
            Self::CounterBehind { ctr, stored } => {
                return write!(
                    f,
                    "The tap is genuine but old: its counter is {ctr}, and {stored} was already accepted. Tap again. \
                     If the tag was set up again, its counter restarted at 0: give the tag a new key, which also \
                     gives it a new counter id."
                );
            }
            Self::CounterStuck => {
                "Both taps have the same counter. Either one tap was fetched twice, or something between tag and \
                 server caches the URL. Read the tag again for the second tap, and switch such a cache off."
            }
            Self::CounterBack => {
                "The later tap has a lower counter. Either the taps were given in the wrong order, or the tag was set \
                 up again between them. Swap the taps, or use two taps from after the set-up."
            }
            Self::SecondOfOther { uid } => {
                return write!(
                    f,
                    "The second tap comes from a different tag: its UID is {uid}. Use two taps of the same tag."
                );
            }
            Self::SecondDiffers => {
                "The second tap does not verify with the layout and the keys of the first: it comes from a different \
                 tag, the tag was set up again, or the URL was changed. Diagnose the second tap on its own."
            }
            Self::Altered => {
                "The second tap verifies, but the first does not. The first URL was changed, cut off or invented. \
                 Check that the URL is passed on as the tag wrote it."
            }
            Self::MetaKey => {
                "No key that was tried decrypts the PICCData. Either the tag has a different key, or it encrypts with \
                 another of its application keys. Check SDMMetaRead in the file settings: it is the number of that key."
            }
            Self::FileKey { uid: Some(uid) } => {
                return write!(
                    f,
                    "The PICCData was decrypted (UID {uid}), but no key that was tried yields the MAC. Either the \
                     SDMFileReadKey is a different key, or it is derived in a way that was not tried. Check \
                     SDMFileRead in the file settings, and how the key is derived."
                );
            }
            Self::FileKey { uid: None } => {
                "The PICCData was decrypted, but no key that was tried yields the MAC. Either the SDMFileReadKey is a \
                 different key, or it is derived in a way that was not tried. Check SDMFileRead in the file settings, \
                 and how the key is derived."
            }
            Self::NoMatch => {
                "No key that was tried yields this MAC. Either the SDMFileReadKey is a different key, or it is \
                 derived in a way that was not tried, or the URL was changed. Check SDMFileRead in the file settings, \
                 how the key is derived, and whether the URL is passed on unchanged."
            }
            Self::TamperNotCovered => {
                "The tamper status is outside the MAC input, so anybody can change it. Set the tag up so that the \
                 status is between SDMMACInputOffset and SDMMACOffset, and put {tt} between [[ and {mac} in the layout."
            }
            Self::SealNotMeasured => {
                "The tamper status is II: the chip does not measure its seal. Enable the tag tamper feature if the \
                 tag has a seal."
            }
            Self::SealOpened => "The tag reports that its seal is open or was opened before.",
            Self::NewChip => {
                "The tap verifies with the keys of a new chip, 16 zero bytes. The set-up works, but anybody can forge \
                 taps. Write your own keys to the tag."
            }
            Self::HexCase => {
                "Some hexadecimal digits are in lower case, but the chip writes upper case. This library accepts \
                 both. If you build the MAC input yourself, convert the digits of mirrors to upper case first."
            }
            Self::CounterRunning { reads } => {
                return write!(
                    f,
                    "The counter increased by {reads} between the taps. This is normal: each read of the tag \
                     increases it, and a phone may read the tag more than once."
                );
            }
        };
        f.write_str(text)
    }
}

/// Returns the name that the data sheet uses for the offset of this mirror.
fn offset_name(mirror: Field) -> &'static str {
    match mirror {
        Field::PiccData => "PICCDataOffset",
        Field::Uid => "UIDOffset",
        Field::SdmReadCtr => "SDMReadCtrOffset",
        Field::TtStatus => "TTStatusOffset",
        Field::EncFileData => "SDMENCOffset",
        Field::SdmMac => "SDMMACOffset",
        #[cfg(feature = "ecdsa")]
        Field::Signature => "SDMMACOffset",
        Field::Captured => "the offset",
    }
}

fn offset_shift(f: &mut fmt::Formatter<'_>, mirror: Option<Field>, by: i32, cause: ShiftCause) -> fmt::Result {
    let count = by.unsigned_abs();
    let characters = if count == 1 { "character" } else { "characters" };
    let (size, place, verb) =
        if by.is_negative() { ("small", "before", "Add") } else { ("large", "after", "Subtract") };
    let is_base = matches!(cause, ShiftCause::DecimalForHex | ShiftCause::HexForDecimal);
    match mirror {
        _ if by == 0 => {
            f.write_str(
                "The mirrors are not at their placeholders: one SDM offset is wrong, or all are. Compare each offset \
                 with the one that the layout needs.",
            )?;
        }
        None if is_base => f.write_str("Every SDM offset is wrong, each by a different number.")?,
        None => write!(
            f,
            "Every SDM offset is {count} too {size}: each mirror begins {count} {characters} {place} its placeholder. \
             {verb} {count} {} each offset.",
            if by < 0 { "to" } else { "from" }
        )?,
        Some(mirror) => {
            write!(
                f,
                "{name} is {count} too {size}: the mirror begins {count} {characters} {place} its placeholder. {verb} \
                 {count} {} {name}.",
                if by < 0 { "to" } else { "from" },
                name = offset_name(mirror),
            )?;
            if mirror == Field::SdmMac {
                f.write_str(" If the MAC covers no text, SDMMACInputOffset must equal SDMMACOffset, so change both.")?;
            }
        }
    }
    write!(f, "{cause}")
}
