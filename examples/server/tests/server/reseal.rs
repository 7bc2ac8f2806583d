//! The keys of a store are sealed under another server secret.

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap_server::check::{check, check_old_secrets};
use suntap_server::import::{Allowed, import};
use suntap_server::reseal::{Report, reseal};
use suntap_server::secrets::{Secrets, canary};
use suntap_server::store::{Change, Options, Store};

use crate::backends;
use crate::client::{Server, get};
use crate::rotation;
use crate::tags::{self, Folder};

const A: &str = "5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E";
const B: &str = "6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F6F";
/// A layout whose URL does not name the tag, so that the index has the meta-read key.
const UNNAMED: &str = "https://t.example/n?picc_data={picc}&cmac={mac}";

fn secrets(server: &[&str]) -> &'static Secrets {
    let text = json!({ "apiKeys": "A1".repeat(16), "server": server }).to_string();
    Box::leak(Box::new(Secrets::parse(&text).unwrap()))
}

fn write_secrets(folder: &Folder, server: &[&str]) {
    folder.write_secrets(&json!({ "apiKeys": "A1".repeat(16), "server": server }).to_string());
}

async fn create(url: &str) -> Store {
    Store::create(&url.parse().unwrap(), Options::default()).await.unwrap()
}

async fn import_lines(store: &Store, secrets: &'static Secrets, lines: &[Value]) {
    import(store, secrets, &tags::text(lines), Allowed::default(), |_| ()).await.unwrap();
}

/// A tag that the page finds by its UID.
fn unnamed(number: u32) -> (EmulatedTag, Value) {
    let tag = tags::tag_with(UNNAMED, &[], number);
    let mut line = tags::line(number);
    line["tag"]["number"] = (9000 + number).into();
    line["tag"]["layout"] = json!({ "template": UNNAMED });
    for field in ["xuid", "batch"] {
        line["tag"].as_object_mut().unwrap().remove(field);
    }
    let file = line["tag"]["keys"]["plain"]["file"].clone();
    line["tag"]["keys"] = json!({ "plain": { "meta": "0".repeat(32), "file": file } });
    (tag, line)
}

/// Held keys, keys under an eCode, and the index: all of them open without the old secret.
async fn keys_open_without_the_old_secret(url: &str, count: u32) {
    let store = create(url).await;
    let (mut tags, mut lines) = rotation::tags();
    // Keys that are derived from an eCode cannot be sealed again.
    let (_derived, derived_line) = (tags.remove(0), lines.remove(0));
    let (mut unnamed, unnamed_line) = unnamed(7777);
    lines.push(unnamed_line);
    lines.extend((0..count).map(tags::line));
    let allowed = Allowed { factory_keys: true, ..Allowed::default() };
    let text = tags::text(&[tags::levels(), lines].concat());
    import(&store, secrets(&[A]), &text, allowed, |_| ()).await.unwrap();

    let rotated = secrets(&[B, A]);
    assert!(check(&store, rotated).await.unwrap().is_empty());
    let old = check_old_secrets(&store, rotated).await.unwrap();
    let keys: usize = usize::try_from(count).unwrap() + 3;
    assert_eq!(old.len(), keys + 1, "{old:?}");
    assert!(old.iter().all(|finding| finding.reason.contains("run `suntap-server reseal`")), "{old:?}");
    let mut calls = 0;
    let report = reseal(&store, rotated, |_| calls += 1).await.unwrap();
    assert!(calls > keys / 200, "{calls}");
    let expected = Report { resealed: keys + 1, is_complete: true, ..Report::default() };
    assert_eq!(Report { examined: 0, ..report }, expected);
    assert!(check_old_secrets(&store, rotated).await.unwrap().is_empty());
    // Again, there is nothing to do.
    let again = reseal(&store, rotated, |_| ()).await.unwrap();
    assert_eq!((again.resealed, again.is_complete), (0, true));

    // The old secret is no longer needed, and nothing warns of it.
    let new = secrets(&[B]);
    assert!(canary::check(&store, new).await.unwrap().is_empty());
    assert!(check(&store, new).await.unwrap().is_empty());
    store.close().await;
    let folder = Folder::new();
    write_secrets(&folder, &[B]);
    let server = Server::on(url, &folder.secrets());
    for tag in tags.iter_mut().chain([&mut unnamed]) {
        let url = tag.tap().unwrap().to_string();
        let target = url.strip_prefix("https://t.example").unwrap();
        assert!(get(&server.address, target).body.contains("Genuine"), "{target}");
        assert!(get(&server.address, target).body.contains("Link already used"), "{target}");
    }
    drop(server);

    // With keys that are derived from an eCode, the older secrets stay recorded.
    let store = create(url).await;
    import_lines(&store, secrets(&[B]), &[derived_line]).await;
    let report = reseal(&store, secrets(&[A, B]), |_| ()).await.unwrap();
    assert_eq!((report.resealed, report.derived, report.is_complete), (keys + 1, 1, false));
    assert_eq!(canary::check(&store, secrets(&[A])).await.unwrap().len(), 1);
    assert_eq!(check_old_secrets(&store, secrets(&[A, B])).await.unwrap().len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_resealed_in_a_file() {
    let folder = Folder::new();
    keys_open_without_the_old_secret(folder.path("data.redb").to_str().unwrap(), 450).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_resealed_in_databases() {
    for backend in [backends::postgres(), backends::redis(&[]), backends::redis_cluster()].into_iter().flatten() {
        keys_open_without_the_old_secret(&backend.url, 250).await;
    }
}

/// Tags that no secret opens are named, and the store still says that a secret is missing.
#[tokio::test]
async fn keys_that_do_not_open_are_reported() {
    let folder = Folder::new();
    let store = create(folder.path("data.redb").to_str().unwrap()).await;
    import_lines(&store, secrets(&[A]), &[tags::levels(), (0..15).map(tags::line).collect()].concat()).await;
    import_lines(&store, secrets(&[B, A]), &[tags::line(20)]).await;
    let report = reseal(&store, secrets(&[B]), |_| ()).await.unwrap();
    assert_eq!((report.resealed, report.unopened, report.first_unopened.len()), (0, 15, 10));
    assert!(!report.is_complete);
    assert!(!canary::check(&store, secrets(&[B])).await.unwrap().is_empty());
    let report = reseal(&store, secrets(&[B, A]), |_| ()).await.unwrap();
    assert_eq!((report.resealed, report.unopened, report.is_complete), (15, 0, true));
    store.close().await;
}

/// A change that interferes makes the part be read again, and is not lost.
#[tokio::test(flavor = "multi_thread")]
async fn other_changes_are_kept() {
    let folder = Folder::new();
    let store = create(folder.path("data.redb").to_str().unwrap()).await;
    import_lines(&store, secrets(&[A]), &[tags::levels(), (0..600).map(tags::line).collect()].concat()).await;
    let rotated = secrets(&[B, A]);
    let changes = async {
        for number in (0..600).step_by(40) {
            // Like the state that an operator sets.
            let line = json!({ "tag": { "xuid": tags::xuid(number), "state": "inactive" } });
            let text = tags::text(&[line]);
            while import(&store, rotated, &text, Allowed::default(), |_| ()).await.is_err() {
                tokio::task::yield_now().await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (report, ()) = tokio::join!(reseal(&store, rotated, |_| ()), changes);
    assert!(report.unwrap().is_complete);
    let mut inactive = 0;
    let each = |_: &str, text: &str| {
        inactive += usize::from(text.contains(r#""state":"inactive""#));
        Ok::<_, suntap_server::store::StoreError>(())
    };
    store.list("xuid/", each).await.unwrap();
    assert_eq!(inactive, 15);
    assert!(check_old_secrets(&store, rotated).await.unwrap().is_empty());
    store.close().await;
}

/// A run that was killed leaves a part of the keys under each secret. Both open, and the next run completes the work.
#[test]
fn a_killed_run_can_be_repeated() {
    let folder = Folder::new();
    let lines = folder.path("lines.ndjson");
    tags::write(&lines, &[tags::levels(), (0..3).map(tags::line).collect()].concat());
    write_secrets(&folder, &[A]);
    folder.print(&["import", lines.to_str().unwrap()]);
    // Tag 1 is resealed, as if the run had ended after it.
    write_secrets(&folder, &[B, A]);
    tags::write(&lines, &[json!({ "tag": { "xuid": tags::xuid(1), "name": "Renamed" } })]);
    folder.print(&["import", lines.to_str().unwrap()]);
    assert_eq!(folder.print(&["check"]), "0 findings\n");
    let expected = "3 tags and layouts examined, and the keys of 2 sealed under the first server secret\n\
                    the other server secrets are no longer needed\n";
    let said = folder.print(&["reseal"]);
    assert_eq!(said.replace("4 tags", "3 tags"), expected);
    write_secrets(&folder, &[B]);
    let output = folder.run(&["check", "--old-secrets"]);
    assert_eq!((&*output.stdout, &*output.stderr), (&b"0 findings\n"[..], &b""[..]));
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    for number in 0..3 {
        let target = tags::target(&tags::tag(number).tap().unwrap());
        assert!(get(&server.address, &target).body.contains("Pass"));
    }
}

/// A store of an earlier version has no record of its secrets. It does not get an incomplete one.
#[tokio::test]
async fn a_store_without_canaries_stays_without() {
    let folder = Folder::new();
    let store = create(folder.path("data.redb").to_str().unwrap()).await;
    import_lines(&store, secrets(&[A]), &[tags::levels(), vec![tags::line(1)]].concat()).await;
    let writes = vec![(canary::KEY.to_owned(), None)];
    store.change(&Change { writes, ..Change::default() }).await.unwrap();
    assert_eq!(reseal(&store, secrets(&[B, A]), |_| ()).await.unwrap().resealed, 1);
    let found = store.read(&[canary::KEY.to_owned()], None).await.unwrap();
    assert_eq!(found.documents, [None]);
    store.close().await;
}
