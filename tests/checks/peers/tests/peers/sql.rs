//! Tests the SQL store from suntap's documentation, and compares it with `MemoryCounters`.

#![allow(missing_docs, reason = "the code from the documentation is included unchanged")]

use proptest::prelude::*;
use suntap::MemoryCounters;
use suntap::conformance::{self, Contest, Promise};

include!("../../../../../src/counter/sql.in");

proptest! {
    #[test]
    fn it_answers_as_the_store_in_memory(
        calls in prop::collection::vec((0u8..4, prop_oneof![0u32..6, Just(0x00FF_FFFF)], prop::option::of(0u64..9)), 0..40),
    ) {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch(TABLE).unwrap();
        let mut sql = SqlCounters(connection);
        let mut memory = MemoryCounters::<4>::new();
        for (tag, ctr, at) in calls {
            let tag = CounterId::from_bytes([tag; 16]);
            let ctr = SdmReadCtr::new(ctr).unwrap();
            let at = at.map(UnixMillis::new);
            prop_assert_eq!(sql.advance(&tag, ctr, at).unwrap(), memory.advance(&tag, ctr, at).unwrap());
        }
    }
}

fn open(file: &str) -> SqlCounters {
    let connection = rusqlite::Connection::open(file).unwrap();
    connection.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    connection.execute_batch(TABLE).unwrap();
    SqlCounters(connection)
}

/// A database file that is removed when the test ends.
struct File(String);

impl File {
    fn new(name: &str) -> Self {
        let file = Self(format!("{}/{name}.sqlite", env!("CARGO_TARGET_TMPDIR")));
        let _ = std::fs::remove_file(&file.0);
        file
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn it_keeps_every_law() {
    let file = File::new("laws");
    conformance::sequential(&mut open(&file.0), 1).unwrap();
    let promises: Vec<_> = [1, 2, 500].map(|ctr| Promise::make(&mut open(&file.0), 2, ctr)).into();
    for promise in &promises {
        promise.keep(&mut open(&file.0)).unwrap();
    }
    // If nothing can be written, the store returns an error and keeps the stored counter.
    let before = Promise::make(&mut open(&file.0), 3, 7);
    let mut failing = open(&file.0);
    failing.0.pragma_update(None, "query_only", true).unwrap();
    let promise = Promise::make_failing(&mut failing, 3, 8);
    assert_eq!(promise.acknowledged(), None);
    promise.keep(&mut open(&file.0)).unwrap();
    before.keep(&mut open(&file.0)).unwrap();
}

/// Another connection reads for so long that the commit fails.
#[test]
fn a_failed_commit_is_an_error() {
    let file = File::new("commit");
    let mut store = open(&file.0);
    let before = Promise::make(&mut store, 1, 7);
    let reader = open(&file.0);
    reader.0.execute_batch("BEGIN; SELECT * FROM marks").unwrap();
    store.0.busy_timeout(std::time::Duration::ZERO).unwrap();
    let failed = Promise::make_failing(&mut store, 1, 8);
    assert_eq!(failed.acknowledged(), None);
    drop(reader);
    failed.keep(&mut store).unwrap();
    before.keep(&mut store).unwrap();
}

/// Each thread has its own connection, and calls the store when all connections are open.
#[test]
fn it_keeps_the_laws_that_race() {
    const THREADS: u16 = 8;
    let file = File::new("race");
    drop(open(&file.0));
    let contests = (0..20).flat_map(|round| {
        let run = round * 3;
        [Contest::Equal { run }, Contest::Increasing { run: run + 1 }, Contest::Apart { run: run + 2 }]
    });
    for contest in contests {
        let are_open = std::sync::Barrier::new(usize::from(THREADS));
        let results: Vec<_> = std::thread::scope(|scope| {
            let enter = |number| {
                let (file, are_open) = (&file.0, &are_open);
                scope.spawn(move || {
                    let mut store = open(file);
                    are_open.wait();
                    contest.enter(&mut store, number)
                })
            };
            let threads: Vec<_> = (0..THREADS).map(enter).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        contest.judge(&mut open(&file.0), results).unwrap();
    }
}

#[test]
fn a_broken_database_is_an_error() {
    let mut sql = SqlCounters(rusqlite::Connection::open_in_memory().unwrap());
    assert!(sql.advance(&CounterId::from_bytes([1; 16]), SdmReadCtr::MAX, None).is_err(), "the table is missing");
}
