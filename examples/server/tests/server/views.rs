//! The documents of PostgreSQL, as an operator sees them in SQL.

use serde_json::json;
use tokio::runtime::Runtime;
use tokio_postgres::Client;

use crate::backends;
use crate::client::{Server, get};
use crate::opening::{done, import};
use crate::postgres::connect;
use crate::tags::{self, Folder};

/// `jsonb` cannot hold the first three of these.
const METADATA: [&str; 4] =
    [r#"{"x":1e131073}"#, r#"{"x":"\ud800"}"#, r#"{"x":1e999999}"#, r#"{ "z" : 1.0, "a": 1e2, "z": 3 }"#];

async fn texts(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

#[test]
fn views_show_tags_groups_and_keys_without_secrets() {
    let Some(backend) = backends::postgres() else { return };
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    let mut lines = tags::levels();
    let mut full = tags::line(1);
    full["tag"]["cuid"] = "SHOE-1".into();
    full["tag"]["state"] = "active".into();
    full["tag"]["extendedData"] = json!([{ "name": "size", "value": ",\"metadata\":", "inResponse": true }]);
    lines.extend([
        full,
        json!({ "tag": { "organisation": 1, "number": u64::MAX } }),
        json!({ "tag": { "organisation": 1, "xuid": "plain", "state": "inactive" } }),
        json!({ "tag": { "organisation": 1, "batch": "F/G/B", "xuid": "derived", "uid": "04AABBCC112233",
            "keys": { "derived": { "an10922": { "master": "shoes", "suffix": "AB" } } } } }),
        json!({ "apiKey": { "organisation": 1, "key": "a-long-key-for-one", "kind": "private", "label": "shop" } }),
    ]);
    import(&folder, &backend.url, &lines);
    // Written as text: the metadata must come back byte for byte.
    let tag =
        |(number, metadata)| format!(r#"{{"tag":{{"organisation":1,"xuid":"odd{number}","metadata":{metadata}}}}}"#);
    let odd: Vec<_> = METADATA.iter().enumerate().map(tag).collect();
    std::fs::write(folder.path("odd.ndjson"), odd.join("\n")).unwrap();
    done(&folder, &backend.url, &["import", folder.path("odd.ndjson").to_str().unwrap()]);
    let server = Server::on(&backend.url, &folder.secrets());
    let mut emulated = tags::tag(1);
    for _ in 0..3 {
        assert!(get(&server.address, &tags::target(&emulated.tap().unwrap())).body.contains("Pass"));
    }

    runtime.block_on(async {
        let owner = connect(&backend.url).await;
        for (number, metadata) in METADATA.iter().enumerate() {
            let sql = format!("SELECT value::text FROM suntap_documents WHERE key = 'xuid/odd{number}'");
            assert!(texts(&owner, &sql).await[0].contains(metadata), "{metadata}");
        }
        // The reason for `json`.
        let kept = texts(&owner, "SELECT (value::jsonb)::text FROM suntap_documents WHERE key = 'xuid/odd3'").await;
        assert!(kept[0].contains(r#""metadata": {"a": 100, "z": 3}"#), "{kept:?}");
        let refused = owner.query("SELECT value::jsonb FROM suntap_documents WHERE key = 'xuid/odd0'", &[]).await;
        assert!(refused.is_err());

        let grant = "CREATE ROLE reporting LOGIN; GRANT SELECT ON suntap_tags, suntap_groups, suntap_keys TO reporting";
        owner.batch_execute(grant).await.unwrap();
        let reporting = connect(&backend.url.replace("suntap@", "reporting@")).await;
        let rows = async |view: &str| texts(&reporting, &format!("SELECT to_json(v)::text FROM {view} v ORDER BY key")).await;
        let tags = rows("suntap_tags").await;
        let value = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let keys: Vec<_> = tags.iter().map(|text| value(text)["key"].clone()).collect();
        let xuids = ["derived", "odd0", "odd1", "odd2", "odd3", "plain", "tag00001"];
        let expected = xuids.map(|xuid| format!("xuid/{xuid}"));
        assert_eq!(keys, [&[format!("number/{}", u64::MAX)], &expected[..]].concat());
        assert_eq!(value(&tags[0])["number"], u64::MAX);
        let mut first = value(&tags[7]);
        let at = first["last_accepted_at"].take();
        assert!(at.as_str().unwrap().starts_with("20"), "{at}");
        let counter = first["counter_id"].take();
        assert_eq!(counter.as_str().unwrap().len(), 32);
        let expected = json!({ "key": "xuid/tag00001", "organisation": 1, "batch": "F/G/B", "xuid": "tag00001", "cuid": "SHOE-1",
            "number": null, "uid": "04332200000001", "name": "Shoe", "state": "active", "keys": "held",
            "counter_id": null, "ctr": 3, "last_accepted_at": null, "taps": 3 });
        assert_eq!(first, expected);
        assert_eq!(value(&tags[1])["keys"], "an10922");
        let plain = value(&tags[6]);
        assert_eq!((&plain["state"], &plain["keys"], &plain["ctr"]), (&"inactive".into(), &json!(null), &json!(null)));

        let groups = rows("suntap_groups").await;
        let kinds: Vec<_> = groups.iter().map(|text| value(text)["kind"].clone()).collect();
        assert_eq!(kinds, ["folder", "tagGroup", "batch"]);
        assert_eq!(value(&groups[1])["template"], tags::LAYOUT);
        assert_eq!((&value(&groups[1])["mode"], &value(&groups[0])["mode"]), (&"aes".into(), &json!(null)));
        let api_keys = rows("suntap_keys").await;
        assert_eq!(api_keys.len(), 1);
        assert_eq!((&value(&api_keys[0])["kind"], &value(&api_keys[0])["label"]), (&"private".into(), &"shop".into()));

        // Sealed keys are in the document, and the role sees them nowhere.
        let sealed = "SELECT value -> 'tag' -> 'keys' -> 'source' -> 'held' ->> 'sealed' FROM suntap_documents
            WHERE key = 'xuid/tag00001'";
        let sealed = texts(&owner, sealed).await.remove(0);
        assert_eq!(sealed.len(), 128);
        assert!([tags, groups, api_keys].concat().iter().all(|row| !row.contains(&sealed)));
        for table in ["suntap_documents", "suntap_marks"] {
            assert!(reporting.query(&format!("SELECT * FROM {table}"), &[]).await.is_err());
        }
        let comments = "SELECT count(*)::text FROM pg_description d JOIN pg_class c ON c.oid = d.objoid
            WHERE c.relname IN ('suntap_tags', 'suntap_groups', 'suntap_keys')";
        assert!(texts(&owner, comments).await[0].parse::<u32>().unwrap() >= 15);
    });
}
