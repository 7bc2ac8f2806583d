//! No text of an error, and no `Debug` output, shows a key. The bindings show these texts.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use suntap::{MasterKey, MemoryCounters};
use suntap_bindings::{Failure, FileKey, MetaKey, Settings, Verifier};
use suntap_testkit::planted::Planted;
use suntap_testkit::{Tag, Tap};

const META: [u8; 16] = *b"\x91metaqk, planted";
const FILE: [u8; 16] = *b"\x92fileqk, planted";
const TEMPLATE: &str = "https://t.example/a?e={picc}&c={mac}";

fn hex(key: &[u8]) -> String {
    base16ct::upper::encode_string(key)
}

fn verifier(scheme: &str, template: &str, meta: &str, file: &str) -> Result<Verifier, Failure> {
    let (meta_read_key, file_read_key) = (MetaKey::from_hex(Some(meta))?, FileKey::from_hex(file)?);
    Settings { scheme, template, meta_read_key, file_read_key }.verifier()
}

#[test]
fn no_text_shows_a_key() {
    let planted = Planted::default().with("meta-read key", META).with("file-read key", FILE);
    let (meta, file) = (hex(&META), hex(&FILE));
    let shown = |failure: Failure| planted.assert_absent("a failure", format!("{failure} {failure:?} {failure:#?}"));
    let mut failures = 0;
    for wrong in
        [&file, &file.to_lowercase(), &file[1..], &format!("{file}0"), &file.replace('A', "G"), &format!("0x{file}")]
    {
        let templates = [
            wrong.to_owned(),
            format!("https://t.example/{{{wrong}}}"),
            format!("{TEMPLATE}&k={{:{wrong}}}{{:{wrong}}}"),
        ];
        let calls = templates.iter().map(|template| verifier("aes", template, &meta, &file));
        let all = calls.chain([
            verifier(wrong, TEMPLATE, &meta, &file),
            verifier("aes", TEMPLATE, wrong, &file),
            verifier("aes", TEMPLATE, &meta, wrong),
        ]);
        for failure in all.filter_map(Result::err) {
            failures += 1;
            shown(failure);
        }
    }
    assert!(failures > 20, "{failures}");
    shown(FileKey::derived(MasterKey::from_bytes(FILE), &[META, FILE].concat(), 0).unwrap_err());

    for lrp in [false, true] {
        let scheme = if lrp { "lrp" } else { "aes" };
        let tag = Tag { lrp, meta_key: META, file_key: FILE, uid: [4, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56] };
        let url = tag.write(TEMPLATE, &Tap { ctr: 7, padding: [9; 12], file_data: Vec::new(), tt: *b"CC" }).url;
        let settings = Settings {
            scheme,
            template: TEMPLATE,
            meta_read_key: MetaKey::from_hex(Some(&meta)).unwrap(),
            file_read_key: FileKey::from_hex(&file).unwrap(),
        };
        planted.assert_absent("settings", format!("{settings:?} {settings:#?}"));
        let verifier = settings.verifier().unwrap();
        planted.assert_absent("a verifier", format!("{verifier:?} {verifier:#?}"));
        let mut counters = MemoryCounters::<4>::new();
        let mut admit = |url: &str| {
            verifier.admit(url, &mut counters, None).map(|tap| format!("{tap:?}")).map_err(|error| {
                let failure = Failure::from(error);
                format!("{failure} {failure:?}")
            })
        };
        planted.assert_absent("a fresh tap", admit(&url).unwrap());
        let forged = format!("{}0", &url[..url.len() - 1]);
        for url in [&url, &forged, &file, &url.replace("e=", &format!("e={file}"))] {
            planted.assert_absent("a refusal", admit(url).unwrap_err());
        }
    }
}
