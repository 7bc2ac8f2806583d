//! Parts of a request, with errors as JSON.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use suntap::UnixMillis;

use super::error::{ApiError, of_status};
use super::{MAX_BODY, MAX_IMPORT};
use crate::http::JSON;
use crate::secrets::redacted;
use crate::time;

/// The media type of lines.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// The parameters of the query.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(value) = query.map_err(|error| ApiError::invalid(redacted(&error.body_text())))?;
        Ok(Self(value))
    }
}

/// The parameters of the path.
pub(super) struct PathOf<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathOf<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        let Path(value) = path.map_err(|error| ApiError::invalid(redacted(&error.body_text())))?;
        Ok(Self(value))
    }
}

/// A body of JSON.
pub(super) struct BodyOf<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for BodyOf<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = body(request, JSON, MAX_BODY, state).await?;
        // The message can repeat a value of the body, which may be a key in the wrong place.
        let value = serde_json::from_slice(&bytes).map_err(|error| ApiError::invalid(redacted(&error.to_string())))?;
        Ok(Self(value))
    }
}

/// A body of lines.
pub(super) struct Lines(pub(super) String);

impl<S: Send + Sync> FromRequest<S> for Lines {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = body(request, NDJSON, MAX_IMPORT, state).await?;
        let text = String::from_utf8(bytes.into()).map_err(|_| ApiError::invalid("the body is not UTF-8"))?;
        Ok(Self(text))
    }
}

async fn body<S: Send + Sync>(request: Request, expected: &str, most: usize, state: &S) -> Result<Bytes, ApiError> {
    if !has_type(request.headers(), expected) {
        let message = format!("the header Content-Type must be {expected}");
        return Err(ApiError::Http(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message));
    }
    let failed = |status| {
        let (name, message) = of_status(status);
        ApiError::Http(status, name, message.into())
    };
    // The layer with the limit would first read as much.
    let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > most) {
        return Err(failed(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Bytes::from_request(request, state).await.map_err(|error| failed(error.status()))
}

/// Returns `true` if the body has this media type.
pub(super) fn has_type(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

/// Parses the end of a key.
pub(super) fn end(text: Option<&str>) -> Result<Option<UnixMillis>, ApiError> {
    let parse =
        |text| time::parse(text).ok_or_else(|| ApiError::invalid("`expires` must be like 2027-01-01T00:00:00Z"));
    text.map(parse).transpose()
}
