//! The commands.

use std::io::Write as _;
use std::time::Duration;

use suntap_server::ops::within;

pub(crate) mod check;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod serve;
pub(crate) mod tap;

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
