//! Management keys.

use axum::Json;
use axum::http::StatusCode;

use super::Session;
use super::error::ApiError;
use super::extract::{BodyOf, PathOf, QueryOf, end};
use super::model::{CreatedKey, Manager, NewManager, Page, Paging};
use crate::admin;

/// List management keys.
#[utoipa::path(get, path = "/admin/v1/managers", tag = "managers", params(Paging),
    responses((status = 200, body = Page<Manager>)))]
pub(super) async fn list(session: Session, QueryOf(paging): QueryOf<Paging>) -> Result<Json<Page<Manager>>, ApiError> {
    let page = session.admin().managers(paging.cursor.as_deref(), paging.limit).await?;
    Ok(Json(Page::new(page, |key, stored| Manager::new(&key, stored))))
}

/// Create a management key. The answer is the only place that ever shows it.
#[utoipa::path(post, path = "/admin/v1/managers", tag = "managers", request_body = NewManager,
    responses((status = 201, body = CreatedKey)))]
pub(super) async fn create(
    session: Session,
    BodyOf(new): BodyOf<NewManager>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    let expires = end(new.expires.as_deref())?;
    let NewManager { label, role, organisation, .. } = new;
    let new = admin::NewManager { label, role: role.into(), organisation, expires };
    Ok((StatusCode::CREATED, Json(CreatedKey::new(session.admin().new_manager(&new).await?))))
}

/// Remove a management key. The last one that can write and does not expire stays.
#[utoipa::path(delete, path = "/admin/v1/managers/{id}", tag = "managers", params(("id", description = "From the list")),
    responses((status = 204)))]
pub(super) async fn revoke(session: Session, PathOf(id): PathOf<String>) -> Result<StatusCode, ApiError> {
    // Somebody who can open the store itself can create another one.
    session.admin().revoke_manager(&id, !session.is_local()).await?;
    Ok(StatusCode::NO_CONTENT)
}
