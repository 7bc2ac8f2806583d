//! Fault reports from the public, each with the finding that names its cause. Private hosts are replaced.

use suntap::diagnose::{
    Assumptions, Conclusion, Diagnosis, DiversificationInput, Finding, GivenKey, KeyDerivation, KeySource, Role,
    ShiftCause, diagnose,
};
use suntap::{Field, Scheme, SdmLayout, Uid};

const ZEROS: &str = "00000000000000000000000000000000";
const SAMPLE: &str = "00112233445566778899AABBCCDDEEFF";

fn key(hex: &str) -> [u8; 16] {
    base16ct::mixed::decode_vec(hex).unwrap().try_into().unwrap()
}

/// Diagnoses a URL with these keys, whose names are `meta`, `file` or `any`.
fn with_diagnosis(url: &str, template: Option<&str>, keys: &[(&str, &str)], check: impl FnOnce(&Diagnosis<'_>)) {
    let bytes: Vec<[u8; 16]> = keys.iter().map(|(_, hex)| key(hex)).collect();
    let role = |name| match name {
        "meta" => Role::Meta,
        "file" => Role::File,
        _ => Role::Any,
    };
    let given: Vec<GivenKey<'_>> =
        keys.iter().zip(&bytes).map(|((name, _), key)| GivenKey { name, key, role: role(*name) }).collect();
    let layout = template.map(|template| SdmLayout::new(Scheme::Aes, template).unwrap());
    check(&diagnose(&Assumptions { layout: layout.as_ref(), keys: &given, ..Assumptions::about(url) }));
}

/// Checks that this finding comes first.
fn assert_first(url: &str, template: Option<&str>, keys: &[(&str, &str)], expected: Finding<'_>) {
    with_diagnosis(url, template, keys, |diagnosis| {
        assert_eq!(diagnosis.findings().first(), Some(&expected), "{url} {diagnosis:?}");
        assert!(!diagnosis.is_healthy());
    });
}

fn codes<'a>(diagnosis: &'a Diagnosis<'_>) -> Vec<&'a str> {
    diagnosis.findings().iter().map(Finding::code).collect()
}

/// Case 1. The shared meta key is known to everybody who sells such tags, so a file key of zeros lets them forge taps.
#[test]
fn factory_file_key_is_a_fault_although_a_meta_key_is_given() {
    let url = "https://havenring.example/start?picc_data=DD5706723E3C4BD48B40741542F58197&cmac=B6E0E65444A28181";
    let keys = [("meta", "4710bd58c1ecb9096fb795834b9e88b0")];
    with_diagnosis(url, None, &keys, |diagnosis| {
        assert_eq!(diagnosis.findings(), [Finding::FactoryKey { meta: false, file: true }]);
        assert_eq!(diagnosis.conclusion, Conclusion::Explained);
    });
}

/// Cases 2 to 4.
#[test]
fn offsets_of_a_bolt_card_are_wrong() {
    let template = "lnurlw://card.yourdomain.com/ln?p={picc:uid,ctr}&c={mac}";
    let keys = [("any", "0c3b25d92b38ae443229dd59ad34b85d"), ("any", "b45775776cb224c75bcde7ca3704e933")];
    let shift = |by| Finding::OffsetShift { mirror: None, by, cause: ShiftCause::Unknown };
    for (url, by) in [
        ("lnurlw://card.yourdomain.com/ln711E68F827E81E71C4DFD9C2677655A900051B4A502252186C7000", -3),
        ("lnurlw://card.yourdomain.com/ln?p711E68F827E81E71C4DFD9C2677655A90&c51B4A502252186C70", -1),
        ("lnurlw://card.yourdomain.com/ln?p=0711E68F827E81E71C4DFD9C2677655A9c=051B4A502252186C", 1),
    ] {
        assert_first(url, Some(template), &keys, shift(by));
        // A distance of more than one character destroys the shape of the URL, so it needs the template.
        if by.abs() == 1 {
            assert_first(url, None, &keys, shift(by));
        }
    }
}

/// Case 5.
#[test]
fn offset_of_the_mac_alone_is_wrong() {
    let url = "https://tap.example.com/v?uid=04996C6A926980&ctr=000005&cmac9D57BC9EFD9A5B5F0";
    let shift = Finding::OffsetShift { mirror: Some(Field::SdmMac), by: -1, cause: ShiftCause::Unknown };
    for template in [None, Some("https://tap.example.com/v?uid={uid}&ctr={ctr}&cmac={mac}")] {
        assert_first(url, template, &[("file", SAMPLE)], shift);
    }
}

/// Case 6.
#[test]
fn header_of_the_file_was_not_counted() {
    let url = "https://tap.example.com04996C6A92698000000000005=000009D57BC9EFD9A5B5F0000000";
    let template = Some("https://tap.example.com/v?uid={uid}&ctr={ctr}&cmac={mac}");
    let shift = Finding::OffsetShift { mirror: None, by: -7, cause: ShiftCause::HeaderNotCounted };
    assert_first(url, template, &[("file", SAMPLE)], shift);
    // The static text shows it even without the key.
    assert_first(url, template, &[], shift);
}

/// Case 7.
#[test]
fn mac_alone_is_not_mirrored() {
    for url in [
        "https://example.com/t?uid=04996C6A926980&ctr=000005&cmac=0000000000000000",
        "https://example.com/t?picc_data=EF963FF7828658A599F3041510671E88&cmac=0000000000000000",
    ] {
        assert_first(url, None, &[], Finding::MacNotMirrored);
    }
}

/// Cases 8 and 9. After decoding, the tap of AN12196 verifies.
#[test]
fn encoded_urls_are_decoded() {
    let percent = "https://go.example/r?to=https%3A%2F%2Fntag.nxp.com%2F424%3Fe%3DEF963FF7828658A599F3041510671E88%26c%3D\
                   94EED9EE65337086";
    let html = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&amp;c=94EED9EE65337086";
    for template in [None, Some("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}")] {
        for (url, finding) in [(percent, Finding::PercentEncoded), (html, Finding::HtmlEscaped)] {
            with_diagnosis(url, template, &[], |diagnosis| {
                assert_eq!(diagnosis.findings(), [finding, Finding::NewChip]);
                let layout = diagnosis.explanation.as_ref().unwrap().layout.as_ref().unwrap();
                assert!(layout.template().starts_with("https://ntag.nxp.com/424?e={picc"), "{layout}");
            });
        }
    }
}

/// Case 10.
#[test]
fn key_is_derived_with_a_well_known_text() {
    let url = "https://tap.example/nfc?g=1&u=0464171A282290&c=00009E&m=A0BDA87E01B7516E";
    let uid = Uid::from_hex("0464171A282290").ok();
    let input =
        DiversificationInput { uid, aid: &[0x30, 0x42, 0xF5], suffix: b"testing", ..DiversificationInput::default() };
    // Everybody knows the key of a new chip, so it has no name even if it was given.
    let source = KeySource::Derived { from: None, derivation: KeyDerivation::An10922(input) };
    for keys in [&[][..], &[("any", ZEROS)]] {
        assert_first(url, None, keys, Finding::DerivedKey { role: Role::File, source });
    }
}

/// A text that is not well known has to be given.
#[test]
fn key_is_derived_with_a_given_suffix() {
    use suntap::emulator::EmulatedTag;
    use suntap::kdf::{an10922, plain_cmac};
    use suntap::{MasterKey, SdmFileReadKey, SdmMetaReadKey, TagTexts};

    let uid = Uid::from_bytes([0x04, 1, 2, 3, 4, 5, 6]);
    let master = MasterKey::from_bytes([0x77; 16]);
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?u={uid}&n={ctr}&c={mac}").unwrap();
    let (aid, suffix) = ([0xAA, 0xBB, 0xCC], &b"my shop"[..]);
    let uid_bytes = uid.as_bytes();
    let inputs: [&[&[u8]]; 5] =
        [&[suffix], &[&aid, suffix], &[uid_bytes, suffix], &[uid_bytes, &aid, suffix], &[&aid, uid_bytes, suffix]];
    for input in inputs {
        let keys: [SdmFileReadKey; 2] =
            [an10922::derive(&master, input).unwrap(), plain_cmac::derive(&master, input).unwrap()];
        for key in keys {
            let mut tag = EmulatedTag::new(&layout, &TagTexts::default(), SdmMetaReadKey::FACTORY, key, uid).unwrap();
            let url = tag.tap().unwrap().to_string();
            let master = [0x77; 16];
            let given = [GivenKey { name: "master", key: &master, role: Role::Any }];
            let with = |suffixes| {
                let about = Assumptions::about(&url);
                let found = diagnose(&Assumptions { keys: &given, suffixes, aid: Some(&aid), ..about });
                found.findings().first().map(Finding::code)
            };
            assert_eq!((with(&[suffix]), with(&[])), (Some("derived-key"), Some("no-match")), "{input:?}");
        }
    }
}

/// Case 11.
#[test]
fn key_is_derived_without_the_padding_of_an10922() {
    let url = "https://example.com/t?uid=04996C6A926980&ctr=000005&mac=822D58396413CD22";
    with_diagnosis(url, None, &[("any", ZEROS)], |diagnosis| {
        assert_eq!(codes(diagnosis), ["derived-key"]);
        let explanation = diagnosis.explanation.as_ref().unwrap();
        let KeySource::Derived { derivation: KeyDerivation::PlainCmac(input), .. } =
            explanation.file_key.as_ref().unwrap().1
        else {
            panic!("{explanation:?}")
        };
        // What the doctor names can be derived.
        let master = suntap::MasterKey::from_hex(ZEROS).unwrap();
        let uid = input.uid.unwrap();
        let key: suntap::SdmFileReadKey =
            suntap::kdf::plain_cmac::derive(&master, &[uid.as_bytes(), input.aid, input.suffix]).unwrap();
        assert_eq!(key, explanation.file_key.as_ref().unwrap().0);
    });
}

/// Case 12.
#[test]
fn mac_is_made_without_a_session_key() {
    let url = "https://example.com/verify?picc_data=70ED747FA204A27CFB0D3BD3E506D73D&cmac=37143ACF29EA6698";
    let keys = [("file", SAMPLE), ("meta", ZEROS)];
    assert_first(url, None, &keys, Finding::NoSessionKey { is_enc_key: false });
}

/// Case 13.
#[test]
fn mac_covers_decoded_bytes() {
    let url = "https://example.com/verify/item_1?picc_data=E1D4872851FEED151910667264D7AF36&cmac=5F9CDA573F6FE858";
    with_diagnosis(url, None, &[("any", "0f0e0d0c0b0a09080706050403020100")], |diagnosis| {
        assert_eq!(codes(diagnosis)[..2], ["mac-over-bytes", "no-session-key"], "{diagnosis:?}");
    });
    let url = "https://example.com/verify?picc_data=70ED747FA204A27CFB0D3BD3E506D73D&cmac=B16AEE0D6A862492";
    with_diagnosis(url, None, &[("file", SAMPLE), ("meta", ZEROS)], |diagnosis| {
        assert_eq!(codes(diagnosis), ["mac-over-bytes", "factory-key"], "{diagnosis:?}");
    });
}

/// Case 14. The chip encrypts the first half of the placeholder text.
#[test]
fn content_is_shown_without_a_mac() {
    let url = "https://my424dna.com/?picc_data=E704C53A168DCD09F9E9A86D93BA3037&enc=570296360EBE9656E25A734840C5439F";
    with_diagnosis(url, None, &[], |diagnosis| {
        assert_eq!(diagnosis.findings(), [Finding::NoMac, Finding::FactoryKey { meta: true, file: true }]);
        let contents = diagnosis.contents.as_ref().unwrap();
        assert_eq!(
            (contents.uid, contents.ctr.map(suntap::SdmReadCtr::get)),
            (Uid::from_hex("0454A292766380").ok(), Some(1))
        );
        assert_eq!((contents.file_data(), contents.is_proven), (&b"7878787878787878"[..], false));
    });
}

/// Case 15.
#[test]
fn tamper_status_after_the_mac_is_not_covered() {
    let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086&tt=CC";
    assert_first(url, None, &[], Finding::TamperNotCovered);
}

/// Case 17. The layout that works is the one that matches the URL.
#[test]
fn scheme_of_the_url_differs() {
    let url = "http://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
    let template = "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}";
    with_diagnosis(url, Some(template), &[], |diagnosis| {
        assert_eq!(codes(diagnosis), ["scheme-differs", "new-chip"]);
        let layout = diagnosis.explanation.as_ref().unwrap().layout.as_ref().unwrap();
        assert!(layout.parse(url).is_ok(), "{layout}");
    });
}

/// Case 18.
#[test]
fn signature_of_an_ntag_x_dna_is_recognised() {
    let url = "https://ntag.nxp.com/xdna?m=04260471C88990&c=0000E2&s=351767F82CB96B413E885F3F2E339FDC932F20B1EC4A62F3F8B0CC5E\
               BE34EAA555E043FA0D25FF251455173AB27118F57BE89A85E8A6374D2C0161F81D48D494";
    assert_first(url, None, &[], Finding::EccSignature);
}

/// Case 19, and the mirror of an NTAG 21x.
#[test]
fn other_schemes_are_named() {
    let digits = |len: usize| "5A".repeat(len);
    let halo = format!(
        "https://nfc.example/?av=A02.03&v=01.G1.000003&pk1=04{}&pk2=04{}&rnd={}&rndsig={}",
        digits(64),
        digits(64),
        digits(32),
        digits(72)
    );
    for (url, name) in [(&*halo, "HaLo"), ("https://example.com/?m=04C767F2066180x000003", "NTAG 21x")] {
        with_diagnosis(url, None, &[], |diagnosis| {
            assert_eq!(codes(diagnosis), ["other-scheme"], "{diagnosis:?}");
            assert!(diagnosis.findings()[0].to_string().contains(name));
        });
    }
}

// The following faults were held out while the doctor was written. They were made with an independent implementation,
// for the UID 04A1B2C3D4E580 and the counter 1234h.

const META: (&str, &str) = ("meta", "8c1f5b7a93d2e4064b1a2c3d4e5f6071");
const FILE: (&str, &str) = ("file", "f1e2d3c4b5a697885a6b7c8d9eafb0c1");
const PICC: &str = "8C217D2BFCC7FFB7DAE2BF64E47E71EB";

/// Diagnoses a URL of the shop, in which `P` stands for the PICCData. Returns the codes, and whether the content is
/// proven.
fn shop(path: &str, template: Option<&str>, keys: &[(&str, &str)]) -> (Vec<String>, bool) {
    let url = format!("https://shop.example/{}", path.replace('P', PICC));
    let template = template.map(|template| format!("https://shop.example/{template}"));
    let mut result = (Vec::new(), false);
    with_diagnosis(&url, template.as_deref(), keys, |diagnosis| {
        assert_eq!(diagnosis.is_healthy(), !diagnosis.findings().iter().any(Finding::is_fault));
        let is_proven = diagnosis.contents.as_ref().is_some_and(|contents| contents.is_proven);
        result = (codes(diagnosis).into_iter().map(String::from).collect(), is_proven);
    });
    result
}

fn first(path: &str, template: Option<&str>, keys: &[(&str, &str)]) -> String {
    shop(path, template, keys).0.first().cloned().unwrap_or_default()
}

#[test]
fn file_data_outside_the_mac_input_are_a_fault() {
    let keys = [META, FILE];
    for path in [
        "p?e=P&d=044AD989174136C1E1E025F4286A40EF&c=947D23F60BB6E021",
        "p?e=P&d=044AD989174136C1E1E025F4286A40EF&x=1&c=769252328518E22B",
    ] {
        assert_eq!(first(path, None, &keys), "file-data-not-covered", "{path}");
        let template = "p?e={picc:uid,ctr}&d=[[{enc:32}&c={mac}";
        if !path.contains("x=1") {
            assert_eq!(first(path, Some(template), &keys), "file-data-not-covered");
        }
    }
    // Digits that do not decrypt to text are static text.
    let (codes, is_proven) = shop("p?e=P&d=00000000000000000000000000000000&c=947D23F60BB6E021", None, &keys);
    assert_eq!((codes, is_proven), (vec![], true));
}

#[test]
fn mirrors_that_are_not_written_are_faults() {
    let keys = [META, FILE];
    let data = "p?e=P&d=00000000000000000000000000000000&c=9FAAFFB0C58D5485";
    assert_eq!(first(data, Some("p?e={picc}&d=[[{enc:32}&c={mac}"), &keys), "field-not-mirrored");
    let status = "p?e=P&t=00&c=05F431B5807B63F7";
    assert_eq!(first(status, Some("p?e={picc}&[[t={tt}&c={mac}"), &keys), "field-not-mirrored");
}

/// The key is derived from the key of a new chip.
#[test]
fn public_keys_are_a_fault() {
    let derived = ("file", "b9f3b3ca71fd9587537afc8f47b5e7ec");
    assert_eq!(
        shop("p?u=04A1B2C3D4E580&n=001234&c=9CD2FA8CD3AA0320", None, &[derived]),
        (vec!["derived-key".to_owned()], false)
    );
}

/// The mirror has overwritten the name of its parameter, so `?` or `&` precedes it.
#[test]
fn offsets_that_are_2_too_small_are_found_without_a_layout() {
    for (path, keys) in [
        ("p?u=04A1B2C3D4E580&n=001234&947D23F60BB6E02100", &[FILE][..]),
        ("p?04A1B2C3D4E58000&00123400&947D23F60BB6E02100", &[FILE]),
        ("p?e=P&947D23F60BB6E02100", &[META, FILE]),
    ] {
        assert_eq!(first(path, None, keys), "offset-shift", "{path}");
    }
}

#[test]
fn percent_encoding_is_undone_in_either_case_and_in_part() {
    let lower = "https://go.example/r?to=https%3a%2f%2fntag.nxp.com%2f424%3fe%3dEF963FF7828658A599F3041510671E88%26c%3d\
                 94EED9EE65337086";
    for template in [None, Some("https://ntag.nxp.com/424?e={picc}&c={mac}")] {
        assert_first(lower, template, &[], Finding::PercentEncoded);
    }
    assert_eq!(first("p?e=P%26c=947D23F60BB6E021", None, &[META, FILE]), "percent-encoded");
    assert_eq!(first("p?e=P&amp;amp;c=947D23F60BB6E021", None, &[META, FILE]), "html-escaped");
}

#[test]
fn text_around_the_url_is_a_fault() {
    let url = format!("https://shop.example/p?e={PICC}&c=947D23F60BB6E021");
    for text in [format!("<{url}>"), format!("url: {url}"), format!("curl '{url}'"), format!("\u{201C}{url}\u{201D}")] {
        with_diagnosis(&text, None, &[META, FILE], |diagnosis| {
            assert_eq!(codes(diagnosis), ["surrounding-text"], "{text}");
            assert!(diagnosis.explanation.as_ref().unwrap().layout.is_some());
        });
    }
}

/// The prefix of the URL was counted, and the end of the MAC is lost. The PICCData shows the distance; a MAC cannot.
#[test]
fn distance_is_found_without_the_mac_or_not_claimed() {
    let shift = |by, cause| Finding::OffsetShift { mirror: None, by, cause };
    let url = "https://shop.example/p?e=00000008C217D2BFCC7FFB7DAE2BF64E47E71EB000947D23F60";
    let template = "https://shop.example/p?e={picc:uid,ctr}&c={mac}";
    assert_first(url, Some(template), &[META, FILE], shift(7, ShiftCause::PrefixCounted));
    // The MAC is outside the URL.
    let url = format!("https://shop.example/p?e={}{PICC}000", "0".repeat(16));
    assert_first(&url, Some(template), &[META, FILE], shift(16, ShiftCause::Unknown));
    let plain = "https://shop.example/p?u=000000004A1B2C3D4E58000&001234000947D23F60";
    let template = "https://shop.example/p?u={uid}&n={ctr}&c={mac}";
    assert_first(plain, Some(template), &[FILE], shift(7, ShiftCause::PrefixCounted));
    // One mirror overwrites a part of another, so nothing proves a distance.
    let overlapping = "https://shop.example/p?u=0000004A1B2C3D4E5001234&c=947D23F60BB6E021";
    with_diagnosis(overlapping, Some(template), &[FILE], |diagnosis| {
        let is_wrong =
            |finding: &Finding<'_>| matches!(finding, Finding::OffsetShift { by, .. } if *by != 0 && *by != 5);
        assert!(!diagnosis.findings().iter().any(is_wrong), "{diagnosis:?}");
    });
}

/// An NTAG 22x whose counter has the wrong byte order is still an NTAG 22x.
#[test]
fn reversed_counter_of_an_ntag_22x_is_found() {
    let layout = SdmLayout::new(Scheme::Suncmac, "https://n.example/t?m={uid}x{ctr}x{mac}").unwrap();
    let url = "https://n.example/t?m=04A1B2C3D4E580x001234xCB8C3D45929266BD";
    let file = key(FILE.1);
    let keys = [GivenKey { name: "file", key: &file, role: Role::File }];
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(url) });
    assert_eq!(codes(&diagnosis), ["counter-byte-order"], "{diagnosis:?}");
}

/// Two letters are a tamper status only if their name or place suggests it.
#[test]
fn two_letters_in_the_path_are_no_status() {
    for path in ["OC/p?e=P&c=947D23F60BB6E021", "CC/p?e=P&c=947D23F60BB6E021", "p?lang=CC&e=P&c=947D23F60BB6E021"] {
        assert_eq!(shop(path, None, &[META, FILE]), (vec![], true), "{path}");
    }
}

/// Of many wrong keys, some open the PICCData by chance. The right one is still found.
#[test]
fn right_key_is_found_among_many() {
    let mut wrong = Vec::new();
    for number in 0_u32..700 {
        wrong.push(format!("{:08x}{:08x}{:08x}{:08x}", number.wrapping_mul(0x9E37_79B9), number, !number, 7));
    }
    let mut keys: Vec<(&str, &str)> = wrong.iter().map(|key| ("meta", key.as_str())).collect();
    keys.extend([META, FILE]);
    assert_eq!(shop("p?e=P&c=947D23F60BB6E021", None, &keys), (vec![], true));
}
