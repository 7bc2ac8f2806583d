//! Invalid API keys and tokens.

use serde_json::{Value, json};

use crate::client::{Client, Server, get};
use crate::http::{command, imported};
use crate::tags::{self, Folder};

const ETRNL: &str = "/v1/tags/verify-authenticity";
const TOKEN: &str = "token_0f1e2d3c4b5a";

/// A server whose organisation needs a token, an API key, and the log as a file.
fn server(args: &[&str]) -> (Folder, Server, String) {
    let mut lines = tags::levels();
    lines[0]["organisation"]["needsToken"] = true.into();
    lines.push(json!({ "token": { "organisation": 1, "token": TOKEN } }));
    lines.push(tags::line(1));
    let (folder, key) = imported(&lines);
    let mut command = command(&folder, &[&["--log", "warn"], args].concat());
    command.stderr(std::fs::File::create(folder.path("log")).unwrap());
    let server = Server::spawn(command);
    (folder, server, key)
}

fn post(server: &Server, header: &str) -> (u16, String) {
    let body = br#"{"tagId":9,"enc":"","cmac":"","eCode":""}"#;
    let reply = Client::new(&server.address).unwrap().post(ETRNL, header, body).unwrap();
    (reply.status, reply.body)
}

/// The log, after the server has ended.
fn log(folder: &Folder, server: &mut Server) -> String {
    assert!(server.terminate().success());
    std::fs::read_to_string(folder.path("log")).unwrap()
}

#[test]
fn only_invalid_keys_are_limited() {
    let (folder, mut server, key) = server(&["--invalid-keys", "5"]);
    let right = format!("API-Key: {key}\r\n");
    let wrong = "API-Key: private_wrongwrongwrong\r\n";
    let (status, body) = post(&server, wrong);
    assert_eq!(status, 401);
    // Both APIs share the limit of a client.
    let refused = get(&server.address, "/v1/t?x=tag00001&r=token_wrongwrong");
    assert_eq!((refused.status, &*refused.body), (401, r#"{"xuid":"tag00001","error":"token_invalid"}"#));
    for _ in 0..3 {
        assert_eq!(post(&server, wrong), (401, body.clone()));
    }
    for _ in 0..3 {
        assert_eq!(post(&server, wrong), (429, body.clone()));
        let limited = get(&server.address, "/v1/t?x=tag00001&r=token_wrongwrong");
        assert_eq!((limited.status, &limited.body), (429, &refused.body));
        for name in ["content-type", "cache-control", "access-control-allow-origin", "x-content-type-options"] {
            assert_eq!(limited.header(name), refused.header(name));
        }
    }
    // A missing key is no guess, and a valid key passes.
    assert_eq!(post(&server, ""), (401, body));
    assert_eq!(get(&server.address, "/v1/t?x=tag00001").status, 401);
    let (status, body) = post(&server, &right);
    assert_eq!((status, serde_json::from_str::<Value>(&body).unwrap()["err"].clone()), (200, "doesNotExist".into()));
    let good = tags::target(&tags::tag(1).tap().unwrap());
    assert!(get(&server.address, &format!("{good}&r={TOKEN}")).body.contains("Pass"));

    let metrics = get(&server.address, "/metrics").body;
    for line in [r#"suntap_invalid_api_keys_total{api="etrnl"} 7"#, r#"suntap_invalid_api_keys_total{api="ixkio"} 4"#] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let log = log(&folder, &mut server);
    assert_eq!(log.matches("WARN invalid API key").count(), 5, "{log}");
    assert_eq!(log.matches("client=127.0.0.1").count(), 5, "{log}");
    assert!(!log.contains("wrong") && !log.contains("private_") && !log.contains("token_"), "{log}");
}

#[test]
fn the_limit_can_be_off() {
    let (folder, mut server, _key) = server(&["--invalid-keys", "0"]);
    for _ in 0..100 {
        assert_eq!(post(&server, "API-Key: wrong\r\n").0, 401);
    }
    assert_eq!(log(&folder, &mut server).matches("invalid API key").count(), 100);
}
