//! Figures for Prometheus.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use suntap::platform::{Failure, Refusal, Verdict};

/// Seconds. A tap in memory takes microseconds, one on disk milliseconds, and a store that is down takes all its time.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0, 10.0];

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Api {
    Ixkio,
    Etrnl,
    Page,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tap {
    api: Api,
    verdict: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    api: Api,
}

/// What is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    taps: Family<Tap, Counter>,
    seconds: Family<Of, Histogram>,
    pub(crate) connections: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("suntap");
        let taps = Family::default();
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let seconds = Family::new_with_constructor(histogram);
        let connections = Gauge::default();
        registry.register("taps", "Requests by what was decided", taps.clone());
        registry.register("tap_seconds", "Time from a request to its answer", seconds.clone());
        registry.register("connections", "Open connections", connections.clone());
        Self { registry, taps, seconds, connections }
    }

    pub(crate) fn count(&self, api: Api, verdict: &'static str, time: Duration) {
        self.taps.get_or_create(&Tap { api, verdict }).inc();
        self.seconds.get_or_create(&Of { api }).observe(time.as_secs_f64());
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Nothing fails that writes into a string.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// A verdict in a word, for figures and logs. `None` is a request that was none.
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
