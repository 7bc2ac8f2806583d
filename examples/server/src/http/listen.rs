//! Accepts connections.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::{ops_routes, routes};
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

/// Serves until `end`, then finishes the requests that were accepted. A connection that cannot be accepted does not end the server.
pub async fn serve(listener: TcpListener, app: Arc<App>, limits: Limits, end: impl Future<Output = ()>) {
    let router = routes(Arc::clone(&app), limits.timeout);
    serve_router(listener, router, app, limits, end).await;
}

/// Like [`serve`], but only for `/healthz`, `/readyz` and `/metrics`.
pub async fn serve_ops(listener: TcpListener, app: Arc<App>, limits: Limits, end: impl Future<Output = ()>) {
    let router = ops_routes(Arc::clone(&app), limits.timeout);
    serve_router(listener, router, app, limits, end).await;
}

async fn serve_router(
    listener: TcpListener,
    router: Router,
    app: Arc<App>,
    limits: Limits,
    end: impl Future<Output = ()>,
) {
    let service = TowerToHyperService::new(router);
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.timeout).max_buf_size(16 * 1024);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(limits.connections.clamp(1, Semaphore::MAX_PERMITS)));
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
            Ok((stream, address)) => (stream, address.ip()),
            Err(error) => {
                failures.note(&app, &error);
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        // A client that does not read its answer holds a place no longer than one that sends nothing.
        let mut stream = tokio_io_timeout::TimeoutStream::new(stream);
        stream.set_write_timeout(Some(limits.timeout));
        let (service, sender_app) = (service.clone(), Arc::clone(&app));
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let sender = sender_app.trusted_proxies.sender(Some(peer), request.headers());
            request.extensions_mut().insert(sender);
            service.call(request)
        });
        let connection = graceful.watch(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
        let connections = app.metrics.connections.clone();
        tokio::spawn(async move {
            connections.inc();
            // An error means that the client went away or was too slow.
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
pub fn origin(address: SocketAddr) -> String {
    let address =
        if address.ip().is_unspecified() { SocketAddr::new(outward(address.ip()), address.port()) } else { address };
    format!("http://{address}")
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
