//! The admin API and the operator's page, on a listener of their own.
//!
//! **Adding a route.** Write a handler with `#[utoipa::path(…)]` that takes a `Session`, and name it in `short_routes` or
//! `long_routes`. `Session` checks the management key: a `GET` needs the role `readOnly` or `readWrite`, every other method `readWrite`.
//! Keys with the role `patch` can only use the call of ixkio. A `GET` of everything, such as a backup, asks the session for `readWrite`.

mod auth;
mod error;
mod extract;
mod heavy;
mod keys;
mod levels;
mod local;
mod managers;
pub mod model;
mod openapi;
mod operation;
mod page;
mod tags;
mod vendor;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::{Extension, Router};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::auth::Session;
pub use self::auth::UNIX;
pub use self::error::Cause;
pub use self::local::LocalAdmin;
pub use self::page::PageLogin;
use super::{InvalidKeys, JSON, response_of};
use crate::app::App;

/// The longest body, in bytes, except that of an import.
const MAX_BODY: usize = 64 * 1024;
/// The longest import, in bytes.
pub const MAX_IMPORT: usize = 64 * 1024 * 1024;
/// The time for an import or a check.
const LONG: Duration = Duration::from_secs(30 * 60);

/// What the requests of the admin API share.
#[derive(Debug)]
pub(crate) struct AdminState {
    pub(crate) app: Arc<App>,
    invalid_keys: InvalidKeys,
    /// Names of this host besides IP addresses and `localhost`.
    hosts: Vec<String>,
    page: PageLogin,
    /// An import takes memory in proportion to its size, so there is one at a time.
    heavy: Arc<Semaphore>,
    /// As for imports.
    checks: Arc<Semaphore>,
}

impl AdminState {
    pub(crate) fn new(app: Arc<App>, hosts: Vec<String>, invalid_keys: u32, page: PageLogin) -> Self {
        Self {
            app,
            invalid_keys: InvalidKeys::new(invalid_keys),
            hosts,
            page,
            heavy: Arc::new(Semaphore::new(1)),
            checks: Arc::new(Semaphore::new(1)),
        }
    }
}

/// Returns the routes of the listener.
pub(super) fn routes(state: Arc<AdminState>, timeout: Duration) -> Router {
    let limits = |router: OpenApiRouter<Arc<AdminState>>, timeout| {
        router.layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
    };
    described(limits(short_routes(), timeout).merge(limits(long_routes(), LONG)))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), auth::authenticate))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), auth::same_site))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(json_errors))
        .merge(page::routes(&state, timeout))
        .with_state(state)
}

/// Returns the routes without a listener: without limits, and for requests that have a [`Session`] already.
fn bare_routes(state: Arc<AdminState>) -> Router {
    described(short_routes().merge(long_routes())).layer(middleware::from_fn(json_errors)).with_state(state)
}

/// The routes that answer at once.
fn short_routes() -> OpenApiRouter<Arc<AdminState>> {
    OpenApiRouter::new()
        .routes(routes!(tags::list))
        .routes(routes!(tags::export))
        .routes(routes!(tags::show, tags::delete))
        .routes(routes!(tags::disable))
        .routes(routes!(tags::enable))
        .routes(routes!(tags::counter))
        .routes(routes!(tags::raise))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(keys::expire))
        .routes(routes!(levels::organisations))
        .routes(routes!(levels::organisation))
        .routes(routes!(levels::disable_organisation))
        .routes(routes!(levels::enable_organisation))
        .routes(routes!(levels::list))
        .routes(routes!(levels::show))
        .routes(routes!(levels::disable))
        .routes(routes!(levels::enable))
        .routes(routes!(managers::list, managers::create))
        .routes(routes!(managers::revoke))
        .routes(routes!(openapi::document))
        .routes(routes!(operation::history))
        .routes(routes!(vendor::by_xuid))
        .routes(routes!(vendor::by_account))
}

/// The routes that may take minutes.
fn long_routes() -> OpenApiRouter<Arc<AdminState>> {
    let import = OpenApiRouter::new().routes(routes!(heavy::import)).layer(DefaultBodyLimit::max(MAX_IMPORT));
    OpenApiRouter::new()
        .routes(routes!(heavy::check))
        .routes(routes!(operation::backup))
        .routes(routes!(operation::reseal))
        // Both read the keys of all tags.
        .routes(routes!(levels::delete_organisation))
        .routes(routes!(levels::delete))
        .merge(import)
}

/// Adds the OpenAPI document, and what all routes have in common.
fn described(router: OpenApiRouter<Arc<AdminState>>) -> Router<Arc<AdminState>> {
    let (router, paths) = router.split_for_parts();
    let document: Arc<str> = openapi::text(paths).into();
    router
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(Extension(openapi::Document(document)))
        .layer(middleware::from_fn(on_another_thread))
        // The limit of the import is inside, so it takes precedence.
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// Carries out the request on a thread that may block: writing to a data file waits for the disk, and large imports and checks
/// compute for seconds. Taps go on meanwhile. The request is also finished if its client goes away.
async fn on_another_thread(request: Request, next: Next) -> Response {
    let runtime = Handle::current();
    response_of(tokio::task::spawn_blocking(move || runtime.block_on(next.run(request))).await)
}

/// Gives every answer the same headers, and the answers of a limit or of the router a JSON body.
async fn json_errors(request: Request, next: Next) -> Response {
    let is_head = request.method() == Method::HEAD;
    let mut response = next.run(request).await;
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == JSON);
    if (status.is_client_error() || status.is_server_error()) && !is_json && !is_head {
        let allow = response.headers_mut().remove(header::ALLOW);
        let (name, message) = error::of_status(status);
        response = error::response(status, name, message);
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
