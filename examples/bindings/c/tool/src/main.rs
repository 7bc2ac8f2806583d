//! Writes the header, and the test cases as a C table, to standard output.

mod cases;
mod header;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = match std::env::args().nth(1).as_deref() {
        Some("header") => header::text(&folder),
        Some("cases") => cases::text(&folder),
        _ => Err("usage: suntap-c-tool header|cases".into()),
    };
    let written = text.and_then(|text| io::stdout().write_all(text.as_bytes()).map_err(Box::<dyn Error>::from));
    if let Err(error) = written {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
