//! The messages to systemd, and the unit.
#![cfg(target_os = "linux")]

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use crate::backends;
use crate::client::{Server, get};
use crate::http::{command, imported};
use crate::tags;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/suntap-server.service");

#[test]
fn systemd_is_told_of_the_start_the_end_and_that_the_server_is_alive() {
    let (folder, _) = imported(&tags::levels());
    let path = folder.path("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let receive = || {
        let mut bytes = [0; 1000];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim_end().to_owned()
    };
    let mut command = command(&folder, &["--log", "warn"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "400000");
    let mut server = Server::spawn(command);
    assert_eq!(receive(), "READY=1");
    assert_eq!(get(&server.address, "/healthz").status, 200);
    for _ in 0..3 {
        assert_eq!(receive(), "WATCHDOG=1");
    }
    server.signal("HUP");
    let mut message = receive();
    while message == "WATCHDOG=1" {
        message = receive();
    }
    // `Type=notify-reload` needs the time.
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    while receive() != "READY=1" {}
    server.signal("TERM");
    let mut message = receive();
    while message == "WATCHDOG=1" {
        message = receive();
    }
    // Ten seconds for the last requests, and one more.
    assert_eq!(message, "EXTEND_TIMEOUT_USEC=11000000");
    while receive() != "STOPPING=1" {}
    assert!(server.ended().success());
}

/// Checks the unit with the tool of systemd.
#[test]
fn the_unit_is_valid_and_hardened() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        return backends::skipped("systemd-analyze");
    }
    let folder = tags::Folder::new();
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let binary = env!("CARGO_BIN_EXE_suntap-server");
    assert_eq!(unit.matches("/usr/bin/suntap-server").count(), 2, "the comment and ExecStart");
    let path = folder.path("suntap-server.service");
    std::fs::write(&path, unit.replace("/usr/bin/suntap-server", binary)).unwrap();
    let output = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");

    // Exposure in tenths: 15 is 1.5 of 10.
    let mut security = Command::new("systemd-analyze");
    let output = security.args(["security", "--offline=yes", "--threshold=15", "--no-pager"]).arg(&path).output();
    assert!(output.as_ref().unwrap().status.success(), "{output:?}");
}
