//! The history, a backup, and new seals of the keys, of a running service.

use std::io;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::task::JoinHandle;

use super::Session;
use super::error::ApiError;
use super::extract::{NDJSON, QueryOf};
use super::heavy::WriteTurn;
use super::model::{HistoryQuery, Resealed};
use crate::ops::backup;
use crate::ops::history::{Filter, lines, parse_time};

/// Bytes of a backup that wait for the client.
const BUFFER: usize = 256 * 1024;

/// Write the history, oldest first, as JSON objects in lines.
#[utoipa::path(get, path = "/admin/v1/history", tag = "operation", params(HistoryQuery),
    responses((status = 200, body = String, content_type = "application/x-ndjson")))]
pub(super) async fn history(session: Session, QueryOf(query): QueryOf<HistoryQuery>) -> Result<Response, ApiError> {
    let time = |text: Option<&str>| text.map(parse_time).transpose().map_err(ApiError::invalid);
    let filter = Filter {
        since: time(query.since.as_deref())?,
        until: time(query.until.as_deref())?,
        tag: query.tag,
        event: query.event.map(Into::into),
    };
    // An error ends the connection, so that a client does not take a part for the whole.
    let lines = Body::from_stream(lines(session.state.app.clone(), filter));
    Ok(([(header::CONTENT_TYPE, NDJSON)], lines).into_response())
}

/// Write a backup of the store. Needs a key that can write, because the sealed keys of the tags are in it.
#[utoipa::path(get, path = "/admin/v1/backup", tag = "operation",
    responses((status = 200, body = Vec<u8>, content_type = "application/gzip")))]
pub(super) async fn backup(session: Session, turn: WriteTurn) -> Result<Response, ApiError> {
    session.writer()?;
    session.admin().record("backup", "store").await?;
    let (write, read) = tokio::io::duplex(BUFFER);
    let app = session.state.app.clone();
    let written = tokio::spawn(async move { backup::backup(&app.store, write).await.map(drop) });
    let chunks = try_unfold(Some((read, written, turn)), async |state| {
        let Some((mut read, written, turn)) = state else { return io::Result::Ok(None) };
        let chunk = chunk(&mut read).await?;
        if !chunk.is_empty() {
            return Ok(Some((chunk, Some((read, written, turn)))));
        }
        ended(written).await?;
        Ok(None)
    });
    Ok(([(header::CONTENT_TYPE, "application/gzip")], Body::from_stream(chunks)).into_response())
}

async fn chunk(read: &mut DuplexStream) -> io::Result<Bytes> {
    let mut chunk = Vec::with_capacity(BUFFER);
    read.read_buf(&mut chunk).await?;
    Ok(chunk.into())
}

/// Returns an error if the backup is not complete. It ends the connection.
async fn ended(written: JoinHandle<anyhow::Result<()>>) -> io::Result<()> {
    let written = written.await.map_err(io::Error::other)?;
    written.map_err(|error| {
        tracing::error!("a backup ends early: {error:#}");
        io::Error::other(error)
    })
}

/// Seal the keys of all tags under the first server secret, so that the others can be removed.
#[utoipa::path(post, path = "/admin/v1/reseal", tag = "operation", responses((status = 200, body = Resealed)))]
pub(super) async fn reseal(session: Session, _turn: WriteTurn) -> Result<Json<Resealed>, ApiError> {
    Ok(Json(session.admin().reseal(|_| ()).await?.into()))
}
