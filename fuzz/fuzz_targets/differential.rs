//! Verifies a tap, unchanged or with one byte changed, of any tag whose layout `ntag424` and suntap both support.
//! `ntag424` 0.1.1 and suntap give the same result, or they differ for one of the reasons listed here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap_fuzz::tags::Made;
use suntap_testkit::Tap;
use suntap_testkit::peer::{TEMPLATES, ours_told, theirs_told};

fuzz_target!(|input: (Made, Option<(u16, u8)>)| {
    let (made, change) = input;
    let (template, tag) = (made.one_of(TEMPLATES), made.tag());
    // `made.tap()` never has counter 0; this tap may have it.
    let tap = Tap { ctr: made.ctr(), ..made.tap() };
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
        // Neither accepts a value that the tag did not write.
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
        // The peer reads at offsets: static text that the MAC does not cover may be anything.
        (None, Some(_)) if !written.covered.contains(&at) => {}
        (None, Some(_)) if tap.ctr == 0 && counted => {}
        // A digit in the MAC window is in the other case: the peer computes the MAC over the text as received.
        (Some(_), None) if same_digit(at) => {}
        (ours, theirs) => panic!("{text} from {}: {ours:?}, {theirs:?}", written.url),
    }
});
