//! Delivers events to one endpoint.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use hyper::StatusCode;
use suntap::UnixMillis;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::client::{Answer, Client};
use super::endpoint::Endpoint;
use super::event::Message;
use super::health::{Attempts, Health};
use super::lease::{self, EXPIRY, Lease, RENEW};
use super::metrics::{EndpointMetrics, Metrics};
use super::queue::{Queue, Ticket};
use crate::App;
use crate::time::now;

/// Posts to an endpoint that run at once.
pub(super) const WINDOW: usize = 8;
/// The most events that are being posted or wait for their next attempt. If the endpoint refuses so many, all other events wait.
const TRIED: usize = 1000;
/// The time between two looks for new entries, and between two writes of the cursor. Until it is written, a crash repeats events.
const TICK: Duration = Duration::from_secs(1);
/// The time for posts that run when the server ends.
const GRACE: Duration = Duration::from_secs(3);

/// Delivers events to one endpoint.
#[derive(Debug)]
pub(super) struct Worker {
    app: Arc<App>,
    endpoint: Arc<Endpoint>,
    client: Client,
    metrics: EndpointMetrics,
    health: Health,
    permits: Semaphore,
}

/// What happened to an event.
enum Outcome {
    /// It was accepted, or given up.
    Done,
    /// The endpoint wants no events any more.
    Gone,
    /// The server ends.
    Unsent,
}

/// Why a worker stops delivering.
enum Stop {
    End,
    /// The endpoint wants no events any more. The oldest event that is not delivered has this time.
    Gone(Option<UnixMillis>),
    /// Another server delivers.
    Lost,
}

impl Worker {
    /// Creates a worker.
    ///
    /// # Errors
    /// Returns an error if there are no trusted certificates for an `https` endpoint.
    pub(super) fn new(app: Arc<App>, endpoint: Arc<Endpoint>, metrics: &Metrics) -> anyhow::Result<Self> {
        let client = Client::new(&endpoint)?;
        let metrics = metrics.endpoint(endpoint.name());
        Ok(Self { app, endpoint, client, metrics, health: Health::default(), permits: Semaphore::new(WINDOW) })
    }

    /// Delivers until `end`.
    pub(super) async fn run(self, mut end: watch::Receiver<()>) {
        loop {
            let lease = tokio::select! {
                lease = Lease::take(&self.app.store, self.endpoint.name()) => lease,
                _ = end.changed() => return,
            };
            let stop = self.deliver(lease, end.clone()).await;
            self.metrics.waiting.set(0);
            match stop {
                Stop::End => return,
                Stop::Gone(oldest) => return self.show_waiting(oldest, end).await,
                Stop::Lost => tracing::info!("webhook {}: another server delivers", self.endpoint.name()),
            }
        }
    }

    /// Shows the age of the oldest event until `end`, and 0 while another server delivers, so that an alert reports an endpoint that gets
    /// no further events. After the other server has ended, the age may be too great.
    async fn show_waiting(&self, oldest: Option<UnixMillis>, mut end: watch::Receiver<()>) {
        let mut tick = interval(RENEW);
        let (mut last, mut changed) = (None, None::<Instant>);
        loop {
            if let Ok(now) = lease::text(&self.app.store, self.endpoint.name()).await
                && last.replace(now.clone()).is_some_and(|last| last != now)
            {
                changed = Some(Instant::now());
            }
            let is_delivered = changed.is_some_and(|at| at.elapsed() < EXPIRY);
            self.set_waiting(oldest.filter(|_| !is_delivered));
            tokio::select! {
                _ = tick.tick() => {}
                _ = end.changed() => return,
            }
        }
    }

    fn set_waiting(&self, oldest: Option<UnixMillis>) {
        let age = oldest.zip(now()).map_or(0, |(at, now)| now.get().saturating_sub(at.get()) / 1000);
        self.metrics.waiting.set(i64::try_from(age).unwrap_or(i64::MAX));
    }

    async fn deliver(&self, mut lease: Lease<'_>, mut end: watch::Receiver<()>) -> Stop {
        let store = &self.app.store;
        let mut queue = Queue::new(&self.endpoint, lease.progress(), |stream| store.disorder(stream));
        let mut posts = FuturesUnordered::new();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        let stop = loop {
            while posts.len() < TRIED
                && let Some((ticket, message)) = queue.next()
            {
                posts.push(self.send(ticket, message, end.clone()));
            }
            let is_tick = tokio::select! {
                _ = end.changed() => break Stop::End,
                Some((ticket, outcome)) = posts.next(), if !posts.is_empty() => {
                    match outcome {
                        Outcome::Done => queue.finish(ticket),
                        Outcome::Gone => break Stop::Gone(queue.oldest()),
                        Outcome::Unsent => {}
                    }
                    false
                }
                _ = tick.tick() => true,
            };
            if is_tick || (!is_failing && queue.has_more()) {
                is_failing = self.read(&mut queue, is_tick, is_failing).await;
            }
            if is_tick {
                match lease.save(&queue.progress()).await {
                    Ok(true) => {}
                    Ok(false) => return Stop::Lost,
                    Err(error) => tracing::warn!(%error, "webhook {}: the cursor is not written", self.endpoint.name()),
                }
            }
        };
        if matches!(stop, Stop::Gone(_)) {
            tracing::error!(
                "webhook {}: the endpoint answered 410 Gone. It gets no further events until the server is restarted",
                self.endpoint.name()
            );
        } else {
            // Posts that wait for their next attempt end at once.
            let finished = timeout(GRACE, async {
                while let Some((ticket, outcome)) = posts.next().await {
                    if matches!(outcome, Outcome::Done) {
                        queue.finish(ticket);
                    }
                }
            });
            let _ = finished.await;
        }
        lease.end(&queue.progress()).await;
        stop
    }

    /// Reads further entries. Returns `true` if the store fails.
    async fn read(&self, queue: &mut Queue<'_>, is_tick: bool, was_failing: bool) -> bool {
        let read = queue.read(&self.app.store, is_tick).await;
        self.set_waiting(queue.oldest());
        match read {
            Ok(()) => false,
            Err(error) => {
                if !was_failing {
                    tracing::warn!(%error, "webhook {}: the history cannot be read", self.endpoint.name());
                }
                true
            }
        }
    }

    /// Waits until a post can start: while the endpoint has asked for a pause, and until one of its places is free.
    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        loop {
            self.health.pause().await;
            let permit = self.permits.acquire().await.ok();
            // A pause may have begun while this event waited for its place.
            if !self.health.is_paused() {
                return permit;
            }
        }
    }

    /// Posts a message until it is accepted.
    async fn send(&self, ticket: Ticket, message: Message, mut end: watch::Receiver<()>) -> (Ticket, Outcome) {
        let mut attempts = Attempts::default();
        loop {
            let permit = tokio::select! {
                permit = self.turn() => permit,
                _ = end.changed() => return (ticket, Outcome::Unsent),
            };
            let started = Instant::now();
            let posted = self.client.post(&self.endpoint, &message).await;
            // An event that waits for its next attempt takes no place of another one.
            drop(permit);
            let (problem, retry_after) = match posted {
                Ok(Answer { status, .. }) if status.is_success() => {
                    self.metrics.delivered.inc();
                    if self.health.succeed() {
                        tracing::info!("webhook {} works again", self.endpoint.name());
                    }
                    return (ticket, Outcome::Done);
                }
                Ok(Answer { status: StatusCode::GONE, .. }) => return (ticket, Outcome::Gone),
                Ok(Answer { status, retry_after, .. }) => (format!("status {status}"), retry_after),
                Err(problem) => (problem, None),
            };
            let is_given_up = attempts.fail(self.health.last_success(), started, Instant::now());
            let attempts = attempts.count();
            self.metrics.failed.inc();
            let (name, id) = (self.endpoint.name(), &message.id);
            if self.health.fail(retry_after) {
                tracing::warn!(id, attempts, "webhook {name} fails: {problem}");
            } else {
                tracing::debug!(id, attempts, "webhook {name} fails: {problem}");
            }
            if is_given_up {
                self.metrics.given_up.inc();
                tracing::error!(id, "webhook {name}: the event is given up after {attempts} attempts: {problem}");
                return (ticket, Outcome::Done);
            }
            tokio::select! {
                () = self.health.back_off(attempts) => {}
                _ = end.changed() => return (ticket, Outcome::Unsent),
            }
        }
    }
}
