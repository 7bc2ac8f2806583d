//! Dynamic responses: `{name}` in a text, and what stands for it.

use core::cell::Cell;
use core::fmt;

use crate::value::Uid;

/// A subtag that is in a subtag that is in a subtag is filled; in that it stays as it is.
const MAX_DEPTH: u32 = 3;
/// Subtags looked up for one answer. Those behind stay as they are: values that fill each other can not run away.
const MAX_LOOKED_UP: u32 = 256;

/// What a subtag stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subtag<'a> {
    /// A text, whose own subtags are filled in turn.
    Nested(&'a str),
    /// A text as it is.
    Text(&'a str),
    /// A number, written in decimal.
    Number(u32),
    /// A UID, written as 14 upper-case digits.
    Uid(Uid),
}

/// Who knows what subtags stand for.
pub trait Subtags {
    /// What `{name}` stands for. `None` if there is no such subtag: it stays as written then. A known one without a value is
    /// `Some(Subtag::Text(""))`.
    ///
    /// Names are compared without regard to case; the implementor sees to that.
    fn subtag(&self, name: &str) -> Option<Subtag<'_>>;
}

/// A text with its subtags filled, when it is displayed.
///
/// Nesting goes three deep, and 256 subtags are looked up at most; what is beyond stays as written.
#[derive(Clone, Copy, Debug)]
pub struct Filled<'a, S: ?Sized> {
    text: &'a str,
    subtags: &'a S,
}

impl<'a, S: Subtags + ?Sized> Filled<'a, S> {
    /// A text and who knows its subtags.
    #[must_use]
    pub fn new(text: &'a str, subtags: &'a S) -> Self {
        Self { text, subtags }
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

/// Whether a text holds this subtag, which is given with its braces.
pub(super) fn has(text: &str, subtag: &str) -> bool {
    Parts(text).any(|part| matches!(part, Part::Subtag { written, .. } if written.eq_ignore_ascii_case(subtag)))
}

enum Part<'a> {
    Text(&'a str),
    Subtag {
        name: &'a str,
        /// With its braces.
        written: &'a str,
    },
}

/// The parts of a text, in order. A brace without its partner is text.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let text = self.0;
        if text.is_empty() {
            return None;
        }
        // Of `{{name}` only the inner brace opens a subtag.
        let inside = text.strip_prefix('{').and_then(|inside| {
            let end = inside.find(['{', '}'])?;
            let (name, behind) = inside.split_at_checked(end)?;
            Some((name, behind.strip_prefix('}')?))
        });
        if let Some((name, behind)) = inside {
            self.0 = behind;
            let written = text.len().checked_sub(behind.len()).and_then(|len| text.get(..len)).unwrap_or(text);
            return Some(Part::Subtag { name, written });
        }
        let from = usize::from(text.starts_with('{'));
        let next = text.get(from..).and_then(|rest| rest.find('{')).map_or(text.len(), |at| at.saturating_add(from));
        let (head, rest) = text.split_at_checked(next).unwrap_or((text, ""));
        self.0 = rest;
        Some(Part::Text(head))
    }
}
