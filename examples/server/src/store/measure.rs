//! What a store measures of itself, for the metrics of the server.

use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Kind, Store};
use crate::trace;

/// The buckets of a call, in seconds. A read from memory takes microseconds, and a write to disk takes milliseconds.
const SECONDS: [f64; 13] =
    [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.5, 2.0];
/// The buckets of the taps that share one write.
const TAPS: [f64; 8] = [1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 16_384.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    store: &'static str,
    operation: &'static str,
}

/// The time that calls of a store take, also of those that fail.
#[derive(Debug)]
pub(super) struct Calls {
    all: Family<Call, Histogram>,
    pub(super) read: Histogram,
    pub(super) advance: Histogram,
    pub(super) change: Histogram,
}

impl Calls {
    pub(super) fn new(store: &'static str) -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(SECONDS);
        let all = Family::new_with_constructor(histogram);
        let one = |operation| all.get_or_create_owned(&Call { store, operation });
        Self { read: one("read"), advance: one("advance"), change: one("change"), all }
    }
}

/// Waits for a call, and records how long it took. The name is for traces.
pub(super) async fn timed<T>(name: &'static str, histogram: &Histogram, call: impl Future<Output = T>) -> T {
    let start = Instant::now();
    let _span = trace::call(name);
    let result = call.await;
    histogram.observe(start.elapsed().as_secs_f64());
    result
}

/// Returns the histogram of the numbers of taps that share one write.
pub(super) fn groups() -> Histogram {
    Histogram::new(TAPS)
}

/// The connections of a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolStatus {
    pub(super) limit: usize,
    pub(super) size: usize,
    pub(super) available: usize,
    pub(super) waiting: usize,
}

/// Gauges that are set when the metrics are read. A store has only those of its kind.
#[derive(Debug)]
pub(crate) enum Gauges {
    Queue { waiting: Gauge },
    Pool { limit: Gauge, size: Gauge, available: Gauge, waiting: Gauge },
    None,
}

impl Gauges {
    /// Registers the metrics of a store.
    pub(crate) fn register(registry: &mut Registry, store: &Store) -> Self {
        let calls = store.calls.all.clone();
        registry.register("store_seconds", "Time of a call of the store", calls);
        let mut gauge = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, gauge.clone());
            gauge
        };
        match &store.kind {
            Kind::Embedded(embedded) => {
                let waiting = gauge("queue_waiting", "Taps that wait for the writer of the data file");
                registry.register("queue_group_taps", "Taps that share one write", embedded.groups().clone());
                Self::Queue { waiting }
            }
            Kind::Postgres(_) => Self::Pool {
                limit: gauge("pool_limit", "Greatest number of connections to PostgreSQL"),
                size: gauge("pool_size", "Open connections to PostgreSQL"),
                available: gauge("pool_available", "Connections to PostgreSQL that are not in use"),
                waiting: gauge("pool_waiting", "Calls that wait for a connection to PostgreSQL"),
            },
            Kind::Redis(_) => Self::None,
        }
    }

    /// Sets the gauges to what the store has now.
    pub(crate) fn set(&self, store: &Store) {
        let put = |gauge: &Gauge, value: usize| {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        };
        match (self, &store.kind) {
            (Self::Queue { waiting }, Kind::Embedded(embedded)) => put(waiting, embedded.waiting()),
            (Self::Pool { limit, size, available, waiting }, Kind::Postgres(postgres)) => {
                let status = postgres.pool();
                put(limit, status.limit);
                put(size, status.size);
                put(available, status.available);
                put(waiting, status.waiting);
            }
            _ => {}
        }
    }
}
