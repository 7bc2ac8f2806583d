//! `suntap-server`: see `--help`.

mod command;
mod config;

use std::backtrace::BacktraceStatus;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use suntap_server::ops::within;
use suntap_server::text::visible;

use crate::command::{Cli, Unread};
use crate::config::load::load;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match start() {
        Ok(code) => code,
        // As other programs do, such as in `suntap-server tag list | head`.
        Err(error) if error.is::<Unread>() => ExitCode::SUCCESS,
        Err(error) => {
            let text = error_text(&error);
            within(Duration::from_secs(1), move || {
                let _ = writeln!(std::io::stderr(), "{text}");
            });
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<ExitCode> {
    let loaded = load::<Cli>(std::env::args_os())?;
    check_files()?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let code = runtime.block_on(command::run(loaded));
    // A disk that does not answer must not delay the end.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Checks that the process may open enough files. With fewer, the runtime would panic.
fn check_files() -> anyhow::Result<()> {
    #[cfg(unix)]
    {
        let (files, _) = rlimit::Resource::NOFILE.get().context("cannot read the limit of open files")?;
        anyhow::ensure!(files >= 24, "the limit of open files is {files}, expected at least 24");
    }
    Ok(())
}

/// Returns an error and its causes in one line, followed by the backtrace if one was asked for.
fn error_text(error: &anyhow::Error) -> String {
    let mut text = String::from("suntap-server");
    for cause in error.chain().map(ToString::to_string) {
        // Some libraries repeat the cause in the text of the error.
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let backtrace = error.backtrace();
    // A file or a server may have sent a part of the text.
    text = visible(&text);
    if backtrace.status() == BacktraceStatus::Captured {
        text = format!("{text}\n{backtrace}");
    }
    text
}
