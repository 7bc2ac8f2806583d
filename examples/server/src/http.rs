//! Requests and answers.

pub mod admin;
pub(crate) mod health;
mod invalid_keys;
mod listen;
pub(crate) mod page;
mod platform;
mod sender;
mod tls;
mod token;
#[cfg(unix)]
mod unix;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, FromRequest as _, OriginalUri, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use tokio::sync::Semaphore;
use tokio::task::JoinError;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

pub(crate) use self::invalid_keys::InvalidKeys;
pub use self::listen::{AdminListener, Limits, origin, serve, serve_admin, serve_ops};
pub use self::page::{Brand, Colour, Logo};
pub(crate) use self::sender::Sender;
pub use self::sender::{TrustedProxies, TrustedProxy};
pub use self::tls::Identity;
#[cfg(unix)]
pub use self::unix::UnixSocket;
use crate::app::App;
use crate::demo;

/// The longest body, in bytes. A request of either API is much shorter.
const MAX_BODY: usize = 8 * 1024;
/// The longest path and query, in bytes. A chip holds 256 bytes.
const MAX_TARGET: usize = 2 * 1024;
const JSON: &str = "application/json";

/// Returns the routes of the server. Each request takes a permit of `running` until it is finished.
pub(crate) fn routes(app: Arc<App>, timeout: Duration, running: Arc<Semaphore>) -> Router {
    let ops = if app.ops_moved { Router::new() } else { health::ops_routes() };
    let mut router =
        ops.route("/healthz", get(health::health)).route("/v1/", any(not_found)).route("/v1/{*path}", any(not_found));
    for path in ["/v1/t", "/v1/t/"] {
        router = router.route(path, api("GET, OPTIONS", get(platform::ixkio)));
    }
    // An earlier version of the vendor's API has `tag` instead of `tags`.
    for path in ["/v1/tags/verify-authenticity", "/v1/tag/verify-authenticity"] {
        for path in [path, &format!("{path}/")] {
            router = router.route(path, api("POST, OPTIONS", post(platform::etrnl)));
        }
    }
    router = router
        .route("/v1/taps/verify-token", api("POST, OPTIONS", post(token::verify)))
        .route("/v1/taps/token-key", api("GET, OPTIONS", get(token::public_keys)));
    let mut people = Router::new().route("/", only("GET", get(page::home))).route("/tap", only("GET", get(page::tap)));
    if app.demo.is_some() {
        people = people.merge(demo::routes());
    }
    // A tag that was set up for another service writes the path of that service.
    let people = people
        .fallback(only("GET", get(page::tap_elsewhere)))
        .layer(middleware::map_response_with_state(Arc::clone(&app), page::sealed_off));
    let router = router.merge(people).layer(middleware::from_fn_with_state(running, finish));
    let router = limited(router, timeout);
    #[cfg(feature = "opentelemetry")]
    let router = router.layer(middleware::from_fn(crate::trace::request));
    router.with_state(app)
}

/// Returns the routes of the second listener.
fn ops_routes(app: Arc<App>, timeout: Duration) -> Router {
    limited(health::ops_routes().route("/healthz", get(health::health)), timeout).with_state(app)
}

/// Adds the limits of a request. Under `/v1/`, the refusals are JSON.
fn limited<S: Clone + Send + Sync + 'static>(router: Router<S>, timeout: Duration) -> Router<S> {
    router
        .layer(middleware::from_fn(short))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(json_api))
}

/// Finishes a request even if its client goes away or the time is over: a tap that was accepted must also reach the log, the metrics and
/// the history. There are not more such requests at once than connections.
async fn finish(State(running): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    // What runs to its end must not wait for the client.
    let request = match received(request).await {
        Ok(request) => request,
        Err(refusal) => return refusal.into_response(),
    };
    let permit = running.acquire_owned().await;
    let work = async move {
        let _permit = permit;
        next.run(request).await
    };
    response_of(tokio::spawn(crate::trace::continued(work)).await)
}

/// Reads the body of a request, up to the limit of its route.
async fn received(request: Request) -> Result<Request, BytesRejection> {
    let (parts, body) = request.into_parts();
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &()).await?;
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Returns the response of a task. If the task panicked, panics too.
fn response_of(joined: Result<Response, JoinError>) -> Response {
    match joined.map_err(JoinError::try_into_panic) {
        Ok(response) => response,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is ending.
        Err(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Adds the method `OPTIONS`, and refuses all methods except `methods`.
fn api(methods: &'static str, router: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    only(methods, router.options(move || async move { preflight(methods) }))
}

/// Refuses all methods except `methods`. `HEAD` is refused too: axum would answer it like `GET`, which spends the tap.
pub(crate) fn only(methods: &'static str, router: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let refuse = move || async move { not_allowed(methods) };
    router.head(refuse).fallback(refuse)
}

fn not_allowed(methods: &'static str) -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, methods)])
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// Answers the question of a browser before it sends a request with another header or method.
fn preflight(methods: &'static str) -> impl IntoResponse {
    let headers = [
        (header::ALLOW, methods),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "api-key, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// Makes every answer under `/v1/` JSON with the same headers, including the answers of a limit or of the router.
async fn json_api(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/v1/");
    let mut response = next.run(request).await;
    if !is_api {
        return response;
    }
    let status = response.status();
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == JSON);
    if !is_json && status != StatusCode::NO_CONTENT {
        let allow = response.headers_mut().remove(header::ALLOW);
        let body = format!(r#"{{"error":"{}"}}"#, error_name(status));
        response = (status, [(header::CONTENT_TYPE, JSON)], body).into_response();
        response.headers_mut().extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Web pages of any origin may call both APIs, because neither API uses cookies.
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns the error name of an answer that neither API made. The names are ours.
fn error_name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::URI_TOO_LONG => "uri_too_long",
        // If the store fails, the APIs answer with their own JSON.
        StatusCode::SERVICE_UNAVAILABLE => "prefetch",
        _ => "internal",
    }
}

/// Refuses URLs that are longer than any tag writes. Also refuses requests that a browser sends before a person opens the link, because
/// they would spend the tap.
async fn short(OriginalUri(uri): OriginalUri, request: Request, next: Next) -> Response {
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    let purposes =
        ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().flat_map(|name| request.headers().get_all(*name));
    let is_prefetch = purposes.into_iter().any(|purpose| {
        let purpose = purpose.to_str().unwrap_or_default().to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|word| purpose.contains(word))
    });
    if is_prefetch && request.method() == Method::GET {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")]).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    #[tokio::test]
    async fn a_request_is_finished_after_its_time_is_over() {
        let running = Arc::new(Semaphore::new(1));
        let (done, mut is_done) = tokio::sync::watch::channel(false);
        let slow = move || async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            done.send_replace(true);
        };
        let router = Router::new().route("/tap", get(slow));
        let router = router.layer(middleware::from_fn_with_state(Arc::clone(&running), finish));
        let service = TowerToHyperService::new(limited(router, Duration::from_millis(30)));
        let request = axum::http::Request::builder().uri("/tap").body(Body::empty()).unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
        assert!(!*is_done.borrow() && running.available_permits() == 0);
        is_done.wait_for(|is_done| *is_done).await.unwrap();
        let _ = running.acquire().await.unwrap();
    }

    /// No request makes a handler panic, so this test calls the layers directly.
    #[tokio::test]
    async fn a_panic_is_json_under_v1_only() {
        async fn fails() -> StatusCode {
            panic!("a handler must not panic")
        }
        let router = Router::new().route("/v1/t", get(fails)).route("/tap", get(fails));
        let service = TowerToHyperService::new(limited(router, Duration::from_secs(10)));
        for (path, is_api) in [("/v1/t", true), ("/tap", false)] {
            let request = axum::http::Request::builder().uri(path).body(Body::empty()).unwrap();
            let response = service.call(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            assert_eq!(header(header::CONTENT_TYPE).as_deref() == Some(JSON), is_api);
            assert_eq!(header(header::CACHE_CONTROL).as_deref() == Some("no-store"), is_api);
            assert_eq!(header(header::ACCESS_CONTROL_ALLOW_ORIGIN).as_deref() == Some("*"), is_api);
            let body = axum::body::to_bytes(response.into_body(), 1000).await.unwrap();
            assert_eq!(&body[..] == br#"{"error":"internal"}"#, is_api);
        }
    }
}
