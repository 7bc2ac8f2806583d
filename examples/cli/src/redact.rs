//! Hides what may be a key in messages. People put a key where a path or a name belongs, and messages end up in logs.
//!
//! [`message`] is the last step before any error is printed. It hides each text that reads as a key. [`path`] is stricter:
//! it also hides a path that has the characters of a damaged key, unless the path exists.

use std::borrow::Cow;
use std::path::Path;

use crate::hex::is_separator;
use crate::keys;

/// What is printed instead.
const HIDDEN: &str = "(hidden, because it may be a key)";
/// Minimum number of hexadecimal digits that are hidden. A UID has 14, a key has 32.
const MIN_DIGITS: usize = 24;
/// Minimum number of characters in base64 that are hidden. A key of 16 bytes has 22 without its padding.
const MIN_BASE64: usize = 22;

/// Hides the parts of a message that read as a key.
pub(crate) fn message(text: &str) -> Cow<'_, str> {
    let text = hide(text.into(), is_in_digits, is_hex_key);
    hide(text, is_base64, is_base64_key)
}

/// Returns a path for a message.
pub(crate) fn path(path: &Path) -> Cow<'_, str> {
    let text = path.to_string_lossy();
    if may_be_key(&text) && !path.exists() { HIDDEN.into() } else { text }
}

/// Returns a name for a message.
pub(crate) fn name(text: &str) -> &str {
    if may_be_key(text) { HIDDEN } else { text }
}

/// Returns `true` if a text has the characters of a key, which may be damaged. A text in lower case that is not
/// hexadecimal is not one: a key in base64 has upper-case letters.
pub(crate) fn may_be_key(text: &str) -> bool {
    let mixed =
        |run: &str| run.len() >= MIN_BASE64 && (run.ends_with('=') || run.contains(|c: char| c.is_ascii_uppercase()));
    is_key(text) || runs(text, is_base64).any(mixed)
}

/// Returns `true` if what should be a URL has the characters of a key instead.
pub(crate) fn is_no_url(text: &str) -> bool {
    keys::is_key(text) || (may_be_key(text) && !text.contains(['?', '&']) && !text.contains("://"))
}

/// Returns `true` if a text contains a key.
pub(crate) fn is_key(text: &str) -> bool {
    matches!(message(text), Cow::Owned(_))
}

/// Replaces the runs of some characters for which `is_secret` holds.
fn hide(text: Cow<'_, str>, is_part: fn(char) -> bool, is_secret: fn(&str) -> bool) -> Cow<'_, str> {
    if !runs(&text, is_part).any(is_secret) {
        return text;
    }
    let mut hidden = String::with_capacity(text.len());
    let mut rest = &*text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_part(c) != is_part(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if is_part(first) && is_secret(run) {
            let key = key_in(run, hidden.chars().last(), after.chars().next());
            hidden.push_str(&run.replace(key, HIDDEN));
        } else {
            hidden.push_str(run);
        }
        rest = after;
    }
    hidden.into()
}

/// Removes separators from both ends of a run, and the start or the end of a word that continues outside of the run.
fn key_in(run: &str, before: Option<char>, after: Option<char>) -> &str {
    let continues = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let is_short = |part: &str| part.len() < 4;
    let mut key = run;
    if let Some((_, rest)) = key.split_once(is_separator).filter(|(word, _)| continues(before) && is_short(word)) {
        key = rest;
    }
    if let Some((rest, _)) = key.rsplit_once(is_separator).filter(|(_, word)| continues(after) && is_short(word)) {
        key = rest;
    }
    key.trim_matches(is_separator)
}

fn runs(text: &str, is_part: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c)).filter(|run| !run.is_empty())
}

fn is_in_digits(c: char) -> bool {
    c.is_ascii_hexdigit() || is_separator(c) || matches!(c, 'x' | 'X')
}

fn is_hex_key(run: &str) -> bool {
    run.chars().filter(char::is_ascii_hexdigit).count() >= MIN_DIGITS
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=')
}

fn is_base64_key(run: &str) -> bool {
    // Hexadecimal digits with a few other letters are a damaged key.
    let is_damaged = |part: &str| is_hex_key(part) && part.chars().filter(|c| !c.is_ascii_hexdigit()).count() < 4;
    run.len() >= MIN_BASE64 && (keys::is_key(run) || run.split('/').any(is_damaged))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_messages_are_hidden() {
        for key in [
            "00112233445566778899AABBCCDDEEFF",
            "00112233445566778899aabb",
            "00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF",
            "{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF}",
            "c55sauQ+2NDG3aX6P0Yz+Q==",
            "c55sauQ+2NDG3aX6P0Yz+Q",
        ] {
            let hidden = message(&format!("in the {key}, and more")).replace(['{', '}'], "");
            assert_eq!(hidden, format!("in the {HIDDEN}, and more"));
            assert!(may_be_key(&format!("meta={key}")), "{key}");
        }
    }

    #[test]
    fn damaged_keys_are_hidden_where_a_path_is_expected() {
        for text in ["0011223344556677O899AABBCCDDEEFF", "c55sauQ+2NDG3aX6P0Yz+Q==x", "meta=c55sauQ+2NDG3aX6P0Yz+Qabc"]
        {
            assert_eq!(path(Path::new(text)), HIDDEN, "{text}");
        }
    }

    #[test]
    fn usual_paths_and_messages_are_shown() {
        for text in [
            "/home/me/projects/tags/keys/shop-17.csv",
            "keys/04DE5F1EACC040.key",
            "expected 32 hexadecimal digits, got 30",
        ] {
            assert_eq!(message(text), text);
            assert_eq!(path(Path::new(text)), text);
        }
        let folder = tempfile::tempdir().unwrap();
        let existing = folder.path().join("Keys-of-the-Shop-in-Berlin.txt");
        std::fs::write(&existing, "").unwrap();
        assert_eq!(path(&existing), existing.to_string_lossy());
    }
}
