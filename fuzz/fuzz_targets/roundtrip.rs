//! Verifies any tap of any tag. The verified content equals the written content, for a URL, for separate values, and
//! for the emulator.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::emulator::EmulatedTag;
use suntap::{Mirrors, SdmFileReadKey, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid};
use suntap_fuzz::tags::Sample;
use suntap_testkit::line::{Said, said, target};

/// Returns the mirrors in a URL. The static text and the lengths of the mirrors determine their positions.
fn split_mirrors<'u>(template: &str, lrp: bool, data: usize, mut url: &'u str) -> Mirrors<'u> {
    let mut mirrors = Mirrors::default();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let (element, after) = after.split_once('}').unwrap();
        url = url.strip_prefix(&text.replace("[[", "")).unwrap();
        let (place, chars) = match element {
            "uid" => (&mut mirrors.uid, 14),
            "ctr" => (&mut mirrors.ctr, 6),
            "tt" => (&mut mirrors.tt_status, 2),
            "enc" => (&mut mirrors.enc_file_data, 2 * data),
            "mac" => (&mut mirrors.mac, 16),
            _ => (&mut mirrors.picc_data, if lrp { 48 } else { 32 }),
        };
        let (value, tail) = url.split_at(chars);
        *place = Some(value);
        (url, rest) = (tail, after);
    }
    assert_eq!(url, rest);
    mirrors
}

fuzz_target!(|sample: Sample| {
    let (tag, tap, template, layout) = (sample.tag(), sample.tap(), sample.template(), sample.layout());
    let url = sample.written().url;
    let expected = Said::expected(template, &tag, &tap);
    assert_eq!(said(&tag, &layout, layout.parse(&url).unwrap()).as_ref(), Ok(&expected), "{url}");
    let target = target(&url);
    assert_eq!(said(&tag, &layout, layout.parse_origin_form(&target).unwrap()).as_ref(), Ok(&expected), "{target}");
    let mirrors = split_mirrors(template, tag.lrp, tap.file_data.len(), &url);
    assert_eq!(said(&tag, &layout, layout.assemble(&mirrors).unwrap()).as_ref(), Ok(&expected), "{url}");

    // The emulator is a second implementation of a tag. Its file data is text, and its seal is closed.
    let text: String = tap.file_data.iter().map(|byte| char::from(b' ' + byte % 0x5F)).collect();
    let texts = TagTexts { file_data: if expected.file_data.is_some() { &text } else { "" }, ..TagTexts::default() };
    let (meta, file) = (SdmMetaReadKey::from_bytes(tag.meta_key), SdmFileReadKey::from_bytes(tag.file_key));
    let emulated = EmulatedTag::new(&layout, &texts, meta, file, Uid::from_bytes(tag.uid)).unwrap();
    let mut emulated = emulated.with_seed(tag.meta_key).with_ctr(SdmReadCtr::new(tap.ctr - 1).unwrap());
    let url = emulated.tap().unwrap();
    let expected = Said {
        file_data: expected.file_data.map(|data| {
            let mut written = text.into_bytes();
            // The emulator writes at least one whole block.
            written.resize(data.len().max(16), 0);
            written
        }),
        tt: expected.tt.map(|_| *b"CC"),
        ..expected
    };
    assert_eq!(said(&tag, &layout, layout.parse(&url).unwrap()), Ok(expected), "{url}");
});
