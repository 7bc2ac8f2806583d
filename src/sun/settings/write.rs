//! Converts a layout to the NDEF file and the settings of a tag.

use heapless::Vec;

use super::access::{
    ASCII, Access, ENC_FILE_DATA, FREE, KeyNumber, NO_ACCESS, READ_CTR, READ_CTR_LIMIT, SdmAccess, TT_STATUS, TagTexts,
    UID,
};
use super::error::{CapturedName, SettingsError};
use crate::sun::error::Field;
use crate::sun::layout::{ElementKind, SdmLayout};
use crate::sun::template::{FILE_HEADER, FILE_SIZE, is_name};
use crate::value::{Scheme, SdmReadCtr};

/// Maximum length of the settings in bytes: three bytes for options and access rights, three bytes for each of at most
/// seven offsets and lengths, and three bytes for a counter limit.
const MAX_SETTINGS: usize = 27;

/// The offsets of the mirrors and of the MAC input in the NDEF file.
#[derive(Clone, Copy, Default)]
pub(crate) struct Offsets {
    pub(crate) uid: Option<usize>,
    pub(crate) ctr: Option<usize>,
    pub(crate) picc_data: Option<usize>,
    /// The offset of the tamper status. If the tamper status is encrypted, this offset is in the first half of the
    /// `{enc}` placeholder. The chip takes the plaintext of the file data from that half.
    pub(crate) tt_status: Option<usize>,
    pub(crate) mac_input: Option<usize>,
    pub(crate) enc: Option<usize>,
    /// The length of the encrypted file data in characters (SDMENCLength).
    pub(crate) enc_chars: usize,
    pub(crate) mac: usize,
}

impl SdmLayout {
    /// Returns the NDEF file of a tag: NLEN (the length of the record) and one URI record. In the URL of the record,
    /// each mirror is a placeholder of `0` characters. The placeholder of `{enc}` begins with `texts.file_data`.
    ///
    /// The file is at most 256 bytes long. This function writes the file to the start of `out`, and returns the written
    /// part of `out`.
    ///
    /// ```
    /// use suntap::{Scheme, SdmLayout, TagTexts};
    ///
    /// let layout = SdmLayout::new(Scheme::Aes, "https://example.com/{:id}?c={mac}")?;
    /// let texts = TagTexts { captured: &[("id", "A7")], ..TagTexts::default() };
    /// let mut file = [0; 256];
    /// let file = layout.ndef_file(&texts, &mut file)?;
    /// assert_eq!(file, b"\x00\x26\xD1\x01\x22\x55\x04example.com/A7?c=0000000000000000");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`SettingsError`] in these cases:
    /// - The layout describes an NTAG 22x, or has `{enc}` without a fixed length.
    /// - One of the `texts` is missing, repeated, unexpected, invalid or too long.
    /// - `out` is too small.
    pub fn ndef_file<'b>(&self, texts: &TagTexts<'_>, out: &'b mut [u8]) -> Result<&'b [u8], SettingsError> {
        let (file, _) = self.lay_out(texts, None)?;
        copied(&file, out)
    }

    /// Returns the SDM settings of a tag, which are part of the data of the command ChangeFileSettings. The settings
    /// consist of SDMOptions, SDMAccessRights, the offsets and lengths that these two fields require, and the counter
    /// limit if a limit is set. Each offset, length or limit is a three-byte number, LSB first.
    ///
    /// In the command, FileOption (with bit 6 set) and AccessRights come before the SDM settings. The caller must
    /// supply FileOption and AccessRights.
    ///
    /// If the layout has `{picc}` without options, the settings tell the chip to put both UID and counter into
    /// PICCData. The settings do not contain the [`Scheme`], so they do not switch a chip to LRP mode. For an LRP
    /// layout, the chip must already be in LRP mode.
    ///
    /// The settings are at most 27 bytes long. This function writes the settings to the start of `out`, and returns the
    /// written part of `out`.
    ///
    /// ```
    /// use suntap::{Access, KeyNumber, Scheme, SdmAccess, SdmLayout, TagTexts};
    ///
    /// // AN12196 Rev 1.8, §6.9.
    /// let layout = SdmLayout::new(Scheme::Aes, "https://choose.url.com/ntag424?e={picc}&c={mac}")?;
    /// let access = SdmAccess {
    ///     meta_read: Some(KeyNumber::Key2),
    ///     file_read: KeyNumber::Key1,
    ///     ecc_key: None,
    ///     ctr_ret: Access::Key(KeyNumber::Key1),
    ///     read_ctr_limit: None,
    /// };
    /// let mut settings = [0; 27];
    /// let settings = layout.sdm_settings(&access, &TagTexts::default(), &mut settings)?;
    /// assert_eq!(settings, b"\xC1\xF1\x21\x20\0\0\x43\0\0\x43\0\0");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Returns [`SettingsError`] for the same reasons as [`ndef_file`](Self::ndef_file), and in these cases:
    /// - `access.ecc_key` is `None`, but the layout has `{sig}`, or the reverse.
    /// - `access.meta_read` is a key, but the layout has no `{picc}`.
    /// - `access.meta_read` is `None`, but the layout has `{picc}`.
    /// - `access.ctr_ret` makes the counter readable, or `access.read_ctr_limit` sets a limit, but the layout does not
    ///   mirror the counter.
    /// - The limit in `access.read_ctr_limit` is 0.
    pub fn sdm_settings<'b>(
        &self,
        access: &SdmAccess,
        texts: &TagTexts<'_>,
        out: &'b mut [u8],
    ) -> Result<&'b [u8], SettingsError> {
        if self.scheme().is_signed() != access.ecc_key.is_some() {
            return Err(SettingsError::EccKey);
        }
        let (_, offsets) = self.lay_out(texts, None)?;
        let mirrored = self.mirrored();
        let meta_read = match (access.meta_read, offsets.picc_data) {
            (Some(number), Some(_)) => number.get(),
            (None, None) if mirrored.uid || mirrored.ctr => FREE,
            (None, None) => NO_ACCESS,
            _ => return Err(SettingsError::MetaReadKey),
        };
        let counted = access.ctr_ret != Access::Never || access.read_ctr_limit.is_some();
        if counted && !mirrored.ctr || access.read_ctr_limit == Some(SdmReadCtr::ZERO) {
            return Err(SettingsError::Counter);
        }
        let bits = [
            (mirrored.uid, UID),
            (mirrored.ctr, READ_CTR),
            (access.read_ctr_limit.is_some(), READ_CTR_LIMIT),
            (offsets.enc.is_some(), ENC_FILE_DATA),
            (offsets.tt_status.is_some(), TT_STATUS),
            (true, ASCII),
        ];
        let options = bits.iter().filter(|(set, _)| *set).fold(0, |options, (_, bit)| options | bit);
        let mut settings = Vec::<u8, MAX_SETTINGS>::new();
        // `MAX_SETTINGS` is enough for the longest settings, so `extend_from_slice` cannot fail.
        let mut put = |bytes: [u8; 3]| settings.extend_from_slice(&bytes).map_err(|_| SettingsError::BufferTooSmall);
        let ecc_key = access.ecc_key.map_or(NO_ACCESS, KeyNumber::get);
        put([options, ecc_key << 4 | access.ctr_ret.nibble(), meta_read << 4 | access.file_read.get()])?;
        let enc_chars = offsets.enc.map(|_| offsets.enc_chars);
        let numbers = [
            offsets.uid,
            offsets.ctr,
            offsets.picc_data,
            offsets.tt_status,
            Some(offsets.mac_input.unwrap_or(offsets.mac)),
            offsets.enc,
            enc_chars,
            Some(offsets.mac),
        ];
        for number in numbers.into_iter().flatten() {
            let [low, mid, ..] = number.to_le_bytes();
            put([low, mid, 0])?;
        }
        access.read_ctr_limit.map_or(Ok(()), |limit| put(limit.to_lsb_first()))?;
        copied(&settings, out)
    }

    /// Returns the NDEF file, and the offsets of the mirrors and of the MAC input. If the layout has `{enc}` without a
    /// fixed length, the placeholder of `{enc}` is `enc_chars` characters long.
    pub(crate) fn lay_out(
        &self,
        texts: &TagTexts<'_>,
        enc_chars: Option<usize>,
    ) -> Result<(Vec<u8, FILE_SIZE>, Offsets), SettingsError> {
        if self.scheme() == Scheme::Suncmac {
            return Err(SettingsError::NoSdm);
        }
        let (code, prefix) = self.uri_code();
        let mut file = Vec::new();
        let mut offsets = Offsets::default();
        let mut put = |bytes: &[u8]| -> Result<usize, SettingsError> {
            file.extend_from_slice(bytes).map_err(|_| SettingsError::FileTooLong)?;
            Ok(file.len())
        };
        let mut at = put(&[0; FILE_HEADER])?;
        if let Some((name, _)) = texts.captured.iter().find(|(name, _)| !self.names().any(|wanted| wanted == *name)) {
            return Err(SettingsError::UnexpectedText(CapturedName::new(name)));
        }
        if !texts.file_data.is_empty() && !self.has(Field::EncFileData) {
            return Err(SettingsError::FileData);
        }
        for element in self.elements() {
            at = put(self.text_from(prefix, element))?;
            let ElementKind::Value(field) = element.kind else {
                if matches!(element.kind, ElementKind::MacInput) {
                    offsets.mac_input = Some(at);
                }
                continue;
            };
            match field {
                Field::Captured => {
                    let name = str::from_utf8(self.text(element.name)).unwrap_or_default();
                    let error = |error: fn(CapturedName) -> SettingsError| error(CapturedName::new(name));
                    let mut given = texts.captured.iter().filter(|(given, _)| *given == name);
                    let (_, text) = given.next().ok_or_else(|| error(SettingsError::MissingText))?;
                    if given.next().is_some() {
                        return Err(error(SettingsError::RepeatedText));
                    }
                    if !is_name(text.as_bytes()) {
                        return Err(error(SettingsError::InvalidText));
                    }
                    put(text.as_bytes())?;
                    continue;
                }
                Field::EncFileData => {
                    offsets.enc = Some(at);
                    offsets.tt_status = offsets.tt_status.or(self.tt_at.map(|tt_at| tt_at.saturating_add(at)));
                }
                Field::PiccData => offsets.picc_data = Some(at),
                Field::Uid => offsets.uid = Some(at),
                Field::SdmReadCtr => offsets.ctr = Some(at),
                Field::TtStatus => offsets.tt_status = Some(at),
                Field::SdmMac => offsets.mac = at,
                #[cfg(feature = "ecdsa")]
                Field::Signature => offsets.mac = at,
            }
            let chars = self.fixed_chars(field).or(enc_chars).ok_or(SettingsError::EncNotPinned)?;
            if matches!(field, Field::EncFileData) {
                offsets.enc_chars = chars;
            }
            let text = if matches!(field, Field::EncFileData) { texts.file_data.as_bytes() } else { &[] };
            let printable = text.iter().all(|byte| matches!(byte, b' '..=b'~'));
            let status = self.tt_at.and_then(|at| text.get(at..)).unwrap_or_default();
            let overlaps_status = status.iter().take(2).any(|byte| *byte != b'0');
            if text.len() > chars / 2 || !printable || overlaps_status {
                return Err(SettingsError::FileData);
            }
            put(text)?;
            (text.len()..chars).try_for_each(|_| put(b"0").map(|_| ()))?;
        }
        // The header contains the length of the record (NLEN) and the length of the payload. Each of the two lengths
        // fits into one byte, because the file is at most 256 bytes long.
        let record = u8::try_from(at.saturating_sub(2)).map_err(|_| SettingsError::FileTooLong)?;
        if let Some(header) = file.first_chunk_mut() {
            *header = [0, record, 0xD1, 0x01, record.saturating_sub(4), 0x55, code];
        }
        Ok((file, offsets))
    }
}

/// Copies the bytes to the start of the caller's buffer, and returns the written part of the buffer.
fn copied<'b>(bytes: &[u8], out: &'b mut [u8]) -> Result<&'b [u8], SettingsError> {
    let out = out.get_mut(..bytes.len()).ok_or(SettingsError::BufferTooSmall)?;
    out.copy_from_slice(bytes);
    Ok(out)
}
