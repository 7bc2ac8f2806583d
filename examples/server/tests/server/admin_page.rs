//! The operator's page: who may see it, what it shows, and what it never shows.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Encoding as _};
use fantoccini::Locator;
use serde_json::{Value, json};
use suntap::UnixMillis;
use suntap_server::ops::history::Line;
use suntap_server::store::{Change, Entry, Options, Store, Stream};

use crate::admin::{Live, command, lines, success};
use crate::backends;
use crate::browser::Driver;
use crate::client::{Client, Reply};
use crate::counters::etrnl_tag;
use crate::states::sealed;
use crate::tags::{self, Folder};

const MINUTE: u64 = 60_000;
const NO_STORE: (&str, &str) = ("cache-control", "no-store");

fn basic(user: &str, key: &str) -> String {
    format!("Authorization: Basic {}\r\n", Base64::encode_string(format!("{user}:{key}").as_bytes()))
}

fn get(live: &Live, target: &str, headers: &str) -> Reply {
    live.send("GET", target, headers, b"")
}

/// Asks with the key that can only read.
fn page(live: &Live, target: &str) -> Reply {
    get(live, target, &basic("Bob", &live.reader))
}

/// Returns a page that must exist, from the end of its style on.
fn shown(live: &Live, target: &str) -> String {
    let reply = page(live, target);
    assert_eq!(reply.status, 200, "{target}: {}", title(&reply));
    reply.body.split_once("</style>").unwrap().1.into()
}

fn title(reply: &Reply) -> &str {
    reply.body.split_once("<title>").unwrap().1.split_once("</title>").unwrap().0
}

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn tap<'a>(verdict: &'a str, tag: &'a str, ctr: u32, api: &'a str) -> Line<'a> {
    let client = Some([192, 0, 2, 77].into());
    let counter_id = Some("0123456789ABCDEF0123456789ABCDEF".into());
    Line::Tap {
        verdict,
        signal: None,
        tag,
        counter_id,
        ctr: Some(ctr),
        api,
        client,
        request: "0123456789abcdef".into(),
    }
}

fn before(ago: u64, line: &Line<'_>) -> Entry {
    line.entry(UnixMillis::new(now() - ago))
}

/// Starts a server on a store with a history.
async fn with_history(given: &[Value], history: Vec<(Stream, Vec<Entry>)>, flags: &[&str]) -> Live {
    let folder = Folder::new();
    let path = folder.path("data.redb").to_str().unwrap().to_owned();
    let store = Store::create(&path.parse().unwrap(), Options::default()).await.unwrap();
    for (stream, entries) in history {
        for entries in entries.chunks(5000) {
            store.append(stream, entries.to_vec()).await.unwrap();
        }
    }
    store.close().await;
    Live::start(folder, path, given, flags)
}

/// A server with sixty tags and the taps of an hour.
pub(crate) async fn busy() -> Live {
    let mut given = lines(60);
    let first = given.iter().position(|line| line["tag"]["xuid"] == "tag00001").unwrap();
    given[first] = sealed(1).1;
    given[first]["tag"]["name"] = "Running shoe, left".into();
    given[first + 1]["tag"]["state"] = "inactive".into();
    given[first + 2]["tag"]["name"] = "Donaudampfschifffahrtsgesellschaftskapitän".repeat(3).into();
    given.push(etrnl_tag(1001).1);
    let mut taps = Vec::new();
    for number in 0..1308_u32 {
        let tag = format!("xuid/{}", tags::xuid(1 + number % 60));
        let ago = u64::from(number) * 2600 + u64::from(number % 7) * 900;
        taps.push(before(ago, &tap("fresh", &tag, 1 + number / 60, ["page", "ixkio"][number as usize % 2])));
    }
    taps.push(before(500, &tap("fresh", "number/1001", 17, "etrnl")));
    taps.push(before(26 * 60 * MINUTE, &tap("fresh", "xuid/tag00001", 1, "page")));
    let act =
        Line::Admin { act: "tag.enable", subject: "xuid/tag00001", detail: "", by: "Ann", client: None, request: None };
    taps.push(before(3 * MINUTE, &act));
    let replays = (0..20).map(|n| before(n * 170_000, &tap("replayed", "xuid/tag00001", 2, "page"))).collect();
    let counts = [
        ("not_authentic", Some("xuid/tag00001"), 23),
        ("replayed", Some("xuid/tag00001"), 41),
        ("unknown_tag", None, 19),
        ("inactive", Some("xuid/tag00002"), 12),
        ("no_request", None, 7),
    ];
    let refusals = counts.iter().zip(1..).flat_map(|((verdict, tag, count), n)| {
        let line = |count| Line::Refused { verdict, tag: *tag, count };
        [before(n * 11 * MINUTE, &line(count - 1)), before(2 * MINUTE, &line(1))]
    });
    let refusals = refusals.collect();
    with_history(&given, vec![(Stream::Records, taps), (Stream::Replays, replays), (Stream::Refusals, refusals)], &[])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_overview_has_the_figures_of_the_history() {
    let live = busy().await;
    let body = shown(&live, "/");
    for expected in [
        "<dt>Tags</dt><dd>61</dd>",
        "<dt>Taps, last hour</dt><dd>1,431</dd><dd>1,309 of them new</dd>",
        "<dt>Refused, last hour</dt><dd>122</dd><dd>8.5 %</dd>",
        // One from the store, and an import and two keys from the start.
        "<dt>Admin acts, last hour</dt><dd>4</dd>",
        "<h2 id=\"rate\">Taps per minute</h2>",
        "Seen before<br><code class=\"soft\"><bdi>replayed</bdi></code>",
        "The newest eight of the last ",
        "/tags/number/1001",
        "ETRNL",
    ] {
        assert!(body.contains(expected), "{expected}: {body}");
    }
    let kinds = body.split_once("id=\"kinds\"").unwrap().1.split_once("</table>").unwrap().0;
    let counts: Vec<_> =
        kinds.split("<td class=\"end\">").skip(1).map(|cell| cell.split('<').next().unwrap()).collect();
    assert_eq!(counts, ["61", "23", "19", "12", "7"]);
    let last = body.split_once("id=\"taps\"").unwrap().1.split_once("</table>").unwrap().0;
    assert_eq!(last.matches("<tr>").count(), 9, "{last}");

    let tag = shown(&live, "/tags/xuid/tag00001");
    for expected in [
        "<h1 id=\"detail\">Tag <bdi>SHOE-0042</bdi></h1>",
        "<h2><bdi>Running shoe, left</bdi></h2>",
        "<dt>Organisation <bdi>One</bdi></dt>",
        "<dt>Group <bdi>G</bdi></dt>",
        "<dd><code>…0001</code></dd>",
        "<dt>Last counter</dt><dd>None yet</dd>",
        "<dt>Keys</dt><dd>Sealed</dd>",
        "{:xuid} {uid} {ctr} {enc:32,tt@0} {mac}",
        "<dt>Seal</dt><dd>Part of the verdict</dd>",
        "<code><bdi>tag.enable</bdi></code>",
        "<bdi>Ann</bdi>",
        "Seen before",
        "The newest twenty lines of the last ",
    ] {
        assert!(tag.contains(expected), "{expected}: {tag}");
    }
    // None of these is on any page.
    for body in [&body, &tag, &shown(&live, "/tags"), &shown(&live, "/tags/number/1001")] {
        for secret in
            ["043322", "04080808", "192.0.2.77", "0123456789", "https://t.example", &live.reader, &"01".repeat(16)]
        {
            assert!(!body.contains(secret), "{secret}");
        }
        assert!(!body.contains("<script") && !body.contains("style=") && !body.contains("src="), "{body}");
    }
}

#[test]
fn a_tag_is_shown_as_the_server_uses_it() {
    let layout = json!({ "template": "https://t.example/n?id={:tagId}&e={picc:uid,ctr}&c={mac}" });
    let without_keys = json!({ "tag": { "organisation": 1, "number": 7, "layout": layout } });
    let live = Live::new(&[lines(3), vec![etrnl_tag(7000).1, without_keys]].concat());
    let mut emulated = tags::tag(1);
    for _ in 0..3 {
        assert!(live.tap(&emulated.tap().unwrap()).contains("Pass"));
    }
    let body = shown(&live, "/tags/xuid/tag00001");
    for expected in [
        "<dt>Last counter</dt><dd><span class=\"number\">3</span>",
        "<dt>Accepted taps</dt><dd><span class=\"number\">3</span>",
        "In use",
    ] {
        assert!(body.contains(expected), "{expected}: {body}");
    }
    assert!(body.contains("Genuine") && !body.contains("Not in use"), "{body}");
    live.print(&["group", "disable", "--organisation", "1", "F/G"]);
    let body = shown(&live, "/tags/xuid/tag00001");
    assert_eq!(body.matches("Not in use").count(), 1, "{body}");
    assert!(body.contains("All taps are refused."), "{body}");
    let body = shown(&live, "/tags/number/7000");
    assert!(
        body.contains("<dt>Last counter</dt><dd>None yet</dd>") && body.contains("under the eCode, epoch 0"),
        "{body}"
    );
    let body = shown(&live, "/tags/number/7");
    assert!(
        body.contains("<dt>Last counter</dt><dd>Not known</dd>") && body.contains("<dd>Not known yet</dd>"),
        "{body}"
    );
}

#[test]
fn postgres_has_the_page_too() {
    let Some(backend) = backends::postgres() else { return };
    everything_is_found(&backend.url);
}

#[test]
fn redis_has_the_page_too() {
    let Some(backend) = backends::redis(&[]) else { return };
    everything_is_found(&backend.url);
}

fn everything_is_found(url: &str) {
    let live = Live::start(Folder::new(), url.into(), &[lines(120), vec![etrnl_tag(7000).1]].concat(), &[]);
    for number in 1..=9 {
        assert!(live.tap(&tags::tag(number).tap().unwrap()).contains("Pass"));
    }
    let body = shown(&live, "/");
    for expected in ["<dt>Tags</dt><dd>121</dd>", "<dt>Taps, last hour</dt><dd>9</dd>", "/tags/xuid/tag00009"] {
        assert!(body.contains(expected), "{expected}: {body}");
    }
    for query in ["tag00007", "04332200000007"] {
        assert_eq!(page(&live, &format!("/tags?q={query}")).header("location"), Some("/tags/xuid/tag00007"), "{query}");
    }
    let body = shown(&live, "/tags/xuid/tag00007");
    assert!(body.contains("<dt>Last counter</dt><dd><span class=\"number\">1</span>"), "{body}");
    assert_eq!(body.matches("Genuine").count(), 1, "{body}");
    let found: BTreeSet<_> = listed(&live, "/tags").into_iter().flatten().collect();
    assert_eq!(found.len(), 121);
}

/// Returns the tags of each page of a list.
fn listed(live: &Live, target: &str) -> Vec<Vec<String>> {
    let (mut pages, mut target) = (Vec::new(), target.to_owned());
    loop {
        let body = shown(live, &target);
        let links = body.split("<a class=\"mono\" href=\"/tags/").skip(1);
        pages.push(links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect());
        let Some((before, _)) = body.split_once("\">Next page</a>") else { return pages };
        target = before.rsplit_once("href=\"").unwrap().1.replace("&amp;", "&");
    }
}

#[test]
fn a_tag_is_found_by_each_of_its_names() {
    let mut given = lines(120);
    let first = given.iter().position(|line| line["tag"]["xuid"] == "tag00001").unwrap();
    given[first]["tag"]["cuid"] = "SHOE 42/b".into();
    given.push(etrnl_tag(7000).1);
    let live = Live::new(&given);
    for (query, path) in [
        ("tag00001", "/tags/xuid/tag00001"),
        ("+tag00001+", "/tags/xuid/tag00001"),
        ("xuid%2Ftag00001", "/tags/xuid/tag00001"),
        ("SHOE+42%2Fb", "/tags/xuid/tag00001"),
        ("cuid%2Fabc123%2FSHOE+42%2Fb", "/tags/xuid/tag00001"),
        ("04332200000001", "/tags/xuid/tag00001"),
        ("uid%2Fabc123%2F04332200000001", "/tags/xuid/tag00001"),
        ("7000", "/tags/number/7000"),
        ("number/7000", "/tags/number/7000"),
    ] {
        let reply = page(&live, &format!("/tags?q={query}"));
        assert_eq!((reply.status, reply.header("location")), (303, Some(path)), "{query}: {reply:?}");
    }
    for query in
        ["tag09", "04332200000999", "cuid/x", "counter/0", "organisation/1", "8", "number/", "a/b/c", "%25", "%3Cb%3E"]
    {
        let body = shown(&live, &format!("/tags?q={query}"));
        assert!(body.contains("None.") || query == "number/", "{query}: {body}");
        assert!(!body.contains("<b>"));
    }
    let pages = listed(&live, "/tags?q=tag");
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [50, 50, 20]);
    assert_eq!(pages.into_iter().flatten().collect::<BTreeSet<_>>().len(), 120);
    for target in ["/tags?cursor=x", "/tags?cursor=9.", "/tags?x=1", "/tags?q=a&q=b", "/tags/xuid/%FF"] {
        assert_eq!(page(&live, target).status, 400, "{target}");
    }
    for target in ["/tags/", "/tags/x", "/tags/xuid/none", "/tags/number/1", "/tags/xuid/a/b"] {
        let reply = page(&live, target);
        assert_eq!((reply.status, title(&reply)), (404, "Not found"), "{target}");
        assert!(reply.header("x-request-id").is_some(), "{target}");
    }
    assert_eq!(page(&live, "/tags/number/x").status, 400);
}

#[test]
fn only_a_key_that_can_do_nothing_but_read_opens_the_page() {
    let live = Live::new(&lines(1));
    let patch = live.print(&["manager", "new", "--label", "App", "--role", "patch", "--organisation", "1"]);
    let expired = live.print(&["manager", "new", "--label", "Old", "--role", "read-only", "--expires", "10s"]);
    while get(&live, "/", &basic("Old", expired.trim())).status == 200 {
        std::thread::sleep(Duration::from_millis(100));
    }
    let api_key = live.print(&["key", "new", "--organisation", "1"]);
    let other = "This key can do more than read";
    for (headers, expected) in [
        (String::new(), "Sign in"),
        (basic("Bob", ""), "Sign in"),
        (basic("", "management_00000000000000000000000000000000"), "Sign in"),
        (basic(&live.reader, "x"), "Sign in"),
        (basic("Bob", expired.trim()), "Sign in"),
        (basic("Bob", api_key.trim()), "Sign in"),
        ("Authorization: Basic %%%\r\n".into(), "Sign in"),
        (format!("Authorization: Basic {}\r\n", live.reader), "Sign in"),
        (format!("Authorization: Bearer {}\r\n", live.reader), "Sign in"),
        (basic("Bob", &live.reader).repeat(2), "Sign in"),
        (basic("Ann", &live.writer), other),
        (basic("App", patch.trim()), other),
    ] {
        for target in ["/", "/tags", "/tags/xuid/tag00001", "/tags/xuid/none", "/tags/"] {
            let reply = get(&live, target, &headers);
            assert_eq!((reply.status, title(&reply)), (401, expected), "{headers:?} {target}");
            assert_eq!(reply.header("www-authenticate"), Some(r#"Basic realm="suntap", charset="UTF-8""#));
            assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
            assert_eq!(reply.header("connection"), Some("close"));
            assert!(!reply.body.contains("management_"), "{}", reply.body);
        }
    }
    for headers in [
        basic("Bob", &live.reader),
        basic("", &live.reader),
        basic("a:b", "x").replace("YTpiOng=", &Base64::encode_string(format!("Bob:{}", live.reader).as_bytes())),
    ] {
        let reply = get(&live, "/", &headers.replace("Basic", "basic"));
        assert_eq!((reply.status, title(&reply)), (200, "Operator"));
        assert_eq!(reply.header("www-authenticate"), None);
    }
    assert!(live.log().contains("the role of a management key did not allow a request"));
    // A browser sends the password of the page to the API too, which must not accept it.
    for key in [&live.reader, &live.writer] {
        for (method, target) in [
            ("GET", "/admin/v1/tags"),
            ("GET", "/admin/v1/openapi.json"),
            ("POST", "/admin/v1/tags/xuid/tag00001/disable"),
            ("DELETE", "/admin/v1/tags/xuid/tag00001"),
            ("PATCH", "/v1/x/tag00001"),
            ("GET", "/nowhere"),
        ] {
            let reply = live.send(method, target, &basic("Ann", key), b"");
            assert_eq!((reply.status, reply.header("www-authenticate")), (401, None), "{method} {target}");
            assert!(reply.body.contains("\"unauthorized\""), "{reply:?}");
        }
    }
    // The page is not on the public listener.
    let mut client = Client::new(&live.server.address).unwrap();
    let head = format!("GET /tags HTTP/1.1\r\nHost: t\r\n{}\r\n", basic("Bob", &live.reader));
    client.send(head.as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 404);
}

#[test]
fn too_many_invalid_keys_get_429() {
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let live = Live::start(folder, store, &lines(1), &["--invalid-keys", "1"]);
    // A browser first asks without a key.
    for _ in 0..10 {
        assert_eq!(get(&live, "/", "").status, 401);
    }
    assert_eq!(live.log().matches("invalid management key").count(), 0);
    let statuses: Vec<_> = (0..2).map(|_| get(&live, "/", &basic("x", "management_x")).status).collect();
    assert_eq!(statuses, [401, 429]);
    let reply = get(&live, "/", &basic("x", "management_x"));
    assert_eq!((title(&reply), reply.header("www-authenticate")), ("Wait a minute", None));
    // The limit is that of the API.
    let bearer = "Authorization: Bearer management_x\r\n";
    assert_eq!(get(&live, "/admin/v1/tags", bearer).status, 429);
    assert_eq!(live.log().matches("invalid management key").count(), 1);
    assert_eq!(page(&live, "/").status, 200);
    assert_eq!(live.log().matches("invalid management key").count(), 1);
    assert_eq!(get(&live, "/favicon.ico", &basic("Bob", &live.reader)).status, 404);
    assert_eq!(get(&live, "/favicon.ico", "").status, 404);
}

#[test]
fn other_web_pages_cannot_open_it_and_nothing_can_be_sent_to_it() {
    let live = Live::new(&lines(1));
    let key = basic("Bob", &live.reader);
    for (headers, status) in [
        ("Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\n", 200),
        ("Sec-Fetch-Site: same-origin\r\n", 200),
        ("Sec-Fetch-Site: same-site\r\n", 403),
        ("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", 403),
        ("Origin: https://evil.example\r\n", 403),
        ("Origin: null\r\n", 403),
    ] {
        for target in ["/", "/tags", "/tags/xuid/tag00001"] {
            let reply = get(&live, target, &format!("{key}{headers}"));
            assert_eq!(reply.status, status, "{headers} {target}");
            if status == 403 {
                assert_eq!(title(&reply), "Opened from another page");
                assert!(reply.body.contains("<a class=\"button\" href=\"/\">"), "{}", reply.body);
            }
        }
    }
    // Before the key: a page of another origin cannot make a browser ask for a password.
    assert_eq!(get(&live, "/", "Sec-Fetch-Site: cross-site\r\n").status, 403);
    let mut client = Client::new(live.admin.strip_prefix("http://").unwrap()).unwrap();
    client.send(format!("GET / HTTP/1.1\r\nHost: evil.example\r\n{key}\r\n").as_bytes()).unwrap();
    let reply = client.receive().unwrap();
    assert_eq!((reply.status, title(&reply)), (403, "Not allowed"));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for target in ["/", "/tags", "/tags/xuid/tag00001"] {
            let reply = live.send(method, target, &key, b"");
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET,HEAD")), "{method} {target}: {reply:?}");
        }
    }
    // HEAD has the same head and no body, so the connection can be used again.
    let mut client = Client::new(live.admin.strip_prefix("http://").unwrap()).unwrap();
    for (target, status) in [("/", 200), ("/tags", 200), ("/tags/xuid/tag00001", 200), ("/tags/xuid/none", 404)] {
        client.send(format!("HEAD {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{key}\r\n").as_bytes()).unwrap();
        let reply = client.receive_head().unwrap();
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, Some("text/html; charset=utf-8")),
            "{target}"
        );
    }
    for (target, headers) in [("/", &*key), ("/tags/xuid/none", &key), ("/", ""), ("/favicon.ico", "")] {
        let reply = get(&live, target, headers);
        let policy = reply.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "style-src 'sha256-",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        for (name, value) in [
            NO_STORE,
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{target}");
        }
    }
    let history = live.print(&["history", "--event", "admin"]);
    assert!(!history.contains(r#""by":"Bob""#), "reading is no act: {history}");
}

#[test]
fn a_proxy_that_logs_people_in_needs_no_key() {
    let live = |flags: &[&str]| {
        let folder = Folder::new();
        let store = folder.path("data.redb").to_str().unwrap().to_owned();
        Live::start(folder, store, &lines(1), flags)
    };
    let proxy = live(&["--admin-page", "proxy", "--trusted-proxy", "127.0.0.0/8"]);
    for headers in ["", "X-Forwarded-For: 203.0.113.5\r\n", "Authorization: Basic eDp5\r\n"] {
        assert_eq!(get(&proxy, "/", headers).status, 200);
    }
    assert_eq!(get(&proxy, "/", "Sec-Fetch-Site: cross-site\r\n").status, 403);
    assert_eq!(get(&proxy, "/admin/v1/tags", "").status, 401);
    assert_eq!(proxy.send("POST", "/admin/v1/tags/xuid/tag00001/disable", "", b"").status, 401);
    // Another client needs a key, whatever it says about itself.
    let other = live(&["--admin-page", "proxy", "--trusted-proxy", "192.0.2.1"]);
    assert_eq!(get(&other, "/", "X-Forwarded-For: 192.0.2.1\r\n").status, 401);
    assert_eq!(page(&other, "/").status, 200);
    let off = live(&["--admin-page", "off"]);
    for target in ["/", "/tags", "/favicon.ico"] {
        let reply = page(&off, target);
        assert_eq!((reply.status, reply.header("content-type")), (401, Some("application/json")), "{target}");
    }
    // With `proxy`, it must be known who the proxy is.
    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    for more in [&["--check-config"][..], &[]] {
        let args = [&["serve", "--admin-page", "proxy", "--admin-listen", "127.0.0.1:0"], more].concat();
        let output = command(&folder, &store, &args).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains("--admin-page proxy needs --trusted-proxy"), "{text}");
    }
    let args = ["serve", "--admin-page", "proxy", "--admin-listen", "unix:/run/a.sock", "--check-config"];
    success(command(&folder, &store, &args).output().unwrap());
}

#[cfg(unix)]
#[test]
fn a_socket_has_the_page_too() {
    use std::io::{Read as _, Write as _};

    // The path of a socket is short.
    let place = tempfile::Builder::new().prefix("st").tempdir().unwrap();
    for (number, (login, status)) in [("key", "401"), ("proxy", "200")].into_iter().enumerate() {
        let path = place.path().join(format!("{number}.sock"));
        let folder = Folder::new();
        let store = folder.path("data.redb").to_str().unwrap().to_owned();
        let address = format!("unix:{}", path.display());
        let _live = Live::start(folder, store, &lines(1), &["--admin-listen", &address, "--admin-page", login]);
        let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{login}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_characters_and_markup_are_escaped() {
    let bad = "<b>\u{202e}a\u{0}\n&\"'";
    let tag = format!("xuid/{bad}");
    let act = Line::Admin { act: bad, subject: "xuid/tag00001", detail: "", by: bad, client: None, request: None };
    let refused = Line::Refused { verdict: bad, tag: Some(&tag), count: 3 };
    let entries =
        vec![before(10, &tap(bad, &tag, 1, bad)), before(20, &act), before(30, &tap("fresh", "xuid/tag00001", 1, bad))];
    let history = vec![(Stream::Records, entries), (Stream::Refusals, vec![before(MINUTE, &refused)])];
    let folder = Folder::new();
    let path = folder.path("data.redb").to_str().unwrap().to_owned();
    let given = folder.path("lines");
    tags::write(&given, &lines(1));
    success(command(&folder, &path, &["import", given.to_str().unwrap()]).output().unwrap());
    let store = Store::open(&path.parse().unwrap(), Options::default()).await.unwrap();
    for (stream, entries) in history {
        store.append(stream, entries).await.unwrap();
    }
    // An import refuses such names. An older version, or another program, may have written them.
    let found = store.page("", None, 1000).await.unwrap().documents;
    let text = |text: &str| serde_json::to_string(text).unwrap();
    let spoilt =
        found.iter().filter(|(key, _)| ["organisation/1", "xuid/tag00001"].contains(&&**key)).map(|(key, document)| {
            let document = document.replace(&text("One"), &text(bad)).replace(&text("Shoe"), &text(bad));
            assert!(document.contains("<b>"), "{document}");
            (key.clone(), Some(document))
        });
    store.change(&Change { writes: spoilt.collect(), ..Change::default() }).await.unwrap();
    store.close().await;
    let live = Live::start(folder, path, &[], &[]);
    for target in ["/", "/tags", "/tags/xuid/tag00001", "/tags?q=%3Cb%3E%E2%80%AE"] {
        let body = shown(&live, target);
        assert!(body.contains(r"&lt;b&gt;\u{202e}"), "{target}: {body}");
        assert!(!body.contains("<b>") && !body.contains('\u{202e}') && !body.contains('\u{0}'), "{target}: {body}");
    }
    let reply = page(&live, "/tags/xuid/%3Cb%3E%E2%80%AE");
    assert_eq!(reply.status, 404);
    assert!(!reply.body.contains("<b>") && !reply.body.contains('\u{202e}'), "{}", reply.body);
}

/// A store with many tags and a long history does not make the page slow, and the page says what it left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_it_did_not_read() {
    let taps = (0..45_000).map(|n| before(3 * MINUTE + n * 5, &tap("fresh", "xuid/tag00002", 1, "page")));
    // It stays in the last minute however long the start takes: the clock of another server may be fast.
    let newest = Entry { at: UnixMillis::new(now() + MINUTE), ..before(0, &tap("fresh", "xuid/tag00001", 9, "page")) };
    let taps = taps.chain([newest]).collect();
    let live = with_history(&lines(1100), vec![(Stream::Records, taps)], &[]).await;
    let body = shown(&live, "/");
    assert!(body.contains("<dt>Tags</dt><dd>1,000+</dd>"), "{body}");
    assert!(body.contains("Taps, last minute") && body.contains("too many taps in the last hour"), "{body}");
    assert!(body.contains("of the last minute: there are too many lines before"), "{body}");
    let body = shown(&live, "/tags/xuid/tag00001");
    assert!(body.contains("of the last minute: there are too many lines before"), "{body}");

    let folder = Folder::new();
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let live = Live::start(folder, store, &lines(1), &["--history-keep", "0"]);
    let body = shown(&live, "/");
    assert!(body.contains("The history is off") && !body.contains("last hour"), "{body}");
    assert!(shown(&live, "/tags/xuid/tag00001").contains("The history is off"));
}

/// A person signs in once, finds a tag, and reads about it. A link on another web page leads to a question first.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_finds_a_tag_with_a_browser() {
    let Some(driver) = Driver::start() else { return };
    let live = Live::new(&lines(3));
    let address = live.admin.strip_prefix("http://").unwrap();
    let browser = driver.browser(&[], json!({})).await;
    let heading = async |expected: &str| {
        let path = format!("//h1[normalize-space()='{expected}']");
        browser.wait().at_most(Duration::from_secs(20)).for_element(Locator::XPath(&path)).await.unwrap();
    };
    let press = async |path: &str| browser.find(Locator::XPath(path)).await.unwrap().click().await.unwrap();
    // As a link in a mail program: the browser has no page that led to it.
    browser.goto(&format!("http://operator:{}@{address}/", live.reader)).await.unwrap();
    heading("Operator").await;
    browser.find(Locator::Css("#q")).await.unwrap().send_keys("04332200000002").await.unwrap();
    press("//button").await;
    heading("Tag tag00002").await;
    press("//a[.='Tags']").await;
    heading("Tags").await;
    press("//td//a[.='tag00003']").await;
    heading("Tag tag00003").await;
    // The other page has another origin, and the browser has the password already.
    let other = format!("http://localhost:{}/", live.server.address.rsplit(':').next().unwrap());
    browser.goto(&other).await.unwrap();
    heading("Is it the original?").await;
    let link =
        format!("const link = document.createElement('a'); link.href = '{}/tags'; link.textContent = 'x';", live.admin);
    browser.execute(&format!("{link} document.querySelector('main').append(link);"), Vec::new()).await.unwrap();
    press("//a[.='x']").await;
    heading("Opened from another page").await;
    press("//a[.='To the overview']").await;
    heading("Operator").await;
    let is_blocked = |line: &String| line.contains("Content Security Policy");
    assert_eq!(driver.console(&browser).await.iter().find(|line| is_blocked(line)), None);
    browser.close().await.unwrap();
}
