//! The commands.

use std::io::Write as _;

pub(crate) mod check;
pub(crate) mod import;
pub(crate) mod key;
pub(crate) mod serve;

/// A line on standard output, which may be gone.
fn println(text: &str) -> anyhow::Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
