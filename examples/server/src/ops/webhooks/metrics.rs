//! The metrics of webhooks, by endpoint.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::endpoint::Endpoint;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    webhook: String,
}

/// The metrics of all endpoints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    delivered: Family<Label, Counter>,
    failed: Family<Label, Counter>,
    given_up: Family<Label, Counter>,
    lost: Family<Label, Counter>,
    waiting: Family<Label, Gauge>,
}

/// The metrics of one endpoint.
#[derive(Clone, Debug)]
pub(super) struct EndpointMetrics {
    pub(super) delivered: Counter,
    pub(super) failed: Counter,
    pub(super) given_up: Counter,
    /// Seconds since the oldest event that is not delivered.
    pub(super) waiting: Gauge,
}

fn label(name: &str) -> Label {
    Label { webhook: name.into() }
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register("webhook_delivered", "Events that an endpoint accepted", metrics.delivered.clone());
        registry.register("webhook_failed", "Failed attempts to deliver an event", metrics.failed.clone());
        let given_up = "Events that an endpoint refused for hours while it accepted others";
        registry.register("webhook_given_up", given_up, metrics.given_up.clone());
        let lost = "Events that the history removed before they were delivered";
        registry.register("webhook_lost", lost, metrics.lost.clone());
        let waiting = "Age of the oldest event that is not delivered, or 0, also if another server delivers";
        registry.register("webhook_waiting_seconds", waiting, metrics.waiting.clone());
        metrics
    }

    /// Shows the metrics of each endpoint before there is an event.
    pub(super) fn start(&self, endpoints: &[Endpoint]) {
        for endpoint in endpoints {
            self.endpoint(endpoint.name());
            self.lose(endpoint.name(), 0);
        }
    }

    pub(super) fn endpoint(&self, name: &str) -> EndpointMetrics {
        let label = label(name);
        EndpointMetrics {
            delivered: self.delivered.get_or_create(&label).clone(),
            failed: self.failed.get_or_create(&label).clone(),
            given_up: self.given_up.get_or_create(&label).clone(),
            waiting: self.waiting.get_or_create(&label).clone(),
        }
    }

    pub(super) fn lose(&self, name: &str, count: usize) {
        self.lost.get_or_create(&label(name)).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }
}
