//! The log.
//!
//! Lines are put into a queue, and a thread writes them to standard error. A standard error that is full, slow or closed therefore
//! delays no answer. It only loses lines, and a metric counts these.

use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use super::within;
use crate::panics;

/// The greatest number of lines in the queue. When the queue is full, new lines are dropped.
const QUEUE: usize = 8192;

/// The least important lines that are written to the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogLevel {
    /// A line for each tap.
    Info,
    /// What an operator should look at.
    Warn,
    /// What failed.
    Error,
    /// Nothing.
    Off,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The running log.
#[derive(Debug)]
#[must_use = "the thread that writes the log ends when this is dropped"]
pub struct Log {
    writer: WorkerGuard,
    lost: LostLines,
}

/// Counts the lines that were not written.
#[derive(Clone, Debug)]
pub struct LostLines {
    queue: ErrorCounter,
    failed: Arc<AtomicU64>,
}

/// Standard error, as the thread of the log writes to it.
struct Output {
    failed: Arc<AtomicU64>,
}

impl Log {
    /// Starts the log, which is written to standard error. From now on, panics are lines of the log.
    ///
    /// # Errors
    /// Returns an error if the process already has a log.
    pub fn start(level: LogLevel, format: LogFormat) -> anyhow::Result<Self> {
        let level = match level {
            LogLevel::Info => LevelFilter::INFO,
            LogLevel::Warn => LevelFilter::WARN,
            LogLevel::Error => LevelFilter::ERROR,
            LogLevel::Off => LevelFilter::OFF,
        };
        let failed = Arc::new(AtomicU64::new(0));
        let output = Output { failed: Arc::clone(&failed) };
        let (lines, writer) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(QUEUE).thread_name("log").finish(output);
        let lost = LostLines { queue: lines.error_counter(), failed };
        let log = tracing_subscriber::fmt().with_max_level(level).with_writer(lines);
        // An internal error would be written to standard error directly, which can block or panic.
        let log = log.with_ansi(io::stderr().is_terminal()).with_target(false).log_internal_errors(false);
        let started = match format {
            LogFormat::Text => log.try_init(),
            LogFormat::Json => log.json().flatten_event(true).try_init(),
        };
        started.map_err(anyhow::Error::from_boxed)?;
        panics::log();
        Ok(Self { writer, lost })
    }

    /// Returns the counter of lines that were not written.
    #[must_use]
    pub fn lost_lines(&self) -> LostLines {
        self.lost.clone()
    }

    /// Writes the lines that are in the queue. Gives up after two seconds.
    pub fn close(self) {
        within(Duration::from_secs(2), move || drop(self.writer));
    }
}

impl LostLines {
    /// Returns the number of lines that were dropped or could not be written.
    pub(crate) fn count(&self) -> u64 {
        let dropped = u64::try_from(self.queue.dropped_lines()).unwrap_or(u64::MAX);
        dropped.saturating_add(self.failed.load(Ordering::Relaxed))
    }
}

impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if io::stderr().write_all(line).is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
