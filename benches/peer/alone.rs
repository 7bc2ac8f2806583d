//! Benchmarks of `ntag424` in a build without suntap. The variable `TAPS` is the path of a file that the program `taps` of
//! suntap-benches wrote.

use std::{env, fs};

use criterion::{Criterion, criterion_group, criterion_main};
use suntap_benches_peer::peer::{self, IDENTIFY_KEYS, IDENTIFY_KEYS_LRP, PeerSet, other_keys};

#[path = "../src/peer_groups.rs"]
mod peer_groups;

fn alone(c: &mut Criterion) {
    let text = fs::read_to_string(env::var_os("TAPS").unwrap()).unwrap();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let (name, set) = (line["name"].as_str().unwrap(), PeerSet::from_json(&line["set"]));
        let mut group = c.benchmark_group(name);
        if name == "verify_aes_an10922" {
            peer_groups::verify_an10922(&mut group, &set);
        } else {
            peer_groups::verify(&mut group, &set);
        }
        group.finish();
        let (batch, identify, count) = match name {
            "verify_aes" => ("batch", "identify", IDENTIFY_KEYS),
            "verify_lrp" => ("batch_lrp", "identify_lrp", IDENTIFY_KEYS_LRP),
            _ => continue,
        };
        let mut group = c.benchmark_group(batch);
        peer_groups::batch(&mut group, &set);
        group.finish();
        let mut group = c.benchmark_group(identify);
        group.sample_size(20);
        peer_groups::identify(&mut group, &set, &other_keys(count));
        group.finish();
    }
}

criterion_group!(peer_only, alone);
criterion_main!(peer_only);
