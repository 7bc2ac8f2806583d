//! Invalid requests, and requests that exceed a limit.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suntap_server::text::counted;

use crate::client::{Client, Server, get};
use crate::demo::start;
use crate::states::timeless;
use crate::tags::{self, Folder};

/// A server with one tag, an API key and a timeout in seconds.
pub(crate) fn server(timeout: &str) -> (Folder, Server, String) {
    server_of(&[tags::line(1)], timeout)
}

pub(crate) fn server_of(tags: &[Value], timeout: &str) -> (Folder, Server, String) {
    let (folder, key) = imported(&[&*tags::levels(), tags].concat());
    let server = Server::spawn(command(&folder, &["--log", "warn", "--timeout", timeout]));
    (folder, server, key)
}

/// The command that serves a data file.
pub(crate) fn command(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
    command.arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
    command
}

/// A data file with these lines, and an API key of organisation 1.
pub(crate) fn imported(lines: &[Value]) -> (Folder, String) {
    let folder = Folder::new();
    let file = folder.path("tags.ndjson");
    tags::write(&file, lines);
    let run = |args: &[&str]| folder.print(args);
    let tags = lines.iter().filter(|line| line.get("tag").is_some()).count();
    let (tags, others) = (counted(tags, "tag"), counted(lines.len() - tags, "other line"));
    let report = format!("{tags} imported, and {others}\n");
    // Warnings may follow.
    assert!(run(&["import", file.to_str().unwrap()]).starts_with(&report));
    let key = run(&["key", "new", "--organisation", "1"]).trim().to_owned();
    (folder, key)
}

/// Each request gets the right status, and afterwards the next tap still passes.
#[test]
fn invalid_requests_get_the_right_status() {
    const ETRNL: &str = "/v1/tags/verify-authenticity";
    let (_folder, server, key) = server("30");
    let key = format!("API-Key: {key}\r\n");
    let mut tag = tags::tag(1);
    let good = tags::target(&tag.tap().unwrap());
    let long = "0".repeat(3000);
    let headers = "X: ".to_owned() + &"y".repeat(20_000);
    let mac = good.split("e=").nth(1).unwrap();

    // Each of these is invalid in another way.
    let gets: &[(&str, u16)] = &[
        ("/v1/t", 400),
        ("/v1/t?", 400),
        ("/v1/t?x=", 400),
        ("/v1/t?x=tag00001&x=tag00001", 400),
        ("/v1/t?x=tag00001&a=abc123&c=1", 400),
        ("/v1/t?x=%FF%FE", 400),
        ("/v1/t?x=%00", 404),
        ("/v1/t?x=nobody00", 404),
        ("/v1/t?x=tag00001", 200),
        ("/v1/t?x=tag00001&n=ffffff&e=0000000000000000", 200),
        ("/v1/t?x=tag00001&n=%00&e=%00", 200),
        (&format!("/v1/t?x=tag00001&n=000001&e={mac}0"), 200),
        (&format!("/v1/t?x={long}"), 414),
        ("/v2/t", 404),
        ("/tap", 200),
        ("/tap?x=tag00001", 200),
        ("/../../etc/passwd", 404),
    ];
    for (target, status) in gets {
        let reply = get(&server.address, target);
        assert_eq!(reply.status, *status, "{target}: {}", reply.body);
        assert!(!reply.body.contains("Pass"), "{target}");
    }

    let number = r#"{"tagId":1001,"enc":"","cmac":"","eCode":""}"#;
    let big = format!(r#"{{"tagId":1001,"enc":"{}","cmac":"","eCode":""}}"#, "0".repeat(9000));
    let deep = "[".repeat(4000);
    let posts: &[(&str, &[u8], u16)] = &[
        ("", number.as_bytes(), 401),
        ("API-Key: wrong\r\n", number.as_bytes(), 401),
        ("API-Key: \u{fffd}\r\n", number.as_bytes(), 401),
        (&key, number.as_bytes(), 200),
        (&key, b"", 200),
        (&key, b"null", 200),
        (&key, b"[]", 200),
        (&key, b"{}", 200),
        (&key, br#"{"tagId":-1,"enc":"","cmac":"","eCode":""}"#, 200),
        (&key, br#"{"tagId":1.5,"enc":"","cmac":"","eCode":""}"#, 200),
        (&key, br#"{"tagId":true,"enc":"","cmac":"","eCode":""}"#, 200),
        (&key, br#"{"tagId":1001,"enc":7,"cmac":"","eCode":""}"#, 200),
        (&key, br#"{"tagId":1001,"tagId":1001,"enc":"","cmac":"","eCode":""}"#, 200),
        (&key, br#"{"tagId":1001,"enc":"","cmac":"","tt":"","eCode":""}"#, 200),
        (&key, b"{\"tagId\":1001,\"enc\":\"\xFF\",\"cmac\":\"\",\"eCode\":\"\"}", 200),
        (&key, deep.as_bytes(), 200),
        (&key, big.as_bytes(), 413),
    ];
    for (header, body, status) in posts {
        let reply = Client::new(&server.address).unwrap().post(ETRNL, header, body).unwrap();
        assert_eq!(reply.status, *status, "{:?}: {}", String::from_utf8_lossy(body), reply.body);
    }

    // Other methods spend no tap. This matters most for HEAD, which axum would answer like GET.
    for (method, target, status) in [
        ("HEAD", &*good, 405),
        ("POST", &good, 405),
        ("DELETE", &good, 405),
        ("OPTIONS", &good, 204),
        ("GET", ETRNL, 405),
        ("HEAD", &good.replace("/v1/t?", "/tap?"), 405),
        ("HEAD", &good.replace("/v1/t?", "/?"), 405),
    ] {
        let request = format!("{method} {target} HTTP/1.1\r\nHost: t\r\n\r\n");
        let mut client = Client::new(&server.address).unwrap();
        client.send(request.as_bytes()).unwrap();
        let reply = if method == "HEAD" { client.receive_head() } else { client.receive() };
        assert_eq!(reply.unwrap().status, status, "{method} {target}");
    }
    // A prefetch of a browser spends no tap either.
    for purpose in ["Sec-Purpose: prefetch;prerender", "Purpose: Prefetch", "X-Purpose: preview", "X-Moz: prefetch"] {
        let mut client = Client::new(&server.address).unwrap();
        client.send(format!("GET {good} HTTP/1.1\r\nHost: t\r\n{purpose}\r\n\r\n").as_bytes()).unwrap();
        assert_eq!(client.receive().unwrap().status, 503);
    }
    // These are not valid HTTP.
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], 400),
        (b"GET /v1/t?x=\xFF HTTP/1.1\r\nHost: t\r\n\r\n", 400),
        (b"GET /v1/t HTTP/9.9\r\n\r\n", 400),
        (format!("GET /v1/t HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes(), 431),
        (b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nContent-Length: x\r\n\r\n", 400),
    ] {
        let mut client = Client::new(&server.address).unwrap();
        client.send(bytes).unwrap();
        assert_eq!(client.receive().map(|reply| reply.status).unwrap(), status, "{:?}", String::from_utf8_lossy(bytes));
    }

    let reply = get(&server.address, &good);
    assert_eq!((reply.status, &*reply.body), (200, r#"{"xuid":"tag00001","response":"Pass"}"#));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn slow_clients_are_cut_off() {
    let (_folder, server, _key) = server("2");
    let mut heads = Client::new(&server.address).unwrap();
    heads.send(b"GET /v1/t?x=tag00001 HTTP/1.1\r\nHost").unwrap();
    let mut bodies = Client::new(&server.address).unwrap();
    bodies.send(b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nContent-Length: 40\r\n\r\n{").unwrap();
    let mut idle = Client::new(&server.address).unwrap();
    let start = Instant::now();
    assert_eq!(bodies.receive().unwrap().status, 408);
    assert!(bodies.receive().is_err(), "closed");
    assert!(heads.receive().is_err() && idle.receive().is_err(), "closed");
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// Each tap whose counter was stored is also in the log.
#[test]
fn a_tap_is_logged_if_its_client_goes_away() {
    let (folder, _key) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let mut command = command(&folder, &["--log", "info"]);
    command.stderr(std::fs::File::create(folder.path("log")).unwrap());
    let mut server = Server::spawn(command);
    let mut tag = tags::tag(1);
    for wait in (0..40).map(|number| Duration::from_micros(100 * number)) {
        let mut client = Client::new(&server.address).unwrap();
        let target = tags::target(&tag.tap().unwrap());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: t\r\n\r\n").as_bytes()).unwrap();
        std::thread::sleep(wait);
    }
    assert!(server.terminate().success());
    let is_fresh = |line: &&str| line.contains("verdict") && line.contains("fresh");
    let log = std::fs::read_to_string(folder.path("log")).unwrap();
    let history = folder.print(&["history"]);
    let stored = history.lines().filter(is_fresh).count();
    assert!(stored > 0, "{history}");
    assert_eq!(log.lines().filter(is_fresh).count(), stored, "{log}");
}

/// After the signal, the server answers the requests that it accepted, and accepts no others.
#[test]
fn it_ends_after_the_last_answer() {
    let (_folder, mut server, _key) = server("30");
    let mut client = Client::new(&server.address).unwrap();
    assert_eq!(client.get("/healthz").unwrap().status, 200);
    // The server has half of a request.
    client.send(b"POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\n{").unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let address = server.address.clone();
    let ending = std::thread::spawn(move || server.terminate());
    let start = Instant::now();
    while Client::new(&address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody is let in");
    }
    client.send(b"}").unwrap();
    assert_eq!(client.receive().unwrap().status, 401);
    assert!(ending.join().unwrap().success());
}

/// Connections beyond the limit wait until others are closed.
#[test]
fn connections_are_limited() {
    let server = Server::start(&["--demo", "--max-connections", "2"]);
    let mut first = [0, 1].map(|_| Client::new(&server.address).unwrap());
    for client in &mut first {
        assert_eq!(client.get("/healthz").unwrap().status, 200);
    }
    let mut third = Client::new(&server.address).unwrap();
    third.send(b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n").unwrap();
    third.patience(Duration::from_millis(500));
    assert!(third.receive().is_err(), "there is no room");
    third.patience(Duration::from_secs(20));
    drop(first);
    assert_eq!(third.receive().unwrap().body, "ok\n");
}

/// The log has the verdict, but no key, eCode, MAC, query or whole UID.
#[test]
fn the_log_keeps_secrets() {
    for (args, whole) in [(&["--log", "info"][..], false), (&["--log-format", "json", "--log-uids"], true)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(["--demo", "--listen", "127.0.0.1:0"]).args(args);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        while said.matches("\ncurl ").count() < 2 {
            std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
        }
        let curl: Vec<_> = said.lines().filter(|line| line.starts_with("curl ")).collect();
        let mut answers = String::new();
        for line in [
            curl[0],
            curl[0],
            curl[1],
            &curl[1].replace("\"cmac\":\"", "\"cmac\":\"0"),
            &curl[0].replace("/v1/t?", "/tap?"),
        ] {
            let output = Command::new("sh").arg("-c").arg(line).output().unwrap();
            answers += &String::from_utf8(output.stdout).unwrap();
        }
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        let log = String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap();
        assert!(log.contains("fresh") && log.contains("replayed") && log.contains("malformed"), "{log}");
        assert!(log.contains("xuid/q8w3sbcz") && log.contains("number/1001"), "{log}");
        let uid = answers.split("\"uid\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(log.contains(uid), whole, "{log}");
        // Every value of the requests that is long enough to be a secret.
        let words = curl.iter().flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        for word in words.filter(|word| word.len() >= 16 && !word.contains("verify")) {
            assert!(!log.contains(word), "{word} in {log}");
        }
    }
}

/// The page and the API use the same counter.
#[test]
fn a_page_and_an_api_share_the_counter() {
    let (server, [ixkio, _]) = start();
    let target = ixkio.split("/v1/t").nth(1).unwrap().trim_end_matches('\'').to_owned();
    let page = get(&server.address, &format!("/tap{target}"));
    assert!(page.body.contains("<h1 class=\"verdict-title\">Genuine</h1>"), "{}", page.body);
    assert!(get(&server.address, &format!("/v1/t{target}")).body.contains("Fail"));
    let again = get(&server.address, &format!("/tap{target}"));
    assert!(again.body.contains("Link already used"));
}

/// The layout that finds a tag need not be the tag's own. The tag's own layout then parses the URL.
#[test]
fn a_page_finds_a_tag_by_the_layout_of_others() {
    const FIXED: &str = "https://t.example/tap?x=tag00002&n={ctr}&e={mac}";
    let mut fixed = tags::line(2);
    fixed["tag"]["layout"] = json!({ "template": FIXED });
    let (_folder, server, _key) = server_of(&[tags::line(1), fixed], "30");
    let page = |url: &str| get(&server.address, url.strip_prefix("https://t.example").unwrap()).body;
    let url = tags::tag_with(FIXED, &[], 2).tap().unwrap().to_string();
    assert!(page(&url).contains("<h1 class=\"verdict-title\">Genuine</h1>"), "{}", page(&url));
    assert!(page(&url).contains("Link already used"));
    let forged = format!("{}0000000000000000", &url[..url.len() - 16]);
    assert!(page(&forged).contains("Not recognised"));
    assert!(page(&tags::tag(1).tap().unwrap()).contains("Genuine"));
}

/// For a visitor, an unknown tag, an inactive tag and a forged tag look alike.
#[test]
fn a_page_reveals_nothing_to_visitors() {
    let (server, _) = start();
    let page = |target: &str| {
        let reply = get(&server.address, target);
        (reply.status, timeless(&reply.body))
    };
    let forged = page("/tap?x=q8w3sbcz&n=000009&e=0123456789ABCDEF");
    assert!(forged.1.contains("Not recognised"));
    assert_eq!(page("/tap?x=nobody00&n=000009&e=0123456789ABCDEF"), forged);
    assert_eq!(page("/tap?x=r9x4tcda&n=000009&e=0123456789ABCDEF"), forged, "switched off");
    assert_eq!(page("/tap?x=q8w3sbcz&n=9"), forged);
    assert_eq!(page("/tap?x=%3Cscript%3E"), forged);
    assert_eq!(page("/tap"), forged);
}
