//! Signals from the history of a tag.

use core::time::Duration;

use proptest::prelude::*;
use suntap::risk::{Decision, Limits, Signal, Tap, signals};
use suntap::{SdmReadCtr, UnixMillis};

const START: u64 = 1_795_000_000_000;

fn tap(ctr: u32, decision: Decision) -> Tap {
    Tap { ctr: SdmReadCtr::new(ctr), ..Tap::new(decision) }
}

fn fresh(ctr: u32) -> Tap {
    tap(ctr, Decision::Fresh)
}

fn replayed(ctr: u32) -> Tap {
    tap(ctr, Decision::Replayed)
}

fn found(history: &[Tap], tap: Tap) -> Vec<Signal> {
    signals(history, &tap, &Limits::default()).collect()
}

#[test]
fn usual_taps_give_no_signal() {
    assert_eq!(found(&[], fresh(1)), []);
    assert_eq!(found(&[], fresh(100_000)), [], "nothing is known of earlier counters");
    assert_eq!(found(&[], replayed(7)), []);
    assert_eq!(found(&[fresh(1), fresh(2)], fresh(3)), []);
    assert_eq!(found(&[fresh(1)], Tap::new(Decision::Fresh)), []);
}

#[test]
fn replays_and_late_taps_give_different_signals() {
    let history = [fresh(3), fresh(5), replayed(4), fresh(9)];
    let cases = [
        (9, Signal::ReplayOfLast),
        (5, Signal::ReplayOfEarlier),
        (3, Signal::ReplayOfEarlier),
        // It came late before, and comes again.
        (4, Signal::ReplayOfEarlier),
        (6, Signal::Late),
        (8, Signal::Late),
        (2, Signal::BeforeHistory),
    ];
    for (ctr, signal) in cases {
        assert_eq!(found(&history, replayed(ctr)), [signal], "{ctr}");
    }
    assert_eq!(found(&history, replayed(10)), [], "a newer tap is missing from the history");
    // The order of arrival does not matter, only the counters do.
    let history = [fresh(9), fresh(5), fresh(3)];
    assert_eq!(found(&history, replayed(9)), [Signal::ReplayOfLast]);
}

#[test]
fn a_large_gap_is_reported_for_fresh_taps() {
    assert_eq!(found(&[fresh(10)], fresh(61)), []);
    assert_eq!(found(&[fresh(10)], fresh(62)), [Signal::Gap { skipped: 51 }]);
    let strict = Limits { gap: 0, ..Limits::default() };
    assert!(signals(&[fresh(10)], &fresh(12), &strict).eq([Signal::Gap { skipped: 1 }]));
    assert_eq!(signals(&[fresh(10)], &fresh(11), &strict).count(), 0);
}

#[test]
fn two_readers_at_once_are_reported() {
    let at = |ctr, reader, millis| Tap { at: Some(UnixMillis::new(START + millis)), reader, ..fresh(ctr) };
    let history = [at(1, Some(1), 0), at(2, Some(2), 60_000)];
    assert_eq!(found(&history, at(3, Some(1), 70_000)), [Signal::TwoReaders { other: 2 }]);
    assert_eq!(found(&history, at(3, Some(1), 55_000)), [Signal::TwoReaders { other: 2 }], "clocks differ");
    assert_eq!(found(&history, at(3, Some(1), 70_001)), []);
    assert_eq!(found(&history, at(3, Some(2), 60_001)), []);
    assert_eq!(found(&history, at(3, None, 60_001)), []);
    assert_eq!(found(&[at(1, None, 0)], at(2, Some(1), 1)), []);
    assert_eq!(found(&[Tap { at: None, ..at(1, Some(2), 0) }], at(2, Some(1), 1)), []);
    // A shared link is opened elsewhere.
    let elsewhere = Tap { decision: Decision::Replayed, ..at(2, Some(1), 60_001) };
    assert_eq!(found(&history, elsewhere), [Signal::ReplayOfLast]);
    let limits = Limits { reader_window: Duration::ZERO, ..Limits::default() };
    assert_eq!(signals(&history, &at(3, Some(1), 60_001), &limits).count(), 0);
}

#[test]
fn a_counter_near_its_limit_is_reported() {
    let max = SdmReadCtr::MAX.get();
    assert_eq!(found(&[fresh(max - 1002)], fresh(max - 1001)), []);
    assert_eq!(found(&[fresh(max - 1001)], fresh(max - 1000)), [Signal::NearLimit { left: 1000 }]);
    assert_eq!(found(&[], fresh(max)), [Signal::NearLimit { left: 0 }]);
    let limits = Limits { ctr_limit: SdmReadCtr::new(500).unwrap(), near_limit: 10, ..Limits::default() };
    assert!(signals(&[], &fresh(490), &limits).eq([Signal::NearLimit { left: 10 }]));
    assert!(signals(&[], &fresh(501), &limits).eq([Signal::NearLimit { left: 0 }]));
    let replay = signals(&[fresh(1), fresh(495)], &replayed(1), &limits);
    assert!(replay.eq([Signal::ReplayOfEarlier, Signal::NearLimit { left: 5 }]));
}

#[test]
fn signals_have_names_and_say_whether_they_count() {
    let all = [
        Signal::NotAuthentic,
        Signal::ReplayOfLast,
        Signal::ReplayOfEarlier,
        Signal::Late,
        Signal::BeforeHistory,
        Signal::Gap { skipped: 1 },
        Signal::TwoReaders { other: 1 },
        Signal::NearLimit { left: 1 },
        Signal::SealOpened,
    ];
    let names: std::collections::BTreeSet<_> = all.iter().map(|signal| signal.name()).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.iter().all(|signal| signal.is_authentic() == (*signal != Signal::NotAuthentic)));
}

/// A layout with an authenticated tamper status.
#[cfg(feature = "emulator")]
#[test]
fn an_opened_seal_is_reported_once_it_was_seen_closed() {
    use suntap::{MemoryCounters, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey};
    use suntap_testkit::Tag;

    let template = "https://a.b/?p={picc}&t=[[{tt}&c={mac}";
    let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
    let tag = Tag { lrp: false, meta_key: [1; 16], file_key: [2; 16], uid: [4; 7] };
    let mut store = MemoryCounters::<2>::new();
    let mut event = |ctr, tt| {
        let url = tag.write(template, &suntap_testkit::Tap { ctr, padding: [1; 12], file_data: Vec::new(), tt }).url;
        let claimed = layout.parse(&url).unwrap().open(&SdmMetaReadKey::from_bytes([1; 16])).unwrap();
        let verified = claimed.verify(&SdmFileReadKey::from_bytes([2; 16])).unwrap();
        let tamper = verified.commit(&mut store, None).unwrap().message().tamper();
        Tap { tamper, ..fresh(ctr) }
    };
    let (closed, open, was_open) = (event(1, *b"CC"), event(2, *b"OO"), event(3, *b"OC"));
    assert_eq!(found(&[closed], open), [Signal::SealOpened]);
    assert_eq!(found(&[closed], was_open), [Signal::SealOpened]);
    assert_eq!(found(&[closed, fresh(2)], was_open), [Signal::SealOpened], "a tap without a status says nothing");
    assert_eq!(found(&[closed, open], was_open), [], "it was reported before");
    assert_eq!(found(&[], open), []);
    assert_eq!(found(&[open], closed), []);
    assert_eq!(found(&[closed], Tap { ctr: closed.ctr, ..open }), [], "the status of an earlier counter decides");
    // The order of the counters decides: an old link that comes again does not close the seal.
    let closed_again = Tap { decision: Decision::Replayed, ..closed };
    assert_eq!(found(&[closed, open, closed_again], was_open), []);
    assert_eq!(found(&[closed, event(4, *b"II")], event(5, *b"OO")), [Signal::SealOpened], "II says nothing");
}

fn any_tap() -> impl Strategy<Value = Tap> {
    let decision = prop_oneof![Just(Decision::Fresh), Just(Decision::Replayed), Just(Decision::NotAuthentic)];
    (decision, proptest::option::of(0u32..40), proptest::option::of(0u64..40_000), proptest::option::of(0u64..3))
        .prop_map(|(decision, ctr, at, reader)| Tap {
            ctr: ctr.and_then(SdmReadCtr::new),
            at: at.map(|at| UnixMillis::new(START + at)),
            reader,
            ..Tap::new(decision)
        })
}

proptest! {
    /// Whatever somebody sends who cannot make taps, it changes nothing for the tag.
    #[test]
    fn forged_taps_never_count(history in proptest::collection::vec(any_tap(), 0..20), tap in any_tap()) {
        let authentic: Vec<Tap> =
            history.iter().copied().filter(|tap| tap.decision != Decision::NotAuthentic).collect();
        prop_assert_eq!(found(&history, tap), found(&authentic, tap));
        let forged = Tap { decision: Decision::NotAuthentic, ..tap };
        prop_assert_eq!(found(&history, forged), [Signal::NotAuthentic]);
    }

    /// A late genuine tap is never reported as a replay.
    #[test]
    fn a_late_tap_is_no_replay(mut ctrs in proptest::collection::btree_set(1u32..100, 3..10)) {
        let (first, last) = (ctrs.pop_first().unwrap(), ctrs.pop_last().unwrap());
        for late in ctrs {
            prop_assert_eq!(found(&[fresh(first), fresh(last)], replayed(late)), [Signal::Late]);
        }
    }
}
