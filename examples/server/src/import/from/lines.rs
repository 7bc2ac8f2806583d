//! The lines that a converter writes.

use std::collections::HashSet;
use std::fmt;
use std::io::Write;

use serde::Serialize;
use serde_json::value::RawValue;
use suntap::Uid;

use super::{ConvertError, Converted, LISTED};
use crate::registry::document::{Derivation, Field, Layout, RuleSet, State};

/// The place in the source that a line comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// An option of the command.
    Option(&'static str),
    /// A line of the lines before the converted ones.
    Before(usize),
    /// A line of a table.
    Line(u64),
    /// A place that has a name.
    Named(Box<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Option(name) => f.write_str(name),
            Self::Before(number) => write!(f, "--before, line {number}"),
            Self::Line(number) => write!(f, "line {number}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// A tag. Fields without a value are left out, so that an import keeps what is stored.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagLine<'t> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) batch: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) xuid: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cuid: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) uid: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tamper: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keys: Option<TagKeys<'t>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<RuleSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extended_data: Option<Vec<Field>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) counter: Option<Counter<'t>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TagKeys<'t> {
    Plain {
        #[serde(skip_serializing_if = "Option::is_none")]
        meta: Option<&'t str>,
        file: &'t str,
    },
    Derived(Derivation),
}

/// The last tap that the source accepted.
#[derive(Serialize)]
pub(super) struct Counter<'t> {
    pub(super) ctr: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) taps: Option<u32>,
}

#[derive(Serialize)]
struct LevelLine<'t> {
    path: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<&'t Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rules: Option<&'t RuleSet>,
}

/// An API key that clients use already.
#[derive(Serialize)]
pub(super) struct KeyLine<'t> {
    pub(super) key: &'t str,
    pub(super) kind: &'t str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) label: Option<&'t str>,
}

/// The fields of an object after the number of its organisation.
#[derive(Serialize)]
struct Owned<'t, T> {
    organisation: u64,
    #[serde(flatten)]
    fields: &'t T,
}

/// Writes lines, and remembers where they come from and what is wrong with the source.
pub(super) struct Lines<'w> {
    out: &'w mut dyn Write,
    organisation: u64,
    origins: Vec<Origin>,
    /// The paths that have a line.
    levels: HashSet<String>,
    problems: Vec<(Origin, String)>,
    all_problems: usize,
    pub(super) notes: Vec<String>,
    /// The number of tags with keys and without a counter.
    unknown_counters: usize,
    dropped_taps: usize,
    /// The number of tags with a counter and without keys.
    waiting_counters: usize,
}

impl<'w> Lines<'w> {
    pub(super) fn new(out: &'w mut dyn Write, organisation: u64) -> Self {
        Self {
            out,
            organisation,
            origins: Vec::new(),
            levels: HashSet::new(),
            problems: Vec::new(),
            all_problems: 0,
            notes: Vec::new(),
            unknown_counters: 0,
            dropped_taps: 0,
            waiting_counters: 0,
        }
    }

    /// Adds a problem. The conversion fails at its end.
    pub(super) fn problem(&mut self, origin: Origin, reason: impl Into<String>) {
        self.all_problems = self.all_problems.saturating_add(1);
        if self.problems.len() < LISTED {
            self.problems.push((origin, reason.into()));
        }
    }

    pub(super) fn organisation(&mut self, name: &str) -> Result<(), ConvertError> {
        let line = serde_json::json!({ "organisation": { "id": self.organisation, "name": name } });
        self.write(Origin::Option("--organisation-name"), &line.to_string())
    }

    /// Writes a line as it is.
    pub(super) fn before(&mut self, number: usize, line: &str) -> Result<(), ConvertError> {
        self.write(Origin::Before(number), line)
    }

    /// Writes the lines of a folder, a tag group and a batch that have none yet. The layout and the rules are those of the tag group.
    pub(super) fn batch(
        &mut self,
        origin: &Origin,
        path: &str,
        layout: Option<&Layout>,
        rules: Option<&RuleSet>,
    ) -> Result<(), ConvertError> {
        if self.levels.contains(path) {
            return Ok(());
        }
        for (kind, path) in ["folder", "tagGroup", "batch"].into_iter().zip(crate::registry::levels(path)) {
            if !self.levels.insert(path.into()) {
                continue;
            }
            let is_group = kind == "tagGroup";
            let (layout, rules) = (layout.filter(|_| is_group), rules.filter(|_| is_group));
            self.line(origin.clone(), kind, &LevelLine { path, layout, rules })?;
        }
        Ok(())
    }

    /// Returns the counter of a tag, which needs the keys of the tag. `is_known` tells whether the source has a counter, which may be 0.
    /// `has_taps` tells whether the source has a number of taps.
    pub(super) fn counter<'t>(
        &mut self,
        is_known: bool,
        has_keys: bool,
        has_taps: bool,
        counter: Option<Counter<'t>>,
    ) -> Option<Counter<'t>> {
        if counter.is_none() && has_taps {
            self.dropped_taps = self.dropped_taps.saturating_add(1);
        }
        let count = match (&counter, has_keys) {
            (Some(_), false) => &mut self.waiting_counters,
            (None, true) if !is_known => &mut self.unknown_counters,
            _ => return counter,
        };
        *count = count.saturating_add(1);
        counter.filter(|_| has_keys)
    }

    pub(super) fn tag(&mut self, origin: Origin, tag: &TagLine<'_>) -> Result<(), ConvertError> {
        self.line(origin, "tag", tag)
    }

    pub(super) fn api_key(&mut self, origin: Origin, key: &KeyLine<'_>) -> Result<(), ConvertError> {
        self.line(origin, "apiKey", key)
    }

    fn line(&mut self, origin: Origin, kind: &str, fields: &impl Serialize) -> Result<(), ConvertError> {
        let object = Owned { organisation: self.organisation, fields };
        let object = serde_json::to_string(&object).map_err(|error| ConvertError::Output(error.into()))?;
        self.write(origin, &format!("{{\"{kind}\":{object}}}"))
    }

    fn write(&mut self, origin: Origin, line: &str) -> Result<(), ConvertError> {
        self.origins.push(origin);
        writeln!(self.out, "{line}").map_err(ConvertError::Output)
    }

    pub(super) fn finished(mut self) -> Result<Converted, ConvertError> {
        if self.unknown_counters > 0 {
            self.notes.push(format!(
                "{} tags have no counter in the source, so any tap that they ever wrote can pass until the tag is tapped again",
                self.unknown_counters
            ));
        }
        if self.waiting_counters > 0 {
            self.notes.push(format!(
                "{} tags have a counter and no keys: their counters are not imported, so import this source again when you have the keys",
                self.waiting_counters
            ));
        }
        if self.dropped_taps > 0 {
            self.notes.push(format!(
                "{} tags have a number of taps and no counter: these numbers are not imported, because they are stored with the counter",
                self.dropped_taps
            ));
        }
        if self.all_problems > 0 {
            return Err(ConvertError::Rows { listed: self.problems, all: self.all_problems });
        }
        self.out.flush().map_err(ConvertError::Output)?;
        Ok(Converted { origins: self.origins, notes: self.notes })
    }
}

/// Returns a UID in upper case.
pub(super) fn uid(field: &str, text: &str) -> Result<Uid, String> {
    Uid::from_hex(text).map_err(|_| format!("{field}: a UID must have 14 hex digits, got {} characters", text.len()))
}

/// Checks the digits of a key. The error does not repeat them.
pub(super) fn key<'k>(field: &str, text: &'k str) -> Result<&'k str, String> {
    if crate::hex::decode::<16>(text).is_none() {
        return Err(format!("{field}: a key must have 32 hex digits, got {} characters", text.len()));
    }
    Ok(text)
}

/// Parses a whole number. The error does not repeat the text, because columns may be in the wrong order.
pub(super) fn number<T: std::str::FromStr>(field: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{field}: expected a whole number in range"))
}

/// Parses a counter. A chip that was never read has none.
pub(super) fn counter(field: &str, text: Option<&str>) -> Result<Option<u32>, String> {
    let ctr = text.map(|text| number::<u32>(field, text)).transpose()?.unwrap_or(0);
    if ctr > 0x00FF_FFFF {
        return Err(format!("{field}: a counter has 24 bits, got {ctr}"));
    }
    Ok((ctr > 0).then_some(ctr))
}
