//! Taps whose URL does not name the tag, on the page.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::check::check;
use suntap_server::import::{Allowed, import};
use suntap_server::registry::{Caches, Registry};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Address, Change, Options, Store};

use crate::client::{Server, get};
use crate::tags::{self, Folder};

/// The example of AN12196 §3.4.
const TEMPLATE: &str = "https://ntag.example/ntag424?picc_data={picc}&cmac={mac}";

/// A tag in software, and the line that imports it.
struct Tag {
    emulated: EmulatedTag,
    line: Value,
}

impl Tag {
    fn new(number: u16, template: &str, meta: u16, scheme: Scheme) -> Self {
        let key = |start: u8, number: u16| {
            let [a, b] = number.to_be_bytes();
            [start, a, b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]
        };
        let [a, b] = number.to_be_bytes();
        let uid = Uid::from_bytes([0x04, 0x42, 0x24, 0, 0, a, b]);
        let meta = SdmMetaReadKey::from_bytes(key(0xAA, meta));
        let file = SdmFileReadKey::from_bytes(key(0xBB, number));
        let digits = |key: &[u8; 16]| format!("{:032X}", u128::from_be_bytes(*key));
        let layout = SdmLayout::new(scheme, template).unwrap();
        let mut keys = json!({ "file": digits(file.expose_bytes()) });
        if template.contains("{picc") {
            keys["meta"] = digits(meta.expose_bytes()).into();
        }
        let mode = if scheme == Scheme::Lrp { "lrp" } else { "aes" };
        let mut line = json!({ "tag": { "organisation": 1, "batch": "F/G/B", "number": number, "name": "Shoe",
            "uid": uid.to_string(), "layout": { "mode": mode, "template": template }, "keys": { "plain": keys } } });
        // Only ixkio's API has tags with a plain UID.
        if !template.contains("{picc") {
            let number = line["tag"].as_object_mut().unwrap().remove("number").unwrap();
            line["tag"]["xuid"] = format!("tag{number}").into();
        }
        Self { emulated: EmulatedTag::new(&layout, &TagTexts::default(), meta, file, uid).unwrap(), line }
    }

    /// The path and query that it writes next.
    fn tap(&mut self) -> String {
        let url = self.emulated.tap().unwrap();
        let at = url.match_indices('/').nth(2).unwrap().0;
        url[at..].to_owned()
    }
}

/// A store with these lines, after the levels.
async fn store(folder: &Folder, lines: &[Value]) -> Store {
    let store = Store::create(&Address::Embedded(folder.path("data.redb")), Options::default()).await.unwrap();
    take(&store, &[tags::levels(), lines.to_vec()].concat(), Allowed::default()).await.unwrap();
    store
}

async fn take(store: &Store, lines: &[Value], allowed: Allowed) -> Result<(), String> {
    let done = import(store, tags::secrets(), &tags::text(lines), allowed, |_| ()).await;
    done.map(drop).map_err(|error| error.to_string())
}

/// The tags that may have written a URL.
async fn suspects(store: &Store, target: &str) -> Option<Vec<String>> {
    Registry::new(store, &Caches::default(), tags::secrets()).suspects(target).await.unwrap()
}

/// A server over a store with these lines.
async fn serve(folder: &Folder, lines: &[Value]) -> Server {
    store(folder, lines).await.close().await;
    Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets())
}

#[track_caller]
fn assert_page(server: &Server, target: &str, title: &str) {
    let reply = get(&server.address, target);
    assert!(reply.status == 200 && reply.body.contains(&format!(">{title}</h1>")), "{target}: {}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_names_no_tag_is_fresh_once() {
    let folder = Folder::new();
    let plain = "https://ntag.example/plain?uid=[[{uid}&ctr={ctr}&cmac={mac}";
    let lrp = "https://lrp.example/ntag424?picc_data={picc:uid,ctr}&cmac={mac}";
    let pathless = "https://card.example?p={picc}&c={mac}";
    let mut all = [
        Tag::new(1, TEMPLATE, 1, Scheme::Aes),
        Tag::new(2, TEMPLATE, 2, Scheme::Aes),
        Tag::new(3, plain, 0, Scheme::Aes),
        Tag::new(4, lrp, 1, Scheme::Lrp),
        Tag::new(5, pathless, 1, Scheme::Aes),
    ];
    let lines: Vec<_> = all.iter().map(|tag| tag.line.clone()).collect();
    let server = serve(&folder, &lines).await;
    for tag in &mut all[..4] {
        let target = tag.tap();
        assert_page(&server, &target, "Genuine");
        assert_page(&server, &target, "Link already used");
        assert_page(&server, &tag.tap(), "Genuine");
        let (start, mac) = target.split_at(target.len() - 1);
        let forged = format!("{start}{}", if mac == "0" { "1" } else { "0" });
        assert_page(&server, &forged, "Not recognised");
    }
    let url = all[4].emulated.tap().unwrap();
    assert_page(&server, &format!("/{}", &url[url.find('?').unwrap()..]), "Genuine");
    // A URL that no layout writes, and one of an unknown tag of a known layout.
    assert_eq!(get(&server.address, "/ntag425?picc_data=00&cmac=00").status, 404);
    assert_page(&server, &Tag::new(9, TEMPLATE, 1, Scheme::Aes).tap(), "Not recognised");
    assert_page(&server, &Tag::new(9, TEMPLATE, 9, Scheme::Aes).tap(), "Not recognised");
}

/// With as many keys, wrong ones open the PICCData of almost every tap.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_of_all_meta_keys_finds_its_tag() {
    let folder = Folder::new();
    let mut all: Vec<_> = (0..1024).map(|number| Tag::new(number, TEMPLATE, number, Scheme::Aes)).collect();
    let lines: Vec<_> = all.iter().map(|tag| tag.line.clone()).collect();
    let store = store(&folder, &lines).await;
    // Another host does not give a layout keys of its own, but another path does.
    let other_host = Tag::new(2000, &TEMPLATE.replace("ntag.example", "other.example"), 2000, Scheme::Aes);
    let error = take(&store, &[other_host.line], Allowed::default()).await.unwrap_err();
    assert!(error.contains("1024 other meta-read keys") && error.contains("{:xuid}"), "{error}");
    let known_key = Tag::new(2001, &TEMPLATE.replace("ntag.example", "other.example"), 5, Scheme::Aes);
    take(&store, &[known_key.line], Allowed::default()).await.unwrap();
    let other_path = Tag::new(2002, &TEMPLATE.replace("ntag424", "ntag425"), 2002, Scheme::Aes);
    take(&store, &[other_path.line], Allowed::default()).await.unwrap();
    let one_more = Tag::new(2003, TEMPLATE, 2003, Scheme::Aes);
    take(&store, &[one_more.line], Allowed { meta_keys: 1025, ..Allowed::default() }).await.unwrap();
    store.close().await;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    for number in [0, 500, 1022, 1023] {
        let target = all[number].tap();
        assert_page(&server, &target, "Genuine");
        assert_page(&server, &target, "Link already used");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_found_by_its_present_uid_and_layout() {
    let folder = Folder::new();
    let mut tag = Tag::new(1, TEMPLATE, 1, Scheme::Aes);
    let store = store(&folder, &[tag.line.clone()]).await;
    let found = Some(vec!["number/1".to_owned()]);
    assert_eq!(suspects(&store, &tag.tap()).await, found);
    // Another UID, and back.
    let mut other = Tag::new(2, TEMPLATE, 1, Scheme::Aes);
    other.line["tag"]["number"] = 1.into();
    take(&store, &[other.line.clone()], Allowed::default()).await.unwrap();
    assert_eq!(suspects(&store, &other.tap()).await, found);
    assert_eq!(suspects(&store, &tag.tap()).await, Some(vec![]));
    take(&store, &[tag.line.clone()], Allowed::default()).await.unwrap();
    assert_eq!(suspects(&store, &tag.tap()).await, found);
    // A layout that names the tag, in its tag group: nothing is searched any more.
    let group = |template: &str| {
        json!({ "tagGroup": { "organisation": 1, "path": "F/G", "layout": { "template": template },
        "rules": { "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail" } } })
    };
    tag.line["tag"]["layout"] = Value::Null;
    let named = "https://ntag.example/ntag424?x={:tagId}&picc_data={picc}&cmac={mac}";
    take(&store, &[group(TEMPLATE), tag.line.clone()], Allowed::default()).await.unwrap();
    assert_eq!(suspects(&store, &tag.tap()).await, found);
    take(&store, &[group(named)], Allowed::default()).await.unwrap();
    assert_eq!(suspects(&store, &tag.tap()).await, Some(vec![]));
    assert_eq!(suspects(&store, &tag.tap().replace('?', "?x=1&")).await, found);
    take(&store, &[group(TEMPLATE)], Allowed::default()).await.unwrap();
    assert_eq!(suspects(&store, &tag.tap()).await, found);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_with_the_same_uid_are_told_apart_by_their_keys() {
    let folder = Folder::new();
    let mut all: Vec<_> = (1..=9)
        .map(|number| {
            let mut tag = Tag::new(number, TEMPLATE, 1, Scheme::Aes);
            tag.line["tag"]["uid"] = "04422400000009".into();
            tag.line["tag"]["organisation"] = number.into();
            tag.line["tag"].as_object_mut().unwrap().remove("batch");
            tag
        })
        .collect();
    let ninth = all.pop().unwrap();
    // Of one organisation with an account, no two tags have the same UID.
    let organisations = (2..=9).map(|number| json!({ "organisation": { "id": number, "name": "Other" } }));
    let mut lines: Vec<_> = organisations.chain(all.iter().map(|tag| tag.line.clone())).collect();
    let store = store(&folder, &lines).await;
    let error = take(&store, std::slice::from_ref(&ninth.line), Allowed::default()).await.unwrap_err();
    assert!(error.contains("8 other tags have this UID"), "{error}");
    // The tag with the right key, whichever it is.
    let mut tag = ninth;
    let fourth = lines.iter_mut().find(|line| line["tag"]["number"] == 4).unwrap();
    fourth["tag"]["keys"] = tag.line["tag"]["keys"].clone();
    take(&store, &lines, Allowed::default()).await.unwrap();
    store.close().await;
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    let target = tag.tap();
    assert_page(&server, &target, "Genuine");
    assert_page(&server, &target, "Link already used");
}

/// Import seals the keys of the index again, so that they open after the old secret is gone.
#[tokio::test(flavor = "multi_thread")]
async fn the_index_follows_a_rotation_of_the_server_secret() {
    const OLD: &str = "5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E";
    const NEW: &str = "6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F";
    let secrets = |server: &[&str]| -> &'static Secrets {
        let text = json!({ "apiKeys": "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1", "server": server }).to_string();
        Box::leak(Box::new(Secrets::parse(&text).unwrap()))
    };
    let folder = Folder::new();
    let mut tag = Tag::new(1, TEMPLATE, 1, Scheme::Aes);
    let store = store(&folder, std::slice::from_ref(&tag.line)).await;
    let lines = tags::text(&[json!({ "tag": { "number": 1, "name": "Boot" } })]);
    import(&store, secrets(&[NEW, OLD]), &lines, Allowed::default(), |_| ()).await.unwrap();
    for server in [&[NEW][..], &[NEW, OLD]] {
        let found = Registry::new(&store, &Caches::default(), secrets(server)).suspects(&tag.tap()).await.unwrap();
        assert_eq!(found, Some(vec!["number/1".to_owned()]));
        assert!(check(&store, secrets(server)).await.unwrap().is_empty());
    }
    assert!(!check(&store, secrets(&[OLD])).await.unwrap().is_empty());
    // A tag that the index does not lead to is found by the check, and a line of it repairs the index.
    let claimed = ("claimed/04422400000001".to_owned(), None);
    store.change(&Change { writes: vec![claimed], ..Change::default() }).await.unwrap();
    let findings = check(&store, secrets(&[NEW])).await.unwrap();
    assert!(findings.iter().any(|finding| finding.reason.contains("the page does not find the tag")), "{findings:?}");
    import(&store, secrets(&[NEW]), &lines, Allowed::default(), |_| ()).await.unwrap();
    assert!(check(&store, secrets(&[NEW])).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_warns_of_tags_that_the_page_cannot_find() {
    let folder = Folder::new();
    let store = store(&folder, &[]).await;
    for (template, reason) in [
        ("https://{:tagId}.t.example/h?e={picc}&c={mac}", "an element is before the path"),
        ("https://t.example/n?{:tagId}={picc}&c={mac}", "an element is in the name of a parameter"),
        ("https://t.example/f?e={picc}&c={mac}#{:tagId}", "the text after #"),
        ("https://t.example/a/../b?e={picc}&c={mac}", "clients remove"),
        ("https://t.example/healthz?e={picc}&c={mac}", "uses this path itself"),
        ("https://t.example/v1/t?e={picc}&c={mac}", "uses this path itself"),
        ("https://t.example/lit?x=tag00001&n={ctr}&e={mac}", "neither {:xuid}, {:tagId} nor a UID"),
        (TEMPLATE, ""),
    ] {
        let is_ixkio = !template.contains("{picc}");
        let mut line = if is_ixkio { tags::line(1) } else { Tag::new(1, TEMPLATE, 1, Scheme::Aes).line };
        line["tag"]["layout"] = json!({ "template": template });
        let report = import(&store, tags::secrets(), &tags::text(&[line]), Allowed::default(), |_| ()).await.unwrap();
        let warnings = report.warnings.join("\n");
        assert!(warnings.is_empty() == reason.is_empty() && warnings.contains(reason), "{template}: {warnings}");
    }
    store.close().await;
}

/// The index is by the shape of the URL, so other layouts cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_costs_the_same_beside_many_layouts() {
    let folder = Folder::new();
    let store = store(&folder, &[Tag::new(1, TEMPLATE, 1, Scheme::Aes).line]).await;
    let caches = Caches::default();
    let fastest = async || {
        let mut fastest = Duration::MAX;
        for _ in 0..200 {
            let start = Instant::now();
            let registry = Registry::new(&store, &caches, tags::secrets());
            assert_eq!(registry.suspects("/nothing/here?x=1&y=2").await.unwrap(), None);
            fastest = fastest.min(start.elapsed());
        }
        fastest
    };
    let before = fastest().await;
    let lines: Vec<_> = (0..5_000)
        .map(|number| {
            let mut line = tags::line(number);
            let template = format!("https://h{number}.example/p{}/here?x={{:xuid}}&n={{ctr}}&y={{mac}}", number / 2);
            line["tag"]["layout"] = json!({ "template": template });
            line
        })
        .collect();
    take(&store, &lines, Allowed::default()).await.unwrap();
    let after = fastest().await;
    assert!(after < before * 4, "{before:?} before, {after:?} after");
    let found = suspects(&store, "/p7/here?x=tag00015&n=000001&y=94EED9EE65337086").await;
    assert_eq!(found, Some(vec!["xuid/tag00015".into()]));
    store.close().await;
}
