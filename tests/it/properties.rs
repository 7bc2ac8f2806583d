//! Properties that hold for any input.

use proptest::collection::vec;
use proptest::prelude::*;
use suntap::{Field, Malformed, Scheme, SdmLayout, VerifyError};
use suntap_testkit::line::{LRP, Said, TEMPLATES, said, scheme, target};
use suntap_testkit::{Tag, Tap, Written};

fn tag() -> impl Strategy<Value = Tag> {
    (any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 7]>())
        .prop_map(|(lrp, meta_key, file_key, uid)| Tag { lrp: lrp && LRP, meta_key, file_key, uid })
}

fn tap() -> impl Strategy<Value = Tap> {
    (
        1u32..0x0100_0000,
        any::<[u8; 12]>(),
        1usize..4,
        any::<[u8; 48]>(),
        prop::sample::select(vec![*b"CC", *b"OC", *b"OO"]),
    )
        .prop_map(|(ctr, padding, blocks, data, tt)| Tap {
            ctr,
            padding,
            file_data: data[..16 * blocks].to_vec(),
            tt,
        })
}

proptest! {
    /// A tap of the software tag verifies and has the written content, as a URL and as a request target, with digits in
    /// upper and in lower case.
    #[test]
    fn genuine_taps_verify(tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES)) {
        let layout = SdmLayout::new(scheme(tag.lrp), template).unwrap();
        let Written { url, digits, .. } = tag.write(template, &tap);
        let expected = Said::expected(template, &tag, &tap);
        prop_assert_eq!(said(&tag, &layout, layout.parse(&url).unwrap()), Ok(expected.clone()), "{}", url);

        prop_assert_eq!(said(&tag, &layout, layout.parse_origin_form(&target(&url)).unwrap()), Ok(expected.clone()));

        let mut lower = url.into_bytes();
        for at in digits {
            lower[at].make_ascii_lowercase();
        }
        let lower = String::from_utf8(lower).unwrap();
        prop_assert_eq!(said(&tag, &layout, layout.parse(&lower).unwrap()), Ok(expected), "{}", lower);
    }

    /// A tap is rejected if any bit of a character that the MAC authenticates is flipped.
    #[test]
    fn any_flipped_bit_is_refused(
        tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES), place: prop::sample::Index, bit in 0u32..7,
    ) {
        let layout = SdmLayout::new(scheme(tag.lrp), template).unwrap();
        let Written { url, covered, .. } = tag.write(template, &tap);
        let at = covered[place.index(covered.len())];
        let mut bytes = url.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        // 20h only changes the case of a letter, so the digit stays the same.
        prop_assume!(!(bit == 5 && bytes[at].is_ascii_hexdigit() && url.as_bytes()[at].is_ascii_hexdigit()));
        let forged = String::from_utf8(bytes).unwrap();
        if let Ok(tap) = layout.parse(&forged) {
            let verdict = said(&tag, &layout, tap);
            prop_assert!(matches!(verdict, Err(VerifyError::NotAuthentic)), "{forged} from {url}: {verdict:?}");
        }
    }

    /// No text makes parsing panic, neither as a tap nor as a template. A text that parses as a template prints
    /// unchanged.
    #[test]
    fn parsing_never_panics(text in "\\PC{0,300}", template in prop::sample::select(TEMPLATES)) {
        let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
        let _ = layout.parse(&text);
        let _ = layout.parse_origin_form(&text);
        if let Ok(layout) = SdmLayout::new(Scheme::Aes, &text) {
            prop_assert_eq!(layout.template(), text);
        }
    }

    /// The same holds for text that is nearly a template: pieces of the grammar in any order.
    #[test]
    fn nearly_valid_templates_never_panic_and_print_unchanged(
        pieces in vec(prop::sample::select(vec![
            "https://", "www.", "example.com", "/", "?", "&", "x=", "{picc}", "{picc:uid}", "{picc:ctr}", "{picc:uid,ctr}", "{uid}",
            "{ctr}", "{tt}", "{enc}", "{enc:32}", "{enc:64,tt@30}", "{enc:tt@0}", "{mac}", "{:id}", "{:a-b_C}", "[[", "[", "{", "}", "a",
        ]), 0..14),
        tap in "[0-9A-Fa-f&=?/x]{0,200}",
    ) {
        let text = pieces.concat();
        if let Ok(layout) = SdmLayout::new(Scheme::Aes, &text) {
            prop_assert_eq!(layout.template(), &text);
            prop_assert_eq!(SdmLayout::new(Scheme::Aes, layout.template()), Ok(layout.clone()));
            let _ = layout.parse(&tap);
        }
    }

    /// A tap is rejected if it is cut off anywhere or has text at its end.
    #[test]
    fn a_tap_of_another_length_is_refused(tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES), place: prop::sample::Index) {
        let layout = SdmLayout::new(scheme(tag.lrp), template).unwrap();
        let url = tag.write(template, &tap).url;
        let cut = &url[..place.index(url.len())];
        // If `{enc}` without a pinned length is next to `{mac}`, a tap that lost whole blocks still parses.
        if let Ok(tap) = layout.parse(cut) {
            prop_assert!(template.contains("{enc}{mac}"), "{cut}");
            prop_assert_eq!(said(&tag, &layout, tap), Err(VerifyError::NotAuthentic), "{}", cut);
        }
        let longer = format!("{url}0");
        prop_assert!(matches!(
            layout.parse(&longer),
            Err(Malformed::Trailing | Malformed::Length(Field::SdmMac | Field::PiccData | Field::EncFileData))
        ));
    }
}
