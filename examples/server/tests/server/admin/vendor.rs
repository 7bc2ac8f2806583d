//! The vendor's management call.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{Live, lines};
use crate::tags;

#[test]
fn the_call_changes_the_response_and_the_state() {
    let mut given = lines(2);
    given[5]["tag"]["cuid"] = "SHOE-2".into();
    let mut layered = tags::line(3);
    layered["tag"]["xuid"] = "layered".into();
    layered["tag"]["rules"] = json!({ "groups": [
        { "rules": ["authentication", "scan count < 5"], "response": "Pass" },
        { "rules": ["authentication"], "response": "Often" },
    ], "default": "Fail" });
    given.push(layered);
    given.push(json!({ "organisation": { "id": 2, "name": "Two", "account": "two222" } }));
    let live = Live::new(&given);
    let manager = |organisation: &str| {
        let args = ["manager", "new", "--label", organisation, "--role", "patch", "--organisation", organisation];
        live.print(&args).trim().to_owned()
    };
    let (own, other) = (manager("1"), manager("2"));
    let patch = |target: &str, headers: &str, body: &Value| {
        let kind = if body.is_null() { "" } else { "Content-Type: application/json\r\n" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let reply = live.send("PATCH", target, &format!("{headers}{kind}"), body.as_bytes());
        (reply.status, serde_json::from_str::<Value>(&reply.body).unwrap())
    };
    let key = |name: &str| format!("{name}: {own}\r\n");
    let mut tag = tags::tag(1);
    let mut fresh = || tag.tap().unwrap().to_string();
    let forged = |live: &Live| live.tap("https://t.example/tap?x=tag00001&n=00FFFF&e=0000000000000000");
    assert!(forged(&live).contains("Fail"));

    // As headers and as a body, with each header for the key.
    let (status, body) = patch("/v1/x/tag00001", &format!("{}ix_dr: Sorry\r\n", key("X-API-Key")), &Value::Null);
    assert_eq!((status, body), (200, json!({ "xuid": "tag00001" })));
    assert!(forged(&live).contains("Sorry"));
    assert!(live.tap(&fresh()).contains("Pass"), "the rules of the tag group stay");
    assert_eq!(patch("/v1/x/tag00001", &key("Ixkio-R"), &json!({ "ix_dr": "No {scount}" })).0, 200);
    assert!(forged(&live).contains("No 1"), "{}", forged(&live));
    // An empty text drops it.
    assert_eq!(patch("/v1/x/tag00001", &format!("{}ix_dr:\r\n", key("x-api-key")), &Value::Null).0, 200);
    assert!(forged(&live).contains("Fail"));

    assert_eq!(patch("/v1/x/tag00001", &key("X-API-Key"), &json!({ "ix_status": "Inactive" })).0, 200);
    assert!(live.tap(&fresh()).contains("tag_inactive"));
    let by_uid = format!("{}ix_u: 04332200000001\r\nix_status: Active\r\n", key("X-API-Key"));
    assert_eq!(patch("/v1/a/abc123", &by_uid, &Value::Null), (200, json!({ "xuid": "tag00001" })));
    assert!(live.tap(&fresh()).contains("Pass"));
    let of_cuid = format!("{}ix_c: SHOE-2\r\n", key("X-API-Key"));
    assert_eq!(
        patch("/v1/a/abc123", &of_cuid, &json!({ "ix_status": "Inactive" })),
        (200, json!({ "xuid": "tag00002" }))
    );
    assert!(live.tap(&tags::tag(2).tap().unwrap()).contains("tag_inactive"));

    let status = json!({ "ix_status": "Inactive" });
    let token = live.print(&["key", "new", "--organisation", "1", "--kind", "token"]);
    for (target, headers, body, expected) in [
        ("/v1/x/tag00001", String::new(), &status, 401),
        ("/v1/x/tag00001", format!("X-API-Key: {token}"), &status, 401),
        ("/v1/x/tag00001", format!("Authorization: Bearer {own}\r\n"), &status, 401),
        ("/v1/x/tag00001", format!("X-API-Key: {}\r\n", live.reader), &status, 403),
        ("/v1/x/tag00001", format!("X-API-Key: {other}\r\n"), &status, 404),
        ("/v1/x/none", key("X-API-Key"), &status, 404),
        ("/v1/a/other", of_cuid.clone(), &status, 404),
        ("/v1/a/abc123", key("X-API-Key"), &status, 400),
        ("/v1/a/abc123", format!("{of_cuid}ix_u: 04332200000002\r\n"), &status, 400),
        ("/v1/x/tag00001", key("X-API-Key"), &json!({}), 400),
        ("/v1/x/tag00001", key("X-API-Key"), &json!({ "ix_status": "inactive" }), 400),
        ("/v1/x/tag00001", key("X-API-Key"), &json!({ "ix_other": "1" }), 400),
        ("/v1/x/tag00001", format!("{}ix_status: Active\r\n", key("X-API-Key")), &status, 400),
        // Genuine and forged taps would get the same answer.
        ("/v1/x/tag00001", key("X-API-Key"), &json!({ "ix_dr": "Pass" }), 400),
        ("/v1/x/tag00001", key("X-API-Key"), &json!({ "ix_dr": " pass" }), 400),
        ("/v1/x/tag00001", key("X-API-Key"), &json!({ "ix_dr": "Pass\u{200b}" }), 400),
        ("/v1/x/layered", key("X-API-Key"), &json!({ "ix_dr": "Pass" }), 400),
        ("/v1/x/layered", key("X-API-Key"), &json!({ "ix_dr": "Often" }), 400),
    ] {
        let (got, body) = patch(target, &headers, body);
        assert_eq!(got, expected, "{target} {headers} {body}");
        assert!(body["error"].is_string() && body["message"].is_string());
    }
    assert!(live.tap(&fresh()).contains("Pass"), "nothing was changed");
    assert_eq!(patch("/v1/x/tag00001", &format!("X-API-Key: {}\r\n", live.writer), &json!({ "ix_dr": "Nope" })).0, 200);
    assert!(forged(&live).contains("Nope"));
}

/// The call replaces the whole rules of a tag, but never those that an import has written in between.
#[test]
fn the_call_overwrites_no_other_change() {
    let live = Live::new(&lines(1));
    let is_done = AtomicBool::new(false);
    let key = format!("X-API-Key: {}\r\nContent-Type: application/json\r\n", live.writer);
    std::thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut changed = 0;
            for number in (0..).take_while(|_| !is_done.load(Ordering::Relaxed)) {
                let body = json!({ "ix_dr": format!("Sorry {number}"), "ix_status": "Active" }).to_string();
                let status = live.send("PATCH", "/v1/x/tag00001", &key, body.as_bytes()).status;
                assert!([200, 409].contains(&status), "{status}");
                changed += u32::from(status == 200);
            }
            changed
        });
        let _ends = scopeguard::guard((), |()| is_done.store(true, Ordering::Relaxed));
        for count in 1..300 {
            let groups = json!([{ "rules": ["authentication", format!("scan count < {count}")], "response": "Pass" }]);
            let rules = json!({ "groups": groups, "default": "Fail" });
            let body = json!({ "tag": { "xuid": "tag00001", "rules": rules } }).to_string();
            let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n", live.writer);
            let import = || live.send("POST", "/admin/v1/import", &headers, body.as_bytes());
            let imported = std::iter::repeat_with(import).find(|reply| reply.status != 409).unwrap();
            assert_eq!(imported.status, 200, "{imported:?}");
            let exported = live.print(&["tag", "export", "--prefix", "tag00001"]);
            assert!(exported.contains(&format!("scan count < {count}\"")), "{exported}");
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(calls.join().unwrap() > 10);
    });
}
