//! What a command writes to a terminal.

use std::process::Stdio;

use crate::admin::{command, lines, success};
use crate::tags::{self, Folder};

/// A store without a server.
fn stored() -> (Folder, String) {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let given = folder.path("lines.ndjson");
    tags::write(&given, &lines(3));
    success(command(&folder, &store, &["import", given.to_str().unwrap(), "--allow-no-rules"]).output().unwrap());
    (folder, store)
}

/// As in `suntap-server tag list | head -n 1`.
#[test]
fn a_command_whose_output_nobody_reads_ends_quietly() {
    let (folder, store) = stored();
    for args in [&["tag", "list"][..], &["tag", "list", "--json"], &["tag", "export"], &["history"]] {
        let mut command = command(&folder, &store, args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{args:?} {output:?}");
    }
}

/// The result of a backup would be lost.
#[test]
fn a_backup_that_nobody_reads_is_an_error() {
    let (folder, store) = stored();
    let mut command = command(&folder, &store, &["backup", "-"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("standard output is closed"));
}

#[test]
fn hidden_characters_do_not_reach_the_terminal() {
    let (folder, store) = stored();
    let output = command(&folder, &store, &["tag", "show", "x\u{1b}[2J\u{202e}"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "suntap-server: there is no tag xuid/x\\u{1b}[2J\\u{202e}\n");
}
