//! Texts that people read.

/// Returns `true` for control characters, for characters that set the direction of text, and for invisible characters.
///
/// In a name, such a character can make two names look the same, or make a page show a different text.
pub(crate) fn is_hidden(c: char) -> bool {
    let is_invisible = matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{61C}'
            | '\u{115F}'..='\u{1160}'
            | '\u{17B4}'..='\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}'
    );
    c.is_control() || is_invisible
}

/// Returns a text for a terminal: hidden characters, except line breaks, are shown as `\u{…}`.
///
/// A text from a file, a store or a server could otherwise change what the terminal shows, or what it does.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { shown.push(c) } else { push(&mut shown, c) }
    }
    shown
}

fn push(shown: &mut String, c: char) {
    if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
}

/// Returns a stored name for a page: without hidden characters, and with at most 128 characters.
///
/// Import refuses other names. Names that were stored by an older version can still have them.
pub(crate) fn shown(name: &str) -> String {
    name.chars().filter(|c| !is_hidden(*c)).take(128).collect()
}

/// Returns the text of an error with those of its causes.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let (mut text, mut error) = (error.to_string(), error);
    while let Some(cause) = error.source() {
        text = format!("{text}: {cause}");
        error = cause;
    }
    text
}

/// Returns a number with a noun in the singular or plural, such as `1 tag` or `2 tags`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The greatest number of characters of a text on a page of the operator.
const MAX_SHOWN: usize = 256;

/// Returns a text for a page of the operator, who should see what is wrong with it: hidden characters are written like `\u{202e}`.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(MAX_SHOWN));
    let mut rest = text.chars();
    for c in rest.by_ref().take(MAX_SHOWN) {
        push(&mut shown, c);
    }
    if rest.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_for_a_terminal_has_no_hidden_characters() {
        assert_eq!(visible("line 1: ä\nline 2: \u{1b}[2J\r\u{202e}x"), "line 1: ä\nline 2: \\u{1b}[2J\\u{d}\\u{202e}x");
    }

    #[test]
    fn hidden_characters_are_escaped() {
        assert_eq!(escaped("Schuh – größe 42"), "Schuh – größe 42");
        assert_eq!(escaped("a\u{202e}b\n\u{0}\u{200b}"), r"a\u{202e}b\u{a}\u{0}\u{200b}");
        assert_eq!(escaped(&"é".repeat(256)), "é".repeat(256));
        assert_eq!(escaped(&"é".repeat(257)), format!("{}…", "é".repeat(256)));
    }
}
