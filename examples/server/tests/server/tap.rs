//! `suntap-server tap`.

use std::process::Command;

use serde_json::{Value, json};
use suntap::kdf::ecode::ECode;

use crate::client::{Client, Server, get};
use crate::counters::{ETRNL_LAYOUT, etrnl_body, etrnl_tag};
use crate::http::{command, imported};
use crate::import::changed;
use crate::tags::{self, Folder};

/// Runs `tap`, and returns the URL or the error.
fn tap(folder: &Folder, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("tap").args(args).env_remove("RUST_BACKTRACE");
    command.arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn code() -> String {
    String::from_utf8(ECode::from_bytes([0x2A; 16]).to_text().to_vec()).unwrap()
}

/// The URLs pass in the API of each tag, once, for each source of keys.
#[test]
fn a_test_tap_passes_once() {
    const AN10922: &str = "https://t.example/tap?x={:xuid}&uid={uid}&n={ctr}&e={mac}";

    let (_, sealed) = etrnl_tag(7000);
    let derived = json!({ "tag": { "organisation": 1, "number": 7001, "uid": "04080808080001",
        "layout": { "template": ETRNL_LAYOUT }, "keys": { "derived": { "eCode": {} } } } });
    let shared = json!({ "tag": { "organisation": 1, "number": 7002, "uid": "04080808080002",
        "layout": { "template": "https://t.example/tap?id={:tagId}&e={picc:uid,ctr}&c={mac}" },
        "keys": { "derived": { "an10922": { "master": "shoes", "meta": "shoes" } } } } });
    let diversified = changed(
        2,
        json!({ "layout": { "template": AN10922 },
        "keys": { "derived": { "an10922": { "master": "shoes" } } } }),
    );
    let counted = changed(3, json!({ "counter": { "ctr": 60 } }));
    let lines = [tags::line(1), diversified, counted, sealed, derived, shared];
    let (folder, key) = imported(&[&*tags::levels(), &lines].concat());
    let code = code();

    for round in 1..=2_u32 {
        let ixkio = [tap(&folder, &["tag00001"]).unwrap(), tap(&folder, &["xuid/tag00003"]).unwrap()];
        assert!(ixkio[0].contains(&format!("n=00000{round}")), "{ixkio:?}");
        assert!(ixkio[1].contains(&format!("n={:06X}", 60 + round)), "{ixkio:?}");
        let page = tap(&folder, &["tag00002"]).unwrap();
        let etrnl = [
            tap(&folder, &["7000", "--ecode", &code]).unwrap(),
            tap(&folder, &["7001", "--ecode", &code]).unwrap(),
            tap(&folder, &["number/7002"]).unwrap(),
        ];
        let mut server = Server::spawn(command(&folder, &["--log", "warn"]));
        for url in ixkio {
            let target = tags::target(&url);
            assert!(get(&server.address, &target).body.contains(r#""response":"Pass""#), "{url}");
            assert!(get(&server.address, &target).body.contains("Fail"), "{url}");
        }
        let path = page.strip_prefix("https://t.example").unwrap();
        assert!(get(&server.address, path).body.contains("Genuine"), "{page}");
        assert!(get(&server.address, path).body.contains("Link already used"), "{page}");
        for url in etrnl {
            let mut body: Value = serde_json::from_str(&etrnl_body(&url)).unwrap();
            body.as_object_mut().unwrap().entry("eCode").or_insert("".into());
            let header = format!("API-Key: {key}\r\n");
            let post = || {
                let mut client = Client::new(&server.address).unwrap();
                let path = "/v1/tags/verify-authenticity";
                let reply = client.post(path, &header, body.to_string().as_bytes()).unwrap();
                let answer: Value = serde_json::from_str(&reply.body).unwrap();
                answer["err"].clone()
            };
            assert_eq!([post(), post()], [Value::Null, "ctrBehind".into()], "{url}");
        }
        assert!(server.terminate().success());
    }
}

#[test]
fn what_is_missing_is_named() {
    let (_, sealed) = etrnl_tag(7000);
    let mut no_keys = tags::line(2);
    no_keys["tag"].as_object_mut().unwrap().remove("keys");
    let (folder, _) = imported(&[&*tags::levels(), &[sealed]].concat());
    tags::write(&folder.path("later.ndjson"), &[no_keys]);
    let mut import = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    import.arg("import").arg(folder.path("later.ndjson"));
    import.arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
    assert!(import.output().unwrap().status.success());
    let code = ECode::from_bytes([0x2B; 16]).to_text();
    let code = std::str::from_utf8(&code).unwrap();
    for (args, cause) in [
        (&["nobody"][..], "unknown tag nobody"),
        (&["4711"], "unknown tag 4711"),
        (&["7000"], "pass --ecode"),
        (&["7000", "--ecode", code], "the eCode does not open the keys"),
        (&["7000", "--ecode", "x"], "invalid eCode"),
        (&["tag00002"], "the tag has no keys"),
    ] {
        let error = tap(&folder, args).unwrap_err();
        assert!(error.starts_with("suntap-server: ") && error.contains(cause), "{args:?}: {error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
