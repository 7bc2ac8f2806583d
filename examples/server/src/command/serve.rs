//! `suntap-server serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use suntap_server::http::{Limits, origin, serve, serve_ops};
use suntap_server::ops::log::{Log, LogFormat, LogLevel};
use suntap_server::ops::signals;
use suntap_server::secrets::{Secrets, random};
use suntap_server::store::{Address, Options, Store};
use suntap_server::{App, Demo};
use tokio::net::TcpListener;

use super::brand::BrandArgs;
use super::print;
use crate::config::{StoreArgs, count};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Serve tags in software from a temporary data file. Does not use the store or the secrets.
    #[arg(long)]
    demo: bool,
    /// Host and port, such as `localhost:8080`, or `0.0.0.0:8080` for all IPv4 addresses. With port 0, the system chooses a free port.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    /// A second address for `/readyz` and `/metrics`, which are then no longer on the first. `/healthz` is on both.
    #[arg(long, env = "SUNTAP_OPS_LISTEN")]
    ops_listen: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    brand: BrandArgs,
    /// Maximum number of open connections. Further clients wait. The limit of open files can make it less.
    #[arg(long, env = "SUNTAP_MAX_CONNECTIONS", default_value_t = 4096, value_parser = count(1_000_000))]
    max_connections: usize,
    /// Time limit in seconds, for each of: reading the head of a request, answering it, sending the answer, an idle connection. The
    /// store must answer in half of it.
    #[arg(long, env = "SUNTAP_TIMEOUT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Maximum number of requests with an invalid API key or token per client address and minute. After that, the status is 429. With 0,
    /// there is no limit. Behind a proxy, all clients share one address. Requests with a valid key are not limited.
    #[arg(long, env = "SUNTAP_INVALID_KEYS", default_value_t = 60)]
    invalid_keys: u32,
    /// The least important lines that are logged.
    #[arg(long, env = "SUNTAP_LOG", default_value = "info")]
    log: LogLevel,
    /// The format of the log.
    #[arg(long, env = "SUNTAP_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Log complete UIDs instead of their last digits.
    #[arg(long, env = "SUNTAP_LOG_UIDS")]
    log_uids: bool,
}

/// Files that are left to the store, the log and the runtime, besides the connections to a database.
const OTHER_FILES: u64 = 32;

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let log = Log::start(args.log, args.log_format)?;
    let served = run_with(args, &log).await;
    log.close();
    served
}

async fn run_with(args: Args, log: &Log) -> anyhow::Result<()> {
    let brand = args.brand.brand()?;
    let listener = listen(&args.listen).await.with_context(|| format!("--listen {}", args.listen))?;
    let ops = match args.ops_listen {
        Some(address) => Some(listen(&address).await.with_context(|| format!("--ops-listen {address}"))?),
        None => None,
    };
    let origin = origin(listener.local_addr()?);
    // Before anything is served, so that a signal ends no request.
    let end = signals::end()?;
    let connections = connections(args.max_connections, args.store.pool)?;
    let demo = if args.demo { Some(DemoFile::new()?) } else { None };
    let app = if let Some(file) = &demo {
        let secrets: &'static Secrets = Box::leak(Box::new(Secrets::random()?));
        let store = Store::create(&Address::Embedded(file.0.clone()), Options::default()).await?;
        let demo = Demo::seed(&store, secrets, &origin).await?;
        let [ixkio, etrnl] = demo.curl_lines()?;
        print(format!(
            "The demonstration is at {origin}/ and its data in {}.\n\n\
             As a client of ixkio, with a new tap. The same line again gets the answer for a used tap:\n{ixkio}\n\n\
             As a client of ETRNL:\n{etrnl}\n",
            file.0.display()
        ));
        App::new(store, secrets, brand).with_demo(demo)
    } else {
        let opened = args.store.open(Some(Duration::from_millis(args.timeout.saturating_mul(500)))).await?;
        for warning in &opened.warnings {
            tracing::warn!("{warning}");
        }
        print(format!("listening at {origin}, tags and counters in {}", args.store.address()?));
        App::new(opened.store, opened.secrets, brand)
    };
    let app = app.with_log(log.lost_lines(), args.log_uids).with_invalid_keys(args.invalid_keys);
    let app = Arc::new(app.with_ops_moved(ops.is_some()));
    let failed = app.store_failed();
    let (ended, has_ended) = tokio::sync::watch::channel(());
    let end = async move {
        let failure = tokio::select! {
            () = end => None,
            error = failed => Some(error),
        };
        drop(ended);
        failure
    };
    let timeout = Duration::from_secs(args.timeout);
    let limits = Limits { connections, timeout, grace: timeout };
    let until_end = || {
        let mut has_ended = has_ended.clone();
        async move {
            // Returns an error when the sender is dropped, which is the end.
            let _ = has_ended.changed().await;
        }
    };
    let main = serve(listener, Arc::clone(&app), limits, until_end());
    let ops = async {
        if let Some(listener) = ops {
            serve_ops(listener, Arc::clone(&app), limits, until_end()).await;
        }
    };
    let (failure, (), ()) = tokio::join!(end, main, ops);
    // Requests that were not finished in time keep the store open.
    if let Some(app) = Arc::into_inner(app) {
        app.close().await;
    }
    failure.map_or(Ok(()), |error| {
        Err(anyhow::Error::new(error).context("the server ends, so that a supervisor restarts it"))
    })
}

/// Listens at a host and port. If the host has several addresses, the first one that works is used, IPv4 before IPv6.
async fn listen(text: &str) -> anyhow::Result<TcpListener> {
    let addresses =
        tokio::net::lookup_host(text).await.context("expected a host and a port, such as 127.0.0.1:8080")?;
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(TcpListener::bind(&*addresses).await?)
}

/// Returns the number of connections that the limit of open files allows, at most `wanted`. Raises the limit if it can be raised.
fn connections(wanted: usize, pool: usize) -> anyhow::Result<usize> {
    let others = OTHER_FILES.saturating_add(u64::try_from(pool)?);
    let files = rlimit::increase_nofile_limit(others.saturating_add(u64::try_from(wanted)?)).context("open files")?;
    // A low limit is shared, so that neither part gets nothing.
    let allowed = files.saturating_sub(others).max(files / 4).max(1);
    let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
    if allowed < wanted {
        tracing::warn!("only {allowed} connections at once, because the process may open only {files} files");
    }
    Ok(wanted.min(allowed))
}

/// The data file of a demonstration, which is removed at the end.
struct DemoFile(PathBuf);

impl DemoFile {
    fn new() -> anyhow::Result<Self> {
        let name = format!("suntap-demo-{:016x}.redb", u64::from_ne_bytes(random()?));
        Ok(Self(std::env::temp_dir().join(name)))
    }
}

impl Drop for DemoFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
