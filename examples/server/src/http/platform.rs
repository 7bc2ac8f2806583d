//! The APIs of ixkio and ETRNL.

use std::sync::Arc;
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use suntap::platform::Answer;

use crate::app::{App, now};
use crate::ops::metrics::Api;

pub(super) async fn ixkio(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let started = Instant::now();
    let registry = app.registry();
    let answer = app.ixkio.answer_async(query.as_deref().unwrap_or_default(), &registry, &mut &app.store, now()).await;
    app.note(Api::Ixkio, started, &registry, &answer.verdict);
    respond(answer)
}

pub(super) async fn etrnl(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let started = Instant::now();
    let registry = app.registry();
    let key = headers.get("API-Key").map(HeaderValue::as_bytes);
    let answer = app.etrnl.answer_async(key, &body, &registry, &mut &app.store, now()).await;
    app.note(Api::Etrnl, started, &registry, &answer.verdict);
    respond(answer)
}

fn respond<E>(answer: Answer<E>) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
