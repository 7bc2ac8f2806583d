//! Reads the taps of any tag, after edits, as a URL, as a request target and as an NDEF file. The debug assertion in
//! `SdmLayout::read` compares a tap that was read at fixed offsets with the result of the parser that explains errors.
//! The three forms have the same result.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap_fuzz::tags::{Sample, ndef_file};
use suntap_testkit::line::{said, target};

/// An edit at a place in the text.
#[derive(arbitrary::Arbitrary, Clone, Copy, Debug)]
enum Edit {
    Replace(u8),
    Insert(u8),
    Remove,
    Truncate,
}

fuzz_target!(|input: (Sample, Vec<(u16, Edit)>)| {
    let (sample, edits) = input;
    let mut text = sample.written().url.into_bytes();
    for (place, edit) in edits.into_iter().take(4) {
        let place = usize::from(place) % (text.len() + 1);
        match edit {
            Edit::Insert(byte) => text.insert(place, byte & 0x7F),
            _ if place == text.len() => {}
            Edit::Replace(byte) => text[place] = byte & 0x7F,
            Edit::Remove => drop(text.remove(place)),
            Edit::Truncate => text.truncate(place),
        }
    }
    let (url, layout, tag) = (String::from_utf8(text).unwrap(), sample.layout(), sample.tag());
    let file = ndef_file(&url);
    let by_file = layout.parse_ndef_file(&file);
    match layout.parse(&url) {
        Ok(tap) => {
            let said = |tap| said(&tag, &layout, tap);
            let expected = said(tap);
            assert_eq!(said(by_file.unwrap()), expected, "{url}");
            assert_eq!(said(layout.parse_origin_form(&target(&url)).unwrap()), expected, "{url}");
        }
        Err(_) => assert!(by_file.is_err(), "{url}"),
    }
});
