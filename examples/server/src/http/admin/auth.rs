//! Who may use the admin API.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::AdminState;
use super::error::{ApiError, response};
use super::extract::{NDJSON, has_type};
use crate::admin::{Actor, Admin, authenticate as find_manager};
use crate::http::{JSON, Sender};
use crate::registry::document::{Manager, Role};
use crate::secrets::Secrets;

/// Stands for the address of a client of a Unix socket in the history.
pub const UNIX: &str = "unix";

/// The authenticated client of a request.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(super) state: Arc<AdminState>,
    pub(super) manager: Arc<Manager>,
    /// Those in use when the request began.
    pub(super) secrets: Secrets,
    actor: Actor,
}

impl Session {
    pub(super) fn new(state: Arc<AdminState>, manager: Manager, actor: Actor) -> Self {
        let secrets = state.app.secrets();
        Self { state, manager: Arc::new(manager), secrets, actor }
    }

    /// Returns the admin service, which acts in the name of the client.
    pub(super) fn admin(&self) -> Admin<'_> {
        Admin::new(&self.state.app.store, &self.secrets, self.actor.clone())
    }

    /// Returns `true` for a command that has opened the store itself.
    pub(super) fn is_local(&self) -> bool {
        self.actor.client.is_none()
    }

    /// Refuses a client that cannot write, for a `GET` that shows more than others.
    pub(super) fn writer(&self) -> Result<(), ApiError> {
        if self.manager.role == Role::ReadWrite { Ok(()) } else { Err(forbidden()) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let session = Extension::<Self>::from_request_parts(parts, state).await;
        // The layer that authenticates adds it to every request.
        session.map(|Extension(session)| session).map_err(|_| unauthorized())
    }
}

/// Refuses requests that a web page of another origin may have caused, and requests by a name of this host that is not known.
pub(super) async fn same_site(State(state): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    match check_site(&state, &request) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// Returns why a request is not one that a person or a program of this site has sent, see [`same_site`].
pub(super) fn check_site(state: &AdminState, request: &Request) -> Result<(), ApiError> {
    let refused = |status, name, message: &str| Err(ApiError::Http(status, name, message.into()));
    let headers = request.headers();
    let mut sites = headers.get_all("sec-fetch-site").into_iter();
    let is_same = sites.all(|site| matches!(site.as_bytes(), b"none" | b"same-origin"));
    if headers.contains_key(header::ORIGIN) || !is_same {
        return refused(StatusCode::FORBIDDEN, "cross_origin", "web pages must not use this API");
    }
    if !is_known_host(headers, &state.hosts) {
        let message = "the header Host must be an IP address, localhost, or a name that --admin-host allows";
        return refused(StatusCode::FORBIDDEN, "unknown_host", message);
    }
    // PostgreSQL cannot store this character, so no document has it.
    if request.uri().path_and_query().is_some_and(|target| target.as_str().contains("%00")) {
        return Err(ApiError::invalid("the path and the query must not contain %00"));
    }
    let has_body = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if has_body && ![JSON, NDJSON].iter().any(|expected| has_type(headers, expected)) {
        let message = "the header Content-Type must be application/json, or application/x-ndjson for an import";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type", message);
    }
    Ok(())
}

/// A name that the owner of a web page controls may lead to this host (DNS rebinding). An IP address cannot be such a name.
fn is_known_host(headers: &HeaderMap, hosts: &[String]) -> bool {
    let mut all = headers.get_all(header::HOST).into_iter();
    let (Some(host), None) = (all.next(), all.next()) else { return false };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    // The part before an `@` would not be looked at.
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    host.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(host))
}

/// Finds the management key of a request, and refuses the request without one or with one of another role.
pub(super) async fn authenticate(
    State(state): State<Arc<AdminState>>,
    Extension(sender): Extension<Sender>,
    request: Request,
    next: Next,
) -> Response {
    let is_vendors = request.uri().path().starts_with("/v1/");
    let presented = if is_vendors { vendor_key(request.headers()) } else { bearer(request.headers()) };
    let found = match presented {
        Some(text) => find_manager(&state.app.store, &state.app.secrets(), text).await,
        None => Ok(None),
    };
    let manager = match found {
        Ok(Some(manager)) => manager,
        Ok(None) => return closing(refuse(&state, &sender)),
        Err(error) => return ApiError::from(error).into_response(),
    };
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_allowed = match manager.role {
        Role::ReadWrite => true,
        Role::ReadOnly => is_read && !is_vendors,
        Role::Patch => is_vendors,
    };
    if !is_allowed {
        other_role(&sender, &manager);
        return closing(forbidden().into_response());
    }
    carry_out(state, manager, &sender, request, next).await
}

/// Carries out a request in the name of the owner of a management key.
pub(super) async fn carry_out(
    state: Arc<AdminState>,
    manager: Manager,
    sender: &Sender,
    mut request: Request,
    next: Next,
) -> Response {
    let client = sender.address.map_or_else(|| UNIX.into(), |address| address.to_string());
    let id = sender.request.to_string();
    let actor = Actor { by: manager.label.clone(), client: Some(client), request: Some(id.clone()) };
    request.extensions_mut().insert(Session::new(state, manager, actor));
    let mut response = next.run(request).await;
    // The history and the log have the same id.
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

/// Writes to the log that a key has another role.
pub(super) fn other_role(sender: &Sender, manager: &Manager) {
    let client = sender.address.map(tracing::field::display);
    tracing::info!(client, by = manager.label, "the role of a management key did not allow a request");
}

/// Ends the connection after a response, so that clients without rights do not hold the places of others.
pub(super) fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Counts a request without a valid key. Returns `false` if the client has sent too many of them; otherwise also says so in the log.
pub(super) fn is_below_limit(state: &AdminState, sender: &Sender) -> bool {
    let is_allowed = state.invalid_keys.allows(sender.address);
    if is_allowed {
        tracing::warn!(client = sender.address.map(tracing::field::display), "invalid management key");
    }
    is_allowed
}

/// Refuses a request without a valid key.
fn refuse(state: &AdminState, sender: &Sender) -> Response {
    if is_below_limit(state, sender) {
        return unauthorized().into_response();
    }
    let message = "too many requests with an invalid management key: wait a minute";
    response(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message)
}

fn unauthorized() -> ApiError {
    let message = "a management key is needed: Authorization: Bearer management_…";
    ApiError::Http(StatusCode::UNAUTHORIZED, "unauthorized", message.into())
}

fn forbidden() -> ApiError {
    ApiError::Http(StatusCode::FORBIDDEN, "forbidden", "the role of the management key does not allow this".into())
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let (scheme, key) = single(headers, "authorization")?.split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| key.trim_ascii())
}

/// The vendor accepts the token in each of these headers.
fn vendor_key(headers: &HeaderMap) -> Option<&[u8]> {
    single(headers, "x-api-key").or_else(|| single(headers, "ixkio-r"))
}

/// Returns the value of a header that a request has once.
pub(super) fn single<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut all = headers.get_all(name).into_iter();
    match (all.next(), all.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
