//! What the history says about administrative acts.

use serde_json::{Value, json};

use super::{Live, lines};

fn acts(live: &Live) -> Vec<Value> {
    let text = live.print(&["history", "--event", "admin"]);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_act_has_its_detail() {
    let live = Live::new(&lines(1));
    live.print(&["counter", "raise", "tag00001", "--to", "500"]);
    live.print(&["key", "new", "--organisation", "1", "--label", "Shop"]);
    let acts = acts(&live);
    let detail = |name: &str| acts.iter().rev().find(|act| act["act"] == name).unwrap()["detail"].clone();
    assert_eq!(detail("counter.raise"), "to 500");
    assert_eq!(detail("key.new"), "Shop");
    assert_eq!(detail("manager.new"), "Bob");
}

#[test]
fn an_act_that_changes_nothing_is_not_written() {
    let live = Live::new(&lines(1));
    let key = live.print(&["key", "new", "--organisation", "1"]);
    let listed: Value = serde_json::from_str(&live.print(&["key", "list", "--json"])).unwrap();
    assert!(!key.is_empty());
    let id = listed["id"].as_str().unwrap();
    let mut repeated = vec![
        vec!["tag", "disable", "tag00001"],
        vec!["tag", "enable", "tag00001"],
        vec!["batch", "disable", "--organisation", "1", "F/G/B"],
        vec!["organisation", "disable", "1"],
        vec!["counter", "raise", "tag00001", "--to", "7"],
        vec!["key", "expire", id, "--at", "2999-01-01T00:00:00Z"],
    ];
    for args in &mut repeated {
        let before = acts(&live).len();
        for _ in 0..3 {
            live.print(args);
        }
        assert_eq!(acts(&live).len(), before + 1, "{args:?}");
    }
}

#[test]
fn keys_that_would_be_of_no_use_are_not_created() {
    let live = Live::new(&lines(1));
    let past = "2020-01-01T00:00:00Z";
    let key = json!({ "organisation": 1, "kind": "private", "expires": past });
    let manager = json!({ "label": "Cid", "role": "readOnly", "expires": past });
    for (target, new) in [("/admin/v1/keys", key), ("/admin/v1/managers", manager)] {
        let (status, answer) = live.ask("POST", target, &new);
        assert_eq!((status, &answer["error"]), (400, &json!("invalid_request")), "{answer}");
        assert!(answer["message"].as_str().unwrap().contains("ended already"), "{answer}");
    }
    // The history names a manager by its label.
    let same = json!({ "label": "Ann", "role": "readOnly" });
    let (status, answer) = live.ask("POST", "/admin/v1/managers", &same);
    assert_eq!((status, &answer["error"]), (409, &json!("label_in_use")), "{answer}");
}
