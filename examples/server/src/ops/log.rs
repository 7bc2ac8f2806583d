//! The log.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::filter::LevelFilter;

#[derive(Clone, Copy, Debug, ValueEnum)]
/// What goes to the log.
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

#[derive(Clone, Copy, Debug, ValueEnum)]
/// How the log is written.
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log. It is written to standard error.
pub fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Off => LevelFilter::OFF,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    let log = log.with_ansi(std::io::stderr().is_terminal()).with_target(false);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
