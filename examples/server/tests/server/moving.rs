//! The guide chapter "Moving from ixkio or ETRNL", run on the files in `tests/moving`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backends::skipped;
use crate::client::{Client, Reply, Server};
use crate::tags::Folder;

/// The default response of both tag groups whose tags have keys.
const FAIL: &str = r#""response":"Fail""#;

/// A block of `requests.txt`.
struct Recorded {
    comment: String,
    method: String,
    target: String,
    headers: String,
    body: String,
    /// The answer of the hosted service.
    status: u16,
    answer: String,
}

impl Recorded {
    fn all(text: &str) -> Vec<Self> {
        let is_request = |block: &&str| block.lines().any(|line| !line.starts_with('#'));
        text.split("\n\n").filter(is_request).map(Self::parse).collect()
    }

    fn parse(block: &str) -> Self {
        let (comments, mut lines): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with('#'));
        let (status, answer) = lines.pop().unwrap().split_once(' ').unwrap();
        let (method, target) = lines.remove(0).split_once(' ').unwrap();
        let (body, headers): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.starts_with('{'));
        Self {
            comment: comments.join("\n"),
            method: method.into(),
            target: target.into(),
            headers: headers.iter().flat_map(|header| [header, "\r\n"]).collect(),
            body: body.concat(),
            status: status.parse().unwrap(),
            answer: answer.into(),
        }
    }

    fn send(&self, server: &Server) -> Reply {
        let mut client = Client::new(&server.address).unwrap();
        match &*self.method {
            "GET" => client.get(&self.target),
            _ => client.post(&self.target, &self.headers, self.body.as_bytes()),
        }
        .unwrap()
    }

    /// Returns `true` if the request contains a tap, and the hosted service accepted it.
    fn passes(&self) -> bool {
        match &*self.method {
            "GET" => self.target.contains("&e=") && self.answer.contains("response") && !self.answer.contains(FAIL),
            _ => self.answer.contains(r#""authentic":true"#),
        }
    }
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moving").join(name)
}

/// Imports a file, and returns what the import printed.
fn import(folder: &Folder, lines: &str) -> String {
    let path = folder.path("tags.ndjson");
    std::fs::write(&path, lines).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("import").arg(path).arg("--store").arg(folder.path("data.redb"));
    let output = command.arg("--secrets-file").arg(folder.secrets()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn answers(folder: &Folder, requests: &[Recorded]) -> Vec<Reply> {
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    requests.iter().map(|request| request.send(&server)).collect()
}

/// Returns the lines with the counter of each tag set far back. The counter is the last field of its line.
fn with_lower_counters(lines: &str) -> String {
    let lower = r#","counter":{"ctr":1,"at":"2020-01-01T00:00:00.000Z","taps":1}}}"#;
    let line = |line: &str| match line.split_once(r#","counter":"#) {
        Some((before, _)) => format!("{before}{lower}\n"),
        None => format!("{line}\n"),
    };
    lines.lines().map(line).collect()
}

#[test]
fn clients_get_the_same_answers_after_the_move() {
    let convert = Command::new("python3").arg(file("convert.py")).arg(file("export.json")).output();
    let Ok(converted) = convert else { return skipped("python3") };
    assert!(converted.status.success(), "{converted:?}");
    let lines = String::from_utf8(converted.stdout).unwrap();
    let folder = Folder::new();
    let printed = import(&folder, &lines);
    // One tag waits for its key, and one is not programmed yet.
    for text in ["10 tags imported", "2 of the tags", "xuid/s2y5vdeb", "number/1003"] {
        assert!(printed.contains(text), "{printed}");
    }

    // Old URLs come first in the file, so no new tap of the same tag has raised the counter yet.
    let requests = Recorded::all(&std::fs::read_to_string(file("requests.txt")).unwrap());
    for (request, reply) in requests.iter().zip(answers(&folder, &requests)) {
        let expected = (request.status, &*request.answer);
        assert_eq!((reply.status, &*reply.body), expected, "{}\n{}", request.comment, request.target);
    }
    assert_eq!(requests.iter().filter(|request| request.passes()).count(), 7);

    // Every tap is spent now. The answers contain the counters and times that are stored.
    let spent = answers(&folder, &requests);
    for (request, reply) in requests.iter().zip(&spent).filter(|(request, _)| request.passes()) {
        let is_refused = reply.body.contains(r#""err":"ctrBehind""#) || reply.body.contains(FAIL);
        assert!(is_refused, "{}\n{}", request.comment, reply.body);
    }
    // A later import with lower counters lowers none.
    let lower = with_lower_counters(&lines);
    assert_eq!(lower.matches(r#""ctr":1,"#).count(), 4);
    import(&folder, &lower);
    for (before, after) in spent.iter().zip(answers(&folder, &requests)) {
        assert_eq!((after.status, &after.body), (before.status, &before.body));
    }
}
