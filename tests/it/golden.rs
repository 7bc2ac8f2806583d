//! Sends the requests in `tests/golden` to both APIs and compares the exact answers. No vendor documents the answers
//! that are marked "(ours)" there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use suntap::platform::{Answer, ApiKeyName, OrganisationId, Service, TagRef, TagRegistry, etrnl::Etrnl, ixkio::Ixkio};
use suntap::{Advance, CounterId, CounterStore, MemoryCounters, SdmReadCtr, UnixMillis};
use suntap_testkit::registry::{API_KEYS, Row, Tags};
use suntap_testkit::world;

/// A registry or a store that fails on request: `registry`, `keys` or `counters`.
struct Perhaps<'a, T>(T, &'a str);

impl<'r> TagRegistry for Perhaps<'_, &'r Tags> {
    type Record = &'r Row;
    type Error = &'static str;

    fn find(&self, tag: TagRef<'_>) -> Result<Option<&'r Row>, Self::Error> {
        if self.1 == "registry" { Err("no disk") } else { Ok(self.0.find(tag).unwrap()) }
    }

    fn organisation(&self, key: &ApiKeyName) -> Result<Option<OrganisationId>, Self::Error> {
        if self.1 == "keys" { Err("no disk") } else { Ok(self.0.organisation(key).unwrap()) }
    }
}

impl CounterStore for Perhaps<'_, &mut MemoryCounters<64>> {
    type Error = &'static str;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        if self.1 == "counters" { Err("no disk") } else { Ok(self.0.advance(id, ctr, at).unwrap()) }
    }
}

/// One request of a file and the answer that it must get.
struct Case<'a> {
    title: &'a str,
    method: &'a str,
    target: &'a str,
    /// The headers. `Tap`, `At` and `Fails` are for the test only.
    headers: BTreeMap<&'a str, &'a str>,
    body: &'a str,
    answer: &'a str,
}

impl<'a> Case<'a> {
    fn read(text: &'a str) -> Self {
        let (title, rest) = text.split_once('\n').unwrap();
        let (request, answer) = rest.split_once("\n---\n").unwrap();
        let (head, body) = request.split_once("\n\n").unwrap_or((request, ""));
        let mut lines = head.lines();
        let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap()).collect();
        Self { title, method, target, headers, body, answer: answer.trim_end_matches('\n') }
    }

    /// Sends the request and returns the answer as text.
    fn ask(&self, tags: &Tags, counters: &mut MemoryCounters<64>) -> String {
        let fails = self.headers.get("Fails").copied().unwrap_or_default();
        let at = self.headers.get("At").map(|at| UnixMillis::new(at.parse().unwrap()));
        let registry = Perhaps(tags, fails);
        let counters = &mut Perhaps(counters, fails);
        let secrets = [world::SECRET];
        let service = Service::new(&secrets);
        let Answer { status, headers, body, verdict, .. } = match (self.method, self.target.split_once('?')) {
            ("GET", Some(("/v1/t", query))) => Ixkio::new(service, &API_KEYS).answer(query, &registry, counters, at),
            ("POST", None) => {
                assert_eq!(self.target, "/v1/tags/verify-authenticity");
                let key = self.headers.get("API-Key").map(|key| key.as_bytes());
                Etrnl::new(service, &API_KEYS).answer(key, self.body.as_bytes(), &registry, counters, at)
            }
            _ => panic!("{}: unknown request", self.title),
        };
        // A failure is for the operator, so it is never reported as a verdict.
        assert_eq!(status == 503, matches!(verdict, Some(Err(_))), "{}: {verdict:?}", self.title);
        let mut answer = format!("{status}\n");
        for (name, value) in headers {
            writeln!(answer, "{name}: {value}").unwrap();
        }
        answer + "\n" + &body
    }
}

fn files(dialect: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden").join(dialect);
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|path| (path.display().to_string(), fs::read_to_string(path).unwrap())).collect()
}

/// Runs the requests of each file in order, with empty counters for each file.
fn run(dialect: &str) {
    let (tags, mut cases, mut wrong) = (world::tags(), 0, String::new());
    for (name, text) in files(dialect) {
        let mut counters = MemoryCounters::new();
        for case in text.split("\n### ").skip(1).map(Case::read) {
            cases += 1;
            let answer = case.ask(&tags, &mut counters);
            if answer != case.answer {
                write!(wrong, "\n{name}: {}\nexpected {}\n     got {answer}\n", case.title, case.answer).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(cases > 50, "the files were found");
}

#[test]
fn ixkio() {
    run("ixkio");
}

#[test]
fn etrnl() {
    run("etrnl");
}

/// The software tag, which shares no code with suntap, writes each tap that a file calls genuine.
#[test]
fn the_software_tag_writes_the_genuine_taps() {
    let (tags, mut genuine) = (world::tags(), 0);
    for (name, text) in files("ixkio").iter().chain(&files("etrnl")) {
        for case in text.split("\n### ").skip(1).map(Case::read) {
            let Some(tap) = case.headers.get("Tap") else { continue };
            let mut words = tap.split(' ');
            let tag = words.next().unwrap();
            let is_it = |row: &&Row| {
                row.xuid.as_deref() == Some(tag) || row.number.map(|n| n.to_string()).as_deref() == Some(tag)
            };
            let row = tags.rows.iter().find(is_it).unwrap();
            let (ctr, tt) = (words.next().unwrap().parse().unwrap(), words.next().unwrap_or_default());
            for mirror in world::mirrors(row, ctr, tt) {
                let sent = [case.target, case.body].concat().to_uppercase();
                assert!(sent.contains(&mirror.to_uppercase()), "{name}: {}: {mirror} is missing", case.title);
            }
            genuine += 1;
        }
    }
    assert!(genuine > 50, "there are genuine taps");
}
