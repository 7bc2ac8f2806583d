//! Everybody knows the factory key, so import refuses it.

use serde_json::{Value, json};
use suntap_server::import::{Allowed, import};
use suntap_server::secrets::Secrets;

use crate::import::{changed, open};
use crate::partial::{document, run_import};
use crate::tags::{self, Folder};

#[tokio::test]
async fn factory_keys_need_a_flag() {
    let zero = "0".repeat(32);
    let text = json!({
        "apiKeys": "A1".repeat(16), "server": ["5E".repeat(16)],
        "masterKeys": { "zero": zero, "good": "11".repeat(16) }, "metaKeys": { "zero": zero, "good": "12".repeat(16) },
        "issuerKeys": { "zero": zero }, "sdmBackend": { "zero": { "key": zero }, "old": { "key": zero, "legacy": true } },
    });
    let secrets: &'static Secrets = Box::leak(Box::new(Secrets::parse(&text.to_string()).unwrap()));
    let picc = json!({ "template": "https://t.example/tap?id={:tagId}&e={picc:uid,ctr}&c={mac}" });
    let sealed = json!({ "template": "https://t.example/tap?id={:tagId}&k={:eCode}&e={picc:uid,ctr}&c={mac}" });
    let number = |layout: &Value, keys: Value| json!({ "tag": { "organisation": 1, "number": 7, "uid": "04AABBCC112233", "layout": layout, "keys": keys } });
    let file = "22".repeat(16);
    for line in [
        changed(1, json!({ "keys": { "plain": { "file": zero } } })),
        changed(1, json!({ "keys": { "plain": { "file": file, "meta": zero } } })),
        number(&sealed, json!({ "plain": { "file": zero, "meta": file, "eCode": "fivcukrkfivcukrkfivcukrkfi" } })),
        number(&sealed, json!({ "plain": { "file": file, "meta": zero, "eCode": "fivcukrkfivcukrkfivcukrkfi" } })),
        number(&picc, json!({ "derived": { "an10922": { "master": "zero", "meta": "good" } } })),
        number(&picc, json!({ "derived": { "an10922": { "master": "good", "meta": "zero" } } })),
        number(&picc, json!({ "derived": { "boltcard": { "issuer": "zero", "version": 1 } } })),
        number(&picc, json!({ "derived": { "sdmBackend": { "master": "zero" } } })),
        number(&picc, json!({ "derived": { "sdmBackend": { "master": "old" } } })),
    ] {
        let folder = Folder::new();
        let store = open(&folder).await;
        let lines = tags::text(&[tags::levels(), vec![line.clone()]].concat());
        let error = import(&store, secrets, &lines, Allowed::default(), |_| ()).await.unwrap_err().to_string();
        assert!(error.starts_with("line 5: ") && error.contains("--allow-factory-keys accepts it"), "{line}: {error}");
        let allowed = Allowed { factory_keys: true, ..Allowed::default() };
        import(&store, secrets, &lines, allowed, |_| ()).await.unwrap();
        // The state and the name of such a tag can still be changed.
        let mut short = line["tag"].clone();
        short.as_object_mut().unwrap().retain(|name, _| name == "xuid" || name == "number");
        for (name, value) in [("name", "x"), ("state", "inactive")] {
            short[name] = value.into();
            let line = tags::text(&[json!({ "tag": short })]);
            import(&store, secrets, &line, Allowed::default(), |_| ()).await.unwrap();
        }
        let key = if line["tag"]["xuid"].is_null() { "number/7" } else { "xuid/tag00001" };
        assert_eq!(document(&store, key).await["tag"]["state"], "inactive");
        store.close().await;
    }
}

#[test]
fn the_command_has_the_flag() {
    let folder = Folder::new();
    let line = changed(1, json!({ "keys": { "plain": { "file": "0".repeat(32) } } }));
    let lines = [tags::levels(), vec![line]].concat();
    let (is_done, said) = run_import(&folder, &lines, &[]);
    assert!(!is_done && said.contains("line 5: a key is 16 zero bytes, the factory key"), "{said}");
    assert!(run_import(&folder, &lines, &["--allow-factory-keys"]).0);
}
