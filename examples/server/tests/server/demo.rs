//! What a newcomer does: one command, two pasted lines.

use std::io::BufRead as _;
use std::process::Command;

use crate::client::{Server, get};

pub(crate) fn start() -> (Server, [String; 2]) {
    let mut server = Server::start(&["--demo"]);
    let mut lines = server.said.lines().map(String::from).collect::<Vec<_>>();
    while lines.iter().filter(|line| line.starts_with("curl ")).count() < 2 || !lines.last().unwrap().is_empty() {
        let mut line = String::new();
        assert!(server.stdout.read_line(&mut line).unwrap() > 0);
        lines.push(line.trim_end().into());
    }
    let curl: Vec<_> = lines.into_iter().filter(|line| line.starts_with("curl ")).collect();
    (server, curl.try_into().unwrap())
}

/// Through the shell, as pasted.
fn paste(line: &str) -> String {
    let output = Command::new("sh").arg("-c").arg(line.replacen("curl ", "curl -s ", 1)).output().unwrap();
    assert!(output.status.success(), "{line}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn two_pasted_lines_pass_and_then_fail() {
    let (mut server, [ixkio, etrnl]) = start();
    assert!(!ixkio.contains('\x1b') && !etrnl.contains('\x1b'), "no colour where there is no terminal");
    assert_eq!(paste(&ixkio), r#"{"xuid":"q8w3sbcz","response":"Pass"}"#);
    assert_eq!(paste(&ixkio), r#"{"xuid":"q8w3sbcz","response":"Fail"}"#);
    let passed = paste(&etrnl);
    assert!(
        passed.starts_with(r#"{"success":true,"err":null,"exists":true,"authentic":true,"ctr":1,"uid":"04"#),
        "{passed}"
    );
    let failed = paste(&etrnl);
    assert!(
        failed.starts_with(r#"{"success":false,"err":"ctrBehind","exists":true,"authentic":false,"ctr":1"#),
        "{failed}"
    );

    assert!(server.terminate().success());
}

/// The request lines of both vendors' pages, with only host, key and values of a tap changed.
#[test]
fn the_lines_of_both_api_pages_work() {
    let (server, [ixkio, etrnl]) = start();
    let address = &server.address;
    let value = |line: &str, name: &str| {
        let behind = line.split(&format!("{name}=")).nth(1).unwrap();
        behind.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap().to_owned()
    };
    let (n, e) = (value(&ixkio, "n"), value(&ixkio, "e"));
    let page = format!(r#"curl "http://{address}/v1/t?x=q8w3sbcz&n={n}&e={e}""#);
    assert_eq!(paste(&page), r#"{"xuid":"q8w3sbcz","response":"Pass"}"#);

    let body = etrnl.split("-d '").nth(1).unwrap().split('\'').next().unwrap();
    let key = etrnl.split("API-Key: ").nth(1).unwrap().split('\'').next().unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let field = |name: &str| body[name].as_str().unwrap().to_owned();
    let page = format!(
        "curl -X POST 'http://{address}/v1/tags/verify-authenticity' \\\n  -H 'Content-Type: application/json' \\\n  \
         -H 'API-Key: {key}' \\\n  -d '{{\n    \"tagId\": {},\n    \"enc\": \"{}\",\n    \"cmac\": \"{}\",\n    \
         \"eCode\": \"{}\"\n  }}'",
        body["tagId"].as_u64().unwrap(),
        field("enc"),
        field("cmac"),
        field("eCode")
    );
    let answer: serde_json::Value = serde_json::from_str(&paste(&page)).unwrap();
    assert_eq!((&answer["authentic"], &answer["ctr"]), (&true.into(), &1.into()));
}

#[test]
fn figures_say_what_was_decided() {
    let (server, [ixkio, _]) = start();
    for _ in 0..3 {
        paste(&ixkio);
    }
    let figures = get(&server.address, "/metrics");
    assert!(figures.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    for line in [
        r#"suntap_taps_total{api="ixkio",verdict="fresh"} 1"#,
        r#"suntap_taps_total{api="ixkio",verdict="replayed"} 2"#,
        r#"suntap_tap_seconds_count{api="ixkio"} 3"#,
    ] {
        assert!(figures.body.contains(line), "{}", figures.body);
    }
}

/// What is exported for the real service does not keep a visitor from the demonstration; what may be a password is not shown.
#[test]
fn the_environment_is_left_alone() {
    let run = |args: &[&str], store: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(args).env("SUNTAP_STORE", store).env("SUNTAP_SECRETS", crate::tags::SECRETS);
        command.output().unwrap()
    };
    for store in ["rediss://:hunter2@127.0.0.1:1", "host=127.0.0.1 password=hunter2", "postgres://u:hunter2@:x:/"] {
        for args in [&["serve"][..], &["import", "/dev/null"], &["--help"]] {
            let output = run(args, store);
            let said = [output.stdout, output.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            assert!(!said.contains("hunter2"), "{said}");
            assert_eq!(output.status.success(), args == ["--help"], "{said}");
        }
    }
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = busy.local_addr().unwrap().to_string();
    let output = run(&["--demo", "--listen", &listen], "postgres://nobody");
    assert!(String::from_utf8_lossy(&output.stderr).contains(&listen), "the address is what it fails for");
}
