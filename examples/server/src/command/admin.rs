//! The admin API as commands use it: of a running server, or over a store that the command opens itself.

mod connection;
mod table;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use anyhow::{Context as _, anyhow, bail};
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::response::Response;
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use suntap_server::http::admin::model::{ErrorBody, InvalidLine, Page};
use suntap_server::http::admin::{Cause, LocalAdmin};
use suntap_server::secrets::readable_by_others;

pub(crate) use self::connection::Connection;
pub(super) use self::table::{Row, Table};
use super::{println, unwritten};
use crate::config::{StoreArgs, Unshown, warn};

/// Where a command does its work.
#[derive(clap::Args)]
pub(crate) struct AdminArgs {
    /// Do it in a running server: the address of its admin API, such as `https://tags.example.com:8081`, `http://127.0.0.1:8081` or
    /// `unix:/run/suntap/admin.sock`. The
    /// management key is read from the variable `SUNTAP_ADMIN_KEY` or from a file. Without this option, the command opens the store
    /// itself, which is not possible while a server uses a data file.
    #[arg(long, env = "SUNTAP_ADMIN")]
    admin: Option<String>,
    /// A file with the management key. Without this option it is read from the variable `SUNTAP_ADMIN_KEY`.
    #[arg(long)]
    admin_key_file: Option<PathBuf>,
    /// A file in PEM with the certificates of the authorities that are trusted for https://. Without it, those of the system are.
    #[arg(long, env = "SUNTAP_ADMIN_CA")]
    admin_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// How a command prints what it finds.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct Output {
    /// Print one JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which part of a list a command prints.
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Print at most this many.
    #[arg(long)]
    pub(crate) limit: Option<usize>,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

/// Which key of any kind is removed.
#[derive(clap::Args)]
pub(crate) struct Revoke {
    /// Its id, from the list.
    id: String,
    #[command(flatten)]
    admin: AdminArgs,
}

impl Revoke {
    /// Removes the key. `keys` is the path of the keys of its kind.
    pub(crate) async fn run(&self, keys: &str) -> anyhow::Result<()> {
        let api = self.admin.open().await?;
        api.act(Method::DELETE, &format!("{keys}/{}", encoded(&self.id))).await?;
        api.close().await;
        println(&format!("{} is revoked", self.id))
    }
}

/// The admin API.
pub(crate) enum Api {
    Remote(Connection),
    Local(LocalAdmin),
}

/// The lines that an import refused.
#[derive(Debug)]
pub(crate) struct InvalidLines {
    pub(crate) lines: Vec<InvalidLine>,
    pub(crate) message: String,
}

impl fmt::Display for InvalidLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "line {}: {}", line.line, line.reason)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for InvalidLines {}

impl AdminArgs {
    /// Connects to the server, or opens the store.
    pub(crate) async fn open(&self) -> anyhow::Result<Api> {
        if let Some(remote) = self.remote()? {
            return Ok(remote);
        }
        let opened = self.store.open(None).await?;
        opened.print_warnings();
        Ok(Api::Local(LocalAdmin::new(opened.store, opened.secrets)))
    }

    /// Returns the API of a running server, if one is named.
    pub(crate) fn remote(&self) -> anyhow::Result<Option<Api>> {
        let Some(address) = &self.admin else { return Ok(None) };
        let key = match &self.admin_key_file {
            Some(path) => {
                if readable_by_others(path) {
                    warn(&format!("management key {} can be read by other users: run chmod 600", path.display()));
                }
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("--admin-key-file {}", path.display()))?;
                text.trim().to_owned()
            }
            None => std::env::var("SUNTAP_ADMIN_KEY").ok().filter(|key| !key.is_empty()).context(
                "no management key: name a file with --admin-key-file, or set the variable SUNTAP_ADMIN_KEY",
            )?,
        };
        let connection = Connection::new(address, self.admin_ca.as_deref(), Some(Unshown(key))).context("--admin")?;
        if let Some(warning) = connection.warning() {
            warn(&warning);
        }
        Ok(Some(Api::Remote(connection)))
    }
}

impl Api {
    pub(crate) async fn get<T: DeserializeOwned>(&self, target: &str) -> anyhow::Result<T> {
        self.parsed(Method::GET, target, Body::empty(), None).await
    }

    /// Sends a request without a body. The answer has none, too.
    pub(crate) async fn act(&self, method: Method, target: &str) -> anyhow::Result<()> {
        self.send(method, target, Body::empty(), None).await?;
        Ok(())
    }

    pub(crate) async fn post<T: DeserializeOwned>(&self, target: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let body = Body::from(serde_json::to_vec(body)?);
        self.parsed(Method::POST, target, body, Some("application/json")).await
    }

    pub(crate) async fn post_lines<T: DeserializeOwned>(&self, target: &str, lines: String) -> anyhow::Result<T> {
        self.parsed(Method::POST, target, Body::from(lines), Some("application/x-ndjson")).await
    }

    async fn parsed<T: DeserializeOwned>(
        &self,
        method: Method,
        target: &str,
        body: Body,
        content_type: Option<&str>,
    ) -> anyhow::Result<T> {
        let response = self.send(method, target, body, content_type).await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&bytes).context("the answer is not that of an admin API")
    }

    /// Returns a successful answer. Another one is an error with its message.
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &str,
        body: Body,
        content_type: Option<&str>,
    ) -> anyhow::Result<Response> {
        let mut request = Request::builder().method(method).uri(target);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let request = request.body(body)?;
        let response = match self {
            Self::Remote(connection) => connection.send(request).await?,
            Self::Local(admin) => admin.send(request).await,
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if let Some(Cause(cause)) = response.extensions().get() {
            bail!("{cause}");
        }
        let id = response.headers().get(HeaderName::from_static("x-request-id")).cloned();
        let bytes = response.into_body().collect().await?.to_bytes();
        let Ok(error) = serde_json::from_slice::<ErrorBody>(&bytes) else {
            bail!("the answer has the status {status} and is not that of an admin API");
        };
        if let Some(lines) = error.lines {
            return Err(InvalidLines { lines, message: error.message }.into());
        }
        let id = id.filter(|_| status == StatusCode::SERVICE_UNAVAILABLE);
        Err(match id.as_ref().and_then(|id| id.to_str().ok()) {
            Some(id) => anyhow!("{} (request {id})", error.message),
            None => anyhow!(error.message),
        })
    }

    /// Prints a list page by page, so that it is never in memory as a whole.
    pub(crate) async fn print_list<T: DeserializeOwned + Serialize + Row>(
        &self,
        target: &str,
        args: &ListArgs,
    ) -> anyhow::Result<()> {
        let mut left = args.limit.unwrap_or(usize::MAX);
        let mut table = Table::default();
        let mut cursor = None::<String>;
        while left > 0 {
            let sign = if target.contains('?') { '&' } else { '?' };
            let mut page = format!("{target}{sign}limit={}", left.min(1000));
            if let Some(cursor) = &cursor {
                page.push_str("&cursor=");
                page.push_str(&encoded(cursor));
            }
            let page: Page<T> = self.get(&page).await?;
            for item in page.items.into_iter().take(left) {
                left = left.saturating_sub(1);
                if args.output.json {
                    println(&serde_json::to_string(&item)?)?;
                } else {
                    table.add(&item);
                }
            }
            if !args.output.json {
                table.flush()?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Writes the body of an answer as it comes. An error means that it is not complete.
    pub(crate) async fn download(
        &self,
        target: &str,
        mut write: impl AsyncFnMut(&[u8]) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        let mut body = self.send(Method::GET, target, Body::empty(), None).await?.into_body();
        while let Some(frame) = body.frame().await {
            if let Some(bytes) = frame.context("the answer is not complete")?.data_ref() {
                write(bytes).await.map_err(unwritten)?;
            }
        }
        Ok(())
    }

    /// Waits until the store has written what it accepted.
    pub(crate) async fn close(self) {
        if let Self::Local(admin) = self {
            admin.close().await;
        }
    }
}

/// Prints one object, as JSON or with a line per field.
pub(crate) fn print_one(value: &impl Serialize, output: Output) -> anyhow::Result<()> {
    if output.json {
        return println(&serde_json::to_string(value)?);
    }
    println(table::fields(&serde_json::to_value(value)?).trim_end())
}

/// Returns a text for one segment of a path or for a value of a query.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Returns the path of a tag. A text without a slash is an XUID.
pub(crate) fn tag_path(tag: &str) -> String {
    let (kind, name) = tag.split_once('/').unwrap_or(("xuid", tag));
    format!("/admin/v1/tags/{}/{}", encoded(kind), encoded(name))
}

/// Parses the end of a key: a duration from now, such as `90d`, or a time, such as `2027-01-01T00:00:00Z`.
pub(crate) fn end(text: &str) -> Result<String, String> {
    let end = match humantime::parse_duration(text) {
        Ok(duration) => SystemTime::now().checked_add(duration),
        Err(_) => humantime::parse_rfc3339_weak(text).ok(),
    };
    let wanted = "expected a duration such as 90d, or a time such as 2027-01-01T00:00:00Z";
    // The formatter refuses times that are not in four digits of a year.
    let end = end.filter(|end| end.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|since| since < LATEST));
    Ok(humantime::format_rfc3339_millis(end.ok_or(wanted)?).to_string())
}

/// The year 9999.
const LATEST: Duration = Duration::from_secs(253_402_300_000);
