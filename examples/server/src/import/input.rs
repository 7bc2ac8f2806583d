//! The lines of an import, which are read part by part.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek};

use super::check::MAX_LINE;

/// The number of lines that are looked up together, except in tests.
const PART: usize = 1000;
/// Fewer lines are looked up together if they have more bytes than this. Several parts are in memory at a time.
const PART_BYTES: u64 = 4 * 1024 * 1024;

/// Lines. `Debug` does not show them.
pub struct Input<'t> {
    reader: Reader<'t>,
    /// The number of lines that are looked up together.
    pub(super) part_size: usize,
    /// The number of the last line.
    number: usize,
    /// Bytes that have been read.
    bytes: u64,
}

enum Reader<'t> {
    Text(Cursor<&'t [u8]>),
    File(BufReader<File>),
    Stream(BufReader<Box<dyn Read + Send + 't>>),
}

/// A line and its number, or what is wrong with it.
pub(super) type Numbered = (usize, Result<String, String>);

impl<'t> Input<'t> {
    /// Reads from a text.
    #[must_use]
    pub fn text(text: &'t (impl AsRef<[u8]> + ?Sized)) -> Self {
        Self::new(Reader::Text(Cursor::new(text.as_ref())))
    }

    /// Reads from a file, or from something else that has a name and cannot be read twice.
    #[must_use]
    pub fn file(file: File) -> Self {
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if is_file { Self::new(Reader::File(BufReader::new(file))) } else { Self::stream(file) }
    }

    /// Reads from something that can be read once.
    pub fn stream(stream: impl Read + Send + 't) -> Self {
        Self::new(Reader::Stream(BufReader::new(Box::new(stream))))
    }

    fn new(reader: Reader<'t>) -> Self {
        Self { reader, part_size: PART, number: 0, bytes: 0 }
    }

    /// Returns the number of bytes, if it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        match &self.reader {
            Reader::Text(text) => u64::try_from(text.get_ref().len()).ok(),
            Reader::File(file) => file.get_ref().metadata().ok().map(|metadata| metadata.len()),
            Reader::Stream(_) => None,
        }
    }

    /// Goes back to the first line. Returns `false` if that is not possible.
    pub(crate) fn rewind(&mut self) -> io::Result<bool> {
        match &mut self.reader {
            Reader::Text(text) => text.set_position(0),
            Reader::File(file) => file.rewind()?,
            Reader::Stream(_) => return Ok(false),
        }
        (self.number, self.bytes) = (0, 0);
        Ok(true)
    }

    /// Returns the next lines that are not empty, or none at the end.
    pub(super) fn part(&mut self) -> io::Result<Vec<Numbered>> {
        let mut lines = Vec::new();
        let end = self.bytes.saturating_add(PART_BYTES);
        while lines.len() < self.part_size
            && (lines.is_empty() || self.bytes < end)
            && let Some((line, length)) = self.line()?
        {
            self.number = self.number.saturating_add(1);
            self.bytes = self.bytes.saturating_add(u64::try_from(length).unwrap_or_default());
            if !line.as_ref().is_ok_and(|line| line.trim().is_empty()) {
                lines.push((self.number, line));
            }
        }
        Ok(lines)
    }

    /// Returns the number of bytes that have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the next line and its length. Of a line that is too long, only its length is read.
    fn line(&mut self) -> io::Result<Option<(Result<String, String>, usize)>> {
        let reader: &mut dyn BufRead = match &mut self.reader {
            Reader::Text(text) => text,
            Reader::File(file) => file,
            Reader::Stream(stream) => stream,
        };
        let (mut line, mut length) = (Vec::new(), 0_usize);
        loop {
            let bytes = reader.fill_buf()?;
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(bytes.len(), |end| end.saturating_add(1));
            if taken == 0 {
                break;
            }
            length = length.saturating_add(taken);
            // With its end and a byte order mark.
            if length <= MAX_LINE.saturating_add(5) {
                line.extend_from_slice(bytes.get(..taken).unwrap_or(bytes));
            }
            reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if length == 0 {
            return Ok(None);
        }
        let mut text = &*line;
        text = text.strip_suffix(b"\n").unwrap_or(text);
        text = text.strip_suffix(b"\r").unwrap_or(text);
        let line = if line.len() < length {
            Err(format!("a line must have at most {MAX_LINE} bytes, got {length}"))
        } else {
            match std::str::from_utf8(text) {
                // Each of several files that were joined may start with a byte order mark.
                Ok(text) => Ok(text.trim_start_matches('\u{feff}').to_owned()),
                Err(_) => Err("the line is not UTF-8".into()),
            }
        };
        Ok(Some((line, length)))
    }
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("number", &self.number).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let long = "x".repeat(MAX_LINE + 10);
        let bytes = [b"\xef\xbb\xbfone\r\n\n \ntwo\xff\n", long.as_bytes(), b"\n\xef\xbb\xbf\nlast"].concat();
        let text = || Input::text(&bytes);
        let expected = vec![
            (1, Ok("one".to_owned())),
            (4, Err("the line is not UTF-8".to_owned())),
            (5, Err("a line must have at most 1048576 bytes, got 1048587".to_owned())),
            (7, Ok("last".to_owned())),
        ];
        for mut input in [text(), Input::stream(&*bytes)] {
            assert_eq!(input.part().unwrap(), expected);
            assert_eq!(input.bytes(), u64::try_from(bytes.len()).unwrap());
            assert!(input.part().unwrap().is_empty());
        }
        let mut input = text();
        input.part().unwrap();
        assert!(input.rewind().unwrap());
        assert_eq!(input.part().unwrap(), expected);
        assert!(!Input::stream(&*bytes).rewind().unwrap());

        let long = format!("{}\n", "x".repeat(MAX_LINE)).repeat(6);
        let mut input = Input::text(&long);
        let counts = [(); 3].map(|()| input.part().unwrap().len());
        assert_eq!(counts, [4, 2, 0]);
    }
}
