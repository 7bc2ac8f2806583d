//! Compares the emulator with the vectors and with the software tag of the tests, and verifies its taps.

use aes::cipher::{BlockCipherDecrypt as _, KeyInit as _};
use proptest::prelude::*;
use serde_json::Value;
use suntap::emulator::{EmulatedTag, ReadLimit, Url};
use suntap::{
    Field, Malformed, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, SettingsError, SunMessage,
    TagTamper, TagTexts, Uid, VerifyError, sdm_layout,
};
use suntap_testkit::line::{LRP, scheme};

const UID: Uid = Uid::from_bytes([0x04, 0xDE, 0x5F, 0x1E, 0xAC, 0xC0, 0x40]);
const ZERO: ([u8; 16], [u8; 16]) = ([0; 16], [0; 16]);

fn tag(layout: &SdmLayout, texts: &TagTexts<'_>, (meta, file): ([u8; 16], [u8; 16])) -> EmulatedTag {
    let (meta, file) = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::from_bytes(file));
    EmulatedTag::new(layout, texts, meta, file, UID).unwrap()
}

fn ctr(value: u32) -> SdmReadCtr {
    SdmReadCtr::new(value).unwrap()
}

/// The padding is `DA5CF60941`. Source: NXP AN12196 Rev 1.8 §4.4.4.2.1, Table 3.
#[test]
fn an12196_table_3() {
    let layout = SdmLayout::new(Scheme::Aes, "https://ntag.nxp.com/424?e={picc}&c={mac}").unwrap();
    let mut tag = tag(&layout, &TagTexts::default(), ZERO).with_ctr(ctr(60));
    let mut random = [0; 20];
    random[..5].copy_from_slice(&[0xDA, 0x5C, 0xF6, 0x09, 0x41]);
    let url = tag.tap_with(&random).unwrap();
    assert_eq!(&*url, "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086");
}

/// RFC 3986 §3.2: the authority ends at the first slash, question mark, number sign, or at the end.
#[test]
fn the_origin_form_begins_after_the_authority() {
    for (template, origin) in [
        ("https://a.b:8/t/x?n={ctr}&c={mac}", "/t/x?n="),
        ("https://a.b?n={ctr}&c={mac}", "?n="),
        ("https://a.b#n={ctr}&c={mac}", "#n="),
        ("https://a.b/t?u=https://c.d/&n={ctr}&c={mac}", "/t?u=https://c.d/&n="),
    ] {
        let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
        let url = tag(&layout, &TagTexts::default(), ZERO).tap().unwrap();
        assert!(url.origin_form().starts_with(origin) && url.ends_with(url.origin_form()), "{url}");
    }
}

fn hex<const N: usize>(text: &Value) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    base16ct::mixed::decode(text.as_str()?, &mut bytes).ok()?;
    Some(bytes)
}

/// Extracts the random bytes of a tap from its PICCData. If they were wrong, no URL would match.
fn random_of(mode: Scheme, meta: [u8; 16], picc: &str) -> [u8; 20] {
    let mut random = [0; 20];
    let wire = base16ct::mixed::decode_vec(picc).unwrap();
    let padding_from = |tag: u8| 1 + if tag & 0x80 == 0 { 0 } else { 7 } + if tag & 0x40 == 0 { 0 } else { 3 };
    #[cfg(feature = "lrp")]
    if mode == Scheme::Lrp {
        let (mut rand, mut blocks) = (wire[..8].to_vec(), [wire[8..].try_into().unwrap()]);
        random[..8].copy_from_slice(&rand);
        suntap::lrp::Lrp::new(&meta, 0).decrypt(&mut rand, &mut blocks);
        let padding = &blocks[0][padding_from(blocks[0][0])..];
        random[8..8 + padding.len()].copy_from_slice(padding);
        return random;
    }
    assert_eq!(mode, Scheme::Aes);
    let mut block = aes::Block::try_from(&*wire).unwrap();
    aes::Aes128Dec::new(&meta.into()).decrypt_block(&mut block);
    let padding = &block[padding_from(block[0])..];
    random[..padding.len()].copy_from_slice(padding);
    random
}

/// The emulator writes each genuine tap of `taps` in `tests/vectors/sun-vectors.json` character by character, from
/// keys, UID, counter and file data. Taps that it cannot express are counted and printed.
#[test]
fn the_emulator_writes_the_genuine_taps_of_the_vectors() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors/sun-vectors.json")).unwrap();
    let vectors: Value = serde_json::from_str(&text).unwrap();
    let (mut written, mut lrp, mut left) = (0, 0, Vec::new());
    for entry in vectors["taps"].as_array().unwrap() {
        let text = |name: &str| entry[name].as_str();
        if entry["accept"] != true || entry["mutation"] != Value::Null || text("file_key").is_none() {
            continue;
        }
        let id = text("id").unwrap();
        let is_lrp = text("mode") == Some("lrp");
        if is_lrp && !LRP {
            continue;
        }
        let mode = scheme(is_lrp);
        // For a chip, the template must say what PICCData holds.
        let picc = match (text("uid"), entry["ctr"].as_u64()) {
            (Some(_), Some(_)) => "{picc:uid,ctr}",
            (Some(_), None) => "{picc:uid}",
            _ => "{picc:ctr}",
        };
        let layout = SdmLayout::new(mode, &text("template").unwrap().replace("{picc}", picc)).unwrap();
        let meta = hex(&entry["meta_key"]).unwrap_or_default();
        let file = hex(&entry["file_key"]).unwrap();
        let uid = Uid::from_bytes(hex(&entry["uid"]).unwrap_or_default());
        let mut data = base16ct::mixed::decode_vec(text("file_data").unwrap_or_default()).unwrap();
        if let Some(plain) = entry["tt_in_plain_off"].as_u64().filter(|_| layout.carries_tamper()) {
            let at = usize::try_from(plain).unwrap();
            data[at..at + 2].fill(b'0');
        }
        let Some(data) =
            String::from_utf8(data).ok().filter(|data| data.bytes().all(|byte| matches!(byte, b' '..=b'~')))
        else {
            left.push(id.to_owned());
            continue;
        };
        let url = text("url").unwrap();
        let random = match layout.parse(url) {
            Ok(_) if layout.has(Field::PiccData) => {
                let at = usize::try_from(entry["url_picc_off"].as_u64().unwrap()).unwrap();
                random_of(mode, meta, &url[at..at + if is_lrp { 48 } else { 32 }])
            }
            _ => [0; 20],
        };
        let texts = TagTexts { file_data: &data, ..TagTexts::default() };
        let (meta, file) = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::from_bytes(file));
        let before = u32::try_from(entry["ctr"].as_u64().unwrap_or(1)).unwrap() - 1;
        let mut tag = EmulatedTag::new(&layout, &texts, meta, file, uid).unwrap().with_ctr(ctr(before));
        match text("tt") {
            Some("4F4F" | "4f4f" | "OO") => tag.open_seal(),
            Some("4F43" | "4f43" | "OC") => {
                tag.open_seal();
                tag.close_seal();
            }
            Some("4949" | "II") => tag = tag.without_seal(),
            Some("4343" | "CC") | None => {}
            Some(_) => {
                left.push(id.to_owned());
                continue;
            }
        }
        let tapped = tag.tap_with(&random).unwrap();
        // A vector may be in lower case. The chip writes upper case.
        if url.chars().any(|c| c.is_ascii_lowercase()) && *tapped != *url {
            assert!(tapped.eq_ignore_ascii_case(url), "{id}: {tapped} is not {url}");
        } else {
            assert_eq!(*tapped, *url, "{id}");
        }
        written += 1;
        lrp += usize::from(is_lrp);
    }
    println!("emulator: wrote {written} taps, {lrp} of them LRP; skipped {left:?}");
    assert!(if LRP { written > 80 && lrp > 20 } else { written > 50 }, "{written} {lrp}");
    assert!(left.len() < written / 4, "{left:?}");
}

/// Layouts with every combination of mirrors, for both modes.
const TEMPLATES: &[&str] = &[
    "https://example.com/t?picc_data={picc:uid,ctr}&cmac={mac}",
    "https://example.com/t?p=[[{picc}&enc={enc:64}&cmac={mac}",
    "https://example.com/t?cmac={mac}&p={picc}",
    "https://www.example.com/t/{uid}/{ctr}/{mac}",
    "http://www.example.com/t?u=[[{uid}x{ctr}x{mac}",
    "https://[[example.com/t?id={:id}&n={ctr}&c={mac}",
    "lnurlw://example.com?p={picc}&c={mac}",
    "https://example.com/?d={picc}&tt=[[{enc:32,tt@3}{mac}",
    "http://example.com/?e={picc}[[{enc}{mac}&v=1",
    "https://example.com/?u={uid}&n={ctr}&tt=[[{tt}&e={enc:32}&c={mac}",
    "https://example.com/?u={uid}&tt={tt}&c={mac}",
    "https://[[example.com/?id={:id}&c={mac}",
    "https://example.com/?p={picc:uid}&c={mac}",
    "https://example.com/?p=[[{picc:ctr}&c={mac}",
];

proptest! {
    /// Two software tags that share no code write the same URL, and the verifier reads the values that they wrote.
    #[test]
    fn two_emulations_agree(
        which in 0..TEMPLATES.len(), lrp: bool, keys: ([u8; 16], [u8; 16]), uid: [u8; 7],
        before in 0..0xFF_FFFFu32, padding: [u8; 12], data in "[ -~]{0,16}", seal in 0..4u8,
    ) {
        let lrp = lrp && LRP;
        let mode = scheme(lrp);
        // The other software tag takes PICCRand from its padding.
        let random = if lrp { [&padding[4..], &padding].concat() } else { [&padding[..], &[0; 8]].concat() };
        let layout = SdmLayout::new(mode, TEMPLATES[which]).unwrap();
        let status = layout.template().contains("tt@3");
        let file_data = if !layout.has(Field::EncFileData) {
            String::new()
        } else if status {
            // The text ends before offset 3, where the chip writes its status.
            data.chars().take(3).collect()
        } else {
            data
        };
        let texts = TagTexts {
            captured: if layout.names().next().is_some() { &[("id", "A-7")] } else { &[] },
            file_data: &file_data,
        };
        let (meta, file) = (SdmMetaReadKey::from_bytes(keys.0), SdmFileReadKey::from_bytes(keys.1));
        let mut tag = EmulatedTag::new(&layout, &texts, meta.clone(), file.clone(), Uid::from_bytes(uid)).unwrap();
        tag = tag.with_ctr(ctr(before));
        let tt = match seal {
            0 => b"CC",
            1 => { tag.open_seal(); b"OO" }
            2 => { tag.open_seal(); tag.close_seal(); b"OC" }
            _ => { tag = tag.without_seal(); b"II" }
        };
        let url = tag.tap_with(random[..].try_into().unwrap()).unwrap();

        let chars = [("{enc:64}", 32), ("{enc:32,tt@3}", 16), ("{enc:32}", 16), ("{enc}", 16)];
        let len = chars.iter().find(|(element, _)| layout.template().contains(element)).map_or(0, |(_, len)| *len);
        let mut plain = format!("{file_data:0<len$}").into_bytes();
        if status {
            plain[3..5].copy_from_slice(tt);
        }
        let template = chars.iter().fold(layout.template().replace("{:id}", "A-7"), |url, (element, _)| url.replace(element, "{enc}"));
        let other = suntap_testkit::Tag { lrp, meta_key: keys.0, file_key: keys.1, uid };
        let tap = suntap_testkit::Tap { ctr: before + 1, padding, file_data: plain.clone(), tt: *tt };
        prop_assert_eq!(&*url, other.write(&template, &tap).url);

        let tap = layout.parse(&url).unwrap();
        let claimed = if layout.has(Field::PiccData) { tap.open(&meta.prepare(mode)) } else { tap.read_plain() }.unwrap();
        let key = file.prepare(mode);
        let check = |message: &SunMessage<'_>| {
            let mut buffer = [0; 128];
            assert!(message.uid().is_none_or(|verified| verified == Uid::from_bytes(uid)));
            assert!(message.ctr().is_none_or(|verified| verified == ctr(before + 1)));
            if len > 0 {
                assert_eq!(message.file_data(&mut buffer).unwrap(), plain);
            }
            if layout.carries_tamper() {
                assert_eq!(message.tamper().unwrap().to_string().as_bytes(), tt);
            }
        };
        if layout.carries_ctr() {
            check(claimed.verify(&key).unwrap().message());
        } else {
            check(claimed.verify_replayable(&key).unwrap().message());
        }
    }
}

static LAYOUT: SdmLayout = sdm_layout!("https://example.com/t?e={picc:uid,ctr}&t=[[{enc:32,tt@0}&c={mac}");

/// Verifies a tap and returns its counter, tamper status and file data.
fn verify(url: &Url, keys: ([u8; 16], [u8; 16])) -> Result<(u32, TagTamper, Vec<u8>), VerifyError> {
    let meta = SdmMetaReadKey::from_bytes(keys.0).prepare(Scheme::Aes);
    let file = SdmFileReadKey::from_bytes(keys.1).prepare(Scheme::Aes);
    let tap = LAYOUT.parse(url).unwrap().open(&meta)?.verify(&file)?;
    let data = tap.message().file_data(&mut [0; 128]).unwrap().to_vec();
    Ok((tap.ctr().get(), tap.message().tamper().unwrap().state(), data))
}

/// The permanent status stays open after the seal was opened once. Source: NT4H2421Tx §9.3.5.
#[test]
fn the_permanent_status_stays_open() {
    let mut tag = tag(&LAYOUT, &TagTexts { file_data: "00 hello", ..TagTexts::default() }, ZERO);
    let mut state = |change: fn(&mut EmulatedTag)| {
        change(&mut tag);
        let (_, state, data) = verify(&tag.tap().unwrap(), ZERO).unwrap();
        assert_eq!(data[2..], *b" hello00000000");
        state
    };
    assert_eq!(state(|_| {}), TagTamper::Closed);
    assert_eq!(state(EmulatedTag::close_seal), TagTamper::Closed);
    assert_eq!(state(EmulatedTag::open_seal), TagTamper::Open);
    assert_eq!(state(EmulatedTag::close_seal), TagTamper::OpenedNowClosed);
    assert_eq!(state(EmulatedTag::open_seal), TagTamper::Open);
    let keys = ([1; 16], [2; 16]);
    let (meta, file) = (SdmMetaReadKey::from_bytes(keys.0), SdmFileReadKey::from_bytes(keys.1));
    tag.personalise(&LAYOUT, &TagTexts::default(), meta, file).unwrap();
    assert_eq!(verify(&tag.tap().unwrap(), keys).unwrap().1, TagTamper::Open, "new keys do not close the seal");
    let mut unsealed = tag.without_seal();
    unsealed.open_seal();
    assert_eq!(verify(&unsealed.tap().unwrap(), keys).unwrap().1, TagTamper::NotEnabled);
}

/// An `{enc}` without a pinned length is long enough for the status at any offset, even without text.
#[test]
fn unpinned_file_data_is_long_enough_for_the_status() {
    for (at, chars) in [(0, 32), (14, 32), (15, 64), (30, 64), (31, 96)] {
        let template = format!("https://a.b/?p={{picc}}&e=[[{{enc:tt@{at}}}&c={{mac}}");
        let layout = SdmLayout::new(Scheme::Aes, &template).unwrap();
        let url = tag(&layout, &TagTexts::default(), ZERO).tap().unwrap();
        let data = url.split("&e=").nth(1).unwrap().split('&').next().unwrap();
        assert_eq!(data.len(), chars, "{template}");
        let claimed = layout.parse(&url).unwrap().open(&SdmMetaReadKey::FACTORY.prepare(Scheme::Aes)).unwrap();
        let verified = claimed.verify(&SdmFileReadKey::FACTORY).unwrap();
        assert_eq!(verified.message().tamper().unwrap().state(), TagTamper::Closed);
    }
}

/// The counter goes up with each tap and stops at its limit, or at `FFFFFFh`. Source: NT4H2421Gx §9.3.1, §9.3.2.
#[test]
fn the_counter_stops_at_its_limit() {
    let mut limited = tag(&LAYOUT, &TagTexts::default(), ZERO).with_read_ctr_limit(ctr(2));
    assert_eq!([1, 2].map(|_| verify(&limited.tap().unwrap(), ZERO).unwrap().0), [1, 2]);
    assert_eq!((limited.tap(), limited.tap(), limited.ctr()), (Err(ReadLimit), Err(ReadLimit), ctr(2)));
    let mut worn = tag(&LAYOUT, &TagTexts::default(), ZERO).with_ctr(ctr(0xFF_FFFE));
    assert_eq!(verify(&worn.tap().unwrap(), ZERO).unwrap().0, 0xFF_FFFF);
    assert_eq!((worn.tap(), worn.ctr()), (Err(ReadLimit), SdmReadCtr::MAX));
}

#[test]
fn a_tag_that_is_set_up_again_counts_from_0() {
    let mut tag = tag(&LAYOUT, &TagTexts::default(), ZERO).with_ctr(ctr(40));
    assert_eq!((tag.uid(), tag.ctr()), (UID, ctr(40)));
    let old = tag.tap().unwrap();
    let new = ([7; 16], [8; 16]);
    let keys = || (SdmMetaReadKey::from_bytes(new.0), SdmFileReadKey::from_bytes(new.1));
    let wrong = TagTexts { captured: &[("id", "none")], ..TagTexts::default() };
    let error = tag.personalise(&LAYOUT, &wrong, keys().0, keys().1).unwrap_err();
    assert_eq!(error.to_string(), "there is a text for id, and the layout has no {:id}");
    assert_eq!(verify(&tag.tap().unwrap(), ZERO).unwrap().0, 42, "a failed call changes nothing");
    tag.personalise(&LAYOUT, &TagTexts::default(), keys().0, keys().1).unwrap();
    assert_eq!(verify(&tag.tap().unwrap(), new).unwrap().0, 1);
    assert_eq!(verify(&old, new), Err(VerifyError::NotAuthentic));
}

/// The same seed gives the same taps, and another seed gives other taps. Both are genuine.
#[test]
fn the_seed_determines_the_taps() {
    let tap_with_seed = |seed| tag(&LAYOUT, &TagTexts::default(), ZERO).with_seed([seed; 16]).tap().unwrap();
    assert_eq!(tap_with_seed(1), tap_with_seed(1));
    assert_ne!(tap_with_seed(1), tap_with_seed(2));
    let mut one = tag(&LAYOUT, &TagTexts::default(), ZERO);
    let (first, second) = (one.tap().unwrap(), one.tap().unwrap());
    assert_ne!(first[..60], second[..60], "each tap has its own random bytes");
    assert!(verify(&tap_with_seed(2), ZERO).is_ok());
    // A tag that is set up again keeps its seed.
    let mut again = tag(&LAYOUT, &TagTexts::default(), ZERO).with_seed([2; 16]);
    again.personalise(&LAYOUT, &TagTexts::default(), SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY).unwrap();
    assert_eq!(again.tap().unwrap(), tap_with_seed(2));
}

#[test]
fn content_that_no_chip_can_hold_is_rejected() {
    let new = |layout: &SdmLayout, texts: &TagTexts<'_>| {
        EmulatedTag::new(layout, texts, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY, UID).map(|_| ())
    };
    let long = TagTexts { file_data: "more than sixteen characters", ..TagTexts::default() };
    assert_eq!(new(&LAYOUT, &long), Err(SettingsError::FileData));
    let open = SdmLayout::new(Scheme::Aes, "https://a.b/?p={picc}&e=[[{enc}&c={mac}").unwrap();
    assert_eq!(new(&open, &long), Ok(()), "the file data is as long as needed");
    let ntag_223 = SdmLayout::new(Scheme::Suncmac, "https://a.b/?m={uid}x{ctr}x{mac}").unwrap();
    assert_eq!(new(&ntag_223, &TagTexts::default()), Err(SettingsError::NoSdm));
}

/// The `Debug` output of an emulated tag does not contain its keys.
#[test]
fn debug_shows_no_key() {
    let secret = tag(&LAYOUT, &TagTexts::default(), ([0xA7; 16], [0xA7; 16]));
    let text = format!("{secret:?}").to_lowercase();
    assert!(!text.contains("a7") && !text.contains("167") && text.contains("04de5f1eacc040"), "{text}");
    let url = secret.clone().tap().unwrap();
    assert_eq!(format!("{url}"), url.as_ref());
    assert!(matches!(LAYOUT.parse(&url.replace("&c=", "&d=")), Err(Malformed::Missing(_))));
}
