//! `suntap key certificate`.
//!
//! The recorded certificate and its root are in `tests/vectors/xdna-vectors.json`, from NXP's repository NXP/nxmw.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::{Ran, ZERO, assert_rejected, suntap};

static FILE: LazyLock<Value> = LazyLock::new(|| {
    let text = include_str!("../../../../tests/vectors/xdna-vectors.json");
    serde_json::from_str(text).unwrap()
});

/// The public key of the recorded certificate, compressed.
const KEY: &str = "03BDD47762CE1E6C3D891A687A9E3ED186FCE921D98FD55040106F6CD734423DCC";

fn text(pointer: &str) -> &'static str {
    FILE.pointer(pointer).and_then(Value::as_str).unwrap()
}

/// Runs the command with a certificate, its UID, and more arguments.
fn read(certificate: &str, args: &[&str]) -> Ran {
    suntap(&[&["key", "certificate", certificate, "--uid", text("/app_cert/uid")], args].concat(), "")
}

#[track_caller]
fn assert_key(ran: &Ran) {
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, &*format!("{KEY}\n"), ""));
}

/// Checks that a certificate is refused, and that nothing is printed for a command that reads the key.
#[track_caller]
fn assert_refused(ran: &Ran, reason: &str) {
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert!(ran.err.starts_with("suntap: certificate refused: ") && ran.err.contains(reason), "{}", ran.err);
}

#[test]
fn the_recorded_certificate_gives_the_key() {
    let digits = text("/app_cert/hex");
    assert_key(&read(digits, &[]));
    assert_key(&read(&digits.to_lowercase(), &["--root", text("/root_ca/public_key")]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        format!("@{}", path.display())
    };
    assert_key(&read(&file("digits", format!("{digits}\n").as_bytes()), &[]));
    assert_key(&read(&file("bytes", &base16ct::mixed::decode_vec(digits).unwrap()), &[]));
    let root = file("root", text("/root_ca/public_key").as_bytes());
    let other = text("/taps/0/public_key");
    assert_key(&read(digits, &["--root", other, "--root", &root]));
    let args = ["key", "certificate", "-", "--uid", text("/app_cert/uid")];
    assert_key(&suntap(&args, &format!("{digits}\n")));
    assert_eq!(read(digits, &["--json"]).json(), json!({ "verified": true, "public_key": KEY, "error": null }));
}

/// The output is what `--public-key` reads. No tap of this chip is recorded, so a tap of another chip is not authentic.
#[test]
fn the_key_is_piped_to_verify() {
    let key = read(text("/app_cert/hex"), &[]).out;
    let template = "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}";
    let args = ["verify", "--mode", "ecdsa", "--template", template, "--public-key", "-", text("/taps/0/url")];
    let ran = suntap(&args, &key);
    assert_eq!((ran.code, &*ran.out), (1, "not_authentic  (tap is not authentic)\n"));
}

#[test]
fn other_certificates_are_refused() {
    let digits = text("/app_cert/hex");
    let unknown = "none of the trusted root keys has signed the certificate";
    assert_refused(&read(digits, &["--root", text("/taps/0/public_key")]), unknown);
    assert_refused(&read(&digits.replace("BEF07969", "BEF07968"), &[]), unknown);
    assert_refused(&read(&digits[10..], &[]), "expected 7F2182");
    let other = ["key", "certificate", digits, "--uid", "04260471C88990"];
    let reason = "the certificate is that of a different tag, with UID 04AC4DBAD71E90";
    assert_refused(&suntap(&other, ""), reason);
    let object = json!({ "verified": false, "public_key": null, "error": reason });
    let ran = suntap(&[&other[..], &["--json"]].concat(), "");
    assert_eq!((ran.code, ran.json()), (1, object));
}

/// The recorded certificate is valid from 2024-10-02 to 2044-10-02.
#[test]
fn the_time_decides_about_the_validity() {
    let at = |time: &str| read(text("/app_cert/hex"), &["--at", time]);
    for time in ["2024-10-02T00:00:00Z", "2026-01-01T12:00:00.5Z", "2044-10-02T00:00:00Z"] {
        assert_key(&at(time));
    }
    assert_refused(&at("2024-10-01T23:59:59Z"), "is not valid yet");
    assert_refused(&at("2044-10-02T00:00:01Z"), "has expired");
}

#[test]
fn wrong_arguments_are_rejected() {
    let digits = text("/app_cert/hex");
    let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
    for args in [
        &["key", "certificate", digits][..],
        &["key", "certificate", digits, "--uid", secret],
        &["key", "certificate", &format!("{secret}x"), "--uid", "04AC4DBAD71E90"],
        &["key", "certificate", "@/nowhere/file", "--uid", "04AC4DBAD71E90"],
        &["key", "certificate", digits, "--uid", "04AC4DBAD71E90", "--root", secret],
        &["key", "certificate", digits, "--uid", "04AC4DBAD71E90", "--root", ZERO],
        &["key", "certificate", digits, "--uid", "04AC4DBAD71E90", "--at", "tomorrow"],
    ] {
        assert_rejected(args, "A7A7");
    }
}
