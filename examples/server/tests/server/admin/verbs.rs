//! Each verb, by the API and by command, and what a tap gets after it.

use serde_json::{Value, json};

use super::{Live, lines};
use crate::backends;
use crate::client::Client;
use crate::counters::{etrnl_body, etrnl_tag};
use crate::signed::vectors;
use crate::tags::{self, Folder};

#[test]
fn an_operator_changes_a_live_data_file() {
    let mut given = lines(4);
    given.push(etrnl_tag(7000).1);
    every_verb(&Live::new(&given));
}

#[test]
fn an_operator_changes_a_live_postgres() {
    let Some(backend) = backends::postgres() else { return };
    let mut given = lines(4);
    given.push(etrnl_tag(7000).1);
    every_verb(&Live::start(Folder::new(), backend.url.clone(), &given, &[]));
}

#[test]
fn an_operator_changes_a_live_redis() {
    let Some(backend) = backends::redis(&[]) else { return };
    let mut given = lines(4);
    given.push(etrnl_tag(7000).1);
    every_verb(&Live::start(Folder::new(), backend.url.clone(), &given, &[]));
}

fn every_verb(live: &Live) {
    states(live);
    counters(live);
    keys(live);
    deletion(live);
    managers(live);
    imports(live);
}

fn states(live: &Live) {
    let mut tag = tags::tag(1);
    let mut tap = || live.tap(&tag.tap().unwrap());
    assert!(tap().contains(r#""response":"Pass""#));
    let none = &Value::Null;
    for (path, word, command) in [
        ("/admin/v1/tags/xuid/tag00001", "tag_inactive", &["tag", "tag00001"][..]),
        ("/admin/v1/levels/1/F%2FG%2FB", "batch_inactive", &["batch", "--organisation", "1", "F/G/B"]),
        ("/admin/v1/levels/1/F%2FG", "tg_inactive", &["group", "--organisation", "1", "F/G"]),
        ("/admin/v1/levels/1/F", "folder_inactive", &["folder", "--organisation", "1", "F"]),
        // The library knows no state of an organisation.
        ("/admin/v1/organisations/1", "folder_inactive", &["organisation", "1"]),
    ] {
        assert_eq!(live.ask("POST", &format!("{path}/disable"), none), (204, Value::Null), "{path}");
        assert!(tap().contains(word), "{path}");
        assert_eq!(live.ask("POST", &format!("{path}/enable"), none).0, 204);
        assert!(tap().contains("Pass"), "{path}");
        let run = |verb: &str| live.print(&[&command[..1], &[verb], &command[1..]].concat());
        assert!(run("disable").contains("out of use"));
        assert!(tap().contains(word), "{path}");
        let (_, shown) = live.ask("GET", "/admin/v1/tags/xuid/tag00001", none);
        let level = command[0].replace("group", "tagGroup");
        assert_eq!((&shown["effectiveState"], &shown["inactiveLevel"]), (&json!("inactive"), &json!(level)), "{shown}");
        assert!(run("show").contains("inactive"));
        run("enable");
        assert!(tap().contains("Pass"), "{path}");
    }
    for path in
        ["/admin/v1/tags/xuid/none", "/admin/v1/levels/1/None", "/admin/v1/levels/2/F", "/admin/v1/organisations/9"]
    {
        for (method, verb) in [("GET", ""), ("DELETE", ""), ("POST", "/disable"), ("POST", "/enable")] {
            let (status, body) = live.ask(method, &format!("{path}{verb}"), none);
            assert_eq!((status, &body["error"]), (404, &json!("not_found")), "{method} {path}{verb} {body}");
        }
    }
    assert!(live.fail(&["tag", "disable", "none"]).contains("there is no tag xuid/none"));
    assert!(live.fail(&["batch", "show", "--organisation", "1", "F"]).contains("like Folder/TagGroup/Batch"));
}

fn counters(live: &Live) {
    let mut tag = tags::tag(2);
    let early = tag.tap().unwrap().to_string();
    assert!(live.tap(&early).contains("Pass"));
    let shown: Value = serde_json::from_str(&live.print(&["counter", "show", "tag00002", "--json"])).unwrap();
    assert_eq!((&shown["ctr"], &shown["taps"]), (&json!(1), &json!(1)), "{shown}");
    assert!(shown["at"].as_str().unwrap().ends_with('Z') && shown["counterId"].as_str().unwrap().len() == 32);

    let raise = |ctr: u32| live.ask("POST", "/admin/v1/tags/xuid/tag00002/counter/raise", &json!({ "ctr": ctr })).1;
    let raised = raise(5);
    assert_eq!((&raised["ctr"], &raised["changed"], &raised["taps"]), (&json!(5), &json!(true), &json!(1)), "{raised}");
    assert_eq!(raised["at"], shown["at"]);
    assert!(raised["message"].as_str().unwrap().contains("up to 5 are refused"), "{raised}");
    for lower in [5, 4, 1] {
        let again = raise(lower);
        assert_eq!((&again["ctr"], &again["changed"]), (&json!(5), &json!(false)), "{again}");
    }
    for ctr in 2..=5 {
        assert!(live.tap(&tag.tap().unwrap()).contains("Fail"), "{ctr}");
    }
    assert!(live.tap(&tag.tap().unwrap()).contains("Pass"));
    assert!(live.print(&["counter", "raise", "xuid/tag00002", "--to", "8"]).contains("up to 8 are refused"));
    for (ctr, word) in [(7, "Fail"), (8, "Fail"), (9, "Pass")] {
        assert!(live.tap(&tag.tap().unwrap()).contains(word), "{ctr}");
    }
    for ctr in [json!(0), json!(16_777_216), json!(-1), json!("5")] {
        let body = json!({ "ctr": ctr });
        assert_eq!(live.ask("POST", "/admin/v1/tags/xuid/tag00002/counter/raise", &body).0, 400, "{ctr}");
    }
}

fn keys(live: &Live) {
    let (mut tag, _) = etrnl_tag(7000);
    let mut verdict = |key: &str| {
        let body = etrnl_body(&tag.tap().unwrap());
        let mut client = Client::new(&live.server.address).unwrap();
        let headers = format!("API-Key: {key}\r\nContent-Type: application/json\r\n");
        let reply = client.post("/v1/tags/verify-authenticity", &headers, body.as_bytes()).unwrap();
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        (reply.status, body["err"].clone(), body)
    };
    let unknown = verdict("private_00000000000000000000000000000000");
    assert_eq!((unknown.0, &unknown.1), (401, &json!("unauthorized")));

    let new = json!({ "organisation": 1, "kind": "private", "label": "Shop" });
    let (status, created) = live.ask("POST", "/admin/v1/keys", &new);
    assert_eq!(status, 201);
    let (key, id) = (created["key"].as_str().unwrap().to_owned(), created["id"].as_str().unwrap().to_owned());
    assert!(key.starts_with("private_"));
    assert_eq!(verdict(&key).1, Value::Null);
    let listed = live.print(&["key", "list"]);
    assert!(listed.contains(&id) && listed.contains("Shop") && listed.contains("private"), "{listed}");
    assert!(!listed.contains(&key) && !listed.contains(&key["private_".len()..]));

    let past = json!({ "expires": "2020-01-01T00:00:00Z" });
    let (_, expired) = live.ask("POST", &format!("/admin/v1/keys/{id}/expire"), &past);
    assert_eq!((&expired["expired"], &expired["expires"]), (&json!(true), &json!("2020-01-01T00:00:00.000Z")));
    assert_eq!(verdict(&key), unknown, "an expired key is answered like an unknown one");
    assert!(live.print(&["key", "expire", &id, "--at", "90d"]).contains("ends at"));
    assert_eq!(verdict(&key).1, Value::Null);
    live.print(&["key", "expire", &id, "--never"]);
    assert_eq!(verdict(&key).1, Value::Null);
    live.print(&["key", "revoke", &id]);
    assert_eq!(verdict(&key), unknown);
    assert!(live.fail(&["key", "revoke", &id]).contains("there is no key/"));
    assert!(live.fail(&["key", "revoke", "12"]).contains("32 hex digits"));
    let nobody = json!({ "organisation": 9, "kind": "private" });
    assert_eq!(live.ask("POST", "/admin/v1/keys", &nobody).0, 404);

    // A token of ixkio clients.
    let needs = |needs: bool| live.import(&[json!({ "organisation": { "id": 1, "needsToken": needs } })]);
    needs(true);
    let token = live.print(&["key", "new", "--organisation", "1", "--kind", "token", "--expires", "1h"]);
    let mut tag = tags::tag(4);
    let mut response = |token: &str| {
        let url = tag.tap().unwrap();
        live.tap(&format!("{}&r={token}", &*url))
    };
    assert!(response(token.trim()).contains("Pass"));
    let id = live
        .print(&["key", "list", "--json"])
        .lines()
        .find(|line| line.contains("token"))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned());
    live.ask("POST", &format!("/admin/v1/keys/{}/expire", id.unwrap()), &past);
    assert_eq!(response(token.trim()), response("token_00000000000000000000000000000000"));
    needs(false);
}

fn deletion(live: &Live) {
    let mut tag = tags::tag(3);
    let old = tag.tap().unwrap().to_string();
    assert!(live.tap(&old).contains("Pass"));
    for (path, inside) in [
        ("/admin/v1/levels/1/F%2FG%2FB", "xuid/tag0000"),
        ("/admin/v1/levels/1/F%2FG", "level/1/F/G/B"),
        ("/admin/v1/levels/1/F", "level/1/F/G"),
        ("/admin/v1/organisations/1", "level/1/F"),
    ] {
        let (status, body) = live.ask("DELETE", path, &Value::Null);
        assert_eq!((status, &body["error"]), (409, &json!("not_empty")), "{path} {body}");
        assert!(body["message"].as_str().unwrap().contains(inside), "{path} {body}");
    }
    assert_eq!(live.ask("DELETE", "/admin/v1/tags/xuid/tag00003", &Value::Null).0, 204);
    assert!(live.tap(&old).contains("tag_not_found"));
    assert_eq!(live.ask("GET", "/admin/v1/tags/xuid/tag00003", &Value::Null).0, 404);
    // Its names are free: another tag can have its UID.
    let mut other = tags::line(90);
    other["tag"]["uid"] = tags::line(3)["tag"]["uid"].clone();
    live.import(&[other]);
    live.print(&["tag", "delete", "tag00090"]);
    live.import(&[tags::line(3)]);
    assert!(live.tap(&old).contains("Fail"), "the counter stays");
    assert!(live.tap(&tag.tap().unwrap()).contains("Pass"));

    let around = json!({ "organisation": { "id": 5, "name": "Five", "account": "five55" } });
    let folder = json!({ "folder": { "organisation": 5, "path": "X" } });
    live.import(&[around.clone(), folder.clone()]);
    assert!(live.fail(&["organisation", "delete", "5"]).contains("level/5/X"));
    live.print(&["folder", "delete", "--organisation", "5", "X"]);
    live.print(&["key", "new", "--organisation", "5"]);
    assert!(live.fail(&["organisation", "delete", "5"]).contains("not empty: it has key/"));
    let id = live
        .print(&["key", "list", "--json"])
        .lines()
        .find(|line| line.contains("\"organisation\":5"))
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned());
    live.print(&["key", "revoke", &id.unwrap()]);
    live.print(&["organisation", "delete", "5"]);
    assert!(live.fail(&["organisation", "show", "5"]).contains("there is no organisation/5"));
    // The account is free again.
    live.import(&[json!({ "organisation": { "id": 6, "name": "Six", "account": "five55" } }), folder_of(6)]);
    live.print(&["folder", "delete", "--organisation", "6", "X"]);
    live.print(&["organisation", "delete", "6"]);
}

fn folder_of(organisation: u64) -> Value {
    json!({ "folder": { "organisation": organisation, "path": "X" } })
}

fn managers(live: &Live) {
    let listed = live.print(&["manager", "list", "--json"]);
    let all: Vec<Value> = listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(all.len(), 2, "{listed}");
    let ann = all.iter().find(|one| one["label"] == "Ann").unwrap()["id"].as_str().unwrap().to_owned();
    assert!(live.fail(&["manager", "revoke", &ann]).contains("last management key that can write"));
    // One that ends cannot take its place.
    let args = ["manager", "new", "--label", "Eve", "--role", "read-write", "--expires"];
    let ending = live.print(&[&args[..], &["1h"]].concat());
    assert!(live.fail(&["manager", "revoke", &ann]).contains("last management key"));
    assert!(live.run_as(ending.trim(), &["tag", "list"]).status.success());
    let new = json!({ "label": "Cid", "role": "readWrite" });
    let (status, created) = live.ask("POST", "/admin/v1/managers", &new);
    assert_eq!(status, 201);
    let cid = created["key"].as_str().unwrap();
    assert!(live.run_as(cid, &["tag", "disable", "tag00001"]).status.success());
    assert!(live.run_as(cid, &["tag", "enable", "tag00001"]).status.success());
    let id = created["id"].as_str().unwrap();
    assert_eq!(live.ask("DELETE", &format!("/admin/v1/managers/{id}"), &Value::Null).0, 204);
    assert!(!live.run_as(cid, &["tag", "list"]).status.success());
    for new in [
        json!({ "label": "", "role": "readWrite" }),
        json!({ "label": "A", "role": "patch" }),
        json!({ "label": "A", "role": "readOnly", "organisation": 1 }),
        json!({ "label": "A", "role": "all" }),
    ] {
        assert_eq!(live.ask("POST", "/admin/v1/managers", &new).0, 400, "{new}");
    }
}

fn imports(live: &Live) {
    let bad = [tags::line(50), json!({ "tag": { "organisation": 1, "xuid": "no way" } }), json!({})];
    tags::write(&live.folder.path("bad"), &bad);
    let path = live.folder.path("bad").to_str().unwrap().to_owned();
    let said = live.fail(&["import", &path]);
    assert!(said.contains("line 2: ") && said.contains("line 3: ") && said.contains("nothing was imported"), "{said}");
    assert_eq!(live.ask("GET", "/admin/v1/tags/xuid/tag00050", &Value::Null).0, 404);

    let mut waiting = tags::line(51);
    waiting["tag"].as_object_mut().unwrap().remove("keys");
    tags::write(&live.folder.path("good"), &[tags::line(50), waiting]);
    let path = live.folder.path("good").to_str().unwrap().to_owned();
    let said = live.print(&["import", &path]);
    assert!(said.starts_with("2 tags imported, and 0 other lines\n") && said.contains("xuid/tag00051"), "{said}");
    assert!(live.tap(&tags::tag(50).tap().unwrap()).contains("Pass"));
    assert!(live.fail(&["counter", "show", "tag00051"]).contains("the counter id of the tag is unknown"));
    // Without the flag of the command, the factory key is refused.
    let mut factory = tags::line(52);
    factory["tag"]["keys"] = json!({ "plain": { "file": "00".repeat(16) } });
    tags::write(&live.folder.path("factory"), &[factory]);
    let path = live.folder.path("factory").to_str().unwrap().to_owned();
    assert!(live.fail(&["import", &path]).contains("factory key"));
    live.print(&["import", &path, "--allow-factory-keys"]);
    // The root keys are sent with the lines.
    let vectors = vectors();
    let mut signing = tags::line(53);
    signing["tag"]["uid"] = vectors["app_cert"]["uid"].clone();
    signing["tag"]["layout"] =
        json!({ "mode": "ecdsa", "template": "https://t.example/tap?x={:xuid}&u=[[{uid}&n={ctr}&e={sig}" });
    signing["tag"]["keys"] = json!({ "signing": { "certificate": vectors["app_cert"]["hex"] } });
    tags::write(&live.folder.path("signing"), &[signing]);
    let path = live.folder.path("signing").to_str().unwrap().to_owned();
    let other = vectors["taps"][0]["public_key"].as_str().unwrap();
    assert!(live.fail(&["import", &path, "--certificate-roots", other]).contains("none of the trusted root keys"));
    live.print(&["import", &path]);
    let found = live.run(&["check"]);
    assert_eq!(found.status.code(), Some(1), "{found:?}");
    assert!(String::from_utf8_lossy(&found.stdout).contains("xuid/tag00051"), "{found:?}");
}

impl Live {
    /// Imports lines into the running server.
    pub(crate) fn import(&self, lines: &[Value]) {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n", self.writer);
        let reply = self.send("POST", "/admin/v1/import", &headers, tags::text(lines).as_bytes());
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}
