//! Redirects a visitor who has just tapped, with a token for the page behind the tag.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use suntap::platform::Verdict;
use suntap::token::Grant;
use suntap::{FreshProof, UnixMillis};

use super::Decided;

/// Returns the address of the page behind the tag, with a token. Returns `None` if the tap is not fresh, or if its tag has no redirect.
pub(super) fn location(decided: &Decided<'_>, at: Option<UnixMillis>, lifetime: Duration) -> Option<HeaderValue> {
    let Ok(Verdict::Fresh(accepted)) = &decided.verdict else { return None };
    let row = decided.record?;
    if let Some(reason) = row.no_redirect() {
        tracing::warn!(tag = row.tag().key(), reason, "a tap is not redirected");
        return None;
    }
    let redirect = row.redirect()?;
    let proof = FreshProof::from(accepted);
    // Otherwise the token would not lead back to this tag.
    row.tag().keys.as_ref()?.counter.filter(|stored| *stored == proof.counter_id())?;
    let audience = redirect.audience().ok()?;
    let grant = Grant::new(&audience, at?, lifetime).with_tamper();
    let token = row.token_keys().first()?.mint(proof, &grant);
    HeaderValue::try_from(redirect.location(token.as_str())).ok()
}

/// Returns the response that sends a visitor to `location`.
pub(super) fn response(location: HeaderValue) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
