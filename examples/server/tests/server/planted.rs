//! Secrets that are planted everywhere are in no output of the server: answers, pages, log, metrics, history, webhooks, backup, and
//! what commands print. A copy of the store does not contain them either.

use std::io::Read as _;
use std::process::Output;

use base64ct::{Base64, Encoding as _};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::ECode;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::App;
use suntap_server::http::Brand;
use suntap_server::import::{Allowed, import};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Options, Store};
use suntap_testkit::planted::Planted;

use crate::admin::Live;
use crate::backends;
use crate::client::Client;
use crate::counters::{ETRNL_LAYOUT, etrnl_body};
use crate::reload::reload;
use crate::tags::{self, Folder};
use crate::webhooks::receiver::{ACCEPT, Receiver, SECRET};

pub(crate) const API_KEY: &str = "private_pqKx7wZr2mVt9cBn5dGy3fHs8jLk4nQe";
pub(crate) const TOKEN: &str = "token_hJ4sYd8gQf6uLe3aXo9zRt2wMv7bKc5p";

/// Returns the key of this name.
fn key(name: u8) -> [u8; 16] {
    let mut state = u32::from(name).wrapping_mul(2_654_435_761);
    std::array::from_fn(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
}

fn digits(name: u8) -> String {
    format!("{:032X}", u128::from_be_bytes(key(name)))
}

/// Returns a key without the word at its start, which other texts have too.
fn random_part(key: &str) -> &str {
    key.rsplit_once('_').unwrap().1
}

/// Returns the bytes of hexadecimal digits. Few digits are in many texts by chance, a few bytes of them are not.
pub(crate) fn bytes(digits: &str) -> Vec<u8> {
    base16ct::mixed::decode_vec(digits).unwrap()
}

pub(crate) fn secrets() -> Value {
    json!({ "apiKeys": [digits(1), digits(2)], "server": [digits(3), digits(4)], "tokenKeys": digits(5),
        "metaKeys": { "shoes": digits(6) }, "masterKeys": { "shoes": digits(7) }, "issuerKeys": { "cards": digits(8) },
        "sdmBackend": { "backend": { "key": digits(9) } } })
}

fn e_code() -> String {
    String::from_utf8(ECode::from_bytes(key(10)).to_text().to_vec()).unwrap()
}

/// The planted secrets of a server and of its tags.
pub(crate) fn planted() -> Planted {
    let planted = (1..=13).fold(Planted::default(), |planted, name| planted.with(&format!("key {name}"), key(name)));
    let planted = planted.with("eCode", e_code()).with("webhook secret", random_part(SECRET));
    planted.with("API key", random_part(API_KEY)).with("token", random_part(TOKEN))
}

/// Returns two tags, and the lines of an import with both.
pub(crate) fn tags() -> (EmulatedTag, EmulatedTag, Vec<Value>) {
    let uid = |last| Uid::from_bytes([4, 0x51, 0x52, 0x53, 0x54, 0x55, last]);
    let tag = |template: &str, captured: &[(&str, &str)], [meta, file]: [u8; 2], last| {
        let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
        let texts = TagTexts { captured, ..TagTexts::default() };
        let (meta, file) = (SdmMetaReadKey::from_bytes(key(meta)), SdmFileReadKey::from_bytes(key(file)));
        EmulatedTag::new(&layout, &texts, meta, file, uid(last)).unwrap()
    };
    let code = e_code();
    let plain = tag(tags::LAYOUT, &[("xuid", "planted1")], [11, 11], 1);
    let sealed = tag(ETRNL_LAYOUT, &[("tagId", "77"), ("eCode", &code)], [12, 13], 2);
    let mut lines = tags::levels();
    lines[0]["organisation"]["needsToken"] = true.into();
    lines.extend([
        json!({ "apiKey": { "organisation": 1, "key": API_KEY, "kind": "private", "label": "Shop" } }),
        json!({ "token": { "organisation": 1, "token": TOKEN } }),
        json!({ "tag": { "organisation": 1, "batch": "F/G/B", "xuid": "planted1", "uid": uid(1).to_string(),
            "keys": { "plain": { "file": digits(11) } } } }),
        json!({ "tag": { "organisation": 1, "number": 77, "uid": uid(2).to_string(), "layout": { "template": ETRNL_LAYOUT },
            "keys": { "plain": { "meta": digits(12), "file": digits(13), "eCode": code } } } }),
    ]);
    (plain, sealed, lines)
}

fn said(output: Output) -> Vec<u8> {
    [output.stdout, output.stderr].concat()
}

/// Returns a key with another last character.
fn wrong(key: &str) -> String {
    format!("{}x", &key[..key.len() - 1])
}

/// Returns genuine, replayed, forged and malformed taps, with right and wrong keys, and with keys in the wrong place. Also returns
/// the MACs of the taps.
fn requests(plain: &mut EmulatedTag, sealed: &mut EmulatedTag, hex: &str) -> (Vec<String>, Vec<String>) {
    let (mut targets, mut macs, mut requests) = (Vec::new(), Vec::new(), Vec::new());
    for token in [TOKEN, &wrong(TOKEN), API_KEY] {
        let target = tags::target(&plain.tap().unwrap());
        let (rest, mac) = target.split_once("&e=").unwrap();
        macs.push(mac.to_owned());
        targets.extend([0, 0].map(|_| format!("{target}&r={token}")));
        targets.push(format!("{rest}&e={}&r={token}", mac.chars().rev().collect::<String>()));
        targets.push(format!("{}&e={mac}&r={token}", target.replace("/v1/t?", "/tap?")));
    }
    let starts = ["/v1/", "/", "/tap?x=planted1&e=", "/v1/t?x=planted1&n=000001&e="];
    targets.extend(starts.map(|start| format!("{start}{hex}")));
    targets.extend(["/metrics", "/readyz", "/healthz", "/v1/taps/token-key"].map(String::from));
    requests.extend(targets.iter().map(|target| format!("GET {target} HTTP/1.1\r\nHost: t\r\nX-Key: {hex}\r\n\r\n")));
    for api_key in [API_KEY, &wrong(API_KEY), TOKEN] {
        let body = etrnl_body(&sealed.tap().unwrap());
        let tap: Value = serde_json::from_str(&body).unwrap();
        macs.push(tap["cmac"].as_str().unwrap().to_owned());
        let [other_code, other_name] = [body.replace(&e_code(), &wrong(&e_code())), body.replace("enc", hex)];
        for body in [&*body, &body, &other_code, &other_name, &body[1..]] {
            for path in ["/v1/tags/verify-authenticity", "/v1/taps/verify-token"] {
                let head = format!("Host: t\r\nAPI-Key: {api_key}\r\nContent-Length: {}", body.len());
                requests.push(format!("POST {path} HTTP/1.1\r\n{head}\r\n\r\n{body}"));
            }
        }
    }
    (requests, macs)
}

/// Sends the requests, and returns the answers. Fails if no tap was genuine.
fn send(client: &mut Client, requests: Vec<String>) -> String {
    let mut answers = String::new();
    for request in requests {
        client.send(request.as_bytes()).unwrap();
        let reply = client.receive().unwrap();
        answers += &(reply.head + &reply.body);
    }
    assert!(answers.contains(r#""response":"Pass""#) && answers.contains(r#""authentic":true"#), "{answers}");
    answers
}

/// Adds the keys of the management API and the MACs of the taps.
fn with_keys_and_macs(planted: Planted, live: &Live, macs: &[String]) -> Planted {
    let keys = planted
        .with("management key", bytes(random_part(&live.writer)))
        .with("read-only key", bytes(random_part(&live.reader)));
    macs.iter().fold(keys, |planted, mac| planted.with("MAC of a tap", bytes(mac)))
}

/// Searches each list and page of an administrator, and the answers to keys in the wrong place.
fn search_administration(live: &Live, planted: &Planted, hex: &str) {
    let description = live.ask("GET", "/admin/v1/openapi.json", &Value::Null).1;
    let mut targets: Vec<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
    // The commands below ask for what is not JSON.
    targets.retain(|target| !["export", "history", "backup", "import"].iter().any(|end| target.ends_with(end)));
    targets.extend(["/", "/tags", "/tags/xuid/planted1", "/tags/number/77"].map(String::from));
    assert!(targets.len() > 25, "{targets:?}");
    let basic = format!("Basic {}", Base64::encode_string(format!("Bob:{}", live.reader).as_bytes()));
    let known = [("{kind}/{name}", "xuid/planted1"), ("{organisation}/{path}", "1/F%2FG"), ("{id}", "1")];
    let mut found = 0;
    for target in targets {
        let target = known.iter().fold(target, |target, (name, value)| target.replace(name, value));
        for authorization in [&format!("Bearer {}", live.writer), &basic, &format!("Bearer {hex}"), hex] {
            for target in [target.clone(), format!("{target}?cursor={hex}"), format!("{target}/{hex}")] {
                let reply = live.send("GET", &target, &format!("Authorization: {authorization}\r\n"), b"");
                found += usize::from(reply.status == 200);
                planted.assert_absent(&target, reply.head + &reply.body);
            }
        }
        let body = json!({ hex: API_KEY, "keys": { "plain": { "file": hex } } });
        planted.assert_absent(&target, live.ask("POST", &target, &body).1.to_string());
    }
    assert!(found > 20, "{found}");
    for args in [
        &["tag", "export"][..],
        &["tag", "show", hex],
        &["key", "list"],
        &["key", "revoke", API_KEY],
        &["manager", "list"],
        &["check"],
        &["history"],
        &["history", "--tag", hex],
        &["counter", "show", hex],
    ] {
        planted.assert_absent(&args.join(" "), said(live.run(args)));
    }
}

#[test]
fn planted_secrets_are_in_no_output() {
    let (mut plain, mut sealed, lines) = tags();
    let (folder, planted, hex) = (Folder::new(), planted(), digits(11));
    folder.write_secrets(&secrets().to_string());
    let receiver = Receiver::start(ACCEPT);
    let hook = format!("[webhooks.shop]\nurl = {:?}\nsecret-file = {:?}\n", receiver.url(), folder.path("hook"));
    std::fs::write(folder.path("hook"), SECRET).unwrap();
    std::fs::write(folder.path("suntap.toml"), hook).unwrap();
    let (config, store) = (folder.path("suntap.toml"), folder.path("data.redb").to_str().unwrap().to_owned());
    let config = config.to_str().unwrap();
    let flags = ["--config", config, "--log-format", "json", "--log-uids"];
    let mut live = Live::start(folder, store, &lines, &flags);
    let (requests, macs) = requests(&mut plain, &mut sealed, &hex);
    let planted = with_keys_and_macs(planted, &live, &macs);
    let mut client = Client::new(&live.server.address).unwrap();
    let answers = send(&mut client, requests);
    planted.assert_absent("an answer", &answers);
    // This answer repeats the XUID of the request. The log must not.
    assert!(client.get(&format!("/v1/t?x={hex}&n=000001&e=00")).unwrap().body.contains("tag_not_found"));
    planted.assert_absent("metrics", client.get("/metrics").unwrap().body);
    drop(client);
    search_administration(&live, &planted, &hex);

    // A broken file of secrets, and the end.
    live.folder.write_secrets(&secrets().to_string().replace(&digits(3), &wrong(&digits(3))));
    assert!(!reload(&live.server));
    receiver.wait("events", |receiver| receiver.counters().len() >= 2);
    assert!(live.server.terminate().success());
    for post in receiver.posts() {
        planted.assert_absent("a webhook", post.body.to_string());
    }
    let log = live.log();
    assert!(log.contains("fresh") && log.contains("the secrets stay as they were"), "{log}");
    planted.assert_absent("the log", log);
    live.folder.write_secrets(&secrets().to_string());
    planted.assert_absent("the data file", std::fs::read(&live.store).unwrap());
    for args in [&["check", "--old-secrets"][..], &["serve", "--check-config", "--config", config], &["history"]] {
        planted.assert_absent(&args.join(" "), said(live.folder.run(args)));
    }
    let (backup, mut text) = (live.folder.run(&["backup", "-"]), String::new());
    GzDecoder::new(&*backup.stdout).read_to_string(&mut text).unwrap();
    assert!(text.contains("planted1"), "{text}");
    planted.assert_absent("a backup", text);
}

/// The two databases store the same as the data file, and their files have all of it.
#[test]
fn files_of_a_database_have_no_planted_secret() {
    for backend in [backends::postgres(), backends::redis(&[])] {
        let Some(mut backend) = backend else { return };
        let (mut plain, mut sealed, lines) = tags();
        let folder = Folder::new();
        folder.write_secrets(&secrets().to_string());
        let mut live = Live::start(folder, backend.url.clone(), &lines, &["--log-uids"]);
        let (requests, macs) = requests(&mut plain, &mut sealed, &digits(11));
        send(&mut Client::new(&live.server.address).unwrap(), requests);
        assert!(live.server.terminate().success());
        backend.kill();
        let planted = with_keys_and_macs(planted(), &live, &macs);
        let files = backend.files();
        assert!(files.windows(8).any(|run| run == b"planted1"), "{}: the files do not have the tag", backend.url);
        planted.assert_absent(&backend.url, files);
    }
}

/// Returns texts in which secrets are broken or are in the wrong place.
fn broken(text: &str) -> Vec<String> {
    let mut all = vec![text[1..].to_owned(), text[..text.len() - 1].to_owned(), format!("{text}{}", digits(11))];
    let digits: Vec<_> = (1..=13).map(digits).filter(|digits| text.contains(digits)).collect();
    for secret in digits.into_iter().chain([e_code(), API_KEY.into(), TOKEN.into()]) {
        let quoted = format!("{secret:?}");
        all.extend([
            text.replace(&secret, &format!("{secret}0")),
            text.replace(&secret, &format!("{}G", &secret[1..])),
            text.replace(&secret, &secret[1..]),
            text.replace(&secret, &format!("0x{secret}")),
            text.replace(&quoted, &secret),
            text.replace(&quoted, &format!("[{quoted}]")),
            text.replace(&quoted, &format!("{{{quoted}:{quoted}}}")),
            text.replace(&quoted, &format!("{quoted},{quoted}:1")),
            text.replace("\"file\"", &quoted),
            text.replace("\"shoes\"", &quoted),
            text.replace("\"organisation\"", &quoted),
            text.replace("planted1", &secret),
        ]);
    }
    all.retain(|broken| broken != text);
    all
}

#[tokio::test]
async fn errors_and_debug_output_have_no_planted_secret() {
    let (planted, text) = (planted(), secrets().to_string());
    let secrets = Secrets::parse(&text).unwrap();
    let mut errors = 0;
    for broken in broken(&text) {
        if let Err(error) = Secrets::parse(&broken) {
            errors += 1;
            planted.assert_absent(&broken, format!("{error} {error:#} {error:?}"));
        }
    }
    assert!(errors > 50, "{errors}");
    let folder = Folder::new();
    let address = folder.path("data.redb").to_str().unwrap().parse().unwrap();
    let store = Store::create(&address, Options::default()).await.unwrap();
    let (_, _, lines) = tags();
    let levels = tags::text(&lines[..4]);
    for line in &lines[4..] {
        for broken in broken(&line.to_string()) {
            let text = format!("{levels}{broken}\n");
            match import(&store, &secrets, &text, Allowed::default(), |_| ()).await {
                Ok(report) => planted.assert_absent(&broken, format!("{report:?}")),
                Err(error) => {
                    errors += 1;
                    planted.assert_absent(&broken, format!("{error} {error:?}"));
                }
            }
        }
    }
    assert!(errors > 100, "{errors}");
    let app = App::new(store, secrets.clone(), Brand::default());
    // A panic shows the `Debug` output of an error.
    planted.assert_absent("Debug", format!("{secrets:?} {secrets:#?} {app:?} {app:#?}"));
}
