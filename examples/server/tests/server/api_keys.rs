//! API keys and tokens that clients already use.

use std::io::Read as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use suntap_server::import::{Allowed, Report, import};
use suntap_server::store::{Options, Store, StoreError};

use crate::counters::{Apis, etrnl_body, etrnl_tag};
use crate::import::{import_error, import_into, open};
use crate::tags::{self, Folder};

fn api_key(organisation: u64, key: &str, kind: &str) -> Value {
    json!({ "apiKey": { "organisation": organisation, "key": key, "kind": kind } })
}

fn token(organisation: u64, token: &str) -> Value {
    json!({ "token": { "organisation": organisation, "token": token } })
}

/// An organisation whose number is not 1.
fn other(id: u64) -> Value {
    json!({ "organisation": { "id": id, "name": "Other" } })
}

/// The documents of all keys, without the id of the secret that named them, which all of them have.
async fn keys(store: &Store) -> Vec<(String, Value)> {
    let mut keys = Vec::new();
    let each = |key: &str, text: &str| {
        let mut document: Value = serde_json::from_str(text).unwrap();
        assert_eq!(document.as_object_mut().unwrap().remove("secret").unwrap().as_str().unwrap().len(), 8);
        keys.push((key.to_owned(), document));
        Ok::<_, StoreError>(())
    };
    store.list("key/", each).await.unwrap();
    keys
}

#[tokio::test]
async fn clients_keep_their_keys() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let apis = Apis::new(&store);
    let (mut tag, line) = etrnl_tag(7000);
    let long = "~".repeat(256);
    let mut lines = tags::levels();
    lines[0]["organisation"]["needsToken"] = true.into();
    lines.extend([
        line,
        tags::line(1),
        api_key(1, "public-12345", "public"),
        api_key(1, "private/1234?=", "private"),
        api_key(1, &long, "private"),
        token(1, "token-123456"),
        // The same text may be both of one organisation.
        token(1, "public-12345"),
    ]);
    let report = import(&store, tags::secrets(), &tags::text(&lines), Allowed::default(), |_| ()).await.unwrap();
    assert_eq!(report, Report { tags: 2, others: 9, ..Report::default() });

    for key in ["public-12345", "private/1234?=", &long] {
        let answer = apis.etrnl(key, &etrnl_body(&tag.tap().unwrap())).await;
        assert_eq!(answer["authentic"], true, "{answer}");
    }
    for key in ["", "token-123456", "public-12346", "Public-12345"] {
        assert_eq!(apis.etrnl(key, &etrnl_body(&tag.tap().unwrap())).await["err"], "unauthorized", "{key}");
    }
    let mut tag = tags::tag(1);
    for (r, response) in [
        ("", r#""error":"token_invalid""#),
        ("&r=private/1234?=", r#""error":"token_invalid""#),
        ("&r=token-123456", r#""response":"Pass""#),
        ("&r=public-12345", r#""response":"Pass""#),
    ] {
        let url = tag.tap().unwrap().to_string() + r;
        assert!(apis.ixkio(url.split_once('?').unwrap().1).await.contains(response), "{r}");
    }
    store.close().await;

    let bytes = std::fs::read(folder.path("data.redb")).unwrap();
    let holds = |needle: &str| bytes.windows(needle.len()).any(|window| window == needle.as_bytes());
    assert!(holds("needsToken") && !holds("public-12345") && !holds("private/1234") && !holds("token-123456"));
    assert!(!holds(&long[..24]));
}

/// What the other tests show over a data file, in short, for each store.
pub(crate) async fn imported_keys_hold(url: &str) {
    let store = Store::create(&url.parse().unwrap(), Options::default()).await.unwrap();
    let apis = Apis::new(&store);
    let (mut tag, line) = etrnl_tag(7100);
    let mut needs_token = tags::levels();
    needs_token[0]["organisation"]["needsToken"] = true.into();
    // Another test over the same store may have left the batch inactive.
    needs_token[3]["batch"]["state"] = "active".into();
    let given = [line, tags::line(80), other(2), api_key(1, "api-key-0001", "private"), token(1, "token-000001")];
    apis.import(&[needs_token, given.into()].concat()).await;
    let try_import = async |lines: &[Value], short_keys| {
        let allowed = Allowed { short_keys, ..Allowed::default() };
        let imported = import(&store, tags::secrets(), &tags::text(lines), allowed, |_| ()).await;
        imported.map_err(|error| error.to_string())
    };
    for text in ["api-key-0001", "token-000001"] {
        for line in [api_key(2, text, "public"), token(2, text)] {
            let error = try_import(&[line], true).await.unwrap_err();
            assert!(error.starts_with("line 1: another organisation has this key or token"), "{error}");
        }
    }
    let count = keys(&store).await.len();
    apis.import(&[api_key(1, "api-key-0001", "public")]).await;
    assert_eq!(keys(&store).await.len(), count);
    assert!(try_import(&[api_key(1, "short", "public")], false).await.is_err());
    assert_eq!(keys(&store).await.len(), count);
    try_import(&[api_key(1, "short", "public")], true).await.unwrap();
    assert_eq!(keys(&store).await.len(), count + 1);
    for key in ["api-key-0001", "short"] {
        assert_eq!(apis.etrnl(key, &etrnl_body(&tag.tap().unwrap())).await["authentic"], true, "{key}");
    }
    assert_eq!(apis.etrnl("token-000001", &etrnl_body(&tag.tap().unwrap())).await["err"], "unauthorized");
    let url = tags::tag(80).tap().unwrap().to_string();
    let query = url.split_once('?').unwrap().1;
    assert!(apis.ixkio(query).await.contains("token_invalid"));
    assert!(apis.ixkio(&format!("{query}&r=token-000001")).await.contains(r#""response":"Pass""#));
    apis.import(&[json!({ "organisation": { "id": 1, "needsToken": null } })]).await;
    store.close().await;
}

#[tokio::test]
async fn the_same_organisation_changes_kind_and_label() {
    let folder = Folder::new();
    let store = open(&folder).await;
    let import = async |lines: &[Value]| {
        import_into(&store, lines).await.unwrap();
    };
    import(&tags::levels()).await;
    let mut line = api_key(1, "0123456789AB", "private");
    import(&[line.clone()]).await;
    let before = keys(&store).await;
    assert_eq!(before.len(), 1);
    assert_eq!(before[0].1, json!({ "organisation": 1, "kind": "private" }));
    line["apiKey"]["kind"] = "public".into();
    line["apiKey"]["label"] = "Shop".into();
    import(&[line]).await;
    let after = keys(&store).await;
    assert_eq!(after, [(before[0].0.clone(), json!({ "organisation": 1, "kind": "public", "label": "Shop" }))]);
    let line = json!({ "token": { "organisation": 1, "token": "0123456789AB", "label": "Page" } });
    import(&[line]).await;
    let all = keys(&store).await;
    assert_eq!(all.len(), 2);
    assert!(all.iter().any(|(_, key)| *key == json!({ "organisation": 1, "kind": "token", "label": "Page" })));
}

#[tokio::test]
async fn a_key_that_cannot_be_imported_is_named() {
    let visible = "a key or token must have 12 to 256 visible characters";
    for (text, reason) in [
        ("short-12345", "can be guessed (--allow-short-keys accepts it)"),
        ("a", "can be guessed"),
        ("", visible),
        (&"x".repeat(257), visible),
        ("0123456789 AB", visible),
        ("0123456789AB\n", visible),
        ("\t0123456789AB", visible),
        ("0123456789AB\u{a0}", visible),
        ("0123456789AB\u{7f}", visible),
        ("0123456789AB\u{200b}", visible),
        ("\u{feff}0123456789AB", visible),
    ] {
        for line in [api_key(1, text, "public"), api_key(1, text, "private"), token(1, text)] {
            let error = import_error(std::slice::from_ref(&line)).await;
            assert!(error.starts_with("line 6: ") && error.contains(reason), "{line}: {error}");
        }
    }
    // Clients do not agree on the bytes of such a header. A token is in a query, where they do.
    assert!(import_error(&[api_key(1, "schl\u{fc}ssel1234", "public")]).await.contains("ASCII characters only"));
    assert!(!import_error(&[token(1, "schl\u{fc}ssel1234"), json!({})]).await.contains("line 6"));
    for line in [api_key(9, "0123456789AB", "public"), token(9, "0123456789AB")] {
        assert!(import_error(&[line]).await.starts_with("line 6: there is no such organisation"));
    }
    assert!(import_error(&[api_key(1, "0123456789AB", "token")]).await.contains("expected `public` or `private`"));
    assert!(
        import_error(&[json!({ "apiKey": { "organisation": 1, "key": "0123456789AB" } })]).await.contains("`kind`")
    );
}

/// A text identifies one organisation, as a key and as a token.
#[tokio::test]
async fn a_key_belongs_to_one_organisation() {
    let lines = |organisation| [api_key(organisation, "0123456789AB", "public"), token(organisation, "0123456789AB")];
    for first in lines(1) {
        for second in lines(2) {
            let error = import_error(&[other(2), first.clone(), second.clone()]).await;
            assert!(error.starts_with("line 8: another organisation has this key or token\n"), "{error}");
            // In a later import as well.
            let folder = Folder::new();
            let store = open(&folder).await;
            let import = async |lines: &[Value]| import_into(&store, lines).await;
            import(&[&*tags::levels(), &[other(2), first.clone()]].concat()).await.unwrap();
            let error = import(&[second]).await.unwrap_err().to_string();
            assert!(error.starts_with("line 1: another organisation has this key or token\n"), "{error}");
        }
    }
}

#[test]
fn short_keys_need_a_flag() {
    let folder = Folder::new();
    let path = folder.path("lines.ndjson");
    tags::write(&path, &[tags::levels(), vec![api_key(1, "x", "public"), token(1, "short-12345")]].concat());
    let run = |flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.arg("import").arg(&path).args(flags).arg("--store").arg(folder.path("data.redb"));
        let output = command.arg("--secrets-file").arg(folder.secrets()).output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    };
    let (is_done, said) = run(&[]);
    assert!(
        !is_done && said.contains("line 5: ") && said.contains("line 6: ") && !said.contains("short-12345"),
        "{said}"
    );
    assert_eq!(run(&["--allow-short-keys"]), (true, "0 tags imported, and 6 other lines\n".into()));
}

/// Neither what the import says of a line, nor what the parser says of it, has a key in it, however short.
#[tokio::test]
async fn an_error_repeats_no_api_key() {
    for key in ["k9", "pk_12", "0123456789AB", "pk-live-0123456", "a`b\"c, expected d`e"] {
        for line in [
            json!({ "apiKey": key }),
            json!({ "apiKey": [key] }),
            json!({ "apiKey": { key: 1 } }),
            json!({ "apiKey": { "organisation": key } }),
            json!({ "apiKey": { "organisation": 1, "key": "0123456789ABC", "kind": key } }),
            json!({ "apiKey": { "organisation": 9, "key": key, "kind": "public" } }),
            json!({ "apiKey": { "organisation": 1, "key": key, "kind": "public", "state": key } }),
            json!({ "token": key }),
            json!({ "token": { key: 1 } }),
            json!({ "token": { "organisation": key, "token": key } }),
            json!({ "token": { "organisation": 9, "token": key } }),
            json!({ "tag": { "organisation": 1, "apiKey": key } }),
        ] {
            let error = import_error(std::slice::from_ref(&line)).await;
            assert!(error.starts_with("line 6: ") && !error.contains(key), "{line}: {error}");
        }
    }
    let number = import_error(&[json!({ "apiKey": { "organisation": 1, "key": 123_456_789_012_u64 } })]).await;
    assert!(number.contains("invalid type: integer") && !number.contains("123456789012"), "{number}");
    let broken = format!("{}{}", tags::text(&tags::levels()), r#"{"apiKey":{"key":"0123456789AB"#);
    let folder = Folder::new();
    let error = import(&open(&folder).await, tags::secrets(), &broken, Allowed::default(), |_| ()).await.unwrap_err();
    assert!(!error.to_string().contains("0123456789AB"), "{error}");
}

#[test]
fn the_log_has_no_api_key() {
    let folder = Folder::new();
    let path = folder.path("lines.ndjson");
    let (mut etrnl, line) = etrnl_tag(7000);
    let mut lines = [tags::levels(), vec![tags::line(1), line]].concat();
    lines[0]["organisation"]["needsToken"] = true.into();
    lines.extend([api_key(1, "my-api-key-0", "public"), token(1, "my-token-000")]);
    tags::write(&path, &lines);
    let command = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(args).arg("--store").arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets());
        command
    };
    let output = command(&["import", path.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut said).unwrap();
    let address = said.split("http://").nth(1).unwrap().split(',').next().unwrap();
    for r in ["my-token-000", "my-token-001"] {
        let target = tags::target(&tags::tag(1).tap().unwrap()) + "&r=" + r;
        assert_eq!(crate::client::get(address, &target).status, if r.ends_with('1') { 401 } else { 200 });
    }
    for key in ["my-api-key-0", "my-api-key-1"] {
        let body = etrnl_body(&etrnl.tap().unwrap());
        let mut client = crate::client::Client::new(address).unwrap();
        let header = format!("API-Key: {key}\r\n");
        let reply = client.post("/v1/tags/verify-authenticity", &header, body.as_bytes()).unwrap();
        assert_eq!(reply.status, if key.ends_with('1') { 401 } else { 200 });
    }
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    child.wait().unwrap();
    assert!(log.contains("fresh"), "{log}");
    assert!(!log.contains("my-token-00") && !log.contains("my-api-key-"), "{log}");
}

#[test]
fn a_new_key_has_a_kind_and_a_label() {
    let folder = Folder::new();
    let path = folder.path("lines.ndjson");
    tags::write(&path, &tags::levels());
    let run = |args: &[&str]| folder.print(args);
    run(&["import", path.to_str().unwrap()]);
    for kind in ["public", "private", "token"] {
        let text = run(&["key", "new", "--organisation", "1", "--kind", kind, "--label", "Shop"]);
        assert!(text.starts_with(&format!("{kind}_")), "{text}");
    }
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&folder).await;
        let mut kinds: Vec<_> = keys(&store).await.into_iter().map(|(_, key)| key).collect();
        kinds.sort_by_key(|key| key["kind"].as_str().unwrap().to_owned());
        let expected = |kind: &str| json!({ "organisation": 1, "kind": kind, "label": "Shop" });
        assert_eq!(kinds, [expected("private"), expected("public"), expected("token")]);
    });
}
