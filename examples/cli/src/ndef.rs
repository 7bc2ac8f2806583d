//! An NDEF file as text, with its mirrors.

use std::io::{self, Write};

use suntap::{SdmLayout, SettingsError, TagTexts};

use crate::hex::upper;

/// The number of bytes before the text of the URL: NLEN, the header of the record and the URI code.
pub(crate) const HEADER: usize = 7;
/// The size of the file of the chip in bytes.
pub(crate) const FILE_SIZE: usize = 256;
/// The number of characters in a row of the picture.
const ROW: usize = 64;

/// A range of the file that the chip replaces, or that the MAC covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) name: &'static str,
    pub(crate) from: usize,
    pub(crate) len: usize,
}

impl Range {
    /// Returns the offset after the last byte.
    pub(crate) fn end(&self) -> usize {
        self.from.saturating_add(self.len)
    }

    pub(crate) fn contains(&self, offset: usize) -> bool {
        (self.from..self.end()).contains(&offset)
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.from < other.end() && other.from < self.end()
    }
}

/// Returns the NDEF file of a layout.
pub(crate) fn file(layout: &SdmLayout, texts: &TagTexts<'_>) -> Result<Vec<u8>, SettingsError> {
    let mut buffer = [0; FILE_SIZE];
    layout.ndef_file(texts, &mut buffer).map(<[u8]>::to_vec)
}

/// Returns the offset after the NDEF message of a file.
pub(crate) fn end(file: &[u8]) -> usize {
    let nlen = file.first_chunk().map_or(0, |nlen| u16::from_be_bytes(*nlen));
    usize::from(nlen).saturating_add(2).min(file.len())
}

/// Returns the prefix that the URI code of the file stands for.
pub(crate) fn prefix(file: &[u8]) -> &'static str {
    match file.get(HEADER.saturating_sub(1)) {
        Some(0x01) => "http://www.",
        Some(0x02) => "https://www.",
        Some(0x03) => "http://",
        Some(0x04) => "https://",
        _ => "",
    }
}

/// Returns bytes of a file as text, with a dot for each byte that is not printable.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' }).collect()
}

/// Prints the file in rows, with a line under each row for each range in it.
pub(crate) fn picture(file: &[u8], ranges: &[Range], out: &mut impl Write) -> io::Result<()> {
    let (header, url) = file.split_at_checked(HEADER).unwrap_or((file, &[]));
    let stands_for = match prefix(file) {
        "" => "no prefix",
        prefix => prefix,
    };
    writeln!(out, "{:>5}  {}  (header, {stands_for})", 0, upper(header))?;
    let message = url.len().min(end(file).saturating_sub(HEADER));
    for (row, bytes) in url.get(..message).unwrap_or(url).chunks(ROW).enumerate() {
        let from = row.saturating_mul(ROW).saturating_add(HEADER);
        writeln!(out, "{from:>5}  {}", text(bytes))?;
        let row = Range { name: "", from, len: bytes.len() };
        for range in ranges.iter().filter(|range| range.overlaps(&row)) {
            mark(range, &row, out)?;
        }
    }
    Ok(())
}

/// Prints a line that marks the part of a range that is in a row.
fn mark(range: &Range, row: &Range, out: &mut impl Write) -> io::Result<()> {
    let from = range.from.max(row.from);
    let len = range.end().min(row.end()).saturating_sub(from);
    let indent = from.saturating_sub(row.from).saturating_add(7);
    let last = range.end().saturating_sub(1);
    writeln!(out, "{:indent$}{} {} {}..{last}", "", "^".repeat(len), range.name, range.from)
}
