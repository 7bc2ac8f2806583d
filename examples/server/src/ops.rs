//! What an operator sees of a running server.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

pub mod backup;
pub mod history;
pub mod log;
pub(crate) mod metrics;
pub mod reload;
pub mod signals;
pub mod systemd;
pub mod webhooks;

/// Runs `work` on a thread of its own, and waits at most `limit` for its end. A write to standard output or standard error blocks
/// while nobody reads a full pipe, and must not stop the server.
pub fn within(limit: Duration, work: impl FnOnce() + Send + 'static) {
    let (end, ended) = mpsc::channel::<()>();
    let work = move || {
        work();
        drop(end);
    };
    // Without a thread, the work is left out.
    if thread::Builder::new().name("output".into()).spawn(work).is_ok() {
        let _ = ended.recv_timeout(limit);
    }
}
