//! Checks of what a line may say.

use suntap::platform::{TagRecord as _, Unfit, etrnl, ixkio};

use super::error::Checked;
use crate::registry::document::{Level, ModeName, RuleSet, Tag};
use crate::registry::redirect::Redirect;
use crate::registry::row::Row;
use crate::text::is_hidden;

/// The maximum length of a line in bytes.
pub(super) const MAX_LINE: usize = 1024 * 1024;
/// The maximum length of a name in characters.
const MAX_NAME: usize = 128;
/// The maximum length of metadata in bytes.
const MAX_METADATA: usize = 64 * 1024;
/// The maximum depth of arrays and objects in metadata.
const MAX_DEPTH: usize = 32;
/// The maximum number of extended data fields of a tag.
const MAX_FIELDS: usize = 64;
/// The maximum length in bytes of the value of an extended data field, and of a response.
const MAX_TEXT: usize = 4096;
/// The maximum number of rules in a group.
const MAX_RULES: usize = 16;

/// Checks whether the API of a tag can answer requests about it.
pub(crate) fn unfit(row: &Row) -> Result<(), Unfit> {
    if row.record().names.xuid.is_some() { ixkio::check(row) } else { etrnl::check(row) }
}

/// Returns the reason why the API of a tag cannot answer requests about it. It names the field of the line to change.
pub(crate) fn unfit_reason(row: &Row, unfit: Unfit) -> String {
    let is_signing = row.public_key().is_some();
    let is_signed = row.layout().is_some_and(|(layout, _)| layout.mode == ModeName::Ecdsa);
    match unfit {
        Unfit::WrongScheme if is_signing => "`keys.signing` needs a layout with {sig}, in the mode `ecdsa`".into(),
        Unfit::WrongScheme if is_signed => {
            "a layout with {sig} needs the public key of the tag in `keys.signing`".into()
        }
        Unfit::NoMetaKey if is_signing => "the layout has {picc}, so `keys.signing` needs `meta`".into(),
        unfit => unfit.to_string(),
    }
}

/// Returns the reason why genuine and forged taps of an ixkio tag get the same answer, if they do.
pub(crate) fn no_rules(row: &Row) -> Option<String> {
    let record = row.record();
    // A tag without a chip cannot be authenticated, so one answer for all of its taps is correct.
    let says_nothing = record.chip.is_none() && record.rules.default_response().is_empty();
    let same = record.chip.is_some() && !record.rules.show_authenticity();
    if record.names.xuid.is_none() || !(says_nothing || same) {
        return None;
    }
    let whose = match row.group().filter(|_| record.rules.tag_code.is_none()) {
        Some(group) => format!("the rules of its tag group {group}"),
        None => "its rules".into(),
    };
    Some(if same {
        format!("{whose} give genuine and forged taps the same answer")
    } else {
        format!("{whose} give every tap an empty answer")
    })
}

/// Checks how a tag is named.
pub(super) fn check_names<K>(tag: &Tag<K>) -> Result<(), &'static str> {
    if tag.xuid.is_some() == tag.number.is_some() {
        return Err("a tag needs either an XUID, for ixkio's API, or a number, for ETRNL's");
    }
    if tag.xuid.as_ref().is_some_and(|xuid| !is_name(xuid)) {
        return Err("an XUID must have 1 to 64 of the characters A-Z a-z 0-9 _ -");
    }
    if tag.batch.as_ref().is_some_and(|path| path.split('/').count() != 3) {
        return Err("the batch of a tag must be like Folder/TagGroup/Batch");
    }
    Ok(())
}

/// Checks the lengths and the characters of the texts of a tag.
pub(super) fn check_texts<K>(tag: &Tag<K>) -> Result<(), String> {
    if let Some(cuid) = &tag.cuid {
        check_text("a CUID", cuid, 1)?;
    }
    if let Some(name) = &tag.name {
        check_text("a name", name, 0)?;
    }
    let fields = tag.extended_data.len();
    if fields > MAX_FIELDS {
        return Err(format!("a tag must have at most {MAX_FIELDS} extended data fields, got {fields}"));
    }
    for field in &tag.extended_data {
        check_text("the name of an extended data field", &field.name, 1)?;
        check_length("the value of an extended data field", &field.value, MAX_TEXT)?;
    }
    if let Some(metadata) = &tag.metadata {
        check_length("metadata", metadata.get(), MAX_METADATA)?;
        let depth = depth(metadata.get());
        if depth > MAX_DEPTH {
            return Err(format!("metadata must have at most {MAX_DEPTH} levels of arrays and objects, got {depth}"));
        }
    }
    check_redirect(tag.redirect.as_ref())?;
    tag.rules.as_ref().map_or(Ok(()), check_rules)
}

/// Checks the texts of a folder, tag group or batch, without its path.
pub(super) fn check_level(level: &Level) -> Result<(), String> {
    check_redirect(level.redirect.as_ref())?;
    level.rules.as_ref().map_or(Ok(()), check_rules)
}

fn check_redirect(redirect: Option<&Redirect>) -> Result<(), String> {
    redirect.map_or(Ok(()), |redirect| redirect.audience().map(drop).map_err(|error| error.to_string()))
}

fn check_rules(rules: &RuleSet) -> Result<(), String> {
    if rules.groups.len() > 3 {
        return Err(format!("a rule set must have at most 3 groups, got {}", rules.groups.len()));
    }
    for group in &rules.groups {
        if group.rules.len() > MAX_RULES {
            return Err(format!("a rule group must have at most {MAX_RULES} rules, got {}", group.rules.len()));
        }
        check_length("a response", &group.response, MAX_TEXT)?;
    }
    check_length("a response", &rules.default, MAX_TEXT)
}

fn check_length(what: &str, text: &str, most: usize) -> Result<(), String> {
    if text.len() > most {
        return Err(format!("{what} must have at most {most} bytes, got {}", text.len()));
    }
    Ok(())
}

/// Checks a text that people read as a name.
pub(crate) fn check_text(what: &str, text: &str, least: usize) -> Result<(), String> {
    let length = text.chars().count();
    if !(least..=MAX_NAME).contains(&length) {
        return Err(format!("{what} must have {least} to {MAX_NAME} characters, got {length}"));
    }
    if length > 0 && !text.chars().any(is_visible) {
        return Err(format!("{what} must have a visible character"));
    }
    match text.chars().find(|c| is_hidden(*c)) {
        Some(c) => Err(format!(
            "{what} must not contain control, direction or invisible characters, got U+{:04X}",
            u32::from(c)
        )),
        None => Ok(()),
    }
}

/// Returns the depth of arrays and objects in JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => depth = depth.saturating_add(1),
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

pub(super) fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(known)
}

/// Returns `true` if a person can see a character, so that two different texts do not look the same.
pub(super) fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !is_hidden(c)
}

/// Returns the problem of a line, unless the stored document has the same problem already. An older version had fewer limits,
/// and its documents can still be changed.
pub(super) fn unless_stored(checked: Result<(), String>, before: Option<Result<(), String>>) -> Checked {
    match checked {
        Err(problem) if before.and_then(Result::err).as_ref() != Some(&problem) => Err(problem.into()),
        _ => Ok(()),
    }
}
