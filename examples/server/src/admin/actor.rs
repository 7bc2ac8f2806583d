//! Who administers a store, for the history and the log.

use suntap::UnixMillis;

use crate::ops::history::Line;
use crate::store::Entry;
use crate::time;

/// What somebody does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Act<'a> {
    /// Its name, such as `tag.disable`.
    pub(super) name: &'static str,
    /// The document key of what it changes.
    pub(super) subject: &'a str,
    /// What else the history should say, or an empty text.
    pub(super) detail: &'a str,
}

impl<'a> Act<'a> {
    pub(super) fn new(name: &'static str, subject: &'a str) -> Self {
        Self { name, subject, detail: "" }
    }

    pub(super) fn with(self, detail: &'a str) -> Self {
        Self { detail, ..self }
    }
}

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
    pub(super) fn entry(&self, act: Act<'_>) -> Entry {
        let at = time::now().unwrap_or(UnixMillis::new(0));
        let (client, request) = (self.client.as_deref(), self.request.as_deref());
        let Act { name, subject, detail } = act;
        Line::Admin { act: name, subject, detail, by: &self.by, client, request }.entry(at)
    }

    pub(super) fn log(&self, act: Act<'_>) {
        let (Self { by, client, request }, Act { name, subject, detail }) = (self, act);
        let detail = Some(detail).filter(|detail| !detail.is_empty());
        tracing::info!(act = name, subject, detail, by, client, request, "administration");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_says_who_did_what() {
        let text = |actor: &Actor| actor.entry(Act::new("tag.disable", "xuid/q8w3sbcz")).text;
        let event = r#"{"event":"admin","act":"tag.disable","subject":"xuid/q8w3sbcz","by":"command line"}"#;
        assert_eq!(text(&Actor::command_line()), event);
        let actor =
            Actor { by: "Ann".into(), client: Some("192.0.2.1".into()), request: Some("0123456789abcdef".into()) };
        let event = concat!(
            r#"{"event":"admin","act":"tag.disable","subject":"xuid/q8w3sbcz","by":"Ann","#,
            r#""client":"192.0.2.1","request":"0123456789abcdef"}"#
        );
        assert_eq!(text(&actor), event);
        let raise = Act::new("counter.raise", "xuid/q8w3sbcz").with("to 500");
        let event = r#"{"event":"admin","act":"counter.raise","subject":"xuid/q8w3sbcz","detail":"to 500","by":"command line"}"#;
        assert_eq!(Actor::command_line().entry(raise).text, event);
    }
}
