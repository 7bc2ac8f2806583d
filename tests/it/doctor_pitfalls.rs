//! The doctor, for URLs that are easily mistaken for something else.

use suntap::diagnose::{Assumptions, Conclusion, Finding, GivenKey, KeyDerivation, KeySource, Role, diagnose};
use suntap::kdf::boltcard;
use suntap::sun::session::MacKey;
use suntap::{IssuerKey, Malformed, Scheme, SdmFileReadKey, SdmLayout, SdmReadCtr};
use suntap_testkit::{Tag, Tap};

use crate::diagnose::{FILE, KEYS, META, UID, codes, layout, tap, tap_of};

/// Returns the codes of the findings if these keys are given.
fn found(url: &str, assumed: Option<&SdmLayout>) -> Vec<String> {
    let diagnosis = diagnose(&Assumptions { layout: assumed, keys: &KEYS, ..Assumptions::about(url) });
    codes(&diagnosis).into_iter().map(String::from).collect()
}

fn unknown_key() -> SdmFileReadKey {
    SdmFileReadKey::from_bytes([0xAB; 16])
}

/// File data of 64 bytes have as many digits as a signature.
#[test]
fn long_file_data_are_no_signature() {
    for template in ["https://a.b/?p={picc}&e=[[{enc:128}&c={mac}", "https://a.b/?p={picc}[[{enc:96}&c={mac}"] {
        let layout = layout(template);
        let url = tap_of(&layout, META, &unknown_key(), UID, 5);
        for assumed in [Some(&layout), None] {
            let diagnosis = diagnose(&Assumptions { layout: assumed, keys: &KEYS, ..Assumptions::about(&url) });
            assert_eq!(diagnosis.findings(), [Finding::FileKey { uid: Some(UID) }], "{template}");
        }
        // With a public key, the tap is one that should be signed.
        #[cfg(feature = "ecdsa")]
        {
            let public = crate::ecdsa::Signing::new(3).public();
            let diagnosis =
                diagnose(&Assumptions { keys: &KEYS, public_key: Some(&public), ..Assumptions::about(&url) });
            assert_eq!(codes(&diagnosis), ["signature-key"], "{template}");
        }
    }
    // A layout that does not fit says nothing about the digits.
    let other = layout("https://a.b/?q={picc}&c={mac}");
    let signed = format!("https://a.b/?m=04112233445566&s={}", "4A".repeat(64));
    assert_eq!(found(&signed, Some(&other)), ["ecc-signature"]);
    assert_eq!(found(&signed, None), ["ecc-signature"]);
    // File data are before the MAC.
    let signed = signed.replace("/?m", "/0011223344556677?m");
    assert_eq!(found(&signed, None), ["ecc-signature"]);
}

#[test]
fn a_url_without_mirrors_has_no_placeholder() {
    for url in ["https://shop.example/item/12345678", "https://e.com/?c=94EED9EE6533708"] {
        assert_eq!(found(url, None), ["no-mac"], "{url}");
    }
    let layout = layout("https://a.b/?p={picc}&c={mac}&id=0000000000000000");
    let url = tap_of(&layout, META, &unknown_key(), UID, 5);
    assert_eq!(found(&url, Some(&layout)), ["file-key"], "the zeros are static text");
}

/// A parameter after the MAC contains an encoded URL.
#[test]
fn the_url_in_a_parameter_is_not_the_tap() {
    let layout = layout("https://tag.example/?e={picc}&c={mac}&next=https%3A%2F%2Fshop.example");
    let (right, unknown) = (tap(&layout, 5), tap_of(&layout, META, &unknown_key(), UID, 5));
    assert_eq!(found(&right, Some(&layout)), [""; 0]);
    assert_eq!(found(&right, None), [""; 0]);
    assert_eq!(found(&unknown, Some(&layout)), ["file-key"]);
    assert_eq!(found(&unknown, None), ["file-key"]);
    let redirect = "https://r.example/?to=https%3A%2F%2Ftag.example%2F%3Fe%3D";
    let digits = &right[right.find("e=").unwrap() + 2..right.find("&next").unwrap()].replace("&c=", "%26c%3D");
    assert_eq!(found(&format!("{redirect}{digits}"), None), ["percent-encoded"]);
}

/// UID and counter are written as on an NTAG 21x, but there is a MAC.
#[test]
fn a_tap_with_a_mac_is_no_ntag_21x() {
    let layout = layout("https://a.b/?m={uid}x{ctr}&c={mac}");
    let url = tap_of(&layout, META, &unknown_key(), UID, 5);
    for assumed in [Some(&layout), None] {
        assert_eq!(found(&url, assumed), ["no-match"]);
    }
    let without_mac = &url[..url.find("&c=").unwrap()];
    for other in [without_mac, &format!("{without_mac}&t=1732795200"), &without_mac.replace("/?", "/0011223344556677?")]
    {
        assert_eq!(found(other, None), ["other-scheme"], "{other}");
    }
}

/// No layout describes these taps, so nothing can be said about the second one.
#[test]
fn a_second_tap_without_a_layout_is_not_compared() {
    let tap = |ctr: u32| {
        let key = SdmFileReadKey::from_bytes(FILE);
        let cmac = MacKey::derive(&key.prepare(Scheme::Aes), Some(UID), SdmReadCtr::new(ctr)).unwrap().cmac(b"");
        format!("https://a.b/?u={UID}&n={ctr:06X}&c={}", base16ct::upper::encode_string(&cmac[..8]))
    };
    let (first, second) = (tap(5), tap(6));
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, second_url: Some(&second), ..Assumptions::about(&first) });
    assert_eq!(codes(&diagnosis), ["mac-truncation"]);
    // The MAC of a tap with counter 0 is not checked.
    let layout = layout("https://a.b/?u={uid}&n={ctr}&c={mac}");
    let first = crate::diagnose::tap(&layout, 5);
    let zero = format!("https://a.b/?u={UID}&n=000000&c=0123456789ABCDEF");
    let assumptions = Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&first) };
    let diagnosis = diagnose(&Assumptions { second_url: Some(&zero), ..assumptions });
    assert_eq!(diagnosis.findings(), [Finding::SecondDiffers]);
}

/// Reversing the bytes of a key can give the same key.
#[test]
fn a_key_is_not_derived_from_itself() {
    let layout = layout("https://a.b/?p={picc}&c={mac}");
    let issuer = [0x42; 16];
    let meta = *boltcard::meta_read_key(&IssuerKey::from_bytes(issuer)).expose_bytes();
    let keys = [GivenKey { name: "issuer", key: &issuer, role: Role::Any }];
    let url = tap_of(&layout, meta, &SdmFileReadKey::FACTORY, UID, 5);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
    let source = KeySource::Derived { from: Some("issuer"), derivation: KeyDerivation::Boltcard { version: 0 } };
    assert_eq!(
        diagnosis.findings(),
        [Finding::DerivedKey { role: Role::Meta, source }, Finding::FactoryKey { meta: false, file: true }]
    );
    let same = [0x11; 16];
    let keys = [keys[0], GivenKey { name: "file", key: &same, role: Role::File }];
    let url = tap_of(&layout, meta, &SdmFileReadKey::from_bytes(same), UID, 5);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
    assert_eq!(diagnosis.findings(), [Finding::DerivedKey { role: Role::Meta, source }]);
}

/// Anybody can derive this SDMMetaReadKey from the key of a new chip. It was given, but protects nothing.
#[test]
fn a_given_meta_key_that_everybody_can_derive_is_a_fault() {
    let layout = layout("https://a.b/?p={picc}&c={mac}");
    let meta = *boltcard::meta_read_key(&IssuerKey::from_bytes([0; 16])).expose_bytes();
    let keys = [GivenKey { name: "meta", key: &meta, role: Role::Meta }, KEYS[1]];
    let url = tap_of(&layout, meta, &SdmFileReadKey::from_bytes(FILE), UID, 5);
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &keys, ..Assumptions::about(&url) });
    let source = KeySource::Derived { from: None, derivation: KeyDerivation::Boltcard { version: 0 } };
    assert_eq!(diagnosis.findings(), [Finding::DerivedKey { role: Role::Meta, source }]);
    assert!(diagnosis.contents.unwrap().is_proven, "the SDMFileReadKey is secret");
}

/// An apostrophe is allowed in a URL.
#[test]
fn an_apostrophe_belongs_to_the_url() {
    let layout = layout("https://a.b/o'neil?p={picc}&c={mac}");
    let url = tap(&layout, 5);
    assert_eq!(found(&url, None), [""; 0]);
    assert_eq!(found(&format!("'{url}'"), None), ["surrounding-text"]);
}

/// The PICCData has the UID and the counter, but the program used only the counter.
#[test]
fn a_session_vector_without_the_uid_of_the_picc_data_is_no_chip() {
    let both = layout("https://a.b/?p={picc:uid,ctr}&c={mac}");
    let picc_data = &tap(&both, 5)["https://a.b/?p=".len()..][..32];
    let key = SdmFileReadKey::from_bytes(FILE).prepare(Scheme::Aes);
    let cmac = MacKey::derive(&key, None, SdmReadCtr::new(5)).unwrap().cmac(b"");
    let mac: Vec<u8> = cmac.into_iter().skip(1).step_by(2).collect();
    let url = format!("https://a.b/?p={picc_data}&c={}", base16ct::upper::encode_string(&mac));
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    let finding = Finding::SessionVector { uid: false, ctr: true, is_encrypted: true };
    assert_eq!(diagnosis.findings(), [finding]);
    assert!(!diagnosis.contents.unwrap().is_proven);
}

/// A parameter was appended, so the URL does not fit into the file of a tag.
#[test]
fn a_url_that_no_tag_can_store_is_too_long() {
    let right = tap(&layout("https://a.b/?p={picc}&c={mac}"), 5);
    let url = format!("{right}&x={}", "x".repeat(259 - right.len() - 3));
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!(diagnosis.findings(), [Finding::Layout(Malformed::TooLong)]);
    assert_eq!(diagnosis.conclusion, Conclusion::Explained);
}

/// A later tap is a remark. The keys of a new chip are a fault.
#[test]
fn faults_come_before_remarks() {
    let layout = layout("https://a.b/?u={uid}&n={ctr}&c={mac}");
    let [first, second] = [5, 6].map(|ctr| tap_of(&layout, META, &SdmFileReadKey::FACTORY, UID, ctr));
    let diagnosis = diagnose(&Assumptions { second_url: Some(&second), ..Assumptions::about(&first) });
    assert_eq!(diagnosis.findings(), [Finding::NewChip, Finding::CounterRunning { reads: 1 }]);
}

/// An NTAG 22x has no SDMMACInputOffset that could be set to the place of `[[`. The tap is pub-ntag22x_suncmac-0002 of the
/// vectors.
#[test]
fn an_ntag_22x_has_no_offset_of_the_mac_input() {
    let url = "https://a.b/?k=CC&m=04C767F2066180x000003x3779793DFE592188";
    let assumed = layout("https://a.b/?k=CC&m=[[{uid}x{ctr}x{mac}");
    let diagnosis = diagnose(&Assumptions { layout: Some(&assumed), ..Assumptions::about(url) });
    assert_eq!(diagnosis.findings(), [Finding::Mode { actual: Scheme::Suncmac }, Finding::NewChip]);
}

/// Data that the MAC covers are shown although they are no text.
#[test]
fn covered_data_are_shown_as_they_are() {
    let template = "https://a.b/?p={picc}&e=[[{enc:32}&c={mac}";
    let layout = layout(template);
    let tag = Tag { lrp: false, meta_key: META, file_key: FILE, uid: *UID.as_bytes() };
    let data = vec![0x80; 16];
    let url = tag.write(template, &Tap { ctr: 7, padding: [1; 12], file_data: data.clone(), tt: *b"CC" }).url;
    let diagnosis = diagnose(&Assumptions { layout: Some(&layout), keys: &KEYS, ..Assumptions::about(&url) });
    assert!(diagnosis.is_healthy());
    assert_eq!(diagnosis.contents.unwrap().file_data(), data);
}

/// Digits outside the MAC input that do not decrypt to text are static text. Anybody can change file data there.
#[test]
fn data_outside_the_mac_input_are_not_proven() {
    let layout = layout("https://a.b/?p={picc}&id=00112233445566778899AABBCCDDEEFF&c={mac}");
    let url = tap(&layout, 5);
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    assert!(diagnosis.is_healthy());
    let contents = diagnosis.contents.unwrap();
    assert_eq!((contents.file_data(), contents.is_proven), (&b""[..], true));
    let covered = crate::diagnose::layout("https://a.b/?p={picc}&e=[[{enc:32}&c={mac}");
    let from_covered = tap(&covered, 5);
    let enc = &from_covered[from_covered.find("e=").unwrap() + 2..][..32];
    let url = url.replace("00112233445566778899AABBCCDDEEFF", enc);
    let diagnosis = diagnose(&Assumptions { keys: &KEYS, ..Assumptions::about(&url) });
    assert_eq!(diagnosis.findings(), [Finding::FileDataNotCovered]);
    let contents = diagnosis.contents.unwrap();
    assert!(!contents.is_proven && !contents.file_data().is_empty());
}

/// A signature does not show that a derived key is the right one. The UID does.
#[cfg(feature = "ecdsa")]
#[test]
fn a_derived_key_of_a_signed_tap_is_not_proven() {
    let issuer = [0x42; 16];
    let meta = *boltcard::meta_read_key(&IssuerKey::from_bytes(issuer)).expose_bytes();
    let url = tap_of(&layout("https://a.b/?e={picc}&c={mac}"), meta, &SdmFileReadKey::from_bytes(FILE), UID, 5);
    let tag = crate::ecdsa::Signing::new(3);
    let url = tag.sign(&url[..url.find("c=").unwrap()], "e=");
    let keys = [GivenKey { name: "issuer", key: &issuer, role: Role::Any }];
    let public = tag.public();
    for (uid, is_proven) in [(None, false), (Some(UID), true)] {
        let diagnosis =
            diagnose(&Assumptions { keys: &keys, uid, public_key: Some(&public), ..Assumptions::about(&url) });
        assert_eq!(codes(&diagnosis), ["derived-key"]);
        let contents = diagnosis.contents.unwrap();
        assert_eq!((contents.uid, contents.is_proven), (Some(UID), is_proven));
    }
}
