//! Compares offsets with the file.

use suntap::diagnose::ShiftCause;
use suntap::{Access, Field, KeyNumber, Scheme, SdmAccess, SdmLayout, SettingsError, TagTexts};

use super::fields::{FileSettings, Number, Sdm};
use crate::ndef::{self, FILE_SIZE, HEADER, Range};

/// Returns a file with the longest URL, for settings without a file. Each mirror may stand from offset 10 on.
pub(super) fn any_file() -> Vec<u8> {
    let mut file = vec![0x00, 0xFE, 0xD1, 0x01, 0xFA, 0x55, 0x04];
    file.extend_from_slice(b"a/?");
    file.resize(FILE_SIZE, b'0');
    file
}

/// Returns the settings that belong to a layout. The access rights in them are not those of a tag.
fn expected(layout: &SdmLayout, texts: &TagTexts<'_>) -> Result<Sdm, SettingsError> {
    let access = SdmAccess {
        meta_read: layout.has(Field::PiccData).then_some(KeyNumber::Key0),
        file_read: KeyNumber::Key0,
        ecc_key: layout.has(Field::Signature).then_some(KeyNumber::Key0),
        ctr_ret: Access::Never,
        read_ctr_limit: None,
    };
    let mut buffer = [0; 27];
    Ok(Sdm::read(layout.sdm_settings(&access, texts, &mut buffer)?).unwrap_or_default())
}

/// Returns a text for each offset that differs from that of the template.
pub(super) fn differences(
    settings: &FileSettings,
    layout: &SdmLayout,
    texts: &TagTexts<'_>,
) -> Result<Vec<String>, SettingsError> {
    let Some(sdm) = &settings.sdm else { return Ok(Vec::new()) };
    let expected = expected(layout, texts)?;
    let mut differences = Vec::new();
    for (number, wanted) in &expected.numbers {
        let name = number.name();
        match sdm.number(*number) {
            Some(found) if found == *wanted => {}
            Some(found) if *number == Number::EncLength => {
                differences.push(format!("{name} is {found}, but the template has {wanted}"));
            }
            Some(found) => {
                let distance = found.abs_diff(*wanted);
                let by = i32::try_from(distance).unwrap_or(i32::MAX);
                let (by, direction) = if found < *wanted { (by.saturating_neg(), "small") } else { (by, "large") };
                let text =
                    format!("{name} is {found}, but the template needs {wanted}: it is {distance} too {direction}");
                differences.push(match ShiftCause::guess(by, *wanted, layout.template()) {
                    ShiftCause::Unknown => text,
                    cause => format!("{text}.{cause}"),
                });
            }
            None => differences.push(format!("{name} is missing, but the template needs {wanted}")),
        }
    }
    for (number, _) in &sdm.numbers {
        if *number != Number::Limit && expected.number(*number).is_none() {
            differences.push(format!("{} is set, but the template has no such mirror", number.name()));
        }
    }
    Ok(differences)
}

/// Returns a remark for each mirror whose offset is probably wrong: a mirror with a zero of a placeholder directly before or
/// after it, or over text that belongs to the URL.
pub(super) fn leftovers(settings: &FileSettings, scheme: Scheme, file: &[u8]) -> Vec<String> {
    let Some(sdm) = &settings.sdm else { return Vec::new() };
    let mirrors = sdm.mirrors(scheme);
    let mut remarks = Vec::new();
    for mirror in &mirrors {
        let is_zero = |offset: usize| {
            let in_mirror = mirrors.iter().any(|other| other.contains(offset));
            !in_mirror && (HEADER..ndef::end(file)).contains(&offset) && file.get(offset) == Some(&b'0')
        };
        let (before, after) = (mirror.from.checked_sub(1).is_some_and(is_zero), is_zero(mirror.end()));
        let place = match (before, after) {
            (true, true) => "before and after",
            (true, false) => "before",
            (false, true) => "after",
            (false, false) => "",
        };
        if !place.is_empty() {
            remarks.push(format!(
                "a zero is left directly {place} {}. If it is part of the placeholder, the offset is wrong, or the placeholder is too long",
                mirror.name
            ));
        }
        if let Some(text) = covered(mirror, file) {
            remarks.push(format!("{} overwrites \"{text}\", which does not look like a placeholder", mirror.name));
        }
    }
    remarks
}

/// Returns the text under a mirror if it has a character that separates the parts of a URL.
fn covered(mirror: &Range, file: &[u8]) -> Option<String> {
    let text = ndef::text(file.get(mirror.from.max(HEADER)..mirror.end().min(ndef::end(file)))?);
    text.contains(['&', '=', '?', '/', '#']).then_some(text)
}
