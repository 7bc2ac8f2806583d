//! The command line tool `suntap`: verifies and diagnoses taps, and helps to set up tags.
//!
//! ```text
//! cargo install --path examples/cli
//! suntap --help
//! ```
//!
//! Each subcommand has a module. A subcommand returns `Ok(true)` for exit code 0, `Ok(false)` for exit code 1, and an
//! error for exit code 2.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod doctor;
mod emulate;
mod files;
mod hex;
mod key;
mod keys;
mod layout;
mod manual;
mod mode;
mod ndef;
mod progress;
mod redact;
mod settings;
mod style;
mod suffix;
mod text;
mod usage;
mod verify;

use args::{Cli, Command};

/// The result of a subcommand.
type Outcome = Result<bool, Box<dyn Error>>;

/// Runs the command on the command line, and returns the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Cli::try_parse() {
        Ok(cli) => run_command(cli.command),
        Err(error) => return usage::report(&error),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A closed pipe, as in `suntap man | head`, needs no message.
            if error.downcast_ref::<io::Error>().is_none_or(|error| error.kind() != io::ErrorKind::BrokenPipe) {
                usage::print(&error.to_string());
            }
            ExitCode::from(usage::ERROR)
        }
    }
}

fn run_command(command: Command) -> Outcome {
    // Not locked, because the threads of a batch write to it too.
    let mut out = anstream::stdout();
    match command {
        Command::Verify(args) => verify::run(&args, &mut out),
        Command::Doctor(args) => doctor::run(&args, &mut out),
        Command::Emulate(args) => emulate::run(&args, &mut out),
        Command::Layout(args) => layout::run(&args, &mut out),
        Command::Settings(args) => settings::run(&args, &mut out),
        Command::Key(args) => key::run(args, &mut out),
        Command::Completions(args) => manual::completions(&args, &mut out),
        Command::Man(args) => manual::man(&args, &mut out),
    }
}
