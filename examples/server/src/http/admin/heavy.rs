//! Requests that may take minutes: one import, backup or reseal at a time, and one check beside it.

use std::sync::Arc;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::extract::{Lines, QueryOf};
use super::model::{Checked, ImportQuery, Imported};
use super::{AdminState, Session};
use crate::check;
use crate::import::{Allowed, Input};
use crate::registry::index::MAX_META_KEYS;
use crate::store::Pace;

/// Import lines: all of them, or none. Each line is a JSON object, as for the command `import`.
#[utoipa::path(post, path = "/admin/v1/import", tag = "import", params(ImportQuery),
    request_body(content = String, content_type = "application/x-ndjson", description = "At most 64 MiB"),
    responses((status = 200, body = Imported), (status = 422, body = super::model::ErrorBody,
        description = "`invalid_lines`: nothing was imported, and `lines` has the first invalid lines")))]
pub(super) async fn import(
    session: Session,
    _turn: WriteTurn,
    QueryOf(query): QueryOf<ImportQuery>,
    Lines(text): Lines,
) -> Result<Json<Imported>, ApiError> {
    let allowed = Allowed {
        meta_keys: query.max_meta_keys.unwrap_or(MAX_META_KEYS).clamp(1, 10_000),
        short_keys: query.allow_short_keys,
        no_rules: query.allow_no_rules,
        factory_keys: query.allow_factory_keys,
        replace: query.replace,
        roots: query.certificate_roots.unwrap_or_default(),
    };
    let mut input = Input::text(&text);
    Ok(Json(session.admin().import(&mut input, allowed, Pace::BesideTaps, |_| ()).await?.into()))
}

/// List the tags that cannot be verified, and the tag groups without rules.
#[utoipa::path(get, path = "/admin/v1/check", tag = "check", responses((status = 200, body = Checked)))]
pub(super) async fn check(session: Session, _turn: CheckTurn) -> Result<Json<Checked>, ApiError> {
    let findings = check::check(&session.state.app.store, &session.secrets).await?;
    Ok(Json(Checked { findings: findings.into_iter().map(Into::into).collect() }))
}

/// Held during an import, a backup or a reseal.
pub(super) type WriteTurn = Turn<false>;
/// Held during a check. A client that can only read must not delay those that can write.
pub(super) type CheckTurn = Turn<true>;

/// Held during the request. It is taken before the body is read.
pub(super) struct Turn<const CHECK: bool>(
    #[allow(dead_code, reason = "dropping it lets the next request start")] OwnedSemaphorePermit,
);

impl<const CHECK: bool> FromRequestParts<Arc<AdminState>> for Turn<CHECK> {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, state: &Arc<AdminState>) -> Result<Self, ApiError> {
        let (turns, message) = if CHECK {
            (&state.checks, "a check is in progress: try again later")
        } else {
            (&state.heavy, "an import, a backup or a reseal is in progress: try again later")
        };
        let turn = Arc::clone(turns).try_acquire_owned();
        turn.map(Self).map_err(|_| ApiError::Http(StatusCode::CONFLICT, "busy", message.into()))
    }
}
