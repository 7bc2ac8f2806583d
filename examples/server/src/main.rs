//! `suntap-server`: see `--help`.

mod command;
mod config;

use std::process::ExitCode;

use clap::Parser as _;
use suntap_server::secrets::Secrets;

use crate::config::{Cli, Command, KeyCommand, SecretsCommand};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    match cli.command {
        None => command::serve::run(cli.serve).await?,
        Some(Command::Serve(args)) => command::serve::run(args).await?,
        Some(Command::Init(args)) => command::init::run(args).await?,
        Some(Command::Import(args)) => command::import::run(args).await?,
        Some(Command::Check(args)) => return command::check::run(args).await,
        Some(Command::Key(KeyCommand::New(args))) => command::key::new(args).await?,
        Some(Command::Secrets(SecretsCommand::New { path })) => Secrets::create(&path)?,
    }
    Ok(ExitCode::SUCCESS)
}
