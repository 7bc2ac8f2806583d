//! TLS that the server speaks itself.
#![cfg(unix)]

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::admin::{Live, lines};
use crate::backends;
use crate::client::{Client, Server, get};
use crate::http::{command, imported};
use crate::monitoring::value;
use crate::reload::reload;
use crate::tags::{self, Folder};
use crate::tls::Certificate;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// Writes a certificate of 127.0.0.1, and returns the PEM of its authority.
fn write(folder: &Folder, name: &str) -> String {
    let certificate = Certificate::new("127.0.0.1");
    let write = |ending: &str, text: &str| {
        let path = folder.path(&format!("{name}.{ending}"));
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    };
    write("pem", &certificate.chain);
    write("key", &certificate.key);
    write("ca", &certificate.authority);
    certificate.authority
}

fn path(folder: &Folder, name: &str) -> String {
    folder.path(name).to_str().unwrap().to_owned()
}

/// A connection that trusts an authority, after the handshake.
fn connect(address: &str, authority: &str) -> std::io::Result<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut stream = StreamOwned::new(tls, stream);
    stream.conn.complete_io(&mut stream.sock)?;
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(stream)
}

fn ask(stream: &mut Tls, target: &str) -> String {
    let request = format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn said(output: &Output) -> String {
    String::from_utf8([&*output.stdout, &*output.stderr].concat()).unwrap()
}

#[test]
fn taps_are_answered_over_tls_and_a_new_certificate_is_used_after_a_reload() {
    let (folder, _) = imported(&[tags::levels(), vec![tags::line(1)]].concat());
    let (first, ops) = (write(&folder, "tls"), format!("127.0.0.1:{}", backends::port()));
    let [certificate, key] = ["tls.pem", "tls.key"].map(|name| path(&folder, name));
    let mut serve = command(&folder, &["--tls-cert", &certificate, "--tls-key", &key, "--ops-listen", &ops]);
    serve.args(["--log", "off"]);
    let mut server = Server::spawn(serve);
    assert!(server.said.contains("listening at https://127.0.0.1:"), "{}", server.said);
    let address = server.address.clone();
    let mut tag = tags::tag(1);
    let mut tap = |authority: &str| {
        let target = tags::target(&tag.tap().unwrap());
        ask(&mut connect(&address, authority).unwrap(), &target)
    };
    assert!(tap(&first).contains("Pass"));
    // HTTP at this address is refused.
    let plain = Client::new(&address).unwrap().get("/healthz");
    assert!(plain.is_err(), "{plain:?}");
    assert_eq!(get(&ops, "/readyz").body, "ready\n");
    let start = Instant::now();
    while value(&get(&ops, "/metrics").body, "suntap_failed_handshakes_total") < 1.0 {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(20));
    }

    let mut old = connect(&address, &first).unwrap();
    let second = write(&folder, "tls");
    server.address = ops;
    assert!(reload(&server));
    assert_eq!(connect(&address, &first).unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(tap(&second).contains("Pass"));
    // An open connection goes on.
    assert!(ask(&mut old, "/healthz").ends_with("ok\n"));
    // A key of another certificate changes nothing.
    fs::write(&key, Certificate::new("127.0.0.1").key).unwrap();
    assert!(!reload(&server));
    assert!(tap(&second).contains("Pass"));
    assert!(server.terminate().success());
}

/// A client that does not finish its handshake holds a place for the time limit at most, and does not delay the end.
#[test]
fn handshakes_are_limited() {
    let (folder, _) = imported(&tags::levels());
    let authority = write(&folder, "tls");
    let [certificate, key] = ["tls.pem", "tls.key"].map(|name| path(&folder, name));
    let serve = |more: &[&str]| {
        let mut serve = command(&folder, &["--log", "off", "--tls-cert", &certificate, "--tls-key", &key]);
        serve.args(more);
        Server::spawn(serve)
    };
    let server = serve(&["--max-connections", "1", "--timeout", "2"]);
    let mut silent = TcpStream::connect(&server.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // The only place is taken until the handshake is given up.
    assert!(ask(&mut connect(&server.address, &authority).unwrap(), "/healthz").ends_with("ok\n"));
    assert_eq!(silent.read(&mut [0; 8]).unwrap(), 0);
    drop(server);

    let mut server = serve(&["--timeout", "3600"]);
    let silent = TcpStream::connect(&server.address).unwrap();
    // A later connection shows that this one was accepted.
    assert!(ask(&mut connect(&server.address, &authority).unwrap(), "/healthz").ends_with("ok\n"));
    server.signal("TERM");
    assert!(server.ended().success());
    drop(silent);
}

#[test]
fn wrong_certificates_are_refused_before_the_start() {
    let folder = Folder::new();
    for name in ["tls", "other"] {
        write(&folder, name);
    }
    let path = |name| path(&folder, name);
    let check = |args: &[&str]| {
        let output = command(&folder, &["--check-config"]).args(args).output().unwrap();
        (output.status.code() == Some(0), said(&output))
    };
    assert!(check(&["--tls-cert", &path("tls.pem"), "--tls-key", &path("tls.key")]).0);
    for (args, expected) in [
        (&["--tls-cert", &*path("tls.pem")][..], "--tls-cert needs --tls-key"),
        (&["--admin-tls-key", &*path("tls.key")], "--admin-tls-key needs --admin-tls-cert"),
        (&["--tls-cert", &*path("none.pem"), "--tls-key", &path("tls.key")], "none.pem"),
        (&["--tls-cert", &*path("tls.key"), "--tls-key", &path("tls.key")], "no certificate in PEM"),
        (&["--tls-cert", &*path("tls.pem"), "--tls-key", &path("tls.pem")], "private key "),
        (&["--tls-cert", &*path("tls.pem"), "--tls-key", &path("other.key")], "keys may not be consistent"),
    ] {
        let (is_valid, said) = check(args);
        assert!(!is_valid && said.contains(expected), "{args:?}: {said}");
        let output = command(&folder, args).output().unwrap();
        assert!(output.status.code() == Some(1) && said.contains(expected), "{output:?}");
    }
    let key = path("tls.key");
    fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (is_valid, said) = check(&["--tls-cert", &path("tls.pem"), "--tls-key", &key]);
    assert!(is_valid && said.contains("can be read by other users"), "{said}");
}

#[test]
fn commands_use_the_admin_api_over_tls() {
    let folder = Folder::new();
    for name in ["tls", "other"] {
        write(&folder, name);
    }
    let store = path(&folder, "data.redb");
    let [certificate, key, trusted, other] =
        ["tls.pem", "tls.key", "tls.ca", "other.ca"].map(|name| path(&folder, name));
    let live = Live::start(folder, store, &lines(1), &["--admin-tls-cert", &certificate, "--admin-tls-key", &key]);
    // The public listener has no certificate.
    assert_eq!(get(&live.server.address, "/healthz").status, 200);
    assert!(live.admin.starts_with("https://127.0.0.1:"), "{}", live.admin);
    let list = |admin: &str, ca: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(["tag", "list", "--admin", admin, "--admin-ca", ca]).env("SUNTAP_ADMIN_KEY", &live.writer);
        let output = command.output().unwrap();
        (output.status.success(), said(&output))
    };
    let (is_listed, said) = list(&live.admin, &trusted);
    assert!(is_listed && said.contains("tag00001"), "{said}");
    for (admin, ca, expected) in [
        (&*live.admin, &*other, "certificate"),
        (&live.admin.replace("127.0.0.1", "localhost"), &trusted, "certificate"),
        (&live.admin.replace("https://", "http://"), &trusted, "the server ended the connection"),
        (&live.admin, &key, "no certificate in PEM"),
        ("ftp://127.0.0.1:1", &trusted, "expected https://HOST:PORT, http://HOST:PORT or unix:PATH"),
    ] {
        let (is_listed, said) = list(admin, ca);
        assert!(!is_listed && said.contains(expected), "{admin}: {said}");
    }
}
