//! How an endpoint answers, and when the next attempt is made.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::deliver::WINDOW;

/// The time before the second attempt. It doubles with each attempt.
const FIRST: Duration = Duration::from_secs(5);
/// The longest time between two attempts.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// The longest time that an endpoint can ask for with `Retry-After`.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);
/// An event is given up after this many attempts, if the endpoint has refused it for [`LEAST_AGE`] while it accepted others.
const ATTEMPTS: u32 = 12;
const LEAST_AGE: Duration = Duration::from_secs(60 * 60);
/// A success after a time without one is a recovery: all events that wait are tried again at once.
const OUTAGE: Duration = Duration::from_secs(60);

/// What the posts to one endpoint share.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
    recovered: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: usize,
    last_success: Option<Instant>,
    /// No post is started before this time.
    paused_until: Option<Instant>,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the endpoint has asked for a pause.
    pub(super) async fn pause(&self) {
        while let Some(until) = self.paused_until() {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Returns `true` while the endpoint has asked for a pause.
    pub(super) fn is_paused(&self) -> bool {
        self.paused_until().is_some()
    }

    fn paused_until(&self) -> Option<Instant> {
        self.state().paused_until.filter(|until| *until > Instant::now())
    }

    /// Notes a success. Returns `true` if it is the first one after failures.
    pub(super) fn succeed(&self) -> bool {
        let mut state = self.state();
        let (now, failures) = (Instant::now(), std::mem::take(&mut state.failures));
        let last = state.last_success.replace(now);
        // Fewer failures may be those of one event. If others succeed all the time, the endpoint refuses only some events. Neither may be
        // tried again each time when another one succeeds.
        if failures >= WINDOW && last.is_none_or(|last| now.duration_since(last) >= OUTAGE) {
            self.recovered.notify_waiters();
        }
        failures > 0
    }

    /// Notes a failure. Returns `true` if it is the first one after a success.
    pub(super) fn fail(&self, retry_after: Option<Duration>) -> bool {
        let mut state = self.state();
        state.failures = state.failures.saturating_add(1);
        if let Some(wait) = retry_after {
            let until = Instant::now().checked_add(wait.min(LONGEST_PAUSE));
            state.paused_until = state.paused_until.max(until);
        }
        state.failures == 1
    }

    /// Returns the time at which the endpoint last accepted an event.
    pub(super) fn last_success(&self) -> Option<Instant> {
        self.state().last_success
    }

    /// Waits until the next attempt of an event, or until the endpoint works again.
    pub(super) async fn back_off(&self, attempts: u32) {
        tokio::select! {
            () = tokio::time::sleep(delay(attempts)) => {}
            () = self.recovered.notified() => {}
        }
    }
}

/// The failed attempts of one event.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    count: u32,
    last: Option<Instant>,
    /// Since then, the endpoint has accepted other events between all attempts.
    refused_since: Option<Instant>,
}

impl Attempts {
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Notes an attempt that began at `started` and failed at `now`. Returns `true` if the event is to be given up. The time of an outage,
    /// in which the endpoint accepts nothing, does not count.
    pub(super) fn fail(&mut self, last_success: Option<Instant>, started: Instant, now: Instant) -> bool {
        let before = self.last.replace(now).unwrap_or(started);
        let is_refused = last_success.is_some_and(|success| success > before);
        self.refused_since = is_refused.then(|| self.refused_since.unwrap_or(now));
        self.count = self.count.saturating_add(1);
        self.count >= ATTEMPTS && self.refused_since.is_some_and(|since| now.duration_since(since) >= LEAST_AGE)
    }
}

/// Returns the time after a number of failed attempts: between one half and the whole of the doubled time, so that not all events are
/// tried at the same moment.
fn delay(attempts: u32) -> Duration {
    let doubled = FIRST.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(LONGEST);
    doubled.mul_f64(fastrand::f64().mul_add(0.5, 0.5))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_an_hour() {
        for (attempts, seconds) in [(1, 5.0), (2, 10.0), (3, 20.0), (10, 2560.0), (11, 3600.0), (u32::MAX, 3600.0)] {
            let delay = delay(attempts).as_secs_f64();
            assert!(seconds / 2.0 <= delay && delay <= seconds, "{attempts}: {delay}");
        }
    }

    /// Each attempt fails ten minutes after the one before.
    #[test]
    fn an_event_is_given_up_only_if_others_are_accepted() {
        let start = Instant::now();
        let minutes = |number: u64| start + Duration::from_secs(60 * number);
        // Returns the number of the attempt after which the event is given up. `accepted` has the minutes of successes.
        let given_up = |accepted: &dyn Fn(u64) -> bool| {
            let mut attempts = Attempts::default();
            (1..=40).find(|number| {
                let now = 10 * number;
                let success = (0..now).rev().find(|minute| accepted(*minute)).map(minutes);
                attempts.fail(success, minutes(now - 1), minutes(now))
            })
        };
        assert_eq!(given_up(&|_| true), Some(u64::from(ATTEMPTS)), "refused");
        assert_eq!(given_up(&|_| false), None, "an outage");
        assert_eq!(given_up(&|minute| minute < 15), None, "an outage after two refusals");
        assert_eq!(given_up(&|minute| minute % 60 == 5), None, "short recoveries");
        // After an outage, the endpoint must refuse the event for an hour: at the minutes 210 to 270.
        assert_eq!(given_up(&|minute| minute > 200), Some(27), "refused after an outage");
    }

    /// An endpoint that refuses some events and accepts others did not recover.
    #[tokio::test]
    async fn only_a_success_after_an_outage_wakes_waiting_events() {
        let health = Health::default();
        for is_woken in [true, false] {
            let mut waiting = std::pin::pin!(health.recovered.notified());
            waiting.as_mut().enable();
            for _ in 0..2 * WINDOW {
                health.fail(None);
            }
            health.succeed();
            let woken = tokio::time::timeout(Duration::ZERO, waiting).await;
            assert_eq!(woken.is_ok(), is_woken);
        }
    }

    #[test]
    fn all_posts_wait_for_the_longest_pause() {
        let health = Health::default();
        assert_eq!(health.paused_until(), None);
        let start = Instant::now();
        for (asked, least) in [(90, 90), (30, 90), (u64::MAX, 24 * 60 * 60)] {
            health.fail(Some(Duration::from_secs(asked)));
            let pause = health.paused_until().unwrap() - start;
            assert!((least..least + 60).contains(&pause.as_secs()), "{pause:?}");
        }
    }
}
