//! A line of an import changes what it names, and nothing else.

use serde_json::{Value, json};
use suntap_server::import::{Allowed, Report, import};
use suntap_server::store::Store;

use crate::client::{Server, get};
use crate::counters::etrnl_tag;
use crate::import::{changed, import_error, import_into, open};
use crate::tags::{self, Folder};

/// Returns a stored document.
pub(crate) async fn document(store: &Store, key: &str) -> Value {
    let found = store.read(&[key.to_owned()], None).await.unwrap();
    found.documents[0].as_deref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap())
}

async fn replace(store: &Store, lines: &[Value]) -> Result<Report, suntap_server::import::ImportError> {
    let allowed = Allowed { replace: true, ..Allowed::default() };
    import(store, tags::secrets(), &tags::text(lines), allowed, |_| ()).await
}

/// Runs the import command on these lines, and returns what it printed.
pub(crate) fn run_import(folder: &Folder, lines: &[Value], flags: &[&str]) -> (bool, String) {
    let path = folder.path("lines.ndjson");
    tags::write(&path, lines);
    let output = folder.run(&[&["import", path.to_str().unwrap()], flags].concat());
    (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn full_line() -> Value {
    changed(
        1,
        json!({ "cuid": "A", "tamper": false, "extendedData": [{ "name": "Size", "value": "42", "inResponse": true }],
            "metadata": { "sku": 7 } }),
    )
}

fn state(state: &Value) -> Value {
    json!({ "tag": { "organisation": 1, "xuid": "tag00001", "state": state } })
}

/// The line of the issue, with the command and a server.
#[test]
fn a_state_alone_removes_nothing() {
    let folder = Folder::new();
    assert!(run_import(&folder, &[tags::levels(), vec![full_line()]].concat(), &[]).0);
    let mut tag = tags::tag(1);
    let mut answer = || {
        let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
        let taps = get(&server.address, &tags::target(&tag.tap().unwrap())).body;
        (taps, get(&server.address, "/v1/t?a=abc123&c=A").body)
    };
    let active = r#"{"xuid":"tag00001","response":"Pass","size":"42"}"#;
    assert_eq!(answer().0, active);
    let counts = |said: (bool, String)| assert_eq!(said, (true, "1 tag imported, and 0 other lines\n".into()));
    counts(run_import(&folder, &[state(&"inactive".into())], &[]));
    assert_eq!(answer().0, r#"{"xuid":"tag00001","error":"tag_inactive"}"#);
    // `null` is the default, and it says so of the state as well.
    counts(run_import(&folder, &[state(&Value::Null)], &[]));
    let (tap, by_cuid) = answer();
    assert_eq!(tap, active);
    assert_eq!(by_cuid, r#"{"xuid":"tag00001","cuid":"A","response":"Fail 2","size":"42"}"#);
    // The group has the layout and the rules.
    let group = json!({ "tagGroup": { "organisation": 1, "path": "F/G", "state": "active" } });
    assert_eq!(run_import(&folder, &[group], &[]), (true, "0 tags imported, and 1 other line\n".into()));
    assert_eq!(answer().0, active);
}

#[tokio::test]
async fn each_field_can_be_changed_and_removed_alone() {
    let folder = Folder::new();
    let store = open(&folder).await;
    import_into(&store, &[tags::levels(), vec![full_line()]].concat()).await.unwrap();
    let before = document(&store, "xuid/tag00001").await;
    for (change, stored) in [
        (json!({ "name": "Boot" }), Some(json!("Boot"))),
        (json!({ "cuid": "B" }), Some(json!("B"))),
        (json!({ "extendedData": [] }), None),
        (json!({ "extendedData": null }), None),
        (json!({ "metadata": { "b": 1 } }), Some(json!({ "b": 1 }))),
        (json!({ "metadata": null }), None),
        (json!({ "name": null }), None),
        (json!({ "cuid": null }), None),
        (json!({ "tamper": null }), Some(json!(false))),
        (
            json!({ "rules": { "default": "x", "groups": [{ "rules": ["authentication"], "response": "y" }] } }),
            Some(json!({ "default": "x", "groups": [{ "rules": ["authentication"], "response": "y" }] })),
        ),
        (json!({ "rules": null }), None),
        (json!({ "uid": null }), None),
    ] {
        let (name, value) = change.as_object().unwrap().iter().next().unwrap();
        let line = json!({ "tag": { "xuid": "tag00001", name: value } });
        import_into(&store, &[line]).await.unwrap();
        let mut expected = before.clone();
        match stored {
            Some(value) => expected["tag"][name] = value,
            None => _ = expected["tag"].as_object_mut().unwrap().remove(name),
        }
        let mut found = document(&store, "xuid/tag00001").await;
        if name == "uid" {
            // Held keys are bound to the UID, so their seals are new.
            assert_ne!(found["tag"]["keys"]["source"], expected["tag"]["keys"]["source"]);
            found["tag"]["keys"] = expected["tag"]["keys"].clone();
        }
        assert_eq!(found, expected, "{change}");
        import_into(&store, &[full_line()]).await.unwrap();
        import_into(&store, &[json!({ "tag": { "xuid": "tag00001", "rules": null } })]).await.unwrap();
        assert_eq!(document(&store, "xuid/tag00001").await, before, "{change}");
    }
    import_into(&store, &[json!({ "tag": { "xuid": "tag00001", "keys": null } })]).await.unwrap();
    assert_eq!(document(&store, "xuid/tag00001").await["tag"]["keys"], Value::Null);
}

#[tokio::test]
async fn other_things_keep_what_a_line_does_not_name() {
    let folder = Folder::new();
    let store = open(&folder).await;
    import_into(&store, &tags::levels()).await.unwrap();
    let group = document(&store, "level/1/F/G").await;
    let lines = [
        json!({ "organisation": { "id": 1, "needsToken": true } }),
        json!({ "organisation": { "id": 1, "name": "Uno" } }),
        json!({ "folder": { "organisation": 1, "path": "F", "state": "inactive" } }),
        json!({ "tagGroup": { "organisation": 1, "path": "F/G", "state": "inactive" } }),
        json!({ "tagGroup": { "organisation": 1, "path": "F/G", "layout": { "template": tags::LAYOUT } } }),
        json!({ "apiKey": { "organisation": 1, "key": "0123456789AB", "kind": "public", "label": "Shop" } }),
        json!({ "apiKey": { "key": "0123456789AB", "kind": "private" } }),
        json!({ "token": { "organisation": 1, "token": "0123456789AB", "label": "Page" } }),
        json!({ "token": { "token": "0123456789AB", "label": null } }),
    ];
    // In one import, in which later lines see earlier ones, and again in one import for each line.
    for lines in [vec![lines.to_vec()], lines.iter().map(|line| vec![line.clone()]).collect()] {
        for lines in lines {
            import_into(&store, &lines).await.unwrap();
        }
        let organisation = json!({ "id": 1, "name": "Uno", "account": "abc123", "needsToken": true });
        assert_eq!(document(&store, "organisation/1").await, organisation);
        let mut expected = group.clone();
        expected["state"] = "inactive".into();
        assert_eq!(document(&store, "level/1/F/G").await, expected);
        assert_eq!(document(&store, "level/1/F").await["state"], "inactive");
        let mut keys = Vec::new();
        let each = |_: &str, text: &str| {
            let mut key: Value = serde_json::from_str(text).unwrap();
            key.as_object_mut().unwrap().remove("secret").unwrap();
            keys.push(key);
            Ok::<_, suntap_server::store::StoreError>(())
        };
        store.list("key/", each).await.unwrap();
        keys.sort_by_key(|key| key["kind"].as_str().unwrap().to_owned());
        let expected = [
            json!({ "organisation": 1, "kind": "private", "label": "Shop" }),
            json!({ "organisation": 1, "kind": "token" }),
        ];
        assert_eq!(keys, expected);
    }
}

#[tokio::test]
async fn replace_makes_a_line_the_whole() {
    let folder = Folder::new();
    let store = open(&folder).await;
    import_into(&store, &[tags::levels(), vec![full_line()]].concat()).await.unwrap();
    let report = replace(&store, &[state(&"inactive".into())]).await.unwrap();
    assert_eq!(report.waiting, 0, "a tag without a chip waits for nothing");
    let expected = json!({ "tag": { "organisation": 1, "xuid": "tag00001", "state": "inactive", "tamper": false } });
    assert_eq!(document(&store, "xuid/tag00001").await, expected);
    let error = replace(&store, &[json!({ "organisation": { "id": 1, "needsToken": true } })]).await.unwrap_err();
    assert!(error.to_string().contains("missing field `name`"), "{error}");
    replace(&store, &[json!({ "tagGroup": { "organisation": 1, "path": "F/G" } })]).await.unwrap();
    let expected = json!({ "organisation": 1, "path": "F/G", "state": "active" });
    assert_eq!(document(&store, "level/1/F/G").await, expected);
}

/// Held keys are sealed again for another UID. Keys under an eCode cannot be, so the line is refused.
#[tokio::test]
async fn a_new_uid_leaves_no_keys_that_do_not_open() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let layout = json!({ "template": "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}" });
    // The new chip counts from 0.
    let held = changed(1, json!({ "layout": layout, "counter": { "ctr": 500 } }));
    import_into(&store, &[tags::levels(), vec![held, etrnl_tag(7).1]].concat()).await.unwrap();
    let other = tags::line(2)["tag"]["uid"].clone();
    import_into(&store, &[json!({ "tag": { "xuid": "tag00001", "uid": other } })]).await.unwrap();
    for uid in [other.clone(), Value::Null] {
        let error =
            import_into(&store, &[json!({ "tag": { "number": 7, "uid": uid } })]).await.unwrap_err().to_string();
        assert!(error.contains("sealed for the stored UID: a line with another `uid` needs `keys` too"), "{error}");
    }
    import_into(&store, &[json!({ "tag": { "number": 7, "uid": etrnl_tag(7).1["tag"]["uid"] } })]).await.unwrap();
    store.close().await;

    let uid = suntap::Uid::from_hex(other.as_str().unwrap()).unwrap();
    let layout = suntap::SdmLayout::new(suntap::Scheme::Aes, layout["template"].as_str().unwrap()).unwrap();
    let texts = suntap::TagTexts { captured: &[("xuid", "tag00001")], ..suntap::TagTexts::default() };
    let file = tags::file_key(1);
    let mut tag =
        suntap::emulator::EmulatedTag::new(&layout, &texts, suntap::SdmMetaReadKey::FACTORY, file, uid).unwrap();
    let mut sealed = etrnl_tag(7).0;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    for url in [tag.tap().unwrap(), sealed.tap().unwrap()] {
        assert!(get(&server.address, url.strip_prefix("https://t.example").unwrap()).body.contains("Genuine"));
    }
}

/// A tag that this version would refuse can still be taken out of use.
#[tokio::test]
async fn any_tag_can_be_switched_off() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let allowed = Allowed { no_rules: true, ..Allowed::default() };
    let mut levels = tags::levels();
    levels[2]["tagGroup"].as_object_mut().unwrap().remove("rules");
    let lines = tags::text(&[levels, vec![tags::line(1)]].concat());
    import(&store, tags::secrets(), &lines, allowed, |_| ()).await.unwrap();
    assert!(import_into(&store, &[json!({ "tag": { "xuid": "tag00001", "name": "x" } })]).await.is_err());
    import_into(&store, &[state(&"inactive".into())]).await.unwrap();
    assert_eq!(document(&store, "xuid/tag00001").await["tag"]["state"], "inactive");
    let other = json!({ "organisation": { "id": 2, "name": "Two" } });
    let line = json!({ "tag": { "organisation": 2, "xuid": "tag00001", "state": "active" } });
    let error = import_into(&store, &[other, line]).await.unwrap_err().to_string();
    assert!(error.contains("line 2: the tag belongs to another organisation"), "{error}");
}

#[tokio::test]
async fn a_short_line_is_checked_like_a_long_one() {
    let folder = Folder::new();
    let store = open(&folder).await;
    import_into(&store, &[tags::levels(), vec![full_line()]].concat()).await.unwrap();
    let before = document(&store, "xuid/tag00001").await;
    for (line, reason) in [
        (r#"{"tag":{"xuid":"tag00001","colour":"red"}}"#, "line 1: unknown field `colour`, expected"),
        (r#"{"tag":{"xuid":"tag00001","colour":"red"}}"#, ", column 34\n"),
        (r#"{"tag":{"xuid":"tag00001","state":"on"}}"#, "unknown variant `on`"),
        (r#"{"tag":{"xuid":"tag00001","name":"a","name":"b"}}"#, "duplicate field `name`"),
        (r#"{"tag":{"xuid":"tag00001","xuid":"tag00002"}}"#, "duplicate field `xuid`"),
        (r#"{"tag":{"xuid":"tag00001","number":5}}"#, "a tag needs either an XUID"),
        (r#"{"tag":{"xuid":"tag00001","keys":{"kept":null}}}"#, "unknown variant `kept`"),
        (r#"{"tag":{"xuid":"tag00001","keys":{"source":{}}}}"#, "unknown variant `source`"),
        (r#"{"tag":{"xuid":"tag00001"},"x":1}"#, "line 1: "),
        (r#"{"tag":{"xuid":"tag00001"}} x"#, "line 1: "),
        (r#"{"tag":[1,null,"tag00001"]}"#, "a line must be like"),
        (
            r#"{"tag":{"xuid":"tag00002","state":"inactive"}}"#,
            "missing field `organisation`, column 45 (the object is not stored yet",
        ),
        (r#"{"organisation":{"id":2,"needsToken":true}}"#, "missing field `name`"),
        (r#"{"organisation":{"id":1,"name":null}}"#, "invalid type: null"),
        (r#"{"apiKey":{"key":"0123456789AB","label":"x"}}"#, "missing field `organisation`"),
        (r#"{"tagGroup":{"organisation":1,"path":"F/G","rules":{"groups":[]}}}"#, "missing field `default`"),
    ] {
        let error = import(&store, tags::secrets(), line, Allowed::default(), |_| ()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{line}: {error}");
        assert_eq!(document(&store, "xuid/tag00001").await, before, "{line}");
    }
    // Spaces and escapes change nothing.
    let line = "{ \"tag\" : { \"xu\\u0069d\" : \"tag00001\" , \"name\":\"Boot\" } \t } ";
    import(&store, tags::secrets(), line, Allowed::default(), |_| ()).await.unwrap();
    assert_eq!(document(&store, "xuid/tag00001").await["tag"]["name"], "Boot");
    assert!(import_error(&[json!({ "batch": { "path": "F/G/C" } })]).await.contains("missing field `organisation`"));
}
