//! Verdicts on taps: a guided tour, URLs on the command line, or a batch of JSON lines.
//!
//! ```text
//! cargo run --example verify
//! cargo run --example verify -- --help
//! ```

use std::io::{self, Write as _};
use std::process::ExitCode;

mod args;
mod batch;
mod tap;
mod tour;

use args::{Command, HELP};

fn main() -> ExitCode {
    let command = match args::parse() {
        Ok(command) => command,
        Err(reason) => {
            eprintln!("verify: {reason}");
            return ExitCode::from(2);
        }
    };
    let mut out = io::stdout().lock();
    let all_well = match command {
        Command::Help => out.write_all(HELP.as_bytes()).map(|()| true).map_err(Into::into),
        Command::Tour => tour::run(&mut out),
        Command::Urls(check, urls) => tap::run(&check, &urls, &mut out),
        Command::Batch(input) => batch::run(&input, &mut out),
    };
    match all_well {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("verify: {error}");
            ExitCode::from(2)
        }
    }
}
