//! The store on SQL that suntap documents, against the store in memory that it ships.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test fails by panicking"
)]
#![allow(missing_docs, reason = "the documented code stands here as it is shown")]

use proptest::prelude::*;
use suntap::MemoryCounters;

include!("../../../src/counter/sql.in");

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
            let tag = TagId::from_bytes([tag; 16]);
            let ctr = SdmReadCtr::new(ctr).unwrap();
            let at = at.map(UnixMillis);
            prop_assert_eq!(sql.advance(&tag, ctr, at).unwrap(), memory.advance(&tag, ctr, at).unwrap());
        }
    }
}

#[test]
fn a_broken_database_is_an_error() {
    let mut sql = SqlCounters(rusqlite::Connection::open_in_memory().unwrap());
    assert!(sql.advance(&TagId::from_bytes([1; 16]), SdmReadCtr::MAX, None).is_err(), "there is no table");
}
