//! What a client without a key or token can do.

use serde_json::json;

use crate::client::{Server, get};
use crate::counters::etrnl_tag;
use crate::http::{command, imported, server_of};
use crate::import::changed;
use crate::states::timeless;
use crate::tags;

/// The organisation asks its clients for a token, and a visitor has none. The page spends no tap, and looks as for an unknown tag.
#[test]
fn a_tag_that_needs_a_token_has_no_page() {
    let mut lines = tags::levels();
    lines[0]["organisation"]["needsToken"] = true.into();
    lines.push(json!({ "token": { "organisation": 1, "token": "token_0f1e2d3c4b5a" } }));
    lines
        .push(changed(2, json!({ "layout": { "template": "https://t.example/elsewhere?x={:xuid}&n={ctr}&e={mac}" } })));
    lines.push(tags::line(1));
    let (folder, _) = imported(&lines);
    let server = Server::spawn(command(&folder, &["--log", "warn"]));
    for number in [1, 2] {
        let target = tags::target(&tags::tag(number).tap().unwrap());
        let path = if number == 1 { "/tap?" } else { "/elsewhere?" };
        let page = target.replace("/v1/t?", path);
        let unknown = get(&server.address, &page.replace(&tags::xuid(number), "nobody00"));
        for _ in 0..2 {
            let reply = get(&server.address, &page);
            assert!(reply.body.contains("Not recognised"), "{}", reply.body);
            assert_eq!((reply.status, timeless(&reply.body)), (unknown.status, timeless(&unknown.body)));
        }
        if number == 1 {
            let reply = get(&server.address, &format!("{target}&r=token_0f1e2d3c4b5a"));
            assert_eq!(reply.body, r#"{"xuid":"tag00001","response":"Pass"}"#, "the page spent nothing");
        }
    }
}

/// A tag of the ETRNL API is asked about with an API key only, although it has a UID and its organisation has an account.
#[test]
fn an_etrnl_tag_is_unknown_to_the_other_api() {
    let (tag, mut line) = etrnl_tag(7000);
    line["tag"]["cuid"] = "GIN-1".into();
    let (_folder, server, _key) = server_of(&[line], "30");
    let uid = tag.uid().to_string();
    for (name, id, unknown) in [("u", &*uid, "04000000000000"), ("c", "GIN-1", "GIN-2")] {
        let field = if name == "u" { "uid" } else { "cuid" };
        for id in [id, unknown] {
            let reply = get(&server.address, &format!("/v1/t?a=abc123&{name}={id}"));
            let body = format!(r#"{{"{field}":"{id}","error":"tag_not_found"}}"#);
            assert_eq!((reply.status, reply.body), (404, body));
        }
    }
}
