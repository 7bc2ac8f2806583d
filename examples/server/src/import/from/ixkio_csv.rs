//! A table of ixkio tag codes.
//!
//! ixkio does not document the format of an export, so the names of the columns are ours. The table has one row for each tag code.
//! What belongs to a tag group, such as its layout and its rules, is not in the table: it is imported before, as lines.

use csv::StringRecord;

use super::lines::{Counter, Lines, TagKeys, TagLine, counter, key, number, uid};
use super::table::{self, Columns, Renamed};
use super::{ConvertError, Input};
use crate::registry::document::{Field, Layout, ModeName, RuleSet, State};

const REQUIRED: [&str; 1] = ["xuid"];
const OPTIONAL: [&str; 12] = [
    "cuid",
    "uid",
    "tag_name",
    "status",
    "chip_count",
    "scan_count",
    "last_seen",
    "folder",
    "tag_group",
    "batch",
    "default_response",
    "sdm_file_read_key",
];
/// Extended data that the answer contains.
const IN_RESPONSE: &str = "response:";
/// Extended data that the answer does not contain.
const DATA: &str = "data:";

/// The table, and how its rows become tags.
#[derive(Debug)]
pub struct Source {
    /// The table.
    pub tags: Input,
    /// How the columns differ.
    pub renamed: Renamed,
    /// The path of the batch of all tags, if the table does not have it.
    pub batch: Option<String>,
    /// The layout of the tag groups, if no line has it.
    pub template: Option<String>,
}

pub(super) fn convert(source: Source, lines: &mut Lines<'_>) -> Result<(), ConvertError> {
    let mut reader = table::reader(source.tags);
    let mut header = StringRecord::new();
    table::read(&mut reader, &mut header)?;
    let columns = Columns::new(&header, &REQUIRED, &OPTIONAL, &[IN_RESPONSE, DATA], &source.renamed)?;
    let layout = source.template.map(|template| Layout { mode: ModeName::Aes, template });
    table::each_row(&mut reader, |origin, row| {
        let (path, tag) = match tag(&columns, row, source.batch.as_deref()) {
            Ok(tag) => tag,
            Err(reason) => {
                lines.problem(origin, reason);
                return Ok(());
            }
        };
        let is_known = columns.value(row, "chip_count").is_some();
        let taps = columns.value(row, "scan_count").and_then(|text| text.parse::<u64>().ok());
        let has_taps = taps.is_some_and(|taps| taps > 0);
        let counter = lines.counter(is_known, tag.keys.is_some(), has_taps, tag.counter);
        lines.batch(&origin, &path, layout.as_ref(), None)?;
        lines.tag(origin, &TagLine { batch: Some(&path), counter, ..tag })
    })
}

/// Returns the path of the batch, and the tag.
fn tag<'r>(columns: &Columns, row: &'r StringRecord, batch: Option<&str>) -> Result<(String, TagLine<'r>), String> {
    let value = |name| columns.value(row, name);
    let path = match [value("folder"), value("tag_group"), value("batch")] {
        [Some(folder), Some(group), Some(batch)] => [folder, group, batch].join("/"),
        [None, None, None] => batch.ok_or("folder, tag_group, batch: the values are missing (or use --batch)")?.into(),
        _ => return Err("folder, tag_group, batch: either all of them have a value, or none".into()),
    };
    let state = match value("status") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("active") => Some(State::Active),
        Some(text) if text.eq_ignore_ascii_case("inactive") => Some(State::Inactive),
        Some(_) => return Err("status: expected Active or Inactive".into()),
    };
    let file = value("sdm_file_read_key").map(|text| key("sdm_file_read_key", text)).transpose()?;
    let ctr = counter("chip_count", value("chip_count"))?;
    let taps = value("scan_count").map(|text| number("scan_count", text)).transpose()?;
    value("uid").map(|text| uid("uid", text)).transpose()?;
    let data = columns.extra.iter().filter_map(|(name, index)| {
        let in_response = name.starts_with(IN_RESPONSE);
        let name = name.strip_prefix(if in_response { IN_RESPONSE } else { DATA })?.trim().to_owned();
        Some(Field { name, value: table::cell(row, *index)?.to_owned(), in_response })
    });
    let tag = TagLine {
        xuid: Some(value("xuid").ok_or("xuid: the value is missing")?),
        cuid: value("cuid"),
        uid: value("uid"),
        name: value("tag_name"),
        state,
        keys: file.map(|file| TagKeys::Plain { meta: None, file }),
        rules: value("default_response").map(|text| RuleSet { groups: Vec::new(), default: text.into() }),
        extended_data: (!columns.extra.is_empty()).then(|| data.collect()),
        counter: ctr.map(|ctr| Counter { ctr, at: value("last_seen"), taps }),
        ..TagLine::default()
    };
    Ok((path, tag))
}
