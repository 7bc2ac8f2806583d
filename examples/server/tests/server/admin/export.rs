//! An export is imported again, and the counters hold.

use serde_json::{Value, json};

use super::{Live, command, lines, success};
use crate::counters::{etrnl_body, etrnl_tag};
use crate::tags::{self, Folder};

/// Tags with each kind of keys that can be exported.
fn all_kinds() -> Vec<Value> {
    let mut given = lines(3);
    given[2]["tagGroup"]["state"] = "inactive".into();
    given.push(json!({ "tagGroup": { "organisation": 1, "path": "F/G", "state": "active" } }));
    given.push(etrnl_tag(7000).1);
    let mut derived = tags::line(9);
    derived["tag"]["keys"] = json!({ "derived": { "an10922": { "master": "shoes", "suffix": "6162" } } });
    derived["tag"]["metadata"] = json!({ "price": 1.50, "big": 12_345_678_901_234_567_890_u64 });
    derived["tag"]["extendedData"] = json!([{ "name": "Size", "value": "42", "inResponse": true }]);
    derived["tag"]["cuid"] = "SHOE 9".into();
    given.push(derived);
    let mut waiting = tags::line(10);
    waiting["tag"].as_object_mut().unwrap().remove("keys");
    given.push(waiting);
    given
}

#[test]
fn an_export_is_imported_into_an_empty_store() {
    let live = Live::new(&all_kinds());
    let mut shoes: Vec<_> = (1..=3).map(tags::tag).collect();
    let (mut etrnl, _) = etrnl_tag(7000);
    let key = live.print(&["key", "new", "--organisation", "1"]);
    let spent: Vec<_> = shoes.iter_mut().map(|tag| tag.tap().unwrap().to_string()).collect();
    for url in &spent {
        assert!(live.tap(url).contains("Pass"));
    }
    let spent_etrnl = etrnl_body(&etrnl.tap().unwrap());
    assert_eq!(verify(&live, &key, &spent_etrnl)["authentic"], true);
    live.print(&["tag", "disable", "tag00003"]);

    let exported = live.print(&["tag", "export"]);
    assert!(!live.run_as(&live.reader, &["tag", "export"]).status.success(), "an export has sealed keys");
    let only = live.print(&["tag", "export", "--prefix", "number/"]);
    assert_eq!(only.lines().filter(|line| line.starts_with(r#"{"tag""#)).count(), 1, "{only}");
    // A prefix can be any text. That of a key is not recorded.
    let prefix = "00112233445566778899AABBCCDDEEFF";
    assert_eq!(live.print(&["tag", "export", "--prefix", prefix]).matches("{\"tag\"").count(), 0);
    let acts = live.print(&["history", "--event", "admin"]);
    assert!(acts.contains("\"number/\"") && !acts.contains(prefix) && !live.log().contains(prefix), "{acts}");
    // The same again, by a command that opens the store.
    let Live { folder, store, mut server, .. } = live;
    server.terminate();
    let again = success(command(&folder, &store, &["tag", "export"]).output().unwrap());
    assert_eq!(again, exported);

    let other = Folder::new();
    let copy = other.path("data.redb").to_str().unwrap().to_owned();
    std::fs::write(other.path("export"), &exported).unwrap();
    let path = other.path("export").to_str().unwrap().to_owned();
    success(command(&other, &copy, &["import", &path, "--allow-no-rules"]).output().unwrap());
    assert_eq!(success(command(&other, &copy, &["tag", "export"]).output().unwrap()), exported, "nothing is lost");
    let live = Live::start(other, copy, &[], &[]);
    let key = live.print(&["key", "new", "--organisation", "1"]);
    for (url, tag) in spent.iter().zip(&mut shoes).take(2) {
        assert!(live.tap(url).contains("Fail"), "an old tap");
        assert!(live.tap(&tag.tap().unwrap()).contains("Pass"), "a new tap");
    }
    assert!(live.tap(&shoes[2].tap().unwrap()).contains("tag_inactive"));
    assert_eq!(verify(&live, &key, &spent_etrnl)["err"], "ctrBehind");
    assert_eq!(verify(&live, &key, &etrnl_body(&etrnl.tap().unwrap()))["authentic"], true);
    // And into the same store.
    let path = live.folder.path("export").to_str().unwrap().to_owned();
    live.print(&["import", &path, "--allow-no-rules"]);
    assert!(live.tap(&spent[0]).contains("Fail"));

    // With other secrets, nothing opens the keys.
    let strange = Folder::new();
    strange.write_secrets(&tags::SECRETS.replace("5E5E", "5F5F"));
    let store = strange.path("data.redb").to_str().unwrap().to_owned();
    let refused = command(&strange, &store, &["import", &path, "--allow-no-rules"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("no server secret opens the `held` keys"), "{said}");
    // The keys of one tag do not open for another.
    let one = exported.lines().find(|line| line.contains("tag00001")).unwrap();
    for (from, to) in [("tag00001", "tag00077"), ("04332200000001", "04332200000077")] {
        std::fs::write(live.folder.path("moved"), one.replace(from, to)).unwrap();
        let path = live.folder.path("moved").to_str().unwrap().to_owned();
        assert!(live.fail(&["import", &path]).contains("belong to another tag"), "{to}");
    }
}

fn verify(live: &Live, key: &str, body: &str) -> Value {
    let mut client = crate::client::Client::new(&live.server.address).unwrap();
    let headers = format!("API-Key: {}\r\nContent-Type: application/json\r\n", key.trim());
    let reply = client.post("/v1/tags/verify-authenticity", &headers, body.as_bytes()).unwrap();
    serde_json::from_str(&reply.body).unwrap()
}
