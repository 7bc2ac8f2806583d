//! TLS to the databases.

use std::path::Path;
use std::process::{Command, Output};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::backends;
use crate::client::{Server, get};
use crate::tags::{self, Folder};

/// A certificate for a host, its private key, and the certificate of the authority that signed it, as PEM.
pub(crate) struct Certificate {
    pub(crate) chain: String,
    pub(crate) key: String,
    pub(crate) authority: String,
}

impl Certificate {
    pub(crate) fn new(host: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let chain = CertificateParams::new(vec![host.into()]).unwrap().signed_by(&key, &authority).unwrap();
        Self { chain: chain.pem(), key: key.serialize_pem(), authority: authority.pem() }
    }
}

fn init(folder: &Folder, url: &str, trusted: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["init", "--store", url, "--secrets-file"]).arg(folder.secrets());
    command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR").output().unwrap()
}

fn says(output: &Output, text: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains(text), "{error}");
}

/// A server uses the database over TLS, and rejects another certificate and another host.
fn is_used_over_tls(url: &str, certificate: &Certificate) {
    let folder = Folder::new();
    let (trusted, other) = (folder.path("trusted.pem"), folder.path("other.pem"));
    std::fs::write(&trusted, &certificate.authority).unwrap();
    std::fs::write(&other, Certificate::new("127.0.0.1").authority).unwrap();
    says(&init(&folder, url, &other), "certificate");
    says(&init(&folder, &url.replace("127.0.0.1", "localhost"), &trusted), "certificate");

    let output = init(&folder, url, &trusted);
    assert!(output.status.success(), "{output:?}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--store", url, "--secrets-file"]).arg(folder.secrets());
    command.env("SSL_CERT_FILE", &trusted);
    let server = Server::spawn(command);
    assert_eq!(get(&server.address, "/readyz").status, 200);
    assert_eq!(get(&server.address, &tags::target(&tags::tag(1).tap().unwrap())).status, 404);
}

#[test]
fn postgres_is_used_over_tls() {
    let certificate = Certificate::new("127.0.0.1");
    let files = [("tls.crt", &*certificate.chain), ("tls.key", &*certificate.key)];
    let settings = ["ssl=on", "ssl_cert_file=tls.crt", "ssl_key_file=tls.key"];
    let Some(backend) = backends::postgres_with(&settings, &files) else { return };
    // Connections without TLS are refused from here on.
    backend.require_tls();
    is_used_over_tls(&format!("{}?sslmode=require", backend.url), &certificate);
    let folder = Folder::new();
    says(&init(&folder, &backend.url, Path::new("/dev/null")), "no encryption");
}

#[test]
fn postgres_without_tls_is_refused_if_it_is_required() {
    let Some(backend) = backends::postgres() else { return };
    let url = &backend.url;
    let folder = Folder::new();
    let trusted = folder.path("trusted.pem");
    std::fs::write(&trusted, Certificate::new("127.0.0.1").authority).unwrap();
    says(&init(&folder, &format!("{url}?sslmode=require"), &trusted), "TLS");
    says(&init(&folder, &format!("{url}?sslmode=require"), &folder.path("missing.pem")), "no trusted certificates");
}

#[test]
fn redis_is_used_over_tls() {
    let certificate = Certificate::new("127.0.0.1");
    let folder = Folder::new();
    let [chain, key] = [("tls.crt", &certificate.chain), ("tls.key", &certificate.key)].map(|(name, text)| {
        std::fs::write(folder.path(name), text).unwrap();
        folder.path(name).to_str().unwrap().to_owned()
    });
    let port = backends::port().to_string();
    let more = ["--tls-port", &port, "--tls-cert-file", &chain, "--tls-key-file", &key, "--tls-auth-clients", "no"];
    let Some(_backend) = backends::redis(&more) else { return };
    is_used_over_tls(&format!("rediss://127.0.0.1:{port}"), &certificate);
}
