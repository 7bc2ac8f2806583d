//! Benchmarks of taps, keys and counters, with `ntag424` on the same inputs. `README.md` has the results.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a benchmark fails by panicking"
)]

use core::time::Duration;
use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use suntap::emulator::{EmulatedTag, TagPrivateKey};
use suntap::token::{self, Grant, TokenKey};
use suntap::{
    CounterId, CounterStore, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts,
    Uid, UnixMillis, Verifier, identify,
};
use suntap_benches::peer::{self, IDENTIFY_KEYS, IDENTIFY_KEYS_LRP, Random, other_keys};
use suntap_benches::{AES, LRP, PEER_GROUPS, RepeatedCounters, Set};

#[path = "src/peer_groups.rs"]
mod peer_groups;

use peer_groups::BATCH;

/// Measures the verification of a URL without a counter store. Each tap has its own file key.
fn verify(c: &mut Criterion) {
    for (name, written, _) in PEER_GROUPS.into_iter().filter(|(_, _, derived)| !derived) {
        let set = Set::new(written, false);
        let mut group = c.benchmark_group(name);
        group.bench_function("suntap", |b| b.iter(|| set.ours(black_box(set.next()))));
        peer_groups::verify(&mut group, &set.peer);
        group.finish();
    }
}

/// Measures the verification of a URL with AN10922 file keys and a store in memory that accepts each tap any number of
/// times.
fn verify_an10922(c: &mut Criterion) {
    let set = Set::new(AES, true);
    let mut counters = RepeatedCounters::default();
    let mut group = c.benchmark_group("verify_aes_an10922");
    group.bench_function("suntap", |b| {
        b.iter(|| {
            let tap = set.claimed(black_box(set.next()));
            let key = set.derived(&tap);
            tap.verify(&key).unwrap().commit(&mut counters, None).unwrap().ctr()
        });
    });
    peer_groups::verify_an10922(&mut group, &set.peer);
    group.finish();
}

/// Measures a token for a page: making it from a fresh tap, and verifying it, without a store for single use.
fn token(c: &mut Criterion) {
    let set = Set::new(AES, false);
    let sample = set.next();
    let verified = set.claimed(sample).verify(&SdmFileReadKey::from_bytes(sample.file_key)).unwrap();
    let fresh = verified.commit(&mut RepeatedCounters::default(), None).unwrap();
    let keys = [TokenKey::from_bytes(1, [7; 16])];
    let (page, now) = ("https://shop.example/members", UnixMillis::new(1_795_000_000_000));
    let grant = Grant::new(page, now, Duration::from_secs(60));
    let [key] = &keys;
    let token = key.mint(&fresh, &grant);
    let mut group = c.benchmark_group("token");
    group.bench_function("mint", |b| b.iter(|| key.mint(black_box(&fresh), &grant)));
    group.bench_function("verify", |b| {
        b.iter(|| token::verify(black_box(token.as_str()), &keys, page, now, Duration::ZERO).unwrap().ctr());
    });
    group.finish();
}

/// Measures batches of 64 taps of 64 tags.
fn batch(c: &mut Criterion) {
    for (name, written) in [("batch", AES), ("batch_lrp", LRP)] {
        let set = Set::new(written, false);
        let parts: Vec<_> = set.samples().chunks(BATCH).collect();
        let mut turn = 0;
        let mut next = || {
            turn = (turn + 1) % parts.len();
            black_box(parts.get(turn).copied().unwrap_or_default())
        };
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(BATCH.try_into().unwrap()));
        group.bench_function("suntap", |b| b.iter(|| assert_eq!(set.ours_by_batch(next()), BATCH)));
        peer_groups::batch(&mut group, &set.peer);
        group.finish();
    }
}

/// Measures the search for the meta-read key of a tap that no key opens.
fn find_key(c: &mut Criterion) {
    for (name, written, count) in [("identify", AES, IDENTIFY_KEYS), ("identify_lrp", LRP, IDENTIFY_KEYS_LRP)] {
        let set = Set::new(written, false);
        let raw = other_keys(count);
        let keys: Vec<_> = raw.iter().map(|key| SdmMetaReadKey::from_bytes(*key)).collect();
        let mode = set.layout.scheme();
        let prepared: Vec<_> = keys.iter().map(|key| key.prepare(mode)).collect();
        let url = &set.next().url;
        let parsed = set.layout.parse(url).unwrap();
        let mut group = c.benchmark_group(name);
        group.sample_size(20).throughput(Throughput::Elements(count.try_into().unwrap()));
        group.bench_function("suntap", |b| b.iter(|| identify::candidates(black_box(&parsed), &keys).count()));
        group.bench_function("prepared", |b| b.iter(|| identify::candidates(black_box(&parsed), &prepared).count()));
        peer_groups::identify(&mut group, &set.peer, &raw);
        group.finish();
    }
}

/// Measures the verification of a signed tap. The peer does not verify such taps.
fn verify_ecdsa(c: &mut Criterion) {
    let layout = SdmLayout::new(Scheme::Ecdsa, "https://example.com/t?m=[[{uid}&c={ctr}&s={sig}").unwrap();
    let key = TagPrivateKey::from_bytes([7; 32]).unwrap();
    let (public, uid) = (key.public_key(), Uid::from_bytes([4; 7]));
    let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
    let tag = EmulatedTag::new_signing(&layout, &TagTexts::default(), meta_key, file_key, key, uid);
    let url = tag.unwrap().tap().unwrap();
    let verifier = Verifier::new(&layout, (), public).unwrap();
    c.benchmark_group("verify_ecdsa").bench_function("suntap", |b| {
        b.iter(|| verifier.verify(black_box(&url)).unwrap());
    });
}

/// Measures the rejection of a forged tap and of a tap that is too short, compared with a genuine tap.
fn reject(c: &mut Criterion) {
    let set = Set::new(AES, false);
    let (forged, short) = set.spoilt();
    let mut group = c.benchmark_group("reject");
    group.bench_function("genuine", |b| b.iter(|| set.ours(black_box(set.next()))));
    let mut turn = 0;
    group.bench_function("forged", |b| {
        b.iter(|| {
            turn = (turn + 1) % forged.len();
            let sample = black_box(forged.get(turn).unwrap());
            set.claimed(sample).verify(&SdmFileReadKey::from_bytes(sample.file_key)).unwrap_err()
        });
    });
    group.bench_function("short", |b| b.iter(|| set.layout.parse(black_box(&short)).unwrap_err()));
    group.finish();
}

/// Measures `MemoryCounters::advance` with 4096 tags.
fn store(c: &mut Criterion) {
    let mut counters = MemoryCounters::<4096>::new();
    let mut random = Random(3);
    let tags: Vec<_> = (0..4096).map(|_| CounterId::from_bytes(random.bytes())).collect();
    let mut ctr = 0;
    c.benchmark_group("store").bench_function("suntap", |b| {
        b.iter(|| {
            ctr += 1;
            let tag = tags.get(ctr % tags.len()).unwrap();
            let ctr = SdmReadCtr::new(u32::try_from(ctr / tags.len()).unwrap() + 1).unwrap();
            counters.advance(black_box(tag), ctr, Some(UnixMillis::new(1))).unwrap()
        });
    });
}

criterion_group!(taps, verify, verify_an10922, verify_ecdsa, token, batch, find_key, reject, store);
criterion_main!(taps);
