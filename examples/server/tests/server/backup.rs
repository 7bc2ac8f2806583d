//! Backups: what they contain, what is refused, and the drill of losing a disk.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::{Advance, AsyncCounterStore as _, CounterId, SdmReadCtr, UnixMillis};
use suntap_server::ops::backup::{Backup, Replays, backup};
use suntap_server::store::{Change, Entry, Options, Store, StoreError, Stream};
use tokio::runtime::Runtime;

use crate::backends;
use crate::client::{Server, get};
use crate::opening::{done, import, refused};
use crate::postgres::connect;
use crate::stores::open;
use crate::tags::{self, Folder};

/// More than a tag is tapped after the backup.
const RAISE: u32 = 5;

fn path(folder: &Folder, name: &str) -> String {
    folder.path(name).to_str().unwrap().into()
}

/// Returns the lines of a backup.
fn lines(bytes: &[u8]) -> Vec<Value> {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn gzip(lines: &[Value]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tags::text(lines).as_bytes()).unwrap();
    gzip.finish().unwrap()
}

async fn backed_up(store: &Store) -> Vec<u8> {
    let mut bytes = Vec::new();
    backup(store, &mut bytes).await.unwrap();
    bytes
}

/// Returns the lines of a history with these taps.
async fn history(store: &str, taps: &[(u32, u32)]) -> String {
    let store = open(store).await;
    let mut ids = BTreeMap::new();
    let each = |key: &str, text: &str| {
        let tag: Value = serde_json::from_str(text).unwrap();
        ids.insert(tag["see"].as_str().unwrap().to_owned(), key.trim_start_matches("counter/").to_owned());
        Ok::<_, StoreError>(())
    };
    store.list("counter/", each).await.unwrap();
    store.close().await;
    let line = |(number, ctr): &(u32, u32)| {
        let tag = format!("xuid/{}", tags::xuid(*number));
        let id = &ids[&tag];
        json!({ "at": "2026-11-26T12:00:00.000Z", "event": "tap", "verdict": "fresh", "tag": tag, "counterId": id, "ctr": ctr })
    };
    let mut lines: Vec<_> = taps.iter().map(line).collect();
    // The counter of a refusal may be forged, and must not be used.
    let mut forged = lines[0].clone();
    forged["verdict"] = "not_authentic".into();
    forged["ctr"] = 0xFF_FFFF.into();
    lines.push(forged);
    lines
        .push(json!({ "at": "2026-11-26T12:00:01.000Z", "event": "refused", "verdict": "not_authentic", "count": 17 }));
    tags::text(&lines)
}

fn passes(server: &Server, target: &str) -> bool {
    let reply = get(&server.address, target);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.body.contains(r#""response":"Pass""#)
}

/// Imports 20 tags into `origin`, backs it up, taps, loses it, and restores it into each of `targets` in each way.
fn drill(folder: &Folder, origin: &str, lose: impl Fn(&str), targets: &[String]) {
    let imported: Vec<_> = (0..20).map(tags::line).collect();
    import(folder, origin, &[tags::levels(), imported].concat());
    let mut emulated: Vec<_> = (0..20).map(tags::tag).collect();
    let tap = |tag: &mut EmulatedTag| tags::target(&tag.tap().unwrap());
    let is_file = !origin.contains("://");
    let file = path(folder, "backup");

    let mut server = Server::on(origin, &folder.secrets());
    // Half of the tags have no tap before the backup.
    for tag in emulated.iter_mut().step_by(2) {
        assert!(passes(&server, &tap(tag)));
    }
    if is_file {
        // A data file that a server has open cannot be read.
        assert!(refused(folder, origin, &["backup", &file]).contains("stop the server"));
        server.terminate();
    }
    let said = done(folder, origin, &["backup", &file]);
    assert!(said.contains("10 counters") && said.contains("useless without them"), "{said}");
    assert!(refused(folder, origin, &["backup", &file]).contains("the file exists"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    if is_file {
        server = Server::on(origin, &folder.secrets());
    }
    let (mut since, mut recorded) = (Vec::new(), Vec::new());
    for (number, tag) in (0..).zip(&mut emulated) {
        for ctr in 1..=2 {
            since.push(tap(tag));
            assert!(passes(&server, since.last().unwrap()));
            recorded.push((number, ctr + u32::from(number % 2 == 0)));
        }
    }
    drop(server);
    let history_file = path(folder, "history.ndjson");
    fs::write(&history_file, Runtime::new().unwrap().block_on(history(origin, &recorded))).unwrap();
    lose(origin);

    let by = RAISE.to_string();
    for (name, raise, must_pass) in [
        ("number", &["--raise-counters-by", &*by][..], false),
        ("history", &["--raise-from", &*history_file], false),
        ("nothing", &["--accept-replays"], true),
    ] {
        for target in targets {
            let store = if target.contains("://") { target.clone() } else { format!("{target}-{name}") };
            // A decision is needed.
            refused_usage(folder, &store, &["restore", &file]);
            let said = done(folder, &store, &[&["restore", &file], raise].concat());
            assert!(said.contains("restored ") && said.contains("once more"), "{said}");
            assert_eq!(done(folder, &store, &["check"]), "0 findings\n");
            let again = refused(folder, &store, &[&["restore", &file], raise].concat());
            assert!(again.contains("the store is not empty"), "{again}");

            let server = Server::on(&store, &folder.secrets());
            let passed = since.iter().filter(|target| passes(&server, target)).count();
            assert_eq!(passed, if must_pass { 40 } else { 0 }, "{target}, {name}");
            // The tags go on: at once, or when their counter is greater than the raised one.
            for tag in &mut emulated.clone() {
                let taps = (1..=RAISE + 1).find(|_| passes(&server, &tap(tag))).unwrap();
                assert!(taps <= if name == "number" { RAISE + 1 } else { 1 }, "{taps}");
                assert!(passes(&server, &tap(tag)));
            }
            drop(server);
            lose(&store);
        }
    }
}

fn refused_usage(folder: &Folder, store: &str, args: &[&str]) {
    let output = crate::opening::run(folder, store, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("--raise-counters-by"), "{said}");
}

/// Removes everything in a store, as a broken disk does.
fn lose(store: &str) {
    if store.starts_with("postgres") {
        Runtime::new().unwrap().block_on(async {
            let sql = "DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC";
            connect(store).await.batch_execute(sql).await.unwrap();
        });
    } else if store.starts_with("redis") {
        Runtime::new().unwrap().block_on(async {
            let mut connection = redis::Client::open(store).unwrap().get_multiplexed_async_connection().await.unwrap();
            redis::cmd("FLUSHALL").query_async::<()>(&mut connection).await.unwrap();
        });
    } else {
        fs::remove_file(store).unwrap();
    }
}

#[test]
fn no_tap_since_the_backup_passes_after_a_restore_of_a_data_file() {
    let folder = Folder::new();
    let mut targets = vec![path(&folder, "restored.redb")];
    let database = backends::postgres();
    targets.extend(database.iter().map(|database| database.url.clone()));
    drill(&folder, &path(&folder, "data.redb"), lose, &targets);
}

#[test]
fn no_tap_since_the_backup_passes_after_a_restore_of_postgres() {
    let Some(database) = backends::postgres() else { return };
    let folder = Folder::new();
    drill(&folder, &database.url, lose, &[database.url.clone(), path(&folder, "restored.redb")]);
}

#[test]
fn no_tap_since_the_backup_passes_after_a_restore_of_redis() {
    let Some(database) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    drill(&folder, &database.url, lose, std::slice::from_ref(&database.url));
}

#[test]
fn a_backup_that_cannot_be_restored_changes_nothing() {
    let folder = Folder::new();
    let (data, new) = (path(&folder, "data.redb"), path(&folder, "new.redb"));
    import(&folder, &data, &[tags::levels(), (0..50).map(tags::line).collect()].concat());
    let file = path(&folder, "backup");
    done(&folder, &data, &["backup", &file]);
    let whole = fs::read(&file).unwrap();
    let bad = path(&folder, "bad");
    let refused_as = |bytes: &[u8], reasons: &[&str]| {
        fs::write(&bad, bytes).unwrap();
        let said = refused(&folder, &new, &["restore", &bad, "--accept-replays"]);
        assert!(reasons.iter().any(|reason| said.contains(reason)), "{said}");
        assert!(!folder.path("new.redb").exists());
    };
    let (length, broken) = (whole.len(), ["is damaged", "is truncated", "is not a backup"]);
    for length in [0, 1, 9, 10, 100, length / 2, length - 20, length - 9, length - 8, length - 1] {
        refused_as(&whole[..length], &broken);
    }
    for index in (10..length).step_by(length / 40) {
        let mut damaged = whole.clone();
        damaged[index] ^= 1;
        refused_as(&damaged, &broken);
    }
    refused_as(&[&whole[..], b"x"].concat(), &["something follows"]);
    refused_as(b"not a backup", &["is not a backup"]);
    refused_as(&gzip(&[json!({ "tag": {} })]), &["is not a backup"]);

    // Text that was edited and compressed again.
    let lines = lines(&whole);
    refused_as(&gzip(&[&lines[..1], &lines[2..]].concat()), &["the number of lines is wrong"]);
    let mut edited = lines.clone();
    edited[2]["document"]["text"] = "{}".into();
    refused_as(&gzip(&edited), &["the checksum is wrong"]);
    refused_as(&gzip(&lines[..lines.len() - 1]), &["is truncated"]);
    for (field, number) in [("format", 2), ("version", 7)] {
        let mut newer = lines.clone();
        newer[0]["suntapBackup"][field] = number.into();
        newer[0]["suntapBackup"]["program"] = "9.8.7".into();
        newer[0]["suntapBackup"]["more"] = true.into();
        let reason = format!("has format {number}, and this program supports formats up to 1");
        refused_as(&gzip(&newer), &[&reason]);
        refused_as(&gzip(&newer), &["suntap-server 9.8.7"]);
    }

    folder.write_secrets(&tags::SECRETS.replace("5E", "5F"));
    refused_as(&whole, &["these secrets are not those of this store"]);
    folder.write_secrets(tags::SECRETS);
    fs::write(folder.path("history"), "{\"event\":\"tap\"}\n").unwrap();
    let history = path(&folder, "history");
    for (text, reason) in [
        ("", "there is no tap in it"),
        ("{\"event\":\"tap\"}\nnonsense\n", "line 2: not a line of the history"),
        (r#"{"event":"tap","verdict":"fresh","counterId":"00","ctr":1}"#, "line 1: invalid counter id or counter"),
    ] {
        fs::write(&history, text).unwrap();
        let said = refused(&folder, &new, &["restore", &file, "--raise-from", &history]);
        assert!(said.contains(reason), "{said}");
    }
    // An empty store is no obstacle, and a store with tags is.
    assert_eq!(
        done(&folder, &new, &["init"]),
        format!("there is already a store in {new}\n").replace("there is already", "created")
    );
    done(&folder, &new, &["restore", &file, "--accept-replays"]);
    let before = Runtime::new().unwrap().block_on(async { backed_up(&open(&new).await).await });
    let said = refused(&folder, &new, &["restore", &file, "--accept-replays"]);
    assert!(said.contains("the store is not empty"), "{said}");
    let after = Runtime::new().unwrap().block_on(async { backed_up(&open(&new).await).await });
    // The first line has the time, and the last one the checksum.
    let records = |bytes: &[u8]| {
        let lines = self::lines(bytes);
        lines[1..lines.len() - 1].to_vec()
    };
    assert!(records(&whole) == records(&before) && records(&before) == records(&after));
}

/// A tag whose counter id only its eCode shows cannot be raised if it was never tapped.
#[test]
fn a_restore_counts_the_tags_that_it_cannot_protect() {
    let folder = Folder::new();
    let (data, new) = (path(&folder, "data.redb"), path(&folder, "new.redb"));
    let code = json!({ "tag": { "organisation": 1, "number": 7, "uid": "04AABBCC112233",
        "layout": { "template": crate::counters::ETRNL_LAYOUT }, "keys": { "derived": { "eCode": { "epoch": 5 } } } } });
    import(&folder, &data, &[tags::levels(), vec![tags::line(1), code]].concat());
    let file = path(&folder, "backup");
    done(&folder, &data, &["backup", &file]);
    let said = done(&folder, &new, &["restore", &file, "--raise-counters-by", "20000000"]);
    assert!(said.contains("\n1 tags have keys that only their eCode opens"), "{said}");
    // No counter is greater than the greatest one.
    let server = Server::on(&new, &folder.secrets());
    assert!(!passes(&server, &tags::target(&tags::tag(1).tap().unwrap())));
}

/// Returns the contents of a store that have to be the same in each kind of store.
async fn contents(store: &Store) -> Vec<String> {
    let lines = lines(&backed_up(store).await);
    let records = lines[1..lines.len() - 1].iter().map(Value::to_string);
    let mut records: Vec<_> = records.collect();
    records.sort();
    records.dedup();
    records
}

/// A backup of each kind of store can be restored into each other kind, with the same bytes and the order of the history.
#[test]
fn a_backup_moves_between_all_kinds_of_store() {
    let folder = Folder::new();
    let databases = [backends::postgres(), backends::redis(&[]), backends::redis_cluster()];
    Runtime::new().unwrap().block_on(async {
        let mut store = open(&path(&folder, "data.redb")).await;
        let metadata = r#"{"z": 1.0,  "a":1e400, "z":"é", "x":"\u0000\ud800"}"#;
        let document = |number: u32| (format!("test/{number}"), Some(metadata.replace("1.0", &number.to_string())));
        let entry = |number: u64| Entry { at: UnixMillis::new(number / 7), text: format!(r#"{{"number":{number}}}"#) };
        let change = Change {
            writes: (0..3000).map(document).collect(),
            history: (0..3000).map(entry).collect(),
            ..Change::default()
        };
        store.change(&change).await.unwrap();
        for stream in [Stream::Replays, Stream::Refusals] {
            store.append(stream, (0..5).map(entry).collect()).await.unwrap();
        }
        for id in 0..200 {
            let at = (id % 2 == 0).then_some(UnixMillis::new(1_700_000_000_000));
            let ctr = SdmReadCtr::new(u32::from(id) + 1).unwrap();
            let _ = (&mut &store).advance(&CounterId::from_bytes([id; 16]), ctr, at).await.unwrap();
        }
        let expected = contents(&store).await;
        assert_eq!(expected.len(), 3000 + 3010 + 200);
        let urls = databases.iter().flatten().map(|database| database.url.clone());
        for (number, url) in urls.chain([path(&folder, "last.redb")]).enumerate() {
            let file = folder.path(&format!("backup{number}"));
            fs::write(&file, backed_up(&store).await).unwrap();
            store.close().await;
            let backup = Backup::verify(&file).unwrap();
            store = Store::create_to_fill(&url.parse().unwrap(), Options::default()).await.unwrap();
            backup.restore(&store, Replays::Accept).await.unwrap();
            assert!(contents(&store).await == expected, "{url}");
            let page = store.history(None, None, 1000).await.unwrap();
            let numbers = page.entries.iter().filter(|entry| entry.at.get() > 0).map(|entry| entry.text.clone());
            let numbers: Vec<_> = numbers.collect();
            assert!(numbers.len() > 900 && numbers.is_sorted_by_key(|text| (text.len(), text.clone())), "{url}");
        }
        store.close().await;
    });
}

/// Every tap that was answered before a backup of a running store began is in it.
async fn backs_up_while_taps_run(url: &str) {
    const TAGS: u8 = 8;
    let store = Arc::new(open(url).await);
    let documents = (0..2000).map(|number| (format!("test/{number}"), Some(format!("\"{}\"", "x".repeat(200)))));
    store.change(&Change { writes: documents.collect(), ..Change::default() }).await.unwrap();
    let is_done = Arc::new(AtomicBool::new(false));
    let answered: Arc<Vec<_>> = Arc::new((0..TAGS).map(|_| std::sync::atomic::AtomicU32::new(0)).collect());
    let tasks: Vec<_> = (0..TAGS)
        .map(|tag| {
            let (store, is_done, answered) = (Arc::clone(&store), Arc::clone(&is_done), Arc::clone(&answered));
            tokio::spawn(async move {
                for ctr in 1.. {
                    let id = CounterId::from_bytes([tag; 16]);
                    let advance = (&mut &*store).advance(&id, SdmReadCtr::new(ctr).unwrap(), None).await.unwrap();
                    assert!(matches!(advance, Advance::Advanced { .. }));
                    answered[usize::from(tag)].store(ctr, Ordering::SeqCst);
                    if is_done.load(Ordering::SeqCst) {
                        return;
                    }
                }
            })
        })
        .collect();
    for _ in 0..5 {
        while answered.iter().any(|ctr| ctr.load(Ordering::SeqCst) == 0) {
            tokio::task::yield_now().await;
        }
        let before: Vec<_> = answered.iter().map(|ctr| ctr.load(Ordering::SeqCst)).collect();
        let lines = lines(&backed_up(&store).await);
        let marks = lines.iter().filter_map(|line| line.get("mark"));
        let marks: BTreeMap<_, _> =
            marks.map(|mark| (mark["id"].as_str().unwrap(), mark["ctr"].as_u64().unwrap())).collect();
        for (tag, ctr) in (0..TAGS).zip(before) {
            let id = format!("{tag:02X}").repeat(16);
            assert!(marks[&*id] >= u64::from(ctr), "{url}: tag {tag}");
        }
    }
    is_done.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn a_running_store_is_backed_up_with_every_tap_before() {
    let folder = Folder::new();
    let databases = [backends::postgres(), backends::redis(&[])];
    let urls = databases.iter().flatten().map(|database| database.url.clone());
    for url in urls.chain([path(&folder, "data.redb")]) {
        Runtime::new().unwrap().block_on(backs_up_while_taps_run(&url));
    }
}

/// A restore into Redis that was interrupted is completed by the same restore, and nothing opens it before.
#[test]
fn an_interrupted_restore_into_redis_is_completed() {
    let Some(database) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    let data = path(&folder, "data.redb");
    import(&folder, &data, &[tags::levels(), (0..3000).map(tags::line).collect()].concat());
    let [file, other] = ["backup", "other"].map(|name| path(&folder, name));
    done(&folder, &data, &["backup", &file]);
    done(&folder, &data, &["backup", &other]);
    let redis = |args: &[&str]| {
        let mut command = std::process::Command::new("redis-cli");
        String::from_utf8(command.args(["-u", &database.url]).args(args).output().unwrap().stdout).unwrap()
    };
    // On a busy machine, nothing is written in a short time.
    for millis in [50, 100, 200, 400, 800, 1600] {
        Runtime::new().unwrap().block_on(async {
            let store = Store::create_to_fill(&database.url.parse().unwrap(), Options::default()).await.unwrap();
            let backup = Backup::verify(file.as_ref()).unwrap();
            // Ends before the first part is written, or after some.
            let restore = backup.restore(&store, Replays::Accept);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(millis), restore).await;
        });
        redis(&["DEL", "suntap:lock"]);
        if redis(&["DBSIZE"]).trim() != "0" {
            break;
        }
    }
    for args in [&["check"][..], &["init"], &["serve", "--listen", "127.0.0.1:0"]] {
        let said = refused(&folder, &database.url, args);
        assert!(said.contains("run the same restore again"), "{said}");
    }
    // Each backup has a time of its own.
    let said = refused(&folder, &database.url, &["restore", &other, "--accept-replays"]);
    assert!(said.contains("the restore of another backup into it was interrupted"), "{said}");
    done(&folder, &database.url, &["restore", &file, "--accept-replays"]);
    assert_eq!(done(&folder, &database.url, &["check"]), "0 findings\n");
}

/// Redis may return empty pages before the one with a mark.
#[test]
fn a_restore_finds_a_mark_among_the_keys_of_others() {
    let Some(database) = backends::redis(&[]) else { return };
    let folder = Folder::new();
    let data = path(&folder, "data.redb");
    import(&folder, &data, &tags::levels());
    let file = path(&folder, "backup");
    done(&folder, &data, &["backup", &file]);
    let commands = "for number = 1, 20000 do redis.call('SET', 'other:' .. number, '') end
        redis.call('HSET', 'suntap:mark:000102030405060708090A0B0C0D0E0F', 'ctr', 7)";
    let filled = std::process::Command::new("redis-cli").args(["-u", &database.url, "EVAL", commands, "0"]).status();
    assert!(filled.unwrap().success());
    let said = refused(&folder, &database.url, &["restore", &file, "--accept-replays"]);
    assert!(said.contains("empty"), "{said}");
}

/// A document of a data file, as it is stored.
#[derive(Debug)]
pub(crate) struct Stored;

impl redb::Value for Stored {
    type SelfType<'a> = &'a [u8];
    type AsBytes<'a> = &'a [u8];

    fn fixed_width() -> Option<usize> {
        None
    }

    fn from_bytes<'a>(data: &'a [u8]) -> &'a [u8]
    where
        Self: 'a,
    {
        data
    }

    fn as_bytes<'a, 'b: 'a>(bytes: &'a &'b [u8]) -> &'a [u8] {
        bytes
    }

    fn type_name() -> redb::TypeName {
        redb::TypeName::new("suntap::Text")
    }
}

#[test]
fn compact_and_check_look_at_the_whole_data_file() {
    let folder = Folder::new();
    let data = path(&folder, "data.redb");
    import(&folder, &data, &[tags::levels(), (0..3000).map(tags::line).collect()].concat());
    let documents = redb::TableDefinition::<&str, Stored>::new("documents");
    {
        let database = redb::Database::open(&data).unwrap();
        let write = database.begin_write().unwrap();
        write
            .open_table(documents)
            .unwrap()
            .retain(|key, _| !key.contains('1') || key == "organisation/1" || key.starts_with("level/"))
            .unwrap();
        write.commit().unwrap();
    }
    let before = fs::metadata(&data).unwrap().len();
    let said = done(&folder, &data, &["compact"]);
    let after = fs::metadata(&data).unwrap().len();
    assert!(after < before, "{said}");
    assert_eq!(said, format!("{data} had {before} bytes, and has {after} bytes now\n"));
    assert_eq!(done(&folder, &data, &["check"]), "0 findings\n");

    let database = redb::Database::open(&data).unwrap();
    let write = database.begin_write().unwrap();
    for (key, text) in [("xuid/bad", "{}"), ("key/bad", "[]"), ("level/1/bad", "{"), ("another/kind", "{}")] {
        let mut sum = flate2::Crc::new();
        sum.update(text.as_bytes());
        let plain = [&[0], &sum.sum().to_le_bytes()[..], text.as_bytes()].concat();
        write.open_table(documents).unwrap().insert(key, &*plain).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    let said = refused(&folder, &data, &["check"]);
    let line = |key| format!("{key}: the document is invalid: suntap-server cannot read it\n");
    assert_eq!(said, ["key/bad", "level/1/bad", "xuid/bad"].map(line).concat() + "3 findings\n");

    // A page that was damaged while no server was running.
    let mut bytes = fs::read(&data).unwrap();
    let place = bytes.windows(4).rposition(|window| window == b"xuid").unwrap();
    bytes[place + 1] ^= 0xFF;
    fs::write(&data, bytes).unwrap();
    let said = refused(&folder, &data, &["check"]);
    assert!(said.contains("damaged"), "{said}");
}
