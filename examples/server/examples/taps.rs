//! Tags and taps for a load test: `taps TAGS ROUNDS FOLDER` writes `secrets.json`, `tags.ndjson` and `targets`, in which each tag is
//! tapped once a round.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::json;
use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, TagTexts, Uid};
use suntap_server::secrets::Secrets;

const LAYOUT: &str = "https://t.example/tap?x={:xuid}&n={ctr}&e={mac}";

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [tags, rounds, folder] = &*args else { bail!("taps TAGS ROUNDS FOLDER") };
    let (tags, rounds, folder) = (tags.parse::<u32>()?, rounds.parse::<u32>()?, Path::new(folder));
    Secrets::create(&folder.join("secrets.json"))?;

    let mut lines = BufWriter::new(File::create(folder.join("tags.ndjson"))?);
    let rules = json!({ "groups": [{ "rules": ["authentication"], "response": "Pass" }], "default": "Fail" });
    let group = json!({ "organisation": 1, "path": "F/G", "layout": { "template": LAYOUT }, "rules": rules });
    writeln!(lines, "{}", json!({ "organisation": { "id": 1, "name": "Load", "account": "load" } }))?;
    writeln!(lines, "{}", json!({ "folder": { "organisation": 1, "path": "F" } }))?;
    writeln!(lines, "{}", json!({ "tagGroup": group }))?;
    writeln!(lines, "{}", json!({ "batch": { "organisation": 1, "path": "F/G/B" } }))?;

    let layout = SdmLayout::new(Scheme::Aes, LAYOUT)?;
    let mut emulated = Vec::new();
    for number in 0..tags {
        let xuid = format!("{number:08}");
        let [a, b, c, d] = number.to_be_bytes();
        let (uid, key) = (Uid::from_bytes([0x04, 0, 1, a, b, c, d]), u128::from(number) ^ 0xA5A5_A5A5);
        let line = json!({ "organisation": 1, "batch": "F/G/B", "xuid": xuid, "uid": uid.to_string(),
            "keys": { "plain": { "file": format!("{key:032X}") } } });
        writeln!(lines, "{}", json!({ "tag": line }))?;
        let texts = TagTexts { captured: &[("xuid", &xuid)], ..TagTexts::default() };
        let file_key = SdmFileReadKey::from_bytes(key.to_be_bytes());
        emulated.push(EmulatedTag::new(&layout, &texts, SdmMetaReadKey::FACTORY, file_key, uid)?);
    }
    lines.flush()?;

    let mut targets = BufWriter::new(File::create(folder.join("targets"))?);
    for _ in 0..rounds {
        for tag in &mut emulated {
            let url = tag.tap()?;
            writeln!(targets, "/v1/t?{}", url.split_once('?').context("it has a query")?.1)?;
        }
    }
    Ok(targets.flush()?)
}
