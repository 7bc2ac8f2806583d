//! Posts messages over HTTP.

use std::time::Duration;

use anyhow::Context as _;
use chrono::DateTime;
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use super::endpoint::Endpoint;
use super::event::Message;
use crate::text::causes;
use crate::time::now;

/// The time for a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// The time for a request and its answer.
const LIMIT: Duration = Duration::from_secs(10);
/// The time for which an unused connection is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Longest answer in bytes. A connection with a longer one is closed.
const MAX_BODY: usize = 16 * 1024;
const AGENT: &str = concat!("suntap-server/", env!("CARGO_PKG_VERSION"));

/// The time for the body of an answer. Its status counts without it.
const BODY: Duration = Duration::from_secs(2);

/// A client for one endpoint. It follows no redirect, and uses no proxy.
///
/// It has a thread of its own. An endpoint that sends without end can keep a thread busy so that no timeout on it fires. Taps must not
/// depend on such a thread.
#[derive(Debug)]
pub(super) struct Client {
    http: legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    thread: Option<Runtime>,
}

/// An answer to a message.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// How long the endpoint asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// The body, if it is short enough.
    pub(super) body: Bytes,
}

impl Client {
    /// Creates a client that trusts the certificate authorities of the system.
    ///
    /// # Errors
    /// Returns an error if the endpoint uses `https` and there is none.
    pub(super) fn new(endpoint: &Endpoint) -> anyhow::Result<Self> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT));
        http.set_nodelay(true);
        let builder = HttpsConnectorBuilder::new();
        let builder = if endpoint.is_https() {
            let certificates = builder.with_provider_and_native_roots(ring::default_provider());
            certificates.context("no trusted certificates: install those of the system, or set SSL_CERT_FILE")?
        } else {
            let config = ClientConfig::builder_with_provider(ring::default_provider().into());
            let config = config.with_safe_default_protocol_versions()?;
            builder.with_tls_config(config.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(http);
        let mut client = legacy::Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
        let thread = Builder::new_multi_thread().worker_threads(1).thread_name("webhook").enable_all().build()?;
        Ok(Self { http: client.build(connector), thread: Some(thread) })
    }

    /// Posts a message.
    ///
    /// # Errors
    /// Returns why there is no answer. The text does not have the URL.
    pub(super) async fn post(&self, endpoint: &Endpoint, message: &Message) -> Result<Answer, String> {
        let request = request(endpoint, message)?;
        let Some(thread) = &self.thread else { return Err("the client has ended".into()) };
        let http = self.http.clone();
        // Ends the post when it is dropped.
        let mut posts = JoinSet::new();
        posts.spawn_on(
            async move { answer(http.request(request).await.map_err(|error| causes(&error))?).await },
            thread.handle(),
        );
        match tokio::time::timeout(LIMIT, posts.join_next()).await {
            Ok(Some(Ok(answer))) => answer,
            Ok(_) => Err("the post was interrupted".into()),
            Err(_) => Err(format!("no answer in {} s", LIMIT.as_secs())),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.shutdown_background();
        }
    }
}

fn request(endpoint: &Endpoint, message: &Message) -> Result<Request<Full<Bytes>>, String> {
    let seconds = now().map_or(0, |now| now.get() / 1000);
    let request = Request::post(endpoint.url())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, AGENT)
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", seconds)
        .header("webhook-signature", endpoint.secrets.sign(&message.id, seconds, &message.body))
        .body(Full::from(message.body.clone()));
    request.map_err(|error| error.to_string())
}

async fn answer(response: Response<Incoming>) -> Result<Answer, String> {
    let (status, retry_after) = (response.status(), retry_after(response.headers()));
    // Read, so that the connection can be used again.
    let body = tokio::time::timeout(BODY, Limited::new(response.into_body(), MAX_BODY).collect()).await;
    let body = body.ok().and_then(Result::ok).map(Collected::to_bytes).unwrap_or_default();
    Ok(Answer { status, retry_after, body })
}

/// Returns the time that `Retry-After` has, in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    let wait = u64::try_from(date.timestamp_millis()).ok()?.saturating_sub(now()?.get());
    Some(Duration::from_millis(wait))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    #[test]
    fn retry_after_has_seconds_or_a_date() {
        let wait = |text: &str| retry_after(&HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]));
        assert_eq!(wait(" 120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let now = DateTime::from_timestamp_millis(i64::try_from(now().unwrap().get()).unwrap()).unwrap();
        let date = now.checked_add_signed(TimeDelta::seconds(100)).unwrap().to_rfc2822();
        assert!((95..=100).contains(&wait(&date).unwrap().as_secs()), "{date}");
        for text in ["", "-1", "soon", "1.5"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }
}
