//! Each cause of a failing tap gives its finding, and the reported layout and keys verify the tap.

use proptest::prelude::*;
use suntap::diagnose::{
    Assumptions, Conclusion, Diagnosis, DiversificationInput, Finding, GivenKey, KeyDerivation, KeySource, MAX_TRIED,
    Role, ShiftCause, diagnose, diagnose_watched,
};
use suntap::emulator::EmulatedTag;
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard};
use suntap::sun::session::MacKey;
use suntap::{
    Field, IssuerKey, Malformed, MasterKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts,
    Uid,
};

pub(crate) const META: [u8; 16] = [0x3E; 16];
pub(crate) const FILE: [u8; 16] = [0xF1; 16];
pub(crate) const UID: Uid = Uid::from_bytes([0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]);
/// `UID` with its bytes in reverse order.
const REVERSED: Uid = Uid::from_bytes([0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0x04]);
pub(crate) const OTHER: Uid = Uid::from_bytes([0x04, 0x99, 0x22, 0x33, 0x44, 0x55, 0x66]);

pub(crate) fn layout(template: &str) -> SdmLayout {
    SdmLayout::new(Scheme::Aes, template).unwrap()
}

fn lrp(template: &str) -> SdmLayout {
    SdmLayout::new(Scheme::Lrp, template).unwrap()
}

/// Returns a tap with this counter.
pub(crate) fn tap_of(layout: &SdmLayout, meta: [u8; 16], file: &SdmFileReadKey, uid: Uid, ctr: u32) -> String {
    let meta = SdmMetaReadKey::from_bytes(meta);
    let tag = EmulatedTag::new(layout, &TagTexts::default(), meta, file.clone(), uid).unwrap();
    tag.with_ctr(SdmReadCtr::new(ctr - 1).unwrap()).tap().unwrap().to_string()
}

pub(crate) fn tap(layout: &SdmLayout, ctr: u32) -> String {
    tap_of(layout, META, &SdmFileReadKey::from_bytes(FILE), UID, ctr)
}

/// Returns the tap with the last four digits of the MAC changed.
pub(crate) fn altered(url: &str) -> String {
    format!("{}0000", &url[..url.len() - 4])
}

pub(crate) const KEYS: [GivenKey<'static>; 2] =
    [GivenKey { name: "picc", key: &META, role: Role::Meta }, GivenKey { name: "mac", key: &FILE, role: Role::File }];

pub(crate) fn codes<'a>(diagnosis: &'a Diagnosis<'_>) -> Vec<&'a str> {
    diagnosis.findings().iter().map(Finding::code).collect()
}

/// Returns `true` if the reported layout and keys verify the tap.
fn verifies(diagnosis: &Diagnosis<'_>, url: &str) -> bool {
    let explanation = diagnosis.explanation.as_ref().expect("the tap is explained");
    let layout = explanation.layout.as_ref().unwrap_or_else(|| panic!("no layout: {diagnosis:?}"));
    let tap = layout.parse(url).unwrap_or_else(|error| panic!("{error}: {layout} {url}"));
    let claimed = match &explanation.meta_key {
        Some((key, _)) => tap.open(&key.prepare(explanation.scheme)).unwrap(),
        None => tap.read_plain().unwrap(),
    };
    let key = explanation.file_key.as_ref().unwrap().0.prepare(explanation.scheme);
    if claimed.ctr().is_some() { claimed.verify(&key).is_ok() } else { claimed.verify_replayable(&key).is_ok() }
}

/// Checks that the tap is explained with this finding first, and that the reported layout and keys verify it.
fn assert_explained(assumptions: &Assumptions<'_>, code: &str) {
    let diagnosis = diagnose(assumptions);
    assert_eq!(codes(&diagnosis).first(), Some(&code), "{assumptions:?} {diagnosis:?}");
    assert_eq!(diagnosis.conclusion, Conclusion::Explained, "{diagnosis:?}");
    assert!(verifies(&diagnosis, assumptions.url), "{diagnosis:?}");
}

const TEMPLATES: [&str; 11] = [
    "https://example.com/t?picc_data={picc:uid,ctr}&cmac={mac}",
    "https://example.com/t?p=[[{picc}&enc={enc:64}&cmac={mac}",
    "https://example.com/t?cmac={mac}&p={picc}",
    "https://www.example.com/t/{uid}/{ctr}/{mac}",
    "http://www.example.com/t?u=[[{uid}x{ctr}x{mac}",
    "https://[[example.com/t?id=7&n={ctr}&c={mac}",
    "lnurlw://example.com?p={picc}&c={mac}",
    "https://example.com/?d={picc}&tt=[[{enc:32,tt@3}{mac}",
    "https://example.com/{:id}?u={uid}&n={ctr}&tt=[[{tt}&e={enc:32}&c={mac}",
    "https://example.com/bulk?e={picc}[[{enc:32}{mac}",
    "https://example.com/?m={uid}x{ctr}x{mac}",
];

fn both_modes() -> impl Iterator<Item = SdmLayout> {
    TEMPLATES.into_iter().flat_map(|template| [layout(template), lrp(template)])
}

fn with_texts(layout: &SdmLayout, ctr: u32) -> String {
    let captured: &[(&str, &str)] = if layout.names().next().is_some() { &[("id", "A-7")] } else { &[] };
    let keys = (SdmMetaReadKey::from_bytes(META), SdmFileReadKey::from_bytes(FILE));
    let texts = TagTexts { captured, ..TagTexts::default() };
    let tag = EmulatedTag::new(layout, &texts, keys.0, keys.1, UID).unwrap();
    tag.with_ctr(SdmReadCtr::new(ctr - 1).unwrap()).tap().unwrap().to_string()
}

#[test]
fn right_assumptions_are_healthy() {
    for layout in both_modes() {
        let url = with_texts(&layout, 7);
        let diagnosis =
            diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, uid: Some(UID), ..Assumptions::about(&url) });
        assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Healthy, vec![]), "{url} {diagnosis:?}");
        let found = diagnosis.explanation.as_ref().unwrap();
        assert_eq!(found.layout.as_ref(), Some(&layout), "the assumed layout stays");
        assert!(verifies(&diagnosis, &url) && diagnosis.is_healthy() && diagnosis.complete);
    }
}

/// Without a layout, the search finds the mirrors, the start of the MAC input and the mode.
#[test]
fn layout_is_found() {
    for layout in both_modes() {
        let url = with_texts(&layout, 0x01_02_03);
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.conclusion, Conclusion::Healthy, "{url} {diagnosis:?}");
        assert!(verifies(&diagnosis, &url), "{url}");
        let found = diagnosis.explanation.unwrap();
        assert_eq!((found.scheme, found.ctr.map(SdmReadCtr::get)), (layout.scheme(), Some(0x01_02_03)));
        assert_eq!(found.layout.unwrap().has(Field::PiccData), layout.has(Field::PiccData));
    }
}

#[test]
fn wrong_mode_is_found() {
    for template in ["https://a.b/?u={uid}&n={ctr}&c={mac}", "https://a.b/?p={picc}&c={mac}"] {
        for (wrong, right) in [(layout(template), lrp(template)), (lrp(template), layout(template))] {
            let url = tap(&right, 9);
            assert_explained(&Assumptions { layout: Some(&wrong), keys: &KEYS, ..Assumptions::about(&url) }, "mode");
        }
    }
    let (wrong, ntag_223) =
        (layout("https://a.b/?m={uid}x{ctr}x{mac}"), "https://a.b/?m=04C767F2066180x000003x3779793DFE592188");
    assert_explained(&Assumptions { layout: Some(&wrong), ..Assumptions::about(ntag_223) }, "mode");
}

#[test]
fn factory_keys_are_found() {
    for layout in [layout(TEMPLATES[0]), layout(TEMPLATES[7]), layout(TEMPLATES[3]), lrp(TEMPLATES[0])] {
        let url = tap_of(&layout, [0; 16], &SdmFileReadKey::FACTORY, UID, 3);
        let assumptions = Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) };
        assert_explained(&assumptions, "factory-key");
        assert_eq!(codes(&diagnose(&assumptions)), ["factory-key"]);
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), ..Assumptions::about(&url) });
        assert_eq!(
            (diagnosis.conclusion, codes(&diagnosis)),
            (Conclusion::Explained, vec!["new-chip"]),
            "no key was given"
        );
    }
    // Only one of the two keys is a factory key.
    let one = layout(TEMPLATES[0]);
    for (url, both) in [
        (tap_of(&one, [0; 16], &SdmFileReadKey::from_bytes(FILE), UID, 3), [true, false]),
        (tap_of(&one, META, &SdmFileReadKey::FACTORY, UID, 3), [false, true]),
    ] {
        let assumptions = Assumptions { layout: Some(&one), keys: &KEYS, ..Assumptions::about(&url) };
        assert_explained(&assumptions, "factory-key");
        assert_eq!(diagnose(&assumptions).findings(), [Finding::FactoryKey { meta: both[0], file: both[1] }]);
    }
}

#[test]
fn swapped_keys_are_found() {
    for layout in [layout(TEMPLATES[0]), layout(TEMPLATES[1]), lrp(TEMPLATES[0])] {
        let url = tap_of(&layout, FILE, &SdmFileReadKey::from_bytes(META), UID, 3);
        assert_explained(
            &Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) },
            "keys-swapped",
        );
    }
}

/// Only one of the two keys was given in the wrong role, so the keys are not swapped.
#[test]
fn one_key_in_the_wrong_role_is_not_a_swap() {
    let (spare, layout) = ([0x5A; 16], layout(TEMPLATES[0]));
    let keys = [KEYS[0], KEYS[1], GivenKey { name: "spare", key: &spare, role: Role::Any }];
    for (meta, file) in [(spare, META), (FILE, spare)] {
        let url = tap_of(&layout, meta, &SdmFileReadKey::from_bytes(file), UID, 3);
        let assumptions = Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) };
        assert_explained(&assumptions, "other-key");
        assert_eq!(codes(&diagnose(&assumptions)), ["other-key", "other-key"]);
    }
}

#[test]
fn one_key_in_both_roles_is_found() {
    for key in [META, FILE] {
        let layout = layout(TEMPLATES[0]);
        let url = tap_of(&layout, key, &SdmFileReadKey::from_bytes(key), UID, 3);
        assert_explained(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) }, "other-key");
    }
}

/// The given key is a master key.
#[test]
fn derived_file_key_is_found() {
    let (master_bytes, plain, picc) =
        ([0x77; 16], layout("https://a.b/?u={uid}&n={ctr}&c={mac}"), layout(TEMPLATES[0]));
    let keys = [
        GivenKey { name: "picc", key: &META, role: Role::Meta },
        GivenKey { name: "master", key: &master_bytes, role: Role::Any },
    ];
    let derived = |file: &SdmFileReadKey, expected: KeyDerivation<'static>| {
        for layout in [&plain, &picc] {
            let url = tap_of(layout, META, file, UID, 12);
            let assumptions = Assumptions { layout: Some(layout), keys: &keys, ..Assumptions::about(&url) };
            assert_explained(&assumptions, "derived-key");
            let source = KeySource::Derived { from: Some("master"), derivation: expected };
            assert_eq!(diagnose(&assumptions).findings(), [Finding::DerivedKey { role: Role::File, source }]);
        }
    };
    let master = MasterKey::from_bytes(master_bytes);
    let input = |aid: &'static [u8], suffix: &'static [u8]| DiversificationInput {
        uid: Some(UID),
        aid,
        suffix,
        ..DiversificationInput::default()
    };
    for input in [
        input(&[], &[]),
        input(&[], &[0x30, 0x42, 0xF5]),
        input(&[0x30, 0x42, 0xF5], b"NXP Abu"),
        input(&[0x30, 0x42, 0xF5], b"testing"),
        input(&[], &[0xD2, 0x76, 0, 0, 0x85, 1, 1, 2]),
    ] {
        let key = an10922::derive(&master, &[UID.as_bytes(), input.aid, input.suffix]).unwrap();
        derived(&key, KeyDerivation::An10922(input));
    }
    let issuer = IssuerKey::from_bytes(master_bytes);
    for version in [0, 1, 31] {
        derived(&boltcard::file_read_key(&issuer, UID, version), KeyDerivation::Boltcard { version });
    }
    let standard = Master::standard(&master_bytes).unwrap();
    derived(&standard.file_read_key(UID), KeyDerivation::SdmBackendStandard);
    let legacy = Master::legacy(&master_bytes).unwrap();
    derived(&legacy.file_read_key(UID), KeyDerivation::SdmBackendLegacy);
    // Many programs leave out the second block.
    let cmac = {
        use cmac::{Cmac, KeyInit as _, Mac as _};
        let mut mac = Cmac::<aes::Aes128>::new(&master_bytes.into());
        mac.update(&[0x01]);
        mac.update(UID.as_bytes());
        SdmFileReadKey::from_bytes(mac.finalize().into_bytes().into())
    };
    derived(&cmac, KeyDerivation::PlainCmac(input(&[], &[])));
}

/// Programs put the parts of the input in different orders, and take a part from the host of their URL.
#[test]
fn each_diversification_input_is_found() {
    let (uid, reversed) = (&UID.as_bytes()[..], &REVERSED.as_bytes()[..]);
    let (aid, aid_of_ndef) = (&[0x30, 0x42, 0xF5][..], &[0xD2, 0x76, 0, 0, 0x85, 1, 1][..]);
    let (shop, card) = (&b"shop"[..], "https://www.card.a.b:8/?u={uid}&n={ctr}&c={mac}");
    let inputs: &[(&str, &[&[u8]], &str)] = &[
        (card, &[shop, uid], "\"shop\" || UID"),
        (card, &[aid, uid, shop], "3042F5 || UID || \"shop\""),
        (card, &[uid, shop], "UID || \"shop\""),
        (card, &[uid, aid, shop], "UID || 3042F5 || \"shop\""),
        (card, &[uid, aid_of_ndef, shop], "UID || D2760000850101 || \"shop\""),
        (card, &[shop], "\"shop\""),
        (card, &[aid, shop], "3042F5 || \"shop\""),
        (card, &[aid, uid], "3042F5 || UID"),
        (card, &[uid, &[3]], "UID || 03"),
        (card, &[uid, &[0xF5, 0x42, 0x30]], "UID || F54230"),
        (card, &[reversed], "reversed UID"),
        (card, &[uid, b"www.card.a.b:8"], "UID || \"www.card.a.b:8\""),
        (card, &[uid, aid, b"card.a.b:8"], "UID || 3042F5 || \"card.a.b:8\""),
        (card, &[uid, b"www.card.a.b"], "UID || \"www.card.a.b\""),
        ("https://x.card.ab/?u={uid}&n={ctr}&c={mac}", &[uid, aid, b"card.ab"], "UID || 3042F5 || \"card.ab\""),
        (card, &[uid, b"NXP Abu"], "UID || \"NXP Abu\""),
        (card, &[uid, b"abc"], "UID || 616263"),
    ];
    let master = 0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F_u128.to_be_bytes();
    let keys = [GivenKey { name: "master", key: &master, role: Role::Any }];
    let suffixes: &[&[u8]] = &[shop, b"abc"];
    let source = |template: &str, file: SdmFileReadKey| {
        let url = tap_of(&layout(template), META, &file, UID, 5);
        let diagnosis = diagnose(&Assumptions { keys: &keys, suffixes, ..Assumptions::about(&url) });
        assert_eq!(codes(&diagnosis), ["derived-key"], "{diagnosis:?}");
        diagnosis.explanation.unwrap().file_key.unwrap().1.to_string()
    };
    for (template, parts, text) in inputs {
        let file = an10922::derive(&MasterKey::from_bytes(master), parts).unwrap();
        assert_eq!(source(template, file), format!("derived from the key \"master\" by AN10922 over {text}"));
    }
    let turned = SdmFileReadKey::from_bytes(0x0F0E_0D0C_0B0A_0908_0706_0504_0302_0100_u128.to_be_bytes());
    assert_eq!(source(card, turned), "derived from the key \"master\" by reversing its bytes");
}

/// Both keys are derived from the given one, as for Bolt Cards and sdm-backend.
#[test]
fn both_derived_keys_are_found() {
    let secret = [0x77; 16];
    let keys = [GivenKey { name: "issuer", key: &secret, role: Role::Any }];
    let bolt = layout("lnurlw://example.com?p={picc:uid,ctr}&c={mac}");
    let issuer = IssuerKey::from_bytes(secret);
    let meta = *boltcard::meta_read_key(&issuer).expose_bytes();
    let card = tap_of(&bolt, meta, &boltcard::file_read_key(&issuer, UID, 1), UID, 4);
    let mut urls = vec![card];
    for master in [Master::standard(&secret), Master::legacy(&secret)] {
        let master = master.unwrap();
        urls.push(tap_of(&bolt, *master.meta_read_key().expose_bytes(), &master.file_read_key(UID), UID, 4));
    }
    for url in urls {
        for layout in [Some(&bolt), None] {
            let assumptions = Assumptions { layout, keys: &keys, ..Assumptions::about(&url) };
            assert_explained(&assumptions, "derived-key");
            assert_eq!(codes(&diagnose(&assumptions)), ["derived-key", "derived-key"], "one for each key");
        }
    }
}

#[test]
fn wrong_mac_input_is_found() {
    let windows = [
        "https://a.b/t?u={uid}&n={ctr}&c={mac}",
        "https://a.b/t?u={uid}&n={ctr}&[[c={mac}",
        "https://a.b/t?u={uid}&[[n={ctr}&c={mac}",
        "https://a.b/t?u={uid}&n=[[{ctr}&c={mac}",
        "https://a.b/t?u=[[{uid}&n={ctr}&c={mac}",
        "https://a.b/t?[[u={uid}&n={ctr}&c={mac}",
        "https://a.b/[[t?u={uid}&n={ctr}&c={mac}",
        "https://[[a.b/t?u={uid}&n={ctr}&c={mac}",
        "https://a.b/t?u={uid}[[&n={ctr}&c={mac}",
        "https://a.b/t?u={uid}&n={ctr}&c[[={mac}",
    ];
    for right in windows {
        for wrong in windows.into_iter().filter(|wrong| *wrong != right) {
            let (url, wrong) = (tap(&layout(right), 5), layout(wrong));
            let assumptions = Assumptions { layout: Some(&wrong), keys: &KEYS, ..Assumptions::about(&url) };
            assert_explained(&assumptions, "mac-input");
            assert_eq!(diagnose(&assumptions).explanation.unwrap().layout.unwrap().template(), right);
        }
    }
    // A derived key is also found, although it is tried only with the likely starts of the MAC input.
    let key = an10922::derive(&MasterKey::from_bytes([0x77; 16]), &[UID.as_bytes()]).unwrap();
    let right = layout("https://a.b/?m={uid}x{ctr}x{mac}");
    let url = tap_of(&right, META, &key, UID, 5);
    let wrong = layout("https://a.b/?m=[[{uid}x{ctr}x{mac}");
    let keys = [GivenKey { name: "master", key: &[0x77; 16], role: Role::Any }];
    let diagnosis = diagnose(&Assumptions { layout: Some(&wrong), keys: &keys, ..Assumptions::about(&url) });
    assert_eq!(codes(&diagnosis), ["derived-key", "mac-input"]);
    assert_eq!(diagnosis.explanation.unwrap().layout, Some(right));
    // The MAC input begins at the file data or at the name of its parameter.
    let (with, without) =
        ("https://a.b/?p={picc}&e=[[{enc:32,tt@3}&cmac={mac}", "https://a.b/?p={picc}&[[e={enc:32,tt@3}&cmac={mac}");
    for (right, wrong) in [(with, without), (without, with)] {
        let (url, wrong) = (tap(&layout(right), 5), layout(wrong));
        let assumptions = Assumptions { layout: Some(&wrong), keys: &KEYS, ..Assumptions::about(&url) };
        assert_explained(&assumptions, "mac-input");
        assert_eq!(
            diagnose(&assumptions).explanation.unwrap().layout.unwrap().template(),
            right,
            "with its tamper status"
        );
    }
}

/// Returns a tap with a MAC that no chip computes.
fn tap_of_no_chip(prefix: &str, uid: Option<Uid>, ctr: Option<SdmReadCtr>, mac_bytes: Bytes) -> String {
    let cmac = MacKey::derive(&SdmFileReadKey::from_bytes(FILE).prepare(Scheme::Aes), uid, ctr).unwrap().cmac(b"");
    let bytes: Vec<u8> =
        cmac.into_iter().enumerate().filter(|(at, _)| mac_bytes(*at)).map(|(_, byte)| byte).take(8).collect();
    format!("{prefix}{}", base16ct::upper::encode_string(&bytes))
}

/// Returns `true` for the positions of the CMAC bytes that form the MAC.
type Bytes = fn(usize) -> bool;

const ODD: Bytes = |at| at % 2 == 1;

#[test]
fn reversed_counter_is_found() {
    for (shown, used) in [("00001E", 0x1E_0000), ("123456", 0x56_3412)] {
        let prefix = format!("https://a.b/?u={UID}&n={shown}&c=");
        let url = tap_of_no_chip(&prefix, Some(UID), SdmReadCtr::new(used), ODD);
        let layout = layout("https://a.b/?u={uid}&n={ctr}&c={mac}");
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(
            (diagnosis.conclusion, codes(&diagnosis)),
            (Conclusion::Explained, vec!["counter-byte-order"]),
            "{diagnosis:?}"
        );
        assert!(diagnosis.explanation.unwrap().layout.is_none(), "no chip writes this");
        // The remedy is to write the counter in the other byte order.
        let [a, b, c] = SdmReadCtr::new(used).unwrap().to_lsb_first();
        let corrected = url.replace(&format!("n={shown}"), &format!("n={c:02X}{b:02X}{a:02X}"));
        assert!(
            diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&corrected) })
                .is_healthy()
        );
    }
}

#[test]
fn wrong_mac_truncation_is_found() {
    let even: Bytes = |at| at % 2 == 0;
    let first: Bytes = |at| at < 8;
    let last: Bytes = |at| at >= 8;
    for (mac_bytes, words) in [(even, "bytes 0, 2"), (first, "the first 8"), (last, "the last 8")] {
        for ctr in [1, 0x01_0203] {
            let prefix = format!("https://a.b/?u={UID}&n={ctr:06X}&c=");
            let layout = layout("https://a.b/?u={uid}&n={ctr}&c={mac}");
            let url = tap_of_no_chip(&prefix, Some(UID), SdmReadCtr::new(ctr), mac_bytes);
            let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) });
            assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Explained, vec!["mac-truncation"]));
            assert!(diagnosis.findings()[0].to_string().contains(words), "{}", diagnosis.findings()[0]);
            let corrected = tap_of_no_chip(&prefix, Some(UID), SdmReadCtr::new(ctr), ODD);
            assert!(
                diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&corrected) })
                    .is_healthy()
            );
        }
    }
}

/// The UID or the counter in the URL is static text, so it is not in the session vector.
#[test]
fn static_uid_or_counter_is_found() {
    let both = layout("https://a.b/?u={uid}&n={ctr}&c={mac}");
    for (right, ctr) in
        [("https://a.b/?u=04112233445566&n={ctr}&c={mac}", 6), ("https://a.b/?u=04112233445566&n={ctr}&c={mac}", 77)]
    {
        let url = tap(&layout(right), ctr);
        assert_explained(
            &Assumptions { layout: Some(&both), keys: &KEYS, ..Assumptions::about(&url) },
            "session-vector",
        );
    }
    // The counter is static text: the tap is genuine and can be replayed forever.
    for window in ["c={mac}", "[[c={mac}"] {
        let right = layout(&format!("https://a.b/?u={{uid}}&n=000006&{window}"));
        let wrong = layout(&format!("https://a.b/?u={{uid}}&n={{ctr}}&{window}"));
        let url = tap(&right, 6);
        let assumptions = Assumptions { layout: Some(&wrong), keys: &KEYS, ..Assumptions::about(&url) };
        assert_explained(&assumptions, "session-vector");
        assert_eq!(codes(&diagnose(&assumptions)), ["session-vector", "no-counter"]);
    }
    // The UID is mirrored, but was removed from the URL.
    for ctr in [1, 2] {
        let url = tap(&both, ctr).replace(&format!("u={UID}&"), "");
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, uid: Some(UID), ..Assumptions::about(&url) });
        assert_eq!(
            diagnosis.findings(),
            [Finding::SessionVector { uid: true, ctr: true, is_encrypted: false }],
            "{diagnosis:?}"
        );
    }
}

#[test]
fn lower_case_digits_give_a_remark() {
    for template in [TEMPLATES[0], TEMPLATES[1]] {
        let layout = layout(template);
        let url = tap(&layout, 300);
        let (static_text, digits) = url.split_at(url.find('=').unwrap());
        let lower = format!("{static_text}{}", digits.to_ascii_lowercase());
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&lower) });
        assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Healthy, vec!["hex-case"]), "{diagnosis:?}");
        assert!(verifies(&diagnosis, &lower));
    }
}

/// The MAC covers text that was changed to lower case.
#[test]
fn changed_case_is_found() {
    for template in ["https://a.b/Tap?[[Uid={uid}&Ctr={ctr}&Mac={mac}", "https://[[a.b/TAP?u={uid}&n={ctr}&c={mac}"] {
        let layout = layout(template);
        let url = tap(&layout, 3).to_ascii_lowercase();
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(
            (diagnosis.conclusion, codes(&diagnosis)[0]),
            (Conclusion::Explained, "case-changed"),
            "{diagnosis:?}"
        );
    }
}

#[test]
fn uncovered_tamper_status_is_found() {
    for template in ["https://a.b/?tt={tt}&u=[[{uid}&n={ctr}&c={mac}", "https://a.b/?p={picc}&tt={tt}&c={mac}"] {
        let layout = layout(template);
        let url = tap(&layout, 3);
        assert_explained(
            &Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) },
            "tamper-not-covered",
        );
        // Without a layout, the two letters are taken for a status.
        let without_layout = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!((codes(&without_layout), verifies(&without_layout, &url)), (vec!["tamper-not-covered"], true));
    }
    let covered = layout("https://a.b/?tt=[[{tt}&u={uid}&n={ctr}&c={mac}");
    let meta = SdmMetaReadKey::from_bytes(META);
    let mut tag =
        EmulatedTag::new(&covered, &TagTexts::default(), meta, SdmFileReadKey::from_bytes(FILE), UID).unwrap();
    tag.open_seal();
    let url = tag.tap().unwrap();
    let diagnosis = diagnose(&Assumptions { layout: Some(&covered), keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Healthy, vec!["seal-opened"]));
    // A status that the MAC covers is also found without a layout.
    let without_layout = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!(without_layout.explanation.unwrap().layout.unwrap(), covered);
}

#[test]
fn second_tap_shows_how_the_counter_changes() {
    let layout = layout(TEMPLATES[0]);
    let (first, later, much_later) = (tap(&layout, 5), tap(&layout, 6), tap(&layout, 900));
    let other = tap_of(&layout, META, &SdmFileReadKey::from_bytes(FILE), OTHER, 7);
    let forged = altered(&later);
    let cases = [
        (&first, &later, Conclusion::Healthy, Finding::CounterRunning { reads: 1 }),
        (&first, &much_later, Conclusion::Healthy, Finding::CounterRunning { reads: 895 }),
        (&first, &first, Conclusion::Explained, Finding::CounterStuck),
        (&later, &first, Conclusion::Explained, Finding::CounterBack),
        (&first, &other, Conclusion::Explained, Finding::SecondOfOther { uid: OTHER }),
        (&first, &forged, Conclusion::Explained, Finding::SecondDiffers),
        (&forged, &later, Conclusion::Unexplained, Finding::Altered),
    ];
    for (url, second, conclusion, finding) in cases {
        let assumptions =
            Assumptions { layout: Some(&layout), keys: &KEYS, second_url: Some(second), ..Assumptions::about(url) };
        let diagnosis = diagnose(&assumptions);
        assert_eq!((diagnosis.conclusion, diagnosis.findings().first()), (conclusion, Some(&finding)), "{diagnosis:?}");
    }
}

/// A valid tap of another tag does not show that this tap was altered.
#[test]
fn second_tap_of_another_tag_shows_nothing() {
    for (template, finding) in [(TEMPLATES[0], Finding::FileKey { uid: Some(UID) }), (TEMPLATES[3], Finding::NoMatch)] {
        let layout = layout(template);
        let altered = altered(&tap(&layout, 5));
        for (uid, expected) in [(UID, Finding::Altered), (OTHER, finding)] {
            let second = tap_of(&layout, META, &SdmFileReadKey::from_bytes(FILE), uid, 6);
            let assumptions = Assumptions {
                layout: Some(&layout),
                keys: &KEYS,
                second_url: Some(&second),
                ..Assumptions::about(&altered)
            };
            assert_eq!(diagnose(&assumptions).findings().first(), Some(&expected), "{template} {uid}");
        }
    }
}

/// If each tag has its own key, a later tap of another tag is distinguished from an altered tap.
#[test]
fn two_taps_under_derived_keys() {
    let master_bytes = [0x77; 16];
    let master = MasterKey::from_bytes(master_bytes);
    let layout = layout(TEMPLATES[0]);
    let tap_under_own_key = |uid: Uid, ctr| {
        let key = an10922::derive(&master, &[uid.as_bytes()]).unwrap();
        tap_of(&layout, META, &key, uid, ctr)
    };
    let keys = [KEYS[0], GivenKey { name: "master", key: &master_bytes, role: Role::Any }];
    let first = tap_under_own_key(UID, 5);
    let second = |second: &str| {
        let assumptions =
            Assumptions { layout: Some(&layout), keys: &keys, second_url: Some(second), ..Assumptions::about(&first) };
        diagnose(&assumptions).findings().last().map(ToString::to_string)
    };
    let text_of = |finding: Finding<'_>| Some(finding.to_string());
    assert_eq!(second(&tap_under_own_key(UID, 6)), text_of(Finding::CounterRunning { reads: 1 }));
    assert_eq!(second(&tap_under_own_key(OTHER, 6)), text_of(Finding::SecondOfOther { uid: OTHER }));
    let altered = altered(&tap_under_own_key(UID, 6));
    assert_eq!(second(&altered), text_of(Finding::SecondDiffers));
    // If all tags share one key, a second tap that does not verify is not reported as a tap of another tag.
    let unknown_key = tap_of(&layout, META, &SdmFileReadKey::from_bytes([0xAB; 16]), OTHER, 6);
    let first = tap(&layout, 5);
    let diagnosis = diagnose(&Assumptions {
        layout: Some(&layout),
        keys: &KEYS,
        second_url: Some(&unknown_key),
        ..Assumptions::about(&first)
    });
    assert_eq!(diagnosis.findings(), [Finding::SecondDiffers]);
}

/// If two keys have the same bytes, the finding names the one with the right role.
#[test]
fn keys_are_named_by_their_role() {
    let layout = layout(TEMPLATES[0]);
    let url = tap_of(&layout, META, &SdmFileReadKey::from_bytes(META), UID, 5);
    let key = |name, role| GivenKey { name, key: &META, role };
    for keys in [[key("f", Role::File), key("m", Role::Meta)], [key("m", Role::Meta), key("f", Role::File)]] {
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
        assert!(diagnosis.is_healthy());
        let explanation = diagnosis.explanation.unwrap();
        assert_eq!(
            (explanation.meta_key.unwrap().1, explanation.file_key.unwrap().1),
            (KeySource::Given("m"), KeySource::Given("f"))
        );
    }
}

/// One NTAG 22x tap has a status that the MAC covers. The other has letters that look like a status.
#[test]
fn ntag_22x_is_found() {
    let detect = SdmLayout::new(Scheme::Suncmac, "https://a.b/?m={uid}x{ctr}x{tt}x{mac}").unwrap();
    let plain = SdmLayout::new(Scheme::Suncmac, "https://a.b/?k=CC&m={uid}x{ctr}x{mac}").unwrap();
    // The taps are pub-ntag22x_suncmac-0014 and -0002 of the vectors.
    let key = 0xc067_792b_6b15_6e9e_0abb_fd2a_b7b2_d796_u128.to_be_bytes();
    let keys = [
        GivenKey { name: "mac", key: &key, role: Role::File },
        GivenKey { name: "zero", key: &[0; 16], role: Role::File },
    ];
    for (layout, url) in [
        (&detect, "https://a.b/?m=048B957C8EB480x123456xCO13BE923AxA7170487B1478AE0"),
        (&plain, "https://a.b/?k=CC&m=04C767F2066180x000003x3779793DFE592188"),
    ] {
        for assumed in [Some(layout), None] {
            let diagnosis = diagnose(&Assumptions { layout: assumed, keys: &keys, ..Assumptions::about(url) });
            if assumed.is_none() && layout == &detect {
                // Nothing in the URL says that the ten characters are a status.
                assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Unexplained, vec!["no-match"]));
                continue;
            }
            let faults: &[&str] = if layout == &detect { &[] } else { &["factory-key"] };
            assert_eq!(codes(&diagnosis), faults, "{url} {diagnosis:?}");
            assert_eq!(diagnosis.explanation.unwrap().layout.as_ref(), Some(layout));
        }
    }
}

/// A layout of another chip can have a tamper status of two characters, which an NTAG 22x does not write.
#[test]
fn ntag_22x_is_found_with_the_layout_of_another_chip() {
    let key = 0xc067_792b_6b15_6e9e_0abb_fd2a_b7b2_d796_u128.to_be_bytes();
    let keys = [
        GivenKey { name: "mac", key: &[0; 16], role: Role::File },
        GivenKey { name: "other", key: &key, role: Role::File },
    ];
    let (url, layout) = (
        "https://a.b/?k=CC&m=04C767F2066180x000003x3779793DFE592188",
        layout("https://a.b/?k={tt}&m={uid}x{ctr}x{mac}"),
    );
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(url) });
    assert_eq!(diagnosis.findings().first(), Some(&Finding::Mode { actual: Scheme::Suncmac }), "{diagnosis:?}");
}

/// The longest URL that a chip can write is searched.
#[test]
fn longest_url_is_searched() {
    let layout = layout(&format!("https://www.{}/{{uid}}/{{ctr}}/{{mac}}", "a".repeat(261 - 12 - 14 - 6 - 16 - 3)));
    let url = tap(&layout, 5);
    assert_eq!(url.len(), 261);
    assert!(diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) }).is_healthy());
    let altered = altered(&url);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&altered) });
    assert_eq!(codes(&diagnosis), ["no-match"]);
}

/// Keys without a role give a finding only if none of them fits the tap.
#[test]
fn keys_that_do_not_fit_are_found() {
    let any = |key| [GivenKey { name: "any", key, role: Role::Any }];
    for (template, meta) in [(TEMPLATES[0], true), (TEMPLATES[3], false)] {
        let layout = layout(template);
        let url = tap_of(&layout, [0; 16], &SdmFileReadKey::FACTORY, UID, 5);
        let keys = any(&META);
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.findings(), [Finding::FactoryKey { meta, file: true }], "{template}");
    }
    let layout = layout(TEMPLATES[0]);
    let url = tap_of(&layout, META, &SdmFileReadKey::FACTORY, UID, 5);
    let keys = any(&META);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
    assert_eq!(diagnosis.findings(), [Finding::FactoryKey { meta: false, file: true }], "one of the keys fits");
}

#[test]
fn replay_is_found() {
    for (template, ctr, stored) in [(TEMPLATES[0], 5, 5), (TEMPLATES[0], 5, 9), (TEMPLATES[3], 1, 400)] {
        let layout = layout(template);
        let url = tap(&layout, ctr);
        let stored = SdmReadCtr::new(stored).unwrap();
        assert_explained(
            &Assumptions { layout: Some(&layout), keys: &KEYS, stored_ctr: Some(stored), ..Assumptions::about(&url) },
            "counter-behind",
        );
        let before = SdmReadCtr::new(ctr - 1);
        assert!(
            diagnose(&Assumptions {
                layout: Some(&layout),
                keys: &KEYS,
                stored_ctr: before,
                ..Assumptions::about(&url)
            })
            .is_healthy()
        );
    }
}

#[test]
fn tap_of_another_tag_is_found() {
    for layout in [layout(TEMPLATES[0]), layout(TEMPLATES[3])] {
        let url = tap(&layout, 5);
        assert_explained(
            &Assumptions { layout: Some(&layout), keys: &KEYS, uid: Some(OTHER), ..Assumptions::about(&url) },
            "other-tag",
        );
    }
}

#[test]
fn missing_or_zero_counter_is_found() {
    for template in ["https://a.b/?p={picc:uid}&c={mac}", "https://a.b/?u={uid}&c={mac}"] {
        let layout = layout(template);
        let url = tap(&layout, 5);
        assert_explained(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) }, "no-counter");
    }
    let zero = tap_of_no_chip(&format!("https://a.b/?u={UID}&n=000000&c="), Some(UID), SdmReadCtr::new(0), ODD);
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&zero) });
    assert_eq!(codes(&diagnosis), ["counter-zero"]);
}

/// The URL does not match the layout: it has other parameter names, another order or host, or a tracking parameter at
/// its end. The right layout is found.
#[test]
fn wrong_layout_is_found() {
    let assumed = layout("https://a.b/?p={picc:uid,ctr}&c={mac}");
    for right in [
        "https://a.b/?picc_data={picc:uid,ctr}&cmac={mac}",
        "https://a.b/?c={mac}&p={picc}",
        "https://x.y/{picc}/{mac}",
    ] {
        let url = tap(&layout(right), 8);
        assert_explained(&Assumptions { layout: Some(&assumed), keys: &KEYS, ..Assumptions::about(&url) }, "layout");
    }
    let tracked = format!("{}&utm_source=nfc", tap(&assumed, 8));
    let assumptions = Assumptions { layout: Some(&assumed), keys: &KEYS, ..Assumptions::about(&tracked) };
    let diagnosis = diagnose(&assumptions);
    assert_eq!(
        (diagnosis.conclusion, diagnosis.findings()),
        (Conclusion::Explained, &[Finding::Layout(Malformed::Trailing)][..])
    );
    assert!(verifies(&diagnosis, &tap(&assumed, 8)), "without the tracking parameter, the assumed layout is right");
}

/// The assumed layout is still used if the URL has a tracking parameter or another host.
#[test]
fn layout_stays_despite_tracker_or_other_host() {
    for template in [
        "https://a.b/t/{uid}{ctr}{mac}",
        "https://a.b/c{picc}/{mac}",
        "https://a.b/?x=[[{tt}{uid}x{ctr}x{mac}",
        "https://a.b/u{uid}c{ctr}m{mac}",
        "https://a.b/?z=123456&n={ctr}&u={uid}&c={mac}",
        "https://a.b/t/{uid}/decade/{ctr}/{mac}",
        "https://a.b/?d=20251122113112&u={uid}&n={ctr}&c={mac}",
        "https://a.b/?p={picc}&tt=[[{enc:32,tt@3}{mac}",
    ] {
        let layout = layout(template);
        let url = tap(&layout, 5);
        for (other, error) in [
            (format!("{url}&utm_source=nfc&gclid=0123456789ABCDEF0123456789ABCDEF"), Malformed::Trailing),
            (format!("{url}#x"), Malformed::Trailing),
            (url.replace("https://a.b", "http://www.other.example"), Malformed::StaticText { at: 4 }),
        ] {
            let assumptions = Assumptions {
                layout: Some(&layout),
                keys: &KEYS,
                second_url: Some(&other),
                ..Assumptions::about(&other)
            };
            let diagnosis = diagnose(&assumptions);
            assert_eq!(diagnosis.findings().first(), Some(&Finding::Layout(error)), "{other} {diagnosis:?}");
            let found = diagnosis.explanation.as_ref().unwrap().layout.as_ref().unwrap();
            let moved = template.replace("https://a.b", "http://www.other.example");
            assert_eq!(found.template(), if error == Malformed::Trailing { template } else { &moved });
            assert_eq!(codes(&diagnosis), ["layout", "counter-stuck"]);
        }
    }
}

/// A tap is healthy only if the assumed layout and keys verify it.
#[test]
fn wrong_assumptions_are_never_healthy() {
    let file = SdmFileReadKey::from_bytes(FILE);
    let pairs = [
        ("https://a.b/?p={picc:uid,ctr}&c={mac}", "https://a.b/?p={picc:uid}&c={mac}", "parts"),
        ("https://a.b/?p={picc:uid}&c={mac}", "https://a.b/?p={picc:uid,ctr}&c={mac}", "parts"),
        ("https://a.b/?a=[[{enc:32}&b={picc}&c={mac}", "https://a.b/?a=[[{picc}&b={enc:32}&c={mac}", "parts"),
        ("https://a.b/?u={uid}&n={ctr}&c={mac}", "https://a.b/?u={uid}&n={ctr}&c[[={mac}", "mac-input"),
    ];
    for (right, assumed, code) in pairs {
        let (right, assumed) = (layout(right), layout(assumed));
        let url = tap_of(&right, META, &file, UID, 5);
        let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!((diagnosis.conclusion, codes(&diagnosis)[0]), (Conclusion::Explained, code), "{url} {diagnosis:?}");
        assert!(verifies(&diagnosis, &url));
    }
    // A zero key or a key without a role among the given keys does not make a wrong key right.
    let layout = layout(TEMPLATES[0]);
    let zeros = tap_of(&layout, [0; 16], &SdmFileReadKey::FACTORY, UID, 5);
    let same = tap_of(&layout, META, &SdmFileReadKey::from_bytes(META), UID, 5);
    let key = |name, key, role| GivenKey { name, key, role };
    for (url, keys, expected) in [
        (&zeros, [key("zero", &[0; 16], Role::Any), key("file", &FILE, Role::File)], "factory-key"),
        (&zeros, [key("meta", &[0; 16], Role::Meta), key("file", &FILE, Role::File)], "factory-key"),
        (&same, [key("spare", &META, Role::Any), key("file", &FILE, Role::File)], "other-key"),
    ] {
        assert_explained(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(url) }, expected);
    }
    let right = tap(&layout, 5);
    let twins = [key("k", &META, Role::Meta), key("k", &FILE, Role::File)];
    assert!(diagnose(&Assumptions { layout: Some(&layout), keys: &twins, ..Assumptions::about(&right) }).is_healthy());
}

/// A country code is not mistaken for a tamper status. Plain mirrors without separators are not mistaken for a broken
/// PICCData.
#[test]
fn lookalikes_are_ignored() {
    for template in [
        "https://a.b/CO/t?p={picc}&c={mac}",
        "https://a.b/?country=CO&p={picc}&c={mac}",
        "https://a.b/?x=II&p={picc}&c={mac}",
    ] {
        let url = tap(&layout(template), 5);
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!((diagnosis.conclusion, codes(&diagnosis)), (Conclusion::Healthy, vec![]), "{url}");
        assert_eq!(diagnosis.explanation.unwrap().layout.unwrap().template(), template);
    }
    for template in ["https://a.b/t/{uid}{ctr}{mac}", "https://a.b/t?x={ctr}{mac}"] {
        let url = tap(&layout(template), 5);
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(
            (diagnosis.conclusion, verifies(&diagnosis, &url)),
            (Conclusion::Healthy, true),
            "{url} {diagnosis:?}"
        );
    }
    let (bulk, unknown_key) = (layout("https://a.b/t/{uid}{ctr}{mac}"), SdmFileReadKey::from_bytes([0xAB; 16]));
    let url = tap_of(&bulk, META, &unknown_key, UID, 5);
    assert_eq!(
        codes(&diagnose(&Assumptions { layout: Some(&bulk), keys: &KEYS, ..Assumptions::about(&url) })),
        ["no-match"]
    );
}

/// If a PICCData without UID opens, the finding is that the file key is missing.
#[test]
fn picc_data_without_uid_opens() {
    let (counted, unknown_key) = (layout("https://a.b/?p={picc:ctr}&c={mac}"), SdmFileReadKey::from_bytes([0xAB; 16]));
    for ctr in [1, 77] {
        let url = tap_of(&counted, META, &unknown_key, UID, ctr);
        let diagnosis = diagnose(&Assumptions { layout: Some(&counted), keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.findings(), [Finding::FileKey { uid: None }], "{diagnosis:?}");
    }
}

/// SDMMACInputOffset is wrong, and no layout can express it.
#[test]
fn mac_input_inside_a_mirror_is_a_fault() {
    for (shown, from) in [("04112233445566", 4), ("04112233445566", 9)] {
        let prefix = format!("https://a.b/?u={shown}&n=000005&c=");
        let input = &prefix[prefix.find(shown).unwrap() + from..];
        let key = SdmFileReadKey::from_bytes(FILE).prepare(Scheme::Aes);
        let cmac = MacKey::derive(&key, Some(UID), SdmReadCtr::new(5)).unwrap().cmac(input.as_bytes());
        let mac: Vec<u8> = cmac.into_iter().skip(1).step_by(2).collect();
        let url = format!("{prefix}{}", base16ct::upper::encode_string(&mac));
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(
            (diagnosis.conclusion, codes(&diagnosis)),
            (Conclusion::Explained, vec!["mac-input-inside"]),
            "{diagnosis:?}"
        );
    }
}

/// A MAC of zeros is found regardless of static digits in the URL.
#[test]
fn mac_of_zeros_is_not_mirrored() {
    let layout = layout(TEMPLATES[0]);
    for id in ["", "&id=0123456789ABCDEF"] {
        let url = tap(&layout, 5);
        let blank = format!("{}{}", &url[..url.len() - 16], "0".repeat(16)).replace('?', &format!("?x=1{id}&"));
        assert_eq!(
            codes(&diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&blank) })),
            ["mac-not-mirrored"],
            "{blank}"
        );
    }
}

/// The findings on an unexplained tap say what the URL shows.
#[test]
fn unexplained_taps_have_findings() {
    let assumed = layout(TEMPLATES[0]);
    let unknown_key = SdmFileReadKey::from_bytes([0xAB; 16]);
    let unexplained = |url: &str, expected: Finding<'_>| {
        for layout in [Some(&assumed), None] {
            let diagnosis = diagnose(&Assumptions { layout, keys: &KEYS, ..Assumptions::about(url) });
            assert_eq!(
                (diagnosis.conclusion, diagnosis.findings().first()),
                (Conclusion::Unexplained, Some(&expected)),
                "{url} {diagnosis:?}"
            );
            assert!(diagnosis.explanation.is_none() && !diagnosis.is_healthy());
        }
    };
    for ctr in [1, 2] {
        unexplained(&tap_of(&assumed, META, &unknown_key, UID, ctr), Finding::FileKey { uid: Some(UID) });
        unexplained(&tap_of(&assumed, [0xAB; 16], &unknown_key, UID, ctr), Finding::MetaKey);
    }
    let blank = "https://example.com/t?picc_data=00000000000000000000000000000000&cmac=0000000000000000";
    unexplained(blank, Finding::NotMirrored);
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about("https://example.com/t?hello=world") });
    assert_eq!(codes(&diagnosis), ["no-mac"]);
    // Without a MAC in the URL, nothing shows that the digits were meant to be a PICCData.
    let alone = format!("https://example.com/t?id={}", "7".repeat(30));
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&alone) });
    assert!(!codes(&diagnosis).contains(&"picc-data-length"), "{diagnosis:?}");
    let plain = tap_of(&layout("https://a.b/?u={uid}&n={ctr}&c={mac}"), META, &unknown_key, UID, 3);
    assert_eq!(codes(&diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&plain) })), ["no-match"]);
}

/// The placeholder has the wrong length. With 30 characters, the last byte is lost or the tag overwrites the next
/// parameter name.
#[test]
fn picc_data_of_wrong_length_is_found() {
    let assumed = layout("https://a.b/?picc_data={picc}&cmac={mac}");
    let right = tap(&assumed, 4);
    let (head, rest) = right.split_at(right.find("&cmac").unwrap());
    let lost = format!("{}{rest}", &head[..head.len() - 2]);
    let over = format!("{head}{}", &rest[2..]);
    let hexadecimal = right.replace("&cmac=", "c=");
    let long = format!("{head}00{rest}");
    for (url, digits) in [(lost, 30), (long, 34), (over, 32), (hexadecimal, 33)] {
        let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), keys: &KEYS, ..Assumptions::about(&url) });
        if digits == 32 || digits == 33 {
            // The PICCData is complete. It overwrote a part of the name after it, of which 33 digits seem to be left.
            assert!(diagnosis.findings().iter().any(|finding| finding.code() == "layout"), "{url} {diagnosis:?}");
            continue;
        }
        assert_eq!(diagnosis.findings().first(), Some(&Finding::PiccDataLength { digits }), "{url} {diagnosis:?}");
        let of_keys = ["meta-key", "file-key", "no-match"];
        assert!(
            codes(&diagnosis).iter().all(|code| !of_keys.contains(code)),
            "an incomplete PICCData gives no finding about keys"
        );
    }
}

// Cases from public posts and issues.

/// Source: nfc-developer/sdm-backend issue 31. The PICCData has 30 digits.
#[test]
fn picc_data_with_30_digits() {
    for url in [
        "https://sdm.example/tag?picc_data=EF963FF7828658A599F3041510671E&cmac=94EED9EE65337086",
        "https://sdm.example/tag?picc_data=FD91EC264309878BE6345CBE53BADF&enc=CEE9A53E3E463EF1F459635736738962&cmac=ECC1E7F6C6C73BF6",
    ] {
        let diagnosis = diagnose(&Assumptions::about(url));
        assert_eq!(diagnosis.findings().first(), Some(&Finding::PiccDataLength { digits: 30 }), "{diagnosis:?}");
        assert!(diagnosis.findings()[0].to_string().contains("It has 32"));
    }
}

/// Source: reddit.com/r/NFC, 1hj6v2p. The tag has plain mirrors, the zero key, and a MAC input that begins at the UID.
#[test]
fn plain_tap_whose_mac_covers_the_uid() {
    let url = "https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3";
    let assumed = layout("https://example.com/?uid={uid}&ctr={ctr}&mac={mac}");
    let keys = [GivenKey { name: "zero", key: &[0; 16], role: Role::Any }];
    let assumptions = Assumptions { layout: Some(&assumed), keys: &keys, ..Assumptions::about(url) };
    assert_explained(&assumptions, "mac-input");
    let covered = "04494ACAFD1990&ctr=00001E&mac=";
    let factory = Finding::FactoryKey { meta: false, file: true };
    assert_eq!(diagnose(&assumptions).findings(), [Finding::MacInput { covered }, factory]);
}

/// "Works with zero keys, fails with mine": the given key is an sdm-backend master key, for either derivation.
#[test]
fn custom_key_is_a_master_key() {
    let secret = [0xC9; 16];
    let assumed = layout("https://sdm.example/tag?picc_data={picc}&cmac={mac}");
    for master in [Master::standard(&secret), Master::legacy(&secret)] {
        let master = master.unwrap();
        let url = tap_of(&assumed, *master.meta_read_key().expose_bytes(), &master.file_read_key(UID), UID, 2);
        let keys = [GivenKey { name: "mine", key: &secret, role: Role::Any }];
        assert_explained(
            &Assumptions { layout: Some(&assumed), keys: &keys, ..Assumptions::about(&url) },
            "derived-key",
        );
    }
}

/// Source: nfc-developer/sdm-backend issue 46. The tap of AN12196 fails with other file data and verifies with its own.
#[test]
fn file_data_of_another_tap() {
    let good = "https://www.my424dna.com/?picc_data=FDE4AFA99B5C820A2C1BB0F1C792D0EB&enc=94592FDE69FA06E8E3B6CA686A22842B\
                &cmac=C48B89C17A233B2C";
    let bad = good.replace("94592FDE69FA06E8E3B6CA686A22842B", "5F6F7965BAD8FA5FE7009D5A7D493BD5");
    let layout = layout("https://www.my424dna.com/?picc_data={picc}&enc=[[{enc}&cmac={mac}");
    let healthy = diagnose(&Assumptions { layout: Some(&layout), ..Assumptions::about(good) });
    assert_eq!(codes(&healthy), ["new-chip"]);
    let diagnosis =
        diagnose(&Assumptions { layout: Some(&layout), second_url: Some(good), ..Assumptions::about(&bad) });
    assert_eq!(diagnosis.conclusion, Conclusion::Unexplained);
    assert_eq!(
        codes(&diagnosis),
        ["altered", "file-key", "factory-key"],
        "the other tap shows that the keys are right"
    );
    let third = "https://www.my424dna.com/?picc_data=6107DD7607B179270EAFFCA2F0911940&enc=37C1E399E0948BEA54138F92DDD1E743\
                 &cmac=0406016621FC6AC6";
    let third = diagnose(&Assumptions { layout: Some(&layout), ..Assumptions::about(third) });
    assert_eq!(codes(&third), ["new-chip"]);
}

/// A seal that is open, was opened, or was not measured gives a remark.
#[test]
fn the_state_of_the_seal_is_a_remark() {
    let layout = layout("https://a.b/?t=[[{tt}&u={uid}&n={ctr}&c={mac}");
    let (meta, file) = (SdmMetaReadKey::from_bytes(META), SdmFileReadKey::from_bytes(FILE));
    let closed = EmulatedTag::new(&layout, &TagTexts::default(), meta, file, UID).unwrap();
    let mut opened = closed.clone();
    opened.open_seal();
    let mut closed_again = opened.clone();
    closed_again.close_seal();
    let unsealed = closed.clone().without_seal();
    let remarks = [
        (closed, None),
        (opened, Some("seal-opened")),
        (closed_again, Some("seal-opened")),
        (unsealed, Some("seal-not-measured")),
    ];
    for (mut tag, remark) in remarks {
        let url = tag.tap().unwrap();
        for layout in [None, Some(&layout)] {
            let diagnosis = diagnose(&Assumptions { layout, keys: &KEYS, ..Assumptions::about(&url) });
            assert!(diagnosis.is_healthy() && codes(&diagnosis) == Vec::from_iter(remark), "{url}: {diagnosis:?}");
        }
    }
}

/// The tag itself can write `%XX`. If the MAC covers it, the URL was not encoded by somebody else.
#[test]
fn percent_signs_of_the_tag_are_no_fault() {
    for start in ["[[q=a%2Fb&u={uid}", "q=a%2Fb&u=[[{uid}"] {
        let layout = layout(&format!("https://a.b/t?{start}&n={{ctr}}&c={{mac}}"));
        let url = tap(&layout, 5);
        let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
        if start.starts_with('[') {
            assert!(codes(&diagnosis).is_empty() && verifies(&diagnosis, &url), "{diagnosis:?}");
        } else {
            // Both texts have this MAC.
            assert_eq!(codes(&diagnosis), ["percent-encoded"]);
        }
    }
}

/// The text that the MAC covers is that of the original URL, although a repair moves it.
#[test]
fn covered_text_is_found_after_a_repair() {
    let (right, wrong) =
        (layout("https://a.b/t?u=[[{uid}&n={ctr}&c={mac}"), layout("https://a.b/t?u={uid}&n={ctr}&c=[[{mac}"));
    let covered = "04112233445566&n=000005&c=";
    for url in [tap(&right, 5), format!("Tapped: {}", tap(&right, 5))] {
        let diagnosis = diagnose(&Assumptions { layout: Some(&wrong), keys: &KEYS, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.findings().last(), Some(&Finding::MacInput { covered }), "{diagnosis:?}");
    }
}

/// Programs that reverse the UID derive another session key.
#[test]
fn reversed_uid_is_found() {
    let url = tap_of_no_chip(&format!("https://a.b/?u={UID}&n=000005&c="), Some(REVERSED), SdmReadCtr::new(5), ODD);
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!(codes(&diagnosis), ["uid-byte-order"], "{diagnosis:?}");
}

/// In LRP mode, the last digits of the PICCData look like a MAC.
#[test]
fn missing_mac_is_found_in_lrp_mode() {
    let url = tap(&lrp("https://a.b/?p={picc}&c={mac}"), 5);
    let url = &url[..url.find("&c=").unwrap()];
    assert_eq!(codes(&diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(url) })), ["no-mac"]);
}

/// A wrong layout does not explain why no key gives the MAC.
#[test]
fn wrong_layout_and_wrong_key_are_found() {
    let tag = layout("https://a.b/?p={picc}&c={mac}");
    let url = tap_of(&tag, META, &SdmFileReadKey::from_bytes([0xAB; 16]), UID, 5);
    let assumed = layout("https://a.b/?q={picc}&c={mac}");
    let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!(codes(&diagnosis), ["layout", "file-key"], "{diagnosis:?}");
}

/// If two keys decrypt the PICCData, the content is that of the first key.
#[test]
fn first_key_that_decrypts_counts() {
    let layout = layout("https://a.b/?p={picc}&c={mac}");
    let url = altered(&tap(&layout, 5));
    let uid_under = |key: [u8; 16]| {
        let opened = layout.parse(&url).unwrap().open(&SdmMetaReadKey::from_bytes(key).prepare(Scheme::Aes));
        opened.ok()?.uid().filter(|uid| uid.as_bytes()[0] == 0x04)
    };
    let (other, uid) = (1u128..).map(u128::to_be_bytes).find_map(|key| Some((key, uid_under(key)?))).unwrap();
    assert_ne!(uid, UID);
    let other = GivenKey { name: "other", key: &other, role: Role::Meta };
    for (keys, expected) in [([KEYS[0], other], UID), ([other, KEYS[0]], uid)] {
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.contents.unwrap().uid, Some(expected));
    }
}

/// Zeros after a placeholder are static text if the layout has them.
#[test]
fn zeros_of_the_layout_are_no_placeholder() {
    let layout = layout("https://a.b/?p={picc}00&c={mac}00");
    let url = tap(&layout, 5);
    assert!(diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) }).is_healthy());
}

/// Without a right MAC, the content is what the keys decrypt, and it is not proven.
#[test]
fn content_of_an_altered_tap_is_shown() {
    let contents = |template: &str, uid: Uid| {
        let layout = layout(template);
        // Reversing its bytes gives another key.
        let key = 0x0001_0203_0405_0607_0809_0A0B_0C0D_0E0F_u128.to_be_bytes();
        let keys = [GivenKey { name: "picc", key: &key, role: Role::Meta }, KEYS[1]];
        let (meta, file) = (SdmMetaReadKey::from_bytes(key), SdmFileReadKey::from_bytes(FILE));
        let url = EmulatedTag::new(&layout, &TagTexts::default(), meta, file, uid).unwrap().tap().unwrap();
        let url = altered(&url);
        let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
        assert_eq!(diagnosis.conclusion, Conclusion::Unexplained);
        let contents = diagnosis.contents.unwrap();
        assert!(!contents.is_proven);
        (contents.uid, contents.ctr.map(SdmReadCtr::get), contents.tt_status, contents.file_data().to_vec())
    };
    let text = b"CC00000000000000".to_vec();
    // Not a UID of NXP, but the key is given for this purpose.
    let foreign = Uid::from_bytes([0x05, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]);
    for (template, uid, expected) in [
        ("https://a.b/?p={picc}&e=[[{enc:32,tt@0}&c={mac}", UID, (Some(UID), Some(1), Some(*b"CC"), text)),
        ("https://a.b/?p={picc:uid,ctr}&c={mac}", foreign, (Some(foreign), Some(1), None, Vec::new())),
        ("https://a.b/?u={uid}&t=[[{tt}&c={mac}", UID, (Some(UID), None, Some(*b"CC"), Vec::new())),
        ("https://a.b/?u={uid}&n={ctr}&c={mac}", UID, (Some(UID), Some(1), None, Vec::new())),
    ] {
        assert_eq!(contents(template, uid), expected, "{template}");
    }
}

/// A `://` without a scheme before it begins no URL.
#[test]
fn no_url_is_taken_out_of_static_text() {
    let layout = layout("https://a.b/t?x=://y&u=[[{uid}&n={ctr}&c={mac}");
    let url = tap(&layout, 5).replace('&', "&amp;");
    assert_eq!(codes(&diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) })), ["html-escaped"]);
}

/// A URL of HaLo has two of its parameters, and the mirror of an NTAG 21x has the length of both values.
#[test]
fn other_schemes_are_recognised_by_all_that_they_have() {
    for (query, is_other) in [
        ("pk1=04&rnd=1", true),
        ("pk1=04&rndsig=30", true),
        ("pk1=04&pk2=04", true),
        ("pk1=04", false),
        ("rnd=1&rndsig=30&pk2=04", false),
        ("m=04C767F2066180x000003", true),
        ("m=04C767F2066180x0003", false),
        ("m=04C767F2x000003", false),
    ] {
        let url = format!("https://a.b/?{query}");
        let diagnosis = diagnose(&Assumptions::about(&url));
        assert_eq!(codes(&diagnosis).contains(&"other-scheme"), is_other, "{query}");
    }
}

/// `4Ah` has a letter, so nobody reads it as a decimal number.
#[test]
fn hexadecimal_letters_are_no_decimal_digits() {
    let url = "https://a.b/t";
    assert_eq!(ShiftCause::guess(40 - 0x40, 0x40, url), ShiftCause::HexForDecimal);
    assert_eq!(ShiftCause::guess(50 - 0x4A, 0x4A, url), ShiftCause::Unknown);
}

/// An offset counts from the start of the file, which is one less than in a URL that begins with `https://`. Here the offset
/// of the counter is 40 (28h), and 40h was sent.
#[test]
fn offset_in_the_wrong_base_is_found() {
    let template = format!("https://a.b/t?u={{uid}}&q=12345&n={{ctr}}&f={}&c={{mac}}", "z".repeat(30));
    assert_eq!(template.find("{ctr}").unwrap() - "{uid}".len() + 14 - 1, 40);
    let prefix = template.replace("{uid}", &UID.to_string()).replace("{ctr}", "000000").replace("{mac}", "");
    let (before, rest) = prefix.split_at(0x40 + 1);
    let prefix = format!("{before}000005{}", &rest[6..]);
    let url = tap_of_no_chip(&prefix, Some(UID), SdmReadCtr::new(5), ODD);
    let layout = layout(&template);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) });
    let cause = ShiftCause::DecimalForHex;
    let shift = Finding::OffsetShift { mirror: Some(Field::SdmReadCtr), by: 0x40 - 40, cause };
    assert_eq!(diagnosis.findings().first(), Some(&shift), "{diagnosis:?}");
}

/// The text names the offset as the data sheet does, and says how to correct it.
#[test]
fn text_of_a_wrong_offset_says_what_to_do() {
    let text = |mirror, by, cause| Finding::OffsetShift { mirror, by, cause }.to_string();
    let unknown = ShiftCause::Unknown;
    assert_eq!(
        text(Some(Field::PiccData), -1, unknown),
        "PICCDataOffset is 1 too small: the mirror begins 1 character before its placeholder. Add 1 to PICCDataOffset."
    );
    assert_eq!(
        text(None, 7, unknown),
        "Every SDM offset is 7 too large: each mirror begins 7 characters after its placeholder. Subtract 7 from each \
         offset."
    );
    assert!(text(None, -7, unknown).ends_with("Add 7 to each offset."));
    assert!(text(Some(Field::Uid), 2, unknown).ends_with("Subtract 2 from UIDOffset."));
    for mirror in [None, Some(Field::Uid)] {
        assert!(text(mirror, 0, unknown).starts_with("The mirrors are not at their placeholders: "));
    }
    for cause in [ShiftCause::DecimalForHex, ShiftCause::HexForDecimal] {
        assert!(text(None, 9, cause).starts_with("Every SDM offset is wrong, each by a different number. The "));
        assert!(text(Some(Field::Uid), 9, cause).starts_with("UIDOffset is 9 too large"));
    }
    for (mirror, is_mac) in [(Field::SdmMac, true), (Field::EncFileData, false)] {
        assert_eq!(text(Some(mirror), 3, unknown).contains("SDMMACInputOffset must equal SDMMACOffset"), is_mac);
    }
    let names = [Field::SdmReadCtr, Field::TtStatus, Field::EncFileData, Field::SdmMac];
    for (mirror, name) in names.into_iter().zip(["SDMReadCtrOffset", "TTStatusOffset", "SDMENCOffset", "SDMMACOffset"])
    {
        assert!(text(Some(mirror), 3, unknown).starts_with(name));
    }
}

/// The work of searches that find nothing, in MACs. Another number means that the search tries more or less than before:
/// change the number only if that is wanted.
#[test]
fn each_search_does_the_known_work() {
    let other = SdmFileReadKey::from_bytes([0xAB; 16]);
    let any = [GivenKey { name: "any", key: &META, role: Role::Any }];
    let factory = [GivenKey { name: "zeros", key: &[0; 16], role: Role::Any }];
    let suffixes: &[&[u8]] = &[b"shop"];
    for (layout, expected) in [
        (layout("https://a.b/t?p={picc}&c={mac}"), [27_176, 25_291, 27_176, 72_030, 34_984, 175_678]),
        (layout("https://a.b/t?u={uid}&n={ctr}&c={mac}"), [125_197, 31_167, 125_197, 267_129, 151_957, 122_521]),
        (
            layout("https://www.a.b:8/t?p={picc}&e=[[{enc:32}&c={mac}"),
            [67_118, 63_659, 67_118, 171_054, 81_442, 369_041],
        ),
        (lrp("https://a.b/t?p={picc}&c={mac}"), [29_922, 29_893, 29_922, 341_497, 37_830, 173_814]),
    ] {
        let url = tap_of(&layout, META, &other, UID, 5);
        let about = Assumptions::about(&url);
        let work = [
            about,
            Assumptions { layout: Some(&layout), ..about },
            Assumptions { keys: &factory, ..about },
            Assumptions { keys: &any, ..about },
            Assumptions { suffixes, ..about },
            Assumptions { suffixes, aid: Some(&[0xAA, 0xBB, 0xCC]), uid: Some(OTHER), ..about },
        ]
        .map(|assumptions| diagnose(&assumptions).tried);
        assert_eq!(work, expected, "{layout}");
    }
}

/// The work is bounded, and `watch` is called during the search.
#[test]
fn search_is_bounded() {
    let keys: Vec<[u8; 16]> = (1..=40).map(|byte| [byte; 16]).collect();
    let given: Vec<GivenKey<'_>> = keys.iter().map(|key| GivenKey { name: "k", key, role: Role::Any }).collect();
    let runs = "0123456789ABCDEF".repeat(2);
    let mut url = String::from("https://example.com/?u=04494ACAFD1990&n=00001E");
    for _ in 0..5 {
        url = format!("{url}&v={runs}");
    }
    url += "&m=0123456789ABCDEF";
    let mut reports = Vec::new();
    let diagnosis =
        diagnose_watched(&Assumptions { keys: &given, ..Assumptions::about(&url) }, |tried| reports.push(tried));
    assert_eq!(diagnosis.conclusion, Conclusion::Unexplained);
    // One derivation may exceed the limit.
    let bound = MAX_TRIED * 9 / 10..=MAX_TRIED + 5_300;
    assert!(!diagnosis.complete && bound.contains(&diagnosis.tried), "{}", diagnosis.tried);
    assert!((80..120).contains(&reports.len()) && reports.is_sorted(), "{}", reports.len());
    let few = diagnose(&Assumptions::about(&url));
    assert!(few.tried <= *bound.end(), "{}", few.tried);
    // Keys that open no PICCData also count as work.
    let assumed = layout(TEMPLATES[0]);
    let url = tap_of(&assumed, [0xAB; 16], &SdmFileReadKey::from_bytes([0xAB; 16]), UID, 3);
    let diagnose_with =
        |keys| diagnose(&Assumptions { layout: Some(&assumed), keys: &given[..keys], ..Assumptions::about(&url) });
    let few = diagnose_with(2);
    assert!(few.complete && few.tried < MAX_TRIED / 2, "{}", few.tried);
    let many: Vec<GivenKey<'_>> = given.iter().copied().cycle().take(500).collect();
    let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), keys: &many, ..Assumptions::about(&url) });
    assert!(!diagnosis.complete && bound.contains(&diagnosis.tried), "{}", diagnosis.tried);
    assert_eq!(codes(&diagnosis), ["meta-key"]);
    let lrp = lrp(TEMPLATES[0]);
    let url = tap_of(&lrp, [0xAB; 16], &SdmFileReadKey::from_bytes([0xAB; 16]), UID, 3);
    let diagnosis = diagnose(&Assumptions { layout: Some(&lrp), keys: &many, ..Assumptions::about(&url) });
    assert!(!diagnosis.complete && bound.contains(&diagnosis.tried), "{}", diagnosis.tried);
    // The content of the PICCData is reported although the search is not complete.
    let metas: Vec<GivenKey<'_>> = given.iter().map(|given| GivenKey { role: Role::Meta, ..*given }).collect();
    let metas: Vec<GivenKey<'_>> = metas.into_iter().chain([KEYS[0]]).collect();
    let url = tap_of(&assumed, META, &SdmFileReadKey::from_bytes([0xAB; 16]), UID, 3);
    let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), keys: &metas, ..Assumptions::about(&url) });
    assert!(!diagnosis.complete);
    assert_eq!(diagnosis.findings(), [Finding::FileKey { uid: Some(UID) }]);
    // If many keys open the PICCData, each of them needs its own search.
    let twelve = [KEYS[0]; 12];
    for layout in [&assumed, &lrp] {
        let url = tap_of(layout, META, &SdmFileReadKey::from_bytes([0xAB; 16]), UID, 3);
        let diagnosis = diagnose(&Assumptions { layout: Some(layout), keys: &twelve, ..Assumptions::about(&url) });
        assert!(!diagnosis.complete && bound.contains(&diagnosis.tried), "{}", diagnosis.tried);
        assert_eq!(codes(&diagnosis), ["file-key"]);
    }
    // There are too many keys to try all of them on the PICCData, so there is no finding about it.
    let metas: Vec<GivenKey<'_>> = metas.iter().copied().take(40).cycle().take(700).chain([KEYS[0]]).collect();
    let url = tap_of(&lrp, META, &SdmFileReadKey::from_bytes([0xAB; 16]), OTHER, 4);
    let diagnosis = diagnose(&Assumptions { layout: Some(&lrp), keys: &metas, ..Assumptions::about(&url) });
    assert!(!diagnosis.complete && bound.contains(&diagnosis.tried), "{}", diagnosis.tried);
    assert_eq!(codes(&diagnosis), ["no-match"]);
    // A URL that no chip can write is not searched.
    let long = format!("{url}&junk={}", "z".repeat(5000));
    let diagnosis = diagnose(&Assumptions { keys: &given, ..Assumptions::about(&long) });
    assert_eq!((diagnosis.tried, diagnosis.findings()), (0, &[Finding::Layout(Malformed::TooLong)][..]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// No text makes the search panic or run forever, and no text is explained as a tap.
    #[test]
    fn any_text_is_diagnosed(url in "[ -~äß]{0,80}", tail in "[0-9A-F&=xCO?/]{0,120}") {
        let layout = layout(TEMPLATES[0]);
        for url in [url.clone(), format!("https://example.com/{url}?{tail}"), format!("{tail}{url}")] {
            let diagnosis = diagnose(&Assumptions { layout: Some(&layout), ..Assumptions::about(&url) });
            prop_assert_eq!(diagnosis.conclusion, Conclusion::Unexplained);
            prop_assert!(!diagnosis.findings().is_empty());
        }
    }
}

/// Each finding has its own text and its own code, and no key is printed.
#[test]
#[allow(clippy::too_many_lines, reason = "every finding is listed")]
fn findings_have_distinct_codes_and_texts() {
    let input = DiversificationInput { uid: Some(UID), suffix: &[0x30, 0x42], ..DiversificationInput::default() };
    let source = KeySource::Derived { from: Some("mine"), derivation: KeyDerivation::An10922(input) };
    let shift = |mirror, by, cause| Finding::OffsetShift { mirror, by, cause };
    let (ctr, stored) = (SdmReadCtr::new(5).unwrap(), SdmReadCtr::new(7).unwrap());
    let all = [
        Finding::NoMac,
        Finding::NotMirrored,
        Finding::MacNotMirrored,
        Finding::SurroundingText,
        Finding::FieldNotMirrored(Field::TtStatus),
        Finding::FileDataNotCovered,
        Finding::UidByteOrder,
        Finding::SealNotMeasured,
        Finding::MacLength { digits: 18 },
        shift(None, 0, ShiftCause::Unknown),
        Finding::PercentEncoded,
        Finding::HtmlEscaped,
        Finding::EccSignature,
        Finding::SignatureKey { uid: Some(UID) },
        Finding::SignatureKey { uid: None },
        Finding::MirrorChanged { uid: Some(UID), ctr: Some(ctr) },
        Finding::MirrorChanged { uid: Some(UID), ctr: None },
        Finding::MirrorChanged { uid: None, ctr: Some(ctr) },
        Finding::SignatureInput { covered: "abc" },
        Finding::Unsigned { mirror: Field::Uid, covered: "abc" },
        Finding::SignatureForm { form: "a DER sequence" },
        Finding::NoSignature { has_mac: true },
        Finding::NoSignature { has_mac: false },
        Finding::OtherScheme("something else"),
        Finding::SchemeDiffers,
        shift(None, -7, ShiftCause::HeaderNotCounted),
        shift(None, 2, ShiftCause::Unknown),
        shift(None, 12, ShiftCause::DecimalForHex),
        shift(Some(Field::SdmMac), -1, ShiftCause::Unknown),
        shift(Some(Field::Uid), -12, ShiftCause::HexForDecimal),
        shift(Some(Field::PiccData), -2, ShiftCause::NlenNotCounted),
        shift(Some(Field::EncFileData), -5, ShiftCause::RecordHeaderNotCounted),
        shift(Some(Field::SdmReadCtr), 8, ShiftCause::PrefixCounted),
        Finding::MacLength { digits: 12 },
        Finding::NoSessionKey { is_enc_key: false },
        Finding::NoSessionKey { is_enc_key: true },
        Finding::MacOverBytes,
        Finding::DerivedKey {
            role: Role::File,
            source: KeySource::Derived { from: None, derivation: KeyDerivation::Reversed },
        },
        Finding::PiccDataLength { digits: 30 },
        Finding::Layout(Malformed::Trailing),
        Finding::CaseChanged,
        Finding::Parts,
        Finding::MacInputInside { covered: "abc" },
        Finding::Layout(Malformed::TooLong),
        Finding::Mode { actual: Scheme::Lrp },
        Finding::Mode { actual: Scheme::Aes },
        Finding::Mode { actual: Scheme::Suncmac },
        #[cfg(feature = "ecdsa")]
        Finding::Mode { actual: Scheme::Ecdsa },
        Finding::FactoryKey { meta: true, file: true },
        Finding::FactoryKey { meta: true, file: false },
        Finding::FactoryKey { meta: false, file: true },
        Finding::KeysSwapped,
        Finding::DerivedKey { role: Role::File, source },
        Finding::OtherKey { role: Role::Meta, source: KeySource::Given("other") },
        Finding::MacInput { covered: "" },
        Finding::MacInput { covered: "abc" },
        Finding::SessionVector { uid: false, ctr: true, is_encrypted: false },
        Finding::SessionVector { uid: true, ctr: false, is_encrypted: false },
        Finding::SessionVector { uid: true, ctr: true, is_encrypted: false },
        Finding::SessionVector { uid: false, ctr: false, is_encrypted: false },
        Finding::SessionVector { uid: false, ctr: true, is_encrypted: true },
        Finding::CounterByteOrder,
        Finding::MacTruncation { bytes: "the first 8 bytes" },
        Finding::OtherTag { uid: UID },
        Finding::NoCounter,
        Finding::CounterZero,
        Finding::CounterBehind { ctr, stored },
        Finding::CounterBehind { ctr, stored: ctr },
        Finding::CounterStuck,
        Finding::CounterBack,
        Finding::SecondOfOther { uid: OTHER },
        Finding::SecondDiffers,
        Finding::Altered,
        Finding::MetaKey,
        Finding::FileKey { uid: Some(UID) },
        Finding::FileKey { uid: None },
        Finding::NoMatch,
        Finding::TamperNotCovered,
        Finding::SealOpened,
        Finding::NewChip,
        Finding::HexCase,
        Finding::CounterRunning { reads: 3 },
    ];
    let sentences: std::collections::HashSet<String> = all.iter().map(ToString::to_string).collect();
    assert_eq!(sentences.len(), all.len());
    for sentence in &sentences {
        assert!(sentence.len() > 30 && sentence.ends_with('.'), "{sentence}");
        assert!(!sentence.contains("  "), "{sentence}");
    }
    assert!(
        sentences.iter().any(|sentence| sentence.contains("derived from the key \"mine\" by AN10922 over UID || 3042"))
    );
    let other = Finding::OtherKey { role: Role::Meta, source: KeySource::Given("other") }.to_string();
    assert!(other.contains("SDMMetaReadKey") && other.contains("the key \"other\""), "{other}");
    let derived = Finding::DerivedKey { role: Role::File, source }.to_string();
    assert!(derived.contains("SDMFileReadKey") && !derived.contains("SDMMetaReadKey"), "{derived}");
    let text = |stored| Finding::CounterBehind { ctr, stored }.to_string();
    assert!(text(ctr).contains("accepted before") && text(stored).contains("old: its counter is 5, and 7"));
    let codes: std::collections::HashSet<&str> = all.iter().map(Finding::code).collect();
    assert_eq!(codes.len(), 54);
    let url = tap(&layout(TEMPLATES[0]), 1);
    let assumptions = Assumptions { keys: &KEYS, ..Assumptions::about(&url) };
    let text = format!("{assumptions:?} {:?}", diagnose(&assumptions)).to_lowercase();
    assert!(!text.contains("3e3e") && !text.contains("f1f1") && !text.contains("62, 62"), "{text}");
}
