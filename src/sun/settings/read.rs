//! Converts the settings and the NDEF file of a tag to a layout.

use core::fmt::Write as _;

use heapless::Vec;

use super::access::{ASCII, Access, ENC_FILE_DATA, READ_CTR, READ_CTR_LIMIT, SdmAccess, TT_STATUS, UID};
use super::error::SettingsError;
use crate::sun::error::Field;
use crate::sun::layout::{MAX_TEMPLATE, SdmLayout, authenticator, mirror_chars};
use crate::sun::ndef::UriRecord;
use crate::sun::span::Span;
use crate::sun::template::{FILE_HEADER, LayoutError};
use crate::value::{Scheme, SdmReadCtr};

/// The bit of FileOption that turns SDM on. Source: NT4H2421Gx Table 73.
const SDM_ON: u8 = 1 << 6;
/// The bits of FileOption that set the communication mode.
const COMM_MODE: u8 = 0b11;
/// The value of SDMReadCtrOffset if the counter is enabled but not mirrored.
const NOT_MIRRORED: usize = 0x00FF_FFFF;

/// A mirror and its position in the file.
#[derive(Clone, Copy)]
struct Place {
    field: Field,
    span: Span,
}

type Template = Vec<u8, MAX_TEMPLATE>;

/// The mirrors of a tag according to its settings.
#[derive(Default)]
struct Settings {
    options: u8,
    /// The positions of UID, counter, PICCData, tamper status, file data and MAC or signature, in this order. An entry is `None` if
    /// the tag does not have this mirror.
    places: [Option<Place>; 6],
    mac_input: Option<usize>,
    /// The offset of the tamper status in the plaintext of the file data.
    tt_at: Option<usize>,
}

impl SdmLayout {
    /// Reads the layout of a tag from its settings and its NDEF file.
    ///
    /// `file_settings` is the response to the command GetFileSettings, without the status bytes. The first byte is
    /// FileType.
    ///
    /// The template of the returned layout states which values PICCData contains and how long the file data is, for
    /// example `{picc:uid,ctr}` and `{enc:64}`. The template has no `{:name}` elements, because a tag stores only the
    /// texts of these elements and not the names. The texts become static text of the template.
    ///
    /// The settings do not contain the [`Scheme`], so the caller must pass `scheme`.
    ///
    /// The settings of a tag that signs its taps name an ECC key. They must name an SDMFileRead key too.
    ///
    /// The counter of a tag can be enabled but not mirrored (SDMReadCtrOffset FFFFFFh). The returned layout of such a
    /// tag has no `{ctr}`. [`sdm_settings`](Self::sdm_settings) cannot enable a counter that is not mirrored. It
    /// rejects an [`SdmAccess`] that makes this counter readable or sets a limit for it, even if this function returned
    /// the `SdmAccess`.
    ///
    /// In the file, a URI code from 01h to 04h abbreviates the beginning of the URL, such as `https://`. With code 00h,
    /// nothing is abbreviated. This function accepts all five codes. If you write the returned layout back with
    /// [`ndef_file`](Self::ndef_file), the code can change, because `ndef_file` abbreviates as much as possible.
    ///
    /// # Errors
    /// Returns a [`SettingsError`] that names the broken rule.
    pub fn from_tag(
        scheme: Scheme,
        file_settings: &[u8],
        ndef_file: &[u8],
    ) -> Result<(Self, SdmAccess), SettingsError> {
        if scheme == Scheme::Suncmac {
            return Err(SettingsError::NoSdm);
        }
        let (settings, access) = Settings::read(scheme, file_settings)?;
        let mut template = Template::new();
        settings.write_template(ndef_file, &mut template)?;
        let template = str::from_utf8(&template).map_err(|_| SettingsError::StaticText)?;
        Ok((Self::new(scheme, template)?, access))
    }
}

/// Reads settings field by field.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], SettingsError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(SettingsError::Shape)?;
        self.0 = rest;
        Ok(*field)
    }

    /// Reads a three-byte number, LSB first. Returns `None` without reading if `is_present` is `false`.
    fn number(&mut self, is_present: bool) -> Result<Option<usize>, SettingsError> {
        if !is_present {
            return Ok(None);
        }
        let [low, mid, high] = self.take()?;
        Ok(usize::try_from(u32::from_le_bytes([low, mid, high, 0])).ok())
    }
}

impl Settings {
    /// Reads the settings as specified in NT4H2421Gx Table 73: FileType, FileOption, AccessRights, FileSize, and the
    /// fields that SDM adds.
    fn read(scheme: Scheme, bytes: &[u8]) -> Result<(Self, SdmAccess), SettingsError> {
        let mut reader = Reader(bytes);
        let [file_type, file_option, _, _, _, _, _] = reader.take()?;
        if file_type != 0 {
            return Err(SettingsError::Shape);
        }
        if file_option & SDM_ON == 0 {
            return Err(SettingsError::SdmOff);
        }
        let [options, ecc_and_ctr, meta_and_file] = reader.take()?;
        let unknown = options & !(UID | READ_CTR | READ_CTR_LIMIT | ENC_FILE_DATA | TT_STATUS) != ASCII;
        if unknown || file_option & !(SDM_ON | COMM_MODE) != 0 {
            return Err(SettingsError::Options);
        }
        let ecc_key = match Access::read(ecc_and_ctr >> 4) {
            Some(Access::Key(number)) => Some(number),
            Some(Access::Never) => None,
            Some(Access::Free) | None => return Err(SettingsError::Options),
        };
        if ecc_key.is_some() != scheme.is_signed() {
            return Err(SettingsError::EccKey);
        }
        if scheme.is_signed() && options & TT_STATUS != 0 {
            return Err(SettingsError::GpioStatus);
        }
        let right = |nibble| Access::read(nibble & 0x0F).ok_or(SettingsError::AccessRight);
        let meta_read = right(meta_and_file >> 4)?;
        let file_read = match right(meta_and_file)? {
            Access::Key(number) => number,
            Access::Free => return Err(SettingsError::AccessRight),
            Access::Never => return Err(SettingsError::NoFileRead),
        };

        let (plain, encrypted) = (meta_read == Access::Free, matches!(meta_read, Access::Key(_)));
        let has = |bit| options & bit != 0;
        if (plain || encrypted) != (has(UID) || has(READ_CTR)) {
            return Err(SettingsError::MetaRead);
        }
        let uid = reader.number(has(UID) && plain)?;
        let ctr = reader.number(has(READ_CTR) && plain)?.filter(|offset| *offset != NOT_MIRRORED);
        let picc_data = reader.number(encrypted)?;
        let mut tt_status = reader.number(has(TT_STATUS))?;
        let mac_input = reader.number(true)?;
        let enc = reader.number(has(ENC_FILE_DATA))?;
        let enc_chars = reader.number(has(ENC_FILE_DATA))?.unwrap_or_default();
        if enc.is_some() && enc_chars == 0 {
            return Err(LayoutError::EncLength.into());
        }
        let mac = reader.number(true)?;
        let limit = if has(READ_CTR_LIMIT) { Some(SdmReadCtr::from_lsb_first(reader.take()?)) } else { None };
        if !reader.0.is_empty() {
            return Err(SettingsError::Shape);
        }

        // The tamper status is part of the file data if its offset is inside the file data. Otherwise, it is a separate
        // mirror.
        let tt_at = tt_status.zip(enc).and_then(|(tt, enc)| tt.checked_sub(enc)).filter(|at| *at < enc_chars);
        tt_status = tt_status.filter(|_| tt_at.is_none());
        let place = |field, from: Option<usize>| {
            let chars = mirror_chars(scheme, field).unwrap_or(enc_chars);
            from.map(|from| Place { field, span: Span::at(from, chars) })
        };
        let places = [
            place(Field::Uid, uid),
            place(Field::SdmReadCtr, ctr),
            place(Field::PiccData, picc_data),
            place(Field::TtStatus, tt_status),
            place(Field::EncFileData, enc),
            place(authenticator(scheme), mac),
        ];
        // A MAC input that begins at the MAC is empty, so the template needs no `[[`.
        let mac_input = mac_input.filter(|from| Some(*from) != mac);
        let meta_read = match meta_read {
            Access::Key(number) => Some(number),
            Access::Free | Access::Never => None,
        };
        let ctr_ret = right(ecc_and_ctr)?;
        let access = SdmAccess { meta_read, file_read, ecc_key, ctr_ret, read_ctr_limit: limit };
        Ok((Self { options, places, mac_input, tt_at }, access))
    }

    /// Writes the template to `out`: the URL of the file, with an element in place of each mirror.
    fn write_template(&self, file: &[u8], out: &mut Template) -> Result<(), SettingsError> {
        let (prefix, url) = uri(file)?;
        let end = FILE_HEADER.saturating_add(url.len());
        self.check(end)?;
        put(out, prefix.as_bytes())?;
        let mut url = url.iter().copied();
        let mut at = FILE_HEADER;
        let mut last = b' ';
        while at < end {
            if self.mac_input == Some(at) {
                // With a `[` directly before the MAC input, the template would contain `[[[`. The text `[[[` is
                // ambiguous, because the first two or the last two characters could be the element `[[`.
                if last == b'[' {
                    return Err(SettingsError::StaticText);
                }
                put(out, b"[[")?;
            }
            if let Some(place) = self.places.iter().flatten().find(|place| place.span.from == at) {
                self.put_element(*place, out)?;
                at = place.span.to;
                url.by_ref().take(place.span.len()).for_each(drop);
                last = b' ';
                continue;
            }
            let byte = url.next().ok_or(SettingsError::NotUri)?;
            if matches!(byte, b'{' | b'}') || (last, byte) == (b'[', b'[') {
                return Err(SettingsError::StaticText);
            }
            put(out, &[byte])?;
            at = at.saturating_add(1);
            last = byte;
        }
        Ok(())
    }

    /// Checks that all mirrors are inside the URL and do not overlap. Also checks that the MAC input begins inside the
    /// URL, but not inside a mirror.
    fn check(&self, end: usize) -> Result<(), SettingsError> {
        let places = || self.places.iter().flatten();
        for (index, place) in places().enumerate() {
            if place.span.from < FILE_HEADER || place.span.to > end {
                return Err(SettingsError::OutsideUrl(place.field));
            }
            if places().skip(index.saturating_add(1)).any(|other| place.span.overlaps(other.span)) {
                return Err(SettingsError::Overlap(place.field));
            }
        }
        let Some(mac_input) = self.mac_input else { return Ok(()) };
        if mac_input < FILE_HEADER || mac_input >= end {
            return Err(SettingsError::MacInputOutsideUrl);
        }
        match places().find(|place| place.span.from < mac_input && mac_input < place.span.to) {
            Some(place) => Err(SettingsError::MacInputInside(place.field)),
            None => Ok(()),
        }
    }

    fn put_element(&self, place: Place, out: &mut Template) -> Result<(), SettingsError> {
        let element = match place.field {
            Field::PiccData => match (self.options & UID != 0, self.options & READ_CTR != 0) {
                (true, true) => "{picc:uid,ctr}",
                (true, false) => "{picc:uid}",
                _ => "{picc:ctr}",
            },
            Field::Uid => "{uid}",
            Field::SdmReadCtr => "{ctr}",
            Field::TtStatus => "{tt}",
            Field::SdmMac => "{mac}",
            #[cfg(feature = "ecdsa")]
            Field::Signature => "{sig}",
            Field::EncFileData | Field::Captured => {
                let written = match self.tt_at {
                    Some(at) => write!(out, "{{enc:{},tt@{at}}}", place.span.len()),
                    None => write!(out, "{{enc:{}}}", place.span.len()),
                };
                return written.map_err(|_| LayoutError::TemplateTooLong.into());
            }
        };
        put(out, element.as_bytes())
    }
}

fn put(template: &mut Template, text: &[u8]) -> Result<(), SettingsError> {
    template.extend_from_slice(text).map_err(|_| LayoutError::TemplateTooLong.into())
}

/// Returns the URL prefix for which the URI code stands, and the rest of the URL. The file must contain exactly one
/// short URI record.
fn uri(file: &[u8]) -> Result<(&'static str, &[u8]), SettingsError> {
    match UriRecord::read(file) {
        Ok(UriRecord { prefix, text, offset: FILE_HEADER, rest: 0 }) => Ok((prefix, text)),
        _ => Err(SettingsError::NotUri),
    }
}
