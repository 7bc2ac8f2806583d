//! Accepts connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;

use super::{ops_routes, routes};
use crate::app::App;

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
    let router = routes(Arc::clone(&app), limits.timeout);
    serve_router(listener, router, app, limits, end).await
}

/// Like [`serve`], but only for `/healthz`, `/readyz` and `/metrics`.
///
/// # Errors
/// As [`serve`].
pub async fn serve_ops(
    listener: tokio::net::TcpListener,
    app: Arc<App>,
    limits: Limits,
    end: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let router = ops_routes(Arc::clone(&app), limits.timeout);
    serve_router(listener, router, app, limits, end).await
}

async fn serve_router(
    listener: tokio::net::TcpListener,
    router: Router,
    app: Arc<App>,
    limits: Limits,
    end: impl Future<Output = ()>,
) -> std::io::Result<()> {
    use hyper_util::rt::{TokioIo, TokioTimer};
    use hyper_util::server::graceful::GracefulShutdown;
    use hyper_util::service::TowerToHyperService;

    let service = TowerToHyperService::new(router);
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
