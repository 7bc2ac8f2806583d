//! Who may use the admin API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Live, command, lines, success};
use crate::client::{Client, Reply};
use crate::counters::{etrnl_body, etrnl_tag};
use crate::tags::{self, Folder};

const READ: &str = "/admin/v1/tags";

fn bearer(key: &str) -> String {
    format!("Authorization: Bearer {key}\r\n")
}

fn error(reply: &Reply) -> (u16, String) {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert!(!body["message"].as_str().unwrap().is_empty());
    (reply.status, body["error"].as_str().unwrap().into())
}

#[test]
fn only_management_keys_open_the_admin_api() {
    let mut given = lines(1);
    given.push(etrnl_tag(7000).1);
    let live = Live::new(&given);
    let expired = live.print(&["manager", "new", "--label", "Old", "--role", "read-write", "--expires", "10s"]);
    let new = |kind: &str| live.print(&["key", "new", "--organisation", "1", "--kind", kind]).trim().to_owned();
    let (private, public, token) = (new("private"), new("public"), new("token"));
    let patch = live.print(&["manager", "new", "--label", "App", "--role", "patch", "--organisation", "1"]);
    let (patch, expired) = (patch.trim(), expired.trim());

    let unknown = error(&live.send("GET", READ, &bearer("management_00000000000000000000000000000000"), b""));
    assert_eq!(unknown, (401, "unauthorized".into()));
    // The command refuses a key that would have ended already.
    while live.send("GET", READ, &bearer(expired), b"").status == 200 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let twice = bearer(&live.writer).repeat(2);
    for headers in [
        String::new(),
        bearer(""),
        bearer(expired),
        bearer(&private),
        bearer(&public),
        bearer(&token),
        bearer(&live.writer.to_uppercase()),
        bearer(&live.writer[..live.writer.len() - 1]),
        format!("Authorization: Basic {}\r\n", live.writer),
        format!("Authorization: {}\r\n", live.writer),
        format!("X-API-Key: {}\r\n", live.writer),
        format!("API-Key: {}\r\n", live.writer),
        twice,
    ] {
        for (method, target) in [
            ("GET", READ),
            ("GET", "/admin/v1/openapi.json"),
            ("GET", "/nowhere"),
            ("DELETE", "/admin/v1/tags/xuid/tag00001"),
        ] {
            assert_eq!(error(&live.send(method, target, &headers, b"")), unknown, "{headers:?} {method} {target}");
        }
    }
    for key in [&live.writer, &live.reader] {
        assert_eq!(live.send("GET", READ, &bearer(key), b"").status, 200);
        assert_eq!(live.send("GET", READ, &format!("authorization: bearer {key}\r\n"), b"").status, 200);
        let mut client = Client::new(live.admin.strip_prefix("http://").unwrap()).unwrap();
        client.send(format!("HEAD {READ} HTTP/1.1\r\nHost: [::1]\r\n{}\r\n", bearer(key)).as_bytes()).unwrap();
        assert_eq!(client.receive_head().unwrap().status, 200);
    }
    let forbidden = (403, "forbidden".to_owned());
    let json = "Content-Type: application/json\r\n";
    for (method, target, body) in [
        ("DELETE", "/admin/v1/tags/xuid/tag00001", ""),
        ("POST", "/admin/v1/tags/xuid/tag00001/disable", ""),
        ("POST", "/admin/v1/tags/xuid/tag00001/counter/raise", r#"{"ctr":9}"#),
        ("POST", "/admin/v1/keys", r#"{"organisation":1,"kind":"private"}"#),
        ("POST", "/admin/v1/managers", r#"{"label":"A","role":"readWrite"}"#),
        ("PATCH", "/v1/x/tag00001", r#"{"ix_status":"Inactive"}"#),
        ("GET", "/admin/v1/export", ""),
        ("POST", "/nowhere", ""),
    ] {
        let headers = format!("{}{json}X-API-Key: {}\r\n", bearer(&live.reader), live.reader);
        assert_eq!(error(&live.send(method, target, &headers, body.as_bytes())), forbidden, "{method} {target}");
    }
    assert_eq!(error(&live.send("GET", READ, &bearer(patch), b"")), forbidden);
    assert!(live.tap(&tags::tag(1).tap().unwrap()).contains("Pass"), "nothing was changed");

    // A management key verifies nothing.
    let mut client = Client::new(&live.server.address).unwrap();
    let body = etrnl_body(&etrnl_tag(7000).0.tap().unwrap());
    for (key, status) in [(&*live.writer, 401), (patch, 401), (&private, 200)] {
        let headers = format!("API-Key: {key}\r\nContent-Type: application/json\r\n");
        let reply = client.post("/v1/tags/verify-authenticity", &headers, body.as_bytes()).unwrap();
        assert_eq!(reply.status, status, "{reply:?}");
    }
    live.import(&[json!({ "organisation": { "id": 1, "needsToken": true } })]);
    let mut tag = tags::tag(1).with_ctr(suntap::SdmReadCtr::new(5).unwrap());
    let url = tag.tap().unwrap().to_string();
    assert!(live.tap(&format!("{url}&r={}", live.writer)).contains("token_invalid"));
    assert!(live.tap(&format!("{url}&r={token}")).contains("Pass"));
    // The admin API is on its own listener only.
    for target in [READ, "/admin/v1/openapi.json"] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n{}\r\n", bearer(&live.writer)).as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap().status, 404);
    }
    client
        .send(format!("PATCH /v1/x/tag00001 HTTP/1.1\r\nHost: t\r\nX-API-Key: {}\r\n\r\n", live.writer).as_bytes())
        .unwrap();
    assert_eq!(client.receive().unwrap().status, 404);
}

#[test]
fn web_pages_and_unknown_hosts_are_refused() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let live = Live::start(folder, store, &lines(1), &["--admin-host", "admin.example"]);
    let address = live.admin.strip_prefix("http://").unwrap();
    let ask = |host: &str, headers: &str| {
        let mut client = Client::new(address).unwrap();
        let host = if host.is_empty() { String::new() } else { format!("Host: {host}\r\n") };
        let key = bearer(&live.writer);
        client.send(format!("GET {READ} HTTP/1.1\r\n{host}{key}{headers}\r\n").as_bytes()).unwrap();
        client.receive().unwrap()
    };
    for host in [
        "127.0.0.1",
        "127.0.0.1:8081",
        "[::1]:8081",
        "192.0.2.7",
        "localhost",
        "LOCALHOST:1",
        "admin.example",
        "Admin.Example:9",
    ] {
        assert_eq!(ask(host, "").status, 200, "{host}");
    }
    for host in
        ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "a@localhost@b", "admin.example."]
    {
        assert_eq!(error(&ask(host, "")), (403, "unknown_host".into()), "{host}");
    }
    for headers in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
    ] {
        assert_eq!(error(&ask("127.0.0.1", headers)), (403, "cross_origin".into()), "{headers}");
    }
    assert_eq!(ask("127.0.0.1", "Sec-Fetch-Site: none\r\n").status, 200);
    // The answer to a preflight allows nothing.
    let reply =
        live.send("OPTIONS", READ, "Origin: https://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n", b"");
    assert_eq!(reply.status, 403);
    assert!(!reply.head.to_lowercase().contains("access-control"));
}

#[test]
fn too_many_invalid_keys_get_429_and_a_valid_key_still_works() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let live = Live::start(folder, store, &lines(1), &["--invalid-keys", "3"]);
    let statuses: Vec<_> = (0..6).map(|_| live.send("GET", READ, &bearer("management_x"), b"").status).collect();
    assert_eq!(statuses, [401, 401, 401, 429, 429, 429]);
    assert_eq!(error(&live.send("GET", READ, "", b"")), (429, "too_many_requests".into()));
    assert_eq!(live.send("GET", READ, &bearer(&live.writer), b"").status, 200);
    // Another thread writes the log.
    let logged = || live.log().matches("invalid management key").count();
    let start = Instant::now();
    while logged() < 3 && start.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(logged(), 3);
    // The limit is not shared with the clients that verify.
    assert!(live.tap(&tags::tag(1).tap().unwrap()).contains("Pass"));
}

#[test]
fn nothing_secret_is_shown_or_logged() {
    let mut live = Live::new(&lines(2));
    let key = live.print(&["key", "new", "--organisation", "1", "--label", "Shop"]);
    let other = live.print(&["manager", "new", "--label", "Cid", "--role", "read-only"]);
    let (file, tap) = (tags::line(1)["tag"]["keys"]["plain"]["file"].clone(), tags::tag(1).tap().unwrap().to_string());
    live.tap(&tap);
    let mut seen = String::new();
    for target in [
        "/admin/v1/tags",
        "/admin/v1/tags/xuid/tag00001",
        "/admin/v1/keys",
        "/admin/v1/managers",
        "/admin/v1/check",
        "/admin/v1/organisations",
        "/admin/v1/levels",
        "/admin/v1/tags/xuid/tag00001/counter",
        "/admin/v1/openapi.json",
    ] {
        let (status, body) = live.ask("GET", target, &Value::Null);
        assert_eq!(status, 200, "{target}");
        seen.push_str(&body.to_string());
    }
    // A key in the wrong place is not repeated.
    for body in [json!(key.trim()), json!({ "organisation": 1, "kind": key.trim() }), json!({ key.trim(): 1 })] {
        seen.push_str(&live.ask("POST", "/admin/v1/keys", &body).1.to_string());
    }
    let target = format!("/admin/v1/tags?cursor={}", live.writer);
    seen.push_str(&live.ask("GET", &target, &Value::Null).1.to_string());
    live.import(&[tags::line(1)]);
    live.print(&["tag", "disable", "tag00001"]);
    live.server.terminate();
    seen.push_str(&live.log());
    assert!(seen.contains("tag.disable") && seen.contains("key.new"), "the log has the acts: {seen}");
    assert!(!seen.contains("\"sealed\":"), "{seen}");
    let sealed = success(command(&live.folder, &live.store, &["tag", "export"]).output().unwrap());
    let sealed: Value = serde_json::from_str(sealed.lines().last().unwrap()).unwrap();
    let sealed = sealed["tag"]["keys"]["held"]["sealed"].as_str().unwrap().to_owned();
    let mac = tap.split("&e=").nth(1).unwrap();
    for secret in [&key, &other, &live.writer, &live.reader, file.as_str().unwrap(), mac, &sealed] {
        let secret = secret.trim();
        let random = secret.rsplit('_').next().unwrap();
        assert!(!seen.to_lowercase().contains(&random.to_lowercase()), "{secret}");
    }
}

/// A client without rights does not hold a place, and invents no address.
#[test]
fn a_refused_client_loses_its_connection_and_names_no_address() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let live = Live::start(folder, store, &lines(1), &["--trusted-proxy", "127.0.0.1"]);
    for key in ["management_00000000000000000000000000000000", &live.reader] {
        let reply = live.send("DELETE", "/admin/v1/tags/xuid/tag00001", &bearer(key), b"");
        assert!(matches!(reply.status, 401 | 403));
        assert_eq!(reply.header("connection"), Some("close"), "{reply:?}");
    }
    let forged = format!("{}X-Forwarded-For: 203.0.113.66\r\nX-Request-Id: forged\r\n", bearer(&live.writer));
    let reply = live.send("POST", "/admin/v1/tags/xuid/tag00001/disable", &forged, b"");
    assert_eq!(reply.status, 204, "{reply:?}");
    let exported = live.send("GET", "/admin/v1/export", &bearer(&live.writer), b"");
    assert_eq!(exported.status, 200);
    let history = live.print(&["history", "--event", "admin"]);
    assert!(history.contains(r#""act":"tag.export""#), "{history}");
    assert!(!history.contains("203.0.113.66") && !history.contains("forged"), "{history}");
    let of_tag = live.print(&["history", "--tag", "tag00001"]);
    assert!(of_tag.contains("tag.disable") && of_tag.lines().count() == 1, "{of_tag}");
}

/// Names of keys depend on an `apiKeys` secret. One that is no longer listed must not leave an operator without a key.
#[test]
fn managers_need_their_secret() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let run = |args: &[&str]| command(&folder, &store, args).output().unwrap();
    success(run(&["init"]));
    success(run(&["manager", "new", "--label", "Ann", "--role", "read-write"]));
    let rotated = |keys: Value| {
        let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
        secrets["apiKeys"] = keys;
        folder.write_secrets(&secrets.to_string());
    };
    let (old, new) = ("A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1", "B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2B2");
    rotated(json!([new, old]));
    let found = run(&["check", "--old-secrets"]);
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.contains("manager/") && found.contains("needs an older `apiKeys` secret"), "{found}");
    success(run(&["manager", "new", "--label", "Bob", "--role", "read-write"]));
}

#[test]
fn a_management_key_does_not_become_an_api_key() {
    let live = Live::new(&lines(1));
    for line in [
        json!({ "apiKey": { "organisation": 1, "key": live.writer, "kind": "private" } }),
        json!({ "token": { "organisation": 1, "token": live.writer } }),
    ] {
        let headers = format!("{}Content-Type: application/x-ndjson\r\n", bearer(&live.writer));
        let reply = live.send("POST", "/admin/v1/import", &headers, tags::text(std::slice::from_ref(&line)).as_bytes());
        assert_eq!(reply.status, 422, "{line}: {reply:?}");
        assert!(!reply.body.contains(&live.writer));
    }
}
