//! `suntap-server probe`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use http_body_util::{BodyExt as _, Limited};

use super::admin::Connection;
use super::println;
use crate::config::FileArgs;

/// The time for an answer. The server asks its store for at most two seconds.
const LIMIT: Duration = Duration::from_secs(3);
/// Longest answer in bytes.
const MAX_BODY: usize = 64 * 1024;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Host and port of the server.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The second address of the server, if `/readyz` is there.
    #[arg(long, env = "SUNTAP_OPS_LISTEN")]
    ops_listen: Option<String>,
    /// The certificate of the server, if it has one. It then has no HTTP at --listen.
    #[arg(long, env = "SUNTAP_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    #[command(flatten)]
    file: FileArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.ops_listen.is_some() || args.tls_cert.is_none(),
        "{} speaks TLS: give the server --ops-listen, which is HTTP at an address of this host, and probe it there",
        args.listen
    );
    let address = args.ops_listen.unwrap_or(args.listen);
    let answer = tokio::time::timeout(LIMIT, ask(&address)).await;
    let (status, body) = answer.with_context(|| format!("no answer from {address} in {} s", LIMIT.as_secs()))??;
    ensure!(
        status != StatusCode::NOT_FOUND,
        "{address} has no /readyz: if the server has --ops-listen, use it here, too"
    );
    if status != StatusCode::OK {
        bail!("not ready: {}", body.trim_end());
    }
    println(body.trim_end())
}

async fn ask(address: &str) -> anyhow::Result<(StatusCode, String)> {
    let connection = Connection::new(&format!("http://{address}"), None, None).context("--listen")?;
    let response = connection.send(Request::get("/readyz").body(Body::empty())?).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(anyhow::Error::from_boxed)?;
    Ok((status, String::from_utf8_lossy(&body.to_bytes()).into_owned()))
}
