//! Stores of older and newer programs.

use std::process::Command;

use redb::ReadableDatabase as _;
use suntap_server::import::{Allowed, import};
use suntap_server::store::{FORMAT, Options, Store, StoreError};
use tokio::runtime::Runtime;

use crate::backends;
use crate::client::{Server, get};
use crate::opening::{done, refused};
use crate::postgres::connect;
use crate::stores::open;
use crate::tags::{self, Folder};

const NEWER: &str =
    "the store has format 99, and this program supports formats up to 1: use suntap-server 9.8.7 or a newer one";
const MIGRATED: &str = "the store was migrated from format 0 to format 1";
const DOCUMENTS: redb::TableDefinition<'_, &str, &str> = redb::TableDefinition::new("documents");
const MARKS: redb::TableDefinition<'_, &[u8; 16], (u32, Option<u64>, u32)> = redb::TableDefinition::new("marks");
const NUMBER: redb::TableDefinition<'_, (), (u32, &str)> = redb::TableDefinition::new("format");

/// Returns the documents of a store with two tags.
async fn documents() -> Vec<(String, String)> {
    let folder = Folder::new();
    let store = open(folder.path("new.redb").to_str().unwrap()).await;
    let metadata = r#"{ "z" : 1.0, "a": 1e2, "z": 3, "x": "\ud83d\ude00" }"#;
    let line = tags::line(2).to_string();
    let second = format!("{},\"metadata\":{metadata}}}}}\n", line.strip_suffix("}}").unwrap());
    let text = tags::text(&[tags::levels(), vec![tags::line(1)]].concat()) + &second;
    import(&store, tags::secrets(), &text, Allowed::default(), |_| ()).await.unwrap();
    let mut documents = Vec::new();
    let each = |key: &str, text: &str| {
        documents.push((key.to_owned(), text.to_owned()));
        Ok::<_, StoreError>(())
    };
    store.list("", each).await.unwrap();
    store.close().await;
    assert!(documents.iter().any(|(_, text)| text.contains(metadata)));
    documents
}

/// Each command accepts a store of format 0, the first one migrates it, and its tags pass.
fn is_migrated_once(folder: &Folder, store: &str) {
    let said = done(folder, store, &["check"]);
    assert!(said.contains(MIGRATED) && said.contains("0 findings"), "{said}");
    assert_eq!(done(folder, store, &["check"]), "0 findings\n");
    let server = Server::on(store, &folder.secrets());
    let target = tags::target(&tags::tag(2).tap().unwrap());
    for response in ["Pass", "Fail 1"] {
        assert!(get(&server.address, &target).body.contains(response));
    }
}

fn is_refused(folder: &Folder, store: &str) {
    for args in [&["check"][..], &["init"], &["serve", "--listen", "127.0.0.1:0"], &["backup", "-"]] {
        let said = refused(folder, store, args);
        assert!(said.contains(NEWER), "{said}");
    }
}

#[test]
fn a_data_file_is_migrated_or_refused() {
    let folder = Folder::new();
    let (path, other) = (folder.path("data.redb"), folder.path("other.redb"));
    let documents = Runtime::new().unwrap().block_on(documents());
    let write = |edit: &dyn Fn(&redb::WriteTransaction)| {
        let database = redb::Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        edit(&transaction);
        transaction.commit().unwrap();
    };
    // As the program without format numbers wrote it.
    write(&|transaction| {
        let mut table = transaction.open_table(DOCUMENTS).unwrap();
        for (key, text) in &documents {
            table.insert(&**key, &**text).unwrap();
        }
        transaction.open_table(MARKS).unwrap();
    });
    #[cfg(unix)]
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::copy(&path, &other).unwrap();
    let store = path.to_str().unwrap();
    is_migrated_once(&folder, store);
    let said = done(&folder, other.to_str().unwrap(), &["compact"]);
    assert!(said.contains(MIGRATED), "{said}");
    assert_eq!(done(&folder, other.to_str().unwrap(), &["check"]), "0 findings\n");
    {
        let database = redb::Database::open(&path).unwrap();
        let table = database.begin_read().unwrap().open_table(NUMBER).unwrap();
        assert_eq!(table.get(()).unwrap().unwrap().value(), (FORMAT, env!("CARGO_PKG_VERSION")));
    }
    write(&|transaction| drop(transaction.open_table(NUMBER).unwrap().insert((), (99, "9.8.7")).unwrap()));
    is_refused(&folder, store);
    let before = std::fs::read(&path).unwrap();
    assert!(refused(&folder, store, &["compact"]).contains(NEWER));
    assert_eq!(before.len(), std::fs::read(&path).unwrap().len());
}

#[test]
fn postgres_is_migrated_or_refused() {
    let Some(backend) = backends::postgres() else { return };
    let (folder, runtime) = (Folder::new(), Runtime::new().unwrap());
    let documents = runtime.block_on(documents());
    let database = runtime.block_on(connect(&backend.url));
    let sql = |text: &str| runtime.block_on(database.batch_execute(text)).unwrap();
    // As the program without format numbers created them.
    sql("CREATE TABLE suntap_documents (key text PRIMARY KEY, value text NOT NULL);
        CREATE TABLE suntap_marks (tag bytea PRIMARY KEY, ctr bigint NOT NULL, at bigint, taps bigint NOT NULL,
            previous_ctr bigint, previous_at bigint) WITH (fillfactor = 70)");
    for (key, text) in &documents {
        let insert = "INSERT INTO suntap_documents VALUES ($1, $2)";
        runtime.block_on(database.execute(insert, &[key, text])).unwrap();
    }
    sql("CREATE ROLE app LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
        GRANT SELECT, INSERT, UPDATE, DELETE ON suntap_documents, suntap_marks TO app");
    let app = backend.url.replace("suntap@", "app@");
    for args in [&["check"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let said = refused(&folder, &app, args);
        for part in ["have format 0", "needs format 1", "`suntap-server init`", "42501"] {
            assert!(said.contains(part), "{said}");
        }
    }
    // Two servers that start at once migrate once.
    runtime.block_on(async {
        let address = backend.url.parse().unwrap();
        let open = || Store::open(&address, Options::default());
        let (one, other) = tokio::join!(open(), open());
        let (one, other) = (one.unwrap(), other.unwrap());
        let mut read = std::collections::BTreeMap::new();
        let each = |key: &str, text: &str| {
            read.insert(key.to_owned(), text.to_owned());
            Ok::<_, StoreError>(())
        };
        other.list("", each).await.unwrap();
        // Byte for byte.
        assert_eq!(read, documents.into_iter().collect());
        one.close().await;
    });
    let said = done(&folder, &backend.url, &["check"]);
    assert!(!said.contains("migrated") && said.contains("0 findings"), "{said}");
    // The role needs no right on new tables.
    let server = Server::on(&app, &folder.secrets());
    assert!(get(&server.address, &tags::target(&tags::tag(2).tap().unwrap())).body.contains("Pass"));
    assert_eq!(get(&server.address, "/readyz").status, 200);
    sql("UPDATE suntap_format SET format = 99, program = '9.8.7'");
    is_refused(&folder, &backend.url);
    is_refused(&folder, &app);
    // The server asks once a second.
    let start = std::time::Instant::now();
    while get(&server.address, "/readyz").status == 200 {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "the server does not see the newer format");
    }
}

#[test]
fn redis_is_migrated_or_refused() {
    let Some(backend) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    let cli = |args: &[&str]| {
        let output = Command::new("redis-cli").args(["-u", &backend.url]).args(args).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // A mistyped address leaves nothing behind.
    refused(&folder, &backend.url, &["check"]);
    assert_eq!(cli(&["DBSIZE"]).trim(), "0");
    for (key, text) in Runtime::new().unwrap().block_on(documents()) {
        cli(&["SET", &format!("suntap:document:{key}"), &text]);
    }
    is_migrated_once(&folder, &backend.url);
    cli(&["HSET", "suntap:format", "format", "99", "program", "9.8.7"]);
    is_refused(&folder, &backend.url);
}
