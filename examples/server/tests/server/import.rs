//! All lines, or none.

use std::process::Command;

use serde_json::{Value, json};
use suntap_server::import::{Allowed, ImportError, Report, import};
use suntap_server::store::{Options, Store};

use crate::client::get;
use crate::tags::{self, Folder};

pub(crate) async fn open(folder: &Folder) -> Store {
    let path = folder.path("data.redb").to_str().unwrap().to_owned();
    Store::create(&path.parse().unwrap(), Options::default()).await.unwrap()
}

/// Imports lines into a store without flags.
pub(crate) async fn import_into(store: &Store, lines: &[Value]) -> Result<Report, ImportError> {
    import(store, tags::secrets(), &tags::text(lines), Allowed::default(), |_| ()).await
}

/// Returns the error of an import of `levels()`, a good tag, and these lines.
pub(crate) async fn import_error(lines: &[Value]) -> String {
    let folder = Folder::new();
    let store = open(&folder).await;
    let text = tags::text(&[&*tags::levels(), &[tags::line(1)], lines].concat());
    let error = import(&store, tags::secrets(), &text, Allowed::default(), |_| ()).await.unwrap_err().to_string();
    // Nothing of it is there.
    let tag = tags::text(&[tags::line(1)]);
    let missing = import(&store, tags::secrets(), &tag, Allowed::default(), |_| ()).await.unwrap_err().to_string();
    assert!(missing.contains("there is no such organisation"), "{missing}");
    error
}

pub(crate) fn changed(number: u32, changes: Value) -> Value {
    let mut line = tags::line(number);
    for (name, value) in changes.as_object().unwrap() {
        line["tag"][name] = value.clone();
    }
    line
}

#[tokio::test]
async fn a_line_that_can_not_be_is_named() {
    let picc = "https://t.example/tap?x={:xuid}&e={picc:uid,ctr}&c={mac}";
    let etrnl = "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}";
    let digits = "0123456789ABCDEF0123456789ABCDEF";
    for (line, reason) in [
        (json!({ "tags": {} }), "unknown variant `tags`"),
        (json!({ "tag": { "organisation": 1, "xuid": "a", "coulour": "red" } }), "unknown field `coulour`"),
        (
            json!({ "organisation": { "id": 2, "name": "Two", "account": "abc123" } }),
            "another organisation has this account",
        ),
        (json!({ "organisation": { "id": 1, "name": "One", "account": "other" } }), "cannot be changed"),
        (
            json!({ "batch": { "organisation": 1, "path": "F/H/B" } }),
            "the folder or tag group in the path does not exist",
        ),
        (json!({ "batch": { "organisation": 1, "path": "F/G" } }), "the path must be like Folder/TagGroup/Batch"),
        (json!({ "folder": { "organisation": 9, "path": "F" } }), "there is no such organisation"),
        (json!({ "tagGroup": { "organisation": 1, "path": "F/H", "layout": { "template": "x" } } }), "line 6: "),
        (
            json!({ "tagGroup": { "organisation": 1, "path": "F/H", "rules": { "groups": [{ "rules": [], "response": "" }],
            "default": "" } } }),
            "a rule group without rules never answers",
        ),
        (changed(2, json!({ "batch": "F/G/C" })), "there is no such organisation or batch"),
        (changed(2, json!({ "xuid": null })), "a tag needs either an XUID, for ixkio"),
        (changed(2, json!({ "xuid": "a/b" })), "an XUID must have 1 to 64"),
        (changed(2, json!({ "uid": "04" })), "a UID must have 14 hex digits"),
        (changed(2, json!({ "uid": tags::line(1)["tag"]["uid"] })), "another tag has this CUID or UID"),
        (tags::line(1), "the tag is in this import twice"),
        (
            changed(2, json!({ "keys": { "plain": { "file": digits.to_owned() + "0" } } })),
            "a key must have 32 hex digits",
        ),
        (changed(2, json!({ "keys": { "derived": { "an10922": { "master": "boots" } } } })), "no key of this name"),
        (changed(2, json!({ "keys": { "plain": { "file": digits, "eCode": "x" } } })), "26 characters"),
        (changed(2, json!({ "layout": { "template": picc } })), "PICCData is in the layout"),
        (
            changed(2, json!({ "layout": { "template": "https://t.example/tap?x={:xuid}&u={uid}&e={mac}" } })),
            "mirrors no counter",
        ),
        (changed(2, json!({ "xuid": null, "number": 7, "layout": { "template": etrnl } })), "line 6: "),
    ] {
        let error = import_error(std::slice::from_ref(&line)).await;
        assert!(error.starts_with("line 6: ") && error.contains(reason), "{line}: {error}");
        assert!(error.ends_with("nothing was imported") && !error.contains("0123456789"), "{error}");
    }
    let many: Vec<_> = (0..30).map(|_| json!({ "tag": null })).collect();
    let error = import_error(&many).await;
    assert!(
        error.contains("line 25: ") && !error.contains("line 26: ") && error.contains("and 10 more lines"),
        "{error}"
    );
}

/// Two tags under one key, and nothing in their taps that tells them apart.
#[tokio::test]
async fn a_counter_is_of_one_tag() {
    let plain = json!({ "plain": { "file": "00112233445566778899AABBCCDDEEFF" } });
    let [second, third] = [2, 3].map(|number| changed(number, json!({ "keys": plain })));
    let error = import_error(&[second.clone(), third.clone()]).await;
    assert!(error.starts_with("line 7: another tag has this key"), "{error}");
    // With a UID in the tap they are two.
    let layout = json!({ "template": "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}" });
    let [second, third] = [second, third].map(|mut line| {
        line["tag"]["layout"] = layout.clone();
        line
    });
    let folder = Folder::new();
    let text = tags::text(&[tags::levels(), vec![second, third]].concat());
    import(&open(&folder).await, tags::secrets(), &text, Allowed::default(), |_| ()).await.unwrap();
}

/// What a tap is verified with may change without its tag: the layout of its group. Its counter stays in step.
#[tokio::test]
async fn a_tap_does_not_pass_again_after_any_import() {
    use suntap::emulator::EmulatedTag;
    use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

    let layout = "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}";
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let lines = async |lines: &[Value]| {
        let store = open(&folder).await;
        import_into(&store, lines).await.unwrap();
        store.close().await;
    };
    let line = changed(1, json!({ "keys": { "plain": { "file": "00112233445566778899AABBCCDDEEFF" } } }));
    // The group was imported with a layout that its tags do not write, and is put right.
    lines(&[tags::levels(), vec![line.clone()]].concat()).await;
    let mut group = tags::levels()[2].clone();
    group["tagGroup"]["layout"]["template"] = layout.into();
    lines(&[group]).await;

    let uid = Uid::from_hex(line["tag"]["uid"].as_str().unwrap()).unwrap();
    let file = SdmFileReadKey::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
    let texts = TagTexts { captured: &[("xuid", "tag00001")], ..TagTexts::default() };
    let layout = SdmLayout::new(Scheme::Aes, layout).unwrap();
    let mut tag = EmulatedTag::new(&layout, &texts, SdmMetaReadKey::FACTORY, file, uid).unwrap();
    let url = tag.tap().unwrap();
    let tap = url.strip_prefix("https://t.example").unwrap();
    let ask = || {
        let server = crate::client::Server::on(data.to_str().unwrap(), &folder.secrets());
        get(&server.address, tap).body
    };
    assert!(ask().contains("Genuine"));
    // The tag itself is imported once more, with another name.
    lines(&[changed(1, json!({ "keys": line["tag"]["keys"], "name": "Boot" }))]).await;
    assert!(ask().contains("Link already used"));
}

/// A tag may write no path at all, where a visitor finds the first page.
#[tokio::test]
async fn a_tag_may_write_the_root() {
    let folder = Folder::new();
    let mut line = tags::line(1);
    line["tag"]["layout"] = json!({ "template": "https://t.example/?x={:xuid}&n={ctr}&e={mac}" });
    let store = open(&folder).await;
    import(&store, tags::secrets(), &tags::text(&[tags::levels(), vec![line]].concat()), Allowed::default(), |_| ())
        .await
        .unwrap();
    store.close().await;
    let server = crate::client::Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    let target = tags::target(&tags::tag(1).tap().unwrap()).replace("/v1/t?", "/?");
    for said in ["Genuine", "Link already used"] {
        assert!(get(&server.address, &target).body.contains(said));
    }
    for target in ["/", "/?x=1"] {
        assert!(get(&server.address, target).body.contains("For programs"));
    }
}

/// A key in the wrong place is not repeated by the parser's own words.
#[tokio::test]
async fn an_error_repeats_no_key() {
    let key = "0123456789ABCDEF0123456789ABCDEF";
    for line in [
        json!({ "tag": { "organisation": key } }),
        json!({ "tag": { "organisation": 1, key: 1 } }),
        json!({ "tag": { "organisation": 1, "xuid": "a", "keys": { key: 1 } } }),
        json!({ "tag": { "organisation": 1, "xuid": "a", "keys": key } }),
        json!({ "tag": { "organisation": 1, "xuid": "a", "keys": "01 23 45 67 89 AB CD EF 01 23 45 67 89 AB CD EF" } }),
        json!({ "tag": { "organisation": "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF" } }),
    ] {
        let error = import_error(&[line]).await;
        assert!(!error.contains("0123456789") && !error.contains("89:AB") && !error.contains("89 AB"), "{error}");
    }
}

#[tokio::test]
async fn the_same_line_again_changes_what_is_there() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let import = async |lines: &[Value]| import_into(&store, lines).await;
    let first = [tags::levels(), vec![changed(1, json!({ "cuid": "A" })), tags::line(2)]].concat();
    assert_eq!(import(&first).await.unwrap(), Report { tags: 2, others: 4, ..Report::default() });
    // The name A is free when the first tag has another, and not before.
    assert!(import(&[changed(2, json!({ "cuid": "A" }))]).await.is_err());
    import(&[changed(1, json!({ "cuid": "B" })), changed(2, json!({ "cuid": "A" }))]).await.unwrap();
    // Without keys it waits for them.
    let report = import(&[changed(3, json!({ "keys": null })), tags::line(4)]).await.unwrap();
    assert_eq!(
        report,
        Report { tags: 2, others: 0, waiting: 1, first_waiting: vec!["xuid/tag00003".into()], ..Report::default() }
    );
    store.close().await;

    let data = folder.path("data.redb");
    let server = crate::client::Server::on(data.to_str().unwrap(), &folder.secrets());
    let by_cuid = |cuid| get(&server.address, &format!("/v1/t?a=abc123&c={cuid}")).body;
    assert_eq!(by_cuid("A"), r#"{"xuid":"tag00002","cuid":"A","response":"Fail "}"#);
    assert_eq!(by_cuid("B"), r#"{"xuid":"tag00001","cuid":"B","response":"Fail "}"#);
    assert_eq!(by_cuid("a"), r#"{"cuid":"a","error":"tag_not_found"}"#);
    let tap = tags::target(&tags::tag(3).tap().unwrap());
    assert_eq!(get(&server.address, &tap).body, r#"{"xuid":"tag00003","response":"Fail "}"#);

    // The file has one owner at a time.
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["import", "-", "--store"]).arg(&data).arg("--secrets-file").arg(folder.secrets());
    let refused = command.stdin(std::process::Stdio::null()).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stop the server that has it open"));
}

/// Each kind of keys, from the line of an import to a verdict.
#[test]
fn keys_of_every_origin_verify() {
    use suntap::emulator::EmulatedTag;
    use suntap::kdf::{an10922, boltcard, ecode};
    use suntap::{IssuerKey, MasterKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

    let folder = Folder::new();
    let uid = Uid::from_bytes([4, 9, 9, 9, 9, 9, 9]);
    let layout = "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}";
    let boltcard_layout = "https://t.example/tap?id={:tagId}&e={picc:uid,ctr}&c={mac}";
    let ecode_layout = "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}";
    let master = MasterKey::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
    let issuer = IssuerKey::from_hex("00000000000000000000000000000001").unwrap();
    let code = ecode::ECode::from_bytes([0x2A; 16]);
    let code_text = String::from_utf8(code.to_text().to_vec()).unwrap();
    let server_secret = ecode::ServerSecret::from_bytes([0x5E; 16]);
    let (meta, file) = (SdmMetaReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    let (meta_hex, file_hex) = ("01".repeat(16), "02".repeat(16));

    let tag = |layout: &str, text: &str, meta: &SdmMetaReadKey, file: &SdmFileReadKey| {
        let layout = SdmLayout::new(Scheme::Aes, layout).unwrap();
        let texts: Vec<_> =
            layout.names().map(|name| (name, if name == "eCode" { &*code_text } else { text })).collect();
        let texts = TagTexts { captured: &texts, ..TagTexts::default() };
        EmulatedTag::new(&layout, &texts, meta.clone(), file.clone(), uid).unwrap()
    };
    let epoch_key = an10922::derive_in_epoch(&master, uid, 3, b"ab").unwrap();
    let cases = [
        (
            json!({ "xuid": "derived0", "layout": { "template": layout }, "keys": { "derived": { "an10922": {
            "master": "shoes", "suffix": "6162", "epoch": 3 } } } }),
            tag(layout, "derived0", &meta, &epoch_key),
        ),
        (
            json!({ "number": 1, "layout": { "template": boltcard_layout }, "keys": { "derived": { "boltcard": {
            "issuer": "bolt", "version": 2 } } } }),
            tag(boltcard_layout, "1", &boltcard::meta_read_key(&issuer), &boltcard::file_read_key(&issuer, uid, 2)),
        ),
        (
            json!({ "number": 2, "layout": { "template": ecode_layout }, "keys": { "plain": { "meta": meta_hex,
            "file": file_hex, "eCode": code_text, "epoch": 1 } } }),
            tag(ecode_layout, "2", &meta, &file),
        ),
        (
            json!({ "number": 3, "layout": { "template": ecode_layout }, "keys": { "derived": { "eCode": { "epoch": 5 } } } }),
            tag(
                ecode_layout,
                "3",
                &ecode::derive_meta_read_key(&server_secret, &code, uid, 5),
                &ecode::derive_file_read_key(&server_secret, &code, uid, 5),
            ),
        ),
    ];
    let mut lines = tags::levels();
    // One UID for all of them, so no account to be named by.
    lines[0] = json!({ "organisation": { "id": 1, "name": "One" } });
    for (line, _) in &cases {
        let mut line = line.clone();
        line["organisation"] = 1.into();
        line["uid"] = uid.to_string().into();
        lines.push(json!({ "tag": line }));
    }
    let secrets = tags::SECRETS.replacen('{', r#"{ "issuerKeys": { "bolt": "00000000000000000000000000000001" },"#, 1);
    std::fs::write(folder.secrets(), &secrets).unwrap();
    tags::write(&folder.path("tags.ndjson"), &lines);
    let data = folder.path("data.redb");
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("import").arg(folder.path("tags.ndjson")).arg("--allow-no-rules").arg("--store").arg(&data);
    // Secrets by the environment this time.
    let output = command.env("SUNTAP_SECRETS", &secrets).output().unwrap();
    assert!(output.status.success(), "{output:?}");

    // What is in the file gives no key away.
    let bytes = std::fs::read(&data).unwrap();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"derived0") && !holds(file_hex.as_bytes()) && !holds(&[2; 16]) && !holds(code_text.as_bytes()));

    let server = crate::client::Server::on(data.to_str().unwrap(), &folder.secrets());
    for (line, mut tag) in cases {
        let url = tag.tap().unwrap();
        let target = url.strip_prefix("https://t.example").unwrap();
        for (page, what) in [("Genuine", "new"), ("Link already used", "again")] {
            assert!(get(&server.address, target).body.contains(page), "{line} {what}");
        }
    }
}
