//! Progress on standard error, for work that takes over a second. It is not shown if standard error is not a terminal.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const PATIENCE: Duration = Duration::from_secs(1);

/// A bar that appears after a second, and is removed when it is dropped.
pub(crate) struct Progress {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// Returns a bar for work of a known size, in bytes.
    pub(crate) fn of_bytes(total: u64) -> Self {
        Self::new(Some(total), "{wide_bar} {bytes}/{total_bytes} {eta} {msg}")
    }

    /// Returns a bar for work of a known number of steps.
    pub(crate) fn of_steps(total: u64) -> Self {
        Self::new(Some(total), "{wide_bar} {human_pos}/{human_len} {eta} {msg}")
    }

    /// Returns a bar for work of unknown size.
    pub(crate) fn unbounded() -> Self {
        Self::new(None, "{spinner} {elapsed} {msg}")
    }

    fn new(total: Option<u64>, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        // The templates are constant and valid. With any other, the bar has its usual look.
        bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, since: Instant::now() }
    }

    /// Moves the bar to `position`.
    pub(crate) fn set(&self, position: u64, message: impl Into<Cow<'static, str>>) {
        if self.bar.is_hidden() && self.since.elapsed() >= PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(position);
        self.bar.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
