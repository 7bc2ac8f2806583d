//! Administration while taps arrive, and by two operators at once.

use serde_json::{Value, json};

use super::{Live, lines};
use crate::backends;
use crate::tags::{self, Folder};

#[test]
fn taps_go_on_during_writes_to_a_data_file() {
    taps_go_on(&Live::new(&lines(20)));
}

#[test]
fn taps_go_on_during_writes_to_postgres() {
    let Some(backend) = backends::postgres() else { return };
    taps_go_on(&Live::start(Folder::new(), backend.url.clone(), &lines(20), &[]));
}

fn taps_go_on(live: &Live) {
    std::thread::scope(|scope| {
        let taps = scope.spawn(|| {
            let mut tags: Vec<_> = (1..=10).map(tags::tag).collect();
            for _ in 0..20 {
                for tag in &mut tags {
                    let url = tag.tap().unwrap().to_string();
                    assert!(live.tap(&url).contains("Pass"));
                    assert!(live.tap(&url).contains("Fail"));
                }
            }
        });
        let imports = scope.spawn(|| {
            for number in 0..10 {
                let numbers = 100 * (number + 1)..100 * (number + 1) + 50;
                live.import(&numbers.map(tags::line).collect::<Vec<_>>());
            }
        });
        // Two operators change the same tags. A change that comes too late is computed again, or refused.
        let operator = |verb: &'static str| {
            move || {
                for round in 0..10 {
                    let target = format!("/admin/v1/tags/xuid/tag000{}/{verb}", 11 + round % 3);
                    let (status, body) = live.ask("POST", &target, &Value::Null);
                    assert!(status == 204 || (status == 409 && body["error"] == "contended"), "{status} {body}");
                }
            }
        };
        let (first, second) = (scope.spawn(operator("disable")), scope.spawn(operator("enable")));
        for thread in [taps, imports, first, second] {
            thread.join().unwrap();
        }
    });
    assert_eq!(live.ask("GET", "/admin/v1/tags/xuid/tag01049", &Value::Null).0, 200);
    for number in 11..=13 {
        live.print(&["tag", "enable", &tags::xuid(number)]);
        assert!(live.tap(&tags::tag(number).tap().unwrap()).contains("Pass"));
    }
}

/// A level is deleted while tags are imported into it: afterwards it exists, or the tags do not.
#[test]
fn a_level_is_not_deleted_under_an_import() {
    let live = Live::new(&lines(1));
    let mut kept = 0;
    for round in 0..15 {
        let path = format!("F/G/R{round}");
        live.import(&[json!({ "batch": { "organisation": 1, "path": path } })]);
        let mut tag = tags::line(200 + round);
        tag["tag"]["batch"] = path.clone().into();
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n", live.writer);
        let target = format!("/admin/v1/levels/1/{}", path.replace('/', "%2F"));
        let text = tags::text(&[tag]);
        let (imported, deleted) = std::thread::scope(|scope| {
            let import = scope.spawn(|| live.send("POST", "/admin/v1/import", &headers, text.as_bytes()).status);
            let delete = scope.spawn(|| live.ask("DELETE", &target, &Value::Null).0);
            (import.join().unwrap(), delete.join().unwrap())
        });
        assert!(matches!((imported, deleted), (200, 409) | (409 | 422, 204)), "{imported} {deleted}");
        kept += u32::from(imported == 200);
        let word = live.tap(&tags::tag(200 + round).tap().unwrap());
        assert!(word.contains(if imported == 200 { "Pass" } else { "tag_not_found" }), "{word}");
        if imported == 200 {
            // It is open again.
            live.import(&[tags::line(300 + round)]);
        }
    }
    assert!(kept <= 15);
}

/// Two operators who revoke each other's keys at the same time leave one key that can write.
#[test]
fn one_manager_stays() {
    let live = Live::new(&lines(1));
    let (_, created) = live.ask("POST", "/admin/v1/managers", &json!({ "label": "Cid", "role": "readWrite" }));
    let cid = created["id"].as_str().unwrap().to_owned();
    let list = live.ask("GET", "/admin/v1/managers", &Value::Null).1;
    let ann = list["items"].as_array().unwrap().iter().find(|one| one["label"] == "Ann").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let as_cid = format!("Authorization: Bearer {}\r\n", created["key"].as_str().unwrap());
    let statuses = std::thread::scope(|scope| {
        let one = scope.spawn(|| live.ask("DELETE", &format!("/admin/v1/managers/{cid}"), &Value::Null).0);
        let other = scope.spawn(|| live.send("DELETE", &format!("/admin/v1/managers/{ann}"), &as_cid, b"").status);
        [one.join().unwrap(), other.join().unwrap()]
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
}
