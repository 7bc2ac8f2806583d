//! Benchmarks of the peer. Both the bench of this package and the bench of `benches/peer` compile this file.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use criterion::{BenchmarkGroup, measurement::WallTime};

use super::peer::{PeerCounters, PeerSet, Sample};

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const NAME: &str = "ntag424";

/// The number of taps in a batch.
pub(crate) const BATCH: usize = 64;

/// Verifies a URL without a counter store.
pub(crate) fn verify(group: &mut Group<'_>, set: &PeerSet) {
    group.bench_function(NAME, |b| b.iter(|| set.verify(black_box(set.next()))));
}

/// Verifies a URL with an AN10922 file key and a store.
pub(crate) fn verify_an10922(group: &mut Group<'_>, set: &PeerSet) {
    let (application, mut counters) = (set.application(), PeerCounters::default());
    group.bench_function(NAME, |b| {
        b.iter(|| {
            let url = black_box(set.next()).url.as_bytes();
            ready(application.verify(&set.master_key, url, &mut counters)).read_ctr
        });
    });
}

/// Verifies the taps of a batch one by one.
pub(crate) fn batch(group: &mut Group<'_>, set: &PeerSet) {
    let batches: Vec<_> = set.samples.chunks(BATCH).collect();
    let mut next = batches.iter().cycle();
    let sum = |batch: &[Sample]| batch.iter().map(|sample| u64::from(set.verify(sample))).sum::<u64>();
    group.bench_function(NAME, |b| b.iter(|| sum(black_box(next.next().unwrap()))));
}

/// Tries meta-read keys on a tap that none of them opens.
pub(crate) fn identify(group: &mut Group<'_>, set: &PeerSet, keys: &[[u8; 16]]) {
    let url = &set.next().url;
    group.bench_function(NAME, |b| b.iter(|| set.opens(black_box(url), keys)));
}

/// Returns the result of a future that never waits.
fn ready<T, E: std::fmt::Debug>(future: impl Future<Output = Result<T, E>>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output.unwrap(),
        Poll::Pending => panic!("the future is pending"),
    }
}
