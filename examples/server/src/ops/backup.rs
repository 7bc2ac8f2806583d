//! Backups: all documents, marks and history of a store in one file, and stores made from such files.
//!
//! A backup is a text, compressed with gzip: one JSON object per line. The first line says what wrote it, and the last one has the
//! number of lines of each kind and the SHA-256 of everything before it, so that a truncated or damaged backup is detected. It is
//! the same for all kinds of store, so it can be restored into another kind.
//!
//! A backup has sealed keys, and no secrets. Without the secrets of the server it is useless, so they must be kept apart from it,
//! and must not be lost.

use std::fmt;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use self::line::{Encoder, Header, Line};
use crate::store::{FORMAT, Record, Store};
use crate::time::{self, now};

mod history;
mod line;
mod reader;
mod restore;

pub use self::line::Counts;
pub use self::reader::BackupError;
pub use self::restore::{Backup, Replays, Restored};

/// Batches of records that wait to be written.
const QUEUE: usize = 4;

/// Writes a backup of a store, of a running service too. Every tap that was answered before this call is in it. The store reads
/// until the last byte is accepted, see [`Store::snapshot`]: `to` should be fast.
///
/// # Errors
/// Returns an error if the store fails or `to` cannot be written. What was written then is not a backup, and is refused as one.
pub async fn backup(store: &Store, to: impl AsyncWrite + Send) -> anyhow::Result<Counts> {
    let (sender, records) = mpsc::channel(QUEUE);
    let mut to = std::pin::pin!(to);
    let header = Header {
        version: line::VERSION,
        format: FORMAT,
        program: env!("CARGO_PKG_VERSION").into(),
        store: store.kind().into(),
        at: now().map(time::text).unwrap_or_default(),
    };
    let write = async {
        let encoder = Encoder::new(&header)?;
        write_records(encoder, records, &mut to).await
    };
    let (sent, written) = tokio::join!(store.snapshot(sender), write);
    // If the writer failed, the store reports only that nobody received its records.
    let encoder = written?;
    sent?;
    let (rest, counts) = encoder.finish()?;
    to.write_all(&rest).await?;
    to.flush().await?;
    Ok(counts)
}

async fn write_records(
    mut encoder: Encoder,
    mut records: mpsc::Receiver<Vec<Record>>,
    to: &mut (impl AsyncWrite + Unpin),
) -> anyhow::Result<Encoder> {
    while let Some(records) = records.recv().await {
        // Compression takes milliseconds, in which other requests must be answered.
        let encode = move || {
            for record in records {
                encoder.add(&Line::from(record))?;
            }
            let bytes = encoder.take();
            io::Result::Ok((encoder, bytes))
        };
        let (next, bytes) = tokio::task::spawn_blocking(encode).await??;
        encoder = next;
        to.write_all(&bytes).await?;
    }
    Ok(encoder)
}

/// Writes a new file that only its owner can read, and returns what `check` returns about it. The file has its name only when it is
/// complete, checked and on disk.
///
/// # Errors
/// Returns an error if the file exists or cannot be written, or the error of `write` or `check`. There is no file then.
pub async fn in_new_file<T>(
    path: &Path,
    write: impl AsyncFnOnce(tokio::fs::File) -> anyhow::Result<()>,
    check: impl FnOnce(&Path) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let failed = || format!("cannot write {}", path.display());
    if path.symlink_metadata().is_ok() {
        return Err(exists()).with_context(failed);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // With mode 0600. It is removed when it is dropped.
    let file = tempfile::Builder::new().prefix(".suntap-backup-").tempfile_in(folder).with_context(failed)?;
    write(tokio::fs::File::from_std(file.as_file().try_clone().with_context(failed)?)).await.with_context(failed)?;
    file.as_file().sync_all().with_context(failed)?;
    let checked = check(file.path()).with_context(failed)?;
    file.persist_noclobber(path).map_err(|error| error.error).with_context(failed)?;
    #[cfg(unix)]
    std::fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(failed)?;
    Ok(checked)
}

fn exists() -> io::Error {
    io::Error::new(io::ErrorKind::AlreadyExists, "the file exists: choose another name")
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { documents, marks, history } = self;
        write!(f, "{documents} documents, {marks} counters and {history} entries of the history")
    }
}
