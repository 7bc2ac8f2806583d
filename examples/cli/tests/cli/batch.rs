//! `suntap verify --batch`.

use serde_json::{Value, json};

use crate::{Ran, SAMPLE as URL, TEMPLATE, ZERO, suntap, vectors};

fn verify(args: &[&str], input: &str) -> Ran {
    suntap(&[&["verify"], args].concat(), input)
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
    let taps = vectors();
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
    let vectors = vectors();
    let derived = |tap: &&Value| tap["file_key_scheme"] != "static" && tap["accept"] == true;
    let taps: Vec<&Value> = vectors.iter().filter(derived).collect();
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

/// The batch contains every tap of the vectors.
#[test]
fn a_batch_gives_the_recorded_verdicts() {
    let taps = vectors();
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

/// Returns `count` genuine taps of `tags` tags as lines of one store, in the order of their counters.
fn taps(tags: u8, count: u32) -> Vec<Value> {
    let template = "https://a.example/t?p={picc:uid,ctr}&c={mac}";
    let mut lines = Vec::new();
    for ctr in 1..=count {
        for tag in 0..tags {
            let emulated = suntap_testkit::Tag {
                lrp: false,
                meta_key: [7; 16],
                file_key: [tag; 16],
                uid: [4, 1, 2, 3, 4, 5, tag],
            };
            let tap = suntap_testkit::Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" };
            let url = emulated.write(template, &tap).url;
            lines.push(json!({"id": [tag, ctr], "url": url, "template": template, "meta_key": "07".repeat(16),
                "file_key": format!("{tag:02x}").repeat(16), "store": format!("store {}", tag % 3)}));
        }
    }
    lines
}

/// Returns the lines in an order that looks random, but is the same in each run.
fn shuffled(mut lines: Vec<Value>) -> Vec<Value> {
    let mut state = 1_u64;
    for last in (1..lines.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        lines.swap(last, usize::try_from(state >> 33).unwrap() % (last + 1));
    }
    lines
}

/// Each tap occurs twice, so there are replays at all distances. The expected verdicts are those of one counter for each tag.
#[test]
fn taps_of_a_store_are_committed_in_input_order_with_any_number_of_threads() {
    let lines = taps(11, 400);
    let lines = shuffled([lines.clone(), lines].concat());
    let mut counters = std::collections::HashMap::new();
    let expected: Vec<String> = lines
        .iter()
        .map(|line| {
            let (tag, ctr) = (line["id"][0].as_u64().unwrap(), line["id"][1].as_u64().unwrap());
            let stored = counters.entry(tag).or_insert(0);
            let verdict = if ctr > *stored { "fresh" } else { "replayed" };
            *stored = ctr.max(*stored);
            format!("[{tag},{ctr}] {verdict}")
        })
        .collect();
    let input = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &input).unwrap();
    for threads in ["1", "2", "16"] {
        for source in ["-", file.path().to_str().unwrap()] {
            let ran = verify(&["--batch", source, "--threads", threads], &input);
            assert_eq!((ran.code, &*ran.err), (0, ""));
            let verdicts: Vec<String> = ran
                .lines()
                .iter()
                .map(|answer| format!("{} {}", answer["id"], answer["verdict"].as_str().unwrap()))
                .collect();
            assert!(verdicts == expected, "{threads} threads");
        }
    }
}

#[test]
fn each_line_is_answered_before_the_next_one_is_sent() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let piped = std::process::Stdio::piped;
    let mut child = crate::command().args(["verify", "--batch", "-"]).stdin(piped()).stdout(piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()).lines());
    for line in taps(1, 3) {
        writeln!(input, "{line}").unwrap();
        let answer: Value = serde_json::from_str(&output.next().unwrap().unwrap()).unwrap();
        assert_eq!((&answer["id"], &answer["verdict"]), (&line["id"], &json!("fresh")));
    }
    drop(input);
    assert!(child.wait().unwrap().success() && output.next().is_none());
}

#[test]
fn urls_are_taken_byte_for_byte_and_json_in_any_spelling() {
    let line = taps(1, 1).remove(0);
    let url = line["url"].as_str().unwrap();
    for (changed, verdict) in [
        (line.to_string().replace(url, &format!(" {url}")), "malformed"),
        (line.to_string().replace(url, &format!("{url}\\n")), "malformed"),
        (line.to_string().replace('&', "\\u0026").replace("\"url\"", "\"\\u0075rl\""), "fresh"),
        (line.to_string().replace("{\"", "{\"url\":\"x\",\""), "fresh"),
        (format!("  {line}\r"), "fresh"),
    ] {
        let ran = verify(&["--batch", "-"], &changed);
        assert_eq!(ran.lines()[0]["verdict"], verdict, "{changed}");
    }
}

#[test]
fn ids_of_any_type_are_repeated() {
    let line = taps(1, 1).remove(0).to_string().replace("[0,1]", r#"{"b": [1.50, null], "a": "\u00e9"}"#);
    let ran = verify(&["--batch", "-"], &line);
    assert!(ran.out.starts_with(r#"{"id":{"a":"é","b":[1.5,null]},"verdict":"fresh""#), "{}", ran.out);
}

#[test]
fn an_input_that_cannot_be_read_gives_code_2() {
    for input in ["/nowhere/at/all", "/"] {
        let ran = verify(&["--batch", input], "");
        assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (2, "", 1));
        assert!(ran.err.starts_with(&format!("suntap: {input}: ")), "{}", ran.err);
    }
}
