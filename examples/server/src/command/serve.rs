//! `suntap-server serve`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use suntap_server::http::admin::PageLogin;
use suntap_server::http::{
    AdminListener, Brand, Identity, Limits, TrustedProxy, origin, serve, serve_admin, serve_ops,
};
use suntap_server::ops::log::{Log, LogFormat, LogLevel};
use suntap_server::ops::reload::Reload;
use suntap_server::ops::webhooks::Endpoint;
use suntap_server::ops::{signals, systemd};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Options, Store};
use suntap_server::trace::Traces;
use suntap_server::{App, Demo};
use tokio::net::TcpListener;

use super::brand::BrandArgs;
use super::print;
use super::tls::TlsArgs;
use super::webhook::{self, Webhooks};
use crate::config::{StoreArgs, count};

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag")]
pub(crate) struct Args {
    /// Read the options and the secrets, print each option with the place that it comes from, and end. Neither opens the store nor
    /// listens. The exit code is 0 if everything is valid.
    #[arg(long)]
    pub(crate) check_config: bool,
    /// Serve tags in software from a temporary data file. Does not use the store or the secrets.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Host and port, such as `localhost:8080`, or `0.0.0.0:8080` for all IPv4 addresses. With port 0, the system chooses a free port.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// A second address for `/readyz` and `/metrics`, which are then no longer on the first. `/healthz` is on both.
    #[arg(long, env = "SUNTAP_OPS_LISTEN")]
    pub(crate) ops_listen: Option<String>,
    /// The address of the private admin API and of the operator's page, such as `127.0.0.1:8081` or `unix:/run/suntap/admin.sock`. Only
    /// the owner can use the socket. Without this option, there is neither. Create a key for it first: `suntap-server manager new`.
    #[arg(long, env = "SUNTAP_ADMIN_LISTEN")]
    pub(crate) admin_listen: Option<String>,
    /// A name by which clients call the admin API, besides IP addresses and `localhost`. Can be repeated.
    #[arg(long = "admin-host", env = "SUNTAP_ADMIN_HOST", value_delimiter = ',')]
    pub(crate) admin_hosts: Vec<String>,
    /// Who may see the operator's page, which is at `/` of the admin listener and can only be read.
    #[arg(long, env = "SUNTAP_ADMIN_PAGE", default_value = "key")]
    admin_page: PageLogin,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) brand: BrandArgs,
    /// Maximum number of open connections. Further clients wait. The limit of open files can make it less.
    #[arg(long, env = "SUNTAP_MAX_CONNECTIONS", default_value_t = 4096, value_parser = count(1_000_000))]
    max_connections: usize,
    /// Time limit in seconds, for each of: reading the head of a request, answering it, sending the answer, an idle connection. The
    /// store must answer in half of it.
    #[arg(long, env = "SUNTAP_TIMEOUT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Maximum number of requests with an invalid API key or token per client address and minute. After that, the status is 429. With 0,
    /// there is no limit. Behind a proxy that is not trusted, all clients share one address. Requests with a valid key are not limited.
    #[arg(long, env = "SUNTAP_INVALID_KEYS", default_value_t = 60)]
    invalid_keys: u32,
    /// Seconds for which the token of a redirect is valid. The visitor's phone follows the redirect at once.
    #[arg(long, env = "SUNTAP_TOKEN_LIFETIME", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    token_lifetime: u64,
    /// The address or network of a proxy, such as 10.0.0.1 or 10.0.0.0/8. Can be repeated; separate several by commas in the variable.
    /// If a connection comes from it, the address of the client is the rightmost one in `X-Forwarded-For` that is not a trusted proxy,
    /// and the id of the request is its `X-Request-Id`. The header `Forwarded` is not read.
    #[arg(long = "trusted-proxy", env = "SUNTAP_TRUSTED_PROXIES", value_delimiter = ',')]
    trusted_proxies: Vec<TrustedProxy>,
    /// Days for which the history is kept. With 0, there is no history.
    #[arg(long, env = "SUNTAP_HISTORY_KEEP", default_value_t = 90)]
    history_keep: u32,
    /// Maximum number of accepted taps in the history. The oldest are removed first. Of administrative acts, of replays and of counts of
    /// other refusals, a tenth of this number each is kept. Redis keeps the history in memory, about 200 bytes for each entry.
    #[arg(long, env = "SUNTAP_HISTORY_ENTRIES", default_value_t = 10_000_000, value_parser = clap::value_parser!(u64).range(10..))]
    history_entries: u64,
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
/// Connections to the admin API at once.
const ADMIN_CONNECTIONS: usize = 32;

impl Args {
    /// Checks options that depend on each other.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let is_tcp = self.admin_listen.as_ref().is_some_and(|address| !address.starts_with("unix:"));
        if self.admin_page == PageLogin::Proxy && is_tcp && self.trusted_proxies.is_empty() {
            bail!("--admin-page proxy needs --trusted-proxy, or a Unix socket for --admin-listen");
        }
        Ok(())
    }

    /// Checks that there is a history if there are webhooks.
    pub(crate) fn check_webhooks(&self, endpoints: &[Endpoint]) -> anyhow::Result<()> {
        if !endpoints.is_empty() && self.history_keep == 0 {
            bail!("webhooks send events from the history, so --history-keep must not be 0");
        }
        Ok(())
    }

    fn endpoints(&self, webhooks: Webhooks) -> anyhow::Result<Vec<Endpoint>> {
        let (endpoints, warnings) = webhook::open(webhooks)?;
        self.check_webhooks(&endpoints)?;
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if self.demo && !endpoints.is_empty() {
            tracing::warn!("a demonstration sends no events to webhooks");
            return Ok(Vec::new());
        }
        Ok(endpoints)
    }
}

pub(crate) async fn run(args: Args, webhooks: Webhooks) -> anyhow::Result<()> {
    let log = Log::start(args.log, args.log_format)?;
    let served = match Traces::start() {
        Ok(traces) => {
            let served = run_with(args, webhooks, &log).await;
            traces.close();
            served
        }
        Err(error) => Err(error),
    };
    log.close();
    served
}

async fn run_with(args: Args, webhooks: Webhooks, log: &Log) -> anyhow::Result<()> {
    args.check()?;
    let brand = args.brand.brand()?;
    let endpoints = args.endpoints(webhooks)?;
    let tls = args.tls.read()?;
    for warning in tls.warnings() {
        tracing::warn!("{warning}");
    }
    let listener = listen("--listen", &args.listen).await?;
    let ops = match &args.ops_listen {
        Some(address) => Some(listen("--ops-listen", address).await?),
        None => None,
    };
    let admin = match &args.admin_listen {
        Some(address) => Some(admin_listen(address, tls.admin.clone()).await?),
        None => None,
    };
    let origin = origin(listener.local_addr()?, tls.main.is_some());
    // Before anything is served, so that a signal ends no request.
    let (end, hangups) = (signals::end()?, signals::Hangups::new()?);
    let of_admin = if admin.is_some() { ADMIN_CONNECTIONS } else { 0 };
    let connections = connections(args.max_connections, args.store.pool.saturating_add(of_admin))?;
    let app = open(&args, &origin, brand).await?;
    if let Some((_, address)) = &admin {
        print(format!("administration at {address}"));
        if !app.has_manager().await? {
            tracing::warn!(
                "there is no management key yet, so nobody can use the admin API: run suntap-server manager new"
            );
        }
    }
    let app = app.with_log(log.lost_lines(), args.log_uids).with_invalid_keys(args.invalid_keys);
    let app = app.with_trusted_proxies(args.trusted_proxies.into());
    let app = app.with_token_lifetime(Duration::from_secs(args.token_lifetime));
    let app = app.with_history(args.history_keep, args.history_entries);
    let app = Arc::new(app.with_webhooks(endpoints).await?.with_ops_moved(ops.is_some()));
    let timeout = Duration::from_secs(args.timeout);
    let failed = app.store_failed();
    let (ended, has_ended) = tokio::sync::watch::channel(());
    let end = async move {
        let failure = tokio::select! {
            () = end => None,
            error = failed => Some(error),
        };
        tracing::info!("ending");
        systemd::stopping(timeout);
        drop(ended);
        failure
    };
    let limits = Limits { connections, timeout, grace: timeout };
    let until_end = || {
        let mut has_ended = has_ended.clone();
        async move {
            // Returns an error when the sender is dropped, which is the end.
            let _ = has_ended.changed().await;
        }
    };
    let mut webhooks = app.start_webhooks(&has_ended)?;
    systemd::ready();
    let watchdog = {
        let app = Arc::downgrade(&app);
        tokio::spawn(systemd::watchdog(move || app.upgrade().is_some_and(|app| app.works())))
    };
    let main = serve(listener, tls.main.clone(), Arc::clone(&app), limits, until_end());
    let ops = async {
        if let Some(listener) = ops {
            serve_ops(listener, Arc::clone(&app), limits, until_end()).await;
        }
    };
    let admin = async {
        if let Some((listener, _)) = admin {
            let limits = Limits { connections: ADMIN_CONNECTIONS, ..limits };
            let (hosts, invalid_keys) = (args.admin_hosts, args.invalid_keys);
            serve_admin(listener, Arc::clone(&app), hosts, invalid_keys, args.admin_page, limits, until_end()).await;
        }
    };
    let history = app.keep_history(until_end());
    let secrets = if args.demo { None } else { Some(args.store.secrets.source()?) };
    let reload = Reload { secrets, certificates: tls.all() };
    let reloads = reload.keep(&app, hangups, until_end());
    let webhooks = async { while webhooks.join_next().await.is_some() {} };
    let (failure, (), (), (), (), (), ()) = tokio::join!(end, main, ops, admin, history, reloads, webhooks);
    app.finish_history().await;
    watchdog.abort();
    // Until it has ended, it may hold the application.
    let _ = watchdog.await;
    // Requests that were not finished in time keep the store open.
    if let Some(app) = Arc::into_inner(app) {
        app.close().await;
    }
    failure.map_or(Ok(()), |error| {
        Err(anyhow::Error::new(error).context("the server ends, so that a supervisor restarts it"))
    })
}

/// Opens the store, or creates that of a demonstration, and says where the server listens.
async fn open(args: &Args, origin: &str, brand: Brand) -> anyhow::Result<App> {
    if args.demo {
        let secrets = Secrets::random()?;
        let store = Store::temporary(Options::default())?;
        let demo = Demo::seed(&store, &secrets, origin).await?;
        let [ixkio, etrnl] = demo.curl_lines()?;
        print(format!(
            "The demonstration is at {origin}/. Its data is gone when it ends.\n\n\
             As a client of ixkio, with a new tap. The same line again gets the answer for a used tap:\n{ixkio}\n\n\
             As a client of ETRNL:\n{etrnl}\n"
        ));
        return Ok(App::new(store, secrets, brand).with_demo(demo));
    }
    let opened = args.store.open(Some(Duration::from_millis(args.timeout.saturating_mul(500)))).await?;
    for warning in &opened.warnings {
        tracing::warn!("{warning}");
    }
    print(format!("listening at {origin}, tags and counters in {}", args.store.address()?));
    Ok(App::new(opened.store, opened.secrets, brand))
}

/// Listens at a host and port. If the host has several addresses, the first one that works is used, IPv4 before IPv6.
async fn listen(flag: &str, text: &str) -> anyhow::Result<TcpListener> {
    let mut addresses = addresses(flag, text).await?;
    addresses.sort_by_key(SocketAddr::is_ipv6);
    TcpListener::bind(&*addresses).await.with_context(|| format!("{flag} {text}"))
}

/// Returns the addresses of a host and port.
pub(crate) async fn addresses(flag: &str, text: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let found = tokio::net::lookup_host(text).await;
    let found = found.context("expected a host and a port, such as 127.0.0.1:8080");
    Ok(found.with_context(|| format!("{flag} {text}"))?.collect())
}

/// Listens for the admin API. Returns the address to print, too.
async fn admin_listen(text: &str, tls: Option<Arc<Identity>>) -> anyhow::Result<(AdminListener, String)> {
    if let Some(path) = text.strip_prefix("unix:") {
        let listener = AdminListener::unix(path.as_ref()).with_context(|| format!("--admin-listen {text}"))?;
        return Ok((listener, text.into()));
    }
    let listener = listen("--admin-listen", text).await?;
    let local = listener.local_addr()?;
    if tls.is_none() && !local.ip().is_loopback() {
        tracing::warn!(
            "management keys are sent to {local} without encryption: use --admin-tls-cert, a Unix socket or a tunnel"
        );
    }
    let address = origin(local, tls.is_some());
    Ok((AdminListener::Tcp(listener, tls), address))
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
