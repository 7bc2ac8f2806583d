//! API keys and tokens.

use axum::Json;
use axum::http::StatusCode;

use super::Session;
use super::error::ApiError;
use super::extract::{BodyOf, PathOf, QueryOf, end};
use super::model::{CreatedKey, Expiry, Key, NewKey, Page, Paging};
use crate::registry::document::ApiKey;

/// List API keys and tokens.
#[utoipa::path(get, path = "/admin/v1/keys", tag = "keys", params(Paging), responses((status = 200, body = Page<Key>)))]
pub(super) async fn list(session: Session, QueryOf(paging): QueryOf<Paging>) -> Result<Json<Page<Key>>, ApiError> {
    let page = session.admin().keys(paging.cursor.as_deref(), paging.limit).await?;
    Ok(Json(Page::new(page, |key, stored| Key::new(&key, stored))))
}

/// Create an API key or token. The answer is the only place that ever shows it.
#[utoipa::path(post, path = "/admin/v1/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = CreatedKey)))]
pub(super) async fn create(
    session: Session,
    BodyOf(new): BodyOf<NewKey>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let expires = end(new.expires.as_deref())?;
    let key = ApiKey { organisation: new.organisation, kind: new.kind.into(), label: new.label, secret: None, expires };
    Ok((StatusCode::CREATED, Json(CreatedKey::new(session.admin().new_key(&key).await?))))
}

/// Remove an API key or token. From then on, it is unknown.
#[utoipa::path(delete, path = "/admin/v1/keys/{id}", tag = "keys", params(("id", description = "From the list")),
    responses((status = 204)))]
pub(super) async fn revoke(session: Session, PathOf(id): PathOf<String>) -> Result<StatusCode, ApiError> {
    session.admin().revoke_key(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set or remove the end of an API key or token. After its end, it is answered like an unknown one.
#[utoipa::path(post, path = "/admin/v1/keys/{id}/expire", tag = "keys", request_body = Expiry,
    params(("id", description = "From the list")), responses((status = 200, body = Key)))]
pub(super) async fn expire(
    session: Session,
    PathOf(id): PathOf<String>,
    BodyOf(expiry): BodyOf<Expiry>,
) -> Result<Json<Key>, ApiError> {
    let key = session.admin().expire_key(&id, end(expiry.expires.as_deref())?).await?;
    Ok(Json(Key::new(&id, key)))
}
