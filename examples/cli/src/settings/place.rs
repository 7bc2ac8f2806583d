//! Compares offsets with the file.

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
                let by = found.abs_diff(*wanted);
                let direction = if found < *wanted { "small" } else { "large" };
                let cause = cause(found, *wanted, ndef::prefix(&ndef::file(layout, texts)?));
                differences.push(format!(
                    "{name} is {found}, but the template needs {wanted}: it is {by} too {direction}{cause}"
                ));
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

/// Returns the likely cause of a wrong offset.
fn cause(found: usize, expected: usize, prefix: &str) -> String {
    let in_url = expected.saturating_sub(HEADER);
    if found == in_url {
        return " (the 7 bytes before the URL were not counted)".into();
    }
    if !prefix.is_empty() && found == expected.saturating_add(prefix.len()) {
        return format!(" (the prefix {prefix} was counted, but the file does not contain it)");
    }
    if !prefix.is_empty() && found == in_url.saturating_add(prefix.len()) {
        return format!(" (it is the index in the whole URL: subtract {} for {prefix} and add 7)", prefix.len());
    }
    if found.checked_add(2) == Some(expected) {
        return " (NLEN, 2 bytes, was not counted)".into();
    }
    if usize::from_str_radix(&expected.to_string(), 16) == Ok(found) {
        return " (a decimal number was used as hexadecimal)".into();
    }
    String::new()
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
