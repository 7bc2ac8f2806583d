//! Moving from boltcard.

use std::process::Command;

use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

use crate::backends::{Backend, postgres};
use crate::client::get;
use crate::moving::{assert_counter, changed, refused, sample, serve, tap};
use crate::tags::{Folder, SECRETS};

const NAME: &str = "--organisation-name=Cards";

/// The table of boltcard, as far as it is documented in its repository.
const TABLES: &str = "
    CREATE TABLE settings (setting_id INT GENERATED ALWAYS AS IDENTITY, name VARCHAR(30) UNIQUE NOT NULL DEFAULT '',
        value VARCHAR(128) NOT NULL DEFAULT '');
    CREATE TABLE cards (card_id INT GENERATED ALWAYS AS IDENTITY, k2_cmac_key CHAR(32) NOT NULL,
        uid VARCHAR(14) NOT NULL DEFAULT '', last_counter_value INTEGER NOT NULL, lnurlw_enable CHAR(1) NOT NULL DEFAULT 'N',
        card_name VARCHAR(100) NOT NULL, wiped CHAR(1) NOT NULL DEFAULT 'N')";

/// A card, by the line of the sample file.
fn card(line: usize) -> EmulatedTag {
    let cards = std::fs::read_to_string(sample("boltcard-cards.csv")).unwrap();
    let row: Vec<_> = cards.lines().nth(line - 1).unwrap().split(',').collect();
    let layout = SdmLayout::new(Scheme::Aes, "lnurlw://card.example.com/ln?p={picc:uid,ctr}&c={mac}").unwrap();
    let meta = SdmMetaReadKey::from_hex("55da174c9608993dc27bb3f30a4a7314").unwrap();
    let (file, uid) = (SdmFileReadKey::from_hex(row[2]).unwrap(), Uid::from_hex(row[5]).unwrap());
    EmulatedTag::new(&layout, &TagTexts::default(), meta, file, uid).unwrap()
}

fn args<'a>(cards: &'a str, settings: &'a str) -> Vec<&'a str> {
    vec!["import", "--from", "boltcard", cards, "--settings", settings, NAME]
}

fn assert_moved(folder: &Folder) {
    let server = serve(folder);
    // Card 1 has counter 17, card 2 is not enabled, card 3 is wiped.
    assert_counter(&server, &tap(card(2), 17), &tap(card(2), 18));
    for line in [3, 4] {
        assert!(get(&server.address, &tap(card(line), 9)).body.contains("Not recognised"));
    }
}

#[test]
fn cards_pass_and_old_taps_do_not() {
    let folder = Folder::new();
    let (cards, settings) = (sample("boltcard-cards.csv"), sample("boltcard-settings.csv"));
    let printed = folder.print(&[&args(&cards, &settings)[..], &["--dry-run"]].concat());
    for text in ["tags: 4 new", "counters: 2", "2 cards are wiped or not enabled", "1 cards have no UID", "  number/4"]
    {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert!(!folder.path("data.redb").exists());
    assert!(folder.print(&args(&cards, &settings)).contains("4 tags imported"));
    assert_moved(&folder);
    // The card that nobody had tapped gets its UID, and the cards are imported again.
    let cards = changed(&folder, "boltcard-cards.csv", ",,0,60,Y", ",04a1b2c3d4e543,2,60,Y");
    let printed = folder.print(&args(&cards, &settings));
    assert!(!printed.contains("none of their taps passes"), "{printed}");
    let url = folder.print(&["tap", "4"]);
    let target = url.trim().strip_prefix("lnurlw://card.example.com").unwrap();
    assert!(get(&serve(&folder).address, target).body.contains("Genuine"));
}

#[test]
fn the_derivation_of_deterministic_cards_is_kept() {
    let folder = Folder::new();
    let (cards, settings) = (sample("boltcard-cards.csv"), sample("boltcard-settings.csv"));
    let with_issuer = [&args(&cards, &settings)[..], &["--issuer-key", "bolt"]].concat();
    let error = refused(&folder, &with_issuer);
    assert!(error.contains("the secrets have no issuer key of this name"), "{error}");
    let write_issuer = |key: &str| {
        folder.write_secrets(&SECRETS.replacen('{', &format!(r#"{{ "issuerKeys": {{ "bolt": "{key}" }},"#), 1));
    };
    write_issuer("00000000000000000000000000000002");
    let error = refused(&folder, &with_issuer);
    assert!(error.contains("AES_DECRYPT_KEY is not derived from this key"), "{error}");
    write_issuer("00000000000000000000000000000001");
    let lines = folder.print(&[&with_issuer[..], &["--convert"]].concat());
    assert!(lines.contains(r#""keys":{"derived":{"boltcard":{"issuer":"bolt","version":1}}}"#), "{lines}");
    let printed = folder.print(&with_issuer);
    assert!(printed.contains("the keys of 1 cards are derived from the issuer key; the other 2 cards"), "{printed}");
    assert_moved(&folder);
}

#[test]
fn bad_rows_are_refused() {
    let folder = Folder::new();
    let (cards, settings) = (sample("boltcard-cards.csv"), sample("boltcard-settings.csv"));
    for (from, to, expected) in [
        ("card_name", "surname", "line 1: unknown column `surname`"),
        (",wiped", ",k9", "line 1: unknown column `k9`"),
        (",17,60,Y,", ",17,60,T,", "line 2: lnurlw_enable: expected Y or N"),
        (",0000,0,N\n", ",0000,0,\n", "line 2: wiped: the value is missing"),
        (",17,", ",1.7,", "line 2: last_counter_value: expected a whole number"),
        (",17,", ",20000000,", "line 2: last_counter_value: a counter has 24 bits"),
        ("f4b404be700ab285", "f4b404be", "line 2: k2_cmac_key: a key must have 32 hex digits, got 24"),
        ("04a39493cc8680", "04a39493cc86", "line 2: uid: a UID must have 14 hex digits, got 12"),
        ("04a1b2c3d4e541", "04a39493cc8680", "line 3: uid: the card of line 2 has this UID"),
        ("\n2,", "\n1,", "line 3: the tag is in this import twice"),
        ("\n2,", "\ntwo,", "line 3: card_id: expected a whole number"),
        ("Bob", "Bob\u{202e}", "line 3: a name must not contain"),
    ] {
        let error = refused(&folder, &args(&changed(&folder, "boltcard-cards.csv", from, to), &settings));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    for (from, to, expected) in [
        ("AES_DECRYPT_KEY", "AES_KEY", "the setting AES_DECRYPT_KEY is missing"),
        ("HOST_DOMAIN", "HOST", "the setting HOST_DOMAIN is missing"),
        ("4a7314", "4a73", "the setting AES_DECRYPT_KEY: a key must have 32 hex digits, got 30"),
        ("name,value", "name,text", "--settings: line 1: unknown column `text`"),
    ] {
        let error = refused(&folder, &args(&cards, &changed(&folder, "boltcard-settings.csv", from, to)));
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let error = refused(&folder, &["import", "--from", "boltcard", &cards, NAME]);
    assert!(error.contains("--settings is missing"), "{error}");
    // A part of a password could be read as the host or as an option, which errors would name.
    for url in ["postgres://localhost/card?s3cret=1", "postgres://user:@s3cret@localhost/card"] {
        let error = refused(&folder, &["import", "--from", "boltcard", url, NAME]);
        assert!(error.contains("invalid URL") && !error.contains("s3cret"), "{error}");
    }
}

/// Fills the database of boltcard with the sample files.
async fn fill(backend: &Backend) {
    let (client, connection) = tokio_postgres::connect(&backend.url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(TABLES).await.unwrap();
    let rows = |name| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(sample(name)).unwrap();
        text.lines().skip(1).map(|line| line.split(',').map(String::from).collect()).collect()
    };
    for row in rows("boltcard-settings.csv") {
        client.execute("INSERT INTO settings (name, value) VALUES ($1, $2)", &[&row[1], &row[2]]).await.unwrap();
    }
    let insert = "INSERT INTO cards (k2_cmac_key, uid, last_counter_value, lnurlw_enable, card_name, wiped)
        VALUES ($1, $2, $3, $4, $5, $6)";
    for row in rows("boltcard-cards.csv") {
        let ctr: i32 = row[6].parse().unwrap();
        client.execute(insert, &[&row[2], &row[5], &ctr, &row[8], &row[12], &row[23]]).await.unwrap();
    }
    drop(client);
    connection.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cards_are_read_from_the_database() {
    let Some(backend) = postgres() else { return };
    fill(&backend).await;
    let folder = Folder::new();
    let printed = folder.print(&["import", "--from", "boltcard", &backend.url, NAME]);
    for text in ["4 tags imported", "2 cards are wiped or not enabled", "1 cards have no UID"] {
        assert!(printed.contains(text), "{text}: {printed}");
    }
    assert_moved(&folder);
    // The same lines come from the tables in CSV.
    let convert = |args: &[&str]| folder.print(&[args, &["--convert"]].concat());
    let csv = args_of_samples();
    let csv: Vec<_> = csv.iter().map(String::as_str).collect();
    assert_eq!(convert(&["import", "--from", "boltcard", &backend.url, NAME]), convert(&csv));

    // A row is named by its id, and a database without the tables is refused.
    let psql = |sql: &str| {
        let status = Command::new("psql").args([&*backend.url, "-q", "-c", sql]).status();
        assert!(status.unwrap().success());
    };
    psql("UPDATE cards SET lnurlw_enable = 'T' WHERE card_id = 2");
    let error = refused(&folder, &["import", "--from", "boltcard", &backend.url, NAME]);
    assert!(error.contains("card_id 2: lnurlw_enable: expected Y or N"), "{error}");
    psql("ALTER ROLE suntap PASSWORD 's3cret'");
    psql("DROP TABLE cards");
    let error = refused(&folder, &["import", "--from", "boltcard", &backend.url, NAME]);
    assert!(error.contains("the database of the source failed") && error.contains("cards"), "{error}");
    let url = backend.url.replace("suntap@", "suntap:s3cret@").replace("/postgres", "/nothing");
    let error = refused(&folder, &["import", "--from", "boltcard", &url, NAME]);
    assert!(error.contains("nothing") && !error.contains("s3cret"), "{error}");

    // The password can be in the environment. The database asks for it a moment after it was told to.
    backend.require_passwords();
    let start = std::time::Instant::now();
    while !refused(&folder, &["import", "--from", "boltcard", &backend.url, NAME]).contains("password missing") {
        assert!(start.elapsed().as_secs() < 60, "the database asks for no password");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["import", "--from", "boltcard", &backend.url, "--store"]).arg(folder.path("data.redb"));
    let output = command.arg("--secrets-file").arg(folder.secrets()).env("PGPASSWORD", "s3cret").output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("relation \"cards\" does not exist"), "{error}");
}

fn args_of_samples() -> Vec<String> {
    let (cards, settings) = (sample("boltcard-cards.csv"), sample("boltcard-settings.csv"));
    args(&cards, &settings).into_iter().map(String::from).collect()
}
