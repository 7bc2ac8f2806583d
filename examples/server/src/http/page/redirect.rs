//! Redirects a visitor who has just tapped, with a token for the page that the tag opens.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use suntap::platform::Verdict;
use suntap::token::Grant;
use suntap::{FreshProof, UnixMillis};

use super::{Decided, Seal};
use crate::http::token::audience_for;
use crate::registry::document::key;
use crate::registry::redirect::{Kind, Redirect};
use crate::registry::row::Row;

/// The claims of a JSON Web Token (RFC 7519 §4.1). Like the other token, it does not have the UID, because it is in the address of the page.
#[derive(Serialize)]
struct Claims<'a> {
    /// The document of the organisation. Without it, a tag of another organisation could lead to the same page.
    iss: String,
    aud: &'a str,
    /// The document of the tag.
    sub: String,
    /// In seconds since 1970.
    iat: u64,
    exp: u64,
    /// The counter of the tap. A token of a newer tap of the tag has a higher one.
    ctr: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tamper: Option<&'static str>,
}

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
    let audience = redirect.audience().ok()?;
    let location = match redirect.kind() {
        Kind::Token => {
            // A token with another counter id would not lead back to this tag.
            row.tag().keys.as_ref()?.counter.filter(|stored| *stored == tap.counter_id())?;
            let audience = audience_for(row.tag().organisation, &audience);
            let grant = Grant::new(&audience, at, lifetime).with_tamper();
            redirect.location(row.token_keys().first()?.mint(tap, &grant).as_str())
        }
        Kind::Jwt => {
            let seconds = |at: UnixMillis| at.get() / 1000;
            let claims = Claims {
                iss: key::organisation(row.tag().organisation),
                aud: &audience,
                sub: row.tag().key(),
                iat: seconds(at),
                exp: seconds(at.saturating_add(lifetime)),
                ctr: tap.ctr().get(),
                tamper: Seal::new(tap.tamper()).word(),
            };
            redirect.location(&row.jwt_key()?.sign(&claims)?)
        }
    };
    HeaderValue::try_from(location).ok()
}

/// Returns the response that sends a visitor to `location`.
pub(super) fn response(location: HeaderValue) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}
