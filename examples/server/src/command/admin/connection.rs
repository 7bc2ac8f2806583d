//! HTTP to the admin API of a running server.

#[cfg(unix)]
mod socket;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

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
    Tls(Authority, ServerName<'static>, TlsConnector),
    Unix(String),
}

impl Connection {
    /// Prepares requests to an address. For HTTPS, the certificates in the file `trusted` are trusted, or those of the system.
    pub(crate) fn new(address: &str, trusted: Option<&Path>, key: Option<Unshown>) -> anyhow::Result<Self> {
        let expected = "expected https://HOST:PORT, http://HOST:PORT or unix:PATH";
        let authority = |text: &str| text.trim_end_matches('/').parse::<Authority>().context(expected);
        let to = if let Some(path) = address.strip_prefix("unix:") {
            To::Unix(path.into())
        } else if let Some(text) = address.strip_prefix("https://") {
            let authority = authority(text)?;
            let name = ServerName::try_from(host(&authority).to_owned()).context(expected)?;
            To::Tls(authority, name, connector(trusted)?)
        } else if let Some(text) = address.strip_prefix("http://") {
            To::Tcp(authority(text)?)
        } else {
            bail!(expected);
        };
        let key = key.map(|Unshown(key)| HeaderValue::try_from(format!("Bearer {key}"))).transpose();
        let mut key = key.ok().context("the management key is malformed")?;
        if let Some(key) = &mut key {
            key.set_sensitive(true);
        }
        Ok(Self { to, key })
    }

    /// Returns a warning if the management key is sent over a network without encryption.
    pub(crate) fn warning(&self) -> Option<String> {
        let To::Tcp(authority) = &self.to else { return None };
        let host = host(authority);
        let is_local =
            host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
        (!is_local).then(|| format!("the management key is sent to {host} without encryption: use https:// or ssh -L"))
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> anyhow::Result<Response> {
        match &self.to {
            To::Tcp(authority) => {
                let stream = connect(authority, 80).await;
                let stream = stream.with_context(|| format!("cannot connect to http://{authority}"))?;
                self.exchange(stream, authority.as_str(), request).await
            }
            To::Tls(authority, name, connector) => {
                let connect = async {
                    let stream = connect(authority, 443).await?;
                    let handshake = tokio::time::timeout(CONNECT, connector.connect(name.clone(), stream)).await;
                    anyhow::Ok(handshake.context("no TLS handshake in 10 s")??)
                };
                let stream = connect.await.with_context(|| format!("cannot connect to https://{authority}"))?;
                self.exchange(stream, authority.as_str(), request).await
            }
            #[cfg(unix)]
            To::Unix(path) => {
                let stream = socket::connect(path.as_ref(), self.key.is_some()).await;
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

fn host(authority: &Authority) -> &str {
    authority.host().trim_matches(['[', ']'])
}

async fn connect(authority: &Authority, default_port: u16) -> anyhow::Result<TcpStream> {
    let address = (host(authority), authority.port_u16().unwrap_or(default_port));
    let connect = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    Ok(connect.context("no answer in 10 s")??)
}

/// Prepares TLS that trusts the certificates of a file, or those of the system.
fn connector(trusted: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = trusted {
        let file = || format!("certificates {}", path.display());
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        for certificate in certificates.with_context(file)? {
            roots.add(certificate).with_context(file)?;
        }
        ensure!(!roots.is_empty(), "{}: no certificate in PEM", file());
    } else {
        // Certificates that cannot be read are not trusted.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        ensure!(!roots.is_empty(), "the system has no trusted certificates: name a file with --admin-ca");
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config).into())
}
