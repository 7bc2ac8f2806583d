//! The commands.

use std::io::Write as _;

pub(crate) mod check;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod key;
pub(crate) mod serve;

/// Writes a line to standard output. Unlike the macro, returns an error if it is closed.
fn println(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
