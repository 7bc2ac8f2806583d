//! Webhooks: the server posts events to endpoints of the operator, signed as [Standard Webhooks](https://www.standardwebhooks.com)
//! describes.
//!
//! **The history is the outbox.** A tap costs no further write: its entry of the history is in the commit of its counter. A background
//! task per endpoint reads the history after a cursor, posts each entry, and moves the cursor in the store. The answer to a tap never
//! waits for an endpoint.
//!
//! **Each event arrives at least once.** The id of an event is computed from the entry, so it is the same after a crash, and a receiver
//! can drop duplicates. Up to eight posts to an endpoint run at once, so events can arrive out of order. An
//! event is lost only if its entry is removed from the history before it was delivered, or if the endpoint refuses it for hours while
//! it accepts others. Both are logged and counted. Some entries are written after the answer: replays, refusals, and all entries of a Redis
//! cluster. If the store fails at that moment, there is no entry and no event; `suntap_history_dropped_total` counts them.
//!
//! **Servers that share a database** take turns: one of them has the lease of an endpoint and delivers. If it is killed,
//! another one goes on after 30 s.
//!
//! In PostgreSQL, an entry can become visible after newer ones. The reader therefore reads recent entries again, for 30 s plus twice
//! the value of `--timeout`. It skips an entry only if the commit is later than that, or if the clocks of the servers differ by more
//! than 30 s. For counts of refusals, which are written when their minute has ended, this time is 12 minutes longer.

mod client;
mod deliver;
mod endpoint;
mod event;
mod health;
mod lease;
mod metrics;
mod queue;
mod signature;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use hyper::StatusCode;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::client::Client;
pub use self::endpoint::{Endpoint, Settings};
use self::event::Message;
pub(crate) use self::metrics::Metrics;
use crate::App;
use crate::store::{Entry, Position, Recording, STEP, Store, StoreError, Stream};
use crate::text;
use crate::time::now;

/// Posts a test message to an endpoint. Returns the status of the answer, and the start of its body.
///
/// # Errors
/// Returns an error if there is no answer.
pub async fn send_test(endpoint: &Endpoint) -> anyhow::Result<(StatusCode, String)> {
    let at = now().context("the clock is before 1970")?;
    let message = Message::test(&format!("{:016x}", fastrand::u64(..)), at);
    let name = || format!("webhook {}", endpoint.name());
    let client = Client::new(endpoint).with_context(name)?;
    let answer = client.post(endpoint, &message).await.map_err(anyhow::Error::msg).with_context(name)?;
    Ok((answer.status, text::shown(&String::from_utf8_lossy(&answer.body))))
}

/// The endpoints of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Webhooks {
    endpoints: Vec<Arc<Endpoint>>,
    metrics: Metrics,
}

impl Webhooks {
    /// Creates the webhooks of a server with this store.
    ///
    /// # Errors
    /// Returns an error if there is an endpoint, but no history, or if the store cannot keep the cursors.
    pub(crate) async fn new(endpoints: Vec<Endpoint>, store: &Store, metrics: Metrics) -> anyhow::Result<Self> {
        if let Some(endpoint) = endpoints.first() {
            if store.recording() == Recording::Off {
                bail!("webhook {}: there is no history, so no event can be sent: see --history-keep", endpoint.name());
            }
            store.prepare_cursors().await.context("webhooks")?;
        }
        for endpoint in &endpoints {
            lease::create(store, endpoint.name()).await.with_context(|| format!("webhook {}", endpoint.name()))?;
        }
        metrics.start(&endpoints);
        Ok(Self { endpoints: endpoints.into_iter().map(Arc::new).collect(), metrics })
    }

    /// Delivers until `end`, and returns when all cursors are written.
    ///
    /// # Errors
    /// Returns an error if there are no trusted certificates for an `https` endpoint.
    pub(crate) fn start(&self, app: &Arc<App>, end: &watch::Receiver<()>) -> anyhow::Result<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        for endpoint in &self.endpoints {
            let name = || format!("webhook {}", endpoint.name());
            let worker = deliver::Worker::new(Arc::clone(app), Arc::clone(endpoint), &self.metrics);
            tasks.spawn(worker.with_context(name)?.run(end.clone()));
        }
        Ok(tasks)
    }

    /// Returns the entries of a stream that the next step of pruning may remove, or none if there is no endpoint.
    pub(crate) async fn oldest(&self, store: &Store, stream: Stream) -> Result<Vec<(Position, Entry)>, StoreError> {
        if self.endpoints.is_empty() { Ok(Vec::new()) } else { store.entries(stream, None, STEP).await }
    }

    /// Counts the entries that were removed before they were delivered.
    pub(crate) async fn note_removed(&self, store: &Store, stream: Stream, removed: &[(Position, Entry)]) {
        if removed.is_empty() {
            return;
        }
        for endpoint in &self.endpoints {
            let Ok(Some(document)) = lease::document(store, endpoint.name()).await else { continue };
            let is_lost = |(position, entry): &&(Position, Entry)| {
                !document.has_delivered(stream, *position) && endpoint.wants(&entry.text)
            };
            let lost = removed.iter().filter(is_lost).count();
            if lost > 0 {
                tracing::error!(
                    "webhook {}: {lost} events are lost, because the history removed them before they were delivered",
                    endpoint.name()
                );
                self.metrics.lose(endpoint.name(), lost);
            }
        }
    }
}
