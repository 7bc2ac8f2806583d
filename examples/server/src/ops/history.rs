//! The history of a server: accepted taps, replays, counts of other refusals, and administrative acts, as lines of JSON.
//!
//! An accepted tap has an entry of its own, in the commit of its counter if the store can do that. Everything else can be caused by
//! anybody, so its number of entries is bounded: a replay has an entry once per tag and minute, and all other refusals are only
//! counted. These and administrative acts have limits of their own in the store, and never remove an entry of an accepted tap.
//!
//! No line has a key, a token, a MAC, an eCode, a query string or a whole claimed UID.

mod counts;
mod export;
mod keeper;
mod recent;

use std::net::IpAddr;

use serde::Serialize;
use suntap::{CounterId, UnixMillis};

pub use self::export::{Event, Filter, lines, parse_time};
pub(crate) use self::keeper::History;
pub(crate) use self::recent::{Past, Recent, Span};
use crate::store::Entry;
use crate::time;

/// What a line says, besides the time.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Line<'a> {
    /// A tap with a valid MAC.
    Tap {
        /// The verdict as one word, as in the metrics.
        verdict: &'a str,
        /// What a replay says about its tag: see [`suntap::risk::Signal::name`].
        #[serde(skip_serializing_if = "Option::is_none")]
        signal: Option<&'a str>,
        /// The document key of the tag.
        tag: &'a str,
        /// The counter id in hexadecimal digits, or `None` if the tap has no counter.
        #[serde(skip_serializing_if = "Option::is_none")]
        counter_id: Option<String>,
        /// The counter in the tap.
        #[serde(skip_serializing_if = "Option::is_none")]
        ctr: Option<u32>,
        /// The API: `ixkio`, `etrnl` or `page`.
        api: &'a str,
        /// The address of the client, or `None` if it is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        /// The id of the request.
        request: String,
    },
    /// An accepted tap says that the seal of its tag is open, or was opened before. The tap has a line of its own.
    Seal {
        /// `open`, or `opened_before` if the seal is closed again.
        seal: &'a str,
        /// The document key of the tag.
        tag: &'a str,
        /// The counter in the tap.
        ctr: u32,
        /// The API: `ixkio`, `etrnl` or `page`.
        api: &'a str,
        /// The address of the client, or `None` if it is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        /// The id of the request.
        request: String,
    },
    /// Something about an accepted tap that an operator may want to look at. The tap has a line of its own.
    Signal {
        /// `gap`, or `near_limit`: see [`suntap::risk::Signal::name`].
        signal: &'a str,
        /// The number of counters that a gap skips.
        #[serde(skip_serializing_if = "Option::is_none")]
        skipped: Option<u32>,
        /// The number of taps that are left before the limit.
        #[serde(skip_serializing_if = "Option::is_none")]
        left: Option<u32>,
        /// The document key of the tag.
        tag: &'a str,
        /// The counter in the tap.
        ctr: u32,
        /// The API: `ixkio`, `etrnl` or `page`.
        api: &'a str,
        /// The address of the client, or `None` if it is unknown.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<IpAddr>,
        /// The id of the request.
        request: String,
    },
    /// A number of refusals within a minute.
    Refused {
        /// The verdict as one word, as in the metrics.
        verdict: &'a str,
        /// The document key of the tag, `*` for tags beyond the limit of a minute, or `None` if no known tag was named.
        #[serde(skip_serializing_if = "Option::is_none")]
        tag: Option<&'a str>,
        /// How many.
        count: u64,
    },
    /// What an administrator did.
    Admin {
        /// What was done, such as `tag.disable`.
        act: &'a str,
        /// The document key of what was changed.
        subject: &'a str,
        /// What else there is to say, such as the new counter.
        #[serde(skip_serializing_if = "str::is_empty")]
        detail: &'a str,
        /// Who did it.
        by: &'a str,
        /// The address of the client, `unix` for a client of a Unix socket, or `None` for a command.
        #[serde(skip_serializing_if = "Option::is_none")]
        client: Option<&'a str>,
        /// The id of the request, or `None` if there is none.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<&'a str>,
    },
}

impl Line<'_> {
    /// Returns the entry that a store keeps.
    #[must_use]
    pub fn entry(&self, at: UnixMillis) -> Entry {
        // A line has only texts and numbers, so this cannot fail.
        Entry { at, text: serde_json::to_string(self).unwrap_or_default() }
    }
}

/// Returns an entry as a line of the export, without a line break.
#[must_use]
pub fn line(entry: &Entry) -> String {
    format!(r#"{{"at":"{}",{}"#, time::text(entry.at), entry.text.strip_prefix('{').unwrap_or("}"))
}

/// Returns the text of a counter id in a line.
#[must_use]
pub(crate) fn counter_text(id: &CounterId) -> String {
    crate::hex::encode(id.as_bytes())
}
