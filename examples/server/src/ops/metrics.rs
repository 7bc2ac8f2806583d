//! Metrics for Prometheus.

use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use suntap::platform::{Failure, Refusal, Verdict};
use suntap::risk::Signal;

use super::log::LostLines;
use super::webhooks;
use crate::store::{Gauges, Store};

/// The buckets, in seconds. An answer from memory takes microseconds, and one from disk takes milliseconds. If the store is down, an
/// answer takes as long as the store may take.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0, 10.0];

/// Where a tap was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Api {
    Ixkio,
    Etrnl,
    Page,
    /// Not a tap: the token of a tap.
    Token,
}

impl Api {
    /// Returns the name in the metrics, the log and the history.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ixkio => "ixkio",
            Self::Etrnl => "etrnl",
            Self::Page => "page",
            Self::Token => "token",
        }
    }
}

impl EncodeLabelValue for Api {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.name().encode(encoder)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tap {
    api: Api,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByApi {
    api: Api,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BySignal {
    signal: &'static str,
}

/// The metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    taps: Family<Tap, Counter>,
    seconds: Family<ByApi, Histogram>,
    signals: Family<BySignal, Counter>,
    invalid_keys: Family<ByApi, Counter>,
    lost_lines: Counter,
    pub(crate) log: Option<LostLines>,
    pub(crate) connections: Gauge,
    pub(crate) failed_accepts: Counter,
    pub(crate) failed_handshakes: Counter,
    pub(crate) reloads: Counter,
    pub(crate) failed_reloads: Counter,
    pub(crate) history_dropped: Counter,
    pub(crate) history_removed: Counter,
    store: Gauges,
    pub(crate) webhooks: webhooks::Metrics,
}

impl Metrics {
    /// Creates the metrics of a server with this store.
    pub(crate) fn new(store: &Store) -> Self {
        let mut registry = Registry::with_prefix("suntap");
        let taps = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(histogram);
        let signals = Family::default();
        registry.register("signals", "Genuine taps that an operator may want to look at", signals.clone());
        let (invalid_keys, lost_lines) = (Family::default(), Counter::default());
        let (connections, failed_accepts) = (Gauge::default(), Counter::default());
        registry.register("taps", "Requests by verdict", taps.clone());
        registry.register("tap_seconds", "Time from a request to its answer", seconds.clone());
        registry.register("invalid_api_keys", "Requests with an invalid API key or token", invalid_keys.clone());
        registry.register("lost_log_lines", "Log lines that were not written", lost_lines.clone());
        registry.register("connections", "Open connections", connections.clone());
        registry.register("failed_accepts", "Connections that could not be accepted", failed_accepts.clone());
        let (failed_handshakes, reloads, failed_reloads) = (Counter::default(), Counter::default(), Counter::default());
        registry.register("failed_handshakes", "TLS handshakes that failed", failed_handshakes.clone());
        registry.register("reloads", "How often secrets and certificates were read again", reloads.clone());
        registry.register(
            "failed_reloads",
            "Secrets or certificates that could not be read again",
            failed_reloads.clone(),
        );
        let (history_dropped, history_removed) = (Counter::default(), Counter::default());
        registry.register("history_dropped", "Entries that are missing in the history", history_dropped.clone());
        registry.register("history_removed", "Old entries removed from the history", history_removed.clone());
        let store = Gauges::register(&mut registry, store);
        let webhooks = webhooks::Metrics::register(&mut registry);
        Self {
            registry,
            taps,
            seconds,
            signals,
            invalid_keys,
            lost_lines,
            log: None,
            connections,
            failed_accepts,
            failed_handshakes,
            reloads,
            failed_reloads,
            history_dropped,
            history_removed,
            store,
            webhooks,
        }
    }

    pub(crate) fn count(&self, api: Api, verdict: &'static str, time: Duration) {
        self.taps.get_or_create(&Tap { api, verdict }).inc();
        self.seconds.get_or_create(&ByApi { api }).observe(time.as_secs_f64());
    }

    pub(crate) fn count_signal(&self, signal: Signal) {
        self.signals.get_or_create(&BySignal { signal: signal.name() }).inc();
    }

    pub(crate) fn count_invalid_key(&self, api: Api) {
        self.invalid_keys.get_or_create(&ByApi { api }).inc();
    }

    /// Returns the metrics as OpenMetrics text.
    pub(crate) fn text(&self, store: &Store) -> String {
        self.store.set(store);
        if let Some(log) = &self.log {
            self.lost_lines.inner().store(log.count(), Ordering::Relaxed);
        }
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Returns a verdict as one word, for metrics and logs. `None` stands for an invalid request.
pub(crate) fn word<R, S>(verdict: Option<&Result<Verdict, Failure<R, S>>>) -> &'static str {
    let refusal = match verdict {
        None => return "no_request",
        Some(Err(Failure::Registry(_))) => return "registry_failed",
        Some(Err(Failure::Counters(_))) => return "counters_failed",
        Some(Ok(Verdict::Fresh(_))) => return "fresh",
        Some(Ok(Verdict::Refused(refusal))) => refusal,
    };
    match refusal {
        Refusal::UnknownTag => "unknown_tag",
        Refusal::NotTheOwner => "not_the_owner",
        Refusal::Inactive(_) => "inactive",
        Refusal::NoChip => "no_chip",
        Refusal::NoKeys => "no_keys",
        Refusal::WrongScheme => "wrong_scheme",
        Refusal::SealBroken => "seal_broken",
        Refusal::Malformed(_) | Refusal::OtherLayout => "malformed",
        Refusal::NotOpened => "not_opened",
        Refusal::OtherUid => "other_uid",
        Refusal::NotAuthentic => "not_authentic",
        Refusal::NoCounter => "no_counter",
        Refusal::Replayed { .. } => "replayed",
        _ => "refused",
    }
}
