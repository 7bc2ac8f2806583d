//! The commands.

mod admin;
mod backup;
mod brand;
mod check;
mod check_config;
mod compact;
mod counter;
mod history;
mod import;
mod init;
mod key;
mod level;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod man;
mod manager;
mod moving;
mod organisation;
mod probe;
mod reseal;
mod restore;
mod secrets;
mod serve;
mod tag;
mod tap;
mod tls;
mod webhook;

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use suntap_server::http::admin::model::Kind;
use suntap_server::ops::within;

use crate::config::load::Loaded;

/// Decides whether NFC taps are genuine and new, with the APIs of ixkio and ETRNL.
///
/// `suntap-server --demo` needs no preparation: it creates a data file and tags in software, and prints two `curl` lines to try.
///
/// The server speaks HTTP, and HTTPS with --tls-cert and --tls-key. For rate limits, put a proxy in front of it.
///
/// At SIGHUP (`systemctl reload`), the server reads the secrets and the certificates again. If they cannot be used, the old ones stay in
/// use, and the log says why. Secrets from a variable or a file descriptor cannot be read again, and a changed option needs a restart.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Args,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests from an existing store. This is also what happens without a command. SIGHUP reads the secrets and the
    /// certificates again.
    Serve(serve::Args),
    /// Create a store: the data file, or the tables in PostgreSQL. An existing store is left as it is.
    Init(init::Args),
    /// Import organisations, API keys, tokens, folders, tag groups, batches and tags, one JSON object per line: all or none. Creates
    /// the store if there is none.
    Import(import::Args),
    /// Check the data file, and list the tags that cannot be verified, the tag groups without rules and the documents that cannot be
    /// read. The exit code is 1 if there are any.
    Check(check::Args),
    /// Ask a running server whether it can serve taps. The exit code is 1 if it cannot. For the health check of a container.
    Probe(probe::Args),
    /// Write all tags, counters, keys and the history of a store into one file. For a data file in use, pass --admin. The file can be
    /// restored into any kind of store. It has no secrets: without the secrets file it is useless.
    Backup(backup::Args),
    /// Fill a new or empty store from a backup.
    ///
    /// The counters in a backup are as old as the backup: every tap that was accepted since would pass once more. Say what to do
    /// about this with at least one of --raise-counters-by and --raise-from, or with --accept-replays.
    Restore(restore::Args),
    /// Give free space of the data file back to the file system. The server must be stopped.
    Compact(compact::Args),
    /// Print the URL that a tag writes at its next tap, to test an installation. The keys are those of the store.
    ///
    /// The URL is genuine: the first request with it spends it. The next tap of the real tag may then be refused once as a replay.
    Tap(tap::Args),
    /// Print the history as JSON, one object per line, oldest first. For a data file in use, pass --admin.
    History(history::Args),
    /// Seal all stored keys under the first server secret, so that the others can be removed from the list. Restart all servers with the
    /// new list first. The command can be stopped and repeated.
    Reseal(reseal::Args),
    /// List, show, export, disable, enable and delete tags.
    #[command(subcommand)]
    Tag(tag::Command),
    /// Show and raise the counters of tags.
    #[command(subcommand)]
    Counter(counter::Command),
    /// List, show, disable, enable and delete organisations.
    #[command(subcommand)]
    Organisation(organisation::Command),
    /// List, show, disable, enable and delete folders.
    #[command(subcommand)]
    Folder(level::Command),
    /// List, show, disable, enable and delete tag groups.
    #[command(subcommand)]
    Group(level::Command),
    /// List, show, disable, enable and delete batches.
    #[command(subcommand)]
    Batch(level::Command),
    /// List, create, revoke and expire keys and tokens of API clients.
    #[command(subcommand)]
    Key(key::Command),
    /// List, create and revoke management keys, which authorise the admin API.
    #[command(subcommand)]
    Manager(manager::Command),
    /// Test the endpoints of webhooks, which are sections of the configuration file.
    #[command(subcommand)]
    Webhook(webhook::Command),
    /// Create the secrets, which are kept outside of the store.
    #[command(subcommand)]
    Secrets(secrets::Command),
}

/// Runs the command, and returns the exit code of the process.
pub(crate) async fn run(loaded: Loaded<Cli>) -> anyhow::Result<ExitCode> {
    let Loaded { cli, effective, webhooks } = loaded;
    match cli.command.unwrap_or(Command::Serve(cli.serve)) {
        Command::Serve(args) if args.check_config => check_config::run(&args, &effective, webhooks).await?,
        Command::Serve(args) => serve::run(args, webhooks).await?,
        Command::Init(args) => init::run(args).await?,
        Command::Import(args) => import::run(args).await.map_err(unreported)?,
        Command::Check(args) => return check::run(args).await.map_err(unreported),
        Command::History(args) => history::run(args).await?,
        Command::Backup(args) => backup::run(args).await.map_err(unreported)?,
        Command::Restore(args) => restore::run(args).await.map_err(unreported)?,
        Command::Compact(args) => compact::run(&args)?,
        Command::Probe(args) => probe::run(args).await?,
        Command::Tap(args) => tap::run(args).await?,
        Command::Tag(command) => tag::run(command).await?,
        Command::Counter(command) => counter::run(command).await?,
        Command::Organisation(command) => organisation::run(command).await?,
        Command::Folder(command) => level::run(Kind::Folder, command).await?,
        Command::Group(command) => level::run(Kind::TagGroup, command).await?,
        Command::Batch(command) => level::run(Kind::Batch, command).await?,
        Command::Manager(command) => manager::run(command).await?,
        Command::Key(command) => key::run(command).await?,
        Command::Reseal(args) => reseal::run(args).await?,
        Command::Webhook(command) => webhook::run(command, webhooks).await?,
        Command::Secrets(command) => secrets::run(command)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The reader of standard output has closed it.
#[derive(Debug)]
pub(crate) struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("standard output is closed")
    }
}

impl std::error::Error for Unread {}

/// Returns the error of a write to standard output.
fn unwritten(error: io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe { Unread.into() } else { error.into() }
}

/// Makes closed standard output an error, for a command whose result would be lost.
fn unreported(error: anyhow::Error) -> anyhow::Error {
    if error.is::<Unread>() { anyhow::anyhow!("standard output is closed, so the result is incomplete") } else { error }
}

/// Writes a line to standard output. Unlike the macro, returns an error if it is closed.
fn println(text: &str) -> anyhow::Result<()> {
    writeln!(io::stdout(), "{text}").map_err(unwritten)
}

/// Writes a line to standard output if somebody reads it. A server also works without a reader.
fn print(text: String) {
    within(Duration::from_secs(1), move || {
        let _ = writeln!(io::stdout(), "{text}");
    });
}
