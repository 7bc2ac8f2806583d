//! The certificate of an NTAG X DNA. The recorded certificate and its root are in `tests/vectors/xdna-vectors.json`, from
//! NXP's repository NXP/nxmw, v02.07.00.

use std::sync::LazyLock;

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use serde_json::Value;
use suntap::certificate::{CertificateError, NXP_AUTH_ROOT_CA_E201, RootKey, tag_public_key};
use suntap::{TagPublicKey, Uid, UnixMillis};

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../vectors/xdna-vectors.json");
    serde_json::from_str(text).unwrap()
});

/// 2025-01-01, 2024-10-02 and 2044-10-02, each at 00:00:00 UTC. The last two are the validity of the recorded certificate.
const NOW: UnixMillis = UnixMillis::new(1_735_689_600_000);
const NOT_BEFORE: u64 = 1_727_827_200_000;
const NOT_AFTER: u64 = 2_358_979_200_000;

/// ecdsa-with-SHA256 as an algorithm identifier.
const ALGORITHM: &str = "300A06082A8648CE3D040302";

fn unhex(text: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(text).unwrap()
}

fn text(pointer: &str) -> &'static str {
    FILE.pointer(pointer).and_then(Value::as_str).unwrap()
}

fn recorded() -> Vec<u8> {
    unhex(text("/app_cert/hex"))
}

fn uid() -> Uid {
    Uid::from_hex(text("/app_cert/uid")).unwrap()
}

fn nxp() -> RootKey {
    NXP_AUTH_ROOT_CA_E201.parse().unwrap()
}

fn check(certificate: &[u8]) -> Result<TagPublicKey, CertificateError> {
    tag_public_key(certificate, &[nxp()], uid(), NOW)
}

/// A root of our own.
fn own_root() -> (SigningKey, RootKey) {
    let key = SigningKey::from_slice(&[9; 32]).unwrap();
    let root = RootKey::from_sec1(key.verifying_key().to_sec1_point(true).as_bytes()).unwrap();
    (key, root)
}

/// Returns an element of DER. The content has at least 256 bytes, or fewer than 128.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap();
    let [high, low] = len.to_be_bytes();
    let head = if len < 128 { vec![tag, low] } else { vec![tag, 0x82, high, low] };
    [head, content.to_vec()].concat()
}

/// The signed part of the recorded certificate, in hexadecimal digits, without its first four bytes.
fn content() -> String {
    text("/app_cert/hex")[2 * 13..][..2 * 0x10B].to_owned()
}

/// Returns a certificate with this content, signed by our own root, whose name is that of NXP's root.
fn signed(content: &str, algorithm: &str) -> Vec<u8> {
    let content = element(0x30, &unhex(content));
    let signature: DerSignature = own_root().0.sign(&content);
    let signature = element(0x03, &[&[0], signature.as_bytes()].concat());
    let whole = element(0x30, &[content, unhex(algorithm), signature].concat());
    let len = u16::try_from(whole.len()).unwrap().to_be_bytes();
    [&[0x7F, 0x21, 0x82], &len[..], &whole].concat()
}

fn check_own(content: &str, algorithm: &str) -> Result<TagPublicKey, CertificateError> {
    tag_public_key(&signed(content, algorithm), &[nxp(), own_root().1], uid(), NOW)
}

#[test]
fn the_recorded_certificate_gives_the_key() {
    assert_eq!(NXP_AUTH_ROOT_CA_E201, text("/root_ca/public_key"));
    let key = text("/app_cert/public_key").parse();
    assert_eq!(check(&recorded()), key.map_err(|_| CertificateError::Encoding));
    let both = [own_root().1, nxp()];
    assert!(tag_public_key(&recorded(), &both, uid(), NOW).is_ok());
    for roots in [&[][..], &[own_root().1]] {
        let refused = tag_public_key(&recorded(), roots, uid(), NOW);
        assert_eq!(refused, Err(CertificateError::UnknownRoot));
    }
    let point = NXP_AUTH_ROOT_CA_E201.parse::<TagPublicKey>().unwrap().to_string();
    assert_eq!((nxp().to_string(), format!("{:?}", nxp())), (point.clone(), format!("RootKey({point})")));
}

/// Every changed bit is noticed, in the wrapper and the certificate.
#[test]
fn changed_certificates_are_refused() {
    let whole = recorded();
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(check(&changed).is_err(), "bit {bit}");
    }
    for len in 0..whole.len() {
        assert!(check(&whole[..len]).is_err(), "{len} bytes");
    }
    assert_eq!(check(&[&whole[..], &[0]].concat()), Err(CertificateError::Wrapper));
    assert_eq!(check(&whole[5..]), Err(CertificateError::Wrapper));
    assert_eq!(check(b"\x7F\x21\x82\0\x01\x30"), Err(CertificateError::Encoding));
    let mut trailing = [&whole[..], &[5, 0]].concat();
    trailing[4] += 2;
    assert_eq!(check(&trailing), Err(CertificateError::Encoding));
}

#[test]
fn validity_includes_both_ends() {
    let at = |millis| tag_public_key(&recorded(), &[nxp()], uid(), UnixMillis::new(millis)).map(|_| ());
    assert_eq!(at(0), Err(CertificateError::NotYetValid));
    assert_eq!(at(NOT_BEFORE - 1), Err(CertificateError::NotYetValid));
    assert_eq!((at(NOT_BEFORE), at(NOT_AFTER), at(NOT_AFTER + 999)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(at(NOT_AFTER + 1000), Err(CertificateError::Expired));
    assert_eq!(at(u64::MAX), Err(CertificateError::Expired));
}

#[test]
fn the_certificate_of_another_tag_is_refused() {
    let other = Uid::from_hex("04260471C88990").unwrap();
    let refused = tag_public_key(&recorded(), &[nxp()], other, NOW);
    assert_eq!(refused, Err(CertificateError::OtherTag { uid: uid() }));
}

/// The root is pinned by its key. A certificate of another root is refused, although all names in it are NXP's.
#[test]
fn a_root_with_the_same_name_is_refused() {
    let own = signed(&content(), ALGORITHM);
    assert_eq!(check(&own), Err(CertificateError::UnknownRoot));
    assert!(check_own(&content(), ALGORITHM).is_ok(), "it is well-formed");
}

/// Certificates of a root that is trusted, with content that no chip has.
#[test]
fn other_content_is_refused() {
    // The two parts of the subject.
    const DESCRIPTION: &str = "31173015060355040D0C0E3034413030303034303130303031";
    const UID: &str = "3111300F060355042D03080004AC4DBAD71E90";

    let replaced = |from: &str, to: &str| {
        let whole = content();
        assert_eq!(whole.matches(from).count(), 1, "{from}");
        whole.replace(from, to)
    };
    for (content, error) in [
        // The UID only as serial number, only in the subject, with unused bits, and with a byte less.
        (replaced("042D0308", "042E0308"), CertificateError::NoUid),
        (replaced("020704AC4DBAD71E90", "020704AC4DBAD71E91"), CertificateError::NoUid),
        (replaced("0308000", "0308040"), CertificateError::NoUid),
        (
            content().replace("04AC4DBAD71E90", "04AC4DBAD71E91"),
            CertificateError::OtherTag { uid: Uid::from_hex("04AC4DBAD71E91").unwrap() },
        ),
        // The UID twice, and no description.
        (replaced(&format!("302C{DESCRIPTION}{UID}"), &format!("3026{UID}{UID}")), CertificateError::NoUid),
        // Another curve (secp256k1), another kind of key, a point that is not on the curve.
        (replaced("06082A8648CE3D030107", "06082A8648CE3D030106"), CertificateError::Unsupported),
        (replaced("06072A8648CE3D0201", "06072A8648CE3D0202"), CertificateError::Unsupported),
        (replaced("BE3F01", "BE3F02"), CertificateError::Unsupported),
        // Signed with another hash (SHA-384), according to the content.
        (replaced("06082A8648CE3D040302", "06082A8648CE3D040303"), CertificateError::Unsupported),
    ] {
        assert_eq!(check_own(&content, ALGORITHM), Err(error), "{content}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    for algorithm in ["300A06082A8648CE3D040303", "300C06082A8648CE3D0403020500"] {
        assert_eq!(check_own(&content(), algorithm), Err(CertificateError::Unsupported), "{algorithm}");
    }
    // Extensions: keyUsage, critical or not.
    let critical = "A3123010300E0603551D0F0101FF040403020780";
    assert_eq!(check_own(&(content() + critical), ALGORITHM), Err(CertificateError::Unsupported));
    let other = "A30F300D300B0603551D0F040403020780";
    assert!(check_own(&(content() + other), ALGORITHM).is_ok());
}
