//! Who administers a store, for the history and the log.

use serde::Serialize;
use suntap::UnixMillis;

use crate::store::Entry;
use crate::time;

/// Who does something.
#[derive(Clone, Debug, Default)]
pub struct Actor {
    /// The label of the management key, or `command line`.
    pub by: String,
    /// The address of the client, or `unix` for a client of a Unix socket.
    pub client: Option<String>,
    /// The id of the request.
    pub request: Option<String>,
}

/// A line of the history.
#[derive(Serialize)]
struct Line<'a> {
    at: String,
    event: &'static str,
    act: &'a str,
    subject: &'a str,
    by: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a str>,
}

impl Actor {
    /// Returns the actor of a command that opens the store itself.
    #[must_use]
    pub fn command_line() -> Self {
        Self { by: "command line".into(), ..Self::default() }
    }

    /// Returns the entry of the history for an act.
    pub(super) fn entry(&self, act: &str, subject: &str) -> Entry {
        let at = time::now().unwrap_or(UnixMillis::new(0));
        let (client, request) = (self.client.as_deref(), self.request.as_deref());
        let line = Line { at: time::text(at), event: "admin", act, subject, by: &self.by, client, request };
        // Texts and numbers can always be written as JSON.
        Entry { at, text: serde_json::to_string(&line).unwrap_or_default() }
    }

    pub(super) fn log(&self, act: &str, subject: &str) {
        let Self { by, client, request } = self;
        tracing::info!(act, subject, by, client, request, "administration");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_did_what() {
        let text = |actor: &Actor| {
            let entry = actor.entry("tag.disable", "xuid/q8w3sbcz");
            assert!(!entry.text.contains('\n'));
            let mut line: serde_json::Value = serde_json::from_str(&entry.text).unwrap();
            assert_eq!(line["at"], time::text(entry.at));
            line.as_object_mut().unwrap().remove("at");
            line.to_string()
        };
        let event = r#"{"act":"tag.disable","by":"command line","event":"admin","subject":"xuid/q8w3sbcz"}"#;
        assert_eq!(text(&Actor::command_line()), event);
        let actor =
            Actor { by: "Ann".into(), client: Some("192.0.2.1".into()), request: Some("0123456789abcdef".into()) };
        let event = concat!(
            r#"{"act":"tag.disable","by":"Ann","client":"192.0.2.1","event":"admin","#,
            r#""request":"0123456789abcdef","subject":"xuid/q8w3sbcz"}"#
        );
        assert_eq!(text(&actor), event);
    }
}
