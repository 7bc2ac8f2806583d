//! A Unix socket that only its owner can use.

use std::io::{Error, ErrorKind};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixStream};

use super::listen::Listener;
use crate::hex;
use crate::secrets::random;

/// A socket that listens. Dropping it removes its path.
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode, because another process may have replaced the path.
    identity: (u64, u64),
}

impl UnixSocket {
    /// Creates a socket with mode 0600. Replaces one that a process left behind.
    pub(super) fn bind(path: &Path) -> std::io::Result<Self> {
        match path.symlink_metadata() {
            Ok(found) if !found.file_type().is_socket() => {
                return Err(Error::new(ErrorKind::AlreadyExists, "the path exists and is not a socket"));
            }
            Ok(_) => match std::os::unix::net::UnixStream::connect(path) {
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Ok(_) => return Err(Error::new(ErrorKind::AddrInUse, "another process listens at this socket")),
                Err(error) => return Err(error),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        // The socket is created in a folder that only its owner can enter, so nobody can connect before its mode is set.
        let name = random::<4>().map_err(|error| Error::other(error.to_string()))?;
        let folder = path.with_file_name(format!(".{}", hex::encode(&name)));
        std::fs::DirBuilder::new().mode(0o700).create(&folder)?;
        let bound = Self::bind_in(&folder.join("s"), path);
        let _ = std::fs::remove_file(folder.join("s"));
        let _ = std::fs::remove_dir(&folder);
        bound
    }

    fn bind_in(temporary: &Path, path: &Path) -> std::io::Result<Self> {
        let listener = UnixListener::bind(temporary)?;
        std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o600))?;
        let metadata = temporary.symlink_metadata()?;
        std::fs::rename(temporary, path)?;
        Ok(Self { listener, path: path.into(), identity: (metadata.dev(), metadata.ino()) })
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        let found = self.path.symlink_metadata().map(|metadata| (metadata.dev(), metadata.ino()));
        if found.is_ok_and(|found| found == self.identity) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Listener for UnixSocket {
    type Stream = UnixStream;

    async fn accept(&self) -> std::io::Result<(UnixStream, Option<IpAddr>)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, None))
    }
}
