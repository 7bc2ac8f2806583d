//! Redirects a visitor who has just tapped, with a token for the page that the tag opens.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use suntap::platform::Verdict;
use suntap::token::Grant;
use suntap::{FreshProof, UnixMillis};

use super::Decided;
use crate::http::token::audience_for;
use crate::registry::redirect::Redirect;
use crate::registry::row::Row;

/// Returns the address of the page that the tag opens, with a token. Returns `None` if the tap is not fresh, or if its tag has no redirect.
pub(super) fn location(decided: &Decided<'_>, at: Option<UnixMillis>, lifetime: Duration) -> Option<HeaderValue> {
    let Ok(Verdict::Fresh(accepted)) = &decided.verdict else { return None };
    let row = decided.record?;
    let redirect = row.redirect()?;
    let reason = match row.no_redirect() {
        Some(reason) => reason,
        None => match with_token(row, redirect, accepted.into(), at?, lifetime) {
            Some(location) => return Some(location),
            None => "the stored counter id is not that of the tap: import the tag again",
        },
    };
    tracing::warn!(tag = row.tag().key(), reason, "a tap is not redirected");
    None
}

fn with_token(
    row: &Row,
    redirect: &Redirect,
    tap: FreshProof,
    at: UnixMillis,
    lifetime: Duration,
) -> Option<HeaderValue> {
    // A token with another counter id would not lead back to this tag.
    row.tag().keys.as_ref()?.counter.filter(|stored| *stored == tap.counter_id())?;
    let audience = audience_for(row.tag().organisation, &redirect.audience().ok()?);
    let token = row.token_keys().first()?.mint(tap, &Grant::new(&audience, at, lifetime).with_tamper());
    HeaderValue::try_from(redirect.location(token.as_str())).ok()
}

/// Returns the response that sends a visitor to `location`.
pub(super) fn response(location: HeaderValue) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
