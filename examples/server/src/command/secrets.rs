//! `suntap-server secrets`.

use std::path::PathBuf;

use clap::Subcommand;
use suntap_server::secrets::Secrets;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a file with new secrets that only its owner can read. An existing file is never replaced.
    New {
        /// The file.
        path: PathBuf,
    },
}

pub(crate) fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New { path } => Secrets::create(&path),
    }
}
