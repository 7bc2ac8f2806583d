//! Requests and answers.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, OriginalUri, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use suntap::UnixMillis;
use suntap::platform::{Accepted, Answer, Failure, Refusal, Service, Verdict, etrnl::Etrnl, ixkio::Ixkio};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::demo::{self, Demo};
use crate::metrics::{Api, Metrics, word};
use crate::page;
use crate::registry::{Caches, Registry};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

/// No request of either API is longer, by far.
const MAX_BODY: usize = 8 * 1024;
/// Nor is a URL: a chip holds 256 bytes.
const MAX_TARGET: usize = 2 * 1024;
const JSON: &str = "application/json";

type Verdicts = Option<Result<Verdict, Failure<StoreError, StoreError>>>;

/// What all requests share.
pub struct App {
    pub(crate) store: Store,
    pub(crate) secrets: &'static Secrets,
    pub(crate) service: Service<'static>,
    pub(crate) ixkio: Ixkio<'static>,
    pub(crate) etrnl: Etrnl<'static>,
    pub(crate) metrics: Metrics,
    pub(crate) demo: Option<Demo>,
    pub(crate) caches: Caches,
    log_uids: bool,
}

impl App {
    /// A service over a store.
    #[must_use]
    pub fn new(store: Store, secrets: &'static Secrets, log_uids: bool) -> Self {
        let service = Service::new(&secrets.server);
        Self {
            store,
            secrets,
            service,
            ixkio: Ixkio::new(service, &secrets.api_keys),
            etrnl: Etrnl::new(service, &secrets.api_keys),
            metrics: Metrics::new(),
            demo: None,
            caches: Caches::default(),
            log_uids,
        }
    }

    /// The same service with tags that a visitor can tap.
    #[must_use]
    pub fn with_demo(self, demo: Demo) -> Self {
        Self { demo: Some(demo), ..self }
    }

    /// Waits until the store has finished what it accepted.
    pub async fn close(self) {
        self.store.close().await;
    }

    pub(crate) fn registry(&self) -> Registry<'_> {
        Registry::new(&self.store, &self.caches, self.secrets)
    }

    /// Counts a verdict and writes it to the log.
    pub(crate) fn note(&self, api: Api, started: Instant, registry: &Registry<'_>, verdict: &Verdicts) {
        let word = word(verdict.as_ref());
        let time = started.elapsed();
        self.metrics.count(api, word, time);
        let tap = match verdict {
            Some(Ok(Verdict::Fresh(Accepted { tap, .. }) | Verdict::Refused(Refusal::Replayed { tap, .. }))) => {
                Some(tap)
            }
            _ => None,
        };
        let tag = registry.found().unwrap_or_default();
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let uid = tap.and_then(|tap| tap.uid).map(|uid| {
            let digits = uid.to_string();
            // The first digits are those of the maker.
            if self.log_uids { digits } else { format!("…{}", digits.get(10..).unwrap_or_default()) }
        });
        let (uid, ctr) = (uid.unwrap_or_default(), tap.map(|tap| tap.ctr.get()));
        match verdict {
            // Anybody sends these, and they say nothing of a tag.
            None => tracing::debug!(?api, verdict = word, micros),
            Some(Err(Failure::Registry(error) | Failure::Counters(error))) => {
                tracing::error!(?api, verdict = word, tag, micros, %error);
            }
            Some(Ok(_)) => tracing::info!(?api, verdict = word, tag, uid, ctr, micros),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The routes.
pub fn routes(app: Arc<App>, timeout: Duration) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .route("/v1/", any(not_found))
        .route("/v1/{*path}", any(not_found));
    for path in ["/v1/t", "/v1/t/"] {
        router = router.route(path, api("GET, OPTIONS", get(ixkio)));
    }
    // An earlier version of the vendor's API has `tag` instead of `tags`.
    for path in ["/v1/tags/verify-authenticity", "/v1/tag/verify-authenticity"] {
        for path in [path, &format!("{path}/")] {
            router = router.route(path, api("POST, OPTIONS", post(etrnl)));
        }
    }
    let mut people = Router::new().route("/", only("GET", get(page::home))).route("/tap", only("GET", get(page::tap)));
    if app.demo.is_some() {
        people = people.merge(demo::routes());
    }
    // A tag that was set up for another service has that one's path.
    let people =
        people.fallback(only("GET", get(page::tap_elsewhere))).layer(middleware::map_response(page::sealed_off));
    limited(router.merge(people), timeout).with_state(app)
}

/// Adds the limits of a request, and JSON for what they refuse.
fn limited<S: Clone + Send + Sync + 'static>(router: Router<S>, timeout: Duration) -> Router<S> {
    router
        .layer(middleware::from_fn(short))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(json_api))
}

/// Answers `OPTIONS` as well, and refuses all methods but `methods`.
fn api(methods: &'static str, router: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    only(methods, router.options(move || async move { preflight(methods) }))
}

/// Refuses all methods but `methods`. `HEAD` is refused too: axum would answer it like `GET`, which spends the tap.
fn only(methods: &'static str, router: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let refuse = move || async move { not_allowed(methods) };
    router.head(refuse).fallback(refuse)
}

async fn ixkio(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let started = Instant::now();
    let registry = app.registry();
    let answer = app.ixkio.answer_async(query.as_deref().unwrap_or_default(), &registry, &mut &app.store, now()).await;
    app.note(Api::Ixkio, started, &registry, &answer.verdict);
    respond(answer)
}

async fn etrnl(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
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

async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], app.metrics.text())
}

async fn health(State(app): State<Arc<App>>) -> (StatusCode, &'static str) {
    if app.store.works() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the data file fails\n")
    }
}

fn not_allowed(methods: &'static str) -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, methods)])
}

async fn not_found() -> StatusCode {
    StatusCode::NOT_FOUND
}

/// A browser asks before it sends a header of its own.
fn preflight(methods: &'static str) -> impl IntoResponse {
    let headers = [
        (header::ALLOW, methods),
        (header::ACCESS_CONTROL_ALLOW_METHODS, methods),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "api-key, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// Makes every answer under `/v1/` JSON with the same headers, also what a limit or the router answers.
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
    // Web pages of any origin call both APIs. They know a caller by what it sends, never by what its browser keeps.
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

/// The error of an answer that is not from one of the APIs. The names are ours.
fn error_name(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::REQUEST_TIMEOUT => "timeout",
        StatusCode::PAYLOAD_TOO_LARGE => "body_too_large",
        StatusCode::URI_TOO_LONG => "uri_too_long",
        // The APIs answer `unavailable` in JSON of their own.
        StatusCode::SERVICE_UNAVAILABLE => "prefetch",
        _ => "internal",
    }
}

/// Refuses what is longer than anything a tag writes, and what a browser asks for before anybody has touched a link: it would spend
/// the tap.
async fn short(OriginalUri(uri): OriginalUri, request: Request, next: Next) -> Response {
    if uri.path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
        return StatusCode::URI_TOO_LONG.into_response();
    }
    let purposes =
        ["sec-purpose", "purpose", "x-purpose", "x-moz"].iter().flat_map(|name| request.headers().get_all(*name));
    let ahead = purposes.into_iter().any(|purpose| {
        let purpose = purpose.to_str().unwrap_or_default().to_ascii_lowercase();
        ["prefetch", "prerender", "preview"].iter().any(|ahead| purpose.contains(ahead))
    });
    if ahead && request.method() == Method::GET {
        return (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")]).into_response();
    }
    next.run(request).await
}

/// The time to remember with a tap.
pub(crate) fn now() -> Option<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis::new)
}

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once. Further ones wait.
    pub connections: usize,
    /// For the head of a request, for its body and its answer, for a client to read it, and for a connection without any of these.
    pub timeout: Duration,
    /// For the last requests when the service ends.
    pub grace: Duration,
}

/// Serves until `end`, then finishes what was accepted.
///
/// # Errors
/// If no connection can be accepted any more.
pub async fn serve(
    listener: tokio::net::TcpListener,
    app: Arc<App>,
    limits: Limits,
    end: impl Future<Output = ()>,
) -> std::io::Result<()> {
    use hyper_util::rt::{TokioIo, TokioTimer};
    use hyper_util::server::graceful::GracefulShutdown;
    use hyper_util::service::TowerToHyperService;

    let service = TowerToHyperService::new(routes(Arc::clone(&app), limits.timeout));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.timeout).max_buf_size(16 * 1024);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(tokio::sync::Semaphore::new(limits.connections.max(1)));
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = async {
            // Never closed, so there is always a place to wait for.
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut end => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Of one connection, or of files that run out: neither ends the service.
                tracing::warn!(%error, "no connection");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        // A client that reads nothing of its answer holds a place no longer than one that sends nothing.
        let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.timeout));
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service.clone()));
        let connections = app.metrics.connections.clone();
        tokio::spawn(async move {
            connections.inc();
            // A client that went away, or was too slow.
            let _ = connection.await;
            connections.dec();
            drop(place);
        });
    }
    drop(listener);
    tracing::info!("ending");
    if tokio::time::timeout(limits.grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
    Ok(())
}

/// Where the service listens, as it goes into a URL.
#[must_use]
pub fn origin(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
        SocketAddr::V6(address) if address.ip().is_unspecified() => format!("http://[::1]:{}", address.port()),
        address => format!("http://{address}"),
    }
}

#[cfg(test)]
mod tests {
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    /// No request makes a handler panic, so only this test can see the answer.
    #[tokio::test]
    async fn a_panic_is_json_under_v1_only() {
        async fn fails() -> StatusCode {
            panic!("as a handler must not")
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
