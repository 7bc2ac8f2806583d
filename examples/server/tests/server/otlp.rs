//! The traces, as a collector receives them. Only with the feature `opentelemetry`.
#![cfg(feature = "opentelemetry")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use crate::client::{Client, Server, get};
use crate::counters::etrnl_body;
use crate::http::{command, imported};
use crate::planted;
use crate::tags::{self, Folder};

/// A collector. Returns its address, and what it receives: the request line and the body of each message.
fn collector() -> (String, mpsc::Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, received) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut first, mut length) = (String::new(), 0);
            stream.read_line(&mut first).unwrap();
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                if line.trim().is_empty() {
                    break;
                }
                if let Some(text) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            // Before the answer, so that everything is there when the server has ended.
            if sender.send((first.trim().to_owned(), body)).is_err() {
                return;
            }
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        }
    });
    (address, received)
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn a_collector_receives_the_spans_of_a_tap() {
    let (folder, _) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let (address, received) = collector();
    let mut serve = command(&folder, &["--log", "warn"]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}")).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    let mut server = Server::spawn(serve);
    let target = tags::target(&tags::tag(1).tap().unwrap());
    assert!(get(&server.address, &target).body.contains("Pass"));
    // At least one message is sent while the server runs, and the last spans at its end.
    let (first, mut body) = received.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(first, "POST /v1/traces HTTP/1.1");
    get(&server.address, "/some/other/path/0123456789ABCDEF");
    assert!(server.terminate().success());
    body.extend(received.try_iter().flat_map(|(_, body)| body));
    for text in
        ["suntap-server", "GET /v1/t", "suntap.verdict", "fresh", "store read", "store advance", "suntap.request"]
    {
        assert!(has(&body, text), "{text} in {:?}", String::from_utf8_lossy(&body));
    }
    let query = target.split_once('?').unwrap().1;
    let values = query.split('&').map(|pair| pair.split_once('=').unwrap().1).filter(|value| value.len() > 6);
    for value in values.chain([query]) {
        assert!(!has(&body, value), "{value} in {:?}", String::from_utf8_lossy(&body));
    }
    assert!(has(&body, "GET other") && !has(&body, "0123456789ABCDEF"), "{:?}", String::from_utf8_lossy(&body));
}

/// Taps of both APIs with planted keys, and the same keys in a path.
#[test]
fn traces_have_no_planted_secret() {
    let (mut plain, mut sealed, lines) = planted::tags();
    let folder = Folder::new();
    folder.write_secrets(&planted::secrets().to_string());
    tags::write(&folder.path("lines"), &lines);
    folder.print(&["import", folder.path("lines").to_str().unwrap()]);
    let (address, received) = collector();
    let mut serve = command(&folder, &["--log", "off"]);
    serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"));
    let mut server = Server::spawn(serve);
    let target = tags::target(&plain.tap().unwrap());
    let mac = planted::bytes(target.split_once("&e=").unwrap().1);
    let target = format!("{target}&r={}", planted::TOKEN);
    for target in
        [&target, &target, &target.replace("&e=", "&e=0"), &format!("/{}/{}", planted::API_KEY, planted::TOKEN)]
    {
        get(&server.address, target);
    }
    let mut client = Client::new(&server.address).unwrap();
    let (header, body) = (format!("API-Key: {}\r\n", planted::API_KEY), etrnl_body(&sealed.tap().unwrap()));
    let reply = client.post("/v1/tags/verify-authenticity", &header, body.as_bytes()).unwrap();
    assert!(reply.body.contains(r#""authentic":true"#), "{reply:?}");
    assert!(server.terminate().success());
    let traces: Vec<u8> = received.try_iter().flat_map(|(_, body)| body).collect();
    assert!(has(&traces, "replayed") && has(&traces, "verify-authenticity"), "{:?}", String::from_utf8_lossy(&traces));
    planted::planted().with("MAC", mac).assert_absent("a trace", traces);
}

#[test]
fn a_collector_that_is_away_changes_no_answer() {
    let (folder, _) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let serve = |endpoint: &str| -> Command {
        let mut serve = command(&folder, &["--log", "warn"]);
        serve.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_BSP_SCHEDULE_DELAY", "10");
        serve
    };
    let mut server = Server::spawn(serve("http://127.0.0.1:9"));
    let mut tag = tags::tag(1);
    for _ in 0..20 {
        assert!(get(&server.address, &tags::target(&tag.tap().unwrap())).body.contains("Pass"));
    }
    assert!(server.terminate().success());
    let output = serve("https://127.0.0.1:9").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("OTEL_EXPORTER_OTLP_ENDPOINT: expected http://HOST:PORT"), "{text}");
}
