//! Server secrets are replaced: the new one comes first, and the old one stays in the list.

use std::path::PathBuf;

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::{self, ECode, ServerSecret};
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::import::{Allowed, import};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Options, Store};

use crate::client::{Server, get};
use crate::counters::ETRNL_LAYOUT;
use crate::tags::{self, Folder};

const A: &str = "5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E";
const B: &str = "6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F";

fn secrets(folder: &Folder, server: &[&str]) -> (PathBuf, &'static Secrets) {
    let text = json!({ "apiKeys": "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1", "server": server }).to_string();
    let path = folder.path("rotated.json");
    std::fs::write(&path, &text).unwrap();
    (path, Box::leak(Box::new(Secrets::parse(&text).unwrap())))
}

fn code() -> (ECode, String) {
    let code = ECode::from_bytes([0x2A; 16]);
    let text = String::from_utf8(code.to_text().to_vec()).unwrap();
    (code, text)
}

/// A tag with keys of each kind that needs a server secret, and the lines that import them.
pub(crate) fn tags() -> (Vec<EmulatedTag>, Vec<Value>) {
    let (code, text) = code();
    let secret = ServerSecret::from_hex(A).unwrap();
    let layout = SdmLayout::new(Scheme::Aes, ETRNL_LAYOUT).unwrap();
    let plain = (SdmMetaReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    let hex = |digits: &str| digits.repeat(16);
    let kinds = [
        json!({ "derived": { "eCode": { "epoch": 3 } } }),
        json!({ "plain": { "meta": hex("01"), "file": hex("02"), "eCode": text } }),
        json!({ "plain": { "meta": hex("01"), "file": hex("02") } }),
    ];
    let tag = |(number, keys): (u8, Value)| {
        let uid = Uid::from_bytes([4, 8, 8, 8, 8, 8, number]);
        let (meta, file) = if number == 0 {
            (ecode::derive_meta_read_key(&secret, &code, uid, 3), ecode::derive_file_read_key(&secret, &code, uid, 3))
        } else {
            plain.clone()
        };
        let digits = number.to_string();
        let texts = TagTexts { captured: &[("tagId", &digits), ("eCode", &text)], ..TagTexts::default() };
        let line = json!({ "tag": { "organisation": 1, "number": number, "uid": uid.to_string(),
            "layout": { "template": ETRNL_LAYOUT }, "keys": keys } });
        (EmulatedTag::new(&layout, &texts, meta, file, uid).unwrap(), line)
    };
    (0..).zip(kinds).map(tag).unzip()
}

fn target(url: &str) -> String {
    url.strip_prefix("https://t.example").unwrap().into()
}

#[test]
fn tags_of_every_kind_pass_after_a_rotation() {
    let folder = Folder::new();
    let data = folder.path("data.redb");
    let (mut tags, lines) = tags();
    let run = |lines: &[Value], server: &[&str]| {
        let (_, secrets) = secrets(&folder, server);
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let store = Store::create(&data.to_str().unwrap().parse().unwrap(), Options::default()).await.unwrap();
            import(&store, secrets, &tags::text(lines), Allowed::default(), |_| ()).await.unwrap();
            store.close().await;
        });
    };
    run(&[tags::levels(), lines].concat(), &[A]);

    // Every tap of before is a replay, whichever secret is first.
    let mut spent: Vec<String> = Vec::new();
    for server in [&[A][..], &[B, A], &[A, B], &[B, A]] {
        let (path, _) = secrets(&folder, server);
        let server = Server::on(data.to_str().unwrap(), &path);
        for old in &spent {
            assert!(get(&server.address, old).body.contains("Link already used"));
        }
        for tag in &mut tags {
            let new = target(&tag.tap().unwrap());
            let (_, mac) = new.rsplit_once("&c=").unwrap();
            let forged = new.replace(mac, "0123456789ABCDEF");
            assert!(get(&server.address, &forged).body.contains("Not recognised"));
            assert!(get(&server.address, &new).body.contains("Genuine"), "{new}");
            assert!(get(&server.address, &new).body.contains("Link already used"), "{new}");
            spent.push(new);
        }
    }

    // A line that changes nothing but a name seals held keys with the new secret, so they no longer need the old one.
    run(&[json!({ "tag": { "number": 2, "name": "Held" } })], &[B, A]);
    let (path, _) = secrets(&folder, &[B]);
    let server = Server::on(data.to_str().unwrap(), &path);
    for (number, said) in [(0, "Not recognised"), (1, "Not recognised"), (2, "Genuine")] {
        let new = target(&tags[number].tap().unwrap());
        assert!(get(&server.address, &new).body.contains(said), "{number}");
    }
    // The check names the tags that need the old secret.
    drop(server);
    let (_, secrets) = secrets(&folder, &[B]);
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Store::open(&data.to_str().unwrap().parse().unwrap(), Options::default()).await.unwrap();
        let findings = suntap_server::check::check(&store, secrets).await.unwrap();
        let is_named = |key: &str| findings.iter().any(|finding| finding.key == key);
        assert_eq!(["number/0", "number/1", "number/2"].map(is_named), [true, true, false], "{findings:?}");
        store.close().await;
    });
}
