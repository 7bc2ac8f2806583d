//! Verifies a tap with suntap and with `ntag424` 0.1.1 (the peer). One byte of the tap may be changed. Both give the
//! same result, or they differ for one of the reasons in `fuzz/README.md`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap_fuzz::tags::Sample;
use suntap_testkit::Tap;
use suntap_testkit::peer::{TEMPLATES, ours_told, theirs_told};

fuzz_target!(|input: (Sample, Option<(u16, u8)>)| {
    let (sample, change) = input;
    let (template, tag) = (sample.one_of(TEMPLATES), sample.tag());
    // Unlike `sample.tap()`, this tap may have counter 0.
    let tap = Tap { ctr: sample.ctr(), ..sample.tap() };
    let written = tag.write(template, &tap);
    let mut text = written.url.clone().into_bytes();
    let changed = change.map(|(at, byte)| {
        let at = usize::from(at) % text.len();
        text[at] = byte;
        at
    });
    let Ok(text) = String::from_utf8(text) else { return };
    let (ours, theirs) = (ours_told(template, &tag, &text), theirs_told(template, &tag, &tap, &text));
    let counted = template.contains("{picc") || template.contains("{ctr}");
    let same_digit = |at: usize| {
        written.digits.contains(&at) && text.as_bytes()[at].eq_ignore_ascii_case(&written.url.as_bytes()[at])
    };
    if ours == theirs {
        // Neither implementation accepts a covered value that the tag did not write.
        let spoilt = changed.is_some_and(|at| {
            written.covered.contains(&at) && text.as_bytes()[at] != written.url.as_bytes()[at] && !same_digit(at)
        });
        assert!(ours.is_none() || !spoilt, "{text} from {}: {ours:?}", written.url);
        return;
    }
    let Some(at) = changed else {
        // A chip never sends counter 0, but the peer accepts it.
        assert!(ours.is_none() && tap.ctr == 0 && counted, "{text}: {ours:?}, {theirs:?}");
        return;
    };
    match (ours, theirs) {
        // The peer reads mirrors at fixed offsets, so it accepts any static text that the MAC does not cover.
        (None, Some(_)) if !written.covered.contains(&at) => {}
        (None, Some(_)) if tap.ctr == 0 && counted => {}
        // A digit in the MAC window changed its letter case. The peer computes the MAC over the text as received.
        (Some(_), None) if same_digit(at) => {}
        (ours, theirs) => panic!("{text} from {}: {ours:?}, {theirs:?}", written.url),
    }
});
