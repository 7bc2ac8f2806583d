//! A change of a tag group is checked against the tags that are stored in it.

use serde_json::{Value, json};
use suntap_server::import::{Allowed, import};
use suntap_server::store::{Options, Store};

use crate::backends;
use crate::import::{changed, import_into, open};
use crate::partial::document;
use crate::tags::{self, Folder};

fn rules() -> Value {
    tags::levels()[2]["tagGroup"]["rules"].clone()
}

fn layout(template: &str) -> Value {
    json!({ "template": format!("https://t.example/tap?{template}") })
}

/// Tags in the group: three ixkio tags in `F/G`, and two ETRNL tags in `F/E`.
fn lines() -> Vec<Value> {
    let mut lines = tags::levels();
    lines[2]["tagGroup"]["layout"] = layout("x={:xuid}&u={uid}&n={ctr}&e={mac}");
    let etrnl = layout("id={:tagId}&e={picc:uid,ctr}&c={mac}");
    lines.push(json!({ "tagGroup": { "organisation": 1, "path": "F/E", "layout": etrnl } }));
    lines.push(json!({ "batch": { "organisation": 1, "path": "F/E/B" } }));
    let plain = |digits: &str| json!({ "plain": { "file": digits.repeat(16), "meta": "C1".repeat(16) } });
    let keys = plain("22");
    // The first two have the same key, and their UIDs distinguish them.
    lines.extend([1, 2].map(|number| changed(number, json!({ "keys": keys }))));
    lines.push(changed(3, json!({ "keys": plain("23"), "layout": layout("x={:xuid}&n={ctr}&e={mac}"), "uid": null })));
    for (number, keys) in
        [(7, plain("31")), (8, json!({ "derived": { "an10922": { "master": "shoes", "meta": "shoes" } } }))]
    {
        let uid = format!("04AABBCC1122{number:02}");
        lines.push(
            json!({ "tag": { "organisation": 1, "batch": "F/E/B", "number": number, "uid": uid, "keys": keys } }),
        );
    }
    lines
}

fn group(path: &str, changes: Value) -> Value {
    let mut line = json!({ "tagGroup": { "organisation": 1, "path": path } });
    for (name, value) in changes.as_object().unwrap() {
        line["tagGroup"][name] = value.clone();
    }
    line
}

/// Each change would leave a tag that cannot be verified, or whose answers say nothing.
fn refused() -> Vec<(Value, bool, &'static str)> {
    vec![
        (group("F/G", json!({ "layout": null })), false, "the tag has keys and no layout"),
        (group("F/G", json!({ "rules": rules() })), true, "the tag has keys and no layout"),
        (group("F/G", json!({ "layout": layout("x={:xuid}&n={ctr}&e={mac}") })), false, "another tag has this key"),
        (group("F/G", json!({ "layout": layout("x={:xuid}&u={uid}&e={mac}") })), false, "mirrors no counter"),
        (
            group("F/G", json!({ "layout": layout("x={:xuid}&e={picc:uid,ctr}&c={mac}") })),
            false,
            "PICCData is in the layout",
        ),
        (group("F/G", json!({ "layout": layout("x={:other}&u={uid}&n={ctr}&e={mac}") })), false, "no parameter for it"),
        (group("F/G", json!({ "layout": layout("x={:cuid}&u={uid}&n={ctr}&e={mac}") })), false, "no parameter for it"),
        (group("F/G", json!({ "rules": null })), false, "the same answer"),
        (group("F/G", json!({ "rules": { "default": "x" } })), false, "the same answer"),
        (group("F/E", json!({ "layout": null })), false, "the tag has keys and no layout"),
        (group("F/E", json!({})), true, "the tag has keys and no layout"),
        (
            group("F/E", json!({ "layout": layout("id={:tagId}&u={uid}&n={ctr}&e={mac}") })),
            false,
            "it is not in the layout",
        ),
        (
            group("F/E", json!({ "layout": layout("id={:tagId}&k={:key}&e={picc:uid,ctr}&c={mac}") })),
            false,
            "no parameter",
        ),
        (
            group("F/E", json!({ "layout": layout("id={:tagId}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}") })),
            false,
            "tamper",
        ),
        (
            group("F/E", json!({ "layout": layout("id={:tagId}&e={picc:ctr}&c={mac}") })),
            false,
            "it is not in the layout",
        ),
    ]
}

/// Also with the whole import in one, in both orders of the lines.
pub(crate) async fn groups_are_checked(store: &Store) {
    import_into(store, &lines()).await.unwrap();
    let keys = ["level/1/F/G", "level/1/F/E", "xuid/tag00001", "xuid/tag00002", "number/7"];
    let documents = async || {
        let mut found = Vec::new();
        for key in keys {
            found.push(document(store, key).await);
        }
        found
    };
    let before = documents().await;
    for (line, replace, reason) in refused() {
        let again: Vec<_> = lines().into_iter().skip(6).collect();
        for (number, lines) in [(1, vec![line.clone()]), (6, [again.clone(), vec![line.clone()]].concat())] {
            let allowed = Allowed { replace, ..Allowed::default() };
            let imported = import(store, tags::secrets(), &tags::text(&lines), allowed, |_| ()).await;
            let error = imported.expect_err(&line.to_string()).to_string();
            assert!(error.starts_with(&format!("line {number}: ")) && error.contains(reason), "{line}: {error}");
            // A layout without a counter is wrong for every tag.
            let is_named = ["xuid/tag0000", "number/", "no counter"].iter().any(|text| error.contains(text));
            assert!(is_named, "{line}: {error}");
            assert_eq!(documents().await, before, "{line}");
        }
    }
    // A tag without a meta key, and a layout that needs one.
    let plain = json!({ "plain": { "file": "31".repeat(16) } });
    let own = json!({ "tag": { "number": 7, "keys": plain } });
    let error = import_into(store, &[own]).await.unwrap_err().to_string();
    assert!(error.contains("the record has no SDMMetaReadKey"), "{error}");
    // Keys that are prepared for another mode.
    let mode = group(
        "F/E",
        json!({ "layout": { "mode": "lrp", "template": layout("id={:tagId}&e={picc:uid,ctr}&c={mac}")["template"] } }),
    );
    import_into(store, &[mode]).await.unwrap();
    // The group may lose its layout if each tag has its own.
    let own = |number: u32| json!({ "tag": { "xuid": tags::xuid(number), "layout": layout("x={:xuid}&u={uid}&n={ctr}&e={mac}") } });
    import_into(store, &[group("F/G", json!({ "layout": null })), own(1), own(2)]).await.unwrap();
}

#[tokio::test]
async fn groups_are_checked_over_a_data_file() {
    let folder = Folder::new();
    groups_are_checked(&open(&folder).await).await;
}

/// Redis may list a document twice, and PostgreSQL lists in pages.
#[tokio::test]
async fn groups_are_checked_over_other_stores() {
    for backend in [backends::postgres(), backends::redis(&[])].into_iter().flatten() {
        let store = Store::create(&backend.url.parse().unwrap(), Options::default()).await.unwrap();
        groups_are_checked(&store).await;
        store.close().await;
    }
}

/// An organisation gets its account after its tags. Requests by UID find them.
#[tokio::test]
async fn a_new_account_names_the_stored_tags() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let mut lines = lines();
    lines[0] = json!({ "organisation": { "id": 1, "name": "One" } });
    import_into(&store, &lines).await.unwrap();
    import_into(&store, &[json!({ "organisation": { "id": 1, "account": "abc123" } })]).await.unwrap();
    let uid = tags::line(1)["tag"]["uid"].as_str().unwrap().to_owned();
    assert_eq!(document(&store, &format!("uid/abc123/{uid}")).await, json!({ "see": "xuid/tag00001" }));
}
