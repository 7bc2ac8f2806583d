//! Raises counters to what a history has.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use suntap::{CounterId, Mark, SdmReadCtr, UnixMillis};

use crate::hex;
use crate::registry::document::time_text;
use crate::store::Record;

/// Lines that are returned at once.
const LINES: usize = 500;

/// Reads an export of the history.
pub(super) struct History {
    lines: Lines<BufReader<File>>,
    number: u64,
    /// The time of the last tap so far.
    last: Option<UnixMillis>,
}

/// A line of the history. Other fields are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "event")]
    kind: String,
    #[serde(default, deserialize_with = "time_text::deserialize")]
    at: Option<UnixMillis>,
    verdict: Option<String>,
    counter_id: Option<String>,
    ctr: Option<u32>,
}

impl History {
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { lines: BufReader::new(File::open(path)?).lines(), number: 0, last: None })
    }

    /// Returns the time of the last tap.
    ///
    /// # Errors
    /// Returns an error if a line is invalid, or if there is no tap.
    pub(super) fn last(path: &Path) -> anyhow::Result<UnixMillis> {
        let mut history = Self::open(path)?;
        while history.next()?.is_some() {}
        history.last.context("there is no tap in it: expected the lines that the server exports")
    }

    /// Returns a mark for each of the next taps, or `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Vec<Record>>> {
        let mut records = Vec::new();
        while records.len() < LINES {
            let Some(line) = self.lines.next() else { break };
            self.number = self.number.saturating_add(1);
            let event = line.map_err(anyhow::Error::new).and_then(|line| tap(&line));
            let Some((mark, at)) = event.with_context(|| format!("line {}", self.number))? else { continue };
            self.last = self.last.max(at);
            records.push(mark);
        }
        Ok(Some(records).filter(|records| !records.is_empty()))
    }
}

/// Returns the counter of a tap that was accepted, or that was refused because its counter was not greater than an accepted one.
/// The counter of any other refusal may be forged. The time is that of the line.
fn tap(line: &str) -> anyhow::Result<Option<(Record, Option<UnixMillis>)>> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let Ok(event) = serde_json::from_str::<Event>(line) else { bail!("not a line of the history") };
    let is_fresh = match event.verdict.as_deref() {
        Some("fresh") => true,
        Some("replayed") => false,
        _ => return Ok(None),
    };
    // Without an id, the tap belongs to no counter.
    let (Some(id), Some(ctr), "tap") = (event.counter_id, event.ctr, &*event.kind) else { return Ok(None) };
    let (Some(id), Some(ctr)) = (hex::decode(&id).map(CounterId::from_bytes), SdmReadCtr::new(ctr)) else {
        bail!("invalid counter id or counter");
    };
    Ok(Some((Record::Mark(id, Mark { ctr, at: event.at.filter(|_| is_fresh), taps: 0 }), event.at)))
}
