//! Organisations, folders, tag groups and batches.

use axum::Json;
use axum::http::StatusCode;

use super::Session;
use super::error::ApiError;
use super::extract::{PathOf, QueryOf};
use super::model::{Level, LevelQuery, Organisation, Page, Paging};
use crate::admin::Place;
use crate::registry::document::State;

/// List organisations.
#[utoipa::path(get, path = "/admin/v1/organisations", tag = "organisations", params(Paging),
    responses((status = 200, body = Page<Organisation>)))]
pub(super) async fn organisations(
    session: Session,
    QueryOf(paging): QueryOf<Paging>,
) -> Result<Json<Page<Organisation>>, ApiError> {
    let page = session.admin().organisations(paging.cursor.as_deref(), paging.limit).await?;
    Ok(Json(Page::new(page, |_, stored| stored.into())))
}

/// Show an organisation.
#[utoipa::path(get, path = "/admin/v1/organisations/{id}", tag = "organisations",
    params(("id" = u64, description = "Its number")), responses((status = 200, body = Organisation)))]
pub(super) async fn organisation(session: Session, PathOf(id): PathOf<u64>) -> Result<Json<Organisation>, ApiError> {
    Ok(Json(session.admin().organisation(id).await?.into()))
}

/// Remove an organisation without levels, tags, keys and tokens.
#[utoipa::path(delete, path = "/admin/v1/organisations/{id}", tag = "organisations",
    params(("id" = u64, description = "Its number")), responses((status = 204)))]
pub(super) async fn delete_organisation(session: Session, PathOf(id): PathOf<u64>) -> Result<StatusCode, ApiError> {
    session.admin().delete_level(&Place::Organisation(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take an organisation out of use with all of its tags.
#[utoipa::path(post, path = "/admin/v1/organisations/{id}/disable", tag = "organisations",
    params(("id" = u64, description = "Its number")), responses((status = 204)))]
pub(super) async fn disable_organisation(session: Session, PathOf(id): PathOf<u64>) -> Result<StatusCode, ApiError> {
    set(&session, &Place::Organisation(id), State::Inactive).await
}

/// Take an organisation into use again.
#[utoipa::path(post, path = "/admin/v1/organisations/{id}/enable", tag = "organisations",
    params(("id" = u64, description = "Its number")), responses((status = 204)))]
pub(super) async fn enable_organisation(session: Session, PathOf(id): PathOf<u64>) -> Result<StatusCode, ApiError> {
    set(&session, &Place::Organisation(id), State::Active).await
}

/// List folders, tag groups and batches.
#[utoipa::path(get, path = "/admin/v1/levels", tag = "levels", params(LevelQuery),
    responses((status = 200, body = Page<Level>)))]
pub(super) async fn list(session: Session, QueryOf(query): QueryOf<LevelQuery>) -> Result<Json<Page<Level>>, ApiError> {
    let LevelQuery { organisation, prefix, kind, cursor, limit } = query;
    let kind = kind.map(Into::into);
    let page = session.admin().levels(organisation, &prefix, kind, cursor.as_deref(), limit).await?;
    Ok(Json(Page::new(page, |_, stored| stored.into())))
}

/// Show a folder, tag group or batch.
#[utoipa::path(get, path = "/admin/v1/levels/{organisation}/{path}", tag = "levels",
    params(("organisation" = u64, description = "The number of its organisation"),
        ("path", description = "Its path, with `%2F` for each slash")),
    responses((status = 200, body = Level)))]
pub(super) async fn show(session: Session, PathOf((id, path)): PathOf<Path>) -> Result<Json<Level>, ApiError> {
    Ok(Json(session.admin().level(id, &path).await?.into()))
}

/// Remove a folder, tag group or batch without tags and levels.
#[utoipa::path(delete, path = "/admin/v1/levels/{organisation}/{path}", tag = "levels",
    params(("organisation" = u64, description = "The number of its organisation"),
        ("path", description = "Its path, with `%2F` for each slash")),
    responses((status = 204)))]
pub(super) async fn delete(session: Session, PathOf((id, path)): PathOf<Path>) -> Result<StatusCode, ApiError> {
    session.admin().delete_level(&Place::Level(id, path)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a folder, tag group or batch out of use with all of its tags.
#[utoipa::path(post, path = "/admin/v1/levels/{organisation}/{path}/disable", tag = "levels",
    params(("organisation" = u64, description = "The number of its organisation"),
        ("path", description = "Its path, with `%2F` for each slash")),
    responses((status = 204)))]
pub(super) async fn disable(session: Session, PathOf((id, path)): PathOf<Path>) -> Result<StatusCode, ApiError> {
    set(&session, &Place::Level(id, path), State::Inactive).await
}

/// Take a folder, tag group or batch into use again.
#[utoipa::path(post, path = "/admin/v1/levels/{organisation}/{path}/enable", tag = "levels",
    params(("organisation" = u64, description = "The number of its organisation"),
        ("path", description = "Its path, with `%2F` for each slash")),
    responses((status = 204)))]
pub(super) async fn enable(session: Session, PathOf((id, path)): PathOf<Path>) -> Result<StatusCode, ApiError> {
    set(&session, &Place::Level(id, path), State::Active).await
}

/// The number of an organisation, and the path of a level.
type Path = (u64, String);

async fn set(session: &Session, place: &Place, state: State) -> Result<StatusCode, ApiError> {
    session.admin().set_state(place, state).await?;
    Ok(StatusCode::NO_CONTENT)
}
