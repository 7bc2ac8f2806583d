//! Texts for C: null-terminated, without a heap.

use core::ffi::{CStr, c_char};
use core::fmt::{self, Write};

use suntap_bindings::{Code, VERSION};

/// The size of the text of an error, with the terminating null byte.
pub const SUNTAP_WHY_SIZE: usize = 256;

/// The text of an error for a log. Do not show it to untrusted clients: the difference between two texts can help an
/// attacker.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Why {
    /// Null-terminated. Empty if there was no error.
    pub text: [c_char; SUNTAP_WHY_SIZE],
}

impl Why {
    /// No error.
    pub(crate) const EMPTY: Self = Self { text: [0; SUNTAP_WHY_SIZE] };

    /// Writes the text of an error. A longer text is truncated.
    pub(crate) fn from_error(error: &impl fmt::Display) -> Self {
        let mut writer = Writer { why: Self::EMPTY, len: 0 };
        // The writer never fails.
        let _ = write!(writer, "{error}");
        writer.why
    }
}

impl fmt::Debug for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Why").finish_non_exhaustive()
    }
}

struct Writer {
    why: Why,
    len: usize,
}

impl Write for Writer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // The last byte stays null. A cut or foreign character would not be valid text in C.
            if self.len < SUNTAP_WHY_SIZE.saturating_sub(1) {
                if let Some(place) = self.why.text.get_mut(self.len) {
                    *place = c_char::from_ne_bytes([if byte.is_ascii() { byte } else { b'?' }]);
                }
                self.len = self.len.saturating_add(1);
            }
        }
        Ok(())
    }
}

/// A null-terminated text in an array.
struct Row<const N: usize>([u8; N]);

impl<const N: usize> Row<N> {
    /// Copies a text. Does not compile if the text is too long.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "only the compiler runs this")]
    const fn new(text: &str) -> Self {
        let mut row = [0; N];
        let text = text.as_bytes();
        let mut at = 0;
        // `row` is longer than the text, so the last byte stays null.
        while at < text.len() {
            assert!(at + 1 < N);
            row[at] = text[at];
            at += 1;
        }
        Self(row)
    }

    fn as_c(&'static self) -> &'static CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or_default()
    }
}

type Name = Row<24>;
type Text = Row<96>;

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "only the compiler runs this")]
const fn names() -> [Name; Code::ALL.len()] {
    let mut rows = [const { Row::new("") }; Code::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = Row::new(Code::ALL[at].name());
        at += 1;
    }
    rows
}

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "only the compiler runs this")]
const fn texts() -> [Text; Code::ALL.len()] {
    let mut rows = [const { Row::new("") }; Code::ALL.len()];
    let mut at = 0;
    while at < rows.len() {
        rows[at] = Row::new(Code::ALL[at].text());
        at += 1;
    }
    rows
}

static NAMES: [Name; Code::ALL.len()] = names();
static TEXTS: [Text; Code::ALL.len()] = texts();
static VERSION_ROW: Row<16> = Row::new(VERSION);

/// Returns the name of a code.
pub(crate) fn name(code: i32) -> &'static CStr {
    find(&NAMES, code).map_or(c"unknown", Row::as_c)
}

/// Returns the text of a code.
pub(crate) fn text(code: i32) -> &'static CStr {
    find(&TEXTS, code).map_or(c"the code is unknown to this version of suntap", Row::as_c)
}

/// Returns the version of suntap.
pub(crate) fn version() -> &'static CStr {
    VERSION_ROW.as_c()
}

fn find<T>(rows: &'static [T], code: i32) -> Option<&'static T> {
    let (_, row) = Code::ALL.iter().zip(rows).find(|(known, _)| known.number() == code)?;
    Some(row)
}
