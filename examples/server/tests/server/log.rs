//! A log that cannot be written costs no answer, and does not end the server.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::client::{Client, Server, get};
use crate::http::{command, imported};
use crate::tags::{self, Folder};

/// A server with one tag and another standard error.
fn server(args: &[&str], stderr: Stdio) -> (Folder, Server) {
    let (folder, _) = imported(&[&*tags::levels(), &[tags::line(1)]].concat());
    let mut command = command(&folder, args);
    command.stderr(stderr);
    let server = Server::spawn(command);
    (folder, server)
}

/// Taps a new tag, and checks that each tap is answered as new and then as used.
fn taps_pass(server: &Server, count: u32) {
    let mut client = Client::new(&server.address).unwrap();
    let mut tag = tags::tag(1);
    for number in 1..=count {
        let target = tags::target(&tag.tap().unwrap());
        let body = client.get(&target).unwrap().body;
        assert!(body.contains(r#""response":"Pass""#), "tap {number}: {body}");
    }
}

/// The value of a metric without labels.
fn metric(server: &Server, name: &str) -> u64 {
    value(&get(&server.address, "/metrics").body, name)
}

fn value(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {metrics}"));
    line.trim().parse().unwrap()
}

#[test]
fn nobody_reads_the_log() {
    let (_folder, mut server) = server(&[], Stdio::piped());
    // The pipe is open and is not read.
    let _stderr = server.stderr().unwrap();
    taps_pass(&server, 2100);
    // These fill the pipe and the queue.
    let mut client = Client::new(&server.address).unwrap();
    for _ in 0..9000 {
        assert_eq!(client.get("/v1/t?x=nobody00").unwrap().status, 404);
    }
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    assert!(metric(&server, "suntap_lost_log_lines_total") > 0);
    server.signal("TERM");
    assert!(server.ended().success());
}

#[test]
fn the_log_is_closed() {
    let (_folder, mut server) = server(&[], Stdio::piped());
    drop(server.stderr());
    taps_pass(&server, 100);
    let start = Instant::now();
    while metric(&server, "suntap_lost_log_lines_total") < 100 {
        assert!(start.elapsed() < Duration::from_secs(30));
    }
    server.signal("TERM");
    assert!(server.ended().success());
}

#[test]
fn the_disk_of_the_log_is_full() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (_folder, mut server) = server(&["--log", "warn"], full.into());
    for _ in 0..10 {
        let wrong =
            Client::new(&server.address).unwrap().post("/v1/tags/verify-authenticity", "API-Key: wrong\r\n", b"");
        assert_eq!(wrong.unwrap().status, 401);
    }
    taps_pass(&server, 10);
    server.signal("HUP");
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    assert!(metric(&server, "suntap_lost_log_lines_total") > 0);
    server.signal("TERM");
    assert!(server.ended().success());
}

/// Nobody reads what the server says at the start.
#[test]
fn standard_output_is_closed() {
    let (folder, _) = imported(&tags::levels());
    let port = crate::backends::port();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--log", "off"]);
    command.arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let (start, address) = (Instant::now(), format!("127.0.0.1:{port}"));
    while Client::new(&address).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(get(&address, "/healthz").body, "ok\n");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Half-open connections take all files that the process may open. The server lives, writes few lines, and serves again afterwards.
#[test]
#[cfg(target_os = "linux")]
fn files_run_out() {
    let log = tempfile::NamedTempFile::new().unwrap();
    let (_folder, server) = server(&["--log", "warn", "--timeout", "60"], log.reopen().unwrap().into());
    let mut earlier = Client::new(&server.address).unwrap();
    assert_eq!(earlier.get("/healthz").unwrap().body, "ok\n");
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count();
    let limit = u64::try_from(open + 4).unwrap();
    let id = i32::try_from(server.id()).unwrap();
    rlimit::prlimit(id, rlimit::Resource::NOFILE, Some((limit, limit)), None).unwrap();

    let half_open: Vec<_> = (0..20)
        .map(|_| {
            let mut client = Client::new(&server.address).unwrap();
            client.send(b"GET /healthz HTTP/1.1\r\n").unwrap();
            client
        })
        .collect();
    let start = Instant::now();
    while value(&earlier.get("/metrics").unwrap().body, "suntap_failed_accepts_total") < 50 {
        assert!(start.elapsed() < Duration::from_secs(60), "no file is missing");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(half_open);
    assert_eq!(get(&server.address, "/healthz").body, "ok\n");
    let lines = std::fs::read_to_string(&log).unwrap().matches("cannot accept a connection").count();
    let most = 1 + usize::try_from(start.elapsed().as_secs() / 10).unwrap();
    assert!((1..=most).contains(&lines), "{lines}");
    taps_pass(&server, 1);
}

/// With a low limit of open files, connections wait for a place instead.
#[test]
#[cfg(unix)]
fn few_files() {
    let (folder, _) = imported(&[&*tags::levels(), &[tags::line(1)]].concat());
    let serve = command(&folder, &["--log", "warn", "--timeout", "2"]);
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 40; exec \"$0\" \"$@\" 2>/dev/full"])
        .arg(serve.get_program())
        .args(serve.get_args());
    let mut server = Server::spawn(command);
    let _half_open: Vec<_> = (0..30)
        .map(|_| {
            let mut client = Client::new(&server.address).unwrap();
            client.send(b"GET /healthz HTTP/1.1\r\n").unwrap();
            client
        })
        .collect();
    let mut client = Client::new(&server.address).unwrap();
    client.patience(Duration::from_secs(120));
    assert_eq!(client.get("/healthz").unwrap().body, "ok\n");
    assert_eq!(metric(&server, "suntap_failed_accepts_total"), 0);
    taps_pass(&server, 1);
    server.signal("TERM");
    assert!(server.ended().success());
}
