//! The document of an endpoint in the store: how far it has read the history, and which server delivers.
//!
//! A holder changes the document at least every [`RENEW`]. A server that sees the same text for [`EXPIRY`] takes the lease over. It
//! measures with its own clock, so the clocks of the servers may differ. Nothing depends on there being one holder only: two holders
//! deliver an event twice, with the same id.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use suntap::UnixMillis;
use tokio::time::{Instant, sleep};

use super::queue::Progress;
use crate::store::{HistoryCursor, Position, Store, StoreError, Stream};
use crate::time::now;

/// The longest time between two changes of the document by its holder.
pub(super) const RENEW: Duration = Duration::from_secs(5);
/// The time after which an unchanged document has no holder.
pub(super) const EXPIRY: Duration = Duration::from_secs(30);
/// The time between two looks at the document of another holder.
const LOOK: Duration = Duration::from_secs(2);
const MINUTE: u64 = 60 * 1000;

/// What the store keeps for an endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    /// Everything up to this position was delivered.
    cursor: String,
    /// The numbers of entries after it that were delivered, as inclusive ranges, for each stream.
    #[serde(default, skip_serializing_if = "is_empty")]
    ahead: [Vec<(u64, u64)>; Stream::ALL.len()],
    /// The process that delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    holder: Option<u64>,
    /// Makes the text different with each change.
    #[serde(default)]
    turn: u64,
}

fn is_empty(ahead: &[Vec<(u64, u64)>; Stream::ALL.len()]) -> bool {
    ahead.iter().all(Vec::is_empty)
}

impl Document {
    fn progress(&self) -> Result<Progress, String> {
        Ok(Progress { cursor: self.cursor.parse()?, ahead: self.ahead.clone() })
    }

    /// Returns `true` if the entry at a position was delivered.
    pub(super) fn has_delivered(&self, stream: Stream, position: Position) -> bool {
        self.progress().is_ok_and(|progress| progress.has(stream, position))
    }
}

/// Returns the document of an endpoint, or `None` if it has never started.
pub(super) async fn document(store: &Store, endpoint: &str) -> Result<Option<Document>, StoreError> {
    text(store, endpoint).await?.map(|text| parsed(endpoint, &text)).transpose()
}

/// Returns the text of the document of an endpoint. It changes whenever a server delivers.
pub(super) async fn text(store: &Store, endpoint: &str) -> Result<Option<String>, StoreError> {
    store.cursor(&key(endpoint)).await
}

/// Creates the document of an endpoint that has never started. It gets the events from now on. Must be called before the first tap.
pub(super) async fn create(store: &Store, endpoint: &str) -> Result<(), StoreError> {
    if document(store, endpoint).await?.is_some() {
        return Ok(());
    }
    let now = now().map_or(0, UnixMillis::get);
    // A count of refusals has the time at which its minute began.
    let mut cursor = HistoryCursor::at(Position::before(now.saturating_sub(now % MINUTE)));
    cursor.set(Stream::Records, Position::before(now));
    let document = Document { cursor: cursor.to_string(), ahead: Default::default(), holder: None, turn: 0 };
    let text = serde_json::to_string(&document).map_err(|_| StoreError::Document(key(endpoint)))?;
    // If another server has created it meanwhile, its document stays.
    store.replace_cursor(&key(endpoint), None, &text).await.map(drop)
}

fn parsed(endpoint: &str, text: &str) -> Result<Document, StoreError> {
    let invalid = || StoreError::Document(key(endpoint));
    let document: Document = serde_json::from_str(text).map_err(|_| invalid())?;
    document.progress().map_err(|_| invalid()).map(|_| document)
}

fn key(endpoint: &str) -> String {
    format!("webhook/{endpoint}")
}

/// The right to deliver to an endpoint.
pub(super) struct Lease<'a> {
    store: &'a Store,
    endpoint: &'a str,
    holder: u64,
    document: Document,
    text: String,
    written: Instant,
}

impl<'a> Lease<'a> {
    /// Waits for the lease of an endpoint.
    pub(super) async fn take(store: &'a Store, endpoint: &'a str) -> Self {
        // A random number, because every container can have the same process id.
        let holder = fastrand::u64(..);
        let (mut seen, mut since): (Option<String>, _) = (None, Instant::now());
        loop {
            match Self::attempt(store, endpoint, holder, seen.as_deref().filter(|_| since.elapsed() >= EXPIRY)).await {
                Ok(Attempt::Taken(lease)) => return lease,
                Ok(Attempt::Held(text)) if seen.as_ref() == Some(&text) => {}
                Ok(Attempt::Held(text)) => (seen, since) = (Some(text), Instant::now()),
                Err(error) => tracing::warn!(%error, "webhook {endpoint} does not start"),
            }
            sleep(LOOK).await;
        }
    }

    /// Takes the lease if nobody holds it, or if its document is still `expired`.
    async fn attempt(
        store: &'a Store,
        endpoint: &'a str,
        holder: u64,
        expired: Option<&str>,
    ) -> Result<Attempt<'a>, StoreError> {
        let text = store.cursor(&key(endpoint)).await?.ok_or_else(|| StoreError::Document(key(endpoint)))?;
        let document = parsed(endpoint, &text)?;
        // Only one process uses a data file.
        let is_held = store.is_shared() && document.holder.is_some() && expired != Some(&*text);
        if is_held {
            return Ok(Attempt::Held(text));
        }
        let mut lease = Self { store, endpoint, holder, document, text, written: Instant::now() };
        Ok(if lease.write(Some(holder)).await? { Attempt::Taken(lease) } else { Attempt::Held(lease.text) })
    }

    pub(super) fn progress(&self) -> Progress {
        // It was parsed before.
        self.document.progress().unwrap_or_default()
    }

    /// Returns `true` if the holder must show that it is alive.
    pub(super) fn is_due(&self) -> bool {
        self.store.is_shared() && self.written.elapsed() >= RENEW
    }

    /// Writes how far the endpoint is, if it has moved or the lease must be renewed. Returns `false` if another server has the lease.
    pub(super) async fn save(&mut self, progress: &Progress) -> Result<bool, StoreError> {
        let cursor = progress.cursor.to_string();
        if cursor == self.document.cursor && progress.ahead == self.document.ahead && !self.is_due() {
            return Ok(true);
        }
        self.document.cursor = cursor;
        self.document.ahead.clone_from(&progress.ahead);
        self.write(Some(self.holder)).await
    }

    /// Writes how far the endpoint is, and gives the lease back.
    pub(super) async fn end(mut self, progress: &Progress) {
        self.document.cursor = progress.cursor.to_string();
        self.document.ahead.clone_from(&progress.ahead);
        if let Err(error) = self.write(None).await {
            tracing::warn!(%error, "webhook {}: the cursor was not written, so some events will be sent twice", self.endpoint);
        }
    }

    async fn write(&mut self, holder: Option<u64>) -> Result<bool, StoreError> {
        self.document.holder = holder;
        self.document.turn = self.document.turn.wrapping_add(1);
        let text = serde_json::to_string(&self.document).map_err(|_| StoreError::Document(key(self.endpoint)))?;
        let mut is_written = self.store.replace_cursor(&key(self.endpoint), Some(&self.text), &text).await?;
        if !is_written {
            // A write that was reported as failed may have been carried out.
            let stored = self.store.cursor(&key(self.endpoint)).await?.unwrap_or_default();
            let is_own = |stored: &str| parsed(self.endpoint, stored).is_ok_and(|own| own.holder == Some(self.holder));
            if stored != self.text && is_own(&stored) {
                is_written = self.store.replace_cursor(&key(self.endpoint), Some(&stored), &text).await?;
            }
        }
        if is_written {
            (self.text, self.written) = (text, Instant::now());
        }
        Ok(is_written)
    }
}

enum Attempt<'a> {
    Taken(Lease<'a>),
    /// Another server has the lease. This is the text of the document.
    Held(String),
}
