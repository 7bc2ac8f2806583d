//! Texts with subtags. A subtag is a placeholder such as `{scount}`, which is replaced with a value.

#[cfg(feature = "dialects")]
use alloc::string::String;
use core::cell::Cell;
use core::fmt;

use crate::value::Uid;

/// The maximum nesting level of subtags that are replaced. A subtag in the text itself is on level 1. A subtag in the
/// value of another subtag is one level deeper. Subtags on deeper levels than the maximum stay as written.
const MAX_DEPTH: u32 = 3;
/// The maximum number of subtags that are looked up for one text. Any further subtags stay as written. Without this
/// limit, a text could become very long if the values of subtags contain many further subtags.
const MAX_LOOKED_UP: u32 = 256;

/// The value that replaces a subtag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subtag<'a> {
    /// A text that can contain further subtags. These subtags are replaced too.
    Nested(&'a str),
    /// Text that is written unchanged.
    Text(&'a str),
    /// A number, written in decimal.
    Number(u32),
    /// A UID, written as 14 upper-case hexadecimal digits.
    Uid(Uid),
}

/// A source of values for subtags. A subtag is a placeholder in a text, such as `{scount}`.
pub trait Subtags {
    /// Returns the value of the subtag `{name}`, or `None` if the subtag is unknown. An unknown subtag stays in the
    /// text as written. If the subtag is known but has no value, return `Some(Subtag::Text(""))`.
    ///
    /// The implementation must ignore the case of the name.
    fn subtag(&self, name: &str) -> Option<Subtag<'_>>;
}

/// A text with subtags, and the source of the values for these subtags. `Display` writes the text with each known
/// subtag replaced by its value.
///
/// If the value of a subtag contains subtags, these subtags are replaced too, up to three levels in total. At most 256
/// subtags are looked up. Subtags beyond these limits stay as written.
#[derive(Clone, Copy, Debug)]
pub struct Filled<'a, S: ?Sized> {
    text: &'a str,
    subtags: &'a S,
}

impl<'a, S: Subtags + ?Sized> Filled<'a, S> {
    /// Combines a text with the source of the values for its subtags.
    #[must_use]
    pub fn new(text: &'a str, subtags: &'a S) -> Self {
        Self { text, subtags }
    }

    /// Returns the text with its subtags replaced, and deducts its cost from `budget`. Returns `None` if the budget does
    /// not suffice.
    #[cfg(feature = "dialects")]
    pub(crate) fn within(&self, budget: &mut Budget) -> Option<String> {
        use fmt::Write as _;

        let look_ups = Cell::new(MAX_LOOKED_UP);
        let mut text = Bounded { text: String::new(), left: budget.bytes };
        write!(text, "{}", Counted { filled: self, look_ups: &look_ups }).ok()?;
        budget.bytes = text.left;
        budget.look_ups = budget.look_ups.checked_sub(MAX_LOOKED_UP.saturating_sub(look_ups.get()))?;
        Some(text.text)
    }

    fn fill(&self, text: &str, depth: u32, left: &Cell<u32>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in Parts(text) {
            match part {
                Part::Text(text) => f.write_str(text)?,
                Part::Subtag { name, written } => {
                    let wanted = depth < MAX_DEPTH && left.get() > 0;
                    left.set(left.get().saturating_sub(u32::from(wanted)));
                    match wanted.then(|| self.subtags.subtag(name)).flatten() {
                        None => f.write_str(written)?,
                        Some(Subtag::Nested(text)) => self.fill(text, depth.saturating_add(1), left, f)?,
                        Some(Subtag::Text(text)) => f.write_str(text)?,
                        Some(Subtag::Number(number)) => write!(f, "{number}")?,
                        Some(Subtag::Uid(uid)) => write!(f, "{uid}")?,
                    }
                }
            }
        }
        Ok(())
    }
}

impl<S: Subtags + ?Sized> fmt::Display for Filled<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fill(self.text, 0, &Cell::new(MAX_LOOKED_UP), f)
    }
}

/// The limit for the cost of all texts of one answer.
#[cfg(feature = "dialects")]
pub(crate) struct Budget {
    /// The length of all texts in bytes.
    pub(crate) bytes: usize,
    /// The number of subtags that are looked up.
    pub(crate) look_ups: u32,
}

/// A text that counts down the subtags that are looked up for it.
#[cfg(feature = "dialects")]
struct Counted<'a, S: ?Sized> {
    filled: &'a Filled<'a, S>,
    look_ups: &'a Cell<u32>,
}

#[cfg(feature = "dialects")]
impl<S: Subtags + ?Sized> fmt::Display for Counted<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.filled.fill(self.filled.text, 0, self.look_ups, f)
    }
}

/// A text of limited length. Writing fails if the text would become longer.
#[cfg(feature = "dialects")]
struct Bounded {
    text: String,
    left: usize,
}

#[cfg(feature = "dialects")]
impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.left = self.left.checked_sub(text.len()).ok_or(fmt::Error)?;
        self.text.push_str(text);
        Ok(())
    }
}

/// Returns `true` if the text contains `subtag`, ignoring case. Pass the subtag with its braces.
pub(super) fn has(text: &str, subtag: &str) -> bool {
    Parts(text).any(|part| matches!(part, Part::Subtag { written, .. } if written.eq_ignore_ascii_case(subtag)))
}

enum Part<'a> {
    Text(&'a str),
    Subtag {
        name: &'a str,
        /// The subtag with its braces.
        written: &'a str,
    },
}

/// Iterates over the parts of a text: the subtags, and the text around them. An unpaired brace counts as text.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        // In `{{name}`, only the second brace opens a subtag.
        let inside = text.strip_prefix('{').and_then(|inside| {
            let end = inside.find(['{', '}'])?;
            let (name, following) = inside.split_at_checked(end)?;
            Some((name, following.strip_prefix('}')?))
        });
        if let Some((name, following)) = inside {
            self.0 = following;
            let written = text.len().checked_sub(following.len()).and_then(|len| text.get(..len)).unwrap_or(text);
            return Some(Part::Subtag { name, written });
        }
        let from = usize::from(text.starts_with('{'));
        let next = text.get(from..).and_then(|rest| rest.find('{')).map_or(text.len(), |at| at.saturating_add(from));
        let (head, rest) = text.split_at_checked(next).unwrap_or((text, ""));
        self.0 = rest;
        Some(Part::Text(head))
    }
}
