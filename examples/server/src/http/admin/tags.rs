//! Tags and their counters.

use axum::Json;
use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use suntap::SdmReadCtr;

use super::Session;
use super::error::ApiError;
use super::extract::{BodyOf, NDJSON, PathOf, QueryOf};
use super::model::{Counter, ExportQuery, Page, Raise, Raised, Tag, TagInfo, TagQuery};
use crate::admin::{Export, tag_key};
use crate::registry::document::State;
use crate::secrets::redacted;

/// List tags.
#[utoipa::path(get, path = "/admin/v1/tags", tag = "tags", params(TagQuery), responses((status = 200, body = Page<Tag>)))]
pub(super) async fn list(session: Session, QueryOf(query): QueryOf<TagQuery>) -> Result<Json<Page<Tag>>, ApiError> {
    let page = session.admin().tags(&query.prefix, query.cursor.as_deref(), query.limit).await?;
    Ok(Json(Page::new(page, |key, tag| Tag::new(key, *tag))))
}

/// Write organisations, folders, tag groups, batches and tags as lines that an import reads. Needs a key that can write, because the
/// sealed keys of the tags are in it.
#[utoipa::path(get, path = "/admin/v1/export", tag = "tags", params(ExportQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(super) async fn export(session: Session, QueryOf(query): QueryOf<ExportQuery>) -> Result<Response, ApiError> {
    session.writer()?;
    let export = Export::new(&query.prefix)?;
    // The prefix can be any text, also that of a key.
    let subject = if query.prefix.is_empty() { "all tags".into() } else { redacted(&query.prefix) };
    session.admin().record("tag.export", &subject).await?;
    // An error ends the connection, so that a client does not take a part for the whole.
    let lines = stream::try_unfold((session, export), async |(session, mut export)| {
        let lines = session.admin().export(&mut export).await.inspect_err(|error| {
            tracing::error!(%error, "an export ends early");
        });
        Ok::<_, crate::admin::AdminError>(lines?.map(|lines| (lines, (session, export))))
    });
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(lines)).into_response())
}

/// Show a tag.
#[utoipa::path(get, path = "/admin/v1/tags/{kind}/{name}", tag = "tags",
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 200, body = TagInfo)))]
pub(super) async fn show(session: Session, name: PathOf<Name>) -> Result<Json<TagInfo>, ApiError> {
    Ok(Json(session.admin().tag(&key(name)?).await?.into()))
}

/// Remove a tag with all of its names. Its counter stays.
#[utoipa::path(delete, path = "/admin/v1/tags/{kind}/{name}", tag = "tags",
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 204)))]
pub(super) async fn delete(session: Session, name: PathOf<Name>) -> Result<StatusCode, ApiError> {
    session.admin().delete_tag(&key(name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a tag out of use.
#[utoipa::path(post, path = "/admin/v1/tags/{kind}/{name}/disable", tag = "tags",
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 204)))]
pub(super) async fn disable(session: Session, name: PathOf<Name>) -> Result<StatusCode, ApiError> {
    session.admin().set_tag_state(&key(name)?, State::Inactive).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Take a tag into use again.
#[utoipa::path(post, path = "/admin/v1/tags/{kind}/{name}/enable", tag = "tags",
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 204)))]
pub(super) async fn enable(session: Session, name: PathOf<Name>) -> Result<StatusCode, ApiError> {
    session.admin().set_tag_state(&key(name)?, State::Active).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show the counter of a tag.
#[utoipa::path(get, path = "/admin/v1/tags/{kind}/{name}/counter", tag = "counters",
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 200, body = Counter)))]
pub(super) async fn counter(session: Session, name: PathOf<Name>) -> Result<Json<Counter>, ApiError> {
    Ok(Json(session.admin().counter(&key(name)?).await?.into()))
}

/// Raise the counter of a tag, so that taps up to it are refused. A counter is never lowered.
#[utoipa::path(post, path = "/admin/v1/tags/{kind}/{name}/counter/raise", tag = "counters", request_body = Raise,
    params(("kind", description = "`xuid` or `number`"), ("name", description = "The XUID or the number")),
    responses((status = 200, body = Raised)))]
pub(super) async fn raise(
    session: Session,
    name: PathOf<Name>,
    BodyOf(raise): BodyOf<Raise>,
) -> Result<Json<Raised>, ApiError> {
    let ctr = SdmReadCtr::new(raise.ctr).filter(|ctr| *ctr > SdmReadCtr::ZERO);
    let ctr = ctr.ok_or_else(|| ApiError::invalid("`ctr` must be from 1 to 16777215"))?;
    let (counter, changed) = session.admin().raise_counter(&key(name)?, ctr).await?;
    let counter = Counter::from(counter);
    let up_to = counter.ctr.unwrap_or_default();
    let message = if changed {
        format!("from now on, taps with a counter up to {up_to} are refused, also genuine ones")
    } else {
        format!("nothing was changed: taps with a counter up to {up_to} are refused already")
    };
    Ok(Json(Raised { counter, changed, message }))
}

/// The kind of a name, and the name.
type Name = (String, String);

fn key(PathOf((kind, name)): PathOf<Name>) -> Result<String, ApiError> {
    Ok(tag_key(&format!("{kind}/{name}"))?)
}
