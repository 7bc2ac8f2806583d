//! Redirects of fresh taps, and the tokens in them.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde_json::{Value, json};

use crate::backends;
use crate::client::{Client, Reply, Server, get};
use crate::counters::{etrnl_body, etrnl_tag};
use crate::http::command;
use crate::import::{changed, import_error};
use crate::tags::{self, Folder};

const PATH: &str = "/v1/taps/verify-token";
const AUDIENCE: &str = "https://shop.example";
const URL: &str = "https://shop.example/members?t={token}";
/// API keys of organisation 1, and one of organisation 2.
const OWN: &str = "private-key-of-one";
const PUBLIC: &str = "public-key-of-one";
const FOREIGN: &str = "private-key-of-two";
const FORGED: &str = r#"{"valid":false,"reason":"invalid"}"#;

/// Two organisations with API keys. The tag group of the first one has a redirect.
fn lines(tags: &[Value]) -> Vec<Value> {
    let mut lines = tags::levels();
    lines[2]["tagGroup"]["redirect"] = json!({ "url": URL });
    lines.push(json!({ "organisation": { "id": 2, "name": "Two", "account": "two222" } }));
    for (organisation, key, kind) in [(1, OWN, "private"), (1, PUBLIC, "public"), (2, FOREIGN, "private")] {
        lines.push(json!({ "apiKey": { "organisation": organisation, "key": key, "kind": kind } }));
    }
    [lines, tags.to_vec()].concat()
}

/// The secrets of the tests with these token keys.
fn with_keys(folder: &Folder, keys: &[&str]) {
    let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
    secrets["tokenKeys"] = keys.iter().map(|digits| Value::from(digits.repeat(16))).collect();
    folder.write_secrets(&secrets.to_string());
}

/// Imports lines into a data file, and returns what import prints.
fn import(folder: &Folder, lines: &[Value]) -> String {
    tags::write(&folder.path("lines"), lines);
    folder.print(&["import", folder.path("lines").to_str().unwrap()])
}

fn server(tags: &[Value], args: &[&str]) -> (Folder, Server) {
    let folder = Folder::new();
    with_keys(&folder, &["7A"]);
    let printed = import(&folder, &lines(tags));
    assert!(!printed.contains("warning"), "{printed}");
    let server = Server::spawn(command(&folder, &[&["--log", "warn"], args].concat()));
    (folder, server)
}

/// The path and query of the page for the URL of a tap.
fn page(url: &str) -> String {
    tags::target(url).replace("/v1/t?", "/tap?")
}

/// Taps, and returns the token of the redirect.
fn token(server: &Server, url: &str) -> String {
    let reply = get(&server.address, &page(url));
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap().strip_prefix(&URL.replace("{token}", "")).unwrap().into()
}

fn verify(address: &str, key: &str, body: &Value) -> Reply {
    Client::new(address).unwrap().post(PATH, &format!("API-Key: {key}\r\n"), body.to_string().as_bytes()).unwrap()
}

/// Verifies a token with the key of its organisation, and returns the body.
fn answer(server: &Server, token: &str) -> Value {
    let reply = verify(&server.address, OWN, &json!({ "token": token, "audience": AUDIENCE }));
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).unwrap()
}

fn refused(reason: &str) -> Value {
    json!({ "valid": false, "reason": reason })
}

#[test]
fn a_fresh_tap_is_redirected_and_a_replay_shows_the_page() {
    let own = json!({ "url": "http://localhost:3000/p/{token}#top", "audience": "members" });
    let (_folder, server) = server(&[tags::line(1), changed(2, json!({ "redirect": own }))], &[]);
    let url = page(&tags::tag(1).tap().unwrap());
    let reply = get(&server.address, &url);
    let names = ["cache-control", "referrer-policy", "content-length"];
    let expected = [Some("no-store"), Some("no-referrer"), Some("0")];
    assert_eq!((reply.status, names.map(|name| reply.header(name))), (303, expected), "{reply:?}");
    assert!(reply.header("location").unwrap().starts_with("https://shop.example/members?t="), "{reply:?}");
    for _ in 0..2 {
        let again = get(&server.address, &url);
        assert_eq!((again.status, again.header("location")), (200, None), "{again:?}");
        assert!(again.body.contains("already used"), "{}", again.body);
    }
    let forged = get(&server.address, &page(&tags::tag(9).tap().unwrap()));
    assert_eq!((forged.status, forged.header("location")), (200, None), "{forged:?}");

    // The redirect of the tag replaces that of its group.
    let reply = get(&server.address, &page(&tags::tag(2).tap().unwrap()));
    let location = reply.header("location").unwrap();
    let token = location.strip_prefix("http://localhost:3000/p/").and_then(|rest| rest.strip_suffix("#top")).unwrap();
    assert_eq!(answer(&server, token), refused("invalid"), "the audience is another one");
    let reply = verify(&server.address, OWN, &json!({ "token": token, "audience": "members" }));
    assert!(reply.body.starts_with(r#"{"valid":true,"tag":"xuid/tag00002","#), "{reply:?}");
}

#[test]
fn an_inactive_tag_is_not_redirected() {
    let (folder, server) = server(&[changed(1, json!({ "state": "inactive" }))], &[]);
    let mut tag = tags::tag(1);
    let reply = get(&server.address, &page(&tag.tap().unwrap()));
    assert_eq!((reply.status, reply.header("location")), (200, None), "{reply:?}");
    drop(server);
    import(&folder, &[json!({ "tag": { "organisation": 1, "xuid": "tag00001", "state": "active" } })]);
    let server = Server::spawn(command(&folder, &[]));
    assert_eq!(answer(&server, &token(&server, &tag.tap().unwrap()))["counter"], 2);
}

/// Without an answer of the store, nothing shows that the tap is fresh.
#[test]
fn without_the_store_nothing_is_redirected() {
    let Some(mut backend) = backends::redis(&[]) else { return };
    let folder = on(&backend.url);
    let server = Server::on(&backend.url, &folder.secrets());
    let mut tag = tags::tag(1);
    token(&server, &tag.tap().unwrap());
    backend.kill();
    let reply = get(&server.address, &page(&tag.tap().unwrap()));
    assert_eq!((reply.status, reply.header("location")), (503, None), "{reply:?}");
}

/// The APIs of both vendors answer a tag with a redirect like any other tag.
#[test]
fn the_apis_do_not_redirect() {
    let (etrnl, mut line) = etrnl_tag(7000);
    line["tag"]["redirect"] = json!({ "url": URL });
    let (_folder, server) = server(&[tags::line(1), line], &[]);
    let target = tags::target(&tags::tag(1).tap().unwrap());
    for body in [r#"{"xuid":"tag00001","response":"Pass"}"#, r#"{"xuid":"tag00001","response":"Fail 1"}"#] {
        let reply = get(&server.address, &target);
        assert_eq!((&*reply.body, reply.header("location")), (body, None));
    }
    let again = get(&server.address, &target.replace("/v1/t?", "/tap?"));
    assert_eq!((again.status, again.header("location")), (200, None), "a tap of the API is not fresh for the page");
    let mut etrnl = etrnl;
    let body = etrnl_body(&etrnl.tap().unwrap());
    let mut client = Client::new(&server.address).unwrap();
    for authentic in [r#""authentic":true"#, r#""authentic":false"#] {
        let headers = format!("API-Key: {OWN}\r\n");
        let reply = client.post("/v1/tags/verify-authenticity", &headers, body.as_bytes()).unwrap();
        assert_eq!((reply.status, reply.header("location")), (200, None), "{reply:?}");
        assert!(reply.body.contains(authentic), "{reply:?}");
    }
    // The keys are sealed under an eCode, but import has seen them, so the counter is known.
    let url = etrnl.tap().unwrap();
    let path = url.strip_prefix("https://t.example.com").or_else(|| url.strip_prefix("https://t.example")).unwrap();
    let reply = get(&server.address, path);
    let location = reply.header("location").unwrap_or_else(|| panic!("{reply:?}"));
    let token = location.split_once("t=").unwrap().1;
    assert_eq!(answer(&server, token)["tag"], "number/7000");
}

#[test]
fn a_token_is_valid_once() {
    let (_folder, server) = server(&[tags::line(1)], &[]);
    let mut tag = tags::tag(1);
    let first = token(&server, &tag.tap().unwrap());
    let valid = answer(&server, &first);
    let time = |name: &str| valid[name].as_str().unwrap().to_owned();
    assert_eq!(
        valid,
        json!({ "valid": true, "tag": "xuid/tag00001", "counter": 1, "uid": tag.uid().to_string(),
            "issuedAt": time("issuedAt"), "expiresAt": time("expiresAt"), "tamper": null })
    );
    assert!(time("issuedAt") < time("expiresAt"));
    for _ in 0..2 {
        assert_eq!(answer(&server, &first), refused("used"));
    }
    // The use of a newer token ends the older one.
    let [older, newer] = [(); 2].map(|()| token(&server, &tag.tap().unwrap()));
    assert_eq!(answer(&server, &newer)["counter"], 3);
    assert_eq!(answer(&server, &older), refused("newerTap"));
    // Without single use, nothing is spent.
    let many = token(&server, &tag.tap().unwrap());
    let body = json!({ "token": many, "audience": AUDIENCE, "singleUse": false });
    for _ in 0..3 {
        assert!(verify(&server.address, OWN, &body).body.starts_with(r#"{"valid":true,"#));
    }
    assert_eq!(answer(&server, &many)["valid"], true);
    assert_eq!(answer(&server, &many), refused("used"));
    // The uses of tokens have counters of their own: the next tap is fresh, and a used one is not.
    let url = tag.tap().unwrap();
    assert_eq!(answer(&server, &token(&server, &url))["counter"], 5);
    assert_eq!(get(&server.address, &page(&url)).status, 200);
}

#[test]
fn a_token_of_another_organisation_is_answered_like_a_forged_one() {
    let (_folder, server) = server(&[tags::line(1)], &[]);
    let token = token(&server, &tags::tag(1).tap().unwrap());
    let mut forged = token.clone();
    forged.replace_range(80..81, if &token[80..81] == "A" { "B" } else { "A" });
    let ask = |key, token: &str, audience| {
        let reply = verify(&server.address, key, &json!({ "token": token, "audience": audience }));
        (reply.status, reply.head, reply.body)
    };
    let expected = ask(OWN, &forged, AUDIENCE);
    assert_eq!((expected.0, &*expected.2), (200, FORGED));
    for (key, token, audience) in [
        (FOREIGN, &*token, AUDIENCE),
        (FOREIGN, &forged, AUDIENCE),
        (FOREIGN, "", AUDIENCE),
        (OWN, &token, "https://shop.example/"),
        (OWN, &token, "https://other.example"),
        (OWN, &token[1..], AUDIENCE),
    ] {
        // The dates of the answers can differ.
        let without_date = |head: &str| head.lines().filter(|line| !line.starts_with("date")).collect::<String>();
        let (status, head, body) = ask(key, token, audience);
        let expected = (expected.0, without_date(&expected.1), expected.2.clone());
        assert_eq!((status, without_date(&head), body), expected);
    }
    assert_eq!(answer(&server, &token)["valid"], true, "nothing was spent");
    let (.., body) = ask(FOREIGN, &token, AUDIENCE);
    assert_eq!(body, FORGED, "the use is not shown either");
}

#[test]
fn a_token_expires() {
    let (_folder, server) = server(&[tags::line(1)], &["--token-lifetime", "1"]);
    let token = token(&server, &tags::tag(1).tap().unwrap());
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(answer(&server, &token), refused("expired"));
    let foreign = verify(&server.address, FOREIGN, &json!({ "token": token, "audience": AUDIENCE }));
    assert_eq!(foreign.body, FORGED);
}

#[test]
fn only_a_private_key_verifies_tokens() {
    let (_folder, server) = server(&[tags::line(1)], &[]);
    let token = token(&server, &tags::tag(1).tap().unwrap());
    let body = json!({ "token": token, "audience": AUDIENCE });
    for (key, status, error) in [(PUBLIC, 403, "private_key_needed"), ("unknown-key-00001", 401, "unauthorized")] {
        let reply = verify(&server.address, key, &body);
        assert_eq!((reply.status, reply.body), (status, json!({ "error": error }).to_string()));
    }
    let reply = Client::new(&server.address).unwrap().post(PATH, "", body.to_string().as_bytes()).unwrap();
    assert_eq!((reply.status, &*reply.body), (401, r#"{"error":"unauthorized"}"#));
    for body in [json!({}), json!([]), json!({ "token": token }), json!({ "token": 1, "audience": AUDIENCE })] {
        let reply = verify(&server.address, OWN, &body);
        assert_eq!((reply.status, &*reply.body), (400, r#"{"error":"bad_request"}"#), "{body}");
    }
    assert_eq!(answer(&server, &token)["valid"], true, "nothing was spent");
}

#[test]
fn without_token_keys_the_page_is_shown() {
    const WARNING: &str = "it has a redirect, and the secrets have no `tokenKeys`: a tap shows the page instead";
    let folder = Folder::new();
    let printed = import(&folder, &lines(&[tags::line(1)]));
    for key in ["level/1/F/G", "xuid/tag00001"] {
        assert!(printed.contains(&format!("warning: {key}: {WARNING}")), "{printed}");
    }
    let checked = String::from_utf8(folder.run(&["check"]).stdout).unwrap();
    assert!(checked.contains(&format!("xuid/tag00001: {WARNING}")), "{checked}");
    let server = Server::spawn(command(&folder, &["--log", "error"]));
    let mut tag = tags::tag(1);
    let reply = get(&server.address, &page(&tag.tap().unwrap()));
    assert!(reply.status == 200 && reply.header("location").is_none() && reply.body.contains("Genuine"), "{reply:?}");
    let reply = verify(&server.address, OWN, &json!({ "token": "A".repeat(88), "audience": AUDIENCE }));
    assert_eq!((reply.status, &*reply.body), (404, r#"{"error":"not_found"}"#));
}

/// The parts of a JSON Web Token: header, claims, what is signed, and the signature.
fn parts(jwt: &str) -> (Value, Value, &str, Vec<u8>) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let decode = |text: &str| Base64UrlUnpadded::decode_vec(text).unwrap();
    let json = |text: &str| serde_json::from_slice(&decode(text)).unwrap();
    (json(header), json(claims), signed, decode(signature))
}

#[test]
fn a_json_web_token_verifies_with_the_public_key() {
    const MEMBERS: &str = "https://shop.example/members#";
    let folder = Folder::new();
    let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
    secrets["jwtKeys"] = json!(["5C".repeat(32), "C5".repeat(32)]);
    folder.write_secrets(&secrets.to_string());
    let own = json!({ "url": format!("{MEMBERS}{{jwt}}") });
    let mut lines = lines(&[changed(1, json!({ "redirect": own }))]);
    lines[2]["tagGroup"].as_object_mut().unwrap().remove("redirect");
    let printed = import(&folder, &lines);
    assert!(!printed.contains("warning"), "{printed}");
    let server = Server::spawn(command(&folder, &["--log", "off", "--token-lifetime", "90"]));
    let mut tag = tags::tag(1);
    let url = page(&tag.tap().unwrap());
    let reply = get(&server.address, &url);
    assert_eq!((reply.status, reply.header("cache-control")), (303, Some("no-store")));
    let jwt = reply.header("location").unwrap().strip_prefix(MEMBERS).unwrap();
    let (header, claims, signed, signature) = parts(jwt);

    let keys = get(&server.address, "/v1/taps/token-key");
    let keys: Value = serde_json::from_str(&keys.body).unwrap();
    let [key, second] = &keys["keys"].as_array().unwrap()[..] else { panic!("{keys}") };
    let kid = key["kid"].as_str().unwrap();
    assert_eq!(header, json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid }));
    assert_eq!([&key["kty"], &key["crv"], &key["alg"], &key["use"]], ["OKP", "Ed25519", "EdDSA", "sig"]);
    assert_eq!(key.as_object().unwrap().len(), 6, "no other part of the key is shown");
    // `ring` shares no code with the library that signs.
    let verifies = |key: &Value, signed: &str| {
        let public = Base64UrlUnpadded::decode_vec(key["x"].as_str().unwrap()).unwrap();
        ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, public).verify(signed.as_bytes(), &signature)
    };
    assert!(verifies(key, signed).is_ok());
    assert!(verifies(second, signed).is_err() && verifies(key, &signed[1..]).is_err());

    let [iat, exp] = ["iat", "exp"].map(|name| claims[name].as_u64().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 60..=now).contains(&iat) && (90..=91).contains(&(exp - iat)), "{claims}");
    let expected = json!({ "iss": "organisation/1", "aud": "https://shop.example", "sub": "xuid/tag00001",
        "iat": iat, "exp": exp, "ctr": 1 });
    assert_eq!(claims, expected);
    assert!(!jwt.contains(&tag.uid().to_string()));

    // A replay has no token, and no token is spent.
    let again = get(&server.address, &url);
    assert_eq!((again.status, again.header("location")), (200, None));
    let newer = get(&server.address, &page(&tag.tap().unwrap()));
    assert_eq!(parts(newer.header("location").unwrap().strip_prefix(MEMBERS).unwrap()).1["ctr"], 2);
}

#[test]
fn without_jwt_keys_the_page_is_shown() {
    const WARNING: &str =
        "it has a redirect with {jwt}, and the secrets have no `jwtKeys`: a tap shows the page instead";
    let own = json!({ "url": "https://shop.example/{jwt}" });
    let folder = Folder::new();
    with_keys(&folder, &["7A"]);
    let mut lines = lines(&[changed(1, json!({ "redirect": own }))]);
    lines[2]["tagGroup"]["redirect"] = own;
    let printed = import(&folder, &lines);
    for key in ["level/1/F/G", "xuid/tag00001"] {
        assert!(printed.contains(&format!("warning: {key}: {WARNING}")), "{printed}");
    }
    let server = Server::spawn(command(&folder, &["--log", "off"]));
    let reply = get(&server.address, &page(&tags::tag(1).tap().unwrap()));
    assert!(reply.status == 200 && reply.body.contains("Genuine"), "{reply:?}");
    let reply = get(&server.address, "/v1/taps/token-key");
    assert_eq!((reply.status, &*reply.body), (404, r#"{"error":"not_found"}"#));
}

#[test]
fn results_are_counted() {
    let (_folder, server) = server(&[tags::line(1)], &[]);
    let token = token(&server, &tags::tag(1).tap().unwrap());
    answer(&server, &token);
    answer(&server, &token);
    answer(&server, "");
    let metrics = get(&server.address, "/metrics").body;
    for (word, count) in [("valid", 1), ("used", 1), ("invalid", 1)] {
        let line = format!(r#"suntap_taps_total{{api="token",verdict="{word}"}} {count}"#);
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
}

/// The first key mints, and all of them verify.
#[cfg(unix)]
#[test]
fn token_keys_are_replaced_while_the_server_runs() {
    use crate::reload::reload;

    let (folder, server) = server(&[tags::line(1)], &[]);
    let mut tag = tags::tag(1);
    let old = token(&server, &tag.tap().unwrap());
    with_keys(&folder, &["B7", "7A"]);
    assert!(reload(&server));
    let new = token(&server, &tag.tap().unwrap());
    assert_eq!(answer(&server, &old)["valid"], true);
    with_keys(&folder, &["7A"]);
    assert!(reload(&server));
    assert_eq!(answer(&server, &new), refused("invalid"));
    with_keys(&folder, &[]);
    assert!(reload(&server));
    assert_eq!(verify(&server.address, OWN, &json!({})).status, 404);
}

#[tokio::test]
async fn an_invalid_redirect_is_refused() {
    for (url, reason) in [
        ("https://shop.example/p", "`redirect.url` must have {token} or {jwt} exactly once"),
        ("http://shop.example/{token}", "`redirect.url` must be like https://shop.example/p?t={token}"),
        ("https://{token}.example/", "`redirect.url` must have the placeholder in the path, query or fragment"),
        ("https://a:b@shop.example/{token}", "`redirect.url` must not have a user name"),
        ("https://shop.example/ü{token}", "`redirect.url` must have only visible ASCII characters"),
    ] {
        let redirect = json!({ "url": url });
        let mut group = tags::levels();
        group[2]["tagGroup"]["redirect"] = redirect.clone();
        let tag = [tags::levels(), vec![changed(2, json!({ "redirect": redirect }))]].concat();
        for lines in [group, tag] {
            let error = import_error(&lines).await;
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
    for field in ["folder", "batch"] {
        let mut lines = tags::levels();
        let line = lines.iter_mut().find(|line| line.get(field).is_some()).unwrap();
        line[field]["redirect"] = json!({ "url": URL });
        assert!(import_error(&lines).await.contains("only a tag group or a tag can have"), "{field}");
    }
    let wrong = changed(2, json!({ "redirect": { "url": URL, "lifetime": 60 } }));
    assert!(import_error(&[tags::levels(), vec![wrong]].concat()).await.contains("unknown field `lifetime`"));
}

/// `null` removes a redirect, and an export has it.
#[test]
fn a_redirect_is_exported_and_removed() {
    let folder = Folder::new();
    with_keys(&folder, &["7A"]);
    let own = json!({ "url": "https://a.example/{token}", "audience": "a" });
    import(&folder, &lines(&[changed(1, json!({ "redirect": own }))]));
    let exported = folder.print(&["tag", "export"]);
    let lines: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let redirect = |kind| lines.iter().find_map(|line| line.get(kind)?.get("redirect").cloned());
    assert_eq!((redirect("tagGroup"), redirect("tag")), (Some(json!({ "url": URL })), Some(own)));
    import(&folder, &[json!({ "tag": { "xuid": "tag00001", "organisation": 1, "redirect": null } })]);
    assert!(!folder.print(&["tag", "export"]).contains("https://a.example"));
}

/// Sends a token to all servers at once, and returns how many of the answers are `valid`.
fn valid_answers(addresses: &[&str], token: &str) -> usize {
    let body = json!({ "token": token, "audience": AUDIENCE });
    std::thread::scope(|scope| {
        let body = &body;
        let threads: Vec<_> =
            addresses.iter().map(|address| scope.spawn(move || verify(address, OWN, body).body)).collect();
        let bodies = threads.into_iter().map(|thread| thread.join().unwrap());
        bodies.filter(|body| body.starts_with(r#"{"valid":true,"#)).count()
    })
}

fn one_of_two_is_valid(servers: [&Server; 2]) {
    let mut tag = tags::tag(1);
    for _ in 0..30 {
        let token = token(servers[0], &tag.tap().unwrap());
        let [one, other] = servers.map(|server| &*server.address);
        assert_eq!(valid_answers(&[one, other], &token), 1);
    }
}

#[test]
fn of_two_requests_at_once_one_is_valid() {
    let (_folder, server) = server(&[tags::line(1)], &[]);
    one_of_two_is_valid([&server, &server]);
}

/// Fills a database, and returns the folder with the secrets of its servers.
fn on(url: &str) -> Folder {
    let folder = Folder::new();
    with_keys(&folder, &["7A"]);
    tags::write(&folder.path("lines"), &lines(&[tags::line(1)]));
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.arg("import").arg(folder.path("lines")).args(["--store", url, "--secrets-file"]).arg(folder.secrets());
    assert!(command.output().unwrap().status.success());
    folder
}

/// Two servers on one database.
fn two_servers_are_one(url: &str) {
    let folder = on(url);
    let servers = [(); 2].map(|()| Server::on(url, &folder.secrets()));
    one_of_two_is_valid([&servers[0], &servers[1]]);
}

#[test]
fn of_two_requests_to_two_servers_on_postgres_one_is_valid() {
    let Some(backend) = backends::postgres() else { return };
    two_servers_are_one(&backend.url);
}

#[test]
fn of_two_requests_to_two_servers_on_redis_one_is_valid() {
    let Some(backend) = backends::redis(&[]) else { return };
    two_servers_are_one(&backend.url);
}
