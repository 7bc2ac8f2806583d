//! `suntap-server`: see `--help`.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::Demo;
use suntap_server::check::check;
use suntap_server::document::{ApiKey, KeyKind};
use suntap_server::http::{App, Limits, origin, serve};
use suntap_server::import::{Allowed, import};
use suntap_server::keys::create;
use suntap_server::secrets::{Secrets, random};
use suntap_server::store::{Address, Options, Store};

/// Decides whether NFC taps are genuine and new, in the APIs of ixkio and ETRNL.
///
/// `suntap-server --demo` needs nothing else: it makes a data file and tags in software, and prints two `curl` lines to try.
///
/// It speaks HTTP. TLS is the work of the proxy in front of it.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests. The same as no command at all.
    Serve(Serve),
    /// Read organisations, API keys, tokens, folders, tag groups, batches and tags, one JSON object a line: all of them, or none.
    Import(Import),
    /// List the tags that cannot be verified and the tag groups without rules. The exit code is 1 if there are any.
    Check(Check),
    /// Keys of API clients.
    #[command(subcommand)]
    Key(KeyCommand),
    /// What the service knows and the database does not.
    #[command(subcommand)]
    Secrets(SecretsCommand),
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key and show it, once: only a name of it is kept.
    New(KeyNew),
}

#[derive(Subcommand)]
enum SecretsCommand {
    /// Write a file with new secrets. It is made for its owner's eyes only, and never replaced.
    New {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Args)]
struct Serve {
    /// Serve tags in software, from a data file of their own that is removed at the end. Store and secrets are left alone.
    #[arg(long)]
    demo: bool,
    /// Address and port. Port 0 is any that is free.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    #[command(flatten)]
    store: StoreArgs,
    /// Connections at once. Further ones wait.
    #[arg(long, env = "SUNTAP_MAX_CONNECTIONS", default_value_t = 4096)]
    max_connections: usize,
    /// Seconds for the head of a request, for its body and its answer, for a client to read it, and for a connection without any of
    /// these. A store has half of it.
    #[arg(long, env = "SUNTAP_TIMEOUT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// What goes to the log.
    #[arg(long, env = "SUNTAP_LOG", default_value = "info")]
    log: LogLevel,
    /// How the log is written.
    #[arg(long, env = "SUNTAP_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Write whole UIDs to the log.
    #[arg(long, env = "SUNTAP_LOG_UIDS")]
    log_uids: bool,
}

#[derive(Args)]
struct Import {
    /// The file, or `-` for standard input.
    path: PathBuf,
    /// Take API keys and tokens of less than 12 characters, although they can be guessed.
    #[arg(long)]
    allow_short_keys: bool,
    /// Take authentication tags without rules, although genuine and forged taps get the same answer.
    #[arg(long)]
    allow_no_rules: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct Check {
    /// Print one JSON object per finding, and no count.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct KeyNew {
    /// The number of the organisation that the key is of.
    #[arg(long)]
    organisation: u64,
    /// What its holder may do.
    #[arg(long, default_value = "private")]
    kind: KeyKind,
    /// What you call it.
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Args)]
struct StoreArgs {
    /// A data file, `postgres://…`, or `redis://…` (nodes of a cluster with commas). What has a password belongs into the environment.
    #[arg(long, env = "SUNTAP_STORE", default_value = "suntap.redb", hide_env_values = true)]
    store: Unshown,
    /// The file with the secrets. Without it they are read from the variable `SUNTAP_SECRETS`.
    #[arg(long, env = "SUNTAP_SECRETS_FILE")]
    secrets_file: Option<PathBuf>,
    /// Taps that share one write of the data file at most. With 1, each has its own.
    #[arg(long, env = "SUNTAP_GROUP_COMMIT", default_value_t = Options::default().group_commit)]
    group_commit: usize,
    /// Connections to PostgreSQL at most.
    #[arg(long, env = "SUNTAP_POOL", default_value_t = Options::default().pool)]
    pool: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogLevel {
    /// A line for each tap.
    Info,
    /// What an operator should look at.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    Off,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// A text that may have a password in it, which the parser of arguments would show with what is wrong with it.
#[derive(Clone)]
struct Unshown(String);

impl std::str::FromStr for Unshown {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl StoreArgs {
    async fn open(&self, patience: Option<Duration>) -> anyhow::Result<(Store, &'static Secrets)> {
        let text = match &self.secrets_file {
            Some(path) => std::fs::read_to_string(path).with_context(|| path.display().to_string())?,
            None => std::env::var("SUNTAP_SECRETS").context(
                "there are no secrets: `suntap-server secrets new FILE` makes some; name the file by --secrets-file",
            )?,
        };
        let secrets = Secrets::parse(&text).context("the secrets")?;
        let patience = patience.unwrap_or(Options::default().patience);
        let options = Options { group_commit: self.group_commit, pool: self.pool, patience };
        let store = Store::open(&self.address()?, options).await?;
        Ok((store, Box::leak(Box::new(secrets))))
    }

    fn address(&self) -> anyhow::Result<Address> {
        self.store.0.parse().map_err(anyhow::Error::msg).context("--store")
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        None => run(cli.serve).await?,
        Some(Command::Serve(serve)) => run(serve).await?,
        Some(Command::Import(args)) => run_import(args).await?,
        Some(Command::Check(args)) => return run_check(args).await,
        Some(Command::Key(KeyCommand::New(args))) => {
            let (store, secrets) = args.store.open(None).await?;
            let key = ApiKey { organisation: args.organisation, kind: args.kind, label: args.label };
            let created = create(&store, secrets, &key).await?;
            store.close().await;
            println(&created.text)?;
        }
        Some(Command::Secrets(SecretsCommand::New { path })) => Secrets::create(&path)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A line on standard output, which may be gone.
fn println(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

async fn run(args: Serve) -> anyhow::Result<()> {
    start_log(args.log, args.log_format);
    let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
    let origin = origin(listener.local_addr()?);
    // Before anything is served, so that nobody is cut off by a signal.
    let end = signals()?;
    let demo = if args.demo { Some(DemoFile::new()?) } else { None };
    let app = if let Some(file) = &demo {
        let secrets: &'static Secrets = Box::leak(Box::new(Secrets::random()?));
        let store = Store::open(&Address::Embedded(file.0.clone()), Options::default()).await?;
        let demo = Demo::seed(&store, secrets, &origin).await?;
        let [ixkio, etrnl] = demo.curl_lines()?;
        println(&format!(
            "Tags in software are at {origin}/ and their data in {}.\n\n\
             As a client of ixkio, a tap that nobody has used; once more, and it has been:\n{ixkio}\n\n\
             As a client of ETRNL:\n{etrnl}\n",
            file.0.display()
        ))?;
        App::new(store, secrets, args.log_uids).with_demo(demo)
    } else {
        let (store, secrets) = args.store.open(Some(Duration::from_millis(args.timeout.saturating_mul(500)))).await?;
        for warning in store.warnings() {
            tracing::warn!("{warning}");
        }
        println(&format!("listening at {origin}, tags and counters in {}", args.store.address()?))?;
        App::new(store, secrets, args.log_uids)
    };
    let app = Arc::new(app);
    let timeout = Duration::from_secs(args.timeout);
    let limits = Limits { connections: args.max_connections, timeout, grace: timeout };
    serve(listener, Arc::clone(&app), limits, end).await?;
    // What was not finished in time holds on to the store.
    if let Some(app) = Arc::into_inner(app) {
        app.close().await;
    }
    Ok(())
}

/// The data file of a demonstration, which goes with it.
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

fn signals() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => (),
            _ = terminate.recv() => (),
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}

fn start_log(level: LogLevel, format: LogFormat) {
    use std::io::IsTerminal as _;
    use tracing_subscriber::filter::LevelFilter;

    let level = match level {
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal()).with_target(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

async fn run_import(args: Import) -> anyhow::Result<()> {
    let mut text = String::new();
    if args.path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
    } else {
        let mut file = std::fs::File::open(&args.path).with_context(|| args.path.display().to_string())?;
        file.read_to_string(&mut text).with_context(|| args.path.display().to_string())?;
    }
    let (store, secrets) = args.store.open(None).await?;
    // Not drawn where there is no terminal.
    let bar = ProgressBar::new(u64::try_from(text.len()).unwrap_or_default());
    bar.set_style(ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta}")?);
    let allowed = Allowed { short_keys: args.allow_short_keys, no_rules: args.allow_no_rules };
    let report = import(&store, secrets, &text, allowed, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    store.close().await;
    let report = report?;
    println(&format!("{} tags imported, and {} other lines", report.tags, report.others))?;
    for warning in &report.warnings {
        println(&format!("warning: {warning}"))?;
    }
    if report.waiting > 0 {
        println(&format!(
            "{} of the tags have no keys or no layout yet, and none of their taps passes:",
            report.waiting
        ))?;
        for tag in &report.first_waiting {
            println(&format!("  {tag}"))?;
        }
    }
    Ok(())
}

async fn run_check(args: Check) -> anyhow::Result<ExitCode> {
    // Opening makes a new data file, which a mistyped path should not.
    if let Address::Embedded(path) = args.store.address()?
        && !path.exists()
    {
        anyhow::bail!("there is no data file {}", path.display());
    }
    let (store, secrets) = args.store.open(None).await?;
    let findings = check(&store, secrets).await;
    store.close().await;
    let findings = findings?;
    for finding in &findings {
        println(&if args.json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    if !args.json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
