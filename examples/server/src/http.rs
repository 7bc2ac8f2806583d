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
use axum::routing::{get, post};
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
    let apis = Router::new()
        .route("/v1/t", get(ixkio).head(not_allowed).options(preflight))
        .route("/v1/tags/verify-authenticity", post(etrnl).options(preflight))
        // As an earlier version of the API had it.
        .route("/v1/tag/verify-authenticity", post(etrnl).options(preflight))
        .layer(middleware::map_response(any_origin));
    let mut people =
        Router::new().route("/", get(page::home).head(not_allowed)).route("/tap", get(page::tap).head(not_allowed));
    if app.demo.is_some() {
        people = people.merge(demo::routes());
    }
    // A tag that was set up for another service has that one's path.
    let people =
        people.fallback(get(page::tap_elsewhere).head(not_allowed)).layer(middleware::map_response(page::sealed_off));
    Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(metrics))
        .merge(apis)
        .merge(people)
        .layer(middleware::from_fn(short))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, timeout))
        .layer(CatchPanicLayer::new())
        .with_state(app)
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

/// To ask for the head of an answer would spend the tap.
async fn not_allowed() -> impl IntoResponse {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET")])
}

/// A browser asks before it sends a header of its own.
async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "api-key, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// Both APIs are called from web pages of anybody. They know a caller by what he sends, never by what his browser keeps.
async fn any_origin(mut response: Response) -> Response {
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
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
