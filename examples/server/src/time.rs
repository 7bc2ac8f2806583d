//! Times as text: ISO 8601 in UTC, with milliseconds.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use suntap::UnixMillis;

/// Returns the time of the clock, or `None` if the clock is before 1970.
pub(crate) fn now() -> Option<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis::new)
}

/// Returns a time as text. A time after the year 262,142 is shown as 1970.
pub(crate) fn text(at: UnixMillis) -> String {
    let time = i64::try_from(at.get()).ok().and_then(DateTime::from_timestamp_millis);
    time.unwrap_or_default().to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Parses a time with any offset from UTC.
pub(crate) fn parse(text: &str) -> Option<UnixMillis> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    u64::try_from(time.timestamp_millis()).ok().map(UnixMillis::new)
}
