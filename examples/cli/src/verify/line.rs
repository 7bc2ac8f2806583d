//! One line of a batch.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::ValueEnum as _;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use suntap::{CounterId, SdmLayout, SdmReadCtr};
use zeroize::Zeroizing;

use super::cache::Cache;
use super::check::Check;
use super::scheme::{KeyScheme, KeyTexts, Names};
use crate::hex::Bytes;
use crate::mode::Mode;
use crate::redact;

/// The fields from which a layout is prepared.
const LAYOUT_FIELDS: [&str; 3] = ["template", "mode", "tt_in_plain_off"];
/// The fields from which keys are prepared, in addition to the layout.
const KEY_FIELDS: [&str; 7] =
    ["file_key_scheme", "file_key", "public_key", "meta_key", "master_key", "div_suffix", "key_version"];

/// The fields of a JSON object. If a field occurs twice, the last one counts.
struct Line<'a>(BTreeMap<Text<'a>, &'a RawValue>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Borrow<str> for Text<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The reply to a line, of which the verdict may be missing.
pub(super) struct Reply {
    /// The reply, without a verdict that depends on a counter.
    pub(super) text: String,
    pub(super) commit: Option<Commit>,
    /// `true` if the reply is an error.
    pub(super) is_error: bool,
}

/// A counter that decides on the verdict of a reply.
pub(super) struct Commit {
    pub(super) store: String,
    pub(super) id: CounterId,
    pub(super) ctr: SdmReadCtr,
    /// The offset of the verdict in the text of the reply.
    pub(super) verdict_at: usize,
}

/// Verifies lines one after the other, and keeps what several lines share.
#[derive(Default)]
pub(super) struct Worker {
    layouts: Cache<SdmLayout>,
    checks: Cache<Check>,
}

impl Worker {
    /// Returns the reply to a line.
    pub(super) fn reply(&mut self, line: &[u8]) -> Reply {
        let line = Line(serde_json::from_slice(line).unwrap_or_default());
        let id = line.id();
        self.answer(&line, &id).unwrap_or_else(|error| Reply {
            text: format!(r#"{{"id":{id},"error":{}}}"#, Value::from(&*redact::message(&error))),
            commit: None,
            is_error: true,
        })
    }

    fn answer(&mut self, line: &Line<'_>, id: &str) -> Result<Reply, String> {
        if line.0.is_empty() {
            return Err("the line is not a JSON object with fields".into());
        }
        let layout_text = line.joined(&LAYOUT_FIELDS);
        let mut text = line.joined(&KEY_FIELDS);
        text.extend_from_slice(&layout_text);
        let layouts = &mut self.layouts;
        let check = self.checks.get(&text, || {
            let layout = layouts.get(&layout_text, || line.layout())?;
            Ok::<_, String>(Check {
                keys: line.keys().and_then(|keys| keys.texts().prepare(&layout, &Names::FIELDS))?,
                layout,
            })
        })?;
        let store = line.text("store")?;
        let url = line.text("url")?.ok_or("url is missing")?;
        let checked = check.check(&url).map_err(|error| error.to_string())?;
        let mut text = format!(r#"{{"id":{id},"verdict":""#);
        let verdict_at = text.len();
        let commit = store.zip(checked.counter);
        let commit = commit.map(|(store, (id, ctr))| Commit { store: store.into_owned(), id, ctr, verdict_at });
        if commit.is_none() {
            text.push_str(checked.answer.verdict.name());
        }
        text.push_str("\",");
        // Writing to a string cannot fail.
        let _ = checked.answer.content.write_fields(&mut text);
        text.push('}');
        Ok(Reply { text, commit, is_error: false })
    }
}

/// The keys of a line as text.
struct LineKeys<'a> {
    scheme: KeyScheme,
    file_key: Option<Cow<'a, str>>,
    public_key: Option<Cow<'a, str>>,
    meta_key: Option<Cow<'a, str>>,
    master_key: Option<Cow<'a, str>>,
    suffix: Option<Bytes>,
    version: u32,
}

impl LineKeys<'_> {
    fn texts(&self) -> KeyTexts<'_> {
        KeyTexts {
            scheme: self.scheme,
            file_key: self.file_key.as_deref(),
            public_key: self.public_key.as_deref(),
            meta_key: self.meta_key.as_deref(),
            master_key: self.master_key.as_deref(),
            suffix: self.suffix.as_ref().map(|suffix| &*suffix.0),
            version: self.version,
        }
    }
}

impl<'a> Line<'a> {
    /// Returns the id as JSON, or `null` if the line has none.
    fn id(&self) -> String {
        let id = self.0.get("id").and_then(|id| serde_json::from_str::<Value>(id.get()).ok());
        id.unwrap_or_default().to_string()
    }

    /// Returns the JSON of some fields, as one text.
    fn joined(&self, fields: &[&str]) -> Zeroizing<Vec<u8>> {
        let mut text = Zeroizing::new(Vec::with_capacity(256));
        for field in fields {
            let value = self.0.get(*field).map(|value| value.get()).unwrap_or_default();
            text.extend_from_slice(value.as_bytes());
            // JSON does not contain this byte.
            text.push(0);
        }
        text
    }

    fn value(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|value| value.get() != "null")
    }

    fn text(&self, name: &str) -> Result<Option<Cow<'a, str>>, String> {
        let text = self.value(name).map(|value| serde_json::from_str::<Text<'a>>(value.get())).transpose();
        Ok(text.map_err(|_| format!("{name} is not a string"))?.map(|text| text.0))
    }

    fn number<N: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<N>, String> {
        let number = self.value(name).map(|value| serde_json::from_str(value.get())).transpose();
        number.map_err(|_| format!("{name} is not a whole number in its range"))
    }

    fn layout(&self) -> Result<SdmLayout, String> {
        let mode = match self.text("mode")? {
            None => Mode::default(),
            Some(name) => Mode::from_str(&name, false).map_err(|_| "mode is not aes, lrp, suncmac or ecdsa")?,
        };
        let mut template = self.text("template")?.ok_or("template is missing")?;
        if let Some(offset) = self.number("tt_in_plain_off")? {
            template = with_tamper(&template, offset)?.into();
        }
        SdmLayout::new(mode.scheme(), &template).map_err(|error| format!("template: {error}"))
    }

    fn keys(&self) -> Result<LineKeys<'a>, String> {
        let scheme = match self.text("file_key_scheme")? {
            None => KeyScheme::default(),
            Some(name) => KeyScheme::from_str(&name, false).map_err(|_| "file_key_scheme is unknown")?,
        };
        let suffix = self.text("div_suffix")?.map(|text| text.parse::<Bytes>()).transpose();
        Ok(LineKeys {
            scheme,
            file_key: self.text("file_key")?,
            public_key: self.text("public_key")?,
            meta_key: self.text("meta_key")?,
            master_key: self.text("master_key")?,
            suffix: suffix.map_err(|error| format!("{}: {error}", Names::FIELDS.suffix))?,
            version: self.number("key_version")?.unwrap_or_default(),
        })
    }
}

/// Returns the template with the tamper status at this offset of the file data.
fn with_tamper(template: &str, offset: u64) -> Result<String, &'static str> {
    let (head, tail) = template.split_once("{enc").ok_or("tt_in_plain_off is given, but the template has no {enc}")?;
    let (length, tail) = tail.split_once('}').ok_or("the template has a { without }")?;
    let separator = if length.is_empty() { ':' } else { ',' };
    let mut text = String::with_capacity(template.len().saturating_add(16));
    // Writing to a string cannot fail.
    let _ = write!(text, "{head}{{enc{length}{separator}tt@{offset}}}{tail}");
    Ok(text)
}
