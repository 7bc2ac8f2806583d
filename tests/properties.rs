//! What must hold of any input.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]

mod common;

use common::{Tag, Tap, Written};
use proptest::collection::vec;
use proptest::prelude::*;
use suntap::{
    ClaimedTap, Field, Malformed, Mode, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SunMessage, UnverifiedTap,
    VerifyError,
};

/// Layouts of all four mixes of mirrors, with windows everywhere a window can be.
const TEMPLATES: &[&str] = &[
    "https://example.com/t?picc_data={picc}&cmac={mac}",
    "https://example.com/t?p=[[{picc}&enc={enc}&cmac={mac}",
    "https://example.com/t?cmac={mac}&p={picc}",
    "https://www.example.com/t/{uid}/{ctr}/{mac}",
    "https://example.com/t?u=[[{uid}x{ctr}x{mac}",
    "https://[[example.com/t?id=7&n={ctr}&c={mac}",
    "lnurlw://example.com?p={picc}&c={mac}",
    "https://example.com/?d={picc}&tt=[[{enc}{mac}",
    "https://example.com/?e={picc}[[{enc}{mac}&v=1",
    "https://example.com/?u={uid}&n={ctr}&tt=[[{tt}&e={enc}&c={mac}",
    "https://example.com/?u={uid}&tt={tt}&c={mac}",
    "https://[[example.com/?id=7&c={mac}",
    "https://example.com/?p={picc:uid}&c={mac}",
    "https://example.com/?p=[[{picc:ctr}&c={mac}",
];

fn tag() -> impl Strategy<Value = Tag> {
    (any::<bool>(), any::<[u8; 16]>(), any::<[u8; 16]>(), any::<[u8; 7]>())
        .prop_map(|(lrp, meta_key, file_key, uid)| Tag { lrp, meta_key, file_key, uid })
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

fn mode(tag: &Tag) -> Mode {
    if tag.lrp { Mode::Lrp } else { Mode::Aes }
}

fn claim<'a>(tag: &Tag, tap: UnverifiedTap<'a>, template: &str) -> Result<ClaimedTap<'a>, VerifyError> {
    if template.contains("{picc") {
        tap.open(&SdmMetaReadKey::from_bytes(tag.meta_key).prepare(mode(tag)))
    } else {
        tap.read_plain()
    }
}

fn said<T>(
    tag: &Tag,
    layout: &SdmLayout,
    tap: UnverifiedTap<'_>,
    look: impl Fn(&SunMessage<'_>) -> T,
) -> Result<T, VerifyError> {
    let claimed = claim(tag, tap, layout.template())?;
    let key = SdmFileReadKey::from_bytes(tag.file_key).prepare(mode(tag));
    match claimed.ctr() {
        Some(_) => Ok(look(claimed.verify(&key)?.message())),
        None => Ok(look(claimed.verify_replayable(&key)?.message())),
    }
}

proptest! {
    /// What the software tag of the tests writes is read as it was meant, from a URL and from the part that a server sees, in
    /// upper and in lower case digits.
    #[test]
    fn genuine_taps_verify(tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES)) {
        let layout = SdmLayout::new(mode(&tag), template).unwrap();
        let Written { url, digits, .. } = tag.write(template, &tap);
        let check = |message: &SunMessage<'_>| {
            let mut buffer = [0; 128];
            let data = message.file_data(&mut buffer).map(<[u8]>::to_vec).ok();
            (message.uid().map(|uid| *uid.as_bytes()), message.ctr().map(suntap::SdmReadCtr::get), data,
                message.tamper().map(|tt| [tt.perm(), tt.curr()]))
        };
        let has = |element: &str| template.contains(element);
        let expected = (
            (has("{picc}") || has("uid}")).then_some(tag.uid),
            (has("{picc}") || has("ctr}")).then_some(tap.ctr),
            has("{enc}").then(|| tap.file_data.clone()),
            has("{tt}").then_some(tap.tt),
        );
        prop_assert_eq!(said(&tag, &layout, layout.parse(&url).unwrap(), check), Ok(expected.clone()), "{}", url);

        let server_sees = url.splitn(4, '/').nth(3).map_or_else(
            || format!("/{}", &url[url.find('?').unwrap()..]),
            |path| format!("/{path}"),
        );
        prop_assert_eq!(said(&tag, &layout, layout.parse_origin_form(&server_sees).unwrap(), check), Ok(expected.clone()));

        let mut lower = url.into_bytes();
        for at in digits {
            lower[at].make_ascii_lowercase();
        }
        let lower = String::from_utf8(lower).unwrap();
        prop_assert_eq!(said(&tag, &layout, layout.parse(&lower).unwrap(), check), Ok(expected), "{}", lower);
    }

    /// Flipping any bit of anything that the tag vouches for is refused.
    #[test]
    fn any_flipped_bit_is_refused(
        tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES), place: prop::sample::Index, bit in 0u32..7,
    ) {
        let layout = SdmLayout::new(mode(&tag), template).unwrap();
        let Written { url, covered, .. } = tag.write(template, &tap);
        let at = covered[place.index(covered.len())];
        let mut bytes = url.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        // 20h changes the case of a letter only: the same digit.
        prop_assume!(!(bit == 5 && bytes[at].is_ascii_hexdigit() && url.as_bytes()[at].is_ascii_hexdigit()));
        let forged = String::from_utf8(bytes).unwrap();
        if let Ok(tap) = layout.parse(&forged) {
            let verdict = said(&tag, &layout, tap, |_| ());
            prop_assert!(matches!(verdict, Err(VerifyError::NotAuthentic)), "{forged} from {url}: {verdict:?}");
        }
    }

    /// No text makes parsing panic, neither as a tap nor as a template; what parses as a template prints as it was.
    #[test]
    fn parsing_never_panics(text in "\\PC{0,300}", template in prop::sample::select(TEMPLATES)) {
        let layout = SdmLayout::new(Mode::Aes, template).unwrap();
        let _ = layout.parse(&text);
        let _ = layout.parse_origin_form(&text);
        if let Ok(layout) = SdmLayout::new(Mode::Aes, &text) {
            prop_assert_eq!(layout.template(), text);
        }
    }

    /// The same for text that comes close: pieces of the grammar in any order.
    #[test]
    fn near_templates_never_panic_and_print_as_they_were(
        pieces in vec(prop::sample::select(vec![
            "https://", "www.", "example.com", "/", "?", "&", "x=", "{picc}", "{picc:uid}", "{picc:ctr}", "{picc:uid,ctr}", "{uid}",
            "{ctr}", "{tt}", "{enc}", "{enc:32}", "{enc:64,tt@30}", "{enc:tt@0}", "{mac}", "{:id}", "{:a-b_C}", "[[", "[", "{", "}", "a",
        ]), 0..14),
        tap in "[0-9A-Fa-f&=?/x]{0,200}",
    ) {
        let text = pieces.concat();
        if let Ok(layout) = SdmLayout::new(Mode::Aes, &text) {
            prop_assert_eq!(layout.template(), &text);
            prop_assert_eq!(SdmLayout::new(Mode::Aes, layout.template()), Ok(layout.clone()));
            let _ = layout.parse(&tap);
        }
    }

    /// A tap that was cut off anywhere, or goes on, is refused.
    #[test]
    fn a_tap_of_another_length_is_refused(tag in tag(), tap in tap(), template in prop::sample::select(TEMPLATES), place: prop::sample::Index) {
        let layout = SdmLayout::new(mode(&tag), template).unwrap();
        let url = tag.write(template, &tap).url;
        let cut = &url[..place.index(url.len())];
        // Where `{enc}` of no pinned length meets `{mac}`, a tap that lost whole blocks still has the shape of one.
        if let Ok(tap) = layout.parse(cut) {
            prop_assert!(template.contains("{enc}{mac}"), "{cut}");
            prop_assert_eq!(said(&tag, &layout, tap, |_| ()), Err(VerifyError::NotAuthentic), "{}", cut);
        }
        let longer = format!("{url}0");
        prop_assert!(matches!(
            layout.parse(&longer),
            Err(Malformed::Trailing | Malformed::Length(Field::SdmMac | Field::PiccData | Field::EncFileData))
        ));
    }
}
