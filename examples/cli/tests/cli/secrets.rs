//! No error repeats a key, wherever it was put by mistake.

use suntap_testkit::planted::Planted;

use crate::{SAMPLE, TEMPLATE, ZERO, assert_rejected, suntap};

/// A key in each form, and keys with one wrong or missing character.
const KEYS: &[&str] = &[
    "A7112233445566778899AABBCCDDEEA7",
    "0xa7112233445566778899aabbccddeea7",
    "A7 11 22 33 44 55 66 77 88 99 AA BB CC DD EE A7",
    "a7:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:a7",
    "{0xA7, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xA7}",
    "A711223344556677O899AABBCCDDEEA7",
    "A7112233445566778899AABBA7",
    "pxEiM0RVZneImaq7zN3upw==",
    "pxEiM0RVZneImaq7zN3upw",
];

/// Returns parts of a key that no message may contain.
fn assert_hidden(text: &str, key: &str, args: &[&str]) {
    let body = key.trim_matches(['{', '}', '=']);
    let (half, _) = body.split_at(body.len() / 2);
    assert!(!text.contains(half) && !text.contains("A7") && !text.contains("pxEi"), "{args:?}: {text}");
}

#[test]
fn a_key_in_any_wrong_place_is_not_printed() {
    for key in KEYS {
        let at_key = format!("meta=@{key}");
        let (as_text, named) = (format!("{key}=1"), format!("meta={key}"));
        let in_template = format!("https://a.b/{{:{key}}}?c={{mac}}");
        let identify = ["key", "identify", SAMPLE, "--template", TEMPLATE];
        for args in [
            &["doctor", SAMPLE, "--keys", key][..],
            &["doctor", SAMPLE, "--keys", &named],
            &["doctor", SAMPLE, "--key", key],
            &["doctor", SAMPLE, "--key", &at_key],
            &["doctor", SAMPLE, key],
            &["doctor", key],
            &["doctor", SAMPLE, "--template", key],
            &["verify", "--batch", key],
            &["verify", "--template", TEMPLATE, "--file-key", ZERO, "--meta-key", &format!("@{key}"), SAMPLE],
            &["verify", "--template", key, "--file-key", ZERO, SAMPLE],
            &["emulate", "--batch", key],
            &["emulate", "--template", "https://a.b/?c={mac}", "--text", &as_text],
            &["emulate", "--template", &in_template],
            &["layout", "https://a.b/?c={mac}", "--text", &as_text],
            &["layout", key],
            &["settings", "--file", key],
            &[&identify[..], &["--keys", key]].concat(),
            &[&identify[..], &["--key", key]].concat(),
            &["key", "identify", key, "--template", TEMPLATE, "--key", "a=00"],
            &["key", "derive", "boltcard", "--issuer-key", &format!("@{key}"), "--uid", "04782E21801D80"],
            &["completions", key],
            &[key],
        ] {
            let ran = suntap(args, "");
            assert_eq!((ran.code, &*ran.out), (2, ""), "{args:?}: {}", ran.err);
            assert_hidden(&ran.err, key, args);
        }
    }
}

#[test]
fn a_key_after_keys_gives_a_hint() {
    for key in KEYS {
        for text in [(*key).to_owned(), format!("meta={key}")] {
            let ran = suntap(&["doctor", SAMPLE, "--keys", &text], "");
            assert!(ran.err.contains("hidden") && ran.err.contains("did you mean --key NAME=KEY?"), "{}", ran.err);
        }
    }
    let ran = suntap(&["doctor", SAMPLE, "--keys", "/nowhere/keys.csv"], "");
    assert!(ran.err.contains("/nowhere/keys.csv") && !ran.err.contains("did you mean"), "{}", ran.err);
}

/// The name of a key is printed in reports.
#[test]
fn a_key_in_the_place_of_a_name_is_not_printed() {
    let folder = tempfile::tempdir().unwrap();
    let [key, base64] = [KEYS[0], KEYS[7]];
    assert_rejected(&["doctor", SAMPLE, "--key", &format!("{key}={ZERO}")], "A7");
    for (file, content) in [
        ("a.csv", format!("{key},{ZERO}\n")),
        ("b.csv", format!("{base64},{ZERO}\n")),
        ("c.json", format!("{{\"{key}\": \"{ZERO}\"}}")),
        ("d.txt", format!("{key} = {ZERO}\n")),
        (&format!("{key}.key"), ZERO.to_owned()),
    ] {
        let path = folder.path().join(file);
        std::fs::write(&path, content).unwrap();
        let args = ["doctor", SAMPLE, "--keys", path.to_str().unwrap()];
        let ran = suntap(&args, "");
        assert_eq!((ran.code, &*ran.err), (1, ""), "{file}");
        assert_hidden(&ran.out, key, &args);
    }
}

#[test]
fn a_batch_hides_a_key_in_a_template() {
    let line = format!("{{\"template\":\"https://a.b/{{:{}}}?c={{mac}}\"}}", KEYS[0]);
    for command in ["verify", "emulate"] {
        let ran = suntap(&[command, "--batch", "-"], &line);
        assert_hidden(&(ran.out + &ran.err), KEYS[0], &[command]);
    }
}

/// Keys in their right places: no report, text or JSON, shows them.
#[test]
fn a_key_that_is_used_is_not_printed() {
    const META: [u8; 16] = *b"\x91metaqk, planted";
    const FILE: [u8; 16] = *b"\x92fileqk, planted";
    let planted = Planted::default().with("meta-read key", META).with("file-read key", FILE);
    let [meta, file] = [META, FILE].map(|key| base16ct::upper::encode_string(&key));
    let template = "https://a.example/t?e={picc:uid,ctr}&c={mac}";
    let keys = ["--template", template, "--meta-key", &meta, "--file-key", &file];
    let url = suntap(&[&["emulate"], &keys[..]].concat(), "").out.trim().to_owned();
    assert!(url.starts_with("https://a.example/t?e="), "{url}");
    let forged = format!("{}{}", &url[..url.len() - 1], if url.ends_with('0') { '1' } else { '0' });
    let [of_meta, of_file] = [format!("one={meta}"), format!("two={file}")];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.csv");
    std::fs::write(&path, format!("one,{meta}\ntwo,{file}\nthree,{}\n", &file[1..])).unwrap();
    let path = path.to_str().unwrap();
    let line = format!(r#"{{"template":"{template}","meta_key":"{meta}","file_key":"{file}","url":"{url}"}}"#);
    let identify = ["key", "identify", &url, "--template", template];
    let mut proven = 0;
    for args in [
        [&["verify"], &keys[..], &[&url, &url, &forged, &url[..40]]].concat(),
        [&["verify", "--json"], &keys[..], &[&url, &forged]].concat(),
        vec!["verify", "--batch", "-"],
        [&["emulate", "--json"], &keys[..]].concat(),
        vec!["emulate", "--batch", "-"],
        vec!["doctor", &url, "--key", &of_meta, "--key", &of_file],
        vec!["doctor", &url, "--key", &of_meta, "--key", &of_file, "--json"],
        vec!["doctor", &url, "--key", &of_file, "--template", template],
        vec!["doctor", &forged, "--keys", path],
        vec!["doctor", &meta, "--keys", path],
        [&identify[..], &["--key", &of_meta, "--key", &of_file]].concat(),
        [&identify[..], &["--keys", path, "--json"]].concat(),
        vec!["key", "derive", "an10922", "--master-key", &format!("{file}0"), "--uid", "04782E21801D80"],
    ] {
        let ran = suntap(&args, &format!("{line}\n{}\n", line.replace(&file, &file[1..])));
        proven +=
            usize::from(["fresh", "verified", "Healthy", "file key  two"].iter().any(|word| ran.out.contains(word)));
        planted.assert_absent(&args.join(" "), ran.out + &ran.err);
    }
    assert!(proven >= 5, "{proven}");
}
