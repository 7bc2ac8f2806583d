//! Accepts connections.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::admin::{self, AdminState, PageLogin};
#[cfg(unix)]
use super::unix::UnixSocket;
use super::{Identity, TrustedProxies, ops_routes, routes};
use crate::app::App;

/// How connections are served.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The greatest number of connections at once. Further connections wait.
    pub connections: usize,
    /// The time for each of these: the head of a request, its body and its answer, a client to read, and a connection without a request.
    pub timeout: Duration,
    /// The time for the last requests when the server ends.
    pub grace: Duration,
}

impl Limits {
    /// Returns a permit for each connection.
    fn places(&self) -> Semaphore {
        Semaphore::new(self.connections.clamp(1, Semaphore::MAX_PERMITS))
    }
}

/// Serves until `end`, then finishes the requests that were accepted. A connection that cannot be accepted does not end the server.
/// With a certificate, all connections use TLS.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<Identity>>,
    app: Arc<App>,
    limits: Limits,
    end: impl Future<Output = ()>,
) {
    let running = Arc::new(limits.places());
    let router = routes(Arc::clone(&app), limits.timeout, Arc::clone(&running));
    let proxies = app.trusted_proxies.clone();
    let deadline = serve_router(listener, tls, router, app, proxies, limits, end).await;
    let Some(deadline) = deadline else { return };
    // Requests whose clients went away may still run.
    let all = u32::try_from(limits.places().available_permits()).unwrap_or(u32::MAX);
    if tokio::time::timeout_at(deadline, running.acquire_many(all)).await.is_err() {
        tracing::warn!("some requests whose clients went away were not finished in time");
    }
}

/// Like [`serve`], but only for `/healthz`, `/readyz` and `/metrics`, and without TLS.
pub async fn serve_ops(listener: TcpListener, app: Arc<App>, limits: Limits, end: impl Future<Output = ()>) {
    let router = ops_routes(Arc::clone(&app), limits.timeout);
    let proxies = app.trusted_proxies.clone();
    serve_router(listener, None, router, app, proxies, limits, end).await;
}

/// Where the admin API is served.
#[derive(Debug)]
pub enum AdminListener {
    /// At an address, with TLS if there is a certificate.
    Tcp(TcpListener, Option<Arc<Identity>>),
    /// At a Unix socket.
    #[cfg(unix)]
    Unix(UnixSocket),
}

impl AdminListener {
    /// Creates a Unix socket that only its owner can use. It is removed at the end.
    ///
    /// # Errors
    /// Returns an error if another process listens there, if something else has this path, or if it cannot be created.
    pub fn unix(path: &Path) -> std::io::Result<Self> {
        #[cfg(unix)]
        return UnixSocket::bind(path).map(Self::Unix);
        #[cfg(not(unix))]
        return Err(std::io::Error::other(format!("{}: this system has no Unix sockets", path.display())));
    }
}

/// Like [`serve`], but only for the admin API and the operator's page. `hosts` are names of this host, besides IP addresses and
/// `localhost`, by which clients may call it. `invalid_keys` is the number of requests with an invalid key per client and minute after
/// which the status is 429. `page` says who may see the page.
pub async fn serve_admin(
    listener: AdminListener,
    app: Arc<App>,
    hosts: Vec<String>,
    invalid_keys: u32,
    page: PageLogin,
    limits: Limits,
    end: impl Future<Output = ()>,
) {
    let state = Arc::new(AdminState::new(Arc::clone(&app), hosts, invalid_keys, page));
    let router = admin::routes(state, limits.timeout);
    // A client could invent the headers of a proxy, which are in the history.
    let proxies = TrustedProxies::default();
    match listener {
        AdminListener::Tcp(listener, tls) => serve_router(listener, tls, router, app, proxies, limits, end).await,
        #[cfg(unix)]
        AdminListener::Unix(socket) => serve_router(socket, None, router, app, proxies, limits, end).await,
    };
}

/// A listener for connections of one kind.
pub(super) trait Listener {
    type Stream: AsyncRead + AsyncWrite + Send + 'static;

    /// Accepts a connection. A client of a Unix socket has no address.
    fn accept(&self) -> impl Future<Output = std::io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> std::io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, address) = self.accept().await?;
        let _ = stream.set_nodelay(true);
        Ok((stream, Some(address.ip())))
    }
}

/// Serves until `end`, and then until all connections are closed. Returns the end of the time of grace, or `None` if it is over.
async fn serve_router(
    listener: impl Listener,
    tls: Option<Arc<Identity>>,
    router: Router,
    app: Arc<App>,
    proxies: TrustedProxies,
    limits: Limits,
    end: impl Future<Output = ()>,
) -> Option<Instant> {
    let service = TowerToHyperService::new(router);
    let proxies = Arc::new(proxies);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.timeout).max_buf_size(16 * 1024);
    let graceful = GracefulShutdown::new();
    let (ending, is_ending) = watch::channel(());
    let places = Arc::new(limits.places());
    let failures = Failures::new();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = async {
            // The semaphore is never closed, so this waits until there is a place.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut end => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                failures.note(&app, &error);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        // A client that does not read its answer holds a place no longer than one that sends nothing.
        let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.timeout));
        let (service, proxies) = (service.clone(), Arc::clone(&proxies));
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let sender = proxies.sender(peer, request.headers());
            if !proxies.has_sent(peer) {
                // A client must not choose the trace that its request belongs to.
                request.headers_mut().remove("traceparent");
            }
            request.extensions_mut().insert(sender);
            service.call(request)
        });
        let (stream, http, watcher) = (Box::pin(stream), http.clone(), graceful.watcher());
        let (tls, mut is_ending) = (tls.as_ref().map(|tls| tls.acceptor()), is_ending.clone());
        let (connections, failed) = (app.metrics.connections.clone(), app.metrics.failed_handshakes.clone());
        tokio::spawn(async move {
            connections.inc();
            // An error of a connection means that the client went away or was too slow.
            match tls {
                None => {
                    let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
                }
                Some(tls) => {
                    let handshake = tokio::time::timeout(limits.timeout, tls.accept(stream));
                    let handshake = tokio::select! {
                        handshake = handshake => Some(handshake),
                        // There is no request yet.
                        _ = is_ending.changed() => None,
                    };
                    match handshake {
                        Some(Ok(Ok(stream))) => {
                            let _ = watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await;
                        }
                        Some(_) => {
                            failed.inc();
                        }
                        None => {}
                    }
                }
            }
            connections.dec();
            drop(place);
        });
    }
    drop((listener, ending));
    let now = Instant::now();
    let deadline = now.checked_add(limits.grace).unwrap_or(now);
    if tokio::time::timeout_at(deadline, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were not finished in time");
        return None;
    }
    Some(deadline)
}

/// Reports connections that could not be accepted. Usually the process has too many open files. The server tries again until others
/// are closed, and the log gets at most one line in ten seconds.
struct Failures(DefaultDirectRateLimiter);

impl Failures {
    fn new() -> Self {
        Self(RateLimiter::direct(Quota::per_minute(NonZeroU32::MIN.saturating_add(5)).allow_burst(NonZeroU32::MIN)))
    }

    fn note(&self, app: &App, error: &std::io::Error) {
        app.metrics.failed_accepts.inc();
        if self.0.check().is_ok() {
            tracing::warn!(%error, "cannot accept a connection");
        }
    }
}

/// Returns the URL of the server without a path. If it listens at all addresses, the URL has the address by which other devices in the
/// same network reach it.
#[must_use]
pub fn origin(address: SocketAddr, has_tls: bool) -> String {
    let address =
        if address.ip().is_unspecified() { SocketAddr::new(outward(address.ip()), address.port()) } else { address };
    let scheme = if has_tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Returns the address of the network interface with the default route, or the loopback address if there is none.
fn outward(unspecified: IpAddr) -> IpAddr {
    // The addresses are reserved for documentation. `connect` only chooses a route, and sends nothing.
    let destinations: [SocketAddr; 2] = [([192, 0, 2, 1], 9).into(), ([0x2001, 0xDB8, 0, 0, 0, 0, 0, 1], 9).into()];
    let route = |to: SocketAddr| {
        let from: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    // A socket at `[::]` usually accepts IPv4 as well. An IPv4 address is easier to type.
    let usable = destinations.into_iter().filter(|to| unspecified.is_ipv6() || to.is_ipv4());
    let loopback = if unspecified.is_ipv4() { [127, 0, 0, 1].into() } else { [0, 0, 0, 0, 0, 0, 0, 1_u16].into() };
    usable.filter_map(route).find(|address| !address.is_unspecified()).unwrap_or(loopback)
}
