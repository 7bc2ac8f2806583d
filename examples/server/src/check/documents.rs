//! Checks that documents are those of this program.

use serde::de::DeserializeOwned;

use crate::registry::document::{ApiKey, Entry, Level, Manager, Organisation};
use crate::registry::index::Indexed;
use crate::secrets::canary::{self, Canaries};

/// Returns `true` if this program can read a document, as far as it knows documents with such a key.
pub(super) fn is_valid(key: &str, text: &str) -> bool {
    match key.split_once('/') {
        None if key == canary::KEY => parses::<Canaries>(text),
        Some(("organisation", _)) => parses::<Organisation>(text),
        Some(("account", _)) => parses::<u64>(text),
        Some(("level", _)) => parses::<Level>(text),
        Some(("xuid" | "number", _)) => matches!(serde_json::from_str(text), Ok(Entry::Tag(_))),
        Some(("cuid" | "uid" | "counter", _)) => matches!(serde_json::from_str(text), Ok(Entry::See(_))),
        Some(("shape", _)) => parses::<Vec<Indexed>>(text),
        Some(("claimed", _)) => parses::<Vec<String>>(text),
        Some(("key", _)) => parses::<ApiKey>(text),
        Some(("manager", _)) => parses::<Manager>(text),
        _ => parses::<serde::de::IgnoredAny>(text),
    }
}

fn parses<T: DeserializeOwned>(text: &str) -> bool {
    serde_json::from_str::<T>(text).is_ok()
}
