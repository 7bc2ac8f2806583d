//! Parses any text as a template. Parsing does not panic. An accepted template prints unchanged, and a tag that is set
//! up with it writes taps that verify.
#![no_main]

use libfuzzer_sys::fuzz_target;
use suntap::emulator::EmulatedTag;
use suntap::{CounterTagLayout, Field, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

const UID: Uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);

fuzz_target!(|template: &str| {
    let _ = CounterTagLayout::new(template);
    for mode in [Scheme::Aes, Scheme::Lrp, Scheme::Suncmac] {
        let Ok(layout) = SdmLayout::new(mode, template) else { continue };
        assert_eq!(layout.template(), template);
        let captured: Vec<_> = layout.names().map(|name| (name, "q8")).collect();
        let texts = TagTexts { captured: &captured, ..TagTexts::default() };
        let keys = || (SdmMetaReadKey::from_bytes([0x3C; 16]), SdmFileReadKey::from_bytes([0xC3; 16]));
        let (meta, file) = keys();
        // This fails if the texts are too long for the chip. It also fails for an NTAG 22x, which is not emulated.
        let Ok(mut tag) = EmulatedTag::new(&layout, &texts, meta, file, UID) else { continue };
        let url = tag.tap().unwrap();
        let tap = layout.parse(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert!(captured.iter().all(|(name, text)| tap.captured(name) == Some(text)));
        let (meta, file) = keys();
        let claimed =
            if layout.has(Field::PiccData) { tap.open(&meta.prepare(mode)) } else { tap.read_plain() }.unwrap();
        assert!(claimed.uid().is_none_or(|uid| uid == UID) && claimed.ctr().is_none_or(|ctr| ctr.get() == 1));
        assert_eq!(claimed.ctr().is_some(), layout.carries_ctr());
        if layout.carries_ctr() {
            let verified = claimed.verify(&file).unwrap();
            assert!(!layout.carries_tamper() || verified.message().tamper().is_some());
        } else {
            assert!(claimed.verify_replayable(&file).is_ok());
        }
    }
});
