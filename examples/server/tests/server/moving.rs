//! The guide chapter "Moving from another service", run on the files in `tests/moving`: ixkio and ETRNL, and what all kinds share.

use std::path::Path;

use suntap::emulator::EmulatedTag;

use crate::client::{Client, Reply, Server, get};
use crate::tags::{self, Folder};

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

/// Returns the path of a sample file.
pub(crate) fn sample(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moving").join(name).to_str().unwrap().to_owned()
}

/// Writes a sample file with one text replaced, and returns its path.
pub(crate) fn changed(folder: &Folder, name: &str, before: &str, after: &str) -> String {
    let text = std::fs::read_to_string(sample(name)).unwrap();
    assert!(text.contains(before), "{before}");
    let path = folder.path(&format!("changed-{name}"));
    std::fs::write(&path, text.replacen(before, after, 1)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Runs a command that fails, and returns its error. Neither output contains a key.
pub(crate) fn refused(folder: &Folder, args: &[&str]) -> String {
    let output = folder.run(args);
    let error = String::from_utf8(output.stderr).unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{printed}{error}");
    for text in [&printed, &error] {
        let digits = text.split(|c: char| !c.is_ascii_hexdigit()).map(str::len).max();
        assert!(digits < Some(31), "{text}");
    }
    error
}

/// The path and query of the tap with this counter.
pub(crate) fn tap(tag: EmulatedTag, ctr: u32) -> String {
    let before = suntap::SdmReadCtr::new(ctr - 1).unwrap();
    let url = tag.with_ctr(before).tap().unwrap().to_string();
    let rest = url.split_once("://").unwrap().1;
    rest[rest.find('/').unwrap()..].to_owned()
}

/// Asserts that the first tap is old, and that the second passes once.
pub(crate) fn assert_counter(server: &Server, old: &str, new: &str) {
    for (target, said) in [(old, "Link already used"), (new, "Genuine"), (new, "Link already used")] {
        let body = get(&server.address, target).body;
        assert!(body.contains(said), "{said}: {target} {body}");
    }
}

pub(crate) fn serve(folder: &Folder) -> Server {
    Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets())
}

/// The arguments that import both services' sample files.
fn imports() -> [Vec<String>; 2] {
    let ixkio = ["import", "--from", "ixkio-csv", "ixkio.csv", "--before", "ixkio-groups.ndjson"];
    let etrnl = ["import", "--from", "etrnl-json", "etrnl.json"];
    let with_paths = |args: &[&str]| -> Vec<String> {
        let path = |arg: &&str| if arg.contains('.') { sample(arg) } else { (*arg).to_owned() };
        args.iter().map(path).collect()
    };
    [with_paths(&ixkio), with_paths(&etrnl)]
}

/// The tap of the ETRNL tag 1001 with this counter.
fn etrnl_tap(ctr: u32) -> String {
    let layout = "https://shop.example/t?id={:tagId}&e={picc:uid,ctr}&c={mac}&k={:eCode}";
    let layout = suntap::SdmLayout::new(suntap::Scheme::Aes, layout).unwrap();
    let captured = [("tagId", "1001"), ("eCode", "mfsw4zdpnu")];
    let texts = suntap::TagTexts { captured: &captured, ..suntap::TagTexts::default() };
    let meta = suntap::SdmMetaReadKey::from_hex("E04B7C2D9F1835A6C7D20B4E8F619300").unwrap();
    let file = suntap::SdmFileReadKey::from_hex("6C1E0A5B93D7482FB04E7D1A95C3F611").unwrap();
    let uid = suntap::Uid::from_hex("04A1B2C3D4E511").unwrap();
    tap(EmulatedTag::new(&layout, &texts, meta, file, uid).unwrap(), ctr)
}

fn with<'a>(args: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    args.iter().map(String::as_str).chain(more.iter().copied()).collect()
}

fn answers(folder: &Folder, requests: &[Recorded]) -> Vec<Reply> {
    let server = serve(folder);
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
    let folder = Folder::new();
    let [ixkio, etrnl] = imports();
    // A dry run creates no store.
    let printed = folder.print(&with(&ixkio, &["--dry-run"]));
    for text in ["6 tags and", "tags: 6 new, 0 changed", "tag groups: 4 new", "counters: 2", "nothing was imported"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(!folder.path("data.redb").exists());
    let printed = folder.print(&with(&ixkio, &[]));
    // One tag waits for its key, and its counter with it.
    for text in ["6 tags imported", "1 of the tags", "xuid/s2y5vdeb", "1 tags have a counter and no keys"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    // One tag is not programmed yet.
    let printed = folder.print(&with(&etrnl, &[]));
    assert!(printed.contains("4 tags imported") && printed.contains("number/1003"), "{printed}");
    let printed = folder.print(&with(&etrnl, &["--dry-run"]));
    assert!(printed.contains("tags: 0 new, 0 changed, 4 unchanged"), "{printed}");

    // Old URLs come first in the file, so no new tap of the same tag has raised the counter yet.
    let requests = Recorded::all(&std::fs::read_to_string(sample("requests.txt")).unwrap());
    assert_eq!(requests.len(), 21);
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
    let lines = [&ixkio, &etrnl].map(|args| folder.print(&with(args, &["--convert"]))).concat();
    let lower = with_lower_counters(&lines);
    assert_eq!(lower.matches(r#""ctr":1,"#).count(), 4);
    let path = folder.path("lower.ndjson");
    std::fs::write(&path, lower).unwrap();
    folder.print(&["import", path.to_str().unwrap()]);
    for (before, after) in spent.iter().zip(answers(&folder, &requests)) {
        assert_eq!((after.status, &after.body), (before.status, &before.body));
    }
}

/// The URL of an ETRNL tag has an eCode, which plain keys do not need.
#[test]
fn the_page_finds_a_tag_with_an_e_code() {
    let folder = Folder::new();
    folder.print(&["import", "--from", "etrnl-json", &sample("etrnl.json"), "--organisation-name", "Example Shop"]);
    assert_counter(&serve(&folder), &etrnl_tap(11), &etrnl_tap(12));
}

#[test]
fn a_dry_run_of_lines_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path("tags.ndjson");
    let path = path.to_str().unwrap();
    tags::write(Path::new(path), &[tags::levels(), vec![tags::line(1), tags::line(2)]].concat());
    let printed = folder.print(&["import", path, "--dry-run"]);
    for text in ["2 tags and 4 other lines", "organisations: 1 new", "batches: 1 new", "tags: 2 new"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(!folder.path("data.redb").exists());
    folder.print(&["import", path]);
    let mut line = tags::line(2);
    line["tag"]["name"] = "Boot".into();
    tags::write(Path::new(path), &[tags::line(1), line, tags::line(3)]);
    for _ in 0..2 {
        let printed = folder.print(&["import", path, "--dry-run"]);
        assert!(printed.contains("tags: 1 new, 1 changed, 1 unchanged"), "{printed}");
    }
    std::fs::write(path, "{\"tag\":{\"organisation\":1,\"xuid\":\"a/b\"}}\n").unwrap();
    let error = refused(&folder, &["import", path, "--dry-run"]);
    assert!(error.contains("line 1: an XUID must have"), "{error}");
}

#[test]
fn the_lines_can_be_written_to_a_private_file() {
    let folder = Folder::new();
    let [ixkio, _] = imports();
    let path = folder.path("lines.ndjson");
    let output = ["--convert", "--output", path.to_str().unwrap()];
    assert_eq!(folder.print(&with(&ixkio, &output)), "");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert!(std::fs::read_to_string(&path).unwrap().contains("6C1E0A5B93D7482FB04E7D1A95C3F601"));
    assert!(!folder.path("data.redb").exists());
    // An existing file is never replaced.
    assert!(refused(&folder, &with(&ixkio, &output)).contains("cannot create"));
    // The result is what an import reads.
    assert!(folder.print(&["import", path.to_str().unwrap()]).contains("6 tags imported"));
}

#[test]
fn bad_rows_of_ixkio_are_refused() {
    let folder = Folder::new();
    let before = sample("ixkio-groups.ndjson");
    let refused = |table: &str, more: &[&str]| {
        let args = ["import", "--from", "ixkio-csv", table, "--before", &before];
        refused(&folder, &[&args, more].concat())
    };
    for (from, to, expected) in [
        ("tag_name", "tagname", "line 1: unknown column `tagname`"),
        ("xuid,", "cuid,", "line 1: the column `cuid` is there twice"),
        ("xuid,", "data:x,", "line 1: the column `xuid` is missing"),
        ("Left shoe,Active", "Left shoe,Paused", "line 2: status: expected Active or Inactive"),
        ("Active,251", "Active,many", "line 3: chip_count: expected a whole number"),
        ("Active,251", "Active,16777216", "line 3: chip_count: a counter has 24 bits"),
        ("251,120", "251,-1", "line 3: scan_count: expected a whole number"),
        ("95C3F602", "95C3F6", "line 3: sdm_file_read_key: a key must have 32 hex digits, got 30"),
        ("04A1B2C3D4E502", "04A1B2C3D4E5", "line 3: uid: a UID must have 14 hex digits"),
        ("Shop,Shoes,June", "Shop,,June", "line 4: folder, tag_group, batch: either all"),
        ("r9x4tcda", "", "line 3: xuid: the value is missing"),
        // These problems are found by the import.
        ("r9x4tcda", "q8w3sbcz", "line 3: the tag is in this import twice"),
        ("04A1B2C3D4E502", "04A1B2C3D4E501", "line 3: another tag has this CUID or UID"),
        ("12,9,,", "12,9,yesterday,", "line 2: a time must be like"),
        ("42,Portugal,S-17", "42,Portugal", "line 2: 15 columns, expected 16"),
    ] {
        let error = refused(&changed(&folder, "ixkio.csv", from, to), &[]);
        assert!(error.contains(expected), "{expected}: {error}");
    }
    // A number of taps is stored with the counter.
    let table = changed(&folder, "ixkio.csv", "Active,251,120", "Active,0,120");
    let printed = folder.print(&["import", "--from", "ixkio-csv", &table, "--before", &before, "--dry-run"]);
    assert!(printed.contains("1 tags have a number of taps and no counter"), "{printed}");
    // The lines before the table have lines of their own.
    let groups = changed(&folder, "ixkio-groups.ndjson", "Shop/Bags\"", "Shop\"");
    let args = ["import", "--from", "ixkio-csv", &sample("ixkio.csv"), "--before", &groups];
    let error = crate::moving::refused(&folder, &args);
    assert!(error.contains("--before, line 7: the path must be like"), "{error}");
    let error = refused(&sample("ixkio.csv"), &["--route", "tagpt"]);
    assert!(error.contains("--route has no effect"), "{error}");
    // A table without names of columns has keys in its first line.
    let table = std::fs::read_to_string(sample("ixkio.csv")).unwrap();
    let path = folder.path("headless.csv");
    std::fs::write(&path, table.split_once('\n').unwrap().1).unwrap();
    assert!(refused(path.to_str().unwrap(), &[]).contains("line 1: unknown column"));
    assert!(folder.run(&["check"]).status.code() == Some(1), "nothing is stored");

    // Columns with other names, and columns that nobody needs.
    let table = table.replacen("xuid,", "Code,", 1).replacen("tag_name", "Note", 1);
    std::fs::write(&path, format!("\u{feff}{table}")).unwrap();
    let args = ["import", "--from", "ixkio-csv", path.to_str().unwrap(), "--before", &before];
    let more = ["--column", "xuid=Code", "--ignore-column", "Note"];
    assert!(folder.print(&[&args[..], &more].concat()).contains("6 tags imported"));
}

#[test]
fn bad_values_of_etrnl_are_refused() {
    let folder = Folder::new();
    for (from, to, expected) in [
        (r#""usedBy": "web shop""#, r#""user": "web shop""#, "unknown field `user`"),
        (r#""type": "public""#, r#""type": "admin""#, "apiKeys[0]: type: expected public or private"),
        (r#""tagId": 1001"#, r#""tagId": "1001""#, "invalid type"),
        (r#""tagId": 1002"#, r#""tagId": 1001"#, "urlGroups[0].tags[1], tagId 1001: the tag is in this import twice"),
        ("04A1B2C3D4E511", "04A1B2C3D4E5", "urlGroups[0].tags[0], tagId 1001: uid: a UID must have"),
        (
            "6C1E0A5B93D7482FB04E7D1A95C3F611",
            "6C1E",
            "tagId 1001: sdmFileReadKey: a key must have 32 hex digits, got 4",
        ),
        ("\"04A1B2C3D4E512\"", "null", "tagId 1002: uid: a tag with keys has a UID"),
        (r#""lastAuthenticCtr": 11"#, r#""lastAuthenticCtr": 99999999"#, "tagId 1001: lastAuthenticCtr: a counter has"),
        ("2023-07-09T09:23:53.672Z", "9 July 2023", "tagId 1001: a time must be like"),
        ("e={enc}", "e={encrypted}", "urlGroups[0]: customUrl: "),
        ("\"Spirits\"", "\"Spirits/Gin\"", "urlGroups[0]: name: a slash"),
        ("pk_3f8e2a6d41c97b05", "short", "apiKeys[0]: a key or token of less than 12"),
    ] {
        let path = changed(&folder, "etrnl.json", from, to);
        let error = refused(&folder, &["import", "--from", "etrnl-json", &path, "--organisation-name", "Shop"]);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// The commands of the guide name files that exist and kinds that the program knows.
#[test]
fn the_guide_names_the_sample_files() {
    let guide = include_str!("../../../../src/guide/moving.md");
    for kind in ["sdm-backend", "boltcard", "ixkio-csv", "etrnl-json"] {
        assert!(guide.contains(&format!("--from {kind}")), "{kind}");
    }
    for entry in std::fs::read_dir(sample("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(guide.contains(&name), "{name}");
    }
    let help = Folder::new().run(&["import", "--help"]);
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = guide.split(|c: char| !c.is_ascii_lowercase() && c != '-').filter(|word| word.starts_with("--"));
    for flag in flags.filter(|flag| flag.len() > 4 && !flag.starts_with("---")) {
        assert!(help.contains(flag), "{flag}");
    }
}
