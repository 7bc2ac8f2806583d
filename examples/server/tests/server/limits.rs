//! What one record may cost, and which characters its names may have.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suntap_server::store::{Change, Store};

use crate::client::{Client, Server, get};
use crate::counters::{KEY, etrnl_body, etrnl_tag};
use crate::import::{changed, import_error, import_into, open};
use crate::partial::document;
use crate::tags::{self, Folder};

fn field(name: impl Into<String>, value: impl Into<String>) -> Value {
    json!({ "name": name.into(), "value": value.into(), "inResponse": true })
}

fn nested(depth: usize) -> Value {
    (1..depth).fold(json!([]), |inner, _| json!([inner]))
}

fn rules(response: &str) -> Value {
    json!({ "groups": [{ "rules": ["authentication"], "response": response }], "default": "Fail" })
}

#[tokio::test]
async fn import_refuses_what_no_answer_should_contain() {
    let long = |length| "x".repeat(length);
    let fields = |count| (0..count).map(|n| field(format!("f{n}"), "")).collect::<Vec<_>>();
    let many = json!({ "groups": [{ "rules": vec!["authentication"; 17], "response": "" }], "default": "" });
    for (line, reason) in [
        (changed(2, json!({ "name": long(129) })), "a name must have 0 to 128 characters, got 129"),
        (changed(2, json!({ "cuid": long(129) })), "a CUID must have 1 to 128 characters, got 129"),
        (changed(2, json!({ "cuid": "" })), "a CUID must have 1 to 128 characters, got 0"),
        (changed(2, json!({ "extendedData": fields(65) })), "at most 64 extended data fields, got 65"),
        (changed(2, json!({ "extendedData": [field(long(129), "")] })), "must have 1 to 128 characters, got 129"),
        (changed(2, json!({ "extendedData": [field("a", long(4097))] })), "must have at most 4096 bytes, got 4097"),
        (changed(2, json!({ "rules": rules(&long(4097)) })), "a response must have at most 4096 bytes, got 4097"),
        (changed(2, json!({ "rules": many })), "a rule group must have at most 16 rules, got 17"),
        (changed(2, json!({ "metadata": long(65_535) })), "metadata must have at most 65536 bytes, got 65537"),
        (changed(2, json!({ "metadata": nested(33) })), "at most 32 levels of arrays and objects, got 33"),
        (changed(2, json!({ "metadata": long(1024 * 1024) })), "a line must have at most 1048576 bytes"),
        // The answer as a whole.
        (
            changed(
                2,
                json!({ "extendedData": (0..17).map(|n| field(format!("f{n}"), long(4096))).collect::<Vec<_>>() }),
            ),
            "the answer would have more than 65536 bytes",
        ),
        (
            changed(2, json!({ "extendedData": [field("a", long(4000)), field("b", "{a}".repeat(20))] })),
            "more than 65536 bytes",
        ),
        (
            changed(
                2,
                json!({ "extendedData": (0..5).map(|n| field(format!("f{n}"), "{xuid}".repeat(256))).collect::<Vec<_>>() }),
            ),
            "more than 1024 subtags",
        ),
        (
            json!({ "tagGroup": { "organisation": 1, "path": "F/H", "rules": rules(&long(4097)) } }),
            "a response must have",
        ),
        (json!({ "organisation": { "id": 2, "name": long(129) } }), "the name of an organisation must have 0 to 128"),
        (json!({ "folder": { "organisation": 1, "path": long(129) } }), "a name in a path must have 1 to 128"),
        (
            json!({ "apiKey": { "organisation": 1, "key": long(12), "kind": "public", "label": long(129) } }),
            "a label must have",
        ),
    ] {
        let error = import_error(std::slice::from_ref(&line)).await;
        assert!(error.starts_with("line 6: ") && error.contains(reason), "{error}");
    }
    // Just within the limits.
    let folder = Folder::new();
    let store = open(&folder).await;
    let group = json!({ "groups": [{ "rules": vec!["authentication"; 16], "response": long(4096) }], "default": "" });
    let most = changed(
        2,
        json!({ "name": long(128), "cuid": long(128), "extendedData": fields(64), "rules": group,
            "metadata": long(65_534) }),
    );
    let deep = changed(3, json!({ "metadata": { "[[{\"": nested(31) } }));
    import_into(&store, &[tags::levels(), vec![most, deep]].concat()).await.unwrap();
}

#[tokio::test]
async fn import_refuses_names_that_hide_something() {
    for c in [
        '\u{1}',
        '\n',
        '\u{7f}',
        '\u{85}',
        '\u{61c}',
        '\u{200b}',
        '\u{200e}',
        '\u{202a}',
        '\u{202e}',
        '\u{2066}',
        '\u{2069}',
        '\u{2028}',
        '\u{feff}',
        '\u{e0041}',
    ] {
        let name = format!("A{c}B");
        for line in [
            changed(2, json!({ "name": name })),
            changed(2, json!({ "cuid": name })),
            changed(2, json!({ "extendedData": [field(&*name, "")] })),
            json!({ "organisation": { "id": 2, "name": name } }),
            json!({ "organisation": { "id": 2, "name": "Two", "account": name } }),
            json!({ "folder": { "organisation": 1, "path": name } }),
            json!({ "tagGroup": { "organisation": 1, "path": format!("F/{name}") } }),
            json!({ "batch": { "organisation": 1, "path": format!("F/G/{name}") } }),
            json!({ "apiKey": { "organisation": 1, "key": "0123456789AB", "kind": "public", "label": name } }),
            json!({ "token": { "organisation": 1, "token": "0123456789AB", "label": name } }),
        ] {
            let error = import_error(std::slice::from_ref(&line)).await;
            let code = format!("got U+{:04X}", u32::from(c));
            let is_account = error.contains("an account must have 1 to 64 of the characters");
            assert!(error.starts_with("line 6: ") && (error.contains(&code) || is_account), "{line}: {error}");
            assert!(!error.contains(c) || c == '\n', "{error}");
        }
    }
    let folder = Folder::new();
    let store = open(&folder).await;
    let names = ["Schuh groß", "靴", "حذاء", "נעל", "👟 1", "a\u{a0}b"];
    let lines = (10..).zip(names).map(|(number, name)| changed(number, json!({ "name": name, "cuid": name })));
    import_into(&store, &[tags::levels(), lines.collect()].concat()).await.unwrap();
}

/// Changes a stored document, like an older version could have stored it.
async fn store_old(store: &Store, key: &str, change: impl FnOnce(&mut Value)) {
    let mut value = document(store, key).await;
    change(&mut value["tag"]);
    let write = (key.to_owned(), Some(value.to_string()));
    store.change(&Change { writes: vec![write], ..Change::default() }).await.unwrap();
}

#[tokio::test]
async fn old_names_do_not_reach_the_page() {
    let folder = Folder::new();
    let store = open(&folder).await;
    import_into(&store, &[tags::levels(), vec![tags::line(1)]].concat()).await.unwrap();
    let name = format!("<b>\u{202e}eo\u{200b}hS\u{1}\u{2069}{}", "x".repeat(1_000_000));
    store_old(&store, "xuid/tag00001", |tag| tag["name"] = name.into()).await;
    // A line that does not change the name is accepted.
    import_into(&store, &[json!({ "tag": { "xuid": "tag00001", "cuid": "A" } })]).await.unwrap();
    store.close().await;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    let url = tags::tag(1).tap().unwrap();
    let page = get(&server.address, url.strip_prefix("https://t.example").unwrap()).body;
    let shown = format!("<bdi>&lt;b&gt;eohS{}</bdi>", "x".repeat(121));
    assert!(page.contains("Genuine") && page.contains(&shown), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1}', '\u{2069}']));
}

/// Records of an older version that made answers of gigabytes, or took a minute.
#[tokio::test]
async fn old_records_cannot_make_a_bomb() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let lines = (1..=7).map(tags::line).chain([
        etrnl_tag(7).1,
        json!({ "apiKey": { "organisation": 1, "key": KEY,
        "kind": "private" } }),
    ]);
    import_into(&store, &[tags::levels(), lines.collect()].concat()).await.unwrap();
    let million = "x".repeat(1_000_000);
    let bombs: [Vec<Value>; 7] = [
        vec![field("a", million.clone()), field("b", "{a}".repeat(256))],
        (0..200).map(|n| field(format!("f{n}"), "{big}".repeat(256))).chain([field("big", million.clone())]).collect(),
        (0..20_000).map(|n| field(format!("f{n}"), format!("{{f{}}}", n + 1).repeat(30))).collect(),
        (0..100_000).map(|n| field(format!("same beginning of all names {n}"), "")).collect(),
        vec![field("a", "{b}".repeat(256)), field("b", format!("{{{}}}", "n".repeat(100_000)).repeat(20))],
        vec![field("a", "{".repeat(5_000_000))],
        vec![field("a", "\u{1}".repeat(60_000))],
    ];
    for (number, bomb) in (1..).zip(bombs) {
        store_old(&store, &format!("xuid/{}", tags::xuid(number)), |tag| tag["extendedData"] = bomb.into()).await;
    }
    store_old(&store, "number/7", |tag| tag["metadata"] = million.into()).await;
    store.close().await;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    for number in 1..=7 {
        let start = Instant::now();
        let reply = get(&server.address, &format!("/v1/t?x={}", tags::xuid(number)));
        let (time, length) = (start.elapsed(), reply.body.len());
        println!("old record {number}: {} with {length} bytes after {time:?}", reply.status);
        let expected = format!(r#"{{"xuid":"{}","error":"answer_too_long"}}"#, tags::xuid(number));
        assert_eq!((reply.status, &*reply.body), (500, &*expected));
        assert_eq!(reply.header("content-type"), Some("application/json"));
        assert!(time < Duration::from_secs(60), "{number}: {time:?}");
    }
    let mut client = Client::new(&server.address).unwrap();
    let body = etrnl_body(&etrnl_tag(7).0.tap().unwrap());
    let path = "/v1/tags/verify-authenticity";
    let reply = client.post(path, &format!("API-Key: {KEY}\r\n"), body.as_bytes()).unwrap();
    assert!(reply.body.contains(r#""authentic":true"#) && reply.body.ends_with(r#""metadata":null}"#));
}

/// The most expensive records that import accepts.
#[tokio::test]
async fn the_worst_record_is_answered_quickly() {
    let folder = Folder::new();
    let store = open(&folder).await;
    // The longest names, which differ only at their ends, and every look-up that an answer may have.
    let name = |n: usize| format!("{}{n:03}", "\u{e9}".repeat(125));
    let look_ups =
        (0..64).map(|n| field(name(n), if n < 63 { format!("{{{}}}", name(63)).repeat(15) } else { String::new() }));
    let subtags = (0..64).map(|n| field(format!("f{n}"), if n < 4 { "{n}".repeat(255) } else { "x".into() }));
    let bytes = (0..15).map(|n| field(format!("f{n}"), "x".repeat(4096)));
    let metadata = etrnl_tag(7).1["tag"].clone();
    let mut metadata = json!({ "tag": metadata });
    metadata["tag"]["metadata"] = "x".repeat(65_534).into();
    let lines = [
        changed(1, json!({ "extendedData": look_ups.collect::<Vec<_>>() })),
        changed(2, json!({ "extendedData": subtags.collect::<Vec<_>>() })),
        changed(3, json!({ "extendedData": bytes.collect::<Vec<_>>() })),
        metadata,
        json!({ "apiKey": { "organisation": 1, "key": KEY, "kind": "private" } }),
    ];
    import_into(&store, &[&*tags::levels(), &lines].concat()).await.unwrap();
    store.close().await;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    let mut client = Client::new(&server.address).unwrap();
    for number in 1..=3 {
        let target = format!("/v1/t?x={}", tags::xuid(number));
        let times = (0..20).map(|_| {
            let start = Instant::now();
            let reply = client.get(&target).unwrap();
            assert_eq!(reply.status, 200);
            assert!(reply.body.len() <= 65_536);
            (start.elapsed(), reply.body.len())
        });
        let (time, length) = times.min().unwrap();
        println!("worst record {number}: {length} bytes after {time:?}");
        assert!(time < Duration::from_secs(10), "{time:?}");
    }
    let body = etrnl_body(&etrnl_tag(7).0.tap().unwrap());
    let start = Instant::now();
    let reply = client.post("/v1/tags/verify-authenticity", &format!("API-Key: {KEY}\r\n"), body.as_bytes()).unwrap();
    println!("most metadata: {} bytes after {:?}", reply.body.len(), start.elapsed());
    assert!(reply.body.contains(r#""authentic":true"#) && reply.body.len() < 65_536 + 512);
}
