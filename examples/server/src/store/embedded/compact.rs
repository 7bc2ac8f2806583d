//! Makes a data file smaller: copies it into a new file, which then replaces it.
//!
//! `redb` itself can only move pages within a file. It stops at the first page that it cannot move, and leaves pages half empty.
//!
//! The old file stays as it is until the new one is complete, compared with it and on disk. It stays locked until it has been
//! replaced, so that no server writes to it meanwhile.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;

use redb::Database;
use tempfile::TempPath;

use super::alone::alone;
use super::{Embedded, StoreError, copy, database, file_error, quietly, settle, spare, sync_folder, verified};
use crate::store::Options;

/// Appended to the name of the data file for the new file. A file with this name was left by an interrupted run.
const SUFFIX: &str = ".compacting";

/// What [`Embedded::compact`] did.
#[derive(Debug)]
pub struct Compacted {
    /// The length of the file before.
    pub before: u64,
    /// The length of the file after.
    pub after: u64,
    /// What an operator should know about the file.
    pub warnings: Vec<String>,
}

impl Embedded {
    /// Replaces a data file that nobody has open with a smaller one. Both exist for a while, in the same folder.
    ///
    /// # Errors
    /// As [`open`](Self::open), or if a page is damaged, or the new file cannot be written. The data file then has the same data as
    /// before.
    pub fn compact(path: &Path, options: Options) -> Result<Compacted, StoreError> {
        alone(path, options, |database, guard| {
            let failed = |error: io::Error| file_error(path, &format!("cannot be replaced: {error}"));
            // A symbolic link stays one.
            let target = path.canonicalize().map_err(failed)?;
            refuse_other_names(path, &target)?;
            let length = || target.metadata().map(|metadata| metadata.len());
            let before = length().map_err(failed)?;
            let (warnings, new) = verified(guard, || {
                // The copy has new checksums, which would hide a damaged page.
                database.check_integrity()?;
                let warnings = settle(database)?;
                let new = copied(database, &target, options).map_err(|error| {
                    let problem = match &error {
                        StoreError::Embedded(error) => error.to_string(),
                        StoreError::Failed(cause) => cause.to_string(),
                        error => error.to_string(),
                    };
                    file_error(path, &format!("cannot be copied, and stays as it is: {problem}"))
                })?;
                Ok((warnings, new))
            })?;
            // Until the new name is on disk, a power cut can bring the old file back, so no server may write to the new one.
            let held = File::open(&new).and_then(|file| Ok(file.try_lock().map(|()| file)?)).map_err(failed)?;
            std::fs::rename(&new, &target).map_err(failed)?;
            let replaced =
                |error: io::Error| file_error(path, &format!("is replaced by the smaller file, but {error}"));
            sync_folder(&target).map_err(replaced)?;
            let after = length().map_err(replaced)?;
            drop(held);
            Ok(Compacted { before, after, warnings })
        })
    }
}

/// Refuses a file with hard links: the other names would keep the old file with its old counters.
fn refuse_other_names(path: &Path, target: &Path) -> Result<(), StoreError> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;

        let metadata = target.metadata().map_err(|error| file_error(path, &error.to_string()))?;
        if metadata.nlink() > 1 {
            return Err(file_error(
                path,
                "has another name (a hard link), which would stay the old file: remove it first",
            ));
        }
    }
    Ok(())
}

/// Writes a compact copy of a data file beside it. The copy is removed when its path is dropped.
fn copied(old: &Database, path: &Path, options: Options) -> Result<TempPath, StoreError> {
    let (file, new_path) = new_file(path)?;
    let (mut new, guard) = database(&new_path, file, options)?;
    let written = verified(&guard, || {
        copy::copy(old, &new)?;
        spare::trim(&mut new, &new_path)
    });
    // After a failure, `redb` may panic when it closes the file.
    let closed = quietly(|| drop(new));
    written?;
    closed.ok_or(StoreError::Closed)?;
    guard.failure().map_or(Ok(()), |cause| Err(StoreError::Failed(cause)))?;
    let new = Database::builder().set_cache_size(options.cache_size).open_read_only(&new_path)?;
    copy::compare(old, &new)?;
    File::open(&new_path)?.sync_all()?;
    Ok(new_path)
}

/// Creates an empty file beside a data file, with the same owner and permissions. Removes what an interrupted run left.
fn new_file(path: &Path) -> io::Result<(File, TempPath)> {
    let mut name = path.file_name().map(OsString::from).unwrap_or_default();
    name.push(SUFFIX);
    let left = path.with_file_name(&name);
    if left.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
        std::fs::remove_file(&left)?;
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let (file, new) = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempfile_in(folder)?.into_parts();
    #[cfg(unix)]
    set_owner(&file, &path.metadata()?)?;
    file.set_permissions(path.metadata()?.permissions())?;
    Ok((file, new))
}

#[cfg(unix)]
fn set_owner(file: &File, wanted: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};

    let present = file.metadata()?;
    if (present.uid(), present.gid()) == (wanted.uid(), wanted.gid()) {
        return Ok(());
    }
    fchown(file, Some(wanted.uid()), Some(wanted.gid())).map_err(|error| {
        let (uid, gid) = (wanted.uid(), wanted.gid());
        io::Error::new(
            error.kind(),
            format!("run `compact` as the owner of the file, user {uid} and group {gid}: {error}"),
        )
    })
}
