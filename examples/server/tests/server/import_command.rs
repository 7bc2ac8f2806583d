//! What the command `import` says and leaves behind.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::admin::{command, success};
use crate::tags::{self, Folder};

struct Files {
    folder: Folder,
    store: String,
    lines: String,
}

impl Files {
    fn new() -> Self {
        let folder = Folder::new();
        let path = |name: &str| folder.path(name).to_str().unwrap().to_owned();
        let (store, lines) = (path("data.redb"), path("lines.ndjson"));
        Self { folder, store, lines }
    }

    fn import(&self, lines: &[Value], flags: &[&str]) -> String {
        tags::write(self.lines.as_ref(), lines);
        success(command(&self.folder, &self.store, &[&["import", &*self.lines], flags].concat()).output().unwrap())
    }

    /// Returns the error of an import.
    fn fail(&self, text: &str) -> String {
        std::fs::write(&self.lines, text).unwrap();
        let output = command(&self.folder, &self.store, &["import", &self.lines]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn with_counter(number: u32, ctr: u32) -> Value {
    let mut line = tags::line(number);
    line["tag"]["counter"] = json!({ "ctr": ctr });
    line
}

#[test]
fn a_failed_first_import_leaves_no_data_file() {
    let files = Files::new();
    assert!(files.fail("{}\n").contains("line 1: "));
    assert!(!files.folder.path("data.redb").exists());
    files.import(&tags::levels(), &[]);
    files.fail("{}\n");
    assert!(files.folder.path("data.redb").exists());
    // A store that was created before stays, although it is empty.
    let files = Files::new();
    success(command(&files.folder, &files.store, &["init"]).output().unwrap());
    files.fail("{}\n");
    assert!(files.folder.path("data.redb").exists());
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let files = Files::new();
    let error = files.fail("{\"tag\":{\"organisation\":1,\"xuid\":\"a\",\"\\u001b[31mred\\u202e\":1}}\n{}\n");
    assert!(error.contains(r"unknown field `\u{1b}[31mred\u{202e}`") && error.contains("\nline 2: "), "{error:?}");
}

#[test]
fn a_dry_run_counts_the_counters_that_would_be_raised() {
    let files = Files::new();
    files.import(&[tags::levels(), [1, 2, 3].map(|number| with_counter(number, 5)).to_vec()].concat(), &[]);
    let lines = [(1, 4), (2, 5), (3, 6), (4, 1), (5, 1)].map(|(number, ctr)| with_counter(number, ctr));
    let said = files.import(&lines, &["--dry-run"]);
    assert!(said.contains("counters: 2 new, 1 raised, 2 stay because the stored ones are not lower\n"), "{said}");
    assert!(said.starts_with("dry run: 5 tags and 0 other lines are valid\n"), "{said}");
    // The same again: nothing was changed.
    assert_eq!(files.import(&lines, &["--dry-run"]), said);
}

#[test]
fn no_line_says_that_something_is_being_deleted() {
    let files = Files::new();
    files.import(&tags::levels(), &[]);
    for line in [
        json!({ "organisation": { "id": 1, "name": "One", "closing": true } }),
        json!({ "folder": { "organisation": 1, "path": "F", "closing": true } }),
        json!({ "batch": { "organisation": 1, "path": "F/G/B", "closing": false } }),
    ] {
        let error = files.fail(&tags::text(&[line]));
        assert!(error.contains("line 1: unknown field `closing`"), "{error}");
    }
}

#[test]
fn lines_come_from_standard_input() {
    let files = Files::new();
    let mut command = command(&files.folder, &files.store, &["import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = tags::text(&[tags::levels(), vec![tags::line(1)]].concat()).replace('\n', "\r\n");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = success(child.wait_with_output().unwrap());
    assert_eq!(said, "1 tag imported, and 4 other lines\n");
}
