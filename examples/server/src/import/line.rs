//! The lines of an import.

use serde::Deserialize;

use crate::registry::document::{ApiKey, Derivation, KeyKind, Level, Organisation, Tag};
use crate::secrets::redacted;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Line {
    Organisation(Organisation),
    ApiKey(ImportedKey),
    Token(ImportedToken),
    Folder(Level),
    TagGroup(Level),
    Batch(Level),
    Tag(Box<Tag<Keys>>),
}

/// An API key that ETRNL clients already use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImportedKey {
    organisation: u64,
    key: String,
    kind: ImportedKind,
    label: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ImportedKind {
    Public,
    Private,
}

/// A token that ixkio clients already use.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ImportedToken {
    organisation: u64,
    token: String,
    label: Option<String>,
}

impl Line {
    /// Returns the text of an API key or token, and the document to store under its name.
    pub(super) fn api_key(&self) -> Option<(&str, ApiKey)> {
        let (text, organisation, kind, label) = match self {
            Self::ApiKey(ImportedKey { organisation, key, kind, label }) => {
                let kind = match kind {
                    ImportedKind::Public => KeyKind::Public,
                    ImportedKind::Private => KeyKind::Private,
                };
                (key, organisation, kind, label)
            }
            Self::Token(ImportedToken { organisation, token, label }) => (token, organisation, KeyKind::Token, label),
            _ => return None,
        };
        Some((text, ApiKey { organisation: *organisation, kind, label: label.clone() }))
    }
}

/// Keys as they are imported.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum Keys {
    /// Of any origin. They are sealed before they are stored.
    #[serde(rename_all = "camelCase")]
    Plain {
        meta: Option<String>,
        file: String,
        /// The eCode of the tag's URL, if it has one: without it nobody opens the keys then.
        e_code: Option<String>,
        #[serde(default)]
        epoch: u32,
    },
    /// Sealed by whoever set up the tag.
    Sealed {
        sealed: String,
        #[serde(default)]
        epoch: u32,
    },
    /// Computed when a tap comes.
    Derived(Derivation),
}

pub(super) fn read(line: &str) -> Result<Line, String> {
    if line.contains("\\u0000") {
        return Err("there is no text with a zero in it".into());
    }
    serde_json::from_str(line).map_err(|error| {
        let text = error.to_string();
        // It has a line number of its own, which is always the first.
        let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
        // An API key may be too short for `redacted` to recognise it.
        let has_credential = line.contains("\"apiKey\"") || line.contains("\"token\"");
        let text = if has_credential { redacted(&unquoted(text)) } else { redacted(text) };
        format!("{text}, column {}", error.column())
    })
}

/// Returns a message of `serde` without the value of the line that it quotes. The names that it expects stay.
pub(super) fn unquoted(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once(", expected") else { return message.into() };
    let found = found.split_once(['"', '`']).map_or_else(|| found.into(), |(found, _)| format!("{found}…"));
    format!("{found}, expected{expected}")
}
