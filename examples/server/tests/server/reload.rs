//! SIGHUP: the secrets are read again while the server answers requests.
#![cfg(unix)]

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, Server, get};
use crate::http::imported;
use crate::monitoring::value;
use crate::tags::{self, Folder};

const NEW: &str = "6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F";

/// The number of reloads that a server has finished, and how many of them failed.
fn reloads(server: &Server) -> (f64, f64) {
    let metrics = get(&server.address, "/metrics").body;
    (value(&metrics, "suntap_reloads_total"), value(&metrics, "suntap_failed_reloads_total"))
}

/// Sends SIGHUP, and waits until everything is read again. Returns `true` if it succeeded.
pub(crate) fn reload(server: &Server) -> bool {
    let before = reloads(server);
    server.signal("HUP");
    let start = Instant::now();
    loop {
        let after = reloads(server);
        if after.0 > before.0 {
            return after.1 <= before.1;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not reload");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The secrets of the tests with other lists.
fn write(folder: &Folder, api_keys: Value, server: Value) {
    let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
    secrets["apiKeys"] = api_keys;
    secrets["server"] = server;
    folder.write_secrets(&secrets.to_string());
}

/// A server whose log is a file.
fn serve(folder: &Folder, more: &[&str]) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(folder.path("data.redb"));
    command.arg("--secrets-file").arg(folder.secrets()).args(more);
    command.stderr(File::create(folder.path("log")).unwrap());
    Server::spawn(command)
}

/// The log, when it has a text. Lines are written in the background.
fn logged(folder: &Folder, text: &str) -> String {
    let start = Instant::now();
    loop {
        let log = fs::read_to_string(folder.path("log")).unwrap();
        if log.contains(text) {
            return log;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{text} in {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn secrets_are_replaced_without_a_restart() {
    let (folder, _) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let [old_api, old_server]: [Value; 2] = {
        let secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
        [secrets["apiKeys"].clone(), secrets["server"][0].clone()]
    };
    let old_key = folder.print(&["key", "new", "--organisation", "1"]).trim().to_owned();
    let server = serve(&folder, &[]);
    let mut tag = tags::tag(1);
    let mut passes = || get(&server.address, &tags::target(&tag.tap().unwrap())).body.contains("Pass");
    let accepts = |key: &str| {
        let header = format!("API-Key: {key}\r\n");
        let mut client = Client::new(&server.address).unwrap();
        client.post("/v1/tags/verify-authenticity", &header, b"{}").unwrap().status != 401
    };
    // A request that began before the reload is answered.
    let mut early = Client::new(&server.address).unwrap();
    let head = format!(
        "POST /v1/tags/verify-authenticity HTTP/1.1\r\nHost: t\r\nAPI-Key: {old_key}\r\nContent-Length: 2\r\n\r\n{{"
    );
    early.send(head.as_bytes()).unwrap();
    assert!(passes() && accepts(&old_key));

    write(&folder, json!([NEW, old_api]), json!([NEW, old_server]));
    assert!(reload(&server));
    assert!(passes() && accepts(&old_key));
    let log = logged(&folder, "the secrets are reloaded from secrets file");
    assert!(log.contains("server secrets ") && log.contains("; apiKeys secrets "), "{log}");
    early.send(b"}").unwrap();
    assert_ne!(early.receive().unwrap().status, 401);

    // Each list is replaced by itself.
    write(&folder, json!([NEW, old_api]), json!([old_server]));
    assert!(reload(&server));
    assert!(passes() && accepts(&old_key));
    write(&folder, old_api.clone(), json!([NEW, old_server]));
    assert!(reload(&server));
    assert!(passes() && accepts(&old_key));
    assert!(!fs::read_to_string(folder.path("log")).unwrap().contains(NEW));
}

#[test]
fn secrets_that_cannot_be_used_change_nothing() {
    let (folder, _) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let server = serve(&folder, &[]);
    let mut tag = tags::tag(1);
    let mut passes = || get(&server.address, &tags::target(&tag.tap().unwrap())).body.contains("Pass");
    assert!(passes());
    folder.write_secrets("{}");
    assert!(!reload(&server) && passes());
    logged(&folder, "the secrets stay as they were: ");
    logged(&folder, "not in the format of a secrets file");
    write(&folder, json!(NEW), json!([NEW]));
    assert!(!reload(&server) && passes());
    logged(&folder, "not those of this store");
    fs::remove_file(folder.secrets()).unwrap();
    assert!(!reload(&server) && passes());
    logged(&folder, "No such file");
    // A pipe that nobody writes to.
    assert!(Command::new("mkfifo").arg(folder.secrets()).status().unwrap().success());
    assert!(!reload(&server) && passes());
    logged(&folder, "it was not read within 10 s");
    fs::remove_file(folder.secrets()).unwrap();
    folder.write_secrets(tags::SECRETS);
    assert!(reload(&server) && passes());
    assert_eq!(reloads(&server), (5.0, 4.0));
}

#[test]
fn the_environment_cannot_be_read_again() {
    let (folder, _) = imported(&tags::levels());
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store"]).arg(folder.path("data.redb"));
    command.env("SUNTAP_SECRETS", tags::SECRETS).stderr(File::create(folder.path("log")).unwrap());
    let mut server = Server::spawn(command);
    assert!(!reload(&server));
    logged(&folder, "variable SUNTAP_SECRETS: it cannot change while the process runs");
    assert!(server.terminate().success());
}

/// A demonstration has no secrets to read.
#[test]
fn a_demonstration_ignores_the_signal() {
    let mut server = Server::start(&["serve", "--demo"]);
    assert!(reload(&server));
    assert!(server.terminate().success());
}

/// The number of copies of some bytes in the memory of a server, or `None` if its memory cannot be read here.
#[cfg(target_os = "linux")]
pub(crate) fn copies(server: &Server, searched: &[u8]) -> Option<usize> {
    use std::io::{Read as _, Seek as _, SeekFrom};

    let process = std::path::Path::new("/proc").join(server.id().to_string());
    let maps = fs::read_to_string(process.join("maps")).ok()?;
    let mut memory = File::open(process.join("mem")).ok()?;
    let mut copies = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [start, end] = [start, end].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.seek(SeekFrom::Start(start)).unwrap();
        if memory.read_exact(&mut bytes).is_ok() {
            copies += bytes.windows(searched.len()).filter(|window| *window == searched).count();
        }
    }
    Some(copies)
}

/// When no request uses an old secret any more, its bytes are no longer in the memory of the server.
#[test]
#[cfg(target_os = "linux")]
fn old_secrets_are_wiped() {
    let (folder, _) = imported(&tags::levels());
    let current = serde_json::from_str::<Value>(tags::SECRETS).unwrap()["server"][0].clone();
    let old: Vec<u8> = (0..16).map(|byte| 0xA7 ^ u8::wrapping_mul(byte, 29)).collect();
    let digits = format!("{:032X}", u128::from_be_bytes(old.clone().try_into().unwrap()));
    write(&folder, json!([NEW, "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1"]), json!([current, digits]));
    let server = serve(&folder, &["--log", "warn"]);
    let Some(before) = copies(&server, &old) else {
        eprintln!("the memory of the server cannot be read here");
        return;
    };
    assert!(before > 0);
    folder.write_secrets(tags::SECRETS);
    assert!(reload(&server));
    assert_eq!(copies(&server, &old), Some(0), "{before} before");
}
