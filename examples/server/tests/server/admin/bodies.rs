//! Requests that are too large or malformed.

use serde_json::{Value, json};

use super::{Live, lines};
use crate::client::Client;

#[test]
fn bodies_of_the_wrong_size_or_form_are_refused() {
    let live = Live::new(&lines(1));
    let key = format!("Authorization: Bearer {}\r\n", live.writer);
    let post = |target: &str, kind: &str, body: &[u8]| {
        let reply = live.send("POST", target, &format!("{key}{kind}"), body);
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        (reply.status, body["error"].as_str().unwrap_or_default().to_owned(), body.to_string())
    };
    let (json, ndjson) = ("Content-Type: application/json\r\n", "Content-Type: application/x-ndjson\r\n");
    let keys = "/admin/v1/keys";
    for (target, kind, body, status, error) in [
        (keys, "", &br#"{"organisation":1,"kind":"private"}"#[..], 415, "content_type"),
        (keys, "Content-Type: text/plain\r\n", br#"{"organisation":1,"kind":"private"}"#, 415, "content_type"),
        (keys, "Content-Type: application/x-www-form-urlencoded\r\n", b"organisation=1", 415, "content_type"),
        (keys, ndjson, br#"{"organisation":1,"kind":"private"}"#, 415, "content_type"),
        (keys, json, b"", 400, "invalid_request"),
        (keys, json, b"{", 400, "invalid_request"),
        (keys, json, b"[]", 400, "invalid_request"),
        (keys, json, b"\xFF\xFE", 400, "invalid_request"),
        (keys, json, br#"{"organisation":1}"#, 400, "invalid_request"),
        (keys, json, br#"{"organisation":1,"kind":"private","more":1}"#, 400, "invalid_request"),
        (keys, json, br#"{"organisation":1,"kind":"private","expires":"tomorrow"}"#, 400, "invalid_request"),
        (keys, json, br#"{"organisation":1,"kind":"private"}{}"#, 400, "invalid_request"),
        (keys, json, &vec![b' '; 70_000], 413, "body_too_large"),
        ("/admin/v1/import", json, b"{}", 415, "content_type"),
        ("/admin/v1/import", ndjson, b"\xFF", 400, "invalid_request"),
        ("/admin/v1/import", ndjson, b"{}", 422, "invalid_lines"),
        ("/admin/v1/import?replace=maybe", ndjson, b"", 400, "invalid_request"),
        ("/admin/v1/import?unknown=1", ndjson, b"", 400, "invalid_request"),
    ] {
        let (got, name, body) = post(target, kind, body);
        assert_eq!((got, &*name), (status, error), "{target} {kind} {body}");
    }
    // An import can be larger than the other bodies.
    let empty = vec![b'\n'; 1_000_000];
    assert_eq!(live.send("POST", "/admin/v1/import", &format!("{key}{ndjson}"), &empty).status, 200);
    for target in [
        "/admin/v1/tags?limit=x",
        "/admin/v1/tags?limit=-1",
        "/admin/v1/tags?cursor=x",
        "/admin/v1/tags?cursor=9.",
        "/admin/v1/tags?prefix=uid/1",
        "/admin/v1/tags?page=2",
        "/admin/v1/levels?kind=x",
        "/admin/v1/levels?prefix=F",
        "/admin/v1/tags/uid/1",
        "/admin/v1/tags/number/x",
        "/admin/v1/organisations/x",
        "/admin/v1/tags/xuid/a%00b",
        "/admin/v1/tags?prefix=%00",
    ] {
        let (status, body) = live.ask("GET", target, &Value::Null);
        assert_eq!((status, &body["error"]), (400, &json!("invalid_request")), "{target} {body}");
    }
    for (method, target, status, error) in [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/metrics", 404, "not_found"),
        ("GET", "/v1/t", 404, "not_found"),
        ("PUT", "/admin/v1/tags", 405, "method_not_allowed"),
        ("POST", "/admin/v1/tags/xuid/tag00001", 405, "method_not_allowed"),
    ] {
        let reply = live.send(method, target, &format!("{key}X-API-Key: {}\r\n", live.writer), b"");
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        assert_eq!((reply.status, &body["error"]), (status, &json!(error)), "{method} {target}");
        assert_eq!(reply.header("allow").is_some(), status == 405, "{reply:?}");
    }
}

/// A client without a key must not make the server read its body.
#[test]
fn a_large_body_without_a_key_is_not_read() {
    let live = Live::new(&lines(1));
    let mut client = Client::new(live.admin.strip_prefix("http://").unwrap()).unwrap();
    let head = "POST /admin/v1/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n";
    client.send(format!("{head}Content-Length: 60000000\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 401);
    let mut client = Client::new(live.admin.strip_prefix("http://").unwrap()).unwrap();
    let key = format!("Authorization: Bearer {}\r\n", live.writer);
    client.send(format!("{head}{key}Content-Length: 67108865\r\n\r\n").as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 413);
}
