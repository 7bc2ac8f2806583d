//! Tells systemd when the server is ready, that it is alive, and when it ends. Without systemd, nothing is sent.

use std::time::Duration;

use sd_notify::{NotifyState, notify, watchdog_enabled};

/// Reports that the server answers requests.
pub fn ready() {
    send(NotifyState::Ready);
}

/// Reports that the server reads its secrets and certificates again. Afterwards, call [`ready`].
pub fn reloading() {
    // systemd compares the time with that of its request.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        send_all(&[NotifyState::Reloading, now]);
    }
}

/// Reports that the server answers its last requests. It needs at most `grace` for them.
pub fn stopping(grace: Duration) {
    // systemd counts from this message, and ends the process a second later at the latest.
    let micros = grace.as_micros().saturating_add(1_000_000);
    send(NotifyState::ExtendTimeoutUsec(u32::try_from(micros).unwrap_or(u32::MAX)));
    send(NotifyState::Stopping);
}

/// Reports again and again that the server is alive, while `is_alive` returns `true`. Returns at once if the unit has no `WatchdogSec`.
pub async fn watchdog(is_alive: impl Fn() -> bool) {
    let Some(limit) = watchdog_enabled() else { return };
    // systemd recommends half of the limit.
    let mut turns = tokio::time::interval(limit.mul_f32(0.5).max(Duration::from_millis(100)));
    while is_alive() {
        turns.tick().await;
        send(NotifyState::Watchdog);
    }
}

fn send(state: NotifyState<'_>) {
    send_all(&[state]);
}

fn send_all(states: &[NotifyState<'_>]) {
    if let Err(error) = notify(states) {
        tracing::warn!(%error, "cannot send a message to systemd");
    }
}
