//! `POST /v1/taps/verify-token`: verifies the token of a redirect, and uses it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use suntap::UnixMillis;
use suntap::token::{self, Claims, UseError, Used};

use super::JSON;
use super::page::Seal;
use super::sender::Sender;
use crate::app::{App, InUse};
use crate::jwt::{JwtKey, PublicKey};
use crate::ops::metrics::Api;
use crate::registry::document::{ApiKey, KeyKind, StoredKeys, Tag, key};
use crate::registry::{api_key, tag};
use crate::store::{Store, StoreError};
use crate::time;

/// How far the clocks of the servers of one store may differ.
pub(super) const SKEW: Duration = Duration::from_secs(5);

/// The body of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    token: String,
    audience: String,
    #[serde(default = "yes")]
    single_use: bool,
}

fn yes() -> bool {
    true
}

/// The body of an answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Reply {
    Valid(TapReply),
    Invalid { valid: bool, reason: Reason },
}

/// The tap of a valid token.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TapReply {
    valid: bool,
    tag: String,
    counter: u32,
    uid: Option<String>,
    issued_at: String,
    expires_at: String,
    tamper: Option<&'static str>,
}

/// Why a token is refused.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Reason {
    /// Nobody learns more about a token that is forged, is for another audience, or is of a tag of another organisation.
    Invalid,
    NotYetValid,
    Expired,
    Used,
    NewerTap,
}

impl Reason {
    /// Returns the reason as one word, for metrics and logs.
    fn word(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotYetValid => "not_yet_valid",
            Self::Expired => "expired",
            Self::Used => "used",
            Self::NewerTap => "newer_tap",
        }
    }
}

/// `POST /v1/taps/verify-token`
pub(super) async fn verify(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let started = Instant::now();
    let in_use = app.in_use();
    if in_use.secrets.token_keys.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    let key = match caller(&app.store, &in_use, &headers).await {
        Ok(Ok(key)) => key,
        Ok(Err(Unknown::Missing)) => return refused(StatusCode::UNAUTHORIZED, "unauthorized"),
        Ok(Err(Unknown::Invalid)) => {
            let is_allowed = app.note_invalid_key(Api::Token, &sender);
            let status = if is_allowed { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS };
            return refused(status, "unauthorized");
        }
        Err(error) => return failed(&sender, &error),
    };
    // Anybody can read the program of a client with another key.
    if key.kind != KeyKind::Private {
        return refused(StatusCode::FORBIDDEN, "private_key_needed");
    }
    let Ok(body) = serde_json::from_slice::<Body>(&body) else { return StatusCode::BAD_REQUEST.into_response() };
    let Some(now) = time::now() else { return refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    match decide(&app.store, &in_use, key.organisation, &body, now).await {
        Ok(reply) => answer(&app, &sender, key.organisation, started, &reply),
        Err(error) => {
            app.metrics.count(Api::Token, "counters_failed", started.elapsed());
            failed(&sender, &error)
        }
    }
}

/// `GET /v1/taps/token-key`: the public keys of the JSON Web Tokens, as a set (RFC 7517 §5).
pub(super) async fn public_keys(State(app): State<Arc<App>>) -> Response {
    #[derive(Serialize)]
    struct Set {
        keys: Vec<PublicKey>,
    }
    let keys: Vec<_> = app.in_use().secrets.jwt_keys.iter().map(JwtKey::public).collect();
    if keys.is_empty() {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(Set { keys }).into_response()
}

/// Why the caller is unknown.
enum Unknown {
    Missing,
    Invalid,
}

/// Returns the API key of a request.
async fn caller(store: &Store, in_use: &InUse, headers: &HeaderMap) -> Result<Result<ApiKey, Unknown>, StoreError> {
    let Some(text) = headers.get("API-Key") else { return Ok(Err(Unknown::Missing)) };
    for secret in &in_use.secrets.api_keys {
        if let Some(key) = api_key(store, &secret.key_name(text.as_bytes())).await? {
            return Ok(Ok(key));
        }
    }
    Ok(Err(Unknown::Invalid))
}

/// Verifies a token for a client of an organisation, and uses it.
async fn decide(
    store: &Store,
    in_use: &InUse,
    organisation: u64,
    body: &Body,
    now: UnixMillis,
) -> Result<Reply, StoreError> {
    let keys = &in_use.secrets.token_keys;
    // The times are checked when the tag is known, because only its owner may learn that a token was once valid.
    let audience = audience_for(organisation, &body.audience);
    let Ok(claims) = token::verify(&body.token, keys, &audience, now, Duration::MAX) else {
        return Ok(Reply::refused(Reason::Invalid));
    };
    let Some((name, tag)) = owned(store, organisation, &claims).await? else {
        return Ok(Reply::refused(Reason::Invalid));
    };
    if now >= claims.expires_at() {
        return Ok(Reply::refused(Reason::Expired));
    }
    if now.saturating_add(SKEW) < claims.issued_at() {
        return Ok(Reply::refused(Reason::NotYetValid));
    }
    if body.single_use {
        let mut counters = store;
        match claims.use_within_async(&mut counters, now, Duration::ZERO).await {
            Ok(Used::First) => {}
            Err(UseError::Store(error)) => return Err(error),
            Err(UseError::NewerTap { .. }) => return Ok(Reply::refused(Reason::NewerTap)),
            Ok(Used::Again { .. }) | Err(_) => return Ok(Reply::refused(Reason::Used)),
        }
    }
    Ok(Reply::valid(name, &tag, &claims))
}

/// Returns the audience of a token. The organisation is part of it, so a token of another organisation is not read further than a forged
/// one.
pub(super) fn audience_for(organisation: u64, audience: &str) -> String {
    format!("{organisation} {audience}")
}

/// Returns the tag of a token, with the key of its document. Returns `None` if it is not a tag of this organisation.
async fn owned(
    store: &Store,
    organisation: u64,
    claims: &Claims,
) -> Result<Option<(String, Box<Tag<StoredKeys>>)>, StoreError> {
    let found = tag(store, key::counter(&claims.counter_id())).await?;
    Ok(found.filter(|(_, tag)| tag.organisation == organisation))
}

impl Reply {
    fn refused(reason: Reason) -> Self {
        Self::Invalid { valid: false, reason }
    }

    fn valid(name: String, tag: &Tag<StoredKeys>, claims: &Claims) -> Self {
        Self::Valid(TapReply {
            valid: true,
            tag: name,
            counter: claims.ctr().get(),
            uid: tag.uid.map(|uid| uid.to_string()),
            issued_at: time::text(claims.issued_at()),
            expires_at: time::text(claims.expires_at()),
            tamper: Seal::new(claims.tamper()).word(),
        })
    }
}

fn answer(app: &App, sender: &Sender, organisation: u64, started: Instant, reply: &Reply) -> Response {
    let (tag, result) = match reply {
        Reply::Valid(valid) => (&*valid.tag, "valid"),
        Reply::Invalid { reason, .. } => ("", reason.word()),
    };
    app.metrics.count(Api::Token, result, started.elapsed());
    let (api, client) = (Api::Token.name(), sender.address.map(tracing::field::display));
    tracing::info!(api, result, tag, organisation, client, request = %sender.request, "a token was checked");
    match serde_json::to_string(reply) {
        Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn failed(sender: &Sender, error: &StoreError) -> Response {
    let (api, client) = (Api::Token.name(), sender.address.map(tracing::field::display));
    tracing::error!(api, client, request = %sender.request, %error, "a token could not be verified");
    refused(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
}

/// Returns an error answer with this name.
fn refused(status: StatusCode, error: &str) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], format!(r#"{{"error":"{error}"}}"#)).into_response()
}
