//! The second of two taps. A copied URL has only one tap, so a page that asks for two does not open for it.
//!
//! The second tap brings nothing that belongs to the first one, so the first tap is kept in a cookie of the visitor: a token for an audience
//! that nothing else accepts. It is valid once.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use suntap::platform::{TagRef, Verdict};
use suntap::token::{self, Claims, Grant, SecondTapError, UseError};
use suntap::{FreshProof, UnixMillis};

use super::{Decided, Told, cookie};
use crate::app::App;
use crate::http::token::SKEW;
use crate::registry::row::{NO_SECOND_TAP, Row};

/// With this prefix, a browser takes the cookie only from this host over a secure connection.
const NAME: &str = "__Host-suntap-first-tap";
/// The time between both taps, at most.
const WINDOW: Duration = Duration::from_secs(60);
/// The time between both taps, at least. A phone that stays at a tag often reads it twice.
const PAUSE: Duration = Duration::from_secs(1);

/// The answer to a tap.
pub(crate) struct Reply {
    pub(crate) told: Told,
    /// A change of the visitor's cookie.
    pub(crate) cookie: Option<HeaderValue>,
}

/// The answer to a tap, before a first tap is used.
pub(crate) struct Draft {
    pub(crate) reply: Reply,
    /// The first tap that the answer needs, and the answer if that was used before.
    first: Option<(Claims, Reply)>,
}

/// What a fresh tap is for a tag that asks for two.
enum Step {
    First {
        until: UnixMillis,
        cookie: Option<HeaderValue>,
    },
    /// The second tap after `first`. If that was used before, the tap is the first one of two itself.
    Second {
        first: Claims,
        until: UnixMillis,
        cookie: HeaderValue,
    },
}

impl Draft {
    /// Returns the answer to a tap. `tag` is the reference by which the tag was found, and `headers` are those of the request.
    pub(crate) fn new(
        tag: Option<TagRef<'_>>,
        decided: &Decided<'_>,
        at: Option<UnixMillis>,
        headers: &HeaderMap,
    ) -> Self {
        let first_tap = |until, cookie| Reply { told: Told::first_tap(decided, until), cookie };
        let told = || Told::new(tag, decided);
        let (reply, first) = match (&decided.verdict, decided.record.filter(|row| row.needs_two_taps())) {
            (Ok(Verdict::Fresh(accepted)), Some(row)) => {
                match at.and_then(|at| step(row, accepted.into(), at, headers)) {
                    Some(Step::First { until, cookie }) => (first_tap(until, cookie), None),
                    Some(Step::Second { first, until, cookie: anew }) => {
                        let cookie = cookie::write(NAME, "", Duration::ZERO);
                        (Reply { told: told(), cookie }, Some((first, first_tap(until, Some(anew)))))
                    }
                    None => {
                        tracing::error!(tag = row.tag().key(), reason = NO_SECOND_TAP, "a tap is not answered");
                        (Reply { told: Told::NotNow, cookie: None }, None)
                    }
                }
            }
            _ => (Reply { told: told(), cookie: None }, None),
        };
        Self { reply, first }
    }

    /// Uses the first tap, if the answer needs one. Of several second taps at once, one gets the verdict.
    pub(crate) async fn settle(self, app: &App, at: Option<UnixMillis>) -> Reply {
        let (Some((first, otherwise)), Some(now)) = (self.first, at) else { return self.reply };
        let mut counters = &app.store;
        match first.use_within_async(&mut counters, now, Duration::ZERO).await {
            Ok(_) => self.reply,
            Err(UseError::Store(error)) => {
                tracing::error!(%error, "the first of two taps could not be used");
                Reply { told: Told::NotNow, cookie: None }
            }
            Err(_) => otherwise,
        }
    }
}

/// Returns what a fresh tap is, or `None` without a token key.
fn step(row: &Row, tap: FreshProof, now: UnixMillis, headers: &HeaderMap) -> Option<Step> {
    let (key, audience) = (row.token_keys().first()?, audience_for(row.tag().organisation));
    let anew = || cookie::write(NAME, key.mint(tap, &Grant::new(&audience, now, WINDOW)).as_str(), WINDOW);
    let until = now.saturating_add(WINDOW);
    let first = cookie::read(headers, NAME)
        .and_then(|text| token::verify(&text, row.token_keys(), &audience, now, SKEW).ok())
        // The skew is for the clock of another server, and does not make the window longer.
        .filter(|first| now < first.expires_at());
    match first.map(|first| (first, first.check_second_tap(tap, now, PAUSE))) {
        Some((first, Ok(()))) => Some(Step::Second { first, until, cookie: anew()? }),
        // The visitor keeps the first tap.
        Some((first, Err(SecondTapError::TooSoon))) => Some(Step::First { until: first.expires_at(), cookie: None }),
        Some((_, Err(_))) | None => Some(Step::First { until, cookie: Some(anew()?) }),
    }
}

/// Returns the audience of a first tap. The audience of a redirect begins with a number, so no endpoint accepts this one.
fn audience_for(organisation: u64) -> String {
    format!("first tap {organisation}")
}
