//! The program `suntap`.

use std::process::ExitCode;

fn main() -> ExitCode {
    suntap_cli::run()
}
