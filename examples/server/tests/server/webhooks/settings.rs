//! The settings of webhooks, and the command that tests them.

use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::configured;
use super::receiver::{ACCEPT, Mode, Receiver, SECRET, read};
use crate::tags::Folder;

fn command(folder: &Folder, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(args).arg("--config").arg(folder.path("suntap.toml"));
    command.env_remove("RUST_BACKTRACE").env_remove("CREDENTIALS_DIRECTORY");
    command
}

fn said(output: &Output) -> String {
    let text = [&*output.stdout, &*output.stderr].concat();
    String::from_utf8(text).unwrap()
}

#[test]
fn invalid_settings_are_refused_with_a_reason() {
    let folder = Folder::new();
    let secret = folder.path("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let good = format!("url = \"https://shop.example/hooks/t0ken\"\nsecret-file = {secret:?}\n");
    let check = |text: &str, args: &[&str]| {
        std::fs::write(folder.path("suntap.toml"), text).unwrap();
        let mut command = command(&folder, &["serve", "--check-config"]);
        let output = command.args(args).arg("--secrets-file").arg(folder.secrets()).output().unwrap();
        let text = said(&output);
        assert!(!text.contains("t0ken") && !text.contains("MfKQ9r8") && !text.contains("panicked"), "{text}");
        (output.status.code(), text)
    };
    let (code, text) = check(&format!("[webhooks.shop-1]\n{good}"), &[]);
    assert_eq!(code, Some(0), "{text}");
    let shown = "webhook shop-1: https://shop.example/…, one secret, tap.accepted, tap.replayed, tap.refused, seal.opened, tap.signal";
    assert!(text.contains(shown), "{text}");
    assert!(text.contains("can be read by other users: run chmod 600"), "{text}");
    for (text, args, expected) in [
        (format!("[webhooks.shop]\n{good}"), &["--history-keep", "0"][..], "--history-keep must not be 0"),
        (
            format!("[webhooks.Shop]\n{good}"),
            &[],
            "webhook Shop: a name must have 1 to 40 of the characters a-z, 0-9 and -",
        ),
        ("webhooks = 1".into(), &[], ":1:12: invalid type"),
        ("[webhooks.shop]\nurl = 1".into(), &[], ":2:7: invalid type"),
        (format!("[webhooks.shop]\n{good}secret = \"{SECRET}\""), &[], ":4:1: unknown field `secret`, expected one of"),
        (format!("[webhooks.shop]\n{good}events = []"), &[], "webhook shop: `events` is empty"),
        (
            format!("[webhooks.shop]\n{good}events = [\"tap\"]"),
            &[],
            ":4:11: unknown variant `tap`, expected one of `tap.accepted`",
        ),
        (format!("[webhooks.shop]\n{good}events = [\"webhook.test\"]"), &[], "unknown variant `webhook.test`"),
        (format!("[webhooks.shop]\n{good}secret-credential = \"x\""), &[], "webhook shop: more than one secret"),
        (
            "[webhooks.a-b]\nurl = \"https://a.example/t0ken\"".into(),
            &[],
            "webhook a-b: no secret: give `secret-file`, `secret-credential` or the variable SUNTAP_WEBHOOK_SECRET_A_B",
        ),
        (
            format!("[webhooks.a]\nurl = \"https://a.example/\"\nsecret-file = \"{SECRET}\""),
            &[],
            "a secret cannot be in the configuration file",
        ),
        (
            "[webhooks.a]\nurl = \"https://a.example/\"\nsecret-file = \"/nowhere\"".into(),
            &[],
            "webhook a: secret file /nowhere: No such file",
        ),
        (
            good.replace("https", "http").replace("url", "[webhooks.a]\nurl"),
            &[],
            "`url` must start with https://, because anybody",
        ),
        (good.replace("https", "ftp").replace("url", "[webhooks.a]\nurl"), &[], "`url` must start with https://"),
        (good.replace("https://", "").replace("url", "[webhooks.a]\nurl"), &[], "`url` must be a URL such as"),
        (
            good.replace("shop.example", "u:t0ken@shop.example").replace("url", "[webhooks.a]\nurl"),
            &[],
            "`url` must not have a user name",
        ),
        (
            good.replace("https://shop.example", "http://127.0.0.1.example").replace("url", "[webhooks.a]\nurl"),
            &[],
            "`url` must start with https://",
        ),
    ] {
        let (code, said) = check(&text, args);
        assert!(code == Some(1) && said.contains(expected), "{text}: {said}");
    }
    for url in ["http://127.0.0.1:1/", "http://[::1]/x", "http://localhost/x"] {
        let (code, said) = check(&format!("[webhooks.a]\nurl = \"{url}\"\nsecret-file = {secret:?}"), &[]);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, said) = check(&format!("[webhooks.a]\n{}allow-http = true", good.replace("https", "http")), &[]);
    assert_eq!(code, Some(0), "{said}");
    std::fs::write(&secret, "whsec_MfKQ9r8").unwrap();
    let (code, said) = check(&format!("[webhooks.shop]\n{good}"), &[]);
    assert!(code == Some(1) && said.contains("whsec_ must be followed by Base64 with padding"), "{said}");
}

#[test]
fn a_secret_comes_from_a_variable_or_a_credential() {
    let folder = Folder::new();
    let receiver = Receiver::start(ACCEPT);
    let write = |more: &str| {
        let text = format!("[webhooks.shop-1]\nurl = {:?}\n{more}", receiver.url());
        std::fs::write(folder.path("suntap.toml"), text).unwrap();
    };
    write("");
    let args = ["webhook", "test", "shop-1"];
    let output = command(&folder, &args).env("SUNTAP_WEBHOOK_SECRET_SHOP_1", SECRET).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    write("secret-credential = \"hook\"\n");
    // While a secret is rotated, a receiver can have either.
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(folder.path("hook"), format!("{other}\n{SECRET}\n")).unwrap();
    let credentials = folder.path("");
    let output = command(&folder, &args).env("CREDENTIALS_DIRECTORY", credentials).output().unwrap();
    assert!(output.status.success() && said(&output).contains("two secrets"), "{output:?}");
    assert_eq!(receiver.events_of_type("webhook.test").len(), 2);
}

#[test]
fn the_test_command_prints_the_answer() {
    let folder = Folder::new();
    let receiver = Receiver::start(Mode::Status(500, ""));
    configured(&folder, receiver.port, "");
    let answer = |name: &str| {
        let output = command(&folder, &["webhook", "test", name]).output().unwrap();
        (output.status.success(), said(&output))
    };
    let (is_success, text) = answer("shop");
    assert!(!is_success && text.contains("500 Internal Server Error ok"), "{text}");
    receiver.set(Mode::Status(200, ""));
    let (is_success, text) = answer("shop");
    assert!(is_success && text.contains("200 OK ok\n"), "{text}");
    let (is_success, text) = answer("other");
    assert!(!is_success && text.contains("no [webhooks.other], only: shop"), "{text}");
    drop(receiver);
}

#[test]
fn a_certificate_is_checked() {
    let folder = Folder::new();
    let params = |host: &str| rcgen::generate_simple_self_signed(vec![host.into()]).unwrap();
    let (certificate, other) = (params("127.0.0.1"), params("127.0.0.1"));
    std::fs::write(folder.path("trusted.pem"), certificate.cert.pem()).unwrap();
    std::fs::write(folder.path("other.pem"), other.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
    let chain = vec![CertificateDer::from(certificate.cert.der().to_vec())];
    let config = ServerConfig::builder_with_provider(ring::default_provider().into());
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let config = Arc::new(config.with_single_cert(chain, key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream.unwrap());
            let mut stream = BufReader::new(stream);
            if read(&mut stream).is_some() {
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
                    .unwrap();
                stream.get_mut().conn.send_close_notify();
                let _ = stream.get_mut().flush();
            }
        }
    });
    let file = configured(&folder, port, "");
    let text = std::fs::read_to_string(&file).unwrap().replace("http://", "https://");
    for (trusted, host, is_trusted) in
        [("trusted", "127.0.0.1", true), ("other", "127.0.0.1", false), ("trusted", "localhost", false)]
    {
        std::fs::write(&file, text.replace("127.0.0.1", host)).unwrap();
        let mut command = command(&folder, &["webhook", "test", "shop"]);
        let trusted = folder.path(&format!("{trusted}.pem"));
        let output = command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.success(), is_trusted, "{text}");
        assert!(is_trusted && text.contains("200 OK ok") || text.contains("certificate"), "{text}");
    }
}
