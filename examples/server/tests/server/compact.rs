//! `suntap-server compact`: nothing is lost, and the file gets small and stays it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use redb::{Database, Key, ReadableDatabase as _, ReadableTable as _, TableDefinition, TableHandle as _, Value};

use crate::backup::Stored;
use crate::client::{Server, get};
use crate::opening::{done, import, refused};
use crate::tags::{self, Folder};

const DOCUMENTS: TableDefinition<'_, &str, Stored> = TableDefinition::new("documents");
const MARKS: TableDefinition<'_, &[u8; 16], (u32, Option<u64>, u32)> = TableDefinition::new("marks");
const FORMAT: TableDefinition<'_, (), (u32, &str)> = TableDefinition::new("format");
const CURSORS: TableDefinition<'_, &str, &str> = TableDefinition::new("suntap_cursors");
const STREAMS: [&str; 4] = ["suntap_history", "suntap_acts", "suntap_replays", "suntap_refusals"];
type History<'n> = TableDefinition<'n, (u64, u64), (u64, Vec<(u64, &'static str)>)>;
/// The documents before an unfinished import.
const UNDO: TableDefinition<'_, &str, Option<Stored>> = TableDefinition::new("undo");

/// Returns the rows of each table.
fn contents(path: &Path) -> BTreeMap<String, Vec<String>> {
    fn rows<K: Key + 'static, V: Value + 'static>(
        read: &redb::ReadTransaction,
        table: TableDefinition<'_, K, V>,
    ) -> Vec<String>
    where
        for<'a> K::SelfType<'a>: Debug,
        for<'a> V::SelfType<'a>: Debug,
    {
        let rows = read.open_table(table).unwrap();
        rows.iter()
            .unwrap()
            .map(|row| row.map(|(key, value)| format!("{:?} {:?}", key.value(), value.value())).unwrap())
            .collect()
    }

    let database = Database::open(path).unwrap();
    let read = database.begin_read().unwrap();
    let tables = read.list_tables().unwrap().map(|table| {
        let name = table.name();
        let rows = match name {
            "documents" => rows(&read, DOCUMENTS),
            "marks" => rows(&read, MARKS),
            "format" => rows(&read, FORMAT),
            "suntap_cursors" => rows(&read, CURSORS),
            stream if STREAMS.contains(&stream) => rows(&read, History::new(stream)),
            other => panic!("unknown table: {other}"),
        };
        (name.to_owned(), rows)
    });
    tables.collect()
}

/// Writes to a data file that is not open.
fn edit(path: &Path, edit: impl FnOnce(&redb::WriteTransaction)) {
    let database = Database::open(path).unwrap();
    let write = database.begin_write().unwrap();
    edit(&write);
    write.commit().unwrap();
}

/// Returns the path of a data file with this number of tags, and of the file that a compaction writes.
fn data_file(folder: &Folder, tags: u32) -> [std::path::PathBuf; 2] {
    let data = folder.path("data.redb");
    import(folder, data.to_str().unwrap(), &[tags::levels(), (0..tags).map(tags::line).collect()].concat());
    [data, folder.path("data.redb.compacting")]
}

#[test]
fn all_tables_are_copied_and_the_file_stays_small() {
    let folder = Folder::new();
    let [data, new] = data_file(&folder, 3000);
    let store = data.to_str().unwrap();
    let mut tag = tags::tag(7);
    let first = tags::target(&tag.tap().unwrap());
    let mut server = Server::on(store, &folder.secrets());
    assert!(get(&server.address, &first).body.contains("Pass"));
    // A compaction cannot start while a server runs.
    assert!(refused(&folder, store, &["compact"]).contains("the data file is in use: stop the server"));
    assert!(server.terminate().success());
    let text = "a refusal ".repeat(900);
    edit(&data, |write| {
        write.open_table(CURSORS).unwrap().insert("reader", "position").unwrap();
        for stream in STREAMS {
            let mut table = write.open_table(History::new(stream)).unwrap();
            for number in 0..40 {
                table
                    .insert((u64::MAX, number), (1, vec![(1, &text[..usize::try_from(number).unwrap() * 200])]))
                    .unwrap();
            }
        }
        // A document that nobody can read is not lost either.
        write.open_table(DOCUMENTS).unwrap().insert("zz/damaged", &b"\x01damaged"[..]).unwrap();
    });
    let before = contents(&data);
    assert_eq!(before.len(), 8, "{:?}", before.keys());
    assert!(before.values().all(|rows| !rows.is_empty()));
    // An interrupted compaction left this.
    fs::write(&new, "not all").unwrap();
    #[cfg(unix)]
    fs::set_permissions(&data, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();

    let length = || data.metadata().unwrap().len();
    let long = length();
    let said = done(&folder, store, &["compact"]);
    let short = length();
    assert_eq!(said, format!("{store} had {long} bytes, and has {short} bytes now\n"));
    assert!(!new.exists());
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&data.metadata().unwrap().permissions()) & 0o777, 0o640);
    assert!(contents(&data) == before, "the contents differ");
    let used: usize = before.values().flatten().map(String::len).sum();
    assert!(short < long && short < 2 * u64::try_from(used).unwrap(), "{long}, {short} and {used} bytes");

    // `redb` doubles a file without free pages when it is opened and closed.
    edit(&data, |write| drop(write.open_table(DOCUMENTS).unwrap().remove("zz/damaged").unwrap()));
    assert!(done(&folder, store, &["check"]).contains("0 findings"));
    assert!(length() < short + short / 8, "{short} bytes became {}", length());
    let server = Server::on(store, &folder.secrets());
    assert!(get(&server.address, &first).body.contains("Fail"));
    assert!(get(&server.address, &tags::target(&tag.tap().unwrap())).body.contains("Pass"));
}

#[test]
fn an_unfinished_import_is_undone_first() {
    let folder = Folder::new();
    let [data, _] = data_file(&folder, 10);
    let before = contents(&data);
    edit(&data, |write| {
        write.open_table(DOCUMENTS).unwrap().insert("xuid/new", &b"\0new"[..]).unwrap();
        write.open_table(UNDO).unwrap().insert("xuid/new", None).unwrap();
    });
    let said = done(&folder, data.to_str().unwrap(), &["compact"]);
    assert!(said.contains("warning: an import was interrupted and has been undone"), "{said}");
    assert_eq!(contents(&data), before);
}

#[test]
fn a_file_that_cannot_be_copied_stays() {
    let folder = Folder::new();
    let [data, new] = data_file(&folder, 4000);
    let store = data.to_str().unwrap();
    let before = contents(&data);

    // A table that a future version of this program added without adding it to `compact`.
    let later = TableDefinition::<u64, u64>::new("later");
    edit(&data, |write| drop(write.open_table(later).unwrap().insert(1, 2).unwrap()));
    let said = refused(&folder, store, &["compact"]);
    assert!(
        said.contains("cannot be copied, and stays as it is: suntap-server does not know its table `later`"),
        "{said}"
    );
    assert!(!new.exists());
    edit(&data, |write| assert!(write.delete_table(later).unwrap()));
    assert_eq!(contents(&data), before);

    // Something else that has the name of the new file.
    fs::create_dir(&new).unwrap();
    let said = refused(&folder, store, &["compact"]);
    assert!(said.contains("cannot be copied") && said.contains("data.redb.compacting"), "{said}");
    fs::remove_dir(&new).unwrap();
    assert_eq!(contents(&data), before);

    // The limit of the process for the size of a file stands for a full disk. A new file has 1 MiB.
    #[cfg(unix)]
    for kibibytes in [32, 1500] {
        let mut shell = Command::new("sh");
        let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" compact --store \"$1\"", 2 * kibibytes);
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_suntap-server")]).arg(&data);
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot be copied, and stays as it is") && said.contains("File too large"), "{said}");
        assert!(!new.exists());
        assert_eq!(contents(&data), before);
    }

    // A damaged page would get a new checksum.
    let whole = fs::read(&data).unwrap();
    let mut damaged = whole.clone();
    let place = damaged.windows(4).rposition(|window| window == b"xuid").unwrap();
    damaged[place + 1] ^= 0xFF;
    fs::write(&data, damaged).unwrap();
    assert!(refused(&folder, store, &["compact"]).contains("damaged"));
    assert!(!new.exists());
    fs::write(&data, whole).unwrap();
    assert_eq!(contents(&data), before);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stays_one() {
    let folder = Folder::new();
    let [data, _] = data_file(&folder, 10);
    let (before, link) = (contents(&data), folder.path("link.redb"));
    std::os::unix::fs::symlink(&data, &link).unwrap();
    done(&folder, link.to_str().unwrap(), &["compact"]);
    assert!(link.is_symlink() && !data.is_symlink());
    assert_eq!(contents(&data), before);
}

/// The old file or the new one is there, and complete, wherever the process ends.
#[test]
fn a_killed_compaction_loses_nothing() {
    let folder = Folder::new();
    let [data, new] = data_file(&folder, 500);
    let before = contents(&data);
    let (mut left, mut killed) = (0, 0);
    for round in 0..200 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.arg("compact").arg("--store").arg(&data).stdout(Stdio::null());
        let mut compaction = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(8 * round));
        compaction.kill().unwrap();
        let done = compaction.wait().unwrap().success();
        left += u32::from(new.exists());
        killed += u32::from(!done);
        assert!(contents(&data) == before, "round {round}: the contents differ");
        if done {
            break;
        }
    }
    assert!(left > 0 && killed > 1, "{left} of {killed}");
    done(&folder, data.to_str().unwrap(), &["compact"]);
    assert!(!new.exists());
    assert_eq!(contents(&data), before);
}
