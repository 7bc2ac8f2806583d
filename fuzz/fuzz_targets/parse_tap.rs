//! Parses any text as a tap of any layout. Parsing does not panic, and accepted text has the form of the layout.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use suntap::{CounterTagLayout, Scheme, SdmLayout};
use suntap_testkit::line::{TEMPLATES, target};

/// More layouts than the tests have: with `{:name}`, with a fixed length of file data, and for an NTAG 22x.
const MORE: &[(Scheme, &str)] = &[
    (Scheme::Aes, "https://a.b/{:shop}/{:x-uid}?k={:eCode}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}"),
    (Scheme::Aes, "https://a.b/{:id}?p=[[{picc}{enc}{mac}&v=2"),
    (Scheme::Suncmac, "https://a.b/?m={uid}x{ctr}x{tt}x{mac}"),
];

fn layouts() -> &'static [SdmLayout] {
    static LAYOUTS: OnceLock<Vec<SdmLayout>> = OnceLock::new();
    LAYOUTS.get_or_init(|| {
        let both = TEMPLATES.iter().flat_map(|template| [(Scheme::Aes, *template), (Scheme::Lrp, *template)]);
        both.chain(MORE.iter().copied()).map(|(mode, template)| SdmLayout::new(mode, template).unwrap()).collect()
    })
}

fuzz_target!(|text: &str| {
    for layout in layouts() {
        let _ = layout.parse_origin_form(text);
        let _ = layout.parse_ndef_file(text.as_bytes());
        let Ok(tap) = layout.parse(text) else { continue };
        assert!(text.is_ascii() && text.len() <= 261);
        for name in layout.names() {
            let captured = tap.captured(name).unwrap();
            assert!(!captured.is_empty() && text.contains(captured));
        }
        // The request target that a server receives parses to the same tap.
        let sent = target(text);
        let sent = layout.parse_origin_form(&sent).unwrap();
        assert!(layout.names().all(|name| sent.captured(name) == tap.captured(name)));
        // Text after the end of the layout is rejected.
        let longer = format!("{text}&");
        assert!(layout.parse(&longer).is_err());
    }
    if let Ok(layout) = CounterTagLayout::new("https://a.b/?m={uid}x{ctr}")
        && let Ok(tap) = layout.parse(text)
    {
        let (uid, ctr) = (tap.uid().unwrap(), tap.ctr().unwrap());
        let digits = [&uid.to_ascii()[..], b"x", &ctr.to_msb_ascii()].concat();
        assert!(text.as_bytes().to_ascii_uppercase().ends_with(&digits.to_ascii_uppercase()));
    }
});
