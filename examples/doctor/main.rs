//! Says why a tap does not verify: which of the things that somebody believes of it is wrong, and what to do.
//!
//! ```text
//! cargo run --example doctor
//! cargo run --example doctor -- --help
//! ```

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use suntap::diagnose::{Case, Diagnosis, diagnose_watched};

mod args;
mod report;
mod tour;

use args::{Asked, Command, HELP};
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
        Command::Look(asked) => look(asked, &mut out, &style),
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

fn look(asked: &Asked, out: &mut impl io::Write, style: &Style) -> io::Result<bool> {
    let keys = asked.given_keys();
    let case = asked.case(&keys);
    let diagnosis = patiently(&case);
    if asked.json {
        report::json(&diagnosis, out)?;
    } else {
        report::text(&case, &diagnosis, out, style)?;
    }
    Ok(diagnosis.is_healthy())
}

/// The diagnosis, with a word on standard error for each second that it takes.
fn patiently<'a>(case: &Case<'a>) -> Diagnosis<'a> {
    let mut next = Instant::now().checked_add(Duration::from_secs(1));
    diagnose_watched(case, |tried| {
        if next.is_some_and(|next| Instant::now() >= next) {
            eprintln!("doctor: still looking, {tried} MACs so far");
            next = Instant::now().checked_add(Duration::from_secs(1));
        }
    })
}
