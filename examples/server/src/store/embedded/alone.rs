//! Work on a data file that nobody else has open.

use std::path::Path;

use redb::Database;

use super::{DAMAGED, Embedded, Guard, StoreError, existing, file_error, quietly, verified};
use crate::store::Options;

impl Embedded {
    /// Checks every page of a data file that nobody has open. If the file was not closed, its record of free space may be wrong, and is
    /// corrected.
    ///
    /// # Errors
    /// As [`open`](Self::open), or if a page is damaged.
    pub fn check_integrity(path: &Path, options: Options) -> Result<(), StoreError> {
        alone(path, options, |database, guard| {
            verified(guard, || database.check_integrity().map(drop).map_err(Into::into))
        })
    }
}

/// Runs `work` on a data file that nobody has open.
pub(super) fn alone<T>(
    path: &Path,
    options: Options,
    work: impl FnOnce(&mut Database, &Guard) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let (mut database, guard) = existing(path, options)?;
    let done = quietly(|| work(&mut database, &guard));
    // After a failed check, `redb` panics when it closes the file.
    let closed = quietly(|| drop(database));
    match done.filter(|_| closed.is_some()) {
        Some(Err(StoreError::Failed(cause))) => Err(file_error(path, &cause)),
        Some(done) => done,
        None => Err(file_error(path, DAMAGED)),
    }
}
