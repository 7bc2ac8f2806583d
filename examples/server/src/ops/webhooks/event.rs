//! Entries of the history as events.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use suntap::UnixMillis;

use super::endpoint::Endpoint;
use crate::store::{Entry, Position, Stream};
use crate::time;

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    /// A tap was accepted.
    #[serde(rename = "tap.accepted")]
    Accepted,
    /// A genuine tap was refused, because it was accepted before. Once per tag and minute.
    #[serde(rename = "tap.replayed")]
    Replayed,
    /// A number of refusals within a minute. Once per tag, verdict and minute.
    #[serde(rename = "tap.refused")]
    Refused,
    /// An accepted tap says that the seal of the tag is open, or was opened before.
    #[serde(rename = "seal.opened")]
    SealOpened,
    /// An accepted tap has a signal: many counters were skipped, or the counter is near its limit.
    #[serde(rename = "tap.signal")]
    Signal,
    /// A message by which an operator tests an endpoint.
    #[serde(rename = "webhook.test", skip_deserializing)]
    Test,
}

impl Kind {
    /// The types that an endpoint can ask for.
    pub(super) const ALL: [Self; 5] = [Self::Accepted, Self::Replayed, Self::Refused, Self::SealOpened, Self::Signal];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Accepted => "tap.accepted",
            Self::Replayed => "tap.replayed",
            Self::Refused => "tap.refused",
            Self::SealOpened => "seal.opened",
            Self::Signal => "tap.signal",
            Self::Test => "webhook.test",
        }
    }

    /// Returns the streams of the history with events of this type.
    pub(super) fn streams(self) -> &'static [Stream] {
        match self {
            Self::Accepted | Self::SealOpened | Self::Signal => &[Stream::Records],
            Self::Replayed => &[Stream::Replays],
            Self::Refused => &[Stream::Replays, Stream::Refusals],
            Self::Test => &[],
        }
    }
}

/// The part of a line that decides on its type.
#[derive(Deserialize)]
struct Head<'t> {
    #[serde(borrow)]
    event: Cow<'t, str>,
    #[serde(borrow)]
    verdict: Option<Cow<'t, str>>,
}

/// Returns the type of an entry, or `None` if it is not an event.
pub(super) fn kind(entry: &str) -> Option<Kind> {
    let Head { event, verdict } = serde_json::from_str(entry).ok()?;
    match (&*event, verdict.as_deref()) {
        ("tap", Some("fresh")) => Some(Kind::Accepted),
        ("tap", Some(_)) => Some(Kind::Replayed),
        ("refused", _) => Some(Kind::Refused),
        ("seal", _) => Some(Kind::SealOpened),
        ("signal", _) => Some(Kind::Signal),
        _ => None,
    }
}

/// What is posted.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) at: UnixMillis,
    pub(super) body: String,
}

/// The shape that the specification recommends.
#[derive(Serialize)]
struct Body {
    r#type: Kind,
    timestamp: String,
    data: Map<String, Value>,
}

impl Message {
    fn new(id: String, kind: Kind, at: UnixMillis, data: Map<String, Value>) -> Self {
        let body = Body { r#type: kind, timestamp: time::text(at), data };
        // It has only texts and numbers, so this cannot fail.
        Self { id, at, body: serde_json::to_string(&body).unwrap_or_default() }
    }

    /// Returns the event of an entry, or `None` if the endpoint does not ask for it.
    pub(super) fn from_entry(endpoint: &Endpoint, stream: Stream, position: Position, entry: &Entry) -> Option<Self> {
        let kind = kind(&entry.text).filter(|_| endpoint.wants(&entry.text))?;
        let mut data: Map<String, Value> = serde_json::from_str(&entry.text).ok()?;
        data.remove("event");
        if !endpoint.has_client {
            data.remove("client");
        }
        Some(Self::new(id(stream, position, &entry.text), kind, entry.at, data))
    }

    /// Returns a message that has no entry.
    pub(super) fn test(id: &str, at: UnixMillis) -> Self {
        Self::new(format!("msg_{id}"), Kind::Test, at, Map::new())
    }
}

/// Returns the id of an entry, which is always the same. The position makes it unique in a store; the text does across stores.
fn id(stream: Stream, Position(time, number): Position, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update("suntap event v1");
    hash.update(stream.table());
    hash.update(time.to_be_bytes());
    hash.update(number.to_be_bytes());
    hash.update(text);
    let digest: [u8; 32] = hash.finalize().into();
    format!("msg_{}", base16ct::lower::encode_string(digest.first_chunk::<16>().unwrap_or(&[0; 16])))
}
