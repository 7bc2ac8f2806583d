//! What all requests share.

use std::fmt;
use std::net::IpAddr;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use suntap::UnixMillis;
use suntap::platform::{Accepted, Failure, Refusal, Service, Verdict, etrnl::Etrnl, ixkio::Ixkio};

use crate::demo::Demo;
use crate::http::health::Readiness;
use crate::http::{Brand, InvalidKeys};
use crate::ops::log::LostLines;
use crate::ops::metrics::{Api, Metrics, word};
use crate::registry::{Caches, Registry};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

type Verdicts = Option<Result<Verdict, Failure<StoreError, StoreError>>>;

/// What all requests share: the store, the secrets, both APIs and the metrics.
pub struct App {
    pub(crate) store: Store,
    pub(crate) secrets: &'static Secrets,
    pub(crate) service: Service<'static>,
    pub(crate) ixkio: Ixkio<'static>,
    pub(crate) etrnl: Etrnl<'static>,
    pub(crate) metrics: Metrics,
    pub(crate) demo: Option<Demo>,
    pub(crate) brand: Brand,
    pub(crate) caches: Caches,
    pub(crate) readiness: Readiness,
    /// Readiness and metrics are on a listener of their own.
    pub(crate) ops_moved: bool,
    invalid_keys: InvalidKeys,
    log_uids: bool,
}

impl App {
    /// Creates the application over a store. Its pages show the brand.
    #[must_use]
    pub fn new(store: Store, secrets: &'static Secrets, brand: Brand) -> Self {
        let service = Service::new(&secrets.server);
        Self {
            store,
            secrets,
            service,
            ixkio: Ixkio::new(service, &secrets.api_keys),
            etrnl: Etrnl::new(service, &secrets.api_keys),
            metrics: Metrics::new(),
            demo: None,
            brand,
            caches: Caches::default(),
            readiness: Readiness::default(),
            ops_moved: false,
            invalid_keys: InvalidKeys::new(0),
            log_uids: false,
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

    /// Returns the same application with a metric of lost log lines. If `log_uids` is `true`, the log shows whole UIDs.
    #[must_use]
    pub fn with_log(mut self, lost: LostLines, log_uids: bool) -> Self {
        self.metrics.log = Some(lost);
        Self { log_uids, ..self }
    }

    /// Returns the same application with a limit of requests with an invalid API key or token, per client address and minute. With 0,
    /// there is no limit.
    #[must_use]
    pub fn with_invalid_keys(self, per_minute: u32) -> Self {
        Self { invalid_keys: InvalidKeys::new(per_minute), ..self }
    }

    /// Waits until the store has written what it accepted.
    pub async fn close(self) {
        self.store.close().await;
    }

    pub(crate) fn registry(&self) -> Registry<'_> {
        Registry::new(&self.store, &self.caches, self.secrets)
    }

    /// Counts a verdict and writes it to the log.
    pub(crate) fn note(&self, api: Api, started: Instant, registry: &Registry<'_>, verdict: &Verdicts) {
        let word = word(verdict.as_ref());
        let time = started.elapsed();
        self.metrics.count(api, word, time);
        let tap = match verdict {
            Some(Ok(Verdict::Fresh(Accepted { tap, .. }) | Verdict::Refused(Refusal::Replayed { tap, .. }))) => {
                Some(tap)
            }
            _ => None,
        };
        let tag = registry.found().unwrap_or_default();
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let uid = tap.and_then(|tap| tap.uid).map(|uid| {
            let digits = uid.to_string();
            // The first digits are those of the manufacturer.
            if self.log_uids { digits } else { format!("…{}", digits.get(10..).unwrap_or_default()) }
        });
        let (uid, ctr) = (uid.unwrap_or_default(), tap.map(|tap| tap.ctr.get()));
        match verdict {
            // Anybody can send these requests, and they are not about a tag.
            None => tracing::debug!(?api, verdict = word, micros),
            Some(Err(Failure::Registry(error) | Failure::Counters(error))) => {
                tracing::error!(?api, verdict = word, tag, micros, %error);
            }
            Some(Ok(_)) => tracing::info!(?api, verdict = word, tag, uid, ctr, micros),
        }
    }

    /// Counts a request with an invalid API key or token. Returns `false` if the client has sent too many of them; otherwise the
    /// request is also written to the log.
    pub(crate) fn note_invalid_key(&self, api: Api, client: IpAddr) -> bool {
        self.metrics.count_invalid_key(api);
        let is_allowed = self.invalid_keys.allows(client);
        if is_allowed {
            tracing::warn!(?api, %client, "invalid API key");
        }
        is_allowed
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

/// Returns the time to store with a tap.
pub(crate) fn now() -> Option<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis::new)
}
