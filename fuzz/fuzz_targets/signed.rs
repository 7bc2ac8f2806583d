//! Taps of two tags that sign them. Each tap verifies under the key of its tag. After any edits, only content that the tag signed
//! verifies under its key, and no tap is fresh a second time.
#![no_main]

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap::emulator::{EmulatedTag, TagPrivateKey};
use suntap::{
    Field, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagPublicKey, TagTexts, Uid,
    Verifier,
};
use suntap_fuzz::edits::{Edit, edited};

const TEMPLATES: [&str; 3] = [
    "https://e.example/x?m=[[{uid}&c={ctr}&s={sig}",
    "https://e.example/x?v=[[EE&e={picc:uid,ctr}&s={sig}",
    "https://e.example/[[{ctr}x{uid}x{sig}",
];

/// The counters of the two taps that each tag writes.
const COUNTERS: [u32; 2] = [1, 0x12_3456];

#[derive(Arbitrary, Debug)]
struct Input {
    template: u8,
    base: u8,
    edits: Vec<Edit>,
}

struct TapSet {
    layout: SdmLayout,
    tags: [(Uid, TagPublicKey); 2],
    /// The taps of the first tag, then those of the second.
    urls: Vec<String>,
}

fn tap_set(template: usize) -> &'static TapSet {
    static SETS: OnceLock<Vec<TapSet>> = OnceLock::new();
    let make = |template: &&str| {
        let layout = SdmLayout::new(Scheme::Ecdsa, template).unwrap();
        let mut urls = Vec::new();
        let tags = [1, 2].map(|number| {
            let (uid, key) =
                (Uid::from_bytes([4, 1, 2, 3, 4, 5, number]), TagPrivateKey::from_bytes([number; 32]).unwrap());
            let (texts, meta, file) = (TagTexts::default(), SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
            for ctr in COUNTERS {
                let tag =
                    EmulatedTag::new_signing(&layout, &texts, meta.clone(), file.clone(), key.clone(), uid).unwrap();
                let mut tag = tag.with_ctr(SdmReadCtr::new(ctr - 1).unwrap());
                urls.push(tag.tap().unwrap().to_string());
            }
            (uid, key.public_key())
        });
        TapSet { layout, tags, urls }
    };
    &SETS.get_or_init(|| TEMPLATES.iter().map(make).collect())[template]
}

fuzz_target!(|input: Input| {
    let set = tap_set(usize::from(input.template) % TEMPLATES.len());
    let Some(text) = edited(&set.urls, input.base, &input.edits) else { return };
    let base = usize::from(input.base) % set.urls.len();
    for (number, (uid, key)) in set.tags.iter().enumerate() {
        let mut counters = MemoryCounters::<2>::new();
        let mut admit = |text: &str| {
            let key = *key;
            if set.layout.has(Field::PiccData) {
                let verifier = Verifier::new(&set.layout, SdmMetaReadKey::FACTORY, key).unwrap();
                verifier.admit(text, &mut counters, None).map(|tap| (tap.uid(), tap.ctr().get())).ok()
            } else {
                let verifier = Verifier::new(&set.layout, (), key).unwrap();
                verifier.admit(text, &mut counters, None).map(|tap| (tap.uid(), tap.ctr().get())).ok()
            }
        };
        let admitted = admit(&text);
        if let Some((said, ctr)) = admitted {
            assert!(said == Some(*uid) && COUNTERS.contains(&ctr), "forged: {text}");
            assert_eq!(admit(&text), None, "fresh again: {text}");
            // The edited URL and the genuine one have the same counter.
            let urls = set.urls.chunks(COUNTERS.len()).nth(number).unwrap();
            let genuine = COUNTERS.iter().position(|counter| *counter == ctr).unwrap();
            assert_eq!(admit(&urls[genuine]), None, "fresh again after {text}");
        }
        if text == set.urls[base] && base / COUNTERS.len() == number {
            assert_eq!(admitted, Some((Some(*uid), COUNTERS[base % COUNTERS.len()])), "{text}");
        }
    }
});
