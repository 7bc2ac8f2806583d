//! The lines of a backup, and what writes them.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use suntap::{CounterId, Mark, SdmReadCtr, UnixMillis};

use crate::hex;
use crate::store::{Entry, Record, Stream};

/// The version of the lines.
pub(super) const VERSION: u32 = 1;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    #[serde(rename = "suntapBackup")]
    Header(Header),
    Document {
        key: String,
        /// As a text, so that a store gets the same bytes again.
        text: String,
    },
    Mark {
        /// The counter id in hex digits.
        id: String,
        ctr: u32,
        at: Option<u64>,
        taps: u32,
    },
    History {
        /// The name of the stream.
        stream: StreamName,
        at: u64,
        text: String,
    },
    End(End),
}

/// A stream of the history.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum StreamName {
    Records,
    Acts,
    Replays,
    Refusals,
}

impl From<Stream> for StreamName {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::Records => Self::Records,
            Stream::Acts => Self::Acts,
            Stream::Replays => Self::Replays,
            Stream::Refusals => Self::Refusals,
        }
    }
}

impl From<StreamName> for Stream {
    fn from(stream: StreamName) -> Self {
        match stream {
            StreamName::Records => Self::Records,
            StreamName::Acts => Self::Acts,
            StreamName::Replays => Self::Replays,
            StreamName::Refusals => Self::Refusals,
        }
    }
}

/// The first line. It has no `deny_unknown_fields`: all versions of the program must be able to read it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// The version of the lines.
    pub(super) version: u32,
    /// The format of the store that the documents are from.
    pub(super) format: u32,
    /// The version of the program.
    pub(super) program: String,
    /// The kind of the store.
    pub(super) store: String,
    /// When the backup began.
    pub(super) at: String,
}

/// The last line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct End {
    #[serde(flatten)]
    pub(super) counts: Counts,
    /// The hash of all bytes before this line, in hex digits.
    pub(super) sha256: String,
}

/// The number of lines of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Documents.
    pub documents: u64,
    /// Marks of counters.
    pub marks: u64,
    /// Entries of the history.
    pub history: u64,
}

impl Counts {
    pub(super) fn add(&mut self, line: &Line) {
        let count = match line {
            Line::Document { .. } => &mut self.documents,
            Line::Mark { .. } => &mut self.marks,
            Line::History { .. } => &mut self.history,
            Line::Header(_) | Line::End(_) => return,
        };
        *count = count.saturating_add(1);
    }
}

impl From<Record> for Line {
    fn from(record: Record) -> Self {
        match record {
            Record::Document { key, text } => Self::Document { key, text },
            Record::Mark(id, Mark { ctr, at, taps }) => {
                Self::Mark { id: hex::encode(id.as_bytes()), ctr: ctr.get(), at: at.map(UnixMillis::get), taps }
            }
            Record::History(stream, Entry { at, text }) => Self::History { stream: stream.into(), at: at.get(), text },
        }
    }
}

impl Line {
    /// Returns the record in a line, or `None` if there is none or it is invalid.
    pub(super) fn record(self) -> Option<Record> {
        Some(match self {
            Self::Document { key, text } => Record::Document { key, text },
            Self::Mark { id, ctr, at, taps } => {
                let id = CounterId::from_bytes(hex::decode(&id)?);
                Record::Mark(id, Mark { ctr: SdmReadCtr::new(ctr)?, at: at.map(UnixMillis::new), taps })
            }
            Self::History { stream, at, text } if is_object(&text) => {
                Record::History(stream.into(), Entry { at: UnixMillis::new(at), text })
            }
            Self::History { .. } | Self::Header(_) | Self::End(_) => return None,
        })
    }
}

/// Returns `true` for an object of JSON in one line, as an entry of the history has it.
fn is_object(text: &str) -> bool {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    is_json && text.starts_with('{') && !text.contains(['\n', '\r'])
}

/// Writes lines into memory, from which the compressed bytes are taken.
pub(super) struct Encoder {
    gzip: GzEncoder<Vec<u8>>,
    hash: Sha256,
    counts: Counts,
}

impl Encoder {
    pub(super) fn new(header: &Header) -> io::Result<Self> {
        let gzip = GzEncoder::new(Vec::new(), Compression::fast());
        let mut encoder = Self { gzip, hash: Sha256::new(), counts: Counts::default() };
        encoder.add(&Line::Header(header.clone()))?;
        Ok(encoder)
    }

    pub(super) fn add(&mut self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.counts.add(line);
        self.hash.update(&text);
        self.gzip.write_all(&text)
    }

    /// Returns the compressed bytes since the last call.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.gzip.get_mut())
    }

    /// Adds the last line. Returns the last bytes.
    pub(super) fn finish(mut self) -> io::Result<(Vec<u8>, Counts)> {
        let (counts, sha256) = (self.counts, digest(self.hash.clone()));
        self.add(&Line::End(End { counts, sha256 }))?;
        Ok((self.gzip.finish()?, counts))
    }
}

/// Returns a hash in hex digits.
pub(super) fn digest(hash: Sha256) -> String {
    let digest: [u8; 32] = hash.finalize().into();
    hex::encode(&digest)
}
