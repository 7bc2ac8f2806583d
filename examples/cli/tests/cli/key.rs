//! `suntap key`.

use std::collections::HashSet;

use serde_json::json;

use crate::{SAMPLE, TEMPLATE, ZERO, assert_rejected, suntap, vectors};

fn derived(args: &[&str]) -> serde_json::Value {
    suntap(&[&["key", "derive"], args, &["--json"]].concat(), "").json()
}

/// AN10922 §2.2.1.
#[test]
fn the_example_of_an10922_is_derived() {
    let tag = ["an10922", "--master-key", "00112233445566778899AABBCCDDEEFF", "--uid", "04782E21801D80"];
    let expected = json!({"key": "A8DD63A3B89D54B37CA802473FDA9175"});
    assert_eq!(derived(&[&tag[..], &["--aid", "3042F5", "--suffix-text", "NXP Abu"]].concat()), expected);
    assert_eq!(derived(&[&tag[..], &["--suffix-text", "NXP Abu", "--aid=30:42:F5"]].concat()), expected);
    assert_eq!(derived(&[&tag[..], &["--suffix", "3042F54E585020416275"]].concat()), expected);
    assert_eq!(derived(&[&tag[..], &["--suffix", "3042F54E585020416275", "--epoch", "0"]].concat()), expected);
    assert_ne!(derived(&[&tag[..], &["--suffix", "3042F54E585020416275", "--epoch", "1"]].concat()), expected);
    let whole = ["--input", "04782E21801D80 3042F5 4E585020416275"];
    assert_eq!(derived(&[&tag[..3], &whole].concat()), expected);
    for args in [&tag[..3], &[&tag[..], &whole].concat(), &[&tag[..3], &whole, &["--epoch", "1"]].concat()] {
        assert_eq!(suntap(&[&["key", "derive"], args].concat(), "").code, 2, "{args:?}");
    }
}

/// The option is the same everywhere: its value is the next argument.
#[test]
fn an_application_identifier_needs_a_value() {
    let tag = ["--master-key", ZERO, "--uid", "04782E21801D80"];
    for (args, reason) in [
        (&["--aid"][..], "needs a value"),
        (&["--aid", "3042"], "3 bytes"),
        (&["--aid", "--suffix-text", "x"], "needs a value"),
    ] {
        for command in [
            [&["key", "derive", "an10922"], &tag[..]].concat(),
            [&["verify", "--template", TEMPLATE, "--scheme", "an10922", SAMPLE], &tag[..2]].concat(),
            vec!["doctor", SAMPLE],
        ] {
            let ran = suntap(&[&command[..], args].concat(), "");
            assert!(ran.code == 2 && ran.err.contains("--aid") && ran.err.contains(reason), "{args:?} {}", ran.err);
        }
    }
    for command in [&["verify"][..], &["doctor"], &["key", "derive", "an10922"]] {
        let help = suntap(&[command, &["--help"]].concat(), "").out;
        assert!(help.contains("--aid <HEX>") && help.contains("3042F5"), "{help}");
    }
}

/// The vectors of `docs/DETERMINISTIC.md` of boltcard/boltcard.
#[test]
fn the_keys_of_a_bolt_card_are_derived() {
    let args =
        ["boltcard", "--issuer-key", "00000000000000000000000000000001", "--uid", "04a39493cc8680", "--version", "1"];
    let keys = derived(&args);
    assert_eq!(keys["k0"], "A29119FCB48E737D1591D3489557E49B");
    assert_eq!(keys["k1"], "55DA174C9608993DC27BB3F30A4A7314");
    assert_eq!(keys["k2"], "F4B404BE700AB285E333E32348FA3D3B");
    assert_eq!(keys["k3"], "73610BA4AFE45B55319691CB9489142F");
    assert_eq!(keys["k4"], "ADDD03E52964369BE7F2967736B7BDB5");
}

#[test]
fn derived_keys_verify_the_taps_of_the_vectors() {
    for (theirs, ours) in [("an10922", "an10922"), ("sdm_backend", "sdm-backend")] {
        let taps = vectors();
        let tap = taps.iter().find(|tap| tap["file_key_scheme"] == theirs && tap["accept"] == true).unwrap();
        let text = |name: &str| tap[name].as_str().unwrap();
        let mut args = vec![ours, "--master-key", text("master_key"), "--uid", text("uid")];
        if ours == "an10922" {
            args.extend(["--suffix", text("div_suffix")]);
        }
        let keys = derived(&args);
        let key = if ours == "an10922" { &keys["key"] } else { &keys["file_key"] };
        assert!(key.as_str().unwrap().eq_ignore_ascii_case(text("file_key")), "{keys}");
    }
    let zero = ["sdm-backend-legacy", "--master-key", ZERO, "--uid", "04A39493CC8680"];
    assert_eq!(derived(&zero), json!({"meta_key": ZERO, "file_key": ZERO}));
}

#[test]
fn keys_of_an_ecode_differ_between_epochs() {
    let code = suntap(&["key", "new", "--ecode"], "").out;
    let tag = ["ecode", "--secret", ZERO, "--uid", "04A39493CC8680", "--ecode", code.trim()];
    assert_ne!(derived(&tag), derived(&[&tag[..], &["--epoch", "1"]].concat()));
    let text = suntap(&[&["key", "derive"], &tag[..]].concat(), "");
    assert!(text.out.starts_with("meta key  ") && text.out.contains("\nfile key  "), "{}", text.out);
}

#[test]
fn new_keys_are_all_different() {
    let keys = suntap(&["key", "new", "--count", "20"], "").out;
    let different: HashSet<&str> = keys.lines().filter(|key| key.len() == 32).collect();
    assert_eq!(different.len(), 20);
    let codes = suntap(&["key", "new", "--count", "3", "--ecode", "--json"], "").json();
    assert!(codes.as_array().unwrap().iter().all(|code| code.as_str().unwrap().len() == 26));
}

#[test]
fn a_folder_of_key_files_is_searched() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    let keys: Vec<String> = (1..200).map(|number: u32| format!("{number:032X}")).collect();
    write("a.txt", &keys.join("\n"));
    write("b.csv", &format!("name,key,role\nshop,{ZERO},file\nother,{},meta\n", keys[7]));
    write("c.json", &format!("{{\"tag 17\": \"{ZERO}\"}}"));
    write(".hidden", "not a key");
    let path = folder.path().to_str().unwrap();
    let args = ["key", "identify", SAMPLE, "--template", TEMPLATE, "--keys", path];
    let ran = suntap(&args, "");
    assert_eq!(
        (ran.code, &*ran.out),
        (0, "meta key  tag 17\nfile key  shop\nUID       04DE5F1EACC040\ncounter   61\n")
    );
    let found = suntap(&[&args[..], &["--json"]].concat(), "").json();
    let expected = json!({"verified": true, "meta_key": "tag 17", "file_key": "shop", "opened": ["tag 17"], "uid": "04DE5F1EACC040", "ctr": 61});
    assert_eq!(found, expected);
}

#[test]
fn a_tap_that_no_key_verifies_gives_code_1() {
    let identify = |keys: &[&str]| {
        suntap(
            &[&["key", "identify", SAMPLE, "--template", "https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}"], keys]
                .concat(),
            "",
        )
    };
    let other = "other=01010101010101010101010101010101";
    let none = identify(&["--key", other]);
    assert_eq!((none.code, &*none.out), (1, "No key of 1 verifies the tap.\n"));
    let opened = identify(&["--key", other, "--key", &format!("meta={ZERO}")]);
    assert!(opened.code == 1 && opened.out.ends_with("PICCData opens with:\n  meta\n"), "{}", opened.out);
    let opened = identify(&["--key", other, "--key", &format!("meta={ZERO}"), "--json"]).json();
    assert_eq!((&opened["meta_key"], &opened["opened"]), (&serde_json::Value::Null, &json!(["meta"])));
}

#[test]
fn taps_without_picc_data_or_without_a_counter_are_identified() {
    let taps = vectors();
    for (element, tap) in
        taps.iter().filter(|tap| tap["accept"] == true && tap["tt_in_plain_off"].is_null()).filter_map(|tap| {
            let template = tap["template"].as_str()?;
            let element = ["{picc:uid}", "{uid}&", "{ctr}"].into_iter().find(|element| template.contains(*element))?;
            Some((element, tap))
        })
    {
        let text = |name: &str| tap[name].as_str().unwrap_or(ZERO);
        let file_key = format!("f={}", text("file_key"));
        let meta_key = format!("m={}", text("meta_key"));
        let keys = ["--key", &file_key, "--key", &meta_key];
        let mode = tap["mode"].as_str().unwrap_or("aes");
        let args = ["key", "identify", text("url"), "--template", text("template"), "--mode", mode];
        let ran = suntap(&[&args[..], &keys].concat(), "");
        assert_eq!(ran.code, 0, "{element} {}: {} {}", tap["id"], ran.out, ran.err);
    }
}

#[test]
fn a_signed_tap_has_no_secret_key_to_find() {
    let template = "https://a.example/?m=[[{uid}&c={ctr}&s={sig}";
    let key = format!("meta={ZERO}");
    let ran = suntap(&["key", "identify", SAMPLE, "--template", template, "--mode", "ecdsa", "--key", &key], "");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("--public-key"), "{}", ran.err);
}

#[test]
fn invalid_keys_are_rejected_without_repeating_them() {
    let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{ZERO}\nmine={secret}\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let identify = ["key", "identify", SAMPLE, "--template", TEMPLATE];
    for keys in
        [&["--keys", path][..], &["--keys", "/nowhere"], &["--key", secret], &["--key", &format!("a={secret}")], &[]]
    {
        assert_rejected(&[&identify[..], keys].concat(), "A7A7");
    }
    let ran = suntap(&[&identify[..], &["--keys", path]].concat(), "");
    assert!(ran.err.contains(&format!("{path}:2: ")), "{}", ran.err);
    for derive in [
        &["an10922", "--master-key", secret, "--uid", "04782E21801D80"][..],
        &["an10922", "--master-key", ZERO, "--uid", "04782E21801D80", "--suffix", &secret.repeat(2)],
        &["boltcard", "--issuer-key", secret, "--uid", "04782E21801D80"],
        &["sdm-backend", "--master-key", secret, "--uid", "04782E21801D80"],
        &["ecode", "--secret", ZERO, "--ecode", secret, "--uid", "04782E21801D80"],
    ] {
        assert_rejected(&[&["key", "derive"], derive].concat(), "A7A7");
    }
}
