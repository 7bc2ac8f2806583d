//! A table in CSV whose first line has the names of the columns.

use std::collections::HashMap;
use std::io::Read;

use csv::StringRecord;

use super::ConvertError;
use super::lines::Origin;
use crate::secrets::redacted;

/// How the columns of a table differ from the names that the converter knows.
#[derive(Clone, Debug, Default)]
pub struct Renamed {
    /// The name that the converter knows, and the name in the table.
    pub columns: Vec<(String, String)>,
    /// Columns of the table that are left out.
    pub ignored: Vec<String>,
}

/// The columns of a table.
pub(super) struct Columns {
    index: HashMap<String, usize>,
    /// The columns whose names start with one of the prefixes, in the order of the table.
    pub(super) extra: Vec<(String, usize)>,
}

impl Columns {
    /// Reads the names of the columns. Columns whose names start with one of `prefixes` are [`extra`](Self::extra).
    ///
    /// # Errors
    /// Fails if a required column is missing, or if a column is unknown or there twice.
    pub(super) fn new(
        header: &StringRecord,
        required: &[&str],
        optional: &[&str],
        prefixes: &[&str],
        renamed: &Renamed,
    ) -> Result<Self, ConvertError> {
        let fail = |reason: String| Err(ConvertError::Source(format!("line 1: {reason}")));
        let is_known = |name: &str| required.contains(&name) || optional.contains(&name);
        if let Some((name, _)) = renamed.columns.iter().find(|(name, _)| !is_known(name)) {
            return Err(ConvertError::Source(format!(
                "--column {name}=…: there is no such name, expected one of: {}",
                [required, optional].concat().join(", ")
            )));
        }
        let mut columns = Self { index: HashMap::new(), extra: Vec::new() };
        for (index, title) in header.iter().enumerate() {
            let title = title.trim();
            if renamed.ignored.iter().any(|ignored| ignored == title) {
                continue;
            }
            let name = renamed.columns.iter().find(|(_, other)| other == title).map_or(title, |(name, _)| name);
            if prefixes.iter().any(|prefix| name.starts_with(prefix)) {
                columns.extra.push((name.into(), index));
            } else if !is_known(name) {
                // A table without names has a row here, which may contain keys.
                return fail(format!(
                    "unknown column `{}` (--column NAME=COLUMN says what it is, --ignore-column COLUMN leaves it out)",
                    redacted(title)
                ));
            } else if columns.index.insert(name.into(), index).is_some() {
                return fail(format!("the column `{name}` is there twice"));
            }
        }
        match required.iter().find(|name| !columns.index.contains_key(**name)) {
            Some(name) => {
                fail(format!("the column `{name}` is missing (--column {name}=COLUMN if it has another name)"))
            }
            None => Ok(columns),
        }
    }

    /// Returns the value of a column, unless it is empty.
    pub(super) fn value<'r>(&self, record: &'r StringRecord, name: &str) -> Option<&'r str> {
        cell(record, *self.index.get(name)?)
    }
}

/// Returns a cell, unless it is empty.
pub(super) fn cell(record: &StringRecord, index: usize) -> Option<&str> {
    record.get(index).map(str::trim).filter(|text| !text.is_empty())
}

/// Returns a reader of all lines, also the first one.
pub(super) fn reader<R: Read>(input: R) -> csv::Reader<R> {
    csv::ReaderBuilder::new().has_headers(false).from_reader(input)
}

/// Returns the line of a record.
pub(super) fn origin(record: &StringRecord) -> Origin {
    Origin::Line(record.position().map_or(0, csv::Position::line))
}

/// Calls `each` with every row.
pub(super) fn each_row<R: Read>(
    reader: &mut csv::Reader<R>,
    mut each: impl FnMut(Origin, &StringRecord) -> Result<(), ConvertError>,
) -> Result<(), ConvertError> {
    let mut record = StringRecord::new();
    while read(reader, &mut record)? {
        if record.iter().any(|text| !text.trim().is_empty()) {
            each(origin(&record), &record)?;
        }
    }
    Ok(())
}

/// Reads a row. Returns `false` at the end.
pub(super) fn read<R: Read>(reader: &mut csv::Reader<R>, record: &mut StringRecord) -> Result<bool, ConvertError> {
    let line = reader.position().line();
    reader.read_record(record).map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => ConvertError::Input(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, pos } => {
            let line = pos.map_or(line, |pos| pos.line());
            ConvertError::Source(format!("line {line}: {len} columns, expected {expected_len}"))
        }
        csv::ErrorKind::Utf8 { .. } => ConvertError::Source(format!("line {line}: not UTF-8")),
        _ => ConvertError::Source(format!("line {line}: not CSV")),
    })
}
