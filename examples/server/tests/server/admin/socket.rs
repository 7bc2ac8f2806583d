//! The Unix socket.

use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;

use super::{Live, command, lines};
use crate::tags::{self, Folder};

#[test]
fn a_socket_is_private_and_goes_with_the_server() {
    let folder = Folder::new();
    // The path of a socket is short.
    let place = tempfile::Builder::new().prefix("st").tempdir().unwrap();
    let path = place.path().join("a.sock");
    // A socket that nobody listens at is replaced.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let address = format!("unix:{}", path.display());
    let store = folder.path("data.redb").to_str().unwrap().to_owned();
    let mut live = Live::start(folder, store, &lines(1), &["--admin-listen", &address]);
    assert_eq!(live.admin, address);
    let metadata = path.symlink_metadata().unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1, "nothing else is left");

    live.print(&["tag", "disable", "tag00001"]);
    assert!(live.tap(&tags::tag(1).tap().unwrap()).contains("tag_inactive"));
    let refused = live.run_as("management_00000000000000000000000000000000", &["tag", "list"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a management key is needed"), "{refused:?}");
    assert!(live.log().contains("unix"), "{}", live.log());

    // Another server does not take it away.
    let other = Folder::new();
    let data = other.path("data.redb").to_str().unwrap().to_owned();
    tags::write(&other.path("lines"), &lines(1));
    super::success(command(&other, &data, &["import", other.path("lines").to_str().unwrap()]).output().unwrap());
    let serve = |address: &str| {
        let args = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", address];
        let output = command(&other, &data, &args).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(serve(&address).contains("another process listens at this socket"));
    let file = place.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    assert!(serve(&format!("unix:{}", file.display())).contains("not a socket"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert!(serve("unix:/nowhere/at/all").contains("--admin-listen unix:/nowhere/at/all"));

    live.print(&["tag", "enable", "tag00001"]);
    assert!(live.server.terminate().success());
    assert!(!path.exists());
}
