//! What the commands notice before an operator loses something: files that others can read, sockets of others, empty variables.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};

use crate::backends;
use crate::client::Server;
use crate::http::{command, imported};
use crate::tags::{self, Folder};

fn said(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap()
}

fn suntap(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).env_remove("RUST_BACKTRACE");
    command
}

/// Writes a file that others can read.
fn shared(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn only_files_with_a_password_are_warned_of() {
    const WARNING: &str = "can be read by other users";
    let folder = Folder::new();
    let secrets = folder.secrets().display().to_string();
    let check = |args: &[&str], store: Option<&str>| {
        let mut command = suntap(&["serve", "--check-config", "--secrets-file", &secrets]);
        command.args(args).env_remove("SUNTAP_STORE");
        store.map(|store| command.env("SUNTAP_STORE", store));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        said(&output)
    };
    let with = "postgres://user:s3cret@127.0.0.1:1/d";
    let file = |store: &str| shared(&folder, "server.toml", &format!("store = \"{store}\"\n"));
    for (store, is_warned) in [
        (with, true),
        ("postgres://127.0.0.1:1/d?user=u&password=s3cret", true),
        ("redis://:s3cret@127.0.0.1:1", true),
        ("postgres://user@127.0.0.1:1/d", false),
        ("redis://127.0.0.1:1", false),
        ("data.redb", false),
    ] {
        assert_eq!(check(&["--config", &file(store)], None).contains(WARNING), is_warned, "{store}");
    }
    // The password is in the variable, not in the file.
    assert!(!check(&["--config", &shared(&folder, "other.toml", "pool = 4\n")], Some(with)).contains(WARNING));
    let said = check(&["--store-file", &shared(&folder, "url", with)], None);
    assert!(said.contains("store file ") && said.contains(WARNING), "{said}");
    fs::set_permissions(&secrets, Permissions::from_mode(0o644)).unwrap();
    assert!(check(&["--store", "data.redb"], None).contains(WARNING));
}

#[test]
fn a_management_key_is_sent_to_the_own_server_only() {
    let folder = Folder::new();
    let place = tempfile::Builder::new().prefix("st").tempdir().unwrap();
    let socket = place.path().join("a.sock");
    let address = format!("unix:{}", socket.display());
    let key = shared(&folder, "key", "management_00000000000000000000000000000000");
    let list = || said(&suntap(&["tag", "list", "--admin", &address, "--admin-key-file", &key]).output().unwrap());
    // Another program listens, at a socket that everybody can use.
    let listener = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let text = list();
    assert!(text.contains("other users can use the socket (mode 666, expected 600)"), "{text}");
    assert!(text.contains(&format!("management key {key} can be read by other users")), "{text}");
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "nothing was sent");
    drop(listener);
    fs::remove_file(&socket).unwrap();
    fs::write(&socket, "").unwrap();
    assert!(list().contains("it is not a socket"), "{}", list());

    // A user who is not root, and who can read this folder, cannot pretend to be the server of another user. This needs root.
    let other = suntap(&["tag", "list", "--admin", "http://192.0.2.1:1"]).env("SUNTAP_ADMIN_KEY", "").output().unwrap();
    assert!(said(&other).contains("no management key: "), "{other:?}");
}

#[test]
fn an_empty_variable_is_not_set() {
    let (folder, _) = imported(&tags::levels());
    let mut serve = command(&folder, &["--log", "off"]);
    for name in
        ["POOL", "CONFIG", "OPS_LISTEN", "ADMIN_LISTEN", "ADMIN_HOST", "TRUSTED_PROXIES", "LOG_FORMAT", "LOG_UIDS"]
    {
        serve.env(format!("SUNTAP_{name}"), "");
    }
    for name in ["TLS_CERT", "BRAND_LOGO", "BRAND_ACCENT", "BRAND_NAME", "TIMEOUT", "STORE_FILE", "SECRETS_CREDENTIAL"]
    {
        serve.env(format!("SUNTAP_{name}"), "");
    }
    let mut server = Server::spawn(serve);
    assert!(server.terminate().success());
    let output = suntap(&["serve", "--pool", ""]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "an empty flag is an error: {output:?}");
}

#[test]
fn a_probe_says_where_the_answer_is() {
    let (folder, _) = imported(&tags::levels());
    let ops = format!("127.0.0.1:{}", backends::port());
    let server = Server::spawn(command(&folder, &["--log", "off", "--ops-listen", &ops]));
    let probe = |args: &[&str]| said(&suntap(&["probe"]).args(args).output().unwrap());
    let text = probe(&["--listen", &server.address]);
    assert!(text.contains("has no /readyz: if the server has --ops-listen, use it here, too"), "{text}");
    assert_eq!(probe(&["--listen", &server.address, "--ops-listen", &ops]), "ready\n");
    let text = probe(&["--listen", &server.address, "--tls-cert", "tls.pem"]);
    assert!(text.contains("speaks TLS: give the server --ops-listen"), "{text}");
}

#[test]
fn other_secrets_are_named() {
    let (folder, _) = imported(&tags::levels());
    folder.write_secrets(
        r#"{"apiKeys":"B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0B0","server":["B1B1B1B1B1B1B1B1B1B1B1B1B1B1B1B1"]}"#,
    );
    let text = said(&folder.run(&["check"]));
    let expected = format!("secrets file {}: these secrets are not those of this store: ", folder.secrets().display());
    assert!(text.contains(&expected), "{text}");
}

/// The data of a demonstration has no name, so a killed one leaves nothing.
#[test]
fn a_killed_demonstration_leaves_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let left = || fs::read_dir(temporary.path()).unwrap().count();
    let mut serve = suntap(&["serve", "--demo", "--listen", "127.0.0.1:0", "--log", "off"]);
    serve.env("TMPDIR", temporary.path());
    let mut server = Server::spawn(serve);
    assert_eq!(left(), 0);
    server.kill();
    assert_eq!(left(), 0);
    let folder = Folder::new();
    tags::write(&folder.path("lines"), &tags::levels());
    let mut import = suntap(&["import", "--dry-run", "--store"]);
    import.arg(folder.path("data.redb")).arg("--secrets-file").arg(folder.secrets()).arg(folder.path("lines"));
    let output = import.env("TMPDIR", temporary.path()).output().unwrap();
    assert!(said(&output).contains("nothing was imported"), "{output:?}");
    assert_eq!(left(), 0);
}

#[test]
fn the_end_is_logged_once() {
    let (folder, _) = imported(&tags::levels());
    let ops = format!("127.0.0.1:{}", backends::port());
    let mut serve = command(&folder, &["--ops-listen", &ops]);
    serve.stderr(fs::File::create(folder.path("log")).unwrap());
    let mut server = Server::spawn(serve);
    assert!(server.terminate().success());
    let log = fs::read_to_string(folder.path("log")).unwrap();
    assert_eq!(log.matches("ending").count(), 1, "{log}");
}
