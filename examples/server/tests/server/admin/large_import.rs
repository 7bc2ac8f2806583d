//! A large import into a running server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Live, command, lines, success};
use crate::tags;

/// Every tap is answered while many tags are imported into a data file, and the imported tags work afterwards.
#[test]
fn no_tap_fails_during_a_large_import() {
    let live = &Live::new(&lines(20));
    let path = live.folder.path("more.ndjson");
    tags::write(&path, &(1000..4000).map(tags::line).collect::<Vec<_>>());
    let path = path.to_str().unwrap().to_owned();
    let (done, tapped) = (&AtomicBool::new(false), &AtomicBool::new(false));
    std::thread::scope(|scope| {
        let taps = scope.spawn(move || {
            let mut tags: Vec<_> = (1..=10).map(tags::tag).collect();
            while !done.load(Ordering::Relaxed) {
                for tag in &mut tags {
                    let answer = live.tap(&tag.tap().unwrap());
                    assert!(answer.contains("Pass"), "{answer}");
                }
                tapped.store(true, Ordering::Relaxed);
            }
        });
        let output = live.run(&["import", &path]);
        done.store(true, Ordering::Relaxed);
        taps.join().unwrap();
        assert_eq!(success(output), "3000 tags imported, and 0 other lines\n");
    });
    assert!(tapped.load(Ordering::Relaxed));
    assert!(live.tap(&tags::tag(3999).tap().unwrap()).contains("Pass"));
    let history = live.print(&["history", "--event", "admin"]);
    assert!(history.contains("3000 tags, 0 other lines"), "{history}");
}

/// After `kill -9` during an import, the data file has all of its tags or none, and no name of one.
#[test]
fn a_killed_import_is_undone() {
    let live = Live::new(&lines(20));
    let headers = format!("Authorization: Bearer {}\r\nContent-Type: application/x-ndjson\r\n", live.writer);
    let text = tags::text(&(1000..4000).map(tags::line).collect::<Vec<_>>());
    std::thread::scope(|scope| {
        // It gets no answer, or an answer just before the server is killed.
        let import = || std::panic::catch_unwind(|| live.send("POST", "/admin/v1/import", &headers, text.as_bytes()));
        let (import, start) = (scope.spawn(import), Instant::now());
        while live.ask("GET", "/admin/v1/tags/xuid/tag01000", &serde_json::Value::Null).0 != 200 {
            assert!(start.elapsed() < Duration::from_secs(120), "no imported tag is found");
        }
        live.server.signal("KILL");
        let _ = import.join();
    });
    let exported = command(&live.folder, &live.store, &["tag", "export"]).output().unwrap();
    let error = String::from_utf8(exported.stderr.clone()).unwrap();
    let count = success(exported).matches(r#"{"tag":{"#).count();
    assert!(matches!((count, error.contains("has been undone")), (20, true) | (3020, false)), "{count} {error}");
    // What was undone can be imported.
    std::fs::write(live.folder.path("more.ndjson"), &text).unwrap();
    let path = live.folder.path("more.ndjson").to_str().unwrap().to_owned();
    let said = success(command(&live.folder, &live.store, &["import", &path]).output().unwrap());
    assert_eq!(said, "3000 tags imported, and 0 other lines\n");
}

/// The place of a row, not the number of the converted line.
#[test]
fn a_converted_import_names_the_row() {
    let live = Live::new(&lines(1));
    let before = crate::moving::sample("ixkio-groups.ndjson");
    let table = crate::moving::changed(&live.folder, "ixkio.csv", "12,9,,", "12,9,yesterday,");
    let error = live.fail(&["import", "--from", "ixkio-csv", &table, "--before", &before]);
    assert!(error.contains("line 2: a time must be like") && error.contains("nothing was imported"), "{error}");
}
