//! Measures whether time depends on keys, with dudect (Welch's t-test). It compares a fixed key with random keys, or
//! values that differ early with values that differ late. |t| below 5 shows no difference, |t| above 10 shows one.

use core::time::Duration;
use std::hint::black_box;

use dudect_bencher::{BenchRng, Class, CtRunner, ctbench_main};
use rand::{Rng, RngExt as _};
use suntap::lrp::Lrp;
use suntap::sun::session::MacKey;
use suntap::token::{self, Grant, TokenError, TokenKey};
use suntap::{
    MasterKey, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMac, SdmMetaReadKey, SdmReadCtr, Uid, UnixMillis,
    sdm_layout,
};

const SAMPLES: usize = 200_000;

static LAYOUT: SdmLayout = sdm_layout!("https://a.b/?u={uid}&n={ctr}&c={mac}");

fn bytes<const N: usize>(rng: &mut BenchRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Prepares inputs of both classes in random order, then measures them.
fn measure<I, T>(
    runner: &mut CtRunner,
    rng: &mut BenchRng,
    samples: usize,
    make: impl Fn(Class, &mut BenchRng) -> I,
    run: impl Fn(&I) -> T,
) {
    let inputs: Vec<_> = (0..samples)
        .map(|_| {
            let class = if rng.random::<bool>() { Class::Left } else { Class::Right };
            (class, make(class, rng))
        })
        .collect();
    for (class, input) in inputs {
        runner.run_one(class, || run(black_box(&input)));
    }
}

/// Returns a fixed key (`Left`) or a random key (`Right`).
fn key(class: Class, rng: &mut BenchRng) -> [u8; 16] {
    let random = bytes(rng);
    match class {
        Class::Left => [0x3C; 16],
        Class::Right => random,
    }
}

/// Compares two MACs that are equal or differ in the first byte. It repeats this a hundred times, because one
/// comparison is too short for the clock.
fn mac_compare(runner: &mut CtRunner, rng: &mut BenchRng) {
    let make = |class, rng: &mut BenchRng| {
        let one: [u8; 8] = bytes(rng);
        let mut other = one;
        if matches!(class, Class::Right) {
            other[0] ^= 0xFF;
        }
        (SdmMac::from_bytes(one), SdmMac::from_bytes(other))
    };
    measure(runner, rng, SAMPLES, make, |(one, other)| (0..100).filter(|_| black_box(one) == black_box(other)).count());
}

/// Parses a key of 32 hex digits.
fn key_parse(runner: &mut CtRunner, rng: &mut BenchRng) {
    let make = |class, rng: &mut BenchRng| key(class, rng).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    measure(runner, rng, SAMPLES, make, |text: &String| MasterKey::from_hex(text).is_ok());
}

/// Prepares a key, derives a session key, and computes a CMAC of 64 bytes.
fn cmac(runner: &mut CtRunner, rng: &mut BenchRng) {
    measure(runner, rng, SAMPLES, key, |key| {
        let file = SdmFileReadKey::from_bytes(*key).prepare(Scheme::Aes);
        MacKey::derive(&file, Some(Uid::from_bytes([4; 7])), SdmReadCtr::new(7)).unwrap().cmac(&[0x55; 64])
    });
}

/// Computes the plaintexts of a key, and a CMAC of 32 bytes with it.
fn lrp(runner: &mut CtRunner, rng: &mut BenchRng) {
    measure(runner, rng, SAMPLES / 10, key, |key| Lrp::new(key, 0).cmac(&[0x55; 32]));
}

/// Prepares a meta-read key in LRP mode.
fn lrp_meta_key(runner: &mut CtRunner, rng: &mut BenchRng) {
    measure(runner, rng, SAMPLES / 10, key, |key| {
        let key = SdmMetaReadKey::from_bytes(*key).prepare(Scheme::Lrp);
        black_box(&key).scheme()
    });
}

/// Verifies a forged tap whose MAC is wrong in the first or the last byte.
fn forged(runner: &mut CtRunner, rng: &mut BenchRng) {
    let file = SdmFileReadKey::from_bytes([0x3C; 16]);
    let prepared = file.prepare(Scheme::Aes);
    let make = |class, rng: &mut BenchRng| {
        let (uid, ctr) = (Uid::from_bytes(bytes(rng)), 1 + rng.random::<u32>() % 0x00FF_FFFF);
        let session = MacKey::derive(&prepared, Some(uid), SdmReadCtr::new(ctr)).unwrap();
        let mut mac = *SdmMac::truncate(&session.cmac(&[])).as_bytes();
        mac[if matches!(class, Class::Left) { 0 } else { 7 }] ^= 1;
        let mac: String = mac.iter().map(|byte| format!("{byte:02X}")).collect();
        format!("https://a.b/?u={uid}&n={ctr:06X}&c={mac}")
    };
    measure(runner, rng, SAMPLES, make, |url: &String| {
        let tap = LAYOUT.parse(url).map(suntap::UnverifiedTap::read_plain);
        tap.is_ok_and(|tap| tap.is_ok_and(|tap| tap.verify(&file).is_err()))
    });
}

/// Verifies a token whose MAC is wrong in the first or the last byte.
fn forged_token(runner: &mut CtRunner, rng: &mut BenchRng) {
    let keys = [TokenKey::from_bytes(1, [0x3C; 16])];
    let file = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
    let session = MacKey::derive(&file, Some(Uid::from_bytes([4; 7])), SdmReadCtr::new(7)).unwrap();
    let mac: String =
        SdmMac::truncate(&session.cmac(&[])).as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let url = format!("https://a.b/?u=04040404040404&n=000007&c={mac}");
    let make = |class, rng: &mut BenchRng| {
        let tap = LAYOUT.parse(&url).unwrap().read_plain().unwrap().verify(&file).unwrap();
        let fresh = tap.commit(&mut MemoryCounters::<2>::new(), None).unwrap();
        let issued_at = UnixMillis::new(rng.random::<u64>() >> 20);
        let token = keys[0].mint(&fresh, &Grant::new("page", issued_at, Duration::from_secs(1)));
        // The MAC is the last 16 of 66 bytes. Its first byte ends in character 67, counted from 0, and its last is in 87.
        let mut text = token.to_string().into_bytes();
        let at = if matches!(class, Class::Left) { 67 } else { 87 };
        text[at] = if text[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(text).unwrap()
    };
    let now = UnixMillis::new(0);
    measure(runner, rng, SAMPLES, make, |text: &String| {
        token::verify(text, &keys, "page", now, Duration::ZERO) == Err(TokenError::NotAuthentic)
    });
}

/// The control, which must show a difference: a comparison that stops at the first byte that differs.
fn early_return(runner: &mut CtRunner, rng: &mut BenchRng) {
    let make = |class, rng: &mut BenchRng| {
        let one: Vec<u8> = bytes::<64>(rng).to_vec();
        let mut other = one.clone();
        other[if matches!(class, Class::Left) { 0 } else { 63 }] ^= 0xFF;
        (one, other)
    };
    measure(runner, rng, SAMPLES, make, |(one, other)| {
        (0..100).map(|_| black_box(one).iter().zip(black_box(other)).take_while(|(a, b)| a == b).count()).sum::<usize>()
    });
}

ctbench_main!(mac_compare, key_parse, cmac, lrp, lrp_meta_key, forged, forged_token, early_return);
