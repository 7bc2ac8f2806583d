//! What the page of a phone shows in each state, and what it never shows.

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;

use crate::backends;
use crate::client::{Client, Reply, Server, get};
use crate::demo::start;
use crate::http::server_of;
use crate::tags;

const SEALED: &str = "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e=[[{enc:32,tt@0}{mac}";

/// Returns a page without the time of the check.
pub(crate) fn timeless(page: &str) -> String {
    let Some((before, rest)) = page.split_once("<time ") else { return page.into() };
    let (time, after) = rest.split_once("</time>").unwrap();
    assert_eq!(time.len(), r#"datetime="2026-11-25T14:32:07Z">25 Nov 2026, 14:32 UTC"#.len(), "{time}");
    format!("{before}{after}")
}

/// A tag with a seal, and the line that imports it.
pub(crate) fn sealed(number: u32) -> (EmulatedTag, Value) {
    let xuid = tags::xuid(number);
    let mut line = tags::line(number);
    line["tag"]["layout"] = json!({ "template": SEALED });
    line["tag"]["tamper"] = true.into();
    line["tag"]["cuid"] = "SHOE-0042".into();
    (tags::tag_with(SEALED, &[("xuid", &xuid)], number), line)
}

fn fact(name: &str, value: &str) -> String {
    format!("<dt>{name}</dt><dd>{value}</dd>")
}

#[test]
fn each_state_of_a_seal_has_its_own_page() {
    let ((mut tag, line), (unmeasured, other)) = (sealed(1), sealed(2));
    let mut other = other;
    other["tag"]["cuid"] = "SHOE-0043".into();
    let (_folder, server, _key) = server_of(&[line, other], "30");
    let page = |tag: &mut EmulatedTag| {
        let url = tag.tap().unwrap();
        get(&server.address, url.strip_prefix("https://t.example").unwrap())
    };
    let is = |reply: &Reply, title: &str, seal: &str| {
        let body = &reply.body;
        assert_eq!(reply.status, 200);
        assert!(
            body.contains(&format!(">{title}</h1>")) && body.contains(&format!("<title>{title}</title>")),
            "{body}"
        );
        assert!(body.contains(&fact("Seal", seal)), "{body}");
        assert!(body.contains("<h2><bdi>Shoe</bdi></h2>"), "{body}");
    };
    let closed = page(&mut tag);
    is(&closed, "Genuine", "Never opened");
    assert!(closed.body.contains(&fact("Serial", "<bdi>SHOE-0042</bdi>")), "{}", closed.body);
    assert!(closed.body.contains(&fact("Tap number", "<span class=\"number\">1</span>")), "{}", closed.body);
    tag.open_seal();
    is(&page(&mut tag), "Genuine, but opened", "Open now");
    tag.close_seal();
    is(&page(&mut tag), "Genuine, but opened before", "Closed now, opened before");
    // A chip that does not measure its seal says nothing about it, so the page does not either.
    is(&page(&mut unmeasured.without_seal()), "Genuine, seal unknown", "Not known");
}

/// A link on a counterfeit must not show more than the name of the original.
#[test]
fn a_used_link_shows_the_name_only() {
    let (mut tag, line) = sealed(1);
    let (_folder, server, _key) = server_of(&[line], "30");
    let url = tag.tap().unwrap();
    let target = url.strip_prefix("https://t.example").unwrap();
    assert!(get(&server.address, target).body.contains(">Genuine</h1>"));
    let used = get(&server.address, target).body;
    assert!(used.contains(">Link already used</h1>") && used.contains(&fact("Link of", "<bdi>Shoe</bdi>")), "{used}");
    for absent in ["Serial", "SHOE-0042", "Seal", "Tap number", tags::xuid(1).as_str()] {
        assert!(!body(&used).contains(absent), "{absent}: {used}");
    }
}

/// Returns the page without its style.
fn body(page: &str) -> &str {
    page.split_once("</style>").unwrap().1
}

/// The page differs in the time of the check only: same status, headers, length and bytes.
#[test]
fn unknown_inactive_and_forged_are_the_same_bytes() {
    let (server, _) = start();
    let ask = |target: &str| {
        let mut client = Client::new(&server.address).unwrap();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: tap.example.com:8443\r\n\r\n").as_bytes()).unwrap();
        let reply = client.receive().unwrap();
        let head: Vec<_> = reply.head.lines().filter(|line| !line.starts_with("date: ")).map(String::from).collect();
        (reply.status, head, reply.body.len(), timeless(&reply.body))
    };
    // Without the demo's own link, these are the pages of any server.
    let forged = ask("/tap?x=q8w3sbcz&n=000009&e=0123456789ABCDEF");
    assert!(forged.3.contains(">Not recognised</h1>"));
    assert!(forged.3.contains("Checked at <bdi>tap.example.com</bdi>"), "{}", forged.3);
    assert!(!forged.3.contains("Running shoe") && !forged.3.contains("q8w3sbcz") && !forged.3.contains("SHOE-0042"));
    for (target, what) in [
        ("/tap?x=nobody00&n=000009&e=0123456789ABCDEF", "unknown"),
        ("/tap?x=r9x4tcda&n=000009&e=0123456789ABCDEF", "inactive"),
        ("/tap?x=q8w3sbcz&n=000009", "malformed"),
        ("/tap?id=1002&k=aaaaaaaaaaaaaaaaaaaaaaaaaa&e=00&t=00", "malformed, of the other API"),
        ("/tap", "without a tag"),
    ] {
        assert_eq!(ask(target), forged, "{what}");
    }
    // Nor does the answer of an inactive tag depend on whether the tap is genuine.
    let inactive = post(&server, "tag=batch&do=tap");
    let shown = get(&server.address, &inactive).body;
    let link = link(&shown, &server.address);
    assert_eq!(ask(&link), forged, "a genuine tap of an inactive tag");
    assert_eq!(ask(&link), forged, "a used tap of an inactive tag");
}

/// Presses a button of the demo, and returns the path of the page to which it leads.
pub(crate) fn post(server: &Server, form: &str) -> String {
    let mut client = Client::new(&server.address).unwrap();
    let reply = client.post("/demo", "Content-Type: application/x-www-form-urlencoded\r\n", form.as_bytes()).unwrap();
    assert_eq!(reply.status, 303, "{reply:?}");
    reply.header("location").unwrap().trim_end_matches("#last").to_owned()
}

/// Returns the path and query of the link that a page of the demo shows.
pub(crate) fn link(page: &str, address: &str) -> String {
    let code = page.split_once("<p class=\"url\" dir=\"ltr\"><code>").unwrap().1.split_once("</code>").unwrap().0;
    let url = text(code);
    url.strip_prefix(&format!("http://{address}")).unwrap().to_owned()
}

/// Returns the text of markup.
pub(crate) fn text(markup: &str) -> String {
    let parts = markup.split('<').enumerate().map(
        |(index, part)| {
            if index == 0 { part } else { part.split_once('>').unwrap().1 }
        },
    );
    parts.collect::<String>().replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Returns a server whose store has failed, and its folder. Returns `None` if Redis is not installed.
pub(crate) fn failed() -> Option<(tags::Folder, Server)> {
    let mut backend = backends::redis(&[])?;
    let folder = tags::Folder::new();
    let file = folder.path("tags.ndjson");
    tags::write(&file, &[tags::levels(), vec![tags::line(1)]].concat());
    let secrets = folder.secrets();
    let store = ["--store", &backend.url, "--secrets-file", secrets.to_str().unwrap()];
    let mut import = std::process::Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    let imported = import.arg("import").arg(&file).args(store).output().unwrap();
    assert!(imported.status.success(), "{imported:?}");
    let server = Server::start(&[&["serve", "--timeout", "4"][..], &store].concat());
    backend.kill();
    Some((folder, server))
}

#[test]
fn a_failed_store_says_nothing_about_the_product() {
    let Some((_folder, server)) = failed() else { return };
    let url = tags::tag(1).tap().unwrap();
    let reply = get(&server.address, url.strip_prefix("https://t.example").unwrap());
    assert_eq!(reply.status, 503);
    assert!(reply.body.contains(">No answer right now</h1>"), "{}", reply.body);
    assert!(!body(&reply.body).contains("Shoe") && reply.header("cache-control") == Some("no-store"));
}
