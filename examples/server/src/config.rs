//! The command line and the environment.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use suntap_server::ops::log::{LogFormat, LogLevel};
use suntap_server::registry::document::KeyKind;
use suntap_server::registry::index::MAX_META_KEYS;
use suntap_server::secrets::{Secrets, canary, readable_by_others};
use suntap_server::store::{Address, Options, Store};

/// Decides whether NFC taps are genuine and new, with the APIs of ixkio and ETRNL.
///
/// `suntap-server --demo` needs no preparation: it creates a data file and tags in software, and prints two `curl` lines to try.
///
/// The server speaks HTTP. Put a proxy in front of it for TLS.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: Serve,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Answer requests from an existing store. This is also what happens without a command.
    Serve(Serve),
    /// Create a store: the data file, or the tables in PostgreSQL. An existing store is left as it is.
    Init(Init),
    /// Import organisations, API keys, tokens, folders, tag groups, batches and tags, one JSON object per line: all or none. Creates
    /// the store if there is none.
    Import(Import),
    /// List the tags that cannot be verified and the tag groups without rules. The exit code is 1 if there are any.
    Check(Check),
    /// Print the URL that a tag writes at its next tap, to test an installation. The keys are those of the store.
    ///
    /// The URL is genuine: the first request with it spends it. The next tap of the real tag may then be refused once as a replay.
    Tap(Tap),
    /// Create keys for API clients.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Create the secrets, which are kept outside of the store.
    #[command(subcommand)]
    Secrets(SecretsCommand),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Create a key and print it. It cannot be shown again: the store keeps only a hash of it.
    New(KeyNew),
}

#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Write a file with new secrets that only its owner can read. An existing file is never replaced.
    New {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Serve tags in software from a temporary data file. Does not use the store or the secrets.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Host and port, such as `localhost:8080`, or `0.0.0.0:8080` for all IPv4 addresses. With port 0, the system chooses a free port.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    /// A second address for `/readyz` and `/metrics`, which are then no longer on the first. `/healthz` is on both.
    #[arg(long, env = "SUNTAP_OPS_LISTEN")]
    pub(crate) ops_listen: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// Maximum number of open connections. Further clients wait. The limit of open files can make it less.
    #[arg(long, env = "SUNTAP_MAX_CONNECTIONS", default_value_t = 4096, value_parser = count(1_000_000))]
    pub(crate) max_connections: usize,
    /// Time limit in seconds, for each of: reading the head of a request, answering it, sending the answer, an idle connection. The
    /// store must answer in half of it.
    #[arg(long, env = "SUNTAP_TIMEOUT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) timeout: u64,
    /// Maximum number of requests with an invalid API key or token per client address and minute. After that, the status is 429. With 0,
    /// there is no limit. Behind a proxy, all clients share one address. Requests with a valid key are not limited.
    #[arg(long, env = "SUNTAP_INVALID_KEYS", default_value_t = 60)]
    pub(crate) invalid_keys: u32,
    /// The least important lines that are logged.
    #[arg(long, env = "SUNTAP_LOG", default_value = "info")]
    pub(crate) log: LogLevel,
    /// The format of the log.
    #[arg(long, env = "SUNTAP_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Log complete UIDs instead of their last digits.
    #[arg(long, env = "SUNTAP_LOG_UIDS")]
    pub(crate) log_uids: bool,
}

#[derive(Args)]
pub(crate) struct Init {
    /// Record the present secrets as those of the store in place of others. Needed after a secret was replaced on purpose.
    #[arg(long)]
    pub(crate) accept_secrets: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag")]
pub(crate) struct Import {
    /// The file, or `-` for standard input.
    pub(crate) path: PathBuf,
    /// Accept API keys and tokens of fewer than 12 characters, although they can be guessed.
    #[arg(long)]
    pub(crate) allow_short_keys: bool,
    /// Accept authentication tags without rules, although genuine and forged taps get the same answer.
    #[arg(long)]
    pub(crate) allow_no_rules: bool,
    /// Accept the factory key (16 zero bytes), with which everybody can make taps that pass.
    #[arg(long)]
    pub(crate) allow_factory_keys: bool,
    /// Read each line as the whole object, and remove the stored fields that it does not name. Without this flag, a line changes
    /// only the fields that it names, and `null` removes a field.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Maximum number of layouts whose URLs have the same path and parameters, and of the different meta-read keys of their tags
    /// that the URL does not name. For each tap with this path, the page tries all of them.
    #[arg(long, env = "SUNTAP_MAX_META_KEYS", default_value_t = MAX_META_KEYS, value_parser = count(10_000))]
    pub(crate) max_meta_keys: usize,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
pub(crate) struct Check {
    /// Print one JSON object per finding, and no count.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
pub(crate) struct Tap {
    /// The XUID or the number of the tag.
    pub(crate) tag: String,
    /// The eCode of the tag, if its keys are sealed under an eCode or derived from one.
    #[arg(long)]
    pub(crate) ecode: Option<Unshown>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
pub(crate) struct KeyNew {
    /// The number of the organisation that the key belongs to.
    #[arg(long)]
    pub(crate) organisation: u64,
    /// The kind of key.
    #[arg(long, default_value = "private")]
    pub(crate) kind: KeyKind,
    /// A label for your own use.
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
pub(crate) struct StoreArgs {
    /// A data file, `postgres://…`, or `redis://…` (separate the nodes of a cluster by commas). Use the environment variable for a
    /// URL with a password.
    #[arg(long, env = "SUNTAP_STORE", default_value = "suntap.redb", hide_env_values = true)]
    pub(crate) store: Unshown,
    /// The file with the secrets. Without this flag they are read from the variable `SUNTAP_SECRETS`.
    #[arg(long, env = "SUNTAP_SECRETS_FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// The largest number of taps that share one write to the data file. With 1, each tap has its own.
    #[arg(long, env = "SUNTAP_GROUP_COMMIT", default_value_t = Options::default().group_commit, value_parser = count(16_384))]
    pub(crate) group_commit: usize,
    /// Memory in MiB for the cache of the data file.
    #[arg(long, env = "SUNTAP_CACHE_SIZE", default_value_t = Options::default().cache_size / MIB, value_parser = count(1_048_576))]
    pub(crate) cache_size: usize,
    /// The largest number of connections to PostgreSQL.
    #[arg(long, env = "SUNTAP_POOL", default_value_t = Options::default().pool, value_parser = count(1024))]
    pub(crate) pool: usize,
}

const MIB: usize = 1024 * 1024;

/// Parses a number from 1 to `greatest`.
fn count(greatest: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=greatest)
}

/// A text that may contain a password. It has no `Debug`, so that an error of the argument parser cannot show it.
#[derive(Clone)]
pub(crate) struct Unshown(pub(crate) String);

impl std::str::FromStr for Unshown {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

/// A store with its secrets.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) secrets: &'static Secrets,
    /// What an operator should know, one line each.
    pub(crate) warnings: Vec<String>,
}

impl StoreArgs {
    /// Opens an existing store, and checks that it belongs to the secrets.
    pub(crate) async fn open(&self, patience: Option<Duration>) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::open(&self.address()?, self.options(patience)).await?;
        let checked = canary::check(&store, secrets).await?;
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    /// Like [`open`](Self::open), but creates the store if there is none. The import then records the secrets in it.
    pub(crate) async fn create(&self) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        let checked = canary::check_recorded(&store, secrets).await?.unwrap_or_default();
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    /// Like [`create`](Self::create), but records the secrets in a new store, and returns `true` if it did.
    pub(crate) async fn init(&self) -> anyhow::Result<(Opened, bool)> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        let (checked, is_new) = canary::record(&store, secrets).await?;
        Ok((self.opened(store, secrets, warning.into_iter().chain(checked))?, is_new))
    }

    /// Like [`create`](Self::create), but records the secrets even if the store has others.
    pub(crate) async fn accept(&self) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        canary::accept(&store, secrets).await?;
        self.opened(store, secrets, warning)
    }

    fn opened(
        &self,
        store: Store,
        secrets: &'static Secrets,
        warnings: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<Opened> {
        let mut warnings: Vec<_> = warnings.into_iter().chain(store.warnings().iter().cloned()).collect();
        if let Address::Embedded(path) = self.address()?
            && readable_by_others(&path)
        {
            warnings.push(format!("data file {} can be read by other users: run chmod 600", path.display()));
        }
        Ok(Opened { store, secrets, warnings })
    }

    fn secrets(&self) -> anyhow::Result<(&'static Secrets, Option<String>)> {
        let (secrets, warning) = if let Some(path) = &self.secrets_file {
            Secrets::read(path)?
        } else {
            let text = std::env::var("SUNTAP_SECRETS").context(
                "no secrets: create a file with `suntap-server secrets new FILE`, and name it with --secrets-file",
            )?;
            (Secrets::parse(&text).context("variable SUNTAP_SECRETS")?, None)
        };
        Ok((Box::leak(Box::new(secrets)), warning))
    }

    fn options(&self, patience: Option<Duration>) -> Options {
        let defaults = Options::default();
        Options {
            group_commit: self.group_commit,
            cache_size: self.cache_size.saturating_mul(MIB),
            pool: self.pool,
            patience: patience.unwrap_or(defaults.patience),
            ..defaults
        }
    }

    pub(crate) fn address(&self) -> anyhow::Result<Address> {
        self.store.0.parse().map_err(anyhow::Error::msg).context("--store")
    }
}

impl Opened {
    /// Prints the warnings, for a command without a log.
    pub(crate) fn print_warnings(&self) {
        for warning in &self.warnings {
            // Standard error may be closed.
            let _ = writeln!(std::io::stderr(), "warning: {warning}");
        }
    }
}
