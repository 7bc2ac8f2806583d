//! The command `verify`, as the user sees it: output, exit codes and batches.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const TEMPLATE: &str = "https://ntag.nxp.com/424?e={picc}&c={mac}";
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
const ZERO: &str = "00000000000000000000000000000000";

struct Ran {
    code: i32,
    out: String,
    err: String,
}

fn verify(args: &[&str], input: &str) -> Ran {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.ancestors().nth(2).unwrap().join("examples/verify");
    let mut child = Command::new(&program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error} (run cargo test without --test, or cargo build --examples)", program.display())
        });
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // Writing and reading run in parallel, because either pipe may be full. A program that exits early does not
        // read all input.
        scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap_or_default());
        child.wait_with_output().unwrap()
    });
    Ran {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn without_arguments_it_verifies_the_sample_and_refuses_a_replay() {
    let ran = verify(&[], "");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    // Source: AN12196 Rev 1.8 §4.4.4.2.1 and Table 5.
    for shown in ["04DE5F1EACC040", "61", "3FB5F6E3A807A03D5E3570ACE393776F", "E194C7EE12D9F7EE8A65C8331B704386"] {
        assert!(ran.out.contains(shown), "{shown}");
    }
    let (fresh, refused) = (ran.out.find("genuine and new").unwrap(), ran.out.find("refused").unwrap());
    assert!(fresh < refused);
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
    let vectors: Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let taps = vectors["taps"].as_array().unwrap();
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
        let ran = verify(args, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{args:?}: {}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{args:?}: {}", ran.err);
        assert!(ran.err.starts_with("verify: ") && !ran.err.contains("0000000"), "{args:?}: {}", ran.err);
    }
    let help = verify(&["--help"], "");
    assert_eq!(help.code, 0);
    assert!(help.out.contains(&format!("'{URL}'")));
}

#[test]
fn a_batch_answers_each_line_in_order() {
    let tap = |id: Value, url: &str, store: Value| {
        json!({"id": id, "url": url, "template": TEMPLATE, "mode": "aes", "meta_key": ZERO, "file_key": ZERO, "store": store})
            .to_string()
    };
    let lines = [
        tap(json!("a"), URL, json!("one")),
        tap(json!("b"), URL, json!("one")),
        tap(json!(7), URL, json!("two")),
        tap(json!("d"), URL, Value::Null),
        String::new(),
        tap(json!("e"), &URL.replace("94EE", "94EF"), json!("one")),
        tap(json!("f"), &URL[..50], json!("one")),
    ];
    let ran = verify(&["--batch", "-"], &lines.join("\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let content = r#""uid":"04de5f1eacc040","ctr":61,"tt":null,"tt_authenticated":null,"file_data":null}"#;
    let nothing = r#""uid":null,"ctr":null,"tt":null,"tt_authenticated":null,"file_data":null}"#;
    let expected = [
        format!(r#"{{"id":"a","verdict":"fresh",{content}"#),
        format!(r#"{{"id":"b","verdict":"replayed",{content}"#),
        format!(r#"{{"id":7,"verdict":"fresh",{content}"#),
        format!(r#"{{"id":"d","verdict":"verified",{content}"#),
        format!(r#"{{"id":"e","verdict":"not_authentic",{nothing}"#),
        format!(r#"{{"id":"f","verdict":"malformed",{nothing}"#),
    ];
    assert_eq!(ran.out.lines().collect::<Vec<_>>(), expected);
}

/// A requested tamper status is read whether or not the length of the file data is pinned.
#[test]
fn a_batch_reads_a_requested_tamper_status() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let taps = vectors["taps"].as_array().unwrap();
    let tap =
        taps.iter().find(|tap| tap["tt_in_plain_off"] == 0 && tap["enc_len"] == 32 && tap["accept"] == true).unwrap();
    let mut pinned = tap.clone();
    pinned["template"] = tap["template"].as_str().unwrap().replace("{enc}", "{enc:32}").into();
    let mut without = tap.clone();
    without["template"] = "https://a.b/{mac}".into();
    let ran = verify(&["--batch", "-"], &format!("{tap}\n{pinned}\n{without}\n"));
    let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&answers[0]["tt"], &answers[1]["tt"]), (&tap["tt"], &tap["tt"]));
    assert!(answers[2]["error"].is_string());
    assert_eq!(ran.code, 1);
}

/// A forged PICCData that opens to a tag byte without UID gives a verdict, not an argument error.
#[test]
fn a_derived_key_and_a_forged_picc_data_give_a_verdict() {
    let args =
        ["--template", TEMPLATE, "--scheme", "an10922", "--master-key", ZERO, "--suffix", "", "--meta-key", ZERO];
    let urls: Vec<String> =
        (0..2000).map(|number| format!("https://ntag.nxp.com/424?e={number:032X}&c=0000000000000000")).collect();
    let args: Vec<&str> = args.into_iter().chain(urls.iter().map(String::as_str)).collect();
    let ran = verify(&args, "");
    assert_eq!((ran.code, ran.err.as_str(), ran.out.lines().count()), (1, "", 2000));
    assert!(ran.out.lines().all(|line| line == "not_authentic  (tap is not authentic)"));
}

#[test]
fn an_invalid_line_gives_an_error_and_the_others_are_answered() {
    let good = json!({"id": 1, "url": URL, "template": TEMPLATE, "meta_key": ZERO, "file_key": ZERO}).to_string();
    let bad = [
        "not JSON".to_owned(),
        "[]".to_owned(),
        json!({"id": 2, "url": URL, "template": "{mac", "file_key": ZERO}).to_string(),
        json!({"id": 2, "url": URL, "template": TEMPLATE, "file_key": ZERO}).to_string(),
        json!({"id": 2, "url": URL, "template": TEMPLATE, "meta_key": "zero", "file_key": ZERO}).to_string(),
        json!({"id": 2, "url": URL, "template": TEMPLATE, "meta_key": ZERO, "file_key": ZERO, "file_key_scheme": "x"}).to_string(),
        json!({"id": 2, "url": URL, "template": "https://a.b/{ctr}{mac}", "file_key_scheme": "boltcard", "master_key": ZERO})
            .to_string(),
        json!({"id": 2, "url": 5, "template": TEMPLATE, "meta_key": ZERO, "file_key": ZERO}).to_string(),
        json!({"id": 2, "url": URL, "template": TEMPLATE, "meta_key": ZERO}).to_string(),
    ];
    for bad in bad {
        let ran = verify(&["--batch", "-"], &format!("{bad}\n{good}\n"));
        assert_eq!(ran.code, 1, "{bad}");
        let answers: Vec<Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), 2, "{bad}");
        assert!(answers[0]["error"].is_string() && answers[0].get("verdict").is_none(), "{bad}");
        assert_eq!(answers[1]["verdict"], "verified");
    }
}

/// The batch derives keys from their scheme if the line does not have them.
#[test]
fn a_batch_derives_keys_by_their_scheme() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let derived = |tap: &&Value| tap["file_key_scheme"] != "static" && tap["accept"] == true;
    let taps: Vec<&Value> = vectors["taps"].as_array().unwrap().iter().filter(derived).collect();
    let lines: Vec<String> = taps
        .iter()
        .map(|tap| {
            let mut tap = Value::clone(tap);
            // A missing key is derived from the master key.
            if tap["id"].as_str().unwrap().ends_with(['1', '3', '5', '7', '9']) {
                tap["file_key"] = Value::Null;
            }
            if tap["file_key_scheme"] != "an10922" {
                tap["meta_key"] = Value::Null;
            }
            tap.to_string()
        })
        .collect();
    let ran = verify(&["--batch", "-"], &lines.join("\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let schemes: std::collections::HashSet<_> = taps.iter().map(|tap| tap["file_key_scheme"].as_str()).collect();
    assert_eq!(schemes.len(), 3);
    for (tap, line) in taps.iter().zip(ran.out.lines()) {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["verdict"], "verified", "{line}");
        assert_eq!((&answer["uid"], &answer["ctr"]), (&tap["uid"], &tap["ctr"]));
    }
}

/// A Bolt Card that is programmed again counts from 0. The counter of its previous version does not reject the taps of
/// the next one.
#[test]
fn a_bolt_card_of_the_next_version_is_fresh_in_the_same_store() {
    let issuer = suntap::IssuerKey::from_bytes([1; 16]);
    let meta_key = suntap::kdf::boltcard::meta_read_key(&issuer);
    let uid = suntap::Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
    let template = "lnurlw://a.b?p={picc:uid,ctr}&c={mac}";
    let line = |version: u32, ctr: u32| {
        let file_key = suntap::kdf::boltcard::file_read_key(&issuer, uid, version);
        let tag = suntap_testkit::Tag {
            lrp: false,
            meta_key: *meta_key.expose_bytes(),
            file_key: *file_key.expose_bytes(),
            uid: *uid.as_bytes(),
        };
        let tap = suntap_testkit::Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" };
        json!({"id": 0, "url": tag.write(template, &tap).url, "template": template, "file_key_scheme": "boltcard",
            "master_key": "01".repeat(16), "key_version": version, "store": "cards"})
        .to_string()
    };
    let ran = verify(&["--batch", "-"], &[line(0, 50), line(0, 50), line(1, 1), line(1, 1), line(0, 49)].join("\n"));
    let verdicts: Vec<String> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["verdict"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(verdicts, ["fresh", "replayed", "fresh", "replayed", "replayed"]);
}

/// The taps are from the vectors, and only a master key is given.
#[test]
fn each_scheme_derives_on_the_command_line() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let taps = vectors["taps"].as_array().unwrap();
    for (theirs, ours) in [("boltcard", "boltcard"), ("sdm_backend", "sdm-backend")] {
        let is_match = |tap: &&Value| {
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

/// The batch contains every tap of the vectors.
#[test]
fn a_batch_gives_the_recorded_verdicts() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/sun-vectors.json")).unwrap();
    let taps = vectors["taps"].as_array().unwrap();
    let lines: Vec<String> = taps.iter().map(ToString::to_string).collect();
    let ran = verify(&["--batch", "-"], &lines.join("\n"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out.lines().count(), taps.len());
    for (tap, line) in taps.iter().zip(ran.out.lines()) {
        let answer: Value = serde_json::from_str(line).unwrap();
        assert_eq!(answer["id"], tap["id"]);
        let class = match answer["verdict"].as_str().unwrap() {
            "verified" => "valid",
            "not_authentic" => "forged",
            other => other,
        };
        assert!(tap["allowed"].as_array().unwrap().iter().any(|allowed| allowed == class), "{line}");
        if tap["accept"] == true {
            for field in ["uid", "ctr", "tt", "tt_authenticated", "file_data"] {
                assert_eq!(answer[field], tap[field], "{field} of {}", tap["id"]);
            }
        }
    }
}
