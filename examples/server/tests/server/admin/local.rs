//! The commands without a server.

use serde_json::Value;

use super::{command, lines, success};
use crate::tags::{self, Folder};

#[test]
fn commands_open_the_store_themselves() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let run = |args: &[&str]| command(&folder, &store, args).output().unwrap();
    let print = |args: &[&str]| success(run(args));
    let said = |args: &[&str]| {
        let output = run(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    tags::write(&folder.path("lines"), &lines(3));
    print(&["import", folder.path("lines").to_str().unwrap()]);
    let listed = print(&["tag", "list"]);
    assert_eq!(listed.lines().count(), 4, "{listed}");
    assert!(listed.starts_with("TAG ") && listed.contains("xuid/tag00002  active"), "{listed}");
    let json: Vec<Value> = print(&["tag", "list", "--json", "--limit", "2"])
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json.len(), 2);
    assert_eq!(json[1]["tag"], "xuid/tag00002");
    print(&["tag", "disable", "tag00002"]);
    let shown = print(&["tag", "show", "tag00002"]);
    for line in ["state: inactive", "effectiveState: inactive", "inactiveLevel: tag", "keys: held", "counter:"] {
        assert!(shown.contains(line), "{shown}");
    }
    print(&["counter", "raise", "tag00001", "--to", "7"]);
    assert!(print(&["counter", "show", "tag00001"]).contains("ctr: 7"));
    print(&["tag", "delete", "tag00003"]);
    assert!(said(&["tag", "show", "tag00003"]).contains("suntap-server: there is no tag xuid/tag00003"));
    assert_eq!(print(&["organisation", "list"]).lines().count(), 2);
    for (kind, path) in [("folder", "F"), ("group", "F/G"), ("batch", "F/G/B")] {
        let listed = print(&[kind, "list", "--organisation", "1"]);
        assert_eq!(listed.lines().count(), 2, "{listed}");
        assert!(print(&[kind, "show", "--organisation", "1", path, "--json"]).contains(path));
    }
    // Bootstrap, and somebody with the store and the secrets can revoke the last key.
    let key = print(&["manager", "new", "--label", "Ann", "--role", "read-write", "--expires", "2999-01-01T00:00:00Z"]);
    assert!(key.starts_with("management_") && key.trim().len() == "management_".len() + 32, "{key}");
    let listed: Value = serde_json::from_str(&print(&["manager", "list", "--json"])).unwrap();
    assert_eq!(listed["expires"], "2999-01-01T00:00:00.000Z");
    assert!(print(&["manager", "revoke", listed["id"].as_str().unwrap()]).contains("is revoked"));
    assert_eq!(print(&["manager", "list"]), "");
    let wrong = run(&["manager", "new", "--label", "Ann", "--role", "patch"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    // The cause of a failed store is told, because this process has the store.
    assert!(
        String::from_utf8_lossy(&command(&folder, "/nowhere", &["tag", "list"]).output().unwrap().stderr)
            .contains("does not exist")
    );
}

#[test]
fn a_command_says_what_it_needs_for_a_server() {
    let folder = Folder::new();
    let run = |admin: &str, key: Option<&str>| {
        let mut command = command(&folder, "/nowhere", &["tag", "list", "--admin", admin]);
        if let Some(key) = key {
            command.env("SUNTAP_ADMIN_KEY", key);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run("http://127.0.0.1:9", None).contains("SUNTAP_ADMIN_KEY"));
    assert!(run("ftp://127.0.0.1:9", Some("k")).contains("expected https://HOST:PORT, http://HOST:PORT or unix:PATH"));
    assert!(run("http://127.0.0.1:9", Some("k")).contains("cannot connect to http://127.0.0.1:9"));
    assert!(run("unix:/nowhere/s", Some("k")).contains("cannot connect to unix:/nowhere/s"));
}
