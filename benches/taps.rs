//! Verifying taps and finding their keys, beside `ntag424` on the same taps.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a bench fails by panicking"
)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{Tag, Tap};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ntag424::sdm::{SdmUrlOptions, Verifier, sdm_url_config};
use ntag424::types::file_settings::CryptoMode;
use suntap::{Mode, PreparedMetaReadKey, SdmFileReadKey, SdmLayout, SdmMetaReadKey, identify};

const TEMPLATE: &str = "https://example.com/t?picc_data={picc:uid,ctr}&cmac={mac}";

/// Numbers that nobody guesses and everybody gets again: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.next().to_le_bytes()[0])
    }
}

fn tag(random: &mut Random, lrp: bool, meta_key: [u8; 16], file_key: [u8; 16]) -> (Tag, Tap) {
    let tag = Tag { lrp, meta_key, file_key, uid: random.bytes() };
    let [low, mid, high] = random.bytes();
    let ctr = u32::from_le_bytes([low | 1, mid, high, 0]);
    (tag, Tap { ctr, padding: random.bytes(), file_data: Vec::new(), tt: *b"CC" })
}

/// The verifier of the peer for the layout here, set for full URLs.
fn peer(mode: CryptoMode) -> Verifier {
    let template = "https://example.com/t?picc_data={picc:uid+ctr}&cmac=[[{mac}";
    let config = sdm_url_config(template, mode, SdmUrlOptions::default()).unwrap();
    let shift = i32::try_from(config.prefix_len).unwrap() - i32::try_from(config.offset).unwrap();
    Verifier::try_new(&config.sdm_settings, mode).unwrap().with_offset(shift).unwrap()
}

/// A URL to a verdict without a store: 256 taps of 256 tags, each under a file key of its own.
fn verify(c: &mut Criterion) {
    for (name, mode, their_mode) in
        [("verify_aes", Mode::Aes, CryptoMode::Aes), ("verify_lrp", Mode::Lrp, CryptoMode::Lrp)]
    {
        let mut random = Random(1);
        let meta_key = random.bytes();
        let taps: Vec<(String, [u8; 16])> = (0..256)
            .map(|_| {
                let file_key = random.bytes();
                let (tag, tap) = tag(&mut random, mode == Mode::Lrp, meta_key, file_key);
                (tag.write(TEMPLATE, &tap).url, file_key)
            })
            .collect();
        let layout = SdmLayout::new(mode, TEMPLATE).unwrap();
        let ready = SdmMetaReadKey::from_bytes(meta_key).prepare(mode);
        let verifier = peer(their_mode);
        let ours = |(url, key): &(String, [u8; 16])| {
            let key = SdmFileReadKey::from_bytes(*key).prepare(mode);
            layout.parse(url).unwrap().open(&ready).unwrap().verify(&key).unwrap().ctr().get()
        };
        let theirs = |(url, key): &(String, [u8; 16])| {
            verifier.verify_with_meta_key(url.as_bytes(), key, &meta_key).unwrap().read_ctr.unwrap()
        };
        assert!(taps.iter().all(|tap| ours(tap) == theirs(tap)), "both say the same");

        let mut group = c.benchmark_group(name);
        let mut next = 0;
        let mut turn = || {
            next = (next + 1) % taps.len();
            &taps[next]
        };
        group.bench_function("suntap", |b| b.iter(|| ours(black_box(turn()))));
        group.bench_function("ntag424", |b| b.iter(|| theirs(black_box(turn()))));
        group.finish();
    }
}

/// How many meta-read keys a second are tried on a tap that none of them opens: through `identify`, through `open` one by one,
/// and through the peer.
fn find_key(c: &mut Criterion) {
    for (name, mode, their_mode, count) in
        [("identify", Mode::Aes, CryptoMode::Aes, 4096u32), ("identify_lrp", Mode::Lrp, CryptoMode::Lrp, 256)]
    {
        let mut random = Random(2);
        let raw: Vec<[u8; 16]> = (0..count).map(|_| random.bytes()).collect();
        let keys: Vec<PreparedMetaReadKey> =
            raw.iter().map(|key| SdmMetaReadKey::from_bytes(*key).prepare(mode)).collect();
        let (meta_key, file_key) = (random.bytes(), random.bytes());
        let (tag, tap) = tag(&mut random, mode == Mode::Lrp, meta_key, file_key);
        let url = tag.write(TEMPLATE, &tap).url;
        let layout = SdmLayout::new(mode, TEMPLATE).unwrap();
        let verifier = peer(their_mode);

        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(count.into()));
        let parsed = layout.parse(&url).unwrap();
        group.bench_function(BenchmarkId::from_parameter("suntap"), |b| {
            b.iter(|| identify::candidates(black_box(&parsed), &keys).count());
        });
        group.bench_function(BenchmarkId::from_parameter("open"), |b| {
            b.iter(|| keys.iter().filter(|key| layout.parse(black_box(&url)).unwrap().open(key).is_ok()).count());
        });
        group.bench_function(BenchmarkId::from_parameter("ntag424"), |b| {
            b.iter(|| {
                raw.iter().filter(|key| verifier.decrypt_picc_data(key, black_box(url.as_bytes())).is_ok()).count()
            });
        });
        group.finish();
    }
}

criterion_group!(taps, verify, find_key);
criterion_main!(taps);
