//! Reads backups, and detects those that are incomplete or damaged.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _};
use std::path::Path;

use flate2::bufread::GzDecoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::line::{Counts, Header, Line, VERSION, digest};
use crate::store::{FORMAT, Record};

/// Maximum length of a line in bytes. An import line of this length is refused, too.
const MAX_LINE: u64 = 64 * 1024 * 1024;
/// Lines that are returned at once, at most.
const LINES: usize = 500;
/// Bytes of the lines that are returned at once, about.
const BYTES: usize = 1024 * 1024;

/// The reason why a file cannot be restored.
#[derive(Debug)]
pub enum BackupError {
    /// The file cannot be read.
    Io(io::Error),
    /// The file is not a backup.
    NotABackup,
    /// A newer program wrote the backup.
    Newer {
        /// The format of its documents.
        format: u32,
        /// The version of that program.
        program: String,
    },
    /// The end is missing.
    Truncated,
    /// The contents are not those that were written.
    Damaged(&'static str),
}

/// Reads a backup from its start to its end.
pub(super) struct Reader {
    lines: BufReader<GzDecoder<BufReader<File>>>,
    pub(super) header: Header,
    /// The hash of all bytes so far.
    hash: Sha256,
    counts: Counts,
    end: Option<(Counts, String)>,
}

/// The part of the first line that says which program can read the others.
#[derive(Deserialize)]
struct AnyHeader {
    #[serde(rename = "suntapBackup")]
    header: Versions,
}

#[derive(Deserialize)]
struct Versions {
    version: u32,
    format: u32,
    program: String,
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        let file = File::open(path).map_err(BackupError::Io)?;
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(file)));
        let first = read_line(&mut lines).map_err(|error| match error {
            BackupError::Damaged(_) => BackupError::NotABackup,
            error => error,
        })?;
        let any: AnyHeader = serde_json::from_slice(&first).map_err(|_| BackupError::NotABackup)?;
        let Versions { version, format, program } = any.header;
        if version > VERSION || format > FORMAT {
            return Err(BackupError::Newer { format: format.max(version), program });
        }
        let Ok(Line::Header(header)) = serde_json::from_slice(&first) else { return Err(BackupError::NotABackup) };
        let mut hash = Sha256::new();
        hash.update(&first);
        Ok(Self { lines, header, hash, counts: Counts::default(), end: None })
    }

    /// Returns the next records, or `None` at the end of a complete backup.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Record>>, BackupError> {
        let (mut records, mut bytes) = (Vec::new(), 0_usize);
        while self.end.is_none() && records.len() < LINES && bytes < BYTES {
            let text = read_line(&mut self.lines)?;
            bytes = bytes.saturating_add(text.len());
            let line: Line = serde_json::from_slice(&text).map_err(|_| BackupError::Damaged("a line is invalid"))?;
            if let Line::End(end) = line {
                if end.counts != self.counts {
                    return Err(BackupError::Damaged("the number of lines is wrong"));
                }
                let sha256 = digest(self.hash.clone());
                if end.sha256 != sha256 {
                    return Err(BackupError::Damaged("the checksum is wrong"));
                }
                self.end = Some((end.counts, sha256));
                self.check_end()?;
                break;
            }
            self.counts.add(&line);
            self.hash.update(&text);
            records.push(line.record().ok_or(BackupError::Damaged("a line is invalid"))?);
        }
        Ok(Some(records).filter(|records| !records.is_empty()))
    }

    /// Returns the counts and the checksum of a backup that was read to its end.
    pub(super) fn end(self) -> Result<(Counts, String), BackupError> {
        self.end.ok_or(BackupError::Truncated)
    }

    /// Checks that nothing follows the last line.
    fn check_end(&mut self) -> Result<(), BackupError> {
        let is_end = |rest: io::Result<&[u8]>| match rest {
            Ok([]) => Ok(()),
            Ok(_) => Err(BackupError::Damaged("something follows its end")),
            Err(error) => Err(failed(error)),
        };
        // Reads the checksum of gzip, too.
        is_end(self.lines.fill_buf())?;
        is_end(self.lines.get_mut().get_mut().fill_buf())
    }
}

/// Returns a line with its end.
fn read_line(lines: &mut BufReader<GzDecoder<BufReader<File>>>) -> Result<Vec<u8>, BackupError> {
    let mut line = Vec::new();
    lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(failed)?;
    match line.last() {
        Some(b'\n') => Ok(line),
        Some(_) if u64::try_from(line.len()) == Ok(MAX_LINE) => Err(BackupError::Damaged("a line is too long")),
        _ => Err(BackupError::Truncated),
    }
}

fn failed(error: io::Error) -> BackupError {
    match error.kind() {
        ErrorKind::UnexpectedEof => BackupError::Truncated,
        ErrorKind::InvalidData | ErrorKind::InvalidInput => BackupError::Damaged("it cannot be decompressed"),
        _ => BackupError::Io(error),
    }
}

impl fmt::Display for BackupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotABackup => f.write_str("the file is not a backup of suntap-server"),
            Self::Newer { format, program } => write!(
                f,
                "the backup has format {format}, and this program supports formats up to {FORMAT}: restore it with suntap-server \
                 {program} or a newer one"
            ),
            Self::Truncated => f.write_str("the backup is truncated: nothing was restored"),
            Self::Damaged(problem) => write!(f, "the backup is damaged ({problem}): nothing was restored"),
        }
    }
}

impl std::error::Error for BackupError {}
