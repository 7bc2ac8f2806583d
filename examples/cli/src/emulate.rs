//! `suntap emulate`: taps of tags in software, for tests.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write};
use std::num::NonZeroU32;
use std::path::Path;

use serde_json::{Value, json};
use suntap::emulator::{EmulatedTag, TagPrivateKey};
use suntap::{Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid};

use crate::hex;
use crate::keys::{self, key_help};
use crate::mode::SdmMode;
use crate::text::pasted;
use crate::{Outcome, files, redact};

const HELP: &str = concat!(
    "\
Anybody can copy an emulated tag. Give it keys that no real tag uses.

Keys:
",
    key_help!(),
    "

Batch:
One JSON object in each line, and its URL in each line of the output. Fields: template; and optionally mode (aes, lrp or
ecdsa), uid, meta_key, file_key (hexadecimal digits; zeros if missing), private_key (for ecdsa), ctr (the number of reads
before this one), file_data (the text in {enc:N}), captured (an object with the texts of {:name}). The first line that is
wrong, or whose counter has reached its end, ends the batch.

Examples:
  suntap emulate --template 'https://a.example/t?e={picc:uid,ctr}&c={mac}' --count 3
  suntap emulate --template 'https://a.example/{:id}?e={picc}&d=[[{enc:32}&c={mac}' --text id=A7 --file-data hello --json
  echo '{\"template\":\"https://a.example/t?e={picc:uid,ctr}&c={mac}\",\"ctr\":60}' | suntap emulate --batch -

Exit codes:
  0  each tap is printed
  1  the counter of the tag has reached its end
  2  an argument or a line is wrong, or reading or writing fails"
);

/// Prints the URLs of taps of a tag in software
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc:N} {mac} {:name} for what changes, and [[ where the
    /// MAC input begins. See suntap layout --help
    #[arg(long, value_name = "T", required_unless_present = "batch")]
    template: Option<String>,
    /// How the tag authenticates its taps
    #[arg(long, value_enum, default_value_t)]
    mode: SdmMode,
    /// The SDMMetaReadKey [default: 16 zero bytes]
    #[arg(long, value_name = "KEY")]
    meta_key: Option<String>,
    /// The SDMFileReadKey [default: 16 zero bytes]
    #[arg(long, value_name = "KEY")]
    file_key: Option<String>,
    /// The private key of a tag that signs its taps (--mode ecdsa): 64 hexadecimal digits
    #[arg(long, value_name = "KEY")]
    private_key: Option<String>,
    /// The UID of the tag
    #[arg(long, value_name = "HEX", value_parser = hex::uid, default_value = "04000000000000")]
    uid: Uid,
    /// The number of reads before the first tap
    #[arg(long, value_name = "N", value_parser = hex::ctr(), default_value = "0")]
    ctr: SdmReadCtr,
    /// The number of taps
    #[arg(long, value_name = "N", default_value = "1")]
    count: NonZeroU32,
    /// The text of a {:name} in the template
    #[arg(long, value_name = "NAME=TEXT")]
    text: Vec<String>,
    /// The text in the plaintext half of {enc:N}
    #[arg(long, value_name = "TEXT", default_value = "")]
    file_data: String,
    /// Print a JSON object for each tap: url, uid, ctr
    #[arg(long)]
    json: bool,
    /// Read tags from this file, or from standard input for -. See below
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["template", "mode", "meta_key", "file_key", "private_key", "uid", "ctr", "count", "text", "file_data"]
    )]
    batch: Option<String>,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    if let Some(input) = &args.batch {
        return batch(input, args.json, out);
    }
    let mut tag = args.tag()?;
    for _ in 0..args.count.get() {
        if tag.ctr() == SdmReadCtr::MAX {
            return Ok(false);
        }
        print(&mut tag, args.json, out)?;
    }
    Ok(true)
}

/// Taps a tag, and prints the URL.
fn print(tag: &mut EmulatedTag, as_json: bool, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let url = tag.tap()?;
    if as_json {
        let uid = tag.uid().to_string();
        writeln!(out, "{}", json!({ "url": &*url, "uid": uid, "ctr": tag.ctr().get() }))?;
    } else {
        writeln!(out, "{}", &*url)?;
    }
    Ok(())
}

impl Args {
    fn tag(&self) -> Result<EmulatedTag, Box<dyn Error>> {
        // clap requires a template if there is no batch.
        let template = pasted(self.template.as_deref().unwrap_or_default());
        let layout = SdmLayout::new(self.mode.scheme(), template).map_err(|error| format!("--template: {error}"))?;
        let captured = captured(&self.text, template)?;
        let texts = TagTexts { captured: &captured, file_data: &self.file_data };
        let meta_key = self.meta_key.as_ref().map(|key| keys::read_key("--meta-key", key)).transpose()?;
        let file_key = self.file_key.as_ref().map(|key| keys::read_key("--file-key", key)).transpose()?;
        let meta_key = meta_key.unwrap_or(SdmMetaReadKey::FACTORY);
        let file_key = file_key.unwrap_or(SdmFileReadKey::FACTORY);
        let private_key = self.private_key.as_ref().map(|key| keys::read("--private-key", key)).transpose()?;
        let tag = match private_key_of(&layout, private_key.as_ref().map(|key| key.as_str()), "--private-key")? {
            Some(key) => EmulatedTag::new_signing(&layout, &texts, meta_key, file_key, key, self.uid)?,
            None => EmulatedTag::new(&layout, &texts, meta_key, file_key, self.uid)?,
        };
        Ok(tag.with_ctr(self.ctr))
    }
}

/// Reads the private key of a tag that signs its taps. Returns `None` for any other tag. `name` is the name of the key in
/// errors.
fn private_key_of(layout: &SdmLayout, text: Option<&str>, name: &str) -> Result<Option<TagPrivateKey>, String> {
    match (layout.scheme() == Scheme::Ecdsa, text) {
        (false, None) => Ok(None),
        (false, Some(_)) => Err(format!("{name} needs the mode ecdsa")),
        (true, None) => Err(format!("{name} is missing")),
        (true, Some(text)) => {
            let bytes = keys::read_bytes(name, text)?;
            let key = <[u8; 32]>::try_from(&bytes[..]).ok().and_then(TagPrivateKey::from_bytes);
            key.map(Some).ok_or_else(|| {
                format!("{name}: expected the 64 hexadecimal digits of a number below the order of P-256")
            })
        }
    }
}

/// Reads `NAME=TEXT` pairs, whose names are in the template.
pub(crate) fn captured<'a>(pairs: &'a [String], template: &str) -> Result<Vec<(&'a str, &'a str)>, String> {
    let read = |pair: &'a String| {
        let (name, text) = pair.split_once('=').ok_or("--text needs NAME=TEXT")?;
        if !template.contains(&format!("{{:{name}}}")) {
            return Err(format!("--text: the template has no {{:{}}}", redact::name(name)));
        }
        Ok((name, text))
    };
    pairs.iter().map(read).collect()
}

fn batch(input: &str, as_json: bool, out: &mut impl Write) -> Outcome {
    let reader = BufReader::new(files::open(input)?.reader);
    let name = redact::path(Path::new(input));
    for (number, line) in (1..).zip(reader.lines()) {
        let line = line.map_err(|error| format!("{name}: {error}"))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut tag = line_tag(&line).map_err(|error| format!("{name}:{number}: {error}"))?;
        if tag.ctr() == SdmReadCtr::MAX {
            crate::usage::print(&format!("{name}:{number}: the counter of the tag has reached its end"));
            return Ok(false);
        }
        print(&mut tag, as_json, out)?;
    }
    Ok(true)
}

fn line_tag(line: &str) -> Result<EmulatedTag, Box<dyn Error>> {
    // An error of serde_json may contain a key.
    let line: Value = serde_json::from_str(line).map_err(|_| "the line is not a JSON object")?;
    let text = |name: &str| match line.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(&**text)),
        Some(_) => Err(format!("{name} is not a string")),
    };
    let mode = match text("mode")? {
        None => SdmMode::default(),
        Some(name) => clap::ValueEnum::from_str(name, false).map_err(|_| "mode is not aes, lrp or ecdsa")?,
    };
    let layout = SdmLayout::new(mode.scheme(), text("template")?.ok_or("template is missing")?)?;
    let captured = line.get("captured").and_then(Value::as_object).into_iter().flatten();
    let captured: Vec<_> = captured.filter_map(|(name, text)| Some((&**name, text.as_str()?))).collect();
    let texts = TagTexts { captured: &captured, file_data: text("file_data")?.unwrap_or_default() };
    let meta_key = text("meta_key")?.map_or(Ok(SdmMetaReadKey::FACTORY), keys::parse)?;
    let file_key = text("file_key")?.map_or(Ok(SdmFileReadKey::FACTORY), keys::parse)?;
    let uid = Uid::from_hex(text("uid")?.unwrap_or("04000000000000"))?;
    let ctr = match line.get("ctr") {
        None | Some(Value::Null) => Some(SdmReadCtr::ZERO),
        Some(ctr) => ctr.as_u64().and_then(|ctr| ctr.try_into().ok()).and_then(SdmReadCtr::new),
    };
    let ctr = ctr.ok_or("ctr is not a whole number up to 16777215")?;
    let tag = match private_key_of(&layout, text("private_key")?, "private_key")? {
        Some(key) => EmulatedTag::new_signing(&layout, &texts, meta_key, file_key, key, uid)?,
        None => EmulatedTag::new(&layout, &texts, meta_key, file_key, uid)?,
    };
    Ok(tag.with_ctr(ctr))
}
