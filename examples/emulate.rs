//! Taps of tags in software, for whoever wants some to test with.
//!
//! ```text
//! echo '{"template":"https://a.example/t?e={picc:uid,ctr}&c={mac}"}' | cargo run --example emulate
//! ```
//!
//! One JSON object a line in, its URL a line out. Fields: `template`, and where wanted `mode` (`aes`, or `lrp`), `uid`, `meta_key`, `file_key`
//! (hexadecimal digits; zeros if not said), `ctr` (reads before this one), `file_data` (the text in `{enc:N}`), `captured` (an object with the
//! texts of `{:name}`).

use std::error::Error;
use std::io::{self, BufRead as _, Write as _};

use serde_json::Value;
use suntap::emulator::EmulatedTag;
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid};

fn main() -> Result<(), Box<dyn Error>> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if !line.trim().is_empty() {
            writeln!(out, "{}", tap(&serde_json::from_str(&line)?)?)?;
        }
    }
    Ok(())
}

fn tap(wanted: &Value) -> Result<String, Box<dyn Error>> {
    let text =
        |name: &str, otherwise: &'static str| wanted.get(name).and_then(Value::as_str).unwrap_or(otherwise).to_owned();
    let mode = match &*text("mode", "aes") {
        "aes" => Scheme::Aes,
        "lrp" => Scheme::Lrp,
        other => return Err(format!("mode {other} is not known").into()),
    };
    let template = wanted.get("template").and_then(Value::as_str).ok_or("template is missing")?;
    let layout = SdmLayout::new(mode, template)?;
    let captured = wanted.get("captured").and_then(Value::as_object);
    let captured: Vec<_> =
        captured.into_iter().flatten().filter_map(|(name, text)| Some((&**name, text.as_str()?))).collect();
    let file_data = text("file_data", "");
    let texts = TagTexts { captured: &captured, file_data: &file_data };
    let meta_key = SdmMetaReadKey::from_hex(&text("meta_key", "00000000000000000000000000000000"))?;
    let file_key = SdmFileReadKey::from_hex(&text("file_key", "00000000000000000000000000000000"))?;
    let uid = Uid::from_hex(&text("uid", "04000000000000"))?;
    let ctr = wanted.get("ctr").and_then(Value::as_u64).unwrap_or_default();
    let ctr = SdmReadCtr::new(ctr.try_into()?).ok_or("ctr has 24 bits")?;
    let mut tag = EmulatedTag::new(&layout, &texts, meta_key, file_key, uid)?.with_ctr(ctr);
    Ok(tag.tap()?.to_string())
}
