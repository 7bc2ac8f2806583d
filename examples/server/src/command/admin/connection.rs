//! HTTP to the admin API of a running server.

use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::Unshown;

/// The time in which the server must accept a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Where requests are sent. Each has a connection of its own.
pub(crate) struct Connection {
    to: To,
    /// The management key.
    key: Option<HeaderValue>,
}

enum To {
    Tcp(Authority),
    Unix(String),
}

impl Connection {
    /// Prepares requests to an address.
    pub(crate) fn new(address: &str, key: Option<Unshown>) -> anyhow::Result<Self> {
        let to = if let Some(path) = address.strip_prefix("unix:") {
            To::Unix(path.into())
        } else if let Some(authority) = address.strip_prefix("http://") {
            let authority = authority.trim_end_matches('/').parse().context("expected http://HOST:PORT")?;
            To::Tcp(authority)
        } else {
            bail!("expected http://HOST:PORT or unix:PATH (for another host, use a tunnel such as ssh -L)");
        };
        let key = key.map(|Unshown(key)| HeaderValue::try_from(format!("Bearer {key}"))).transpose();
        let mut key = key.ok().context("the management key is malformed")?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Self { to, key })
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> anyhow::Result<Response> {
        match &self.to {
            To::Tcp(authority) => {
                let address = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
                let connect = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
                let stream = connect.context("no answer in 10 s").and_then(|stream| Ok(stream?));
                let stream = stream.with_context(|| format!("cannot connect to http://{authority}"))?;
                self.exchange(stream, authority.as_str(), request).await
            }
            #[cfg(unix)]
            To::Unix(path) => {
                let stream = tokio::net::UnixStream::connect(path).await;
                let stream = stream.with_context(|| format!("cannot connect to unix:{path}"))?;
                self.exchange(stream, "localhost", request).await
            }
            #[cfg(not(unix))]
            To::Unix(path) => bail!("unix:{path}: this system has no Unix sockets"),
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        host: &str,
        mut request: Request<Body>,
    ) -> anyhow::Result<Response> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let headers = request.headers_mut();
        headers.insert(header::HOST, HeaderValue::try_from(host)?);
        headers.extend(self.key.clone().map(|key| (header::AUTHORIZATION, key)));
        let response = sender.send_request(request).await.context("the server ended the connection")?;
        Ok(response.map(Body::new))
    }
}
