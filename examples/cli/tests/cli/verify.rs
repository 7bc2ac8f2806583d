//! `suntap verify` with URLs.

use crate::{Ran, SAMPLE as URL, TEMPLATE, ZERO, assert_rejected, suntap, vectors};

fn verify(args: &[&str], input: &str) -> Ran {
    suntap(&[&["verify"], args].concat(), input)
}

#[test]
fn urls_share_one_counter_store() {
    let keys = ["--meta-key", ZERO, "--file-key", ZERO];
    let once = verify(&[&["--template", TEMPLATE], &keys[..], &[URL]].concat(), "");
    assert_eq!((once.code, once.out.as_str()), (0, "fresh  uid 04DE5F1EACC040  ctr 61\n"));
    let twice = verify(&[&["--template", TEMPLATE, "--mode", "aes"], &keys[..], &[URL, URL]].concat(), "");
    assert_eq!(twice.code, 1);
    assert!(twice.out.lines().nth(1).unwrap().starts_with("replayed  uid 04DE5F1EACC040  ctr 61"));
    let forged = URL.replace("94EE", "94EF");
    let forged = verify(&[&["--template", TEMPLATE], &keys[..], &[&forged]].concat(), "");
    assert_eq!((forged.code, forged.out.as_str()), (1, "not_authentic  (tap is not authentic)\n"));
    let malformed = verify(&[&["--template", TEMPLATE], &keys[..], &[&URL[..60]]].concat(), "");
    assert_eq!((malformed.code, &malformed.out[..9]), (1, "malformed"));
}

/// The tap is from the vectors. Its file key is derived by AN10922 over UID || suffix.
#[test]
fn an10922_keys_are_derived() {
    let taps = vectors();
    let tap = taps
        .iter()
        .find(|tap| {
            tap["file_key_scheme"] == "an10922"
                && tap["mode"] == "aes"
                && tap["accept"] == true
                && tap["meta_key"].is_string()
        })
        .unwrap();
    let text = |name: &str| tap[name].as_str().unwrap();
    let args = ["--template", text("template"), "--scheme", "an10922", "--master-key", text("master_key")];
    let args = [&args[..], &["--suffix", text("div_suffix"), "--meta-key", text("meta_key"), text("url")]].concat();
    let ran = verify(&args, "");
    assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
    assert!(ran.out.starts_with(&format!("fresh  uid {}", text("uid").to_uppercase())), "{}", ran.out);
}

/// The recorded taps of an NTAG X DNA, from `tests/vectors/xdna-vectors.json`.
#[test]
fn signed_taps_are_verified_with_a_public_key() {
    let vectors = include_str!("../../../../tests/vectors/xdna-vectors.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
    let text = |pointer: &str| vectors.pointer(pointer).and_then(serde_json::Value::as_str).unwrap();
    let (plain, picc, key) = (text("/taps/0/url"), text("/taps/1/url"), text("/taps/0/public_key"));
    let mode = ["--mode", "ecdsa", "--template", "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}"];
    let with = |keys: &[&str]| verify(&[&mode[..], keys, &[plain]].concat(), "");
    let ran = with(&["--public-key", key]);
    assert_eq!((ran.code, &*ran.out), (0, "fresh  uid 04260471C88990  ctr 226\n"), "{}", ran.err);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{}\n", key.to_lowercase())).unwrap();
    assert_eq!(with(&["--public-key", &format!("@{}", file.path().display())]).code, 0);
    let other = with(&["--public-key", text("/app_cert/public_key")]);
    assert_eq!((other.code, &*other.out), (1, "not_authentic  (tap is not authentic)\n"));
    for (keys, error) in [
        (&[][..], "--public-key is missing"),
        (&["--file-key", ZERO], "--public-key is missing"),
        (&["--public-key", ZERO], "--public-key: expected a point on P-256"),
        (&["--public-key", key, "--file-key", ZERO], "cannot be used together with"),
    ] {
        let ran = with(keys);
        assert!(ran.code == 2 && ran.err.contains(error), "{keys:?}: {}", ran.err);
    }
    let ran = verify(&["--template", TEMPLATE, "--meta-key", ZERO, "--public-key", key, URL], "");
    assert!(ran.code == 2 && ran.err.contains("--public-key needs the mode ecdsa"), "{}", ran.err);

    let template = "https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid,ctr}&s={sig}";
    let line = serde_json::json!({
        "id": 1, "url": picc, "template": template, "mode": "ecdsa", "public_key": key, "meta_key": ZERO, "store": "a",
    });
    let refused = serde_json::json!({
        "id": 2, "url": picc, "template": template.replace("[[", ""), "mode": "ecdsa", "public_key": key,
    });
    let ran = verify(&["--batch", "-"], &format!("{line}\n{line}\n{refused}\n"));
    let fields = r#""uid":"04260471c88990","ctr":224,"tt":null,"tt_authenticated":null,"file_data":null"#;
    let rule = "template: {sig} needs [[ and text after it, or the signature covers nothing";
    let expected = format!(
        "{{\"id\":1,\"verdict\":\"fresh\",{fields}}}\n{{\"id\":1,\"verdict\":\"replayed\",{fields}}}\n\
         {{\"id\":2,\"error\":\"{rule}\"}}\n"
    );
    assert_eq!((ran.code, ran.out), (1, expected));
}

/// A suffix that is one byte longer than AN10922 allows after a UID.
static LONG: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| "FF".repeat(25));

#[test]
fn invalid_arguments_give_one_line_and_code_2() {
    let keys = ["--meta-key", ZERO, "--file-key", ZERO];
    let with = |args: &[&'static str]| [&["--template", TEMPLATE], args, &[URL]].concat();
    let table: &[Vec<&str>] = &[
        vec!["--nonsense"],
        vec![URL],
        vec!["--file-key", ZERO],
        vec!["--template"],
        [&["--template", TEMPLATE], &keys[..]].concat(),
        [&["--template", "https://a.b/{picc}{uid}{mac}"], &keys[..], &[URL]].concat(),
        with(&["--template", TEMPLATE]),
        with(&["--meta-key", ZERO]),
        with(&["--meta-key", ZERO, "--file-key", "00"]),
        with(&["--meta-key", ZERO, "--file-key", "0000000000000000000000000000000G"]),
        with(&["--file-key", ZERO]),
        with(&["--mode", "rot13", "--meta-key", ZERO, "--file-key", ZERO]),
        with(&["--scheme", "rot13", "--meta-key", ZERO]),
        with(&["--scheme", ZERO, "--meta-key", ZERO]),
        with(&["--mode", ZERO, "--meta-key", ZERO, "--file-key", ZERO]),
        with(&["--scheme", "an10922", "--meta-key", ZERO, "--master-key", ZERO, "--suffix", &LONG]),
        with(&["--scheme", "an10922", "--meta-key", ZERO]),
        vec!["--template", "https://a.b/{ctr}{mac}", "--scheme", "an10922", "--master-key", ZERO, "--suffix", "", URL],
        with(&["--scheme", "an10922", "--meta-key", ZERO, "--master-key", ZERO]),
        with(&["--scheme", "an10922", "--meta-key", ZERO, "--master-key", ZERO, "--suffix", "0"]),
        with(&["--meta-key", ZERO, "--file-key", ZERO, "--master-key", ZERO]),
        with(&["--scheme", "boltcard"]),
        with(&["--scheme", "boltcard", "--master-key", "00"]),
        with(&["--scheme", "boltcard", "--master-key", ZERO, "--version", "one"]),
        with(&["--scheme", "boltcard", "--master-key", ZERO, "--suffix", "00"]),
        with(&["--scheme", "sdm-backend", "--master-key", "00"]),
        with(&["--scheme", "sdm-backend", "--master-key", ZERO, "--file-key", ZERO]),
        vec!["--batch"],
        vec!["--batch", "/nowhere/at/all"],
        vec!["--batch", "-", URL],
    ];
    for args in table {
        assert_rejected(&[&["verify"], &args[..]].concat(), "0000000");
    }
    let help = verify(&["--help"], "");
    assert_eq!(help.code, 0);
    assert!(help.out.contains(&format!("'{URL}'")));
}

/// The taps are from the vectors, and only a master key is given.
#[test]
fn each_scheme_derives_on_the_command_line() {
    let taps = vectors();
    for (theirs, ours) in [("boltcard", "boltcard"), ("sdm_backend", "sdm-backend")] {
        let is_match = |tap: &&serde_json::Value| {
            tap["file_key_scheme"] == theirs && tap["accept"] == true && tap["tt_in_plain_off"].is_null()
        };
        let tap = taps.iter().find(is_match).unwrap();
        let text = |name: &str| tap[name].as_str().unwrap();
        let version = tap["key_version"].to_string();
        let mut args = vec!["--template", text("template"), "--mode", text("mode"), "--scheme", ours];
        args.extend(["--master-key", text("master_key")]);
        if ours == "boltcard" {
            args.extend(["--version", &version]);
        }
        args.push(text("url"));
        let ran = verify(&args, "");
        assert_eq!(ran.code, 0, "{} {}", ran.out, ran.err);
        assert!(ran.out.starts_with(&format!("fresh  uid {}", text("uid").to_uppercase())), "{}", ran.out);
    }
    // The vectors have no tap for the legacy derivation. This tap has factory keys, which a master key of zeros gives.
    let args = ["--template", TEMPLATE, "--scheme", "sdm-backend-legacy", "--master-key", ZERO, URL];
    assert_eq!(verify(&args, "").code, 0);
    let other = ZERO.replace("00", "01");
    let args = ["--template", TEMPLATE, "--scheme", "sdm-backend-legacy", "--master-key", &other, URL];
    assert_eq!(verify(&args, "").code, 1);
}

#[test]
fn urls_templates_and_keys_are_read_as_people_paste_them() {
    let template = format!("\"{TEMPLATE}\"");
    let keys = ["--meta-key", "0x00 00:00-00 000000000000000000000000", "--file-key", "AAAAAAAAAAAAAAAAAAAAAA=="];
    for url in [format!(" {URL}\n"), format!("'{URL}'"), format!("\"{URL}\"")] {
        let ran = verify(&[&["--template", &template], &keys[..], &[&url]].concat(), "");
        assert_eq!((ran.code, &*ran.out), (0, "fresh  uid 04DE5F1EACC040  ctr 61\n"), "{}", ran.err);
    }
}

#[test]
fn with_json_each_url_has_an_object_with_the_fields_of_a_batch() {
    let args = ["--json", "--template", TEMPLATE, "--meta-key", ZERO, "--file-key", ZERO, URL, URL];
    let ran = verify(&args, "");
    let lines = ran.lines();
    assert_eq!(ran.code, 1);
    assert_eq!(
        ran.out.lines().next(),
        Some(
            r#"{"verdict":"fresh","uid":"04de5f1eacc040","ctr":61,"tt":null,"tt_authenticated":null,"file_data":null,"reason":null}"#
        )
    );
    assert_eq!(lines[1]["verdict"], "replayed");
    assert!(lines[1]["reason"].as_str().unwrap().contains("already accepted"));
}

/// A public fault report: the key is a CMAC over `01 || UID || 3042F5` under the factory key, without the padding of AN10922.
#[test]
fn keys_without_the_padding_of_an10922_are_derived() {
    let url = "https://example.com/t?uid=04996C6A926980&ctr=000005&mac=822D58396413CD22";
    let template = "https://example.com/t?uid={uid}&ctr={ctr}&mac={mac}";
    let args = ["--template", template, "--master-key", ZERO, "--aid", "3042F5", url];
    let ran = verify(&[&["--scheme", "cmac"], &args[..]].concat(), "");
    assert_eq!((ran.code, &*ran.out), (0, "fresh  uid 04996C6A926980  ctr 5\n"), "{}", ran.err);
    assert_eq!(verify(&[&["--scheme", "an10922"], &args[..]].concat(), "").code, 1);
    let key = suntap(
        &["key", "derive", "cmac", "--master-key", ZERO, "--uid", "04996C6A926980", "--aid", "3042F5", "--json"],
        "",
    )
    .json();
    let ran = verify(&["--template", template, "--file-key", key["key"].as_str().unwrap(), url], "");
    assert_eq!(ran.code, 0);
}
