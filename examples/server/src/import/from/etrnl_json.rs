//! The API keys, URL groups and tags of an ETRNL customer, as JSON.
//!
//! ETRNL does not document the format of an export. The names of the fields are those of its API where its API has them, and ours
//! otherwise.

use std::io::BufReader;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lines::{Counter, KeyLine, Lines, Origin, TagKeys, TagLine, counter, key, uid};
use super::{ConvertError, Input};
use crate::import::line::unquoted;
use crate::registry::document::{Layout, ModeName};
use crate::secrets::redacted;

/// The batch of all tags of a URL group, because ETRNL has none.
const BATCH: &str = "All";

/// The document, and how its tags become tags of the registry.
#[derive(Debug)]
pub struct Source {
    /// The document.
    pub export: Input,
    /// The name of the folder for the URL groups.
    pub folder: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Export {
    #[serde(default)]
    api_keys: Vec<ApiKey>,
    url_groups: Vec<UrlGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ApiKey {
    #[serde(rename = "type")]
    kind: String,
    key: String,
    used_by: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UrlGroup {
    name: String,
    custom_url: String,
    #[serde(rename = "appName")]
    _app_name: Option<String>,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Tag {
    #[serde(rename = "tagId")]
    number: u64,
    uid: Option<String>,
    metadata: Option<Box<RawValue>>,
    last_authentic_ctr: Option<u32>,
    last_authentic_timestamp: Option<String>,
    sdm_meta_read_key: Option<String>,
    sdm_file_read_key: Option<String>,
}

pub(super) fn convert(source: Source, lines: &mut Lines<'_>) -> Result<(), ConvertError> {
    let export: Export = serde_json::from_reader(BufReader::new(source.export)).map_err(|error| {
        if error.is_io() {
            return ConvertError::Input(error.into());
        }
        // The message of the parser repeats a value of the wrong type, which could be a key.
        let text = error.to_string();
        let is_name = text.starts_with("unknown field");
        ConvertError::Source(redacted(&if is_name { text } else { unquoted(&text) }))
    })?;
    for (index, ApiKey { kind, key, used_by }) in export.api_keys.iter().enumerate() {
        let origin = Origin::Named(format!("apiKeys[{index}]").into());
        if !matches!(&**kind, "public" | "private") {
            lines.problem(origin, "type: expected public or private");
            continue;
        }
        lines.api_key(origin, &KeyLine { key, kind, label: used_by.as_deref() })?;
    }
    for (index, group) in export.url_groups.into_iter().enumerate() {
        let origin = format!("urlGroups[{index}]");
        let UrlGroup { name, custom_url, tags, .. } = group;
        let layout = Layout { mode: ModeName::Aes, template: template(&custom_url) };
        if let Err(error) = layout.sdm() {
            lines.problem(Origin::Named(origin.into()), format!("customUrl: {error}"));
            continue;
        }
        if name.contains('/') {
            lines.problem(Origin::Named(origin.into()), "name: a slash separates the names in a path");
            continue;
        }
        let path = format!("{}/{name}/{BATCH}", source.folder);
        lines.batch(&Origin::Named(origin.clone().into()), &path, Some(&layout), None)?;
        let has_tamper = custom_url.contains("{tt}");
        for (position, tag) in tags.into_iter().enumerate() {
            let origin = Origin::Named(format!("{origin}.tags[{position}], tagId {}", tag.number).into());
            if let Err(reason) = check(&tag) {
                lines.problem(origin, reason);
                continue;
            }
            let Tag { number, uid, metadata, last_authentic_ctr, last_authentic_timestamp, .. } = tag;
            let file = tag.sdm_file_read_key.as_deref();
            // A tag that is not programmed has no UID. Without a batch it has no layout either, and answers `inactive`.
            let is_programmed = uid.is_some();
            let counter = last_authentic_ctr.filter(|ctr| *ctr > 0);
            let counter = counter.map(|ctr| Counter { ctr, at: last_authentic_timestamp.as_deref(), taps: None });
            // No counter means that the service has accepted no tap.
            let counter = lines.counter(true, file.is_some(), false, counter);
            let tag = TagLine {
                batch: is_programmed.then_some(&*path),
                number: Some(number),
                uid: uid.as_deref(),
                tamper: Some(is_programmed && has_tamper),
                keys: file.map(|file| TagKeys::Plain { meta: tag.sdm_meta_read_key.as_deref(), file }),
                metadata: metadata.map(|text| compact(&text)).transpose()?,
                counter,
                ..TagLine::default()
            };
            lines.tag(origin, &tag)?;
        }
    }
    Ok(())
}

fn check(tag: &Tag) -> Result<(), String> {
    let keys = [("sdmMetaReadKey", &tag.sdm_meta_read_key), ("sdmFileReadKey", &tag.sdm_file_read_key)];
    for (field, text) in keys {
        text.as_deref().map(|text| key(field, text)).transpose()?;
    }
    tag.uid.as_deref().map(|text| uid("uid", text)).transpose()?;
    counter("lastAuthenticCtr", tag.last_authentic_ctr.map(|ctr| ctr.to_string()).as_deref())?;
    if tag.uid.is_none() && tag.sdm_file_read_key.is_some() {
        return Err("uid: a tag with keys has a UID".into());
    }
    Ok(())
}

/// Turns a custom URL into a layout. Plain keys need no eCode, but the URL of a tag has one.
fn template(custom_url: &str) -> String {
    let elements = [
        ("{tagId}", "{:tagId}"),
        ("{eCode}", "{:eCode}"),
        ("{enc}", "{picc:uid,ctr}"),
        ("{cmac}", "{mac}"),
        ("{tt}", "[[{enc:32,tt@0}{mac}"),
    ];
    elements.into_iter().fold(custom_url.to_owned(), |url, (placeholder, element)| url.replace(placeholder, element))
}

/// Returns JSON without the space between its parts. Metadata is returned to clients as it is in the line, and a line has no breaks.
/// Numbers and the order of fields stay as they are.
fn compact(json: &RawValue) -> Result<Box<RawValue>, ConvertError> {
    let (mut is_text, mut is_escaped) = (false, false);
    let is_part = |c: &char| {
        let is_kept = is_text || !c.is_ascii_whitespace();
        match c {
            '"' if !is_escaped => is_text = !is_text,
            _ => {}
        }
        is_escaped = is_text && *c == '\\' && !is_escaped;
        is_kept
    };
    let text: String = json.get().chars().filter(is_part).collect();
    RawValue::from_string(text).map_err(|error| ConvertError::Source(redacted(&error.to_string())))
}
