//! The APIs of ixkio and ETRNL.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use suntap::platform::Answer;

use super::sender::Sender;
use crate::app::App;
use crate::ops::metrics::Api;
use crate::time::now;

pub(super) async fn ixkio(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    RawQuery(query): RawQuery,
) -> Response {
    let in_use = app.in_use();
    let registry = in_use.registry(&app.store);
    let mut recording = app.record(Api::Ixkio, &registry, &sender);
    let answer =
        in_use.ixkio().answer_async(query.as_deref().unwrap_or_default(), &registry, &mut recording, now()).await;
    recording.note(&answer.verdict).await;
    respond(&app, Api::Ixkio, &sender, answer)
}

pub(super) async fn etrnl(
    State(app): State<Arc<App>>,
    Extension(sender): Extension<Sender>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let in_use = app.in_use();
    let registry = in_use.registry(&app.store);
    let mut recording = app.record(Api::Etrnl, &registry, &sender);
    let key = headers.get("API-Key").map(HeaderValue::as_bytes);
    let answer = in_use.etrnl().answer_async(key, &body, &registry, &mut recording, now()).await;
    recording.note(&answer.verdict).await;
    respond(&app, Api::Etrnl, &sender, answer)
}

fn respond<E>(app: &App, api: Api, sender: &Sender, answer: Answer<E>) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    let is_limited = answer.is_key_invalid && !app.note_invalid_key(api, sender);
    let status = if is_limited { Ok(StatusCode::TOO_MANY_REQUESTS) } else { StatusCode::from_u16(answer.status) };
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
