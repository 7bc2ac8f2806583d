//! Chips other than the NTAG 424 DNA: NTAG 22x DNA, MIFARE DESFire EV3, and tags that only count.

use aes::Aes128;
use cmac::{Cmac, KeyInit as _, Mac as _};
use proptest::prelude::*;
use suntap::sun::ntag22x::StatusDetect;
use suntap::{
    ConfigError, CounterTagLayout, Field, LayoutError, Malformed, MemoryCounters, Scheme, SdmAccess, SdmFileReadKey,
    SdmLayout, SdmMetaReadKey, SettingsError, TagTamper, TagTexts, VerifyError,
};

fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

/// Computes SUNCMAC like the chip, with the `cmac` crate.
fn suncmac(key: &[u8; 16], message: &[u8]) -> String {
    let mut mac = Cmac::<Aes128>::new(key.into());
    mac.update(message);
    upper(&mac.finalize().into_bytes().into_iter().skip(1).step_by(2).collect::<Vec<u8>>())
}

const DETECT: &str = "https://a.b/?m={uid}x{ctr}x{tt}x{mac}";

proptest! {
    #[test]
    fn ntag22x_taps_verify_and_changed_ones_do_not(
        key: [u8; 16], uid: [u8; 7], ctr in 1u32..0x0100_0000, data: [u8; 4],
        status in prop::sample::select(vec![("CC", 0x33), ("OC", 0xF3), ("OO", 0xFF), ("CO", 0x3F), ("II", 0x99), ("00", 0)]),
        place: prop::sample::Index, bit in 0u32..7, lower: bool,
    ) {
        let ctr_msb = &ctr.to_be_bytes()[1..];
        let message = [&uid[..], ctr_msb, &[status.1], &data].concat();
        let values = format!("{}x{}x{}{}x{}", upper(&uid), upper(ctr_msb), status.0, upper(&data), suncmac(&key, &message));
        let url = format!("https://a.b/?m={values}");
        let layout = SdmLayout::new(Scheme::Suncmac, DETECT).unwrap();
        let ready = SdmFileReadKey::from_bytes(key).prepare(Scheme::Suncmac);
        // The MAC covers values, so the case of digits does not matter. The case of the status letters does.
        let shown = if lower { url.to_lowercase().replace(&status.0.to_lowercase(), status.0) } else { url.clone() };
        if let Ok(tap) = layout.parse(&shown) {
            let tap = tap.read_plain().unwrap().verify(&ready).unwrap();
            prop_assert_eq!(tap.uid(), Some(suntap::Uid::from_bytes(uid)));
            prop_assert_eq!(tap.ctr().get(), ctr);
            let block = StatusDetect { status: status.0.as_bytes().try_into().unwrap(), data };
            prop_assert_eq!(tap.message().status_detect(), Some(block));
            prop_assert_eq!(tap.message().tamper(), None, "`tamper` is `None` for these chips");
        } else {
            prop_assert!(lower);
        }

        let at = "https://a.b/?m=".len() + place.index(values.len());
        let mut forged = url.clone().into_bytes();
        forged[at] ^= 1 << bit;
        prop_assume!(!(bit == 5 && url.as_bytes()[at].is_ascii_hexdigit() && forged[at].is_ascii_hexdigit()));
        let forged = String::from_utf8(forged).unwrap();
        if let Ok(tap) = layout.parse(&forged) {
            let verdict = tap.read_plain().unwrap().verify(&ready).map(|_| ());
            prop_assert_eq!(verdict, Err(VerifyError::NotAuthentic), "{}", forged);
        }
    }
}

/// The second of the two examples of AN12998, as quoted, verifies and is accepted once.
#[test]
fn an12998_tap_is_fresh_once() {
    let layout = SdmLayout::new(Scheme::Suncmac, "https://a.b/?m={uid}x{ctr}x{mac}").unwrap();
    let key = SdmFileReadKey::FACTORY.prepare(Scheme::Suncmac);
    let url = "https://a.b/?m=04C767F2066180x000003x3779793DFE592188";
    let mut counters = MemoryCounters::<2>::new();
    let verified = || layout.parse(url).unwrap().read_plain().unwrap().verify(&key).unwrap();
    let (uid, ctr) = (verified().uid().unwrap(), verified().ctr());
    assert_eq!(verified().message().tamper(), None);
    assert!(verified().commit(&mut counters, None).is_ok());
    assert!(verified().commit(&mut counters, None).is_err());
    assert!(layout.parse(url).unwrap().read_plain().unwrap().verify(&&key).is_ok(), "a reference is a key too");
    for other in [
        Scheme::Aes,
        #[cfg(feature = "lrp")]
        Scheme::Lrp,
    ] {
        assert_eq!(suntap::sun::ntag22x::suncmac(&SdmFileReadKey::FACTORY.prepare(other), uid, ctr, None), None);
    }
    // The tap neither verifies by the rules of SDM nor opens like PICCData.
    let sdm_key = SdmFileReadKey::FACTORY.prepare(Scheme::Aes);
    let claimed = layout.parse(url).unwrap().read_plain().unwrap();
    assert_eq!(claimed.verify(&sdm_key).map(|_| ()), Err(ConfigError::WrongScheme.into()));
    let meta_key = SdmMetaReadKey::FACTORY.prepare(Scheme::Suncmac);
    assert_eq!(layout.parse(url).unwrap().open(&meta_key).map(|_| ()), Err(ConfigError::NoPiccData.into()));
    let sdm = SdmLayout::new(Scheme::Aes, "https://a.b/?p={picc}&c={mac}").unwrap();
    let sdm_url = "https://a.b/?p=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
    assert_eq!(sdm.parse(sdm_url).unwrap().open(&meta_key).map(|_| ()), Err(ConfigError::WrongScheme.into()));
}

#[test]
fn an_ntag22x_layout_has_its_own_rules() {
    for template in [
        "https://a.b/{uid}x{mac}",
        "https://a.b/{ctr}x{mac}",
        "https://a.b/{picc}x{mac}",
        "https://a.b/[[{uid}x{ctr}x{mac}",
        "https://a.b/[[{uid}x{ctr}x{enc}x{mac}",
    ] {
        assert_eq!(SdmLayout::new(Scheme::Suncmac, template), Err(LayoutError::Ntag22x), "{template}");
    }
    let layout = SdmLayout::new(Scheme::Suncmac, DETECT).unwrap();
    let parse_with = |tt: &str| {
        let url = format!("https://a.b/?m=04C767F2066180x000003x{tt}x3779793DFE592188");
        layout.parse(&url).map(|_| ())
    };
    assert_eq!(parse_with("CO13BE923A"), Ok(()));
    for tt in ["XO13BE923A", "co13BE923A", "CO13BE923G", "C013BE923 "] {
        assert_eq!(parse_with(tt), Err(Malformed::Character(Field::TtStatus)), "{tt}");
    }
    assert_eq!(parse_with("CO13BE923"), Err(Malformed::Length(Field::TtStatus)));
    assert_eq!(StatusDetect::from_ascii(b"CO13BE92"), None);

    // These chips have no SDM, so there are no settings.
    let access = SdmAccess {
        meta_read: None,
        file_read: suntap::KeyNumber::new(0).unwrap(),
        ecc_key: None,
        ctr_ret: suntap::Access::Never,
        read_ctr_limit: None,
    };
    let settings = layout.sdm_settings(&access, &TagTexts::default(), &mut [0; 27]).map(<[u8]>::len);
    assert_eq!(settings, Err(SettingsError::NoSdm));
    assert_eq!(layout.ndef_file(&TagTexts::default(), &mut [0; 256]).map(<[u8]>::len), Err(SettingsError::NoSdm));
    assert_eq!(SdmLayout::from_tag(Scheme::Suncmac, &[], &[]).map(|_| ()), Err(SettingsError::NoSdm));
}

/// A recorded tap of an NTAG 223 DNA StatusDetect whose counter was off. Its MAC is right, but the same in every tap.
#[test]
fn an_ntag22x_with_its_counter_off_is_refused() {
    let layout = SdmLayout::new(Scheme::Suncmac, DETECT).unwrap();
    let url = "https://a.b/?m=046910EA841390x000000xCO00000000x146F1F74FFB89569";
    let key = SdmFileReadKey::FACTORY.prepare(Scheme::Suncmac);
    let claimed = || layout.parse(url).unwrap().read_plain().unwrap();
    assert_eq!(claimed().verify(&key).map(|_| ()), Err(VerifyError::NotAuthentic));
    assert_eq!(claimed().verify_replayable(&key).map(|_| ()), Err(VerifyError::NotAuthentic));
}

/// UID and counter have 14 and 6 digits, with an `x` between them. Source: NTAG213/215/216 §8.7.
#[test]
fn a_tag_that_only_counts_gives_an_unverifiable_tap() {
    for (template, url, uid, ctr) in [
        ("https://a.b/{:id}?m={uid}x{ctr}", "https://a.b/q8?m=04e141124c2880x00002a", true, true),
        ("https://a.b/{:id}?m={uid}", "https://a.b/q8?m=04E141124C2880", true, false),
        ("https://a.b/{:id}?m={ctr}", "https://a.b/q8?m=00002A", false, true),
    ] {
        let layout = CounterTagLayout::new(template).unwrap();
        assert_eq!(layout.template(), template);
        let tap = layout.parse(url).unwrap();
        assert_eq!(tap.captured("id"), Some("q8"));
        assert_eq!(tap.uid().map(|uid| uid.to_string()), uid.then(|| "04E141124C2880".to_owned()));
        assert_eq!(tap.ctr().map(suntap::SdmReadCtr::get), ctr.then_some(42));
        assert!(layout.parse_origin_form(&url["https://a.b".len()..]).is_ok());
        assert!(matches!(layout.parse(&url[..url.len() - 1]), Err(Malformed::Length(_))));
    }
    for template in
        ["https://a.b/", "https://a.b/{:id}", "https://a.b/{uid}{mac}", "https://a.b/{uid}{tt}", "https://a.b/[[{uid}"]
    {
        assert_eq!(CounterTagLayout::new(template), Err(LayoutError::CounterTag), "{template}");
    }
}

/// The SDM of a MIFARE DESFire EV3 uses the same scheme.
#[test]
fn a_recorded_desfire_ev3_tap_verifies() {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let taps = vectors["taps"].as_array().unwrap();
    let ev3 = |tap: &&serde_json::Value| tap["source"].as_str().unwrap().contains("EV3") && tap["accept"] == true;
    let mut seen = 0;
    for tap in taps.iter().filter(ev3) {
        let text = |name: &str| tap[name].as_str();
        let layout = SdmLayout::new(Scheme::Aes, text("template").unwrap()).unwrap();
        let parsed = layout.parse(text("url").unwrap()).unwrap();
        let claimed = match text("meta_key") {
            Some(key) => parsed.open(&SdmMetaReadKey::from_hex(key).unwrap().prepare(Scheme::Aes)).unwrap(),
            None => parsed.read_plain().unwrap(),
        };
        let key = SdmFileReadKey::from_hex(text("file_key").unwrap()).unwrap().prepare(Scheme::Aes);
        let verified = claimed.verify(&key).unwrap();
        assert_eq!(verified.uid().unwrap().to_string().to_lowercase(), text("uid").unwrap());
        assert_ne!(verified.message().tamper().map(|tt| tt.state()), Some(TagTamper::Unknown));
        seen += 1;
    }
    assert_eq!(seen, 1);
}
