//! The command line and the environment.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use suntap_server::ops::log::{LogFormat, LogLevel};
use suntap_server::registry::document::KeyKind;
use suntap_server::secrets::Secrets;
use suntap_server::store::{Address, Options, Store};

/// Decides whether NFC taps are genuine and new, in the APIs of ixkio and ETRNL.
///
/// `suntap-server --demo` needs nothing else: it makes a data file and tags in software, and prints two `curl` lines to try.
///
/// It speaks HTTP. TLS is the work of the proxy in front of it.
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
    /// Answer requests. The same as no command at all.
    Serve(Serve),
    /// Read organisations, API keys, tokens, folders, tag groups, batches and tags, one JSON object a line: all of them, or none.
    Import(Import),
    /// List the tags that cannot be verified and the tag groups without rules. The exit code is 1 if there are any.
    Check(Check),
    /// Print the URL that a tag writes at its next tap, to test an installation. The keys are those of the store.
    ///
    /// The URL is genuine: whoever opens it first spends it. The next tap of the real tag may then be refused as a replay, once.
    Tap(Tap),
    /// Keys of API clients.
    #[command(subcommand)]
    Key(KeyCommand),
    /// What the service knows and the database does not.
    #[command(subcommand)]
    Secrets(SecretsCommand),
}

#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and show it, once: only a name of it is kept.
    New(KeyNew),
}

#[derive(Subcommand)]
pub(crate) enum SecretsCommand {
    /// Write a file with new secrets. It is made for its owner's eyes only, and never replaced.
    New {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Serve {
    /// Serve tags in software, from a data file of their own that is removed at the end. Store and secrets are left alone.
    #[arg(long)]
    pub(crate) demo: bool,
    /// Host and port, such as `localhost:8080`, or `0.0.0.0:8080` for all IPv4 addresses. Port 0 is any free port.
    #[arg(long, env = "SUNTAP_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    /// The greatest number of connections at once. Further connections wait. The limit of open files can make it less.
    #[arg(long, env = "SUNTAP_MAX_CONNECTIONS", default_value_t = 4096, value_parser = number::<usize>(1..=1_000_000))]
    pub(crate) max_connections: usize,
    /// Seconds for the head of a request, for its body and its answer, for a client to read it, and for a connection without any of
    /// these. A store has half of it.
    #[arg(long, env = "SUNTAP_TIMEOUT", default_value_t = 10, value_parser = number::<u64>(1..=86_400))]
    pub(crate) timeout: u64,
    /// Requests with an invalid API key or token that one client address may send per minute before it gets status 429. 0 is no limit.
    /// Behind a proxy, all clients share one address. Requests with a valid key are not limited.
    #[arg(long, env = "SUNTAP_INVALID_KEYS", default_value_t = 60)]
    pub(crate) invalid_keys: u32,
    /// What goes to the log.
    #[arg(long, env = "SUNTAP_LOG", default_value = "info")]
    pub(crate) log: LogLevel,
    /// How the log is written.
    #[arg(long, env = "SUNTAP_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// Write whole UIDs to the log.
    #[arg(long, env = "SUNTAP_LOG_UIDS")]
    pub(crate) log_uids: bool,
}

#[derive(Args)]
pub(crate) struct Import {
    /// The file, or `-` for standard input.
    pub(crate) path: PathBuf,
    /// Take API keys and tokens of less than 12 characters, although they can be guessed.
    #[arg(long)]
    pub(crate) allow_short_keys: bool,
    /// Take authentication tags without rules, although genuine and forged taps get the same answer.
    #[arg(long)]
    pub(crate) allow_no_rules: bool,
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
    /// The number of the organisation that the key is of.
    #[arg(long)]
    pub(crate) organisation: u64,
    /// What its holder may do.
    #[arg(long, default_value = "private")]
    pub(crate) kind: KeyKind,
    /// What you call it.
    #[arg(long)]
    pub(crate) label: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Args)]
pub(crate) struct StoreArgs {
    /// A data file, `postgres://…`, or `redis://…` (nodes of a cluster with commas). What has a password belongs into the environment.
    #[arg(long, env = "SUNTAP_STORE", default_value = "suntap.redb", hide_env_values = true)]
    pub(crate) store: Unshown,
    /// The file with the secrets. Without it they are read from the variable `SUNTAP_SECRETS`.
    #[arg(long, env = "SUNTAP_SECRETS_FILE")]
    pub(crate) secrets_file: Option<PathBuf>,
    /// Taps that share one write of the data file at most. With 1, each has its own.
    #[arg(long, env = "SUNTAP_GROUP_COMMIT", default_value_t = Options::default().group_commit, value_parser = number::<usize>(1..=65_536))]
    pub(crate) group_commit: usize,
    /// Connections to PostgreSQL at most.
    #[arg(long, env = "SUNTAP_POOL", default_value_t = Options::default().pool, value_parser = number::<usize>(1..=1000))]
    pub(crate) pool: usize,
}

/// Returns a parser of whole numbers in a range.
fn number<T: TryFrom<u64> + Clone + Send + Sync>(range: RangeInclusive<u64>) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(range)
}

/// A text that may have a password in it, which the parser of arguments would show with what is wrong with it.
#[derive(Clone)]
pub(crate) struct Unshown(pub(crate) String);

impl std::str::FromStr for Unshown {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.into()))
    }
}

impl StoreArgs {
    /// Opens the store with the secrets of these arguments.
    pub(crate) async fn open(&self, patience: Option<Duration>) -> anyhow::Result<(Store, &'static Secrets)> {
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

    pub(crate) fn address(&self) -> anyhow::Result<Address> {
        self.store.0.parse().map_err(anyhow::Error::msg).context("--store")
    }
}
