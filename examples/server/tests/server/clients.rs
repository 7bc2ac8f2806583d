//! Both APIs as their clients call them: with axios, with requests, and with `fetch` in a page of another origin.
//!
//! Each client sends the same requests, in the shapes of public clients, to a server of its own. It reports the status
//! and the body of each answer, and whether its library threw.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::ECode;

use crate::backends::skipped;
use crate::browser::Driver;
use crate::client::Server;
use crate::tags::{self, Folder};

const ETRNL: &str = "/v1/tags/verify-authenticity";
const CMAC: &str = "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}";
const TT: &str = "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&t=[[{enc:32,tt@0}{mac}";
const API_KEY: &str = "private_0f1e2d3c4b5a";
const PUBLIC_KEY: &str = "public_0f1e2d3c4b5a";
/// Of the organisation whose tags need one, and of the other.
const TOKEN: &str = "token_0f1e2d3c4b5a";
const OTHER_TOKEN: &str = "token_5a4b3c2d1e0f";
/// The default response of a standard tag group.
const BOXES: &str = "https://shop.example/boxes";
/// In the place of a timestamp that a test cannot know.
const TIME: &str = "<time>";

/// A request, and the answer that its client must see.
struct Case {
    name: String,
    request: Value,
    status: u16,
    body: Value,
}

impl Case {
    /// Returns `true` if the request contains a tap that is accepted.
    fn passes(&self) -> bool {
        self.body["response"] == "Pass" || self.body["authentic"] == true
    }
}

fn get(name: &str, query: Value, status: u16, body: Value) -> Case {
    let request = json!({ "method": "GET", "path": "/v1/t", "query": query });
    Case { name: name.into(), request, status, body }
}

fn post(name: &str, key: &str, body: &Value, status: u16, answer: Value) -> Case {
    let headers = json!({ "API-Key": key });
    let request = json!({ "method": "POST", "path": ETRNL, "headers": headers, "body": body });
    Case { name: name.into(), request, status, body: answer }
}

fn with_headers(mut case: Case, headers: Value) -> Case {
    case.request["headers"] = headers;
    case
}

/// Returns the value with other fields; a field that becomes `"-"` is removed.
fn changed(value: &Value, changes: Value) -> Value {
    let mut value = value.clone();
    let fields = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        if change == "-" {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), change.clone());
        }
    }
    value
}

/// Taps a tag, and returns the values of the URL by their names.
fn tap(tag: &mut EmulatedTag) -> HashMap<String, String> {
    let url = tag.tap().unwrap();
    let (_, query) = url.split_once('?').unwrap();
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
}

fn e_code() -> String {
    String::from_utf8(ECode::from_bytes([0x2A; 16]).to_text().to_vec()).unwrap()
}

/// A tag of ETRNL in software, with the last accepted counter.
struct EtrnlTag {
    number: u64,
    tag: EmulatedTag,
    has_seal: bool,
    metadata: Value,
    last: Option<u32>,
}

impl EtrnlTag {
    fn new(number: u32, has_seal: bool, metadata: Value) -> Self {
        let texts = [("tagId", &*number.to_string()), ("eCode", &e_code())];
        let tag = tags::tag_with(if has_seal { TT } else { CMAC }, &texts, number);
        Self { number: number.into(), tag, has_seal, metadata, last: None }
    }

    /// The line that imports it: the keys are sealed under the eCode.
    fn line(&self, organisation: u64) -> Value {
        let number = u32::try_from(self.number).unwrap();
        let line = &tags::line(number)["tag"];
        let keys = json!({ "meta": "0".repeat(32), "file": line["keys"]["plain"]["file"], "eCode": e_code() });
        let layout = json!({ "template": if self.has_seal { TT } else { CMAC } });
        json!({ "tag": { "organisation": organisation, "number": number, "uid": line["uid"], "layout": layout,
            "keys": { "plain": keys }, "tamper": self.has_seal, "metadata": self.metadata } })
    }

    /// Taps it, and returns a body without `tt` or `cmac`, whichever the tag does not have.
    fn body(&mut self) -> Value {
        let tap = tap(&mut self.tag);
        let (name, value) = if self.has_seal { ("tt", &tap["t"]) } else { ("cmac", &tap["c"]) };
        json!({ "tagId": self.number, "enc": tap["e"], name: value, "eCode": tap["k"] })
    }

    /// The answer to the last tap if it is accepted, and the tap is accepted.
    fn accepted(&mut self, seal: Option<[&str; 2]>) -> Value {
        let ctr = self.tag.ctr().get();
        let last = self.last.replace(ctr);
        let [current, permanent] = seal.map_or([Value::Null, Value::Null], |seal| seal.map(Value::from));
        json!({ "success": true, "err": null, "exists": true, "authentic": true, "ctr": ctr,
            "uid": self.tag.uid().to_string(), "ttCurrStatus": current, "ttPermStatus": permanent,
            "lastAuthenticTimestamp": last.map(|_| TIME), "lastAuthenticCtr": last, "metadata": self.metadata })
    }
}

/// The answer to an accepted tap that is sent again after the tap with the counter `last` was accepted.
fn replayed(accepted: &Value, last: u32) -> Value {
    let changes = json!({ "success": false, "err": "ctrBehind", "authentic": false, "lastAuthenticCtr": last,
        "lastAuthenticTimestamp": TIME });
    changed(accepted, changes)
}

fn refused(err: &str, exists: bool) -> Value {
    json!({ "success": false, "err": err, "exists": exists, "authentic": false, "ctr": null, "uid": null,
        "ttCurrStatus": null, "ttPermStatus": null, "lastAuthenticTimestamp": null, "lastAuthenticCtr": null,
        "metadata": null })
}

/// Returns the default response of a tag that has passed in these cases: it contains the scan count.
fn fail(cases: &[Case], xuid: &str) -> String {
    format!("Fail {}", cases.iter().filter(|case| case.body["xuid"] == xuid && case.passes()).count())
}

/// Requests to `GET /v1/t`.
fn ixkio_cases() -> Vec<Case> {
    let pass = || json!({ "xuid": "tag00001", "response": "Pass" });
    let mut first = tags::tag(1);
    let mut next = || {
        let tap = tap(&mut first);
        json!({ "x": "tag00001", "n": tap["n"], "e": tap["e"] })
    };
    let mut cases = Vec::new();

    let query = next();
    cases.push(get("a tap", query.clone(), 200, pass()));
    cases.push(get("the same tap", query, 200, json!({ "xuid": "tag00001", "response": "Fail 1" })));
    for (name, more) in [
        ("extra parameters", json!({ "utm_source": "nfc", "ixr": "0123456789abcdef", "_": "1700000000000", "k": "" })),
        ("an account beside the XUID", json!({ "a": "abc123" })),
        ("an empty token", json!({ "r": "" })),
        ("a null token", json!({ "r": null })),
        ("a token that is not needed", json!({ "r": "anything" })),
    ] {
        cases.push(get(name, changed(&next(), more), 200, pass()));
    }
    for headers in [
        json!({ "Content-Type": "application/json" }),
        json!({ "content-type": "application/x-www-form-urlencoded", "Accept": "application/json" }),
    ] {
        let name = format!("a GET with {headers}");
        cases.push(with_headers(get(&name, next(), 200, pass()), headers));
    }
    // By the other identifiers. `x` becomes `c` or `u`.
    let by_cuid = changed(&next(), json!({ "x": "-", "a": "abc123", "c": "SHOE-1" }));
    let cuid = |response: &str| json!({ "xuid": "tag00001", "cuid": "SHOE-1", "response": response });
    cases.push(get("by CUID", by_cuid.clone(), 200, cuid("Pass")));
    cases.push(get("by CUID again", by_cuid, 200, cuid(&fail(&cases, "tag00001"))));
    let uid = tags::line(1)["tag"]["uid"].clone();
    cases.push(get("by UID", changed(&next(), json!({ "x": "-", "a": "abc123", "u": uid })), 200, cuid("Pass")));

    // What proves nothing gets the default response, and does not spend the tap.
    let (query, failed) = (next(), json!({ "xuid": "tag00001", "response": fail(&cases, "tag00001") }));
    for (name, changes) in [
        ("x alone", json!({ "n": "-", "e": "-" })),
        ("empty n and e", json!({ "n": "", "e": "" })),
        ("n alone", json!({ "e": "-" })),
        ("n and e that the client did not find", json!({ "n": "undefined", "e": "null" })),
        ("the e of the vendor's page", json!({ "e": "abcde12345abcde1234" })),
        ("a high n", json!({ "n": "FFFFFF" })),
    ] {
        cases.push(get(name, changed(&query, changes), 200, failed.clone()));
    }
    cases.push(get("the tap that was not spent", query, 200, pass()));
    let alone = |xuid: &str| json!({ "x": xuid });
    let redirect = json!({ "xuid": "tag00004", "response": BOXES });
    cases.push(get("a standard tag", alone("tag00004"), 200, redirect));
    let inactive = json!({ "xuid": "tag00003", "error": "batch_inactive" });
    cases.push(get("an inactive batch", alone("tag00003"), 200, inactive));
    let unknown = json!({ "xuid": "nobody00", "error": "tag_not_found" });
    cases.push(get("an unknown tag", alone("nobody00"), 404, unknown));
    cases.push(get("no identifier", json!({ "n": "000001" }), 400, json!({ "error": "invalid_request" })));

    // A tag that needs a token.
    let tap = tap(&mut tags::tag(2));
    let query = json!({ "x": "tag00002", "n": tap["n"], "e": tap["e"] });
    for (name, token) in [("no token", "-"), ("an empty token where one is needed", ""), ("another's", OTHER_TOKEN)] {
        let query = changed(&query, json!({ "r": token }));
        cases.push(get(name, query, 401, json!({ "xuid": "tag00002", "error": "token_invalid" })));
    }
    let query = changed(&query, json!({ "r": TOKEN }));
    cases.push(get("the token", query.clone(), 200, json!({ "xuid": "tag00002", "response": "Pass" })));
    cases.push(get("the token again", query, 200, json!({ "xuid": "tag00002", "response": "Fail 1" })));
    cases
}

/// Requests to `POST /v1/tags/verify-authenticity`.
fn etrnl_cases(plain: &mut EtrnlTag, sealed: &mut EtrnlTag, other: &mut EtrnlTag) -> Vec<Case> {
    let mut cases = Vec::new();

    let body = plain.body();
    let accepted = plain.accepted(None);
    cases.push(post("a tap", API_KEY, &body, 200, accepted.clone()));
    cases.push(post("the same tap", API_KEY, &body, 200, replayed(&accepted, 1)));
    let text = plain.number.to_string();
    for (headers, changes) in [
        (json!({ "API-KEY": API_KEY }), json!({ "tagId": text, "tt": null })),
        (json!({ "api-key": API_KEY, "Content-Type": "application/json" }), json!({ "tagId": text, "tt": "" })),
        (json!({ "Api-Key": PUBLIC_KEY, "Accept": "application/json" }), json!({ "tagId": format!(" {text} ") })),
        (json!({ "aPI-kEY": PUBLIC_KEY }), json!({ "tt": "{tt}", "source": "web", "ctr": 7 })),
    ] {
        let name = format!("{headers} and {changes}");
        let body = changed(&plain.body(), changes);
        cases.push(with_headers(post(&name, "", &body, 200, plain.accepted(None)), headers));
    }
    let body = plain.body();
    let mut older = post("the older path", PUBLIC_KEY, &body, 200, plain.accepted(None));
    older.request["path"] = "/v1/tag/verify-authenticity".into();
    cases.push(older);

    for changes in [json!({}), json!({ "cmac": null }), json!({ "cmac": "", "tagId": sealed.number.to_string() })] {
        let name = format!("a seal, and {changes}");
        let body = changed(&sealed.body(), changes);
        cases.push(post(&name, API_KEY, &body, 200, sealed.accepted(Some(["C", "C"]))));
    }
    sealed.tag.open_seal();
    cases.push(post("an open seal", API_KEY, &sealed.body(), 200, sealed.accepted(Some(["O", "O"]))));

    // What is refused is read from a body with status 200, and does not spend the tap.
    let (body, seal) = (plain.body(), sealed.body());
    for value in [json!("-"), json!(null), json!("")] {
        let without = |name: &str, body: &Value| changed(body, json!({ name: value }));
        let name = |field: &str| format!("{field}: {value}");
        cases.push(post(&name("cmac"), API_KEY, &without("cmac", &body), 200, refused("invalidData", true)));
        cases.push(post(&name("tt"), API_KEY, &without("tt", &seal), 200, refused("invalidData", true)));
        let exists = value == "";
        cases.push(post(&name("enc"), API_KEY, &without("enc", &body), 200, refused("invalidData", exists)));
        let (err, exists) = if value == "" { ("cmacMismatch", true) } else { ("invalidData", false) };
        cases.push(post(&name("eCode"), API_KEY, &without("eCode", &body), 200, refused(err, exists)));
        let err = if value == "" { "doesNotExist" } else { "invalidData" };
        cases.push(post(&name("tagId"), API_KEY, &without("tagId", &body), 200, refused(err, false)));
    }
    let nothing = json!({ "tagId": null, "enc": null, "cmac": null, "eCode": null });
    cases.push(post("parameters that the client did not find", API_KEY, &nothing, 200, refused("invalidData", false)));
    let swapped = changed(&body, json!({ "enc": other.body()["enc"] }));
    for (name, body, err, exists) in [
        ("a wrong MAC", changed(&body, json!({ "cmac": "0123456789ABCDEF" })), "cmacMismatch", true),
        ("enc of another tag", swapped, "uidMismatch", true),
        ("an unknown tag", changed(&body, json!({ "tagId": "9999" })), "doesNotExist", false),
        ("a tag without keys", changed(&body, json!({ "tagId": "1004" })), "inactive", true),
        ("a tag of another organisation", other.body(), "unauthorized", true),
    ] {
        cases.push(post(name, API_KEY, &body, 200, refused(err, exists)));
    }
    cases.push(post("an unknown key", "private_unknown", &body, 401, refused("unauthorized", false)));
    let without = post("no key", "", &body, 401, refused("unauthorized", false));
    cases.push(with_headers(without, json!({ "Content-Type": "application/json" })));
    cases.push(post("the tap that was not spent", API_KEY, &body, 200, plain.accepted(None)));
    cases.push(post("the seal that was not spent", API_KEY, &seal, 200, sealed.accepted(Some(["O", "O"]))));
    cases
}

/// A server with the tags of the cases, and all that its client sends.
struct Stage {
    /// The first has every case. The second has every tap that passed in the first, which must be refused.
    rounds: [Vec<Case>; 2],
    wire: Wire,
    _server: Server,
    _folder: Folder,
}

impl Stage {
    fn new() -> Self {
        let mut plain = EtrnlTag::new(1001, false, json!({ "sku": "A-1" }));
        let mut sealed = EtrnlTag::new(1002, true, Value::Null);
        let mut other = EtrnlTag::new(1003, false, Value::Null);
        let mut lines = tags::levels();
        // A second organisation like the first. Its tags need a token.
        for line in tags::levels() {
            let (kind, level) = line.as_object().unwrap().iter().next().unwrap();
            lines.push(match &**kind {
                "organisation" => json!({ kind: { "id": 2, "name": "Two", "account": "def456", "needsToken": true } }),
                _ => json!({ kind: changed(level, json!({ "organisation": 2 })) }),
            });
        }
        let tag = |number, changes| json!({ "tag": changed(&tags::line(number)["tag"], changes) });
        lines.extend([
            json!({ "apiKey": { "organisation": 1, "key": API_KEY, "kind": "private" } }),
            json!({ "apiKey": { "organisation": 1, "key": PUBLIC_KEY, "kind": "public" } }),
            json!({ "token": { "organisation": 1, "token": OTHER_TOKEN } }),
            json!({ "token": { "organisation": 2, "token": TOKEN } }),
            json!({ "batch": { "organisation": 1, "path": "F/G/Old", "state": "inactive" } }),
            json!({ "tagGroup": { "organisation": 1, "path": "F/S", "rules": { "default": BOXES } } }),
            json!({ "batch": { "organisation": 1, "path": "F/S/B" } }),
            tag(1, json!({ "cuid": "SHOE-1" })),
            tag(2, json!({ "organisation": 2 })),
            tag(3, json!({ "batch": "F/G/Old" })),
            tag(4, json!({ "batch": "F/S/B", "keys": "-" })),
            plain.line(1),
            sealed.line(1),
            other.line(2),
            json!({ "tag": { "organisation": 1, "number": 1004 } }),
        ]);
        let (folder, mut cases) = (Folder::new(), ixkio_cases());
        cases.extend(etrnl_cases(&mut plain, &mut sealed, &mut other));
        let last: HashMap<_, _> = [&plain, &sealed].map(|tag| (tag.tag.uid().to_string(), tag.last.unwrap())).into();
        let again = |case: &Case| {
            let body = if let Some(uid) = case.body["uid"].as_str() {
                replayed(&case.body, last[uid])
            } else {
                let response = fail(&cases, case.body["xuid"].as_str().unwrap());
                changed(&case.body, json!({ "response": response }))
            };
            Case { name: format!("{}, in the second round", case.name), request: case.request.clone(), body, ..*case }
        };
        let again = cases.iter().filter(|case| case.passes()).map(again).collect();

        let (data, path) = (folder.path("data.redb"), folder.path("tags.ndjson"));
        tags::write(&path, &lines);
        let mut import = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        import
            .arg("import")
            .arg(path)
            .arg("--allow-factory-keys")
            .arg("--store")
            .arg(&data)
            .arg("--secrets-file")
            .arg(folder.secrets());
        let output = import.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let server = Server::on(data.to_str().unwrap(), &folder.secrets());
        Self { rounds: [cases, again], wire: Wire::new(&server.address), _server: server, _folder: folder }
    }
}

/// Compares what a client saw with what it must see. A library that `throws` does so for any status but 2xx.
fn check(seen: &[Value], cases: &[Case], throws: bool) {
    assert_eq!(seen.len(), cases.len());
    for (seen, case) in seen.iter().zip(cases) {
        let mut seen = seen.clone();
        // Such as 2023-07-09T09:23:53.672Z.
        let is_time = |text: &str| text.len() == 24 && chrono::DateTime::parse_from_rfc3339(text).is_ok();
        if let Some(time) = seen.pointer_mut("/body/lastAuthenticTimestamp").filter(|time| time.is_string()) {
            assert!(is_time(time.as_str().unwrap()), "{time}");
            *time = TIME.into();
        }
        let threw = throws && !(200..300).contains(&case.status);
        let expected = json!({ "threw": threw, "status": case.status, "body": case.body });
        assert_eq!(seen, expected, "{}: {}", case.name, case.request);
    }
}

/// A relay in front of a server, which keeps what clients send.
struct Wire {
    origin: String,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    fn new(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (server, sent) = (server.to_owned(), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&sent);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&server) else { return };
                let (back, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || relay(back, to, |_| ()));
                std::thread::spawn(move || relay(client, server, |bytes| kept.lock().unwrap().extend(bytes)));
            }
        });
        Self { origin, sent }
    }

    fn has_sent(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.sent.lock().unwrap()).contains(text)
    }
}

fn relay(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        keep(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn requests(cases: &[Case]) -> Vec<&Value> {
    cases.iter().map(|case| &case.request).collect()
}

/// Runs a client program on the cases, and returns what it saw.
fn run(mut client: Command, origin: &str, cases: &[Case]) -> Vec<Value> {
    // A proxy of this machine is not for requests to itself.
    client.env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = client.spawn().unwrap();
    let task = json!({ "origin": origin, "requests": requests(cases) });
    child.stdin.take().unwrap().write_all(task.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{client:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Both rounds, with a library that throws for any status but 2xx.
fn both_rounds(client: impl Fn() -> Command) -> Wire {
    let stage = Stage::new();
    for cases in &stage.rounds {
        check(&run(client(), &stage.wire.origin, cases), cases, true);
    }
    stage.wire
}

#[test]
fn axios_reads_every_answer() {
    let node = || {
        let mut node = Command::new("node");
        // Where Debian installs libraries. Other builds of Node.js do not look there.
        let paths = std::env::var_os("NODE_PATH").unwrap_or_default();
        let paths = std::env::split_paths(&paths).chain(["/usr/share/nodejs".into()]);
        node.env("NODE_PATH", std::env::join_paths(paths).unwrap());
        node
    };
    if !succeeds(node().args(["-e", "require('axios')"])) {
        return skipped("axios");
    }
    let wire = both_rounds(|| {
        let mut node = node();
        node.arg(script("axios.js"));
        node
    });
    for text in [r#""cmac":null"#, r#""tt":"""#, r#""tagId":"1001""#, "User-Agent: axios/"] {
        assert!(wire.has_sent(text), "{text}");
    }
}

#[test]
fn requests_reads_every_answer() {
    // The first `python3` may be one that does not see the libraries of Debian.
    let found = ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(Command::new(python).args(["-c", "import requests"])));
    let Some(python) = found else { return skipped("requests") };
    let wire = both_rounds(|| {
        let mut python = Command::new(python);
        python.arg(script("with_requests.py"));
        python
    });
    for text in [r#""cmac": null"#, r#""tt": """#, "\r\naPI-kEY: ", "\r\nContent-Type: application/json\r\n\r\n"] {
        assert!(wire.has_sent(text), "{text}");
    }
}

/// A page of another origin reads every status and body, because every answer allows it. It sends its own headers,
/// because the answer to the preflight allows them.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_another_origin_reads_every_answer() {
    let Some(driver) = Driver::start() else { return };
    let (stage, browser) = (Stage::new(), driver.browser(&[], json!({})).await);
    browser.goto(&empty_page()).await.unwrap();
    for cases in &stage.rounds {
        let arguments = vec![stage.wire.origin.clone().into(), json!(requests(cases))];
        let fetch = std::fs::read_to_string(script("fetch.js")).unwrap();
        let seen = browser.execute_async(&fetch, arguments).await.unwrap();
        check(seen.as_array().unwrap(), cases, false);
    }
    browser.close().await.unwrap();
    for text in ["OPTIONS /v1/tags/", "OPTIONS /v1/tag/", "OPTIONS /v1/t?", "Access-Control-Request-Headers: api-key"] {
        assert!(stage.wire.has_sent(text), "{text}");
    }
}

/// Serves an empty page at an origin of its own, and returns its URL.
fn empty_page() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n";
            let _ = client.write_all(format!("{head}<!doctype html>").as_bytes());
        }
    });
    url
}
