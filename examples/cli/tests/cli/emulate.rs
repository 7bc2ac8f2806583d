//! `suntap emulate`.

use serde_json::json;

use crate::{ZERO, assert_rejected, run, suntap};

const TEMPLATE: &str = "https://a.example/t?e={picc:uid,ctr}&c={mac}";

#[test]
fn taps_of_one_tag_are_fresh_in_their_order() {
    let keys = ["--meta-key", "01:01:01:01:01:01:01:01:01:01:01:01:01:01:01:01", "--file-key", ZERO];
    let tag = ["--template", TEMPLATE, "--uid", "04 11 22 33 44 55 66", "--ctr", "60", "--count", "2"];
    let ran = suntap(&[&["emulate"], &tag[..], &keys].concat(), "");
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2), "{}", ran.err);
    let urls: Vec<&str> = ran.out.lines().collect();
    let verified = suntap(&[&["verify", "--template", TEMPLATE], &keys[..], &urls].concat(), "");
    assert_eq!(verified.out, "fresh  uid 04112233445566  ctr 61\nfresh  uid 04112233445566  ctr 62\n");
}

#[test]
fn each_option_has_an_effect() {
    let template = "https://a.example/{:id}?u={uid}&n={ctr}&d=[[{enc:32}&c={mac}";
    let args = ["--template", template, "--text", "id=A7", "--file-data", "hello", "--mode", "lrp", "--json"];
    let tap = suntap(&[&["emulate"], &args[..]].concat(), "").json();
    let url = tap["url"].as_str().unwrap();
    assert!(url.starts_with("https://a.example/A7?u=04000000000000&n=000001&d="), "{url}");
    assert_eq!((&tap["uid"], &tap["ctr"]), (&json!("04000000000000"), &json!(1)));
    let args = ["--template", template, "--mode", "lrp", "--file-key", ZERO, url];
    let verified = suntap(&[&["verify"], &args[..]].concat(), "");
    assert!(verified.code == 0 && verified.out.contains("file data \"hello00000000000\""), "{}", verified.out);
}

#[test]
fn a_batch_has_a_tag_in_each_line() {
    let line = json!({"template": "https://a.example/{:id}?u={uid}&n={ctr}&c={mac}", "uid": "04112233445566", "ctr": 60,
        "mode": "aes", "file_key": ZERO, "captured": {"id": "A7"}});
    let ran = suntap(&["emulate", "--batch", "-"], &format!("{line}\n\n{line}\n"));
    assert_eq!((ran.code, &*ran.err), (0, ""));
    let urls: Vec<&str> = ran.out.lines().collect();
    assert_eq!(urls[0], urls[1]);
    assert!(urls[0].starts_with("https://a.example/A7?u=04112233445566&n=00003D&c="), "{}", urls[0]);
}

#[test]
fn a_wrong_line_is_named_without_its_content() {
    for wrong in [
        format!("{{\"template\": \"https://a.b/{{mac}}\", \"file_key\": \"{ZERO}00\"}}"),
        format!("{{\"file_key\": \"{ZERO}\"}}"),
        ZERO.to_owned() + "x",
        json!({"template": "https://a.b/{mac}", "ctr": 1 << 24}).to_string(),
        json!({"template": "https://a.b/{mac}", "mode": ZERO}).to_string(),
    ] {
        let good = json!({"template": "https://a.b/{mac}"});
        let ran = suntap(&["emulate", "--batch", "-"], &format!("{good}\n{wrong}\n"));
        assert_eq!((ran.code, ran.out.lines().count(), ran.err.lines().count()), (2, 1, 1), "{}", ran.err);
        assert!(ran.err.starts_with("suntap: -:2: ") && !ran.err.contains("0000000"), "{}", ran.err);
    }
}

#[test]
fn the_last_counter_ends_a_batch() {
    let line = json!({"template": TEMPLATE, "ctr": 0x00FF_FFFF}).to_string();
    let ran = suntap(&["emulate", "--batch", "-"], &line);
    let expected = "suntap: -:1: the counter of the tag has reached its end\n";
    assert_eq!((ran.code, &*ran.out, &*ran.err), (1, "", expected));
}

#[test]
fn a_signed_tap_needs_its_private_key() {
    let template = "https://a.b/?u=[[{uid}&n={ctr}&e={sig}";
    let private = "0B".repeat(32);
    let emulate = |args: &[&str]| suntap(&[&["emulate", "--template", template], args].concat(), "");
    let signed = emulate(&["--mode", "ecdsa", "--private-key", &private]);
    assert_eq!((signed.code, &*signed.err), (0, ""));
    let secret: [u8; 32] = [0x0B; 32];
    let public = suntap::emulator::TagPrivateKey::from_bytes(secret).unwrap().public_key().to_compressed();
    let public = base16ct::upper::encode_string(&public);
    let args = ["verify", signed.out.trim(), "--template", template, "--mode", "ecdsa", "--public-key", &public];
    let verified = suntap(&args, "");
    assert_eq!(verified.code, 0, "{}", verified.err);
    let other = suntap(&[&args[..], &["--scheme", "boltcard"]].concat(), "");
    assert!(other.code == 2 && other.err.contains("does not go with this --scheme"), "{}", other.err);
    for (args, reason) in [
        (&["--mode", "ecdsa"][..], "is missing"),
        (&["--mode", "ecdsa", "--private-key", &"00".repeat(32)], "--private-key"),
    ] {
        let refused = emulate(args);
        assert!(refused.code == 2 && refused.err.contains(reason), "{}", refused.err);
        assert!(!refused.err.contains("0B0B") && !refused.err.contains("0000000"), "{}", refused.err);
    }
    let aes = suntap(&["emulate", "--template", TEMPLATE, "--private-key", &private], "");
    assert!(aes.code == 2 && aes.err.contains("ecdsa") && !aes.err.contains("0B0B"), "{}", aes.err);
}

#[test]
fn only_modes_that_can_be_emulated_are_offered() {
    for subcommand in ["emulate", "layout", "settings"] {
        let help = suntap(&[subcommand, "--help"], "").out;
        assert!(help.contains("- lrp:") && !help.contains("suncmac"), "{help}");
    }
    let ran = suntap(&["emulate", "--template", TEMPLATE, "--mode", "suncmac"], "");
    assert!(ran.code == 2 && ran.err.contains("(one of: aes, lrp, ecdsa)"), "{}", ran.err);
    let line = json!({"template": TEMPLATE, "mode": "suncmac"}).to_string();
    let ran = suntap(&["emulate", "--batch", "-"], &line);
    assert_eq!((ran.code, &*ran.err), (2, "suntap: -:1: mode is not aes, lrp or ecdsa\n"));
}

#[test]
fn a_tag_whose_counter_has_reached_its_end_gives_code_1() {
    let args = ["emulate", "--template", TEMPLATE, "--ctr", "16777214", "--count", "2"];
    let ran = suntap(&args, "");
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1));
}

#[test]
fn keys_come_from_files_the_environment_and_standard_input() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "\"0x01010101010101010101010101010101\"\n").unwrap();
    let at_file = format!("@{}", file.path().display());
    let url = |meta_key: &str, file_key: &str| {
        let args = ["emulate", "--template", TEMPLATE, "--meta-key", meta_key, "--file-key", file_key];
        let input = "02020202020202020202020202020202\nAQEBAQEBAQEBAQEBAQEBAQ==\n";
        let ran = run(crate::command().args(args).env("SUNTAP_TEST_KEY", "01-01 01010101010101010101010101:01"), input);
        assert_eq!((ran.code, &*ran.err), (0, ""));
        ran.out
    };
    let expected = url("01010101010101010101010101010101", "02020202020202020202020202020202");
    assert_eq!(url(&at_file, "-"), expected);
    assert_eq!(url("env:SUNTAP_TEST_KEY", "-"), expected);
    // Each - takes the next line.
    let swapped = url("02020202020202020202020202020202", "01010101010101010101010101010101");
    assert_eq!(url("-", "-"), swapped);
    for missing in ["@/nowhere/at/all", "env:SUNTAP_TEST_NOTHING", "-"] {
        assert_rejected(&["emulate", "--template", TEMPLATE, "--meta-key", missing], "0000");
    }
}
