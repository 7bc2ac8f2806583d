//! Tag groups that ask for two taps.

use std::time::Duration;

use serde_json::{Value, json};

use crate::client::{Client, Reply, Server, get};
use crate::http::command;
use crate::import::import_error;
use crate::tags::{self, Folder};

const NAME: &str = "__Host-suntap-first-tap";
/// Longer than the pause that a person needs between two taps.
const PAUSE: Duration = Duration::from_millis(1100);

/// A folder with imported tags of a group that asks for two taps, and a server.
fn server(change: impl FnOnce(&mut Value, &mut Value)) -> (Folder, Server) {
    let folder = Folder::new();
    let mut secrets: Value = serde_json::from_str(tags::SECRETS).unwrap();
    secrets["tokenKeys"] = json!(["7A".repeat(16)]);
    let mut lines = [tags::levels(), vec![tags::line(1), tags::line(2)]].concat();
    lines[2]["tagGroup"]["twoTaps"] = true.into();
    change(&mut secrets, &mut lines[2]["tagGroup"]);
    folder.write_secrets(&secrets.to_string());
    tags::write(&folder.path("lines"), &lines);
    folder.print(&["import", folder.path("lines").to_str().unwrap()]);
    let server = Server::spawn(command(&folder, &["--log", "off"]));
    (folder, server)
}

/// A visitor's browser, which keeps the cookie.
struct Visitor<'s> {
    server: &'s Server,
    cookie: Option<String>,
}

impl<'s> Visitor<'s> {
    fn new(server: &'s Server) -> Self {
        Self { server, cookie: None }
    }

    fn open(&mut self, url: &str) -> Reply {
        let target = tags::target(url).replace("/v1/t?", "/tap?");
        let cookie = self.cookie.as_ref().map(|value| format!("Cookie: other=1; {NAME}={value}\r\n"));
        let cookie = cookie.unwrap_or_default();
        let mut client = Client::new(&self.server.address).unwrap();
        let request = format!("GET {target} HTTP/1.1\r\nHost: t.example\r\n{cookie}\r\n");
        client.send(request.as_bytes()).unwrap();
        let reply = client.receive().unwrap();
        if let Some(set) = reply.header("set-cookie") {
            let (value, attributes) = set.strip_prefix(NAME).unwrap()[1..].split_once("; ").unwrap();
            let lifetime = if value.is_empty() { 0 } else { 60 };
            let expected = format!("HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={lifetime}");
            assert_eq!(attributes, expected);
            self.cookie = (lifetime > 0).then(|| value.to_owned());
        }
        reply
    }
}

/// Returns the title of a page.
fn title(reply: &Reply) -> &str {
    reply.body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).unwrap().0
}

#[test]
fn the_verdict_is_shown_after_the_second_tap() {
    let (_folder, server) = server(|_, _| ());
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    let first = tag.tap().unwrap();
    let reply = visitor.open(&first);
    assert_eq!((reply.status, title(&reply)), (200, "Tap once more"));
    assert!(reply.body.contains("1 of 2 taps") && !reply.body.contains("Genuine"), "{}", reply.body);
    assert!(visitor.cookie.is_some());
    // A copy of the first tap is not the second one.
    std::thread::sleep(PAUSE);
    assert_eq!(title(&visitor.open(&first)), "Link already used");
    let reply = visitor.open(&tag.tap().unwrap());
    assert_eq!(title(&reply), "Genuine");
    assert_eq!(visitor.cookie, None);
    // The next tap is a first one.
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Tap once more");
}

#[test]
fn another_visitor_or_tag_and_a_changed_cookie_start_anew() {
    let (_folder, server) = server(|_, _| ());
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    visitor.open(&tag.tap().unwrap());
    std::thread::sleep(PAUSE);
    assert_eq!(title(&Visitor::new(&server).open(&tag.tap().unwrap())), "Tap once more");
    let kept = visitor.cookie.clone().unwrap();
    for index in 0..kept.len() {
        let mut changed = kept.clone();
        changed.replace_range(index..=index, if &kept[index..=index] == "A" { "B" } else { "A" });
        let mut other = Visitor { server: &server, cookie: Some(changed) };
        assert_eq!(title(&other.open(&tag.tap().unwrap())), "Tap once more", "byte {index}");
    }
    let mut other = Visitor { server: &server, cookie: Some(kept) };
    assert_eq!(title(&other.open(&tags::tag(2).tap().unwrap())), "Tap once more");
    // The cookie of its own first tap is still good.
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Genuine");
}

/// A phone that stays at a tag reads it twice.
#[test]
fn two_taps_at_once_are_one() {
    let (_folder, server) = server(|_, _| ());
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    visitor.open(&tag.tap().unwrap());
    let kept = visitor.cookie.clone();
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Tap once more");
    assert_eq!(visitor.cookie, kept, "the first tap counts from its own time");
    std::thread::sleep(PAUSE);
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Genuine");
}

/// Only the first of several second taps gets the verdict, whatever the visitor does with the cookie.
#[test]
fn a_first_tap_is_good_for_one_verdict() {
    let (_folder, server) = server(|_, _| ());
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    visitor.open(&tag.tap().unwrap());
    let kept = visitor.cookie.clone();
    std::thread::sleep(PAUSE);
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Genuine");
    visitor.cookie.clone_from(&kept);
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Tap once more");
    assert!(visitor.cookie.is_some() && visitor.cookie != kept, "the tap is the first one of two");
    std::thread::sleep(PAUSE);
    assert_eq!(title(&visitor.open(&tag.tap().unwrap())), "Genuine");

    // The same for second taps at the same time.
    visitor.open(&tag.tap().unwrap());
    let kept = visitor.cookie.clone();
    std::thread::sleep(PAUSE);
    let urls: Vec<_> = (0..8).map(|_| tag.tap().unwrap().to_string()).collect();
    let genuine = std::thread::scope(|scope| {
        let open = |url| title(&Visitor { server: &server, cookie: kept.clone() }.open(url)) == "Genuine";
        let threads: Vec<_> = urls.iter().map(|url| scope.spawn(move || open(url))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).filter(|genuine| *genuine).count()
    });
    assert!(genuine <= 1, "{genuine}");
}

#[test]
fn a_forged_tap_is_neither_a_first_nor_a_second_one() {
    let (_folder, server) = server(|_, _| ());
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    let mut forged = |visitor: &mut Visitor<'_>| {
        let mut url = tag.tap().unwrap().to_string();
        let last = if url.ends_with('0') { "1" } else { "0" };
        url.replace_range(url.len() - 1.., last);
        title(&visitor.open(&url)).to_owned()
    };
    assert_eq!(forged(&mut visitor), "Not recognised");
    assert_eq!(visitor.cookie, None);
    let mut other = tags::tag(1).with_ctr(suntap::SdmReadCtr::new(100).unwrap());
    visitor.open(&other.tap().unwrap());
    let kept = visitor.cookie.clone();
    std::thread::sleep(PAUSE);
    assert_eq!(forged(&mut visitor), "Not recognised");
    assert!(kept.is_some() && visitor.cookie == kept, "nothing is spent");
    assert_eq!(title(&visitor.open(&other.tap().unwrap())), "Genuine");
}

/// A redirect follows the second tap. The first tap's token opens no page.
#[test]
fn a_redirect_follows_the_second_tap() {
    const KEY: &str = "private-key-of-one";
    let (folder, server) = server(|_, group| {
        group["redirect"] = json!({ "url": "https://shop.example/?t={token}", "audience": "first tap 1" });
    });
    tags::write(&folder.path("key"), &[json!({ "apiKey": { "organisation": 1, "key": KEY, "kind": "private" } })]);
    drop(server);
    folder.print(&["import", folder.path("key").to_str().unwrap()]);
    let server = Server::spawn(command(&folder, &["--log", "off"]));
    let mut tag = tags::tag(1);
    let mut visitor = Visitor::new(&server);
    assert_eq!(visitor.open(&tag.tap().unwrap()).status, 200);
    let kept = visitor.cookie.clone().unwrap();
    let verify = |token: &str| {
        let body = json!({ "token": token, "audience": "first tap 1" }).to_string();
        let headers = format!("API-Key: {KEY}\r\n");
        let reply = Client::new(&server.address).unwrap().post("/v1/taps/verify-token", &headers, body.as_bytes());
        reply.unwrap().body
    };
    assert_eq!(verify(&kept), r#"{"valid":false,"reason":"invalid"}"#);
    std::thread::sleep(PAUSE);
    let reply = visitor.open(&tag.tap().unwrap());
    assert_eq!((reply.status, &visitor.cookie), (303, &None));
    let token = reply.header("location").unwrap().strip_prefix("https://shop.example/?t=").unwrap();
    // The token of a redirect is not a first tap either.
    let mut other = Visitor { server: &server, cookie: Some(token.into()) };
    assert_eq!(title(&other.open(&tag.tap().unwrap())), "Tap once more");
    assert!(verify(token).starts_with(r#"{"valid":true"#));
}

/// Both vendor APIs answer each tap.
#[test]
fn the_apis_do_not_ask_for_a_second_tap() {
    let (_folder, server) = server(|_, _| ());
    let reply = get(&server.address, &tags::target(&tags::tag(1).tap().unwrap()));
    assert_eq!((&*reply.body, reply.header("set-cookie")), (r#"{"xuid":"tag00001","response":"Pass"}"#, None));
}

#[test]
fn without_token_keys_the_page_does_not_answer() {
    const WARNING: &str = "it asks for two taps, and the secrets have no `tokenKeys`: the page refuses to answer";
    let (folder, server) = server(|secrets, _| drop(secrets.as_object_mut().unwrap().remove("tokenKeys")));
    let mut visitor = Visitor::new(&server);
    let reply = visitor.open(&tags::tag(1).tap().unwrap());
    assert_eq!((reply.status, title(&reply), &visitor.cookie), (503, "No answer right now", &None));
    drop(server);
    let checked = String::from_utf8(folder.run(&["check"]).stdout).unwrap();
    assert_eq!(checked.matches(&format!("level/1/F/G: {WARNING}")).count(), 1, "{checked}");
}

#[tokio::test]
async fn only_a_group_asks_for_two_taps() {
    for field in ["folder", "batch"] {
        let mut lines = tags::levels();
        let line = lines.iter_mut().find(|line| line.get(field).is_some()).unwrap();
        line[field]["twoTaps"] = true.into();
        assert!(import_error(&lines).await.contains("only a tag group can ask for two taps"), "{field}");
    }
}
