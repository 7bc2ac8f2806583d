//! Signals.

use std::io;

#[cfg(unix)]
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Returns a future that completes at SIGTERM or SIGINT. A second one of these signals ends the process at once, even if the runtime is
/// stuck.
///
/// # Errors
/// Returns an error if the signals cannot be handled.
#[cfg(unix)]
pub fn end() -> io::Result<impl Future<Output = ()>> {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;

    let is_ending = Arc::new(AtomicBool::new(false));
    for kind in [SIGTERM, SIGINT] {
        // The first signal finds the flag unset, and sets it.
        flag::register_conditional_default(kind, Arc::clone(&is_ending))?;
        flag::register(kind, Arc::clone(&is_ending))?;
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Returns a future that completes at Ctrl-C.
///
/// # Errors
/// Never returns an error.
#[cfg(not(unix))]
pub fn end() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// SIGHUP, which asks for a reload. Other systems than Unix do not have it.
#[derive(Debug)]
pub struct Hangups(#[cfg(unix)] Signal);

impl Hangups {
    /// Waits for the signal from now on. Until then, it ends the process.
    ///
    /// # Errors
    /// Returns an error if the signal cannot be handled.
    pub fn new() -> io::Result<Self> {
        #[cfg(unix)]
        return signal(SignalKind::hangup()).map(Self);
        #[cfg(not(unix))]
        return Ok(Self());
    }

    /// Waits for the next signal. Signals during a reload count as one.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        let received = self.0.recv().await;
        #[cfg(not(unix))]
        let received = None::<()>;
        if received.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
