//! Who administers a store, for the history and the log.

use suntap::UnixMillis;

use crate::ops::history::Line;
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
        Line::Admin { act, subject, by: &self.by, client, request }.entry(at)
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
        let text = |actor: &Actor| actor.entry("tag.disable", "xuid/q8w3sbcz").text;
        let event = r#"{"event":"admin","act":"tag.disable","subject":"xuid/q8w3sbcz","by":"command line"}"#;
        assert_eq!(text(&Actor::command_line()), event);
        let actor =
            Actor { by: "Ann".into(), client: Some("192.0.2.1".into()), request: Some("0123456789abcdef".into()) };
        let event = concat!(
            r#"{"event":"admin","act":"tag.disable","subject":"xuid/q8w3sbcz","by":"Ann","#,
            r#""client":"192.0.2.1","request":"0123456789abcdef"}"#
        );
        assert_eq!(text(&actor), event);
    }
}
