//! Taps that are signed, as NTAG X DNA writes them.
//!
//! The recorded taps are in `tests/vectors/xdna-vectors.json`. They come from NXP's repository NXP/nxmw, v02.07.00,
//! `demos/nx/sdm`, and were recomputed with the Python package `cryptography`. All other taps are signed here with the
//! crate `p256`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::LazyLock;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::Value;
use suntap::sun::session::{EncKey, MacKey};
use suntap::{
    Access, An10922, BoltCard, CommitError, ConfigError, CounterId, Error, Field, IssuerKey, KeyNumber, Malformed,
    MasterKey, MemoryCounters, Mirrors, Presented, Scheme, SdmAccess, SdmFileReadKey, SdmLayout, SdmMetaReadKey,
    SettingsError, TagPublicKey, TagTexts, Uid, Verifier, VerifyError, identify, sdm_layout, verify_batch,
};

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../vectors/xdna-vectors.json");
    serde_json::from_str(text).unwrap()
});

/// The layouts of the two recorded taps.
static PLAIN: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
static PICC: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid,ctr}&s={sig}");

/// The order of the group of P-256, MSB first. Source: SP 800-186 §3.2.1.3.
const ORDER: [u8; 32] = [
    0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xBC, 0xE6, 0xFA, 0xAD, 0xA7,
    0x17, 0x9E, 0x84, 0xF3, 0xB9, 0xCA, 0xC2, 0xFC, 0x63, 0x25, 0x51,
];

pub(crate) fn upper(bytes: &[u8]) -> String {
    base16ct::upper::encode_string(bytes)
}

fn unhex(text: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(text).unwrap()
}

fn recorded(index: usize, name: &str) -> &'static str {
    FILE["taps"][index][name].as_str().unwrap()
}

fn recorded_key() -> TagPublicKey {
    recorded(0, "public_key").parse().unwrap()
}

fn verify(layout: &SdmLayout, key: &TagPublicKey, url: &str) -> Result<(Option<Uid>, u32), VerifyError> {
    let tap = layout.parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let claimed = if layout.has(Field::PiccData) { tap.open(&SdmMetaReadKey::FACTORY)? } else { tap.read_plain()? };
    claimed.verify(key).map(|tap| (tap.uid(), tap.ctr().get()))
}

/// Splits the URL of a recorded tap before the signature.
fn split(url: &str) -> (&str, Vec<u8>) {
    let (text, signature) = url.split_at(url.len() - 128);
    (text, unhex(signature))
}

/// A tag with a key of its own.
pub(crate) struct Signing(SigningKey);

impl Signing {
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    pub(crate) fn public(&self) -> TagPublicKey {
        TagPublicKey::from_sec1(self.0.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    /// Returns `url` with the signature over its end, which begins at `start`.
    pub(crate) fn sign(&self, url: &str, start: &str) -> String {
        let signature: Signature = self.0.sign(&url.as_bytes()[url.find(start).unwrap()..]);
        format!("{url}{}", upper(&signature.to_bytes()))
    }
}

#[test]
fn recorded_taps_are_fresh_once() {
    let uid = Uid::from_hex("04260471C88990").ok();
    let plain = Verifier::new(&PLAIN, (), recorded_key()).unwrap();
    let picc = Verifier::new(&PICC, SdmMetaReadKey::FACTORY, recorded_key()).unwrap();
    let mut counters = MemoryCounters::<4>::new();
    // Both taps are of one tag. The second one has the lower counter.
    let second = picc.admit(recorded(1, "url"), &mut counters, None).unwrap();
    assert_eq!((second.uid(), second.ctr().get()), (uid, 224));
    let first = plain.admit(recorded(0, "url"), &mut counters, None).unwrap();
    assert_eq!((first.uid(), first.ctr().get()), (uid, 226));
    assert_eq!(first.previous(), Some(second.mark()));
    assert_eq!((first.message().tamper(), first.message().status_detect()), (None, None));
    for (again, ctr) in [
        (plain.admit(recorded(0, "url"), &mut counters, None).map(|_| ()), 226),
        (picc.admit(recorded(1, "url"), &mut counters, None).map(|_| ()), 224),
    ] {
        let error = again.unwrap_err();
        assert!(matches!(error, Error::Commit(CommitError::Replayed { ctr: got, .. }) if got.get() == ctr), "{error}");
    }
}

/// The offsets that NXP recorded are those of the layouts.
#[test]
fn recorded_offsets_are_those_of_the_layouts() {
    for (index, layout) in [&PLAIN, &PICC].into_iter().enumerate() {
        let mut file = [0; 256];
        let file = layout.ndef_file(&TagTexts::default(), &mut file).unwrap();
        let tap = &FILE["taps"][index];
        let (from, to) = (tap["mac_input_offset"].as_u64().unwrap(), tap["mac_offset"].as_u64().unwrap());
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        let without_digits = |text: &str| text.replace(|c: char| c.is_ascii_hexdigit(), "0");
        let written = str::from_utf8(&file[from..to]).unwrap();
        assert_eq!(without_digits(written), without_digits(recorded(index, "signed_text")));
        assert_eq!(&file[to..], [b'0'; 128]);
    }
}

/// Only the recorded window verifies: no other start, and no end before or after `&s=`.
#[test]
fn other_windows_do_not_verify() {
    for (index, right) in [&PLAIN, &PICC].into_iter().enumerate() {
        let (whole, url) = (right.template(), recorded(index, "url"));
        let template = whole.replace("[[", "");
        let (start, mut tried) = (whole.find("[[").unwrap(), 0);
        for at in (0..=template.len()).filter(|at| *at != start) {
            let other = format!("{}[[{}", &template[..at], &template[at..]);
            // The other positions are refused: the signature would not cover all mirrors.
            let Ok(layout) = SdmLayout::new(Scheme::Ecdsa, &other) else { continue };
            assert_eq!(verify(&layout, &recorded_key(), url), Err(VerifyError::NotAuthentic), "{other}");
            tried += 1;
        }
        // A start inside `https:` is refused, too. The second window has five characters before its first mirror.
        assert_eq!(tried, [start - 5, start][index]);
    }
    let signing = Signing::new(1);
    let text = "https://ntag.nxp.com/xdna?m=04260471C88990&c=000001";
    let short = signing.sign(text, "0426");
    let (head, signature) = short.split_at(text.len());
    let url = format!("{head}&s={signature}");
    assert_eq!(verify(&PLAIN, &signing.public(), &url), Err(VerifyError::NotAuthentic), "a window without `&s=`");
    let url = signing.sign(&format!("{text}&s="), "0426");
    assert_eq!(verify(&PLAIN, &signing.public(), &url), Ok((Uid::from_hex("04260471C88990").ok(), 1)));
}

#[test]
fn other_keys_do_not_verify() {
    let key = recorded_key().to_compressed();
    let others = (0..256).filter_map(|bit| {
        let mut bytes = key;
        bytes[1 + bit / 8] ^= 1 << (bit % 8);
        TagPublicKey::from_sec1(&bytes).ok()
    });
    let mut negated = key;
    negated[0] ^= 1;
    let negated = TagPublicKey::from_sec1(&negated).unwrap();
    let app_cert = FILE["app_cert"]["public_key"].as_str().unwrap().parse().unwrap();
    let mut tried = 0;
    for other in others.chain([negated, app_cert]) {
        assert_eq!(verify(&PLAIN, &other, recorded(0, "url")), Err(VerifyError::NotAuthentic), "{other}");
        tried += 1;
    }
    assert!(tried > 100, "about half of all x are on the curve: {tried}");
}

/// Every changed bit of the signature, and every other digit of the signed mirrors.
#[test]
fn changed_taps_do_not_verify() {
    for (index, layout) in [&PLAIN, &PICC].into_iter().enumerate() {
        let url = recorded(index, "url");
        let (text, signature) = split(url);
        for bit in 0..512 {
            let mut changed = signature.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = format!("{text}{}", upper(&changed));
            assert_eq!(verify(layout, &recorded_key(), &changed), Err(VerifyError::NotAuthentic), "bit {bit}");
        }
        let mirrors = (28..text.len()).filter(|at| !b"&c=s".contains(&text.as_bytes()[*at]));
        for at in mirrors {
            for digit in "0123456789ABCDEF".chars().filter(|digit| !url[at..].starts_with(*digit)) {
                let mut changed = url.to_owned();
                changed.replace_range(at..=at, &digit.to_string());
                let Ok(_) = layout.parse(&changed) else { continue };
                assert_eq!(verify(layout, &recorded_key(), &changed), Err(VerifyError::NotAuthentic), "{changed}");
            }
        }
    }
}

/// Phones may change the case of a URL. The chip signs upper-case digits, so the case of a mirror does not matter.
#[test]
fn the_case_of_digits_does_not_matter() {
    let (uid, url) = (Uid::from_hex("04260471C88990").ok(), recorded(0, "url"));
    let lower = url.replace("04260471C88990", "04260471c88990").replace("0000E2", "0000e2");
    assert_eq!(verify(&PLAIN, &recorded_key(), &lower), Ok((uid, 226)));
    let (text, signature) = url.split_at(url.len() - 128);
    let lower = format!("{text}{}", signature.to_lowercase());
    assert_eq!(verify(&PLAIN, &recorded_key(), &lower), Ok((uid, 226)));
    let (text, signature) = recorded(1, "url").split_at(recorded(1, "url").len() - 128);
    let lower = text.replace("5806162E9BE184312C40ACB25D267791", "5806162e9be184312c40acb25d267791");
    assert_eq!(verify(&PICC, &recorded_key(), &format!("{lower}{signature}")), Ok((uid, 224)));
}

/// r and s outside of 1 to n - 1 are not authentic, but well-formed.
#[test]
fn r_and_s_out_of_range_are_not_authentic() {
    let (text, signature) = split(recorded(0, "url"));
    let (r, s) = signature.split_at(32);
    let above = |offset: u8| {
        let mut number = ORDER;
        number[31] += offset;
        number
    };
    let mut below = ORDER;
    below[31] -= 1;
    let mut one = [0; 32];
    one[31] = 1;
    for wrong in [[0; 32], one, below, ORDER, above(1), above(2), [0xFF; 32]] {
        for pair in [[&wrong[..], s], [r, &wrong[..]], [&wrong[..], &wrong[..]]] {
            let url = format!("{text}{}", upper(&pair.concat()));
            assert_eq!(verify(&PLAIN, &recorded_key(), &url), Err(VerifyError::NotAuthentic), "{url}");
        }
    }
    let url = format!("{text}{}", upper(&[s, r].concat()));
    assert_eq!(verify(&PLAIN, &recorded_key(), &url), Err(VerifyError::NotAuthentic), "s and r exchanged");
}

#[test]
fn only_other_than_128_digits_are_malformed() {
    let (text, signature) = recorded(0, "url").split_at(recorded(0, "url").len() - 128);
    for len in (0..128).chain([129, 130, 256]) {
        let digits: String = signature.chars().cycle().take(len).collect();
        let expected =
            if len == 0 { Malformed::Missing(Field::Signature) } else { Malformed::Length(Field::Signature) };
        assert_eq!(PLAIN.parse(&format!("{text}{digits}")).map(|_| ()), Err(expected), "{len}");
    }
    for wrong in ["G", "g", "%", " "] {
        let url = format!("{text}{wrong}{}", &signature[1..]);
        assert_eq!(PLAIN.parse(&url).map(|_| ()), Err(Malformed::Character(Field::Signature)), "{wrong}");
    }
    let twice = format!("{}&s={signature}", recorded(0, "url"));
    assert_eq!(PLAIN.parse(&twice).map(|_| ()), Err(Malformed::Duplicate(Field::Signature)));
}

/// For a signature (r, s), the signature (r, n - s) is valid too. It is the same tap, so it is a replay.
#[test]
fn the_other_form_of_a_signature_is_a_replay() {
    let verifier = Verifier::new(&PLAIN, (), recorded_key()).unwrap();
    let (text, signature) = split(recorded(0, "url"));
    let mut other = signature.clone();
    let mut borrow = 0;
    for at in (0..32).rev() {
        let digit = i16::from(ORDER[at]) - i16::from(signature[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        other[32 + at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    let other = format!("{text}{}", upper(&other));
    assert_ne!(other, recorded(0, "url"));
    for (first, second) in [(recorded(0, "url"), &*other), (&*other, recorded(0, "url"))] {
        let mut counters = MemoryCounters::<2>::new();
        assert!(verifier.admit(first, &mut counters, None).is_ok());
        let again = verifier.admit(second, &mut counters, None).map(|_| ());
        assert!(matches!(again, Err(Error::Commit(CommitError::Replayed { .. }))), "{again:?}");
    }
}

#[test]
fn counter_zero_no_counter_and_another_uid_are_refused() {
    let signing = Signing::new(2);
    let url = signing.sign("https://ntag.nxp.com/xdna?m=04112233445566&c=000000&s=", "0411");
    assert_eq!(verify(&PLAIN, &signing.public(), &url), Err(VerifyError::NotAuthentic));

    let uid_only = SdmLayout::new(Scheme::Ecdsa, "https://a.b/?m=[[{uid}&s={sig}").unwrap();
    let url = signing.sign("https://a.b/?m=04112233445566&s=", "0411");
    assert_eq!(verify(&uid_only, &signing.public(), &url), Err(VerifyError::NoCounter));
    let error = Verifier::new(&uid_only, (), signing.public()).map(|_| ());
    assert_eq!(error, Err(ConfigError::NoCounter));
    let claimed = || uid_only.parse(&url).unwrap().read_plain().unwrap();
    let tap = claimed().verify_replayable(&signing.public()).unwrap();
    let (right, other) = (Uid::from_hex("04112233445566").unwrap(), Uid::from_hex("04112233445567").unwrap());
    assert_eq!(tap.uid(), Some(right));
    assert_eq!(tap.expect_uid(other).map(|_| ()), Err(VerifyError::WrongTag));
    assert_eq!(claimed().verify_replayable(&recorded_key()).map(|_| ()), Err(VerifyError::NotAuthentic));

    let url = signing.sign("https://ntag.nxp.com/xdna?m=04112233445566&c=000007&s=", "0411");
    let claimed = || PLAIN.parse(&url).unwrap().read_plain().unwrap();
    let has_counter = claimed().verify_replayable(&signing.public()).map(|_| ());
    assert_eq!(has_counter, Err(VerifyError::Config(ConfigError::HasCounter)));
    let tap = claimed().verify(&signing.public()).unwrap();
    assert_eq!(tap.expect_uid(other).map(|_| ()), Err(VerifyError::WrongTag));

    let ctr_only = SdmLayout::new(Scheme::Ecdsa, "https://a.b/?c=[[{ctr}&s={sig}").unwrap();
    let url = signing.sign("https://a.b/?c=00002A&s=", "00002A");
    assert_eq!(verify(&ctr_only, &signing.public(), &url), Ok((None, 42)));
    let verifier = Verifier::new(&ctr_only, (), signing.public()).unwrap();
    assert_eq!(verifier.verify(&url).unwrap().counter_id(), signing.public().counter_id(None));
}

#[test]
fn a_key_of_the_wrong_kind_is_a_configuration_error() {
    fn refused<F: suntap::FileKeys>(layout: &'static SdmLayout, keys: F) {
        assert_eq!(Verifier::new(layout, (), keys).map(|_| ()), Err(ConfigError::WrongScheme));
    }

    static AES: SdmLayout = sdm_layout!("https://a.b/?m=[[{uid}&c={ctr}&s={mac}");
    static SUNCMAC: SdmLayout = sdm_layout!(Scheme::Suncmac, "https://a.b/?m={uid}&c={ctr}&s={mac}");
    let file = || SdmFileReadKey::FACTORY;
    refused(&PLAIN, file());
    refused(&PLAIN, file().prepare(Scheme::Aes));
    refused(&PLAIN, file().prepare(Scheme::Ecdsa));
    refused(&PLAIN, An10922::new(MasterKey::from_bytes([1; 16]), b"").unwrap());
    refused(&PLAIN, BoltCard::new(IssuerKey::from_bytes([1; 16]), 1));
    refused(&PLAIN, |_: Uid| Ok::<_, Infallible>(Some(SdmFileReadKey::FACTORY)));
    for layout in [&AES, &SUNCMAC] {
        refused(layout, recorded_key());
        refused(layout, |_: Uid| Ok::<_, Infallible>(Some(recorded_key())));
    }
    let pending =
        Verifier::new_async(&PLAIN, (), |_: Uid| async { Ok::<_, Infallible>(Some(SdmFileReadKey::FACTORY)) });
    assert_eq!(pending.map(|_| ()), Err(ConfigError::WrongScheme));

    // The states report the same mistake.
    let wrong = Err(VerifyError::Config(ConfigError::WrongScheme));
    let signed = || PLAIN.parse(recorded(0, "url")).unwrap().read_plain().unwrap();
    assert_eq!(signed().verify(&file()).map(|_| ()), wrong);
    assert_eq!(signed().verify(&file().prepare(Scheme::Ecdsa)).map(|_| ()), wrong);
    assert_eq!(signed().verify(&file().prepare(Scheme::Aes)).map(|_| ()), wrong);
    let batch: Vec<_> = verify_batch([((), signed(), file())]).map(|((), tap)| tap.map(|_| ())).collect();
    assert_eq!(batch, [wrong]);
    for layout in [&AES, &SUNCMAC] {
        let tap = layout.parse("https://a.b/?m=04112233445566&c=000007&s=0123456789ABCDEF").unwrap();
        assert_eq!(tap.read_plain().unwrap().verify(&recorded_key()).map(|_| ()), wrong);
    }
    // `Scheme::Ecdsa` has no session keys.
    let prepared = file().prepare(Scheme::Ecdsa);
    let (uid, ctr) = (Uid::from_bytes([4; 7]), suntap::SdmReadCtr::MAX);
    assert_eq!(MacKey::derive(&prepared, Some(uid), Some(ctr)), None);
    assert_eq!(EncKey::derive(&prepared, uid, ctr), None);
    assert_eq!(MacKey::from_secret(Scheme::Ecdsa, [0; 16]), None);
}

/// A signature covers the encrypted PICCData, so it does not show which key decrypts it.
#[test]
fn only_one_meta_key_is_accepted() {
    let keys = [SdmMetaReadKey::from_bytes([1; 16]), SdmMetaReadKey::FACTORY];
    assert_eq!(Verifier::new(&PICC, keys, recorded_key()).map(|_| ()), Err(ConfigError::ManyMetaKeys));
    assert!(Verifier::new(&PICC, [SdmMetaReadKey::FACTORY], recorded_key()).is_ok());
    assert_eq!(
        Verifier::new(&PLAIN, SdmMetaReadKey::FACTORY, recorded_key()).map(|_| ()),
        Err(ConfigError::NoPiccData)
    );
    let none: [SdmMetaReadKey; 0] = [];
    assert_eq!(Verifier::new(&PICC, none, recorded_key()).map(|_| ()), Err(ConfigError::NeedsMetaKey));
    let aes = SdmMetaReadKey::FACTORY.prepare(Scheme::Aes);
    assert_eq!(Verifier::new(&PICC, aes, recorded_key()).map(|_| ()), Err(ConfigError::WrongScheme));
    let wrong = Verifier::new(&PICC, SdmMetaReadKey::from_bytes([1; 16]), recorded_key()).unwrap();
    let refused = wrong.verify(recorded(1, "url")).map(|_| ());
    assert_eq!(refused, Err(Error::Verify(VerifyError::NotAuthentic)));

    let tap = PICC.parse(recorded(1, "url")).unwrap();
    let found = |keys: &[SdmMetaReadKey]| {
        identify::first_verified(&tap, keys, |_, _| Some(recorded_key())).map(|(index, tap)| (index, tap.ctr().get()))
    };
    let many = [SdmMetaReadKey::FACTORY, SdmMetaReadKey::from_bytes([1; 16])];
    assert_eq!(found(&many[..1]), Ok((0, 224)));
    assert_eq!(found(&many[1..]), Err(VerifyError::NotAuthentic));
    assert_eq!(found(&[]), Err(VerifyError::NotAuthentic));
    assert_eq!(found(&many), Err(VerifyError::Config(ConfigError::ManyMetaKeys)));
}

#[test]
fn keys_are_found_by_uid() {
    let (first, second) = (Signing::new(3), Signing::new(4));
    let uids = ["04112233445566", "04AABBCCDDEEFF"].map(|uid| Uid::from_hex(uid).unwrap());
    let keys = HashMap::from([(uids[0], first.public()), (uids[1], second.public())]);
    let verifier = Verifier::new(&PLAIN, (), |uid: Uid| Ok::<_, Infallible>(keys.get(&uid).copied())).unwrap();
    let tap = |tag: &Signing, uid: &str| tag.sign(&format!("https://ntag.nxp.com/xdna?m={uid}&c=00000A&s="), uid);
    let mut counters = MemoryCounters::<4>::new();
    let accepted = verifier.admit(&tap(&first, "04112233445566"), &mut counters, None).unwrap().uid();
    assert_eq!(accepted, Some(uids[0]));
    let accepted = verifier.admit(&tap(&second, "04AABBCCDDEEFF"), &mut counters, None).unwrap().uid();
    assert_eq!(accepted, Some(uids[1]), "the counters of two tags are independent");
    let stolen = verifier.verify(&tap(&first, "04AABBCCDDEEFF")).map(|_| ());
    assert_eq!(stolen, Err(Error::Verify(VerifyError::NotAuthentic)));
    let unknown = Uid::from_hex("04000000000001").ok();
    let error = verifier.verify(&tap(&first, "04000000000001")).map(|_| ());
    assert_eq!(error, Err(Error::UnknownTag { uid: unknown }));
}

#[test]
fn counter_ids_depend_on_key_and_uid() {
    let url = recorded(0, "url");
    let id = |url: &str| PLAIN.parse(url).unwrap().read_plain().unwrap().verify(&recorded_key()).unwrap().counter_id();
    let uid = Uid::from_hex("04260471C88990").ok();
    assert_eq!(id(url), recorded_key().counter_id(uid));
    assert_eq!(id(&url.replace("0000E2", "0000e2")), id(url));
    let ids: Vec<CounterId> = [recorded_key(), Signing::new(5).public()]
        .into_iter()
        .flat_map(|key| [uid, Some(Uid::from_bytes([4; 7])), None].map(|uid| key.counter_id(uid)))
        .collect();
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), 6);
}

#[test]
fn all_forms_of_a_tap_verify() {
    let verifier = Verifier::new(&PLAIN, (), recorded_key()).unwrap();
    let url = recorded(0, "url");
    let ctr = |tap: Presented<'_>| verifier.verify(tap).map(|tap| tap.ctr().get());
    assert_eq!(ctr(Presented::OriginForm(&url["https://ntag.nxp.com".len()..])), Ok(226));
    let (text, signature) = url.split_at(url.len() - 128);
    assert!(text.ends_with("&s="));
    let mirrors = Mirrors { uid: Some("04260471c88990"), ctr: Some("0000E2"), ..Mirrors::default() };
    for mirrors in
        [Mirrors { mac: Some(signature), ..mirrors }, Mirrors { enc_mac: Some(&signature.to_lowercase()), ..mirrors }]
    {
        assert_eq!(ctr(Presented::Mirrors(&mirrors)), Ok(226));
    }
    let refused = |mirrors: Mirrors<'_>| PLAIN.assemble(&mirrors).map(|_| ()).unwrap_err();
    assert_eq!(refused(mirrors), Malformed::Missing(Field::Signature));
    assert_eq!(refused(Mirrors { mac: Some(&signature[1..]), ..mirrors }), Malformed::Length(Field::Signature));
    let both = Mirrors { mac: Some(signature), enc_mac: Some(signature), ..mirrors };
    assert_eq!(refused(both), Malformed::Duplicate(Field::Signature));

    let rest = url.strip_prefix("https://").unwrap().as_bytes();
    let len = u8::try_from(rest.len() + 1).unwrap();
    let file = [&[0, len + 4, 0xD1, 1, len, 0x55, 4], rest].concat();
    assert_eq!(ctr(Presented::NdefFile(&file)), Ok(226));
}

/// A signature covers the encrypted file data and the captured texts, but a public key decrypts nothing.
#[test]
fn file_data_and_captured_texts_are_covered() {
    let layout = SdmLayout::new(Scheme::Ecdsa, "https://a.b/?[[g={:gpio}&p={picc}&e={enc:32}&s={sig}").unwrap();
    let signing = Signing::new(6);
    let tap = |gpio: &str, enc: &str| format!("https://a.b/?g={gpio}&p=5806162E9BE184312C40ACB25D267791&e={enc}&s=");
    let (url, enc) = (signing.sign(&tap("I0c", &"AB".repeat(16)), "g="), "AB".repeat(16));
    let claimed = layout.parse(&url).unwrap().open(&SdmMetaReadKey::FACTORY).unwrap();
    let verified = claimed.verify(&signing.public()).unwrap();
    assert_eq!(verified.message().captured("gpio"), Some("I0c"));
    assert_eq!(verified.message().file_data_len(), 16);
    assert_eq!(verified.message().file_data(&mut [0; 128]), None);
    let signature = &url[url.len() - 128..];
    for changed in [tap("i0c", &enc), tap("I0C", &enc), tap("I0c", &enc.replacen('A', "0", 1))] {
        let changed = format!("{changed}{signature}");
        assert_eq!(verify(&layout, &signing.public(), &changed), Err(VerifyError::NotAuthentic), "{changed}");
    }
    let (picc, run_together) = ("5806162E9BE184312C40ACB25D267791", format!("{enc}{signature}"));
    let captured = [("gpio", "I0c")];
    let mirrors =
        Mirrors { picc_data: Some(picc), enc_mac: Some(&run_together), captured: &captured, ..Mirrors::default() };
    let tap = layout.assemble(&mirrors).unwrap().open(&SdmMetaReadKey::FACTORY).unwrap();
    assert!(tap.verify(&signing.public()).is_ok());
}

/// The settings of the tag of the recorded taps. Source: NXP/nxmw v02.07.00: the values are in the readme files of
/// `demos/nx/sdm/sdm_apps`, and `nx_ChangeFileSettings` writes them as these bytes. SDMCtrRet is key 0.
#[test]
fn settings_of_the_recorded_taps() {
    let key = |number| KeyNumber::new(number).unwrap();
    for (layout, meta_read, file_read, settings) in
        [(&PLAIN, None, 1, "C100E11B00002C00001B0000350000"), (&PICC, Some(key(1)), 0, "C100102000001B0000430000")]
    {
        let access = SdmAccess {
            meta_read,
            file_read: key(file_read),
            ecc_key: Some(key(0)),
            ctr_ret: Access::Key(key(0)),
            read_ctr_limit: None,
        };
        let texts = TagTexts::default();
        let (mut file, mut buffer) = ([0; 256], [0; 27]);
        let file = layout.ndef_file(&texts, &mut file).unwrap();
        assert_eq!(upper(layout.sdm_settings(&access, &texts, &mut buffer).unwrap()), settings);
        let answer = |settings: &str| [&[0x00, 0x40, 0x00, 0xE0, 0x00, 0x01, 0x00], &unhex(settings)[..]].concat();
        assert_eq!(SdmLayout::from_tag(Scheme::Ecdsa, &answer(settings), file).unwrap(), (layout.clone(), access));

        let refused = |scheme, settings: &str| SdmLayout::from_tag(scheme, &answer(settings), file).map(|_| ());
        assert_eq!(refused(Scheme::Aes, settings), Err(SettingsError::EccKey));
        let rights = |settings: &str, low: &str| format!("{}{low}{}", &settings[..2], &settings[4..]);
        assert_eq!(refused(Scheme::Ecdsa, &rights(settings, "F0")), Err(SettingsError::EccKey));
        assert_eq!(refused(Scheme::Ecdsa, &rights(settings, "50")), Err(SettingsError::Options));
        let gpio = settings.replacen("C1", "C9", 1);
        assert_eq!(refused(Scheme::Ecdsa, &gpio), Err(SettingsError::GpioStatus));
        let without_file_read = format!("{}F{}", &settings[..5], &settings[6..]);
        assert_eq!(refused(Scheme::Ecdsa, &without_file_read), Err(SettingsError::NoFileRead));

        let without = SdmAccess { ecc_key: None, ..access };
        assert_eq!(layout.sdm_settings(&without, &texts, &mut [0; 27]), Err(SettingsError::EccKey));
        let aes = SdmLayout::new(Scheme::Aes, &layout.template().replace("{sig}", "{mac}")).unwrap();
        assert_eq!(aes.sdm_settings(&access, &texts, &mut [0; 27]), Err(SettingsError::EccKey));
    }
    // Without `[[`, the signature covers nothing.
    let mac_input_is_mac = "C100E11B00002C0000350000350000";
    let answer = [&[0x00, 0x40, 0x00, 0xE0, 0x00, 0x01, 0x00], &unhex(mac_input_is_mac)[..]].concat();
    let mut file = [0; 256];
    let file = PLAIN.ndef_file(&TagTexts::default(), &mut file).unwrap();
    let refused = SdmLayout::from_tag(Scheme::Ecdsa, &answer, file).map(|_| ());
    assert_eq!(refused, Err(SettingsError::Layout(suntap::LayoutError::NoMacInput)));
}

#[test]
fn the_error_names_an_unsigned_mirror() {
    let error = SdmLayout::new(Scheme::Ecdsa, "https://a.b/?u={uid}&m=[[{ctr}&s={sig}").unwrap_err();
    assert_eq!(error, suntap::LayoutError::Unsigned(Field::Uid));
    assert!(error.to_string().ends_with(&format!(" ({})", Field::Uid)), "{error}");
}

#[cfg(feature = "serde")]
#[test]
fn layouts_and_keys_are_text_in_configuration_files() {
    use serde_json::{from_value, json, to_value};

    let written = json!({ "scheme": "ecdsa", "template": PLAIN.template() });
    assert_eq!(from_value::<SdmLayout>(written.clone()).unwrap(), PLAIN);
    assert_eq!(to_value(&PLAIN).unwrap(), written);
    let key: TagPublicKey = from_value(json!(recorded(0, "public_key"))).unwrap();
    assert_eq!(key, recorded_key());
    assert_eq!(to_value(key).unwrap(), json!(upper(&key.to_compressed())));
    assert!(from_value::<TagPublicKey>(json!("00")).is_err());
}

#[cfg(feature = "emulator")]
mod emulated {
    use suntap::SdmReadCtr;
    use suntap::emulator::{EmulatedTag, TagPrivateKey};

    use super::*;

    fn key() -> TagPrivateKey {
        TagPrivateKey::from_bytes([7; 32]).unwrap()
    }

    fn tag(layout: &SdmLayout, texts: &TagTexts<'_>) -> EmulatedTag {
        let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
        let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
        EmulatedTag::new_signing(layout, texts, meta_key, file_key, key(), uid).unwrap()
    }

    #[test]
    fn emulated_tags_sign_their_taps() {
        for template in [
            PLAIN.template(),
            PICC.template(),
            "[[https://a.b/{:gpio}?e={picc}&f={enc:32}&s={sig}&q=0",
            "https://a.b/?c=[[{ctr}{sig}",
        ] {
            let layout = SdmLayout::new(Scheme::Ecdsa, template).unwrap();
            let texts = TagTexts {
                captured: if template.contains("gpio") { &[("gpio", "I0c")] } else { &[] },
                file_data: if template.contains("enc") { "hello" } else { "" },
            };
            let mut tag = tag(&layout, &texts).with_ctr(SdmReadCtr::new(9).unwrap());
            let first = tag.tap().unwrap();
            let uid = (!template.contains("{ctr}{sig}")).then(|| tag.uid());
            assert_eq!(verify(&layout, &key().public_key(), &first), Ok((uid, 10)), "{first}");
            assert_eq!(verify(&layout, &key().public_key(), &tag.tap().unwrap()), Ok((uid, 11)));
            assert_eq!(verify(&layout, &recorded_key(), &first), Err(VerifyError::NotAuthentic));
        }
    }

    /// The same tap always has the same signature, as RFC 6979 §3.2 requires. Computed with the crate `p256`.
    #[test]
    fn emulated_signatures_are_deterministic() {
        let [first, second] = [(); 2].map(|()| tag(&PLAIN, &TagTexts::default()).tap().unwrap());
        assert_eq!(first, second);
        let expected = Signing::new(7).sign("https://ntag.nxp.com/xdna?m=04010203040506&c=000001&s=", "0401");
        assert_eq!(&*first, expected);
    }

    /// A chip keeps its private key when it is set up again.
    #[test]
    fn the_private_key_stays() {
        let mut tag = tag(&PLAIN, &TagTexts::default());
        let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
        let aes = SdmLayout::new(Scheme::Aes, "https://a.b/?c={mac}").unwrap();
        let refused = tag.personalise(&aes, &TagTexts::default(), meta_key.clone(), file_key.clone());
        assert_eq!(refused, Err(SettingsError::EccKey));
        tag.tap().unwrap();
        tag.personalise(&PICC, &TagTexts::default(), meta_key, file_key).unwrap();
        assert_eq!(verify(&PICC, &key().public_key(), &tag.tap().unwrap()), Ok((Some(tag.uid()), 1)));
    }

    #[test]
    fn only_signed_layouts_need_a_private_key() {
        let (meta_key, file_key) = (SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY);
        let (texts, uid) = (TagTexts::default(), Uid::from_bytes([4; 7]));
        let without = EmulatedTag::new(&PLAIN, &texts, meta_key.clone(), file_key.clone(), uid).map(|_| ());
        assert_eq!(without, Err(SettingsError::EccKey));
        let aes = SdmLayout::new(Scheme::Aes, "https://a.b/?c={mac}").unwrap();
        let with = EmulatedTag::new_signing(&aes, &texts, meta_key, file_key, key(), uid).map(|_| ());
        assert_eq!(with, Err(SettingsError::EccKey));
        for wrong in [[0; 32], ORDER, [0xFF; 32]] {
            assert!(TagPrivateKey::from_bytes(wrong).is_none());
        }
        assert_eq!(format!("{:?}", key()), "TagPrivateKey(secret)");
    }
}

/// The doctor has no public keys. It names the signature, and does not look for a MAC.
#[cfg(all(feature = "emulator", feature = "lrp", feature = "sdm-backend"))]
#[test]
fn the_doctor_names_a_signature() {
    use suntap::diagnose::{self, Assumptions, Finding};

    for (layout, index) in [(&PLAIN, 0), (&PICC, 1)] {
        let assumptions = Assumptions { layout: Some(layout), ..Assumptions::about(recorded(index, "url")) };
        let diagnosis = diagnose::diagnose(&assumptions);
        assert!(diagnosis.findings().iter().any(|finding| matches!(finding, Finding::EccSignature)), "{diagnosis:?}");
    }
}
