//! Says why a tap does not verify: which assumption about it is wrong, and what to do.
//!
//! ```text
//! cargo run --example doctor
//! cargo run --example doctor -- --help
//! ```

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use suntap::diagnose::{Assumptions, Diagnosis, diagnose_watched};

mod args;
mod report;
mod tour;

use args::{Command, HELP, Input};
use report::Style;

fn main() -> ExitCode {
    let command = match args::parse() {
        Ok(command) => command,
        Err(reason) => {
            eprintln!("doctor: {reason}");
            return ExitCode::from(2);
        }
    };
    let mut out = io::stdout().lock();
    let style = Style::new(out.is_terminal() && std::env::var_os("NO_COLOR").is_none());
    let written = match &command {
        Command::Help => out.write_all(HELP.as_bytes()).map(|()| true),
        Command::Tour => tour::run(&mut out, &style),
        Command::Diagnose(input) => run(input, &mut out, &style),
    };
    match written {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("doctor: {error}");
            ExitCode::from(2)
        }
    }
}

/// Writes the diagnosis. Returns `true` if the tap is healthy.
fn run(input: &Input, out: &mut impl io::Write, style: &Style) -> io::Result<bool> {
    let keys = input.given_keys();
    let assumptions = input.assumptions(&keys);
    let diagnosis = diagnose_with_progress(&assumptions);
    if input.json {
        report::json(&diagnosis, out)?;
    } else {
        report::text(&assumptions, &diagnosis, out, style)?;
    }
    Ok(diagnosis.is_healthy())
}

/// Returns the diagnosis. Reports the progress on standard error once a second.
fn diagnose_with_progress<'a>(assumptions: &Assumptions<'a>) -> Diagnosis<'a> {
    let mut next = Instant::now().checked_add(Duration::from_secs(1));
    diagnose_watched(assumptions, |tried| {
        if next.is_some_and(|next| Instant::now() >= next) {
            eprintln!("doctor: still looking, {tried} MACs so far");
            next = Instant::now().checked_add(Duration::from_secs(1));
        }
    })
}
