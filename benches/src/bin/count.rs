//! Repeats one kind of work, so that valgrind can count its instructions: `count KIND TURNS`. See `count.sh`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement fails by panicking"
)]

use std::hint::black_box;

use suntap::{SdmFileReadKey, SdmMetaReadKey, VerifyError, identify};
use suntap_benches::peer::other_keys;
use suntap_benches::{AES, FILE_DATA, LRP, Set};

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let (kind, turns): (&str, usize) = (&args[0], args[1].parse().unwrap());
    let written = match kind {
        "lrp" | "batch-lrp" | "ntag424-lrp" => LRP,
        "file-data" => FILE_DATA,
        _ => AES,
    };
    let set = Set::new(written, kind == "an10922");
    let (forged, short) = set.spoilt();
    let keys: Vec<_> = other_keys(256).into_iter().map(SdmMetaReadKey::from_bytes).collect();
    for turn in 0..turns {
        match kind {
            "aes" | "lrp" | "file-data" => {
                black_box(set.ours(black_box(set.next())));
            }
            "an10922" => {
                let tap = set.claimed(black_box(set.next()));
                let key = set.derived(&tap);
                black_box(tap.verify(&key).unwrap().ctr());
            }
            // Each turn verifies 256 taps.
            "batch" | "batch-lrp" => assert_eq!(set.ours_by_batch(black_box(set.samples())), set.samples().len()),
            // Each turn tries 256 keys.
            "identify" => {
                let tap = set.layout.parse(black_box(&set.next().url)).unwrap();
                assert!(identify::candidates(&tap, &keys).count() < keys.len());
            }
            "parse" => {
                black_box(set.layout.parse(black_box(&set.next().url)).unwrap().captured(""));
            }
            "open" => {
                black_box(set.claimed(black_box(set.next())).ctr());
            }
            "ntag424" | "ntag424-lrp" => {
                black_box(set.peer.verify(black_box(set.next())));
            }
            "reject" => {
                let sample = black_box(&forged[turn % forged.len()]);
                let key = SdmFileReadKey::from_bytes(sample.file_key);
                assert_eq!(set.claimed(sample).verify(&key).unwrap_err(), VerifyError::NotAuthentic);
            }
            "reject-short" => {
                black_box(set.layout.parse(black_box(&short)).unwrap_err());
            }
            other => panic!("{other}"),
        }
    }
}
