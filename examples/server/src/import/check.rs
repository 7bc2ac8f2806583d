//! What a line may say.

use suntap::platform::{TagRecord as _, Unfit, etrnl, ixkio};

use crate::registry::document::Tag;
use crate::registry::row::Row;

/// Why the API of a tag could not answer for it.
pub(crate) fn unfit(row: &Row) -> Result<(), Unfit> {
    if row.record().names.xuid.is_some() { ixkio::check(row) } else { etrnl::check(row) }
}

/// Returns the reason why genuine and forged taps of an ixkio tag get the same answer, if they do.
pub(crate) fn no_rules(row: &Row) -> Option<String> {
    let record = row.record();
    // A standard tag proves nothing, so an answer to all of its taps is what it is for.
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

pub(super) fn check_names<K>(tag: &Tag<K>) -> Result<(), &'static str> {
    if tag.xuid.is_some() == tag.number.is_some() {
        return Err("a tag has an XUID, for ixkio's API, or a number, for ETRNL's");
    }
    if tag.xuid.as_ref().is_some_and(|xuid| !is_name(xuid)) {
        return Err("an XUID has 1 to 64 of the characters A-Z a-z 0-9 _ -");
    }
    if tag.cuid.as_ref().is_some_and(|cuid| !is_text(cuid)) {
        return Err("a CUID has 1 to 128 characters, and no control character");
    }
    if tag.batch.as_ref().is_some_and(|path| path.split('/').count() != 3 || !path.split('/').all(is_text)) {
        return Err("its batch is Folder/TagGroup/Batch");
    }
    Ok(())
}

pub(super) fn is_name(text: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=64).contains(&text.len()) && text.bytes().all(known)
}

/// Whether a person can see a character, so that two texts that look alike are alike.
pub(super) fn is_visible(c: char) -> bool {
    let is_invisible = matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}');
    !c.is_control() && !c.is_whitespace() && !is_invisible
}

pub(super) fn is_text(text: &str) -> bool {
    (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}
