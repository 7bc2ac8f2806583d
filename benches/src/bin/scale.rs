//! Verifies many taps of many tags on all processors: `scale [TAPS [TAGS]]`. With `scale --lines [TAPS [TAGS]]`, prints the
//! taps as the input of `suntap verify --batch` instead.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking"
)]

use std::collections::HashMap;
use std::io::{BufWriter, Write as _, stdout};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use suntap::{PreparedMetaReadKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, Uid, verify_batch};
use suntap_benches::AES;
use suntap_benches::peer::Random;
use suntap_testkit::{Tag, Tap};

/// The taps of all tags, in an order in which neighbours come from different tags.
struct Taps {
    layout: SdmLayout,
    meta_key: [u8; 16],
    prepared: PreparedMetaReadKey,
    file_keys: HashMap<Uid, [u8; 16]>,
    urls: Vec<String>,
}

impl Taps {
    fn new(count: usize, tag_count: usize) -> Self {
        let mut random = Random(5);
        let meta_key = random.bytes();
        let tags: Vec<_> = (0..tag_count)
            .map(|_| Tag { lrp: false, meta_key, file_key: random.bytes(), uid: random.bytes() })
            .collect();
        let url = |turn: usize| {
            let tap = Tap {
                ctr: u32::try_from(turn / tags.len()).unwrap() + 1,
                padding: random.bytes(),
                file_data: Vec::new(),
                tt: *b"CC",
            };
            tags[turn % tags.len()].write(AES.ours, &tap).url
        };
        Self {
            layout: SdmLayout::new(Scheme::Aes, AES.ours).unwrap(),
            meta_key,
            prepared: SdmMetaReadKey::from_bytes(meta_key).prepare(Scheme::Aes),
            urls: (0..count).map(url).collect(),
            file_keys: tags.iter().map(|tag| (Uid::from_bytes(tag.uid), tag.file_key)).collect(),
        }
    }

    /// Verifies a part of the taps, and returns the number of genuine ones.
    fn verify(&self, urls: &[String]) -> usize {
        let taps = urls.iter().map(|url| {
            let tap = self.layout.parse(url).unwrap().open(&self.prepared).unwrap();
            let key = SdmFileReadKey::from_bytes(self.file_keys[&tap.uid().unwrap()]);
            ((), tap, key)
        });
        verify_batch(taps).filter(|((), verified)| verified.is_ok()).count()
    }

    /// Verifies all taps, and returns the taps per second.
    fn rate(&self, threads: usize) -> f64 {
        let began = Instant::now();
        let genuine: usize = thread::scope(|scope| {
            let parts = self.urls.chunks(self.urls.len().div_ceil(threads));
            let running: Vec<_> = parts.map(|part| scope.spawn(|| self.verify(part))).collect();
            running.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(genuine, self.urls.len());
        f64::from(u32::try_from(genuine).unwrap()) / began.elapsed().as_secs_f64()
    }

    fn print_lines(&self) {
        let hex = |key: [u8; 16]| format!("{:032x}", u128::from_be_bytes(key));
        let mut out = BufWriter::new(stdout().lock());
        for (id, url) in self.urls.iter().enumerate() {
            let uid = self.layout.parse(url).unwrap().open(&self.prepared).unwrap().uid().unwrap();
            let line = serde_json::json!({
                "id": id,
                "url": url,
                "template": AES.ours,
                "meta_key": hex(self.meta_key),
                "file_key": hex(self.file_keys[&uid]),
                "store": "taps",
            });
            writeln!(out, "{line}").unwrap();
        }
    }
}

fn main() {
    let mut args: Vec<_> = std::env::args().skip(1).collect();
    let lines = args.first().is_some_and(|arg| arg == "--lines");
    args.drain(..usize::from(lines));
    let number = |index: usize, default: usize| args.get(index).map_or(default, |arg| arg.parse().unwrap());
    let taps = Taps::new(number(0, 1_000_000), number(1, 100_000));
    if lines {
        return taps.print_lines();
    }
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let fastest = (0..5).map(|_| taps.rate(threads)).fold(0.0, f64::max);
    println!("{:.2} million taps per second on {threads} threads, the fastest of 5 runs", fastest / 1e6);
}
