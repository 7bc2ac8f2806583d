//! Sends taps of several tags in any order to a counter store, and compares the store with a simple model. The store
//! may be full, or fail before or after a write. A tap is accepted at most once, and only if its counter is greater
//! than all accepted counters of its tag.
#![no_main]

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use suntap::emulator::EmulatedTag;
use suntap::{
    CommitError, Full, MemoryCounters, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid, UnixMillis, sdm_layout,
};
use suntap_testkit::stores::{Failed, FailingCounters};

static LAYOUT: SdmLayout = sdm_layout!("https://a.b/?u={uid}&n={ctr}&c={mac}");

/// There are more tags than the store can hold.
const TAGS: usize = 5;
const CAPACITY: usize = 4;

#[derive(Arbitrary, Debug)]
enum Step {
    /// Reads a tag several times and sends the last URL.
    Tap { tag: u8, reads: u8 },
    /// Sends an earlier URL again.
    Again { which: u16 },
    /// Makes the next write fail: after it advances the counter if `moved`, otherwise before that.
    Fail { moved: bool },
}

fuzz_target!(|steps: Vec<Step>| {
    let keys = |number: u8| (SdmMetaReadKey::FACTORY, SdmFileReadKey::from_bytes([number + 1; 16]));
    let uid = |number: u8| Uid::from_bytes([4, 0, 0, 0, 0, 0, number]);
    let mut tags: Vec<EmulatedTag> = (0..u8::try_from(TAGS).unwrap())
        .map(|number| {
            let (meta, file) = keys(number);
            EmulatedTag::new(&LAYOUT, &TagTexts::default(), meta, file, uid(number)).unwrap()
        })
        .collect();
    let mut counters = FailingCounters { counters: MemoryCounters::<CAPACITY>::new(), fail: None };
    let mut written: Vec<(u8, u32, String)> = Vec::new();
    // The expected content of the store: for each tag, the counter and how often it moved.
    let mut model: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
    for (at, step) in (0u64..).zip(steps.into_iter().take(200)) {
        let (number, ctr, url) = match step {
            Step::Tap { tag, reads } => {
                let number = tag % u8::try_from(TAGS).unwrap();
                let tag = &mut tags[usize::from(number)];
                let url = (0..=reads % 4).map(|_| tag.tap().unwrap().to_string()).last().unwrap();
                let ctr = LAYOUT.parse(&url).unwrap().read_plain().unwrap().ctr().unwrap().get();
                written.push((number, ctr, url.clone()));
                (number, ctr, url)
            }
            Step::Again { which } => {
                let Some(at) = usize::from(which).checked_rem(written.len()) else { continue };
                written[at].clone()
            }
            Step::Fail { moved } => {
                counters.fail = Some(moved);
                continue;
            }
        };
        let fail = counters.fail;
        let verified = LAYOUT.parse(&url).unwrap().read_plain().unwrap().verify(&keys(number).1).unwrap();
        let committed = verified.commit(&mut counters, Some(UnixMillis::new(at)));
        let known = model.get(&number).copied();
        let full = known.is_none() && model.len() == CAPACITY;
        let ahead = known.is_none_or(|(stored, _)| ctr > stored);
        let moved = |model: &mut BTreeMap<u8, (u32, u32)>| {
            let taps = known.map_or(0, |(_, taps)| taps) + 1;
            model.insert(number, (ctr, taps));
        };
        match committed {
            Err(CommitError::Store(Failed::Told)) => {
                assert!(fail.is_some());
                if fail == Some(true) && ahead {
                    moved(&mut model);
                }
            }
            Err(CommitError::Store(Failed::Store(Full))) => assert!(full && fail != Some(false)),
            Err(CommitError::Replayed { stored, .. }) => {
                assert!(!ahead && fail.is_none());
                assert_eq!(Some((stored.ctr.get(), stored.taps)), known);
            }
            Err(error) => panic!("{error:?}"),
            Ok(fresh) => {
                assert!(ahead && !full && fail.is_none());
                assert_eq!(fresh.previous().map(|mark| (mark.ctr.get(), mark.taps)), known);
                moved(&mut model);
                assert_eq!(Some(&(fresh.mark().ctr.get(), fresh.mark().taps)), model.get(&number));
                assert_eq!(fresh.mark().at, Some(UnixMillis::new(at)));
            }
        }
    }
});
