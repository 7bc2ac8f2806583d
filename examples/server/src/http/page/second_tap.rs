//! The second of two taps. A copied URL has only one tap, so a page that asks for two does not open for it.
//!
//! The second tap brings nothing that belongs to the first one, so the first tap is kept in a cookie of the visitor: a token for an audience
//! that nothing else accepts.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use suntap::platform::Verdict;
use suntap::token::{self, Grant, SecondTapError};
use suntap::{FreshProof, UnixMillis};

use super::{Decided, cookie};
use crate::http::token::SKEW;
use crate::registry::row::{NO_SECOND_TAP, Row};

/// With this prefix, a browser takes the cookie only from this host over a secure connection.
const NAME: &str = "__Host-suntap-first-tap";
/// The time between both taps, at most.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// The time between both taps, at least. A phone that stays at a tag often reads it twice.
const PAUSE: Duration = Duration::from_secs(1);

/// What a fresh tap is for a tag that asks for two.
pub(crate) enum Step {
    /// The first tap. The second one must follow before `until`.
    First { until: UnixMillis, cookie: Option<HeaderValue> },
    /// The second tap. The cookie of the first one is deleted.
    Second { cookie: HeaderValue },
    /// It cannot be decided.
    Unknown,
}

/// Returns what the tap is, or `None` if it is not fresh or if its tag does not ask for two taps. `headers` are those of the request.
pub(crate) fn step(decided: &Decided<'_>, at: Option<UnixMillis>, headers: &HeaderMap) -> Option<Step> {
    let Ok(Verdict::Fresh(accepted)) = &decided.verdict else { return None };
    let row = decided.record.filter(|row| row.needs_two_taps())?;
    let step = at.and_then(|at| taken(row, accepted.into(), at, headers));
    if step.is_none() {
        tracing::error!(tag = row.tag().key(), reason = NO_SECOND_TAP, "a tap is not answered");
    }
    Some(step.unwrap_or(Step::Unknown))
}

/// Returns `None` without a token key.
fn taken(row: &Row, tap: FreshProof, now: UnixMillis, headers: &HeaderMap) -> Option<Step> {
    let audience = audience_for(row.tag().organisation);
    let first =
        cookie::read(headers, NAME).and_then(|text| token::verify(&text, row.token_keys(), &audience, now, SKEW).ok());
    match first.map(|first| (first, first.check_second_tap(tap, now, PAUSE))) {
        Some((_, Ok(()))) => Some(Step::Second { cookie: cookie::write(NAME, "", Duration::ZERO)? }),
        // The visitor keeps the first tap.
        Some((first, Err(SecondTapError::TooSoon))) => Some(Step::First { until: first.expires_at(), cookie: None }),
        Some((_, Err(_))) | None => {
            let first = row.token_keys().first()?.mint(tap, &Grant::new(&audience, now, WINDOW));
            Some(Step::First {
                until: now.saturating_add(WINDOW),
                cookie: Some(cookie::write(NAME, first.as_str(), WINDOW)?),
            })
        }
    }
}

/// Returns the audience of a first tap. The audience of a redirect begins with a number, so no endpoint accepts this one.
fn audience_for(organisation: u64) -> String {
    format!("first tap {organisation}")
}
