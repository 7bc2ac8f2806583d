//! Flips a bit of a character that the MAC authenticates. The tap does not parse, or it is not authentic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::VerifyError;
use suntap_fuzz::tags::Sample;
use suntap_testkit::line::said;

fuzz_target!(|input: (Sample, u16, u8)| {
    let (sample, place, bit) = input;
    let written = sample.written();
    let at = written.covered[usize::from(place) % written.covered.len()];
    let mut text = written.url.clone().into_bytes();
    text[at] ^= 1 << (bit % 7);
    // The same digit in the other letter case is still valid.
    if written.digits.contains(&at) && text[at].eq_ignore_ascii_case(&written.url.as_bytes()[at]) {
        return;
    }
    let text = String::from_utf8(text).unwrap();
    let layout = sample.layout();
    if let Ok(tap) = layout.parse(&text) {
        assert_eq!(said(&sample.tag(), &layout, tap), Err(VerifyError::NotAuthentic), "{text} from {}", written.url);
    }
});
