//! The sample import, `examples/server/sample.ndjson`, which the README shows.

use std::path::Path;

use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};

use crate::client::{Server, get};
use crate::tags::{self, Folder};

fn read(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Imports bytes with the command, checks that `check` finds nothing, and taps the shoe of the sample.
fn imports(bytes: &[u8]) {
    let folder = Folder::new();
    let path = folder.path("sample.ndjson");
    std::fs::write(&path, bytes).unwrap();
    let run = |args: &[&str]| folder.print(args);
    assert_eq!(run(&["import", path.to_str().unwrap()]), "2 tags imported, and 6 other lines\n");
    assert_eq!(run(&["check"]), "0 findings\n");

    let layout = SdmLayout::new(Scheme::Aes, "https://t.example.com/tap?x={:xuid}&n={ctr}&e={mac}").unwrap();
    let texts = TagTexts { captured: &[("xuid", "q8w3sbcz")], ..TagTexts::default() };
    let file = SdmFileReadKey::from_hex("00112233445566778899AABBCCDDEEFF").unwrap();
    let uid = Uid::from_hex("04AABBCC112233").unwrap();
    let mut tag = EmulatedTag::new(&layout, &texts, SdmMetaReadKey::FACTORY, file, uid).unwrap();
    let server = Server::on(folder.path("data.redb").to_str().unwrap(), &folder.secrets());
    let answer = get(&server.address, &tags::target(&tag.tap().unwrap())).body;
    assert_eq!(answer, r#"{"xuid":"q8w3sbcz","response":"Pass","size":"42"}"#);
}

#[test]
fn the_sample_is_imported_as_printed() {
    let sample = read("sample.ndjson");
    imports(sample.as_bytes());
    let readme = read("README.md");
    // The README shows the lines of the file, and names the file.
    if readme.contains("sample.ndjson") {
        let (_, block) = readme.split_once("```json\n{\"organisation\"").unwrap();
        let block = format!("{{\"organisation\"{}", block.split_once("```").unwrap().0);
        assert_eq!(block, sample);
    }
}

/// Editors on Windows add a byte order mark and carriage returns, and joined files have marks in the middle.
#[test]
fn byte_order_marks_and_carriage_returns_are_accepted() {
    let sample = read("sample.ndjson");
    let lines: Vec<_> = sample.lines().collect();
    imports(format!("\u{feff}{}\r\n\r\n", lines.join("\r\n")).as_bytes());
    let (first, second) = lines.split_at(4);
    imports(format!("\u{feff}{}\n\u{feff}\n\u{feff}{}", first.join("\n"), second.join("\n")).as_bytes());
}
