//! Verifies any taps of any tags, as a batch and by single calls. Both give the same results in the same order.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap::{ClaimedTap, SdmFileReadKey, VerifiedTap, VerifyError, verify_batch};
use suntap_fuzz::tags::Sample;
use suntap_testkit::line::{Said, claim};

#[derive(Arbitrary, Debug)]
struct Sent {
    template: u8,
    lrp: bool,
    seed: u16,
    /// `key` selects the change to the file key, and `digit` the change to the last digit.
    key: u8,
    digit: u8,
}

fuzz_target!(|input: (bool, Vec<Sent>)| {
    let (alike, mut sent) = input;
    sent.truncate(24);
    // A batch is computed in parallel only if all its taps have the same scheme.
    if let Some(first) = sent.first().map(|first| first.lrp).filter(|_| alike) {
        sent.iter_mut().for_each(|sent| sent.lrp = first);
    }
    let ready: Vec<_> = sent
        .iter()
        .map(|Sent { template, lrp, seed, key, digit }| {
            let sample = Sample::of_seed(*template, *lrp, *seed);
            let mut url = sample.written().url;
            if digit & 1 == 1
                && let Some(last) = url.pop()
            {
                url.push(if last == '0' { '1' } else { '0' });
            }
            let mut file_key = sample.tag().file_key;
            file_key[usize::from(key >> 4)] ^= key & 1;
            let layout = sample.layout();
            (sample, layout, url, SdmFileReadKey::from_bytes(file_key))
        })
        .collect();
    let taps = || {
        ready.iter().filter_map(|(sample, layout, url, key)| {
            let tap: ClaimedTap<'_> = claim(&sample.tag(), layout.parse(url).ok()?, sample.template()).ok()?;
            Some(((), tap, key.clone()))
        })
    };
    let said = |verified: Result<VerifiedTap<'_>, VerifyError>| verified.map(|tap| Said::by(tap.message()));
    let alone: Vec<_> = taps().map(|((), tap, key)| said(tap.verify(&key))).collect();
    let prepared: Vec<_> =
        taps().zip(&ready).map(|(((), tap, key), (_, layout, ..))| (tap, key, layout.scheme())).collect();
    let together: Vec<_> = verify_batch(taps()).map(|((), verified)| said(verified)).collect();
    assert_eq!(together, alone);
    // Prepared keys give the same results. Taps and layouts are paired correctly only if every tap was claimed.
    if prepared.len() == ready.len() {
        let prepared: Vec<_> =
            prepared.into_iter().map(|(tap, key, mode)| said(tap.verify(&key.prepare(mode)))).collect();
        assert_eq!(prepared, alone);
    }
});
