//! Sends spans by OTLP over HTTP, as the standard environment variables say.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::spans::TRACER;
use crate::ops::within;

/// The time for one message to the collector.
const LIMIT: Duration = Duration::from_secs(10);
/// The longest answer of a collector, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// One of these variables turns the traces on.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The traces of this process.
#[derive(Debug)]
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Starts to send traces if an endpoint is set, on a thread of its own. Must be called within a runtime of `tokio`.
    ///
    /// # Errors
    /// Returns an error if the endpoint is not that of a collector over HTTP.
    pub fn start() -> anyhow::Result<Self> {
        let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let is_off = set(&"OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let Some((name, endpoint)) = ENDPOINTS.iter().find_map(|name| Some((name, set(name)?))).filter(|_| !is_off)
        else {
            return Ok(Self(None));
        };
        ensure!(
            endpoint.starts_with("http://"),
            "{name}: expected http://HOST:PORT, the address of a collector on this host or in a private network"
        );
        let exporter = SpanExporter::builder().with_http().with_http_client(Client(Handle::current()));
        let exporter = exporter.build().with_context(|| (*name).to_owned())?;
        let mut resource = Resource::builder();
        if set(&"OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("suntap-server");
        }
        let provider =
            SdkTracerProvider::builder().with_resource(resource.build()).with_batch_exporter(exporter).build();
        let _ = TRACER.set(provider.tracer("suntap-server"));
        Ok(Self(Some(provider)))
    }

    /// Sends the last spans. Gives up after five seconds.
    pub fn close(self) {
        if let Some(provider) = self.0 {
            within(Duration::from_secs(5), move || {
                let _ = provider.shutdown();
            });
        }
    }
}

/// Sends messages on the runtime of the server, because the thread of the exporter has none.
#[derive(Debug)]
struct Client(Handle);

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // A timer can only be created within the runtime.
        self.0.spawn(async move { tokio::time::timeout(LIMIT, send(request)).await }).await??
    }
}

async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let authority = parts.uri.authority().ok_or("the address of the collector has no host")?.clone();
    let stream =
        TcpStream::connect((authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    parts.headers.insert(header::HOST, HeaderValue::try_from(authority.as_str())?);
    parts.uri = parts.uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    let response = sender.send_request(Request::from_parts(parts, Body::from(body))).await?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await?.to_bytes();
    Ok(Response::from_parts(parts, body))
}
