//! Converts what another service has into lines of an import.
//!
//! A converter only writes lines. They go through the same import as the lines that an operator writes, so the same checks apply, and
//! an operator can look at them before. A line that import refuses is reported with its place in the source.

pub mod boltcard;
pub mod etrnl_json;
pub mod ixkio_csv;
mod lines;
pub mod sdm_backend;
mod table;

use std::fmt;
use std::io::{self, Read, Write};

use self::lines::Lines;
pub use self::lines::Origin;
pub use self::table::Renamed;
use super::ImportError;
use crate::secrets::Secrets;

/// The number of problems that an error lists. It only counts the others.
const LISTED: usize = 20;

/// Where the tags come from.
#[derive(Debug)]
pub enum Source {
    /// The configuration of sdm-backend, and a list of UIDs.
    SdmBackend(sdm_backend::Source),
    /// The cards of boltcard.
    Boltcard(boltcard::Source),
    /// A table of ixkio tags.
    IxkioCsv(ixkio_csv::Source),
    /// The URL groups of ETRNL.
    EtrnlJson(etrnl_json::Source),
}

/// A file of the source. `Debug` does not show it.
pub struct Input(Box<dyn Read>);

impl Input {
    /// Reads from `input`.
    pub fn new(input: impl Read + 'static) -> Self {
        Self(Box::new(input))
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").finish_non_exhaustive()
    }
}

/// Where the tags go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The number of the organisation.
    pub organisation: u64,
    /// The name of the organisation. Without a name, no line for the organisation is written.
    pub name: Option<String>,
    /// Lines that come before the converted ones.
    pub before: String,
}

/// The places of the converted lines in the source, and what an operator should know.
#[derive(Debug)]
pub struct Converted {
    origins: Vec<Origin>,
    /// One sentence each.
    pub notes: Vec<String>,
}

/// Why nothing was converted.
#[derive(Debug)]
pub enum ConvertError {
    /// The source as a whole cannot be used.
    Source(String),
    /// Some rows are invalid.
    Rows {
        /// The first of these rows, and what is wrong with each.
        listed: Vec<(Origin, String)>,
        /// The number of problems.
        all: usize,
    },
    /// The database of the source failed.
    Database(tokio_postgres::Error),
    /// The source cannot be read.
    Input(io::Error),
    /// The lines cannot be written.
    Output(io::Error),
}

/// Writes the lines for `source` to `out`. The lines contain keys.
///
/// # Errors
/// Fails if the source cannot be read or a row is invalid. The lines that were written then are not complete. No error contains a key.
pub async fn convert(
    source: Source,
    target: &Target,
    secrets: Option<&Secrets>,
    out: &mut dyn Write,
) -> Result<Converted, ConvertError> {
    let mut lines = Lines::new(out, target.organisation);
    if let Some(name) = &target.name {
        lines.organisation(name)?;
    }
    for (number, line) in (1..).zip(target.before.lines()).filter(|(_, line)| !line.trim().is_empty()) {
        lines.before(number, line)?;
    }
    match source {
        Source::SdmBackend(source) => sdm_backend::convert(source, secrets, &mut lines)?,
        Source::Boltcard(source) => boltcard::convert(source, secrets, &mut lines).await?,
        Source::IxkioCsv(source) => ixkio_csv::convert(source, &mut lines)?,
        Source::EtrnlJson(source) => etrnl_json::convert(source, &mut lines)?,
    }
    lines.finished()
}

impl Converted {
    /// Returns the error of an import of the converted lines with the places in the source.
    #[must_use]
    pub fn located(&self, error: ImportError) -> Box<dyn std::error::Error + Send + Sync> {
        match error {
            ImportError::Lines { listed, all } => {
                let listed = listed.into_iter().map(|(number, reason)| (self.origin(number), reason)).collect();
                ConvertError::Rows { listed, all }.into()
            }
            error => error.into(),
        }
    }

    /// Returns the place in the source of a converted line. Lines are numbered from 1.
    #[must_use]
    pub fn origin(&self, number: usize) -> Origin {
        let origin = number.checked_sub(1).and_then(|index| self.origins.get(index));
        origin.cloned().unwrap_or(Origin::Before(number))
    }
}

/// Reads a text.
fn text(mut input: impl Read) -> Result<String, ConvertError> {
    let mut text = String::new();
    input.read_to_string(&mut text).map_err(ConvertError::Input)?;
    Ok(text)
}

impl fmt::Display for ConvertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(reason) => f.write_str(reason),
            Self::Rows { listed, all } => {
                for (origin, reason) in listed {
                    writeln!(f, "{origin}: {reason}")?;
                }
                if let Some(more) = all.checked_sub(listed.len()).filter(|more| *more > 0) {
                    writeln!(f, "and {more} more problems")?;
                }
                f.write_str("nothing was imported")
            }
            Self::Database(_) => f.write_str("the database of the source failed"),
            Self::Input(_) => f.write_str("cannot read the source"),
            Self::Output(_) => f.write_str("cannot write the lines"),
        }
    }
}

impl std::error::Error for ConvertError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(_) | Self::Rows { .. } => None,
            Self::Database(error) => Some(error),
            Self::Input(error) | Self::Output(error) => Some(error),
        }
    }
}
