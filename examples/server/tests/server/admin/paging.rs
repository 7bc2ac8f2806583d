//! Long lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Live, lines};

#[test]
fn five_thousand_tags_are_listed_page_by_page() {
    let mut given = lines(4999);
    let layout = json!({ "template": "https://t.example/n?id={:tagId}&e={picc:uid,ctr}&c={mac}" });
    given.push(json!({ "tag": { "organisation": 1, "number": 7, "layout": layout } }));
    let live = Live::new(&given);
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let (status, page) = live.ask("GET", &format!("/admin/v1/tags?limit=700{cursor}"), &Value::Null);
        assert_eq!(status, 200, "{page}");
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 700);
        for item in items {
            assert!(found.insert(item["tag"].as_str().unwrap().to_owned()), "{item} is listed twice");
        }
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace('/', "%2F"));
        if pages == 3 {
            // A change between two pages moves nothing.
            live.print(&["tag", "delete", "tag00001"]);
        }
    }
    assert_eq!((found.len(), pages), (5000, 9));
    assert!(found.contains("number/7"));
    assert_eq!(live.print(&["tag", "list"]).lines().count(), 1 + 4999);
    assert_eq!(live.print(&["tag", "list", "--json", "--limit", "1500"]).lines().count(), 1500);
    assert_eq!(live.print(&["tag", "list", "--json", "--prefix", "tag0012"]).lines().count(), 10);
    assert_eq!(live.print(&["tag", "list", "--json", "--prefix", "number/"]).lines().count(), 1);
    assert_eq!(live.print(&["tag", "list", "--prefix", "none"]), "");
    assert_eq!(live.print(&["tag", "export"]).lines().filter(|line| line.starts_with(r#"{"tag""#)).count(), 4999);
    let (_, most) = live.ask("GET", "/admin/v1/tags?limit=100000", &Value::Null);
    assert_eq!(most["items"].as_array().unwrap().len(), 1000);
}
