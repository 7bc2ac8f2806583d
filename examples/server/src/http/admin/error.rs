//! Errors as JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::model::{ErrorBody, InvalidLine};
use crate::admin::AdminError;
use crate::import::ImportError;
use crate::store::StoreError;

/// The error of a handler.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// From the admin service.
    Admin(AdminError),
    /// From HTTP: a status, a name for programs and a message for people.
    Http(StatusCode, &'static str, String),
}

impl ApiError {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Admin(AdminError::Invalid(message.into()))
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Admin(error.into())
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Http(status, name, message) => return response(status, name, &message),
            Self::Admin(error) => error,
        };
        match &error {
            AdminError::Missing(message) => response(StatusCode::NOT_FOUND, "not_found", message),
            AdminError::Invalid(message) => response(StatusCode::BAD_REQUEST, "invalid_request", message),
            AdminError::Refused { name, message } => response(StatusCode::CONFLICT, name, message),
            AdminError::NoRandomBytes(message) => {
                response(StatusCode::INTERNAL_SERVER_ERROR, "no_random_bytes", message)
            }
            AdminError::Import(ImportError::Lines { listed, all }) => invalid_lines(listed, *all),
            AdminError::Import(ImportError::Input(_)) => {
                response(StatusCode::BAD_REQUEST, "invalid_request", "the lines cannot be read")
            }
            AdminError::Import(ImportError::Store(error)) | AdminError::Store(error) => of_store(error),
        }
    }
}

fn invalid_lines(listed: &[(usize, String)], all: usize) -> Response {
    let lines = listed.iter().map(|(line, reason)| InvalidLine { line: *line, reason: reason.clone() }).collect();
    let message = format!("{all} invalid lines: nothing was imported");
    let body = ErrorBody { error: "invalid_lines".into(), message, lines: Some(lines) };
    (StatusCode::UNPROCESSABLE_ENTITY, Json(body)).into_response()
}

/// The text of a store's error can have an address or the name of a user, so it is only logged.
fn of_store(error: &StoreError) -> Response {
    let (status, name, message) = match error {
        StoreError::Contended | StoreError::Locked { .. } => {
            (StatusCode::CONFLICT, "contended", "others change the same documents: nothing was changed, try again")
        }
        StoreError::NodesChanged => (
            StatusCode::CONFLICT,
            "list_changed",
            "the nodes of the store changed meanwhile: repeat the request; a list starts again without its cursor",
        ),
        StoreError::Incomplete(_) => (
            StatusCode::SERVICE_UNAVAILABLE,
            "incomplete",
            "the store failed, and a part may be written: repeat the request",
        ),
        StoreError::Late => (
            StatusCode::SERVICE_UNAVAILABLE,
            "store_failed",
            "the store did not answer in time: the outcome is unknown",
        ),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "store_failed", "the store failed: the log of the server has the cause"),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(%error, "administration failed");
    }
    let mut response = response(status, name, message);
    response.extensions_mut().insert(Cause(error.to_string()));
    response
}

/// The error of the store, for a command that has opened the store itself. It is not sent to a client.
#[derive(Clone, Debug)]
pub struct Cause(pub String);

/// Returns an answer with an error.
pub(super) fn response(status: StatusCode, name: &str, message: &str) -> Response {
    let body = ErrorBody { error: name.into(), message: message.into(), lines: None };
    (status, Json(body)).into_response()
}

/// Returns the name and message of an answer that no handler made.
pub(super) fn of_status(status: StatusCode) -> (&'static str, &'static str) {
    match status {
        StatusCode::BAD_REQUEST => ("bad_request", "the request cannot be read"),
        StatusCode::NOT_FOUND => ("not_found", "the path is unknown: see /admin/v1/openapi.json"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "the method is wrong: the header Allow has the right ones")
        }
        StatusCode::REQUEST_TIMEOUT => ("timeout", "no answer in time: the outcome of a write is unknown"),
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "the body is too large"),
        StatusCode::SERVICE_UNAVAILABLE => ("ending", "the server is ending"),
        _ => ("internal", "the server has a defect: the log has the cause"),
    }
}
