//! Edits and recombines taps of two tags. Only content that a tag wrote verifies, and no tap is fresh a second time.
#![no_main]

use std::sync::OnceLock;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap::{CounterId, CounterStore as _, MemoryCounters, SdmFileReadKey, SdmLayout, SdmReadCtr};
use suntap_fuzz::edits::{Edit, edited};
use suntap_testkit::line::{Said, TEMPLATES, claim, scheme};
use suntap_testkit::{Tag, Tap};

#[derive(Arbitrary, Debug)]
struct Input {
    template: u8,
    lrp: bool,
    base: u8,
    edits: Vec<Edit>,
}

/// Taps of two tags with the same layout, and the content of these taps. Each tag has its own file key.
struct TapSet {
    layout: SdmLayout,
    tags: [Tag; 2],
    urls: Vec<String>,
    said: Vec<Said>,
    /// The counter ids of the genuine taps of each tag. `None` if the layout has no counter.
    counter_ids: [Option<CounterId>; 2],
}

fn tap_set(template: usize, lrp: bool) -> &'static TapSet {
    static SETS: OnceLock<Vec<[TapSet; 2]>> = OnceLock::new();
    let make = |template: &str, lrp| {
        let tag = |number: u8| {
            let file_key = core::array::from_fn(|index| number ^ (0x5A + u8::try_from(index).unwrap() * 7));
            Tag { lrp, meta_key: *b"a key to open it", file_key, uid: [4, 0x11, 0x22, 0x33, 0x44, 0x55, number] }
        };
        let tags = [tag(1), tag(2)];
        let layout = SdmLayout::new(scheme(lrp), template).unwrap();
        let (mut urls, mut said) = (Vec::new(), Vec::new());
        for (tag, ctr) in [(&tags[0], 1), (&tags[0], 2), (&tags[1], 1), (&tags[1], 0x12_3456)] {
            let tt = if ctr == 2 { *b"OC" } else { *b"CC" };
            let data = core::array::from_fn::<u8, 32, _>(|index| tag.uid[6] ^ u8::try_from(index).unwrap());
            let tap = Tap { ctr, padding: [tag.uid[6]; 12], file_data: data.to_vec(), tt };
            let url = tag.write(template, &tap).url;
            said.push(suntap_testkit::line::said(tag, &layout, layout.parse(&url).unwrap()).unwrap());
            urls.push(url);
        }
        let counter_ids = [(0, 1), (1, 3)].map(|(tag, url): (usize, usize)| {
            let claimed = claim(&tags[tag], layout.parse(&urls[url]).unwrap(), template).unwrap();
            let key = SdmFileReadKey::from_bytes(tags[tag].file_key);
            claimed.ctr().is_some().then(|| claimed.verify(&key).unwrap().counter_id())
        });
        TapSet { layout, tags, urls, said, counter_ids }
    };
    let all =
        SETS.get_or_init(|| TEMPLATES.iter().map(|template| [make(template, false), make(template, true)]).collect());
    &all[template][usize::from(lrp)]
}

fuzz_target!(|input: Input| {
    let template = usize::from(input.template) % TEMPLATES.len();
    let set = tap_set(template, input.lrp);
    let Some(text) = edited(&set.urls, input.base, &input.edits) else { return };
    for ((tag, own), counter_id) in set.tags.iter().zip(set.said.chunks(2)).zip(set.counter_ids) {
        let parse = || set.layout.parse(&text).ok().and_then(|tap| claim(tag, tap, TEMPLATES[template]).ok());
        let Some(claimed) = parse() else { continue };
        let key = SdmFileReadKey::from_bytes(tag.file_key);
        let said = if claimed.ctr().is_some() {
            let Ok(verified) = claimed.verify(&key) else { continue };
            let said = Said::by(verified.message());
            // The store has already accepted the newest tap of this tag.
            let mut counters = MemoryCounters::<2>::new();
            let newest = if tag.uid[6] == 1 { 2 } else { 0x12_3456 };
            assert!(counters.advance(&counter_id.unwrap(), SdmReadCtr::new(newest).unwrap(), None).is_ok());
            assert!(verified.commit(&mut counters, None).is_err(), "fresh again: {text}");
            said
        } else {
            let Ok(verified) = claimed.verify_replayable(&key) else { continue };
            Said::by(verified.message())
        };
        // Anybody can change a plain tamper status outside the MAC window.
        let authenticated = |mut said: Said| {
            if TEMPLATES[template].contains("tt={tt}&c") {
                said.tt = None;
            }
            said
        };
        let said = authenticated(said);
        assert!(own.iter().any(|genuine| authenticated(genuine.clone()) == said), "forged: {text}");
    }
});
