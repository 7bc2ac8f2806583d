//! Everything under `/v1/` is JSON with the same headers.

use serde_json::{Value, json};

use crate::client::{Client, Reply, get};
use crate::http::{server, server_of};
use crate::import::changed;
use crate::tags;

const IXKIO: [&str; 2] = ["/v1/t", "/v1/t/"];
const ETRNL: [&str; 4] = [
    "/v1/tags/verify-authenticity",
    "/v1/tags/verify-authenticity/",
    "/v1/tag/verify-authenticity",
    "/v1/tag/verify-authenticity/",
];

fn send(address: &str, method: &str, target: &str, headers: &str) -> Reply {
    let mut client = Client::new(address).unwrap();
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: t\r\n{headers}\r\n").as_bytes()).unwrap();
    if method == "HEAD" { client.receive_head().unwrap() } else { client.receive().unwrap() }
}

fn is_json(reply: &Reply) {
    let names = ["content-type", "cache-control", "access-control-allow-origin", "x-content-type-options"];
    let headers = names.map(|name| reply.header(name));
    assert_eq!(headers, [Some("application/json"), Some("no-store"), Some("*"), Some("nosniff")], "{reply:?}");
    for name in names {
        assert_eq!(reply.head.to_ascii_lowercase().matches(&format!("\n{name}:")).count(), 1, "{reply:?}");
    }
}

fn is_error(reply: &Reply, status: u16, error: &str) {
    is_json(reply);
    assert_eq!((reply.status, &*reply.body), (status, &*json!({ "error": error }).to_string()), "{reply:?}");
}

#[test]
fn a_slash_at_the_end_changes_nothing() {
    let (_folder, server, key) = server("30");
    let mut tag = tags::tag(1);
    for path in IXKIO {
        let target = tags::target(&tag.tap().unwrap()).replace("/v1/t?", &format!("{path}?"));
        let reply = get(&server.address, &target);
        is_json(&reply);
        assert_eq!((reply.status, &*reply.body), (200, r#"{"xuid":"tag00001","response":"Pass"}"#));
    }
    for path in ETRNL {
        for (key, status, err) in [("wrong", 401, "unauthorized"), (&*key, 200, "doesNotExist")] {
            let body = br#"{"tagId":9,"enc":"","cmac":"","eCode":""}"#;
            let header = format!("API-Key: {key}\r\n");
            let reply = Client::new(&server.address).unwrap().post(path, &header, body).unwrap();
            is_json(&reply);
            let answer: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!((reply.status, &answer["err"]), (status, &err.into()), "{path}");
        }
    }
}

#[test]
fn every_refusal_is_json() {
    let (_folder, server, key) = server("2");
    let address = &server.address;
    for target in ["/v1/", "/v1/x", "/v1/t/x", "/v1//t", "/v1/tags", "/v1/tags/verify-authenticity/x", "/v1/%74"] {
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let reply = send(address, method, target, "");
            is_error(&reply, 404, "not_found");
            assert_eq!(reply.header("allow"), None);
        }
    }
    let long = "0".repeat(3000);
    for path in ["/v1/t", "/v1/x", ETRNL[0]] {
        is_error(&get(address, &format!("{path}?x={long}")), 414, "uri_too_long");
        for purpose in ["Sec-Purpose: prefetch\r\n", "X-Moz: prefetch\r\n"] {
            is_error(&send(address, "GET", path, purpose), 503, "prefetch");
        }
    }
    for path in ETRNL {
        let header = format!("API-Key: {key}\r\n");
        let reply = Client::new(address).unwrap().post(path, &header, long.repeat(3).as_bytes()).unwrap();
        is_error(&reply, 413, "body_too_large");
    }
    let mut slow = Client::new(address).unwrap();
    slow.send(b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nContent-Length: 40\r\n\r\n{").unwrap();
    is_error(&slow.receive().unwrap(), 408, "timeout");
    // A body that ends early or is not framed well is refused while it is read.
    let mut broken = Client::new(address).unwrap();
    broken
        .send(b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
        .unwrap();
    is_error(&broken.receive().unwrap(), 400, "bad_request");

    // People get pages as before.
    for (target, status) in [("/", 200), ("/tap", 200), ("/v1", 404), ("/v10/t", 404), ("/v2/t", 404)] {
        let reply = get(address, target);
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (status, None), "{target}");
        assert_ne!(reply.header("content-type"), Some("application/json"), "{target}");
    }
}

#[test]
fn allow_is_true() {
    let (_folder, server, _key) = server("30");
    let address = &server.address;
    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND"];
    let ixkio = IXKIO.map(|path| (path, "GET, OPTIONS"));
    let etrnl = ETRNL.map(|path| (path, "POST, OPTIONS"));
    let pages = ["/", "/tap", "/anything/else"].map(|path| (path, "GET"));
    for (path, allow) in ixkio.into_iter().chain(etrnl).chain(pages) {
        for method in methods {
            let reply = send(address, method, path, "Content-Length: 0\r\n");
            if allow.split(", ").any(|allowed| allowed == method) {
                assert_ne!(reply.status, 405, "{method} {path}");
            } else {
                assert_eq!((reply.status, reply.header("allow")), (405, Some(allow)), "{method} {path}");
                if path.starts_with("/v1/") && method != "HEAD" {
                    is_error(&reply, 405, "method_not_allowed");
                }
            }
        }
        if path.starts_with("/v1/") {
            let reply =
                send(address, "OPTIONS", path, "Access-Control-Request-Method: POST\r\nOrigin: https://a.example\r\n");
            assert_eq!((reply.status, &*reply.body), (204, ""));
            let headers = ["allow", "access-control-allow-methods", "access-control-allow-origin", "cache-control"];
            assert_eq!(headers.map(|name| reply.header(name)), [Some(allow), Some(allow), Some("*"), Some("no-store")]);
            assert!(reply.header("access-control-allow-headers").unwrap().contains("api-key"));
        }
    }
}

/// A layout may write any path, but what is under `/v1/` is for programs.
#[test]
fn no_page_is_under_v1() {
    let layout = json!({ "template": "https://t.example/v1/x?x={:xuid}&n={ctr}&e={mac}" });
    let (_folder, server, _key) = server_of(&[changed(1, json!({ "layout": layout }))], "30");
    let target = tags::target(&tags::tag(1).tap().unwrap());
    is_error(&get(&server.address, &target.replace("/v1/t?", "/v1/x?")), 404, "not_found");
    assert!(get(&server.address, &target).body.contains("Pass"), "nothing was spent");
}
