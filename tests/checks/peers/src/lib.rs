//! Compiles and runs the documentation examples of suntap that need a database, so that suntap itself builds without
//! one.
//!
//! The SQL store from the documentation of [`suntap::CounterStore`], used by a caller:
//!
//! ```
#![doc = include_str!("../../../../src/counter/sql.in")]
//!
//! # fn main() -> Result<(), rusqlite::Error> {
//! let connection = rusqlite::Connection::open_in_memory()?;
//! connection.execute_batch(TABLE)?;
//! let mut counters = SqlCounters(connection);
//! let (tag, ctr) = (CounterId::from_bytes([1; 16]), SdmReadCtr::MAX);
//! assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Advanced { previous: None, .. }));
//! assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
//! # Ok(())
//! # }
//! ```
