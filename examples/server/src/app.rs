//! What all requests share.

use std::fmt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use suntap::UnixMillis;
use suntap::platform::{Accepted, Failure, Refusal, Service, Verdict, etrnl::Etrnl, ixkio::Ixkio};

use crate::demo::Demo;
use crate::http::health::Readiness;
use crate::ops::metrics::{Api, Metrics, word};
use crate::registry::{Caches, Registry};
use crate::secrets::Secrets;
use crate::store::{Store, StoreError};

type Verdicts = Option<Result<Verdict, Failure<StoreError, StoreError>>>;

/// What all requests share.
pub struct App {
    pub(crate) store: Store,
    pub(crate) secrets: &'static Secrets,
    pub(crate) service: Service<'static>,
    pub(crate) ixkio: Ixkio<'static>,
    pub(crate) etrnl: Etrnl<'static>,
    pub(crate) metrics: Metrics,
    pub(crate) demo: Option<Demo>,
    pub(crate) caches: Caches,
    pub(crate) readiness: Readiness,
    /// Readiness and metrics are on a listener of their own.
    pub(crate) ops_moved: bool,
    log_uids: bool,
}

impl App {
    /// A service over a store.
    #[must_use]
    pub fn new(store: Store, secrets: &'static Secrets, log_uids: bool) -> Self {
        let service = Service::new(&secrets.server);
        Self {
            store,
            secrets,
            service,
            ixkio: Ixkio::new(service, &secrets.api_keys),
            etrnl: Etrnl::new(service, &secrets.api_keys),
            metrics: Metrics::new(),
            demo: None,
            caches: Caches::default(),
            readiness: Readiness::default(),
            ops_moved: false,
            log_uids,
        }
    }

    /// The same service with tags that a visitor can tap.
    #[must_use]
    pub fn with_demo(self, demo: Demo) -> Self {
        Self { demo: Some(demo), ..self }
    }

    /// The same service with readiness and metrics on a listener of their own.
    #[must_use]
    pub fn with_ops_moved(self, ops_moved: bool) -> Self {
        Self { ops_moved, ..self }
    }

    /// Waits until a data file fails, and returns the cause. See [`Store::failed`].
    pub fn store_failed(&self) -> impl Future<Output = StoreError> + Send + use<> {
        self.store.failed()
    }

    /// Waits until the store has finished what it accepted.
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
            // The first digits are those of the maker.
            if self.log_uids { digits } else { format!("…{}", digits.get(10..).unwrap_or_default()) }
        });
        let (uid, ctr) = (uid.unwrap_or_default(), tap.map(|tap| tap.ctr.get()));
        match verdict {
            // Anybody sends these, and they say nothing of a tag.
            None => tracing::debug!(?api, verdict = word, micros),
            Some(Err(Failure::Registry(error) | Failure::Counters(error))) => {
                tracing::error!(?api, verdict = word, tag, micros, %error);
            }
            Some(Ok(_)) => tracing::info!(?api, verdict = word, tag, uid, ctr, micros),
        }
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).finish_non_exhaustive()
    }
}

/// The time to remember with a tap.
pub(crate) fn now() -> Option<UnixMillis> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok().map(UnixMillis::new)
}
