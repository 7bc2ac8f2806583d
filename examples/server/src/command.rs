//! The commands.

mod brand;
mod check;
mod import;
mod init;
mod key;
mod secrets;
mod serve;
mod tap;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use suntap_server::ops::within;

/// Decides whether NFC taps are genuine and new, with the APIs of ixkio and ETRNL.
///
/// `suntap-server --demo` needs no preparation: it creates a data file and tags in software, and prints two `curl` lines to try.
///
/// The server speaks HTTP. Put a proxy in front of it for TLS.
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
    /// Answer requests from an existing store. This is also what happens without a command.
    Serve(serve::Args),
    /// Create a store: the data file, or the tables in PostgreSQL. An existing store is left as it is.
    Init(init::Args),
    /// Import organisations, API keys, tokens, folders, tag groups, batches and tags, one JSON object per line: all or none. Creates
    /// the store if there is none.
    Import(import::Args),
    /// List the tags that cannot be verified and the tag groups without rules. The exit code is 1 if there are any.
    Check(check::Args),
    /// Print the URL that a tag writes at its next tap, to test an installation. The keys are those of the store.
    ///
    /// The URL is genuine: the first request with it spends it. The next tap of the real tag may then be refused once as a replay.
    Tap(tap::Args),
    /// Create keys for API clients.
    #[command(subcommand)]
    Key(key::Command),
    /// Create the secrets, which are kept outside of the store.
    #[command(subcommand)]
    Secrets(secrets::Command),
}

/// Runs the command, and returns the exit code of the process.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        None => serve::run(cli.serve).await?,
        Some(Command::Serve(args)) => serve::run(args).await?,
        Some(Command::Init(args)) => init::run(args).await?,
        Some(Command::Import(args)) => import::run(args).await?,
        Some(Command::Check(args)) => return check::run(args).await,
        Some(Command::Tap(args)) => tap::run(args).await?,
        Some(Command::Key(command)) => key::run(command).await?,
        Some(Command::Secrets(command)) => secrets::run(command)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a line to standard output. Unlike the macro, returns an error if it is closed.
fn println(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Writes a line to standard output if somebody reads it. A server also works without a reader.
fn print(text: String) {
    within(Duration::from_secs(1), move || {
        let _ = writeln!(std::io::stdout(), "{text}");
    });
}
