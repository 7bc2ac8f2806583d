//! Storage that reports its first failure.
//!
//! `redb` accepts no write after a failed one until the file is opened again. It also expects that no other program changes the
//! file. [`Guarded`] keeps the first cause of a failure, so that the server can say it and end.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use tokio::sync::watch;

/// The part of the file that `redb` changes with each commit: its header with both commit slots.
const HEADER: usize = 320;

/// A storage backend with a [`Guard`].
#[derive(Debug)]
pub(super) struct Guarded<B> {
    backend: B,
    guard: Arc<Guard>,
}

/// Knows whether a data file can still be used.
#[derive(Debug)]
pub(super) struct Guard {
    failure: watch::Sender<Option<Arc<str>>>,
    file: Option<OpenFile>,
}

/// The open file, and what this process wrote to it.
#[derive(Debug)]
struct OpenFile {
    path: PathBuf,
    file: File,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    length: u64,
    header: [u8; HEADER],
}

impl Guard {
    /// Guards storage that is not a file.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { failure: watch::Sender::new(None), file: None })
    }

    /// Guards the file that is open at `path`.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read.
    pub(super) fn of_file(path: &Path, file: &File) -> io::Result<Arc<Self>> {
        let file = OpenFile {
            path: path.into(),
            file: file.try_clone()?,
            written: Mutex::new(Written { length: file.metadata()?.len(), header: header(file)? }),
        };
        Ok(Arc::new(Self { failure: watch::Sender::new(None), file: Some(file) }))
    }

    /// Returns the first cause of a failure.
    pub(super) fn failure(&self) -> Option<Arc<str>> {
        self.failure.borrow().clone()
    }

    /// Waits for a failure and returns its cause. Waits forever if the store is closed without one.
    pub(super) fn failed(&self) -> impl Future<Output = Arc<str>> + Send + use<> {
        let mut failure = self.failure.subscribe();
        async move {
            let cause = match failure.wait_for(Option::is_some).await {
                Ok(cause) => cause.clone(),
                Err(_) => None,
            };
            match cause {
                Some(cause) => cause,
                None => std::future::pending().await,
            }
        }
    }

    /// Records a failure, unless there was one before.
    pub(super) fn fail(&self, cause: &str) {
        self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            if is_first {
                *failure = Some(cause.into());
            }
            is_first
        });
    }

    /// Checks that the path still leads to the open file, and that no other program has changed the file. Records a failure.
    pub(super) fn verify(&self) {
        if let Some(file) = &self.file
            && let Err(cause) = file.verify()
        {
            self.fail(&cause);
        }
    }

    fn check<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            // Another program that truncated the file is the better explanation of a failed read.
            self.verify();
            self.fail(&format!("I/O error: {error}"));
        }
        result
    }

    /// Returns an error after a failure: a write would damage a file that was restored from a backup.
    fn may_write(&self) -> io::Result<()> {
        self.failure().map_or(Ok(()), |cause| Err(io::Error::other(&*cause)))
    }

    fn written(&self) -> Option<MutexGuard<'_, Written>> {
        self.file.as_ref().map(OpenFile::written)
    }
}

impl OpenFile {
    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verify(&self) -> Result<(), String> {
        let written = self.written();
        let open = self.file.metadata().map_err(|error| format!("I/O error: {error}"))?;
        match self.path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err("the file was removed while the server was running".into());
            }
            Ok(at_path) if !is_same(&at_path, &open) => {
                return Err("the file was replaced by another while the server was running".into());
            }
            // A path that cannot be followed at the moment says nothing about the open file.
            _ => {}
        }
        if open.len() < written.length {
            return Err(format!(
                "another program truncated the file from {} to {} bytes while the server was running",
                written.length,
                open.len()
            ));
        }
        let header = header(&self.file).map_err(|error| format!("I/O error: {error}"))?;
        if open.len() > written.length || header != written.header {
            return Err("another program wrote to the file while the server was running".into());
        }
        Ok(())
    }
}

impl<B: StorageBackend> Guarded<B> {
    pub(super) fn new(backend: B, guard: Arc<Guard>) -> Self {
        Self { backend, guard }
    }
}

impl<B: StorageBackend> StorageBackend for Guarded<B> {
    fn len(&self) -> io::Result<u64> {
        self.guard.check(self.backend.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.guard.check(self.backend.read(offset, out))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.guard.may_write()?;
        let result = {
            let written = self.guard.written();
            let result = self.backend.set_len(len);
            if let (Some(mut written), Ok(())) = (written, &result) {
                written.length = len;
            }
            result
        };
        self.guard.check(result)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.guard.may_write()?;
        self.guard.check(self.backend.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.guard.may_write()?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let result = if start < HEADER {
            let written = self.guard.written();
            let result = self.backend.write(offset, data);
            if let (Some(mut written), Ok(())) = (written, &result) {
                let header = written.header.iter_mut().skip(start);
                header.zip(data).for_each(|(byte, new)| *byte = *new);
            }
            result
        } else {
            self.backend.write(offset, data)
        };
        self.guard.check(result)
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }
}

/// Reads the header, with zeros for what a new file does not have yet.
fn header(file: &File) -> io::Result<[u8; HEADER]> {
    let mut header = [0; HEADER];
    let mut read = 0;
    while let Some(rest) = header.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match read_at(file, rest, u64::try_from(read).unwrap_or_default()) {
            Ok(0) => break,
            Ok(length) => read = read.saturating_add(length),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(header)
}

#[cfg(unix)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_at(file: &File, out: &mut [u8], offset: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;

    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Windows does not let another program replace an open file.
#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
