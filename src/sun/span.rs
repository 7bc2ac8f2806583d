//! A range of bytes in a text.

/// A range of bytes in a text. `from` is the offset of the first byte. `to` is the end of the range (exclusive).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: usize,
    pub(crate) to: usize,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { from: 0, to: 0 };

    /// Returns the span of `len` bytes that begins at `from`.
    pub(crate) const fn at(from: usize, len: usize) -> Self {
        Self { from, to: from.saturating_add(len) }
    }

    pub(crate) const fn len(self) -> usize {
        self.to.saturating_sub(self.from)
    }

    pub(crate) const fn contains(self, at: usize) -> bool {
        self.from <= at && at < self.to
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// Returns this range of the text, or an empty string if the text is too short.
    pub(crate) fn slice(self, text: &str) -> &str {
        text.get(self.from..self.to).unwrap_or_default()
    }
}
