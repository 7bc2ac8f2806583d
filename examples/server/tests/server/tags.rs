//! Tags in software and the lines that import them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};
use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::secrets::Secrets;

pub(crate) const SECRETS: &str = r#"{
    "apiKeys": "A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1A1",
    "server": ["5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E5E"],
    "masterKeys": { "shoes": "00112233445566778899AABBCCDDEEFF" },
    "metaKeys": { "shoes": "C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0" }
}"#;
pub(crate) const LAYOUT: &str = "https://t.example/tap?x={:xuid}&n={ctr}&e={mac}";

pub(crate) fn secrets() -> &'static Secrets {
    Box::leak(Box::new(Secrets::parse(SECRETS).unwrap()))
}

/// A folder of a test's own, which goes with it.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("suntap-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = Self(folder);
        folder.write_secrets(SECRETS);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the secrets file, which only its owner can read.
    pub(crate) fn write_secrets(&self, text: &str) {
        std::fs::write(self.secrets(), text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(self.secrets(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Runs a command of the server on the data file `data.redb`.
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_suntap-server"));
        command.args(args).arg("--store").arg(self.path("data.redb")).arg("--secrets-file").arg(self.secrets());
        command.output().unwrap()
    }

    /// Like [`run`](Self::run), for a command that succeeds. Returns what it prints.
    pub(crate) fn print(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn secrets(&self) -> PathBuf {
        self.path("secrets.json")
    }
}

pub(crate) fn write(path: &Path, lines: &[Value]) {
    std::fs::write(path, text(lines)).unwrap();
}

pub(crate) fn text(lines: &[Value]) -> String {
    lines.iter().flat_map(|line| [line.to_string(), "\n".into()]).collect()
}

/// An organisation, a folder, a tag group and a batch.
pub(crate) fn levels() -> Vec<Value> {
    let rules = json!({ "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail {scount}" });
    vec![
        json!({ "organisation": { "id": 1, "name": "One", "account": "abc123" } }),
        json!({ "folder": { "organisation": 1, "path": "F" } }),
        json!({ "tagGroup": { "organisation": 1, "path": "F/G", "layout": { "template": LAYOUT }, "rules": rules } }),
        json!({ "batch": { "organisation": 1, "path": "F/G/B" } }),
    ]
}

/// The ixkio tag of this number, in software.
pub(crate) fn tag(number: u32) -> EmulatedTag {
    let xuid = xuid(number);
    tag_with(LAYOUT, &[("xuid", &xuid)], number)
}

/// The tag of this number with another layout.
pub(crate) fn tag_with(template: &str, captured: &[(&str, &str)], number: u32) -> EmulatedTag {
    let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
    let texts = TagTexts { captured, ..TagTexts::default() };
    EmulatedTag::new(&layout, &texts, SdmMetaReadKey::FACTORY, file_key(number), uid(number)).unwrap()
}

pub(crate) fn xuid(number: u32) -> String {
    format!("tag{number:05}")
}

fn uid(number: u32) -> Uid {
    let [a, b, c, d] = number.to_be_bytes();
    Uid::from_bytes([0x04, 0x33, 0x22, a, b, c, d])
}

pub(crate) fn file_key(number: u32) -> SdmFileReadKey {
    let mut key = [0x7A; 16];
    key[..4].copy_from_slice(&number.to_be_bytes());
    SdmFileReadKey::from_bytes(key)
}

/// The line that imports it.
pub(crate) fn line(number: u32) -> Value {
    let file = format!("{:032X}", u128::from_be_bytes(*file_key(number).expose_bytes()));
    json!({ "tag": { "organisation": 1, "batch": "F/G/B", "xuid": xuid(number), "uid": uid(number).to_string(),
        "name": "Shoe", "keys": { "plain": { "file": file } } } })
}

/// What a client asks with the URL of a tap.
pub(crate) fn target(url: &str) -> String {
    format!("/v1/t?{}", url.split_once('?').unwrap().1)
}
