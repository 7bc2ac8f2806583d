//! Import of the last accepted counter of a tag from another service.

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::ECode;
use suntap::platform::{Service, etrnl::Etrnl, ixkio::Ixkio};
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::import::{Allowed, import};
use suntap_server::registry::{Caches, Registry};
use suntap_server::store::{Options, Store};

use crate::import::{changed, import_error, import_into};
use crate::tags::{self, Folder};

pub(crate) const KEY: &str = "pk_live-0123456789";
pub(crate) const ETRNL_LAYOUT: &str = "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}";

/// Returns an emulated ETRNL tag, and the line that imports it.
pub(crate) fn etrnl_tag(number: u32) -> (EmulatedTag, Value) {
    let code = String::from_utf8(ECode::from_bytes([0x2A; 16]).to_text().to_vec()).unwrap();
    let [.., a, b] = number.to_be_bytes();
    let uid = Uid::from_bytes([4, 8, 8, 8, 8, a, b]);
    let (meta, file) = (SdmMetaReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    let layout = SdmLayout::new(Scheme::Aes, ETRNL_LAYOUT).unwrap();
    let digits = number.to_string();
    let texts = TagTexts { captured: &[("tagId", &digits), ("eCode", &code)], ..TagTexts::default() };
    let tag = EmulatedTag::new(&layout, &texts, meta, file, uid).unwrap();
    let keys = json!({ "plain": { "meta": "01".repeat(16), "file": "02".repeat(16), "eCode": code } });
    let line = json!({ "tag": { "organisation": 1, "number": number, "uid": uid.to_string(),
        "layout": { "template": ETRNL_LAYOUT }, "keys": keys } });
    (tag, line)
}

/// Returns the body that a client sends for the URL of a tap.
pub(crate) fn etrnl_body(url: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let name = |letter| match letter {
        "id" => "tagId",
        "k" => "eCode",
        "e" => "enc",
        _ => "cmac",
    };
    Value::Object(pairs.map(|(letter, text)| (name(letter).into(), text.into())).collect()).to_string()
}

/// Both APIs over a store.
pub(crate) struct Apis<'s> {
    pub(crate) store: &'s Store,
    caches: Caches,
    secrets: &'static suntap_server::secrets::Secrets,
}

impl<'s> Apis<'s> {
    pub(crate) fn new(store: &'s Store) -> Self {
        Self { store, caches: Caches::default(), secrets: tags::secrets() }
    }

    pub(crate) async fn import(&self, lines: &[Value]) {
        import_into(self.store, lines).await.unwrap();
    }

    pub(crate) async fn ixkio(&self, query: &str) -> String {
        let registry = Registry::new(self.store, &self.caches, self.secrets);
        let api = Ixkio::new(Service::new(&self.secrets.server), &self.secrets.api_keys);
        api.answer_async(query, &registry, &mut &*self.store, None).await.body
    }

    /// Returns the response to the URL of a tap.
    pub(crate) async fn response(&self, url: &str) -> String {
        let body: Value = serde_json::from_str(&self.ixkio(url.split_once('?').unwrap().1).await).unwrap();
        body["response"].as_str().unwrap().into()
    }

    pub(crate) async fn etrnl(&self, key: &str, body: &str) -> Value {
        let registry = Registry::new(self.store, &self.caches, self.secrets);
        let api = Etrnl::new(Service::new(&self.secrets.server), &self.secrets.api_keys);
        let answer = api.answer_async(Some(key.as_bytes()), body.as_bytes(), &registry, &mut &*self.store, None).await;
        serde_json::from_str(&answer.body).unwrap()
    }
}

/// Imported counters hold from the first request on.
pub(crate) async fn imported_counters_hold(url: &str) {
    const AT: &str = "2023-07-09T09:23:53.672Z";

    let store = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap();
    let apis = Apis::new(&store);
    let counter = |number, counter: Value| changed(number, json!({ "counter": counter }));
    let (mut etrnl, line) = etrnl_tag(7000);
    let etrnl_counter = |counter: Value| {
        let mut line = line.clone();
        line["tag"]["counter"] = counter;
        line
    };
    let mut lines = tags::levels();
    lines.extend([
        json!({ "apiKey": { "organisation": 1, "key": KEY, "kind": "public" } }),
        counter(71, json!({ "ctr": 5, "at": AT, "taps": 9 })),
        counter(72, json!({ "ctr": 5 })),
        counter(73, json!({ "ctr": 5, "taps": null, "at": null })),
        counter(74, json!({ "ctr": 0xFF_FFFF, "taps": u32::MAX })),
        etrnl_counter(json!({ "ctr": 5, "at": AT, "taps": 3 })),
    ]);
    apis.import(&lines).await;

    let taps = |number| {
        let mut tag = tags::tag(number);
        (1..=50).map(|_| tag.tap().unwrap().to_string()).collect::<Vec<_>>()
    };
    let first = taps(71);
    for (ctr, response) in [(5, "Fail 9"), (1, "Fail 9"), (6, "Pass"), (6, "Fail 10"), (5, "Fail 10")] {
        assert_eq!(apis.response(&first[ctr - 1]).await, response, "{ctr}");
    }
    for number in [72, 73] {
        let taps = taps(number);
        for (ctr, response) in [(1, "Fail 1"), (5, "Fail 1"), (6, "Pass"), (6, "Fail 2")] {
            assert_eq!(apis.response(&taps[ctr - 1]).await, response, "{number}: {ctr}");
        }
    }
    // The greatest counter, after which no tap passes.
    assert_eq!(apis.response(&taps(74)[49]).await, "Fail 4294967295");

    let bodies: Vec<_> = (1..=50).map(|_| etrnl_body(&etrnl.tap().unwrap())).collect();
    for (ctr, err, last, at) in [
        (1, Some("ctrBehind"), 5, Some(AT)),
        (5, Some("ctrBehind"), 5, Some(AT)),
        (6, None, 5, Some(AT)),
        (6, Some("ctrBehind"), 6, None),
    ] {
        let answer = apis.etrnl(KEY, &bodies[ctr - 1]).await;
        let values = ["err", "ctr", "lastAuthenticCtr", "lastAuthenticTimestamp"].map(|name| answer[name].clone());
        assert_eq!(Value::from(values.to_vec()), json!([err, ctr, last, at]), "{answer}");
    }

    // A lower counter changes nothing. An equal counter adds an unknown time and raises the number of taps.
    apis.import(&[counter(71, json!({ "ctr": 3, "at": AT, "taps": 500 }))]).await;
    assert_eq!(apis.response(&first[5]).await, "Fail 10");
    apis.import(&[counter(71, json!({ "ctr": 6, "at": AT, "taps": 2 }))]).await;
    assert_eq!(apis.response(&first[5]).await, "Fail 10");
    apis.import(&[counter(72, json!({ "ctr": 6, "taps": 7 }))]).await;
    assert_eq!(apis.response(&taps(72)[5]).await, "Fail 7");
    apis.import(&[etrnl_counter(json!({ "ctr": 6, "at": AT }))]).await;
    assert_eq!(apis.etrnl(KEY, &bodies[5]).await["lastAuthenticTimestamp"], AT);
    // A line without a counter changes nothing either.
    apis.import(&[tags::line(71)]).await;
    assert_eq!(apis.response(&first[5]).await, "Fail 10");
    // A greater counter is stored, and the number of taps never falls.
    for (ctr, number, next) in [(20, Some(2), 10), (30, Some(100), 100), (40, None, 101)] {
        apis.import(&[counter(71, json!({ "ctr": ctr, "taps": number }))]).await;
        for (ctr, response) in [
            (ctr, format!("Fail {next}")),
            (ctr + 1, "Pass".into()),
            (ctr + 1, format!("Fail {}", next + 1)),
            (7, format!("Fail {}", next + 1)),
        ] {
            assert_eq!(apis.response(&first[ctr - 1]).await, response, "{ctr}");
        }
    }
    // A time with an offset.
    apis.import(&[etrnl_counter(json!({ "ctr": 30, "at": "2023-07-09T11:23:53.672+02:00" }))]).await;
    let answer = apis.etrnl(KEY, &bodies[30]).await;
    assert_eq!((&answer["authentic"], &answer["lastAuthenticCtr"]), (&true.into(), &30.into()));
    assert_eq!(answer["lastAuthenticTimestamp"], AT);
    store.close().await;
}

/// The counter id depends on whether the layout mirrors the UID. The counter is kept when the layout changes.
#[tokio::test]
async fn a_counter_follows_the_layout_of_its_group() {
    const WITH_UID: &str = "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}";

    for same_import in [false, true] {
        let folder = Folder::new();
        let store = crate::import::open(&folder).await;
        let apis = Apis::new(&store);
        let group = |template: &str| {
            let mut line = tags::levels()[2].clone();
            line["tagGroup"]["layout"]["template"] = template.into();
            line
        };
        let tag = changed(1, json!({ "counter": { "ctr": 40, "taps": 40 } }));
        let mut lines = tags::levels();
        lines[2] = group(WITH_UID);
        lines.push(tag);
        if same_import {
            lines.push(group(tags::LAYOUT));
            apis.import(&lines).await;
        } else {
            apis.import(&lines).await;
            apis.import(&[group(tags::LAYOUT)]).await;
        }
        let mut tag = tags::tag(1);
        let taps: Vec<_> = (1..=41).map(|_| tag.tap().unwrap().to_string()).collect();
        for (ctr, response) in [(5, "Fail 40"), (40, "Fail 40"), (41, "Pass")] {
            assert_eq!(apis.response(&taps[ctr - 1]).await, response, "{ctr}");
        }
        // After the change back, the tap that was just accepted is not new under the other id.
        apis.import(&[group(WITH_UID)]).await;
        let mut tag = tags::tag_with(WITH_UID, &[("xuid", &tags::xuid(1))], 1);
        let taps: Vec<_> = (1..=42).map(|_| tag.tap().unwrap().to_string()).collect();
        assert_eq!(apis.response(&taps[40]).await, "Fail 41");
        assert_eq!(apis.response(&taps[41]).await, "Pass");
        store.close().await;
    }
}

/// Only the UID distinguishes two tags with one key. Without it in the layout, a tap of one would pass as a tap of the other.
#[tokio::test]
async fn a_layout_without_uid_needs_a_key_per_tag() {
    let folder = Folder::new();
    let store = crate::import::open(&folder).await;
    let apis = Apis::new(&store);
    let mut lines = tags::levels();
    lines[2]["tagGroup"]["layout"]["template"] = "https://t.example/tap?x={:xuid}&u={uid}&n={ctr}&e={mac}".into();
    let key = json!({ "plain": { "file": "00112233445566778899AABBCCDDEEFF" } });
    lines.extend([1, 2].map(|number| changed(number, json!({ "keys": key }))));
    apis.import(&lines).await;
    let text = tags::text(&[tags::levels()[2].clone()]);
    let error = import(&store, tags::secrets(), &text, Allowed::default(), |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("another tag has this key, and the layout has no UID"), "{error}");
}

#[tokio::test]
async fn a_counter_that_cannot_be_imported_is_named() {
    let line = |counter: Value| changed(2, json!({ "counter": counter }));
    let etrnl = |keys: Value| {
        let (_, mut line) = etrnl_tag(7000);
        line["tag"]["keys"] = keys;
        line["tag"]["counter"] = json!({ "ctr": 5 });
        line
    };
    let sealed = json!({ "sealed": { "sealed": "00".repeat(64) } });
    let mut without_layout = etrnl(Value::Null);
    without_layout["tag"]["layout"] = Value::Null;
    for (line, reason) in [
        (line(json!({})), "missing field `ctr`"),
        (line(json!({ "ctr": 16_777_216 })), "counter must be at most 16777215"),
        (line(json!({ "ctr": -1 })), "expected u32"),
        (line(json!({ "ctr": "000005" })), "expected u32"),
        (line(json!({ "ctr": 5, "at": "2023-07-09" })), "a time must be like 2023-07-09T09:23:53.672Z"),
        (line(json!({ "ctr": 5, "at": "2023-07-09T09:23:53" })), "a time must be like"),
        (line(json!({ "ctr": 5, "at": "1969-12-31T23:59:59Z" })), "a time must be like"),
        (line(json!({ "ctr": 5, "at": 1_688_894_633 })), "expected a string"),
        (line(json!({ "ctr": 5, "taps": 4_294_967_296_u64 })), "expected u32"),
        (line(json!({ "ctr": 5, "tap": 1 })), "unknown field `tap`"),
        (changed(2, json!({ "keys": null, "counter": { "ctr": 5 } })), "cannot import the counter"),
        (etrnl(sealed), "cannot import the counter"),
        (etrnl(json!({ "derived": { "eCode": { "epoch": 5 } } })), "cannot import the counter"),
        (etrnl(Value::Null), "cannot import the counter"),
        (without_layout, "cannot import the counter"),
    ] {
        let error = import_error(std::slice::from_ref(&line)).await;
        assert!(error.starts_with("line 6: ") && error.contains(reason), "{line}: {error}");
    }
}

/// A failed import stores nothing, so no counter either.
#[tokio::test]
async fn a_failed_import_raises_no_counter() {
    let folder = Folder::new();
    let store = crate::import::open(&folder).await;
    let apis = Apis::new(&store);
    apis.import(&[tags::levels(), vec![tags::line(1)]].concat()).await;
    let lines = tags::text(&[changed(1, json!({ "counter": { "ctr": 50 } })), json!({ "tag": null })]);
    import(&store, tags::secrets(), &lines, Allowed::default(), |_| ()).await.unwrap_err();
    assert_eq!(apis.response(&tags::tag(1).tap().unwrap()).await, "Pass");
}

/// The key of an AN10922 tag is derived during the import, so its counter can be imported.
#[tokio::test]
async fn the_counter_of_a_derived_key_is_imported() {
    use suntap::kdf::an10922;

    let folder = Folder::new();
    let store = crate::import::open(&folder).await;
    let apis = Apis::new(&store);
    let keys = json!({ "derived": { "an10922": { "master": "shoes" } } });
    let line = changed(1, json!({ "keys": keys, "counter": { "ctr": 2 } }));
    let uid = Uid::from_hex(line["tag"]["uid"].as_str().unwrap()).unwrap();
    apis.import(&[tags::levels(), vec![line]].concat()).await;
    let master = suntap::MasterKey::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
    let key = an10922::derive_in_epoch(&master, uid, 0, b"").unwrap();
    let texts = TagTexts { captured: &[("xuid", "tag00001")], ..TagTexts::default() };
    let layout = SdmLayout::new(Scheme::Aes, tags::LAYOUT).unwrap();
    let mut tag = EmulatedTag::new(&layout, &texts, SdmMetaReadKey::FACTORY, key, uid).unwrap();
    for response in ["Fail 1", "Fail 1", "Pass"] {
        assert_eq!(apis.response(&tag.tap().unwrap()).await, response);
    }
}
