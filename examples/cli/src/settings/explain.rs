//! Explains each field of the settings.

use suntap::Scheme;

use super::fields::{
    ASCII, ENC_FILE_DATA, FREE, FileSettings, NEVER, Number, READ_CTR, READ_CTR_LIMIT, SDM_ON, Sdm, TT_STATUS, UID,
};
use crate::hex::upper;
use crate::ndef;

/// The number of characters before an offset that are shown.
const CONTEXT: usize = 12;

/// A field with its bytes and its meaning.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) bytes: String,
    pub(super) meaning: String,
}

fn field(name: &'static str, bytes: &[u8], meaning: impl Into<String>) -> Field {
    Field { name, bytes: upper(bytes), meaning: meaning.into() }
}

/// Explains the fields in their order. With a file, says where each offset points.
pub(super) fn fields(settings: &FileSettings, scheme: Scheme, file: Option<&[u8]>) -> Vec<Field> {
    let mut fields = Vec::new();
    if !settings.is_command {
        let meaning = if settings.file_type == 0 { "standard data file" } else { "not a standard data file" };
        fields.push(field("FileType", &[settings.file_type], meaning));
    }
    let sdm = if settings.option & SDM_ON == 0 { "off" } else { "on" };
    let communication = match settings.option & 0b11 {
        0b01 => "MAC",
        0b11 => "full",
        _ => "plain",
    };
    fields.push(field("FileOption", &[settings.option], format!("SDM {sdm}, communication {communication}")));
    fields.push(field("AccessRights", &settings.rights, access_rights(settings.rights)));
    if !settings.is_command {
        let [low, mid, high] = settings.size;
        let size = u32::from_le_bytes([low, mid, high, 0]);
        fields.push(field("FileSize", &settings.size, format!("{size} bytes")));
    }
    if let Some(sdm) = &settings.sdm {
        sdm_fields(sdm, scheme, file, &mut fields);
    }
    fields
}

fn sdm_fields(sdm: &Sdm, scheme: Scheme, file: Option<&[u8]>, fields: &mut Vec<Field>) {
    let bits = [
        (UID, "UID"),
        (READ_CTR, "SDMReadCtr"),
        (READ_CTR_LIMIT, "SDMReadCtrLimit"),
        (ENC_FILE_DATA, "SDMENCFileData"),
        (TT_STATUS, "TTStatus"),
        (ASCII, "ASCII"),
    ];
    let names: Vec<_> = bits.into_iter().filter(|(bit, _)| sdm.has(*bit)).map(|(_, name)| name).collect();
    let (meta, file_read, ctr) = (sdm.meta_read(), sdm.file_read(), sdm.ctr_ret());
    let meta = match meta {
        FREE => "plain mirrors (E)".to_owned(),
        NEVER => "no mirror of UID or counter (F)".to_owned(),
        key => format!("PICCData under {}", access(key)),
    };
    let ecc_key = if sdm.ecc_key() == NEVER { String::new() } else { format!("; ECC key: {}", access(sdm.ecc_key())) };
    let rights = format!("meta read: {meta}; file read: {}; counter: {}{ecc_key}", access(file_read), access(ctr));
    fields.push(field("SDMOptions", &[sdm.options], names.join(", ")));
    fields.push(field("SDMAccessRights", &sdm.rights, rights));
    for (number, value) in &sdm.numbers {
        let bytes: Vec<u8> = value.to_le_bytes().into_iter().take(3).collect();
        let meaning = match number {
            Number::EncLength => format!("{value} characters"),
            Number::Limit => format!("{value} reads"),
            _ => format!("{value} ({value:02X}h){}", file.map(|file| points_at(file, *value)).unwrap_or_default()),
        };
        fields.push(field(number.name(), &bytes, meaning));
    }
    match sdm.missing {
        Some(number) if sdm.rest.is_empty() => fields.push(field(number.name(), &[], "missing")),
        Some(number) => fields.push(field(number.name(), &sdm.rest, "incomplete: it has 3 bytes")),
        None if !sdm.rest.is_empty() => fields.push(field("(more bytes)", &sdm.rest, "belong to no field")),
        None => {}
    }
    // The scheme decides how long PICCData is, which no field says.
    if sdm.number(Number::PiccData).is_some() {
        let digits = if scheme == Scheme::Lrp { 48 } else { 32 };
        fields.push(field("(PICCData)", &[], format!("{digits} characters in {} mode", scheme.name().to_uppercase())));
    }
}

/// Says which text is before an offset of the file.
pub(crate) fn points_at(file: &[u8], offset: usize) -> String {
    if offset < ndef::HEADER {
        return ", in the header of the file".to_owned();
    }
    if offset > ndef::end(file) {
        return ", after the end of the URL".to_owned();
    }
    let from = offset.saturating_sub(CONTEXT).max(ndef::HEADER);
    let before = file.get(from..offset).unwrap_or_default();
    format!(", after \"{}\"", ndef::text(before))
}

fn access_rights([low, high]: [u8; 2]) -> String {
    format!(
        "read: {}, write: {}, read and write: {}, change: {}",
        access(high >> 4),
        access(high & 0x0F),
        access(low >> 4),
        access(low & 0x0F)
    )
}

/// Names an access condition.
pub(super) fn access(nibble: u8) -> String {
    match nibble {
        FREE => "free (E)".to_owned(),
        NEVER => "never (F)".to_owned(),
        0..=4 => format!("key {nibble}"),
        _ => format!("{nibble:X}, which is reserved"),
    }
}
