//! A day of an operator, with commands alone: set up, import, serve, manage, replace a secret, lose the disk, restore, read the history.
#![cfg(unix)]

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::admin::success;
use crate::client::{Server, get};
use crate::reload::reload;
use crate::tags::{self, Folder};

const NEW: &str = "6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F";

/// The operator's terminal: the options of the server are in a file, and the address of the admin API is in the environment.
struct Terminal {
    folder: Folder,
    admin_key: String,
}

impl Terminal {
    fn path(&self, name: &str) -> String {
        self.folder.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command
            .args(args)
            .env("SUNTAP_CONFIG", self.path("server.toml"))
            .env("SUNTAP_SECRETS_FILE", self.folder.secrets());
        command
    }

    /// Runs a command on the running server.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = self.command(args);
        command
            .env("SUNTAP_ADMIN", format!("unix:{}", self.path("admin.sock")))
            .env("SUNTAP_ADMIN_KEY", &self.admin_key);
        command.output().unwrap()
    }

    fn print(&self, args: &[&str]) -> String {
        success(self.run(args))
    }

    fn serve(&self) -> Server {
        Server::spawn(self.command(&["serve"]))
    }

    fn history(&self) -> Vec<Value> {
        self.print(&["history"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn an_operator_has_a_day() {
    let mut terminal = Terminal { folder: Folder::new(), admin_key: String::new() };
    let store = terminal.path("data.redb");
    let socket = terminal.path("admin.sock");
    let config =
        format!("store = {store:?}\nlisten = \"127.0.0.1:0\"\nlog = \"warn\"\nadmin-listen = \"unix:{socket}\"\n");
    fs::write(terminal.path("server.toml"), config).unwrap();
    success(terminal.command(&["serve", "--check-config"]).output().unwrap());

    // Install.
    success(terminal.command(&["init"]).output().unwrap());
    let new = ["manager", "new", "--label", "Ann", "--role", "read-write"];
    terminal.admin_key = success(terminal.command(&new).output().unwrap()).trim().into();
    let mut server = terminal.serve();

    // Import, without stopping.
    let lines = [tags::levels(), (1..=20).map(tags::line).collect()].concat();
    tags::write(&terminal.folder.path("tags.ndjson"), &lines);
    let imported = terminal.print(&["import", &terminal.path("tags.ndjson")]);
    assert!(imported.starts_with("20 tags imported"), "{imported}");
    assert_eq!(terminal.print(&["check"]), "0 findings\n");
    let mut chips: Vec<_> = (1..=20).map(tags::tag).collect();
    let mut tap = |server: &Server, chip: usize| {
        let target = tags::target(&chips[chip].tap().unwrap());
        (get(&server.address, &target).body, target)
    };
    assert!(tap(&server, 0).0.contains("Pass"));

    // One tag is stolen, and found again.
    terminal.print(&["tag", "disable", "tag00002"]);
    assert_eq!(tap(&server, 1).0, r#"{"xuid":"tag00002","error":"tag_inactive"}"#);
    terminal.print(&["tag", "enable", "tag00002"]);
    assert!(tap(&server, 1).0.contains("Pass"));

    // A key has leaked.
    terminal.print(&["key", "new", "--organisation", "1", "--label", "Shop"]);
    let keys = terminal.print(&["key", "list", "--json"]);
    let id = serde_json::from_str::<Value>(keys.lines().next().unwrap()).unwrap()["id"].as_str().unwrap().to_owned();
    terminal.print(&["key", "revoke", &id]);
    assert_eq!(terminal.print(&["key", "list", "--json"]), "");

    // The server secret is replaced, without stopping.
    let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
    let old = secrets["server"][0].clone();
    secrets["server"] = json!([NEW, old]);
    terminal.folder.write_secrets(&secrets.to_string());
    assert!(reload(&server));
    assert!(terminal.print(&["reseal"]).ends_with("the other server secrets are no longer needed\n"));
    secrets["server"] = json!([NEW]);
    terminal.folder.write_secrets(&secrets.to_string());
    assert!(reload(&server));
    assert_eq!(terminal.print(&["check"]), "0 findings\n");

    // A backup, and taps after it.
    let backup = terminal.path("backup.gz");
    terminal.print(&["backup", &backup]);
    let after: Vec<_> = (0..20).map(|chip| tap(&server, chip)).collect();
    assert!(after.iter().all(|(body, _)| body.contains("Pass")), "{after:?}");
    fs::write(terminal.path("history.ndjson"), terminal.print(&["history", "--event", "tap"])).unwrap();

    // The disk is lost.
    server.kill();
    fs::remove_file(&store).unwrap();
    let history = terminal.path("history.ndjson");
    success(terminal.command(&["restore", &backup, "--raise-from", &history]).output().unwrap());
    server = terminal.serve();
    for (_, target) in &after {
        assert!(!get(&server.address, target).body.contains("Pass"), "{target}");
    }
    assert!((0..20).all(|chip| tap(&server, chip).0.contains("Pass")));

    // What happened?
    let history = terminal.history();
    let acts: Vec<_> = history.iter().filter_map(|line| line["act"].as_str()).collect();
    let expected = ["manager.new", "import", "tag.disable", "tag.enable", "key.new", "key.revoke", "reseal", "backup"];
    assert_eq!(acts, expected);
    let by: Vec<_> = history.iter().filter(|line| line["event"] == "admin").map(|line| &line["by"]).collect();
    assert_eq!(by[0], "command line");
    assert!(by[1..].iter().all(|by| *by == "Ann"), "{by:?}");
    let text = terminal.print(&["history"]);
    assert!(!text.contains("management_") && !text.contains(NEW), "{text}");
}
