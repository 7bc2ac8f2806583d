//! Text as people paste it, and text as it is printed.

/// Removes the byte order mark that some editors write at the start of a file.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Removes white space around a pasted text, and one pair of quotes around it.
pub(crate) fn pasted(text: &str) -> &str {
    let text = without_bom(text).trim();
    let unquoted = ['"', '\'', '`'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.map_or(text, str::trim)
}

/// Breaks a text into lines of at most `width` characters, where a word is not longer.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(word.len()) < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_one_pair_of_quotes_are_removed() {
        for given in ["a b", " a b\n", "\"a b\"", "'a b'", " ' a b ' "] {
            assert_eq!(pasted(given), "a b");
        }
        assert_eq!(pasted("\"\"a\"\""), "\"a\"");
        assert_eq!(pasted("'a\""), "'a\"");
        assert_eq!(pasted("'"), "'");
    }

    #[test]
    fn long_text_is_wrapped_between_words() {
        assert_eq!(wrapped("one two three", 8), ["one two", "three"]);
    }
}
