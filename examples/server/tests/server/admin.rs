//! The admin API and its commands, with a running server.

mod acts;
mod auth;
mod bodies;
mod export;
mod large_import;
mod local;
mod openapi;
mod paging;
mod parallel;
mod socket;
mod vendor;
mod verbs;

use std::io::BufRead as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::client::{Client, Reply, Server};
use crate::tags::{self, Folder};

/// A server with an admin API, and two management keys.
pub(crate) struct Live {
    pub(crate) folder: Folder,
    /// For `--store`.
    pub(crate) store: String,
    pub(crate) server: Server,
    /// `http://127.0.0.1:…` or `unix:…`
    pub(crate) admin: String,
    pub(crate) writer: String,
    pub(crate) reader: String,
}

impl Live {
    /// Starts a server on a data file with these lines.
    pub(crate) fn new(lines: &[Value]) -> Self {
        let folder = Folder::new();
        let store = folder.path("data.redb").to_str().unwrap().to_owned();
        Self::start(folder, store, lines, &[])
    }

    /// Starts a server with more flags.
    pub(crate) fn start(folder: Folder, store: String, lines: &[Value], flags: &[&str]) -> Self {
        tags::write(&folder.path("lines.ndjson"), lines);
        let given = folder.path("lines.ndjson").to_str().unwrap().to_owned();
        success(command(&folder, &store, &["import", &given, "--allow-no-rules"]).output().unwrap());
        let manager = |label: &str, role: &str| {
            let args = ["manager", "new", "--label", label, "--role", role];
            success(command(&folder, &store, &args).output().unwrap()).trim().to_owned()
        };
        let (writer, reader) = (manager("Ann", "read-write"), manager("Bob", "read-only"));
        let mut serve = command(&folder, &store, &["serve", "--listen", "127.0.0.1:0", "--log", "info"]);
        if !flags.contains(&"--admin-listen") {
            serve.args(["--admin-listen", "127.0.0.1:0"]);
        }
        let log = std::fs::File::create(folder.path("log")).unwrap();
        serve.args(flags).stderr(Stdio::from(log));
        let mut server = Server::spawn(serve);
        let mut line = String::new();
        server.stdout.read_line(&mut line).unwrap();
        let admin = line.trim().strip_prefix("administration at ").unwrap().to_owned();
        Self { folder, store, server, admin, writer, reader }
    }

    /// Runs a command that talks to the server.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_as(&self.writer, args)
    }

    pub(crate) fn run_as(&self, key: &str, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        // With the store or the secrets, the command could act without the server.
        command
            .args(args)
            .env("SUNTAP_ADMIN", &self.admin)
            .env("SUNTAP_ADMIN_KEY", key)
            .env("SUNTAP_STORE", "/nowhere");
        command.output().unwrap()
    }

    /// Like [`run`](Self::run), for a command that succeeds. Returns what it prints.
    pub(crate) fn print(&self, args: &[&str]) -> String {
        success(self.run(args))
    }

    /// Like [`run`](Self::run), for a command that fails. Returns what it says.
    pub(crate) fn fail(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Sends a request with these headers, one per line.
    pub(crate) fn send(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Reply {
        let mut client = Client::new(self.admin.strip_prefix("http://").unwrap()).unwrap();
        let length = body.len();
        let head =
            format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {length}\r\n\r\n");
        client.send(&[head.as_bytes(), body].concat()).unwrap();
        client.receive().unwrap()
    }

    /// Sends a request with the key that can write. Returns the status and the body, which is JSON or empty.
    pub(crate) fn ask(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/json\r\n", self.writer);
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.send(method, target, &headers, &body);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{reply:?}");
        assert!(!reply.head.to_lowercase().contains("access-control"), "{reply:?}");
        (reply.status, serde_json::from_str(&reply.body).unwrap_or_default())
    }

    /// Asks the ixkio API about a tap.
    pub(crate) fn tap(&self, url: &str) -> String {
        crate::client::get(&self.server.address, &tags::target(url)).body
    }

    /// What the server has logged until now.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("log")).unwrap()
    }
}

/// Returns a command on a store, without a server.
pub(crate) fn command(folder: &Folder, store: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).arg("--store").arg(store).arg("--secrets-file").arg(folder.secrets());
    command.env_remove("SUNTAP_ADMIN").env_remove("SUNTAP_ADMIN_KEY").env_remove("RUST_BACKTRACE");
    command
}

pub(crate) fn success(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Organisation, levels, and some tags.
pub(crate) fn lines(count: u32) -> Vec<Value> {
    let mut lines = tags::levels();
    lines.extend((1..=count).map(tags::line));
    lines
}
