//! A connection to the Unix socket of a server, for a management key.

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use tokio::net::UnixStream;

/// Connects to a socket. If a management key is to be sent, first checks that nobody else can listen there: the server creates the socket
/// for its owner alone, and the process that listens must belong to this user or to root. The server may also have a user of its own if
/// this process is run by root, and only this user can write to the folder of the socket.
pub(super) async fn connect(path: &Path, has_key: bool) -> anyhow::Result<UnixStream> {
    let metadata = path.metadata()?;
    ensure!(metadata.file_type().is_socket(), "it is not a socket");
    let mode = metadata.mode() & 0o777;
    ensure!(
        !has_key || mode & 0o700 == mode,
        "other users can use the socket (mode {mode:o}, expected 600), so the management key is not sent"
    );
    let stream = UnixStream::connect(path).await?;
    if !has_key {
        return Ok(stream);
    }
    let peer = stream.peer_cred()?.uid();
    // A pair of sockets tells the user of this process without `unsafe`.
    let user = UnixStream::pair()?.0.peer_cred()?.uid();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.metadata().context("the folder of the socket")?;
    let is_own = user == 0 && folder.uid() == peer && folder.mode() & 0o022 == 0;
    if peer != user && peer != 0 && !is_own {
        bail!("the user {peer} listens at the socket, expected {user} or root, so the management key is not sent");
    }
    Ok(stream)
}
