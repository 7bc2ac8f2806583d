//! The requests that a program would send.

use std::collections::HashMap;

use serde_json::Value;

use super::Demo;
use crate::ops::metrics::Api;

/// A tap as a client sends it to an API.
pub(super) enum Asked {
    Ixkio { query: String },
    Etrnl { body: String },
}

impl Asked {
    /// Creates the request with the URL that a tag wrote. Returns `None` if no tag of the demo writes such a URL.
    pub(super) fn new(demo: &Demo, api: Api, url: &str) -> Option<Self> {
        let query = url.strip_prefix(&*demo.origin)?.strip_prefix("/tap?")?;
        // The text is pasted into a shell.
        if !query.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'&' | b'-' | b'_')) {
            return None;
        }
        if api == Api::Ixkio {
            return Some(Self::Ixkio { query: query.into() });
        }
        let values: HashMap<_, _> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let mut body = serde_json::Map::new();
        for (name, of_url) in [("tagId", "id"), ("enc", "e"), ("cmac", "c"), ("tt", "t"), ("eCode", "k")] {
            let value = values.get(of_url).map(|text| match text.parse::<u64>() {
                Ok(number) if name == "tagId" => Value::from(number),
                _ => Value::from(*text),
            });
            body.extend(value.map(|value| (name.to_owned(), value)));
        }
        Some(Self::Etrnl { body: Value::from(body).to_string() })
    }

    pub(super) fn curl(&self, demo: &Demo) -> String {
        let (origin, key) = (&demo.origin, &demo.api_key);
        match self {
            Self::Ixkio { query } => format!("curl '{origin}/v1/t?{query}'"),
            Self::Etrnl { body } => format!(
                "curl -H 'API-Key: {key}' -H 'Content-Type: application/json' -d '{body}' '{origin}/v1/tags/verify-authenticity'"
            ),
        }
    }
}
