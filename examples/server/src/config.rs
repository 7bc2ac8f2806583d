//! The options that commands share, and where they come from.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use suntap_server::secrets::source::{Source, VARIABLE};
use suntap_server::secrets::{Secrets, canary, readable_by_others};
use suntap_server::store::{Address, Options, Store, StoreError};
use zeroize::Zeroizing;

pub(crate) mod file;
pub(crate) mod load;

#[derive(Args)]
pub(crate) struct FileArgs {
    /// A configuration file in TOML. Its keys are the names of flags, such as `listen = "127.0.0.1:8080"`. A section such as `[import]` has
    /// flags of one command. A flag or an environment variable overrides the file.
    #[arg(long, env = "SUNTAP_CONFIG")]
    pub(crate) config: Option<PathBuf>,
}

/// The source of the secrets. There must be exactly one.
#[derive(Args)]
#[allow(clippy::struct_field_names, reason = "the names are those of the flags")]
pub(crate) struct SecretsArgs {
    /// The file with the secrets. The other sources are --secrets-fd, --secrets-credential and the variable `SUNTAP_SECRETS`, which other
    /// processes of the same user can read. Exactly one must be given. Without any, the systemd credential `suntap-secrets` is used.
    #[arg(long, env = "SUNTAP_SECRETS_FILE")]
    secrets_file: Option<PathBuf>,
    /// The number of an open file descriptor from which the secrets are read to the end, for example of a pipe.
    #[arg(long)]
    secrets_fd: Option<u32>,
    /// The name of the systemd credential with the secrets.
    #[arg(long, env = "SUNTAP_SECRETS_CREDENTIAL")]
    secrets_credential: Option<String>,
}

#[derive(Args)]
pub(crate) struct StoreArgs {
    #[command(flatten)]
    file: FileArgs,
    /// A data file, `postgres://…`, or `redis://…` (separate the nodes of a cluster by commas). Use the environment variable for a
    /// URL with a password.
    #[arg(long, env = "SUNTAP_STORE", default_value = "suntap.redb", hide_env_values = true)]
    pub(crate) store: Unshown,
    /// A file with the value of --store, for a URL with a password.
    #[arg(long, env = "SUNTAP_STORE_FILE", conflicts_with = "store")]
    store_file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) secrets: SecretsArgs,
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
pub(crate) fn count(greatest: u64) -> RangedU64ValueParser<usize> {
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
    pub(crate) secrets: Secrets,
    /// What an operator should know, one line each.
    pub(crate) warnings: Vec<String>,
}

impl StoreArgs {
    /// Opens an existing store, and checks that it belongs to the secrets.
    pub(crate) async fn open(&self, patience: Option<Duration>) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::open(&self.address()?, self.options(patience)).await?;
        let checked = self.named(canary::check(&store, &secrets).await)?;
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    /// Like [`open`](Self::open), but creates the store if there is none. The import then records the secrets in it.
    pub(crate) async fn create(&self) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        let checked = self.named(canary::check_recorded(&store, &secrets).await)?.unwrap_or_default();
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    /// Like [`create`](Self::create), but creates nothing: if there is no store, uses an empty one in a temporary file.
    pub(crate) async fn open_or_scratch(&self) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = match Store::open(&self.address()?, self.options(None)).await {
            Err(StoreError::Missing(_)) => Store::temporary(self.options(None))?,
            store => store?,
        };
        let checked = self.named(canary::check_recorded(&store, &secrets).await)?.unwrap_or_default();
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    /// Like [`create`](Self::create), but records the secrets in a new store, and returns `true` if it did.
    pub(crate) async fn init(&self) -> anyhow::Result<(Opened, bool)> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        let (checked, is_new) = self.named(canary::record(&store, &secrets).await)?;
        Ok((self.opened(store, secrets, warning.into_iter().chain(checked))?, is_new))
    }

    /// Like [`create`](Self::create), but records the secrets even if the store has others.
    pub(crate) async fn accept(&self) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let store = Store::create(&self.address()?, self.options(None)).await?;
        canary::accept(&store, &secrets).await?;
        self.opened(store, secrets, warning)
    }

    /// Opens or creates a store for a restore, after `check` has checked the secrets.
    pub(crate) async fn create_to_fill(
        &self,
        check: impl FnOnce(&Secrets) -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Opened> {
        let (secrets, warning) = self.secrets()?;
        let checked = check(&secrets)?;
        let store = Store::create_to_fill(&self.address()?, self.options(None)).await?;
        self.opened(store, secrets, warning.into_iter().chain(checked))
    }

    fn opened(
        &self,
        store: Store,
        secrets: Secrets,
        warnings: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<Opened> {
        let mut warnings: Vec<_> = warnings.into_iter().chain(store.warnings().iter().cloned()).collect();
        if let Address::Embedded(path) = self.address()?
            && readable_by_others(&path)
        {
            warnings.push(format!("data file {} can be read by other users: run chmod 600", path.display()));
        }
        warnings.extend(self.file_warning());
        Ok(Opened { store, secrets, warnings })
    }

    pub(crate) fn secrets(&self) -> anyhow::Result<(Secrets, Option<String>)> {
        self.secrets.source()?.read()
    }

    /// Adds the source of the secrets to an error about them.
    fn named<T>(&self, checked: anyhow::Result<T>) -> anyhow::Result<T> {
        checked.map_err(|error| match (error.is::<StoreError>(), self.secrets.source()) {
            (false, Ok(source)) => error.context(source.to_string()),
            _ => error,
        })
    }

    /// Returns a warning if other users can read the file that the URL of a database is in, and the URL has a password.
    pub(crate) fn file_warning(&self) -> Option<String> {
        let (what, path) = match (&self.store_file, &self.file.config) {
            (Some(path), _) => ("store file", path),
            (None, Some(path)) => ("configuration file", path),
            (None, None) => return None,
        };
        let is_readable = self.address().is_ok_and(|address| address.has_password()) && readable_by_others(path);
        // A flag or a variable may have replaced the URL of the configuration file.
        let text =
            if is_readable { Zeroizing::new(std::fs::read_to_string(path).unwrap_or_default()) } else { return None };
        let is_here = self.store_file.is_some() || text.contains(&self.store.0);
        is_here.then(|| format!("{what} {} can be read by other users: run chmod 600", path.display()))
    }

    pub(crate) fn options(&self, patience: Option<Duration>) -> Options {
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
        let Some(path) = &self.store_file else {
            return self.store.0.parse().map_err(anyhow::Error::msg).context("--store");
        };
        let file = || format!("--store-file {}", path.display());
        let text = Zeroizing::new(std::fs::read_to_string(path).with_context(file)?);
        text.trim().parse().map_err(anyhow::Error::msg).with_context(file)
    }
}

impl SecretsArgs {
    /// Returns the source that is given.
    pub(crate) fn source(&self) -> anyhow::Result<Source> {
        let is_variable = std::env::var_os(VARIABLE).is_some_and(|text| !text.is_empty());
        let (file, credential) = (self.secrets_file.as_deref(), self.secrets_credential.as_deref());
        Source::choose(file, self.secrets_fd, credential, is_variable)
    }
}

impl Opened {
    /// Prints the warnings, for a command without a log.
    pub(crate) fn print_warnings(&self) {
        self.warnings.iter().for_each(|warning| warn(warning));
    }
}

/// Prints a warning of a command without a log.
pub(crate) fn warn(warning: &str) {
    // Standard error may be closed.
    let _ = writeln!(std::io::stderr(), "warning: {warning}");
}
