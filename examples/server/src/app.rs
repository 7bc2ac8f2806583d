//! What all requests share.

mod in_use;
mod recording;
mod risk;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use suntap::platform::{Failure, Verdict};

pub(crate) use self::in_use::InUse;
pub(crate) use self::recording::Recording;
use crate::demo::Demo;
use crate::http::health::Readiness;
use crate::http::{Brand, InvalidKeys, Sender, TrustedProxies};
use crate::ops::history::History;
use crate::ops::log::LostLines;
use crate::ops::metrics::{Api, Metrics};
use crate::ops::webhooks::{Endpoint, Webhooks};
use crate::registry::Registry;
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

type Verdicts = Option<Result<Verdict, Failure<StoreError, StoreError>>>;

/// What all requests share: the store, the secrets and the metrics.
pub struct App {
    pub(crate) store: Store,
    in_use: RwLock<Arc<InUse>>,
    pub(crate) metrics: Metrics,
    pub(crate) demo: Option<Demo>,
    pub(crate) brand: Brand,
    pub(crate) readiness: Readiness,
    /// Readiness and metrics are on a listener of their own.
    pub(crate) ops_moved: bool,
    pub(crate) trusted_proxies: TrustedProxies,
    history: Option<History>,
    webhooks: Webhooks,
    invalid_keys: InvalidKeys,
    log_uids: bool,
    pub(crate) token_lifetime: Duration,
}

impl App {
    /// Creates the application over a store. Its pages show the brand.
    #[must_use]
    pub fn new(store: Store, secrets: Secrets, brand: Brand) -> Self {
        let metrics = Metrics::new(&store);
        Self {
            store,
            in_use: RwLock::new(Arc::new(InUse::new(secrets))),
            metrics,
            demo: None,
            brand,
            readiness: Readiness::default(),
            ops_moved: false,
            trusted_proxies: TrustedProxies::default(),
            history: None,
            webhooks: Webhooks::default(),
            invalid_keys: InvalidKeys::new(0),
            log_uids: false,
            token_lifetime: Duration::from_secs(60),
        }
    }

    /// Returns the same application with tags that a visitor can tap.
    #[must_use]
    pub fn with_demo(self, demo: Demo) -> Self {
        Self { demo: Some(demo), ..self }
    }

    /// Returns the same application with readiness and metrics on a listener of their own.
    #[must_use]
    pub fn with_ops_moved(self, ops_moved: bool) -> Self {
        Self { ops_moved, ..self }
    }

    /// Waits until a data file fails, and returns the cause. See [`Store::failed`].
    pub fn store_failed(&self) -> impl Future<Output = StoreError> + Send + use<> {
        self.store.failed()
    }

    /// Returns `false` after a data file has failed. See [`Store::works`].
    #[must_use]
    pub fn works(&self) -> bool {
        self.store.works()
    }

    /// Returns the same application with a metric of lost log lines. If `log_uids` is `true`, the log shows whole UIDs.
    #[must_use]
    pub fn with_log(mut self, lost: LostLines, log_uids: bool) -> Self {
        self.metrics.log = Some(lost);
        Self { log_uids, ..self }
    }

    /// Returns the same application whose tokens expire after this time.
    #[must_use]
    pub fn with_token_lifetime(self, token_lifetime: Duration) -> Self {
        Self { token_lifetime, ..self }
    }

    /// Returns the same application with a limit of requests with an invalid API key or token, per client address and minute. With 0,
    /// there is no limit.
    #[must_use]
    pub fn with_invalid_keys(self, per_minute: u32) -> Self {
        Self { invalid_keys: InvalidKeys::new(per_minute), ..self }
    }

    /// Returns the same application with a history of the last `days` days, and of not more than `entries` accepted taps and
    /// administrative acts. With 0 days, nothing is recorded.
    #[must_use]
    pub fn with_history(self, days: u32, entries: u64) -> Self {
        let Metrics { history_dropped: dropped, history_removed: removed, .. } = &self.metrics;
        let history = (days > 0).then(|| History::new(days, entries, dropped.clone(), removed.clone()));
        Self { store: self.store.with_history(days > 0), history, ..self }
    }

    /// Returns the same application that posts events to these endpoints. Call it after [`with_history`](Self::with_history).
    ///
    /// # Errors
    /// Returns an error if there is an endpoint, but no history, or if the store cannot keep the cursors.
    pub async fn with_webhooks(self, endpoints: Vec<Endpoint>) -> anyhow::Result<Self> {
        let webhooks = Webhooks::new(endpoints, &self.store, self.metrics.webhooks.clone()).await?;
        Ok(Self { webhooks, ..self })
    }

    /// Posts events until `end`. The tasks end when all cursors are written.
    ///
    /// # Errors
    /// Returns an error if there are no trusted certificates for an `https` endpoint.
    pub fn start_webhooks(self: &Arc<Self>, end: &watch::Receiver<()>) -> anyhow::Result<JoinSet<()>> {
        self.webhooks.start(self, end)
    }

    /// Returns the same application that takes the address of a client, and the id of a request, from the headers of these proxies.
    #[must_use]
    pub fn with_trusted_proxies(self, trusted_proxies: TrustedProxies) -> Self {
        Self { trusted_proxies, ..self }
    }

    /// Returns `true` if the store has a management key.
    ///
    /// # Errors
    /// Returns an error if the store fails.
    pub async fn has_manager(&self) -> Result<bool, StoreError> {
        crate::admin::has_manager(&self.store).await
    }

    /// Waits until the store has written what it accepted.
    pub async fn close(self) {
        self.store.close().await;
    }

    /// Returns the secrets in use, for one request.
    pub(crate) fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.in_use.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Like [`in_use`](Self::in_use), without what is prepared with them.
    pub(crate) fn secrets(&self) -> Secrets {
        self.in_use().secrets.clone()
    }

    /// Uses other secrets for all requests from now on. The caller has checked that they are those of the store.
    pub(crate) fn replace_secrets(&self, secrets: Secrets) {
        let replaced = Arc::new(InUse::new(secrets));
        *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = replaced;
    }

    /// Returns the counters for one request, which record what happens to its tap.
    pub(crate) fn record<'a>(&'a self, api: Api, registry: &'a Registry<'a>, sender: &'a Sender) -> Recording<'a> {
        Recording::new(self, api, registry, sender)
    }

    /// Writes and prunes the history until `end`. Afterwards, call [`finish_history`](Self::finish_history).
    pub async fn keep_history(&self, end: impl Future<Output = ()>) {
        match &self.history {
            Some(history) => history.keep(&self.store, &self.webhooks, end).await,
            None => end.await,
        }
    }

    /// Writes the last entries of the history.
    pub async fn finish_history(&self) {
        if let Some(history) = &self.history {
            history.finish(&self.store).await;
        }
    }

    /// Counts a request with an invalid API key or token. Returns `false` if the client has sent too many of them; otherwise the
    /// request is also written to the log.
    pub(crate) fn note_invalid_key(&self, api: Api, sender: &Sender) -> bool {
        self.metrics.count_invalid_key(api);
        let is_allowed = self.invalid_keys.allows(sender.address);
        if is_allowed {
            let (client, request) = (sender.address.map(tracing::field::display), &sender.request);
            tracing::warn!(api = api.name(), client, %request, "invalid API key");
        }
        is_allowed
    }
}

impl AsRef<Store> for App {
    fn as_ref(&self) -> &Store {
        &self.store
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}
