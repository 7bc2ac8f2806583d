//! Input from a file or from standard input.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use crate::redact;

/// Input that is read from start to end.
pub(crate) struct Input {
    pub(crate) reader: Box<dyn Read + Send>,
    /// The number of bytes, if the input is a file and standard error is a terminal.
    pub(crate) len: Option<u64>,
}

/// Opens a file, or standard input for `-`.
pub(crate) fn open(name: &str) -> Result<Input, String> {
    if name == "-" {
        return Ok(Input { reader: Box::new(io::stdin()), len: None });
    }
    let file = File::open(name).map_err(|error| format!("{}: {error}", redact::path(Path::new(name))))?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file);
    let len = metadata.filter(|_| io::stderr().is_terminal()).map(|metadata| metadata.len());
    Ok(Input { reader: Box::new(file), len })
}
