//! The command line as a whole. The arguments of each subcommand are in its module.

use clap::{Parser, Subcommand};

use crate::{doctor, emulate, key, layout, manual, settings, verify};

const HELP: &str = "\
Examples:
  suntap doctor
  suntap verify --help

Exit codes:
  0  yes, or no fault
  1  a tap is refused, or a fault is found; in a batch of `verify`, a line has no verdict
  2  an argument is wrong, or reading or writing fails";

/// Verifies and diagnoses NFC taps of NTAG 424 DNA tags, and helps to set up tags
#[derive(Parser)]
#[command(name = "suntap", version, after_help = HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
    Doctor(doctor::Args),
    Emulate(emulate::Args),
    Layout(layout::Args),
    Settings(settings::Args),
    Key(key::Args),
    Completions(manual::CompletionsArgs),
    Man(manual::ManArgs),
}
