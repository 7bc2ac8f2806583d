//! The doctor, for taps that are signed, as NTAG X DNA writes them.

use suntap::diagnose::{Assumptions, Conclusion, Diagnosis, Finding, GivenKey, Role, diagnose};
use suntap::{Field, Malformed, Scheme, SdmLayout, SdmReadCtr, TagPublicKey, Uid};

use crate::ecdsa::{Signing, upper};

/// A recorded tap. Source: NXP/nxmw v02.07.00, `demos/nx/sdm`.
const RECORDED: &str = "https://ntag.nxp.com/xdna?m=04260471C88990&c=0000E2&s=351767F82CB96B413E885F3F2E339FDC932F20B1EC4A62F3\
                        F8B0CC5EBE34EAA555E043FA0D25FF251455173AB27118F57BE89A85E8A6374D2C0161F81D48D494";
/// A recorded tap of the same tag, whose SDMMetaReadKey is zeros.
const RECORDED_PICC: &str = "https://ntag.nxp.com/xdna?v=EE&e=5806162E9BE184312C40ACB25D267791&s=2C6E1894E8DE0BA51524B79C051D33\
                             FF05A0C78B0DD1C7BAA4D5F65FD1E55B3CDEB0EECA2069AC684CC5F77F1CE3FE9E440DDC258C45A09600848F9C79CF2048";
const RECORDED_KEY: &str = "03A17C02DAB2E67FD77DB3B7C5956858420BF43D47632F89FA96169239EBA42615";

const TEXT: &str = "https://example.com/t?m=04A1B2C3D4E580&c=00003D&s=";
const TEMPLATE: &str = "https://example.com/t?m=[[{uid}&c={ctr}&s={sig}";

fn ecdsa(template: &str) -> SdmLayout {
    SdmLayout::new(Scheme::Ecdsa, template).unwrap()
}

fn about<'a>(url: &'a str, layout: Option<&'a SdmLayout>, key: &'a TagPublicKey) -> Assumptions<'a> {
    Assumptions { layout, public_key: Some(key), ..Assumptions::about(url) }
}

fn template<'d>(diagnosis: &'d Diagnosis<'_>) -> &'d str {
    diagnosis.explanation.as_ref().unwrap().layout.as_ref().unwrap().template()
}

#[test]
fn genuine_signed_taps_are_healthy() {
    let key = RECORDED_KEY.parse().unwrap();
    let layout = ecdsa("https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
    for layout in [None, Some(&layout)] {
        let diagnosis = diagnose(&about(RECORDED, layout, &key));
        assert!(diagnosis.is_healthy() && diagnosis.findings().is_empty(), "{diagnosis:?}");
        assert_eq!(template(&diagnosis), "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
        let contents = diagnosis.contents.unwrap();
        assert!(contents.is_proven && contents.ctr == SdmReadCtr::new(226), "{contents:?}");
        assert!(diagnosis.explanation.unwrap().file_key.is_none());
    }
    // In lower case, as some phones write a URL.
    let (text, signature) = RECORDED.split_at(RECORDED.len() - 128);
    let lower = format!("{text}{}", signature.to_lowercase());
    assert_eq!(diagnose(&about(&lower, None, &key)).findings(), [Finding::HexCase]);
}

#[test]
fn encrypted_values_of_a_signed_tap_are_decrypted() {
    let key = RECORDED_KEY.parse().unwrap();
    let layout = ecdsa("https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid,ctr}&s={sig}");
    let diagnosis = diagnose(&about(RECORDED_PICC, Some(&layout), &key));
    assert_eq!(diagnosis.findings(), [Finding::FactoryKey { meta: true, file: false }]);
    assert_eq!(template(&diagnosis), layout.template());
    assert_eq!(diagnosis.contents.unwrap().ctr, SdmReadCtr::new(224));
    // Without a layout, the digits of the signature are no file data.
    let diagnosis = diagnose(&about(RECORDED_PICC, None, &key));
    assert_eq!(template(&diagnosis), "https://ntag.nxp.com/xdna?v=[[EE&e={picc}&s={sig}");
    // The PICCData also has a counter.
    let layout = ecdsa("https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid}&s={sig}");
    let diagnosis = diagnose(&about(RECORDED_PICC, Some(&layout), &key));
    assert_eq!(diagnosis.findings(), [Finding::Parts, Finding::FactoryKey { meta: true, file: false }]);

    let tag = Signing::new(3);
    let url = tag.sign("https://example.com/t?e=8C217D2BFCC7FFB7DAE2BF64E47E71EB&s=", "8C21");
    let layout = ecdsa("https://example.com/t?e=[[{picc:uid,ctr}&s={sig}");
    let public = tag.public();
    let diagnosis = diagnose(&about(&url, Some(&layout), &public));
    assert_eq!(diagnosis.findings(), [Finding::MetaKey], "the key is not given");
    assert_eq!((template(&diagnosis), diagnosis.contents.is_none()), (layout.template(), true));
    let meta = base16ct::mixed::decode_vec("8c1f5b7a93d2e4064b1a2c3d4e5f6071").unwrap().try_into().unwrap();
    let keys = [GivenKey { name: "meta", key: &meta, role: Role::Meta }];
    let diagnosis = diagnose(&Assumptions { keys: &keys, ..about(&url, Some(&layout), &public) });
    assert!(diagnosis.is_healthy(), "{diagnosis:?}");
    assert_eq!(diagnosis.contents.unwrap().uid, Uid::from_hex("04A1B2C3D4E580").ok());
}

/// With about 1 in 85 wrong keys, the decrypted PICCData look valid. A signature does not show which key is right.
#[test]
fn a_wrong_key_of_a_signed_tap_is_not_reported() {
    let tag = Signing::new(3);
    let url = tag.sign("https://example.com/t?e=8C217D2BFCC7FFB7DAE2BF64E47E71EB&s=", "8C21");
    let layout = ecdsa("https://example.com/t?e=[[{picc}&s={sig}");
    let public = tag.public();
    for number in 1..40 {
        let keys = [GivenKey { name: "other", key: &[number; 16], role: Role::Any }];
        let uid = Uid::from_hex("04A1B2C3D4E580").ok();
        let diagnosis = diagnose(&Assumptions { keys: &keys, uid, ..about(&url, Some(&layout), &public) });
        assert_eq!(diagnosis.findings(), [Finding::MetaKey], "{number}");
        assert!(diagnosis.contents.is_none());
    }
}

/// Without a UID, the values of a signed tap are still read, and a replay is found.
#[test]
fn signed_taps_without_a_uid_are_read() {
    let tag = Signing::new(3);
    let public = tag.public();
    let layout = ecdsa("https://example.com/t?c=[[{ctr}&s={sig}");
    let url = tag.sign("https://example.com/t?c=00003D&s=", "00003D");
    let assumptions = about(&url, Some(&layout), &public);
    assert!(diagnose(&assumptions).is_healthy());
    let stored_ctr = SdmReadCtr::new(0x3D);
    let replay = Finding::CounterBehind { ctr: stored_ctr.unwrap(), stored: stored_ctr.unwrap() };
    assert_eq!(diagnose(&Assumptions { stored_ctr, ..assumptions }).findings(), [replay]);
    let url = tag.sign("https://example.com/t?v=1&s=", "v=1");
    assert_eq!(diagnose(&about(&url, None, &public)).findings(), [Finding::NoCounter]);
}

/// The key is not given, so the PICCData of the second tap cannot be read either.
#[test]
fn a_second_signed_tap_without_its_key_is_not_compared() {
    let tag = Signing::new(3);
    let public = tag.public();
    let layout = ecdsa("https://example.com/t?e=[[{picc:uid,ctr}&s={sig}");
    let [first, second] = ["8C217D2BFCC7FFB7DAE2BF64E47E71EB", "112233445566778899AABBCCDDEEFF00"]
        .map(|picc_data| tag.sign(&format!("https://example.com/t?e={picc_data}&s="), &picc_data[..4]));
    let diagnosis = diagnose(&Assumptions { second_url: Some(&second), ..about(&first, Some(&layout), &public) });
    assert_eq!(diagnosis.findings(), [Finding::MetaKey]);
}

/// A layout error is reported although text around the URL was removed.
#[test]
fn a_wrong_layout_of_a_quoted_url_is_found() {
    let key = RECORDED_KEY.parse().unwrap();
    let layout = ecdsa("https://ntag.nxp.com/other?m=[[{uid}&c={ctr}&s={sig}");
    let quoted = format!("\"{RECORDED}\"");
    let diagnosis = diagnose(&about(&quoted, Some(&layout), &key));
    assert!(matches!(diagnosis.findings(), [Finding::SurroundingText, Finding::Layout(_)]), "{diagnosis:?}");
}

#[test]
fn the_start_of_the_signed_text_is_found() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let public = tag.public();
    for (start, expected) in [
        ("https", "[[https://example.com/t?m={uid}&c={ctr}&s={sig}"),
        ("example", "https://[[example.com/t?m={uid}&c={ctr}&s={sig}"),
        ("/t?", "https://example.com[[/t?m={uid}&c={ctr}&s={sig}"),
        ("?m", "https://example.com/t[[?m={uid}&c={ctr}&s={sig}"),
        ("m=", "https://example.com/t?[[m={uid}&c={ctr}&s={sig}"),
    ] {
        let url = tag.sign(TEXT, start);
        let diagnosis = diagnose(&about(&url, Some(&layout), &public));
        let covered = &TEXT[TEXT.find(start).unwrap()..];
        assert_eq!(diagnosis.findings(), [Finding::SignatureInput { covered }], "{start}");
        assert_eq!((template(&diagnosis), diagnosis.conclusion), (expected, Conclusion::Explained));
        assert!(diagnosis.contents.as_ref().unwrap().is_proven);
        assert!(diagnose(&about(&url, None, &public)).is_healthy());
    }
}

#[test]
fn mirrors_outside_the_signed_text_are_a_fault() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let public = tag.public();
    for (start, mirror) in [("A1B2", Field::Uid), ("&c=", Field::Uid), ("00003D", Field::Uid), ("s=", Field::Uid)] {
        let url = tag.sign(TEXT, start);
        let covered = &TEXT[TEXT.rfind(start).unwrap()..];
        for layout in [None, Some(&layout)] {
            let diagnosis = diagnose(&about(&url, layout, &public));
            assert_eq!(diagnosis.findings(), [Finding::Unsigned { mirror, covered }], "{start}");
            assert!(!diagnosis.contents.as_ref().unwrap().is_proven);
            assert!(diagnosis.explanation.unwrap().layout.is_none(), "no layout leaves out a mirror");
        }
    }
    // The counter is before the UID.
    let url = tag.sign("https://example.com/t?c=00003D&m=04A1B2C3D4E580&s=", "04A1");
    let finding = Finding::Unsigned { mirror: Field::SdmReadCtr, covered: "04A1B2C3D4E580&s=" };
    assert_eq!(diagnose(&about(&url, None, &public)).findings(), [finding]);
}

#[test]
fn a_foreign_key_or_a_changed_url_verifies_nothing() {
    let (tag, layout, foreign) = (Signing::new(5), ecdsa(TEMPLATE), Signing::new(6).public());
    let url = tag.sign(TEXT, "04A1");
    let uid = Uid::from_hex("04A1B2C3D4E580").ok();
    for layout in [None, Some(&layout)] {
        let diagnosis = diagnose(&about(&url, layout, &foreign));
        assert_eq!(diagnosis.findings(), [Finding::SignatureKey { uid }]);
        assert_eq!((diagnosis.conclusion, diagnosis.complete), (Conclusion::Unexplained, true));
        assert!(!diagnosis.contents.unwrap().is_proven);
    }
    let (public, changed) = (tag.public(), url.replace("00003D", "00004E"));
    let diagnosis = diagnose(&about(&changed, Some(&layout), &public));
    assert_eq!(diagnosis.findings(), [Finding::SignatureKey { uid }]);
    let second = Assumptions { second_url: Some(&url), ..about(&changed, Some(&layout), &public) };
    assert_eq!(diagnose(&second).findings(), [Finding::Altered]);
    assert_eq!(diagnose(&Assumptions { public_key: None, ..second }).findings(), [Finding::EccSignature]);
}

/// The text that the tag signed is found if one digit of it was changed, or if its UID is given.
#[test]
fn a_changed_uid_or_counter_is_found() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let public = tag.public();
    let url = tag.sign(TEXT, "04A1");
    let (uid, ctr) = (Uid::from_hex("04A1B2C3D4E580").ok(), SdmReadCtr::new(61));
    for (from, to) in [("00003D", "00003E"), ("00003D", "10003D"), ("m=0", "m=1"), ("E580", "E58f")] {
        let changed = url.replace(from, to);
        for layout in [None, Some(&layout)] {
            let diagnosis = diagnose(&about(&changed, layout, &public));
            assert_eq!(diagnosis.findings(), [Finding::MirrorChanged { uid, ctr }], "{to}");
            assert_eq!((diagnosis.conclusion, diagnosis.complete), (Conclusion::Unexplained, true));
            assert!(!diagnosis.contents.unwrap().is_proven);
        }
    }
    let changed = url.replace("04A1B2C3D4E580", "04112233445566");
    let tap = about(&changed, Some(&layout), &public);
    assert_eq!(diagnose(&Assumptions { uid, ..tap }).findings(), [Finding::MirrorChanged { uid, ctr }]);
    let shown = Uid::from_hex("04112233445566").ok();
    assert_eq!(diagnose(&tap).findings(), [Finding::SignatureKey { uid: shown }]);
    // A URL with the counter alone, and one with another text changed.
    let url = tag.sign("https://example.com/t?c=00003D&s=", "0000");
    let changed = url.replace("00003D", "00003C");
    let layout = ecdsa("https://example.com/t?c=[[{ctr}&s={sig}");
    let found = Finding::MirrorChanged { uid: None, ctr };
    assert_eq!(diagnose(&about(&changed, Some(&layout), &public)).findings(), [found]);
    let changed = url.replace("&s=", "&t=");
    assert_eq!(diagnose(&about(&changed, None, &public)).findings(), [Finding::SignatureKey { uid: None }]);
}

#[test]
fn other_forms_of_the_signature_are_named() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let public = tag.public();
    let url = tag.sign(TEXT, "04A1");
    let signature = base16ct::mixed::decode_vec(&url[TEXT.len()..]).unwrap();
    let (r, s) = signature.split_at(32);
    let reversed = |half: &[u8]| half.iter().rev().copied().collect::<Vec<_>>();
    let integer = |half: &[u8]| {
        let digits: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        let padded = if digits[0] >= 0x80 { [&[0], &digits[..]].concat() } else { digits };
        [&[0x02, u8::try_from(padded.len()).unwrap()], &padded[..]].concat()
    };
    let integers = [integer(r), integer(s)].concat();
    let der = [&[0x30, u8::try_from(integers.len()).unwrap()], &integers[..]].concat();
    let wrong = [&[0x30, u8::try_from(integers.len() - 1).unwrap()], &integers[..]].concat();
    let too_long = [&der[..], &[0]].concat();
    for bytes in [wrong, too_long] {
        let url = format!("{TEXT}{}", upper(&bytes));
        let found = diagnose(&about(&url, Some(&layout), &public)).findings().to_vec();
        assert!(!found.iter().any(|finding| finding.code() == "signature-form"), "{found:?}");
    }
    for (bytes, form) in [
        ([s, r].concat(), "s and then r"),
        ([reversed(r), reversed(s)].concat(), "r and s with their bytes in reverse order"),
        (der, "a DER sequence"),
    ] {
        let url = format!("{TEXT}{}", upper(&bytes));
        for layout in [None, Some(&layout)] {
            let diagnosis = diagnose(&about(&url, layout, &public));
            assert_eq!(diagnosis.findings(), [Finding::SignatureForm { form }], "{layout:?}");
            assert!(!diagnosis.contents.unwrap().is_proven);
        }
    }
}

/// A chip writes at most 261 characters.
#[test]
fn longest_signed_url_is_searched() {
    let tag = Signing::new(5);
    let public = tag.public();
    for (length, is_healthy) in [(261, true), (262, false)] {
        let host = "a".repeat(length - TEXT.len() - 128);
        let url = tag.sign(&TEXT.replace("example", &format!("example{host}")), "04A1");
        let diagnosis = diagnose(&about(&url, None, &public));
        assert_eq!((url.len(), diagnosis.is_healthy()), (length, is_healthy), "{diagnosis:?}");
    }
}

/// Without a layout, file data is found. With a layout, mirrors are found that no separator divides.
#[test]
fn mirrors_of_a_signed_tap_are_found() {
    let tag = Signing::new(5);
    let public = tag.public();
    let data = "5A".repeat(32);
    let url = tag.sign(&format!("https://example.com/t?e=5806162E9BE184312C40ACB25D267791&f={data}&s="), "5806");
    let diagnosis = diagnose(&about(&url, None, &public));
    assert!(template(&diagnosis).contains("&f={enc:64}&s={sig}"), "{diagnosis:?}");

    let layout = ecdsa("https://example.com/t?m=[[{uid}{ctr}&s={sig}");
    let url = tag.sign("https://example.com/t?m=04A1B2C3D4E58000003D&s=", "04A1");
    let diagnosis = diagnose(&about(&url, Some(&layout), &public));
    assert!(diagnosis.is_healthy(), "{diagnosis:?}");
    assert_eq!(diagnosis.contents.unwrap().ctr, SdmReadCtr::new(61));
}

#[test]
fn a_mac_and_a_signature_are_told_from_each_other() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let (public, url) = (tag.public(), tag.sign(TEXT, "04A1"));
    let mac = SdmLayout::new(Scheme::Aes, &TEMPLATE.replace("{sig}", "{mac}")).unwrap();
    let diagnosis = diagnose(&about(&url, Some(&mac), &public));
    assert_eq!(diagnosis.findings(), [Finding::Mode { actual: Scheme::Ecdsa }]);
    assert_eq!(template(&diagnosis), TEMPLATE);
    let without_key = Assumptions { layout: Some(&mac), ..Assumptions::about(&url) };
    assert_eq!(diagnose(&without_key).findings(), [Finding::EccSignature]);

    for (value, has_mac) in [("94EED9EE65337086", true), ("94EE", false), (&"0".repeat(128), false)] {
        let url = format!("{TEXT}{value}");
        let diagnosis = diagnose(&about(&url, Some(&layout), &public));
        assert_eq!(diagnosis.findings(), [Finding::NoSignature { has_mac }], "{value}");
    }
}

#[test]
fn uid_counter_and_second_tap_are_compared() {
    let (tag, layout) = (Signing::new(5), ecdsa(TEMPLATE));
    let (public, url) = (tag.public(), tag.sign(TEXT, "04A1"));
    let tap = about(&url, Some(&layout), &public);
    let (uid, other) = (Uid::from_hex("04A1B2C3D4E580").unwrap(), Uid::from_hex("04112233445566").unwrap());
    let stored = SdmReadCtr::new(61).unwrap();
    let findings = |tap: &Assumptions<'_>| format!("{:?}", diagnose(tap).findings());
    let shown = |finding: Finding<'_>| format!("[{finding:?}]");
    assert_eq!(findings(&Assumptions { uid: Some(other), ..tap }), shown(Finding::OtherTag { uid }));
    let behind = Finding::CounterBehind { ctr: stored, stored };
    assert_eq!(findings(&Assumptions { stored_ctr: Some(stored), ..tap }), shown(behind));

    let of = |text: &str, tag: &Signing| tag.sign(&TEXT.replace("00003D", text), "04A1");
    let (later, forged) = (of("00003F", &tag), of("00003F", &Signing::new(6)));
    let foreign = Signing::new(6).sign(&TEXT.replace("04A1B2C3D4E580", "04112233445566"), "0411");
    for (second, finding) in [
        (&later, Finding::CounterRunning { reads: 2 }),
        (&url, Finding::CounterStuck),
        (&forged, Finding::SecondDiffers),
        (&foreign, Finding::SecondOfOther { uid: other }),
    ] {
        assert_eq!(findings(&Assumptions { second_url: Some(second), ..tap }), shown(finding));
    }
    for (text, expected) in
        [("000000", Finding::CounterZero), ("static", Finding::Layout(Malformed::Character(Field::SdmReadCtr)))]
    {
        let url = of(text, &tag);
        assert_eq!(diagnose(&about(&url, Some(&layout), &public)).findings()[0], expected);
    }
    let url = tag.sign("https://example.com/t?m=04A1B2C3D4E580&s=", "04A1");
    assert_eq!(diagnose(&about(&url, None, &public)).findings(), [Finding::NoCounter]);
}
