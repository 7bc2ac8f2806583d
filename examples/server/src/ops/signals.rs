//! Signals.

use std::io;

/// Returns a future that completes at SIGTERM or SIGINT. A second one of these signals ends the process at once, even if the runtime is
/// stuck. SIGHUP is ignored, apart from a line in the log.
///
/// # Errors
/// Returns an error if the signals cannot be handled.
#[cfg(unix)]
pub fn end() -> io::Result<impl Future<Output = ()>> {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;
    use tokio::signal::unix::{SignalKind, signal};

    let is_ending = Arc::new(AtomicBool::new(false));
    for kind in [SIGTERM, SIGINT] {
        // The first signal finds the flag unset, and sets it.
        flag::register_conditional_default(kind, Arc::clone(&is_ending))?;
        flag::register(kind, Arc::clone(&is_ending))?;
    }
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    tracing::warn!("SIGHUP is ignored: restart the server to use changed secrets or options");
                }
            }
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
