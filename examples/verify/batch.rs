//! Many taps: one JSON object a line in, one a line out.

use std::collections::HashMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};

use serde_json::Value;
use suntap::SdmLayout;

use crate::args::{self, KeyScheme, Keys};
use crate::tap::{self, Answer, Check, Content, Counters};

/// `true` if every line was answered.
pub(crate) fn run(input: &str, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    let lines: Box<dyn BufRead> = if input == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(input).map_err(|error| format!("{input}: {error}"))?))
    };
    let mut stores = HashMap::new();
    let mut all_answered = true;
    for line in lines.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let tap: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let id = tap.get("id").unwrap_or(&Value::Null);
        match answer(&tap, &mut stores) {
            Ok(answer) => writeln!(out, "{}", to_json(id, &answer))?,
            Err(error) => {
                all_answered = false;
                writeln!(out, r#"{{"id":{id},"error":{}}}"#, Value::from(error.to_string()))?;
            }
        }
    }
    Ok(all_answered)
}

fn answer(tap: &Value, stores: &mut HashMap<String, Counters>) -> Result<Answer, Box<dyn Error>> {
    if !tap.is_object() {
        return Err("the line is no JSON object".into());
    }
    let text = |name: &str| match tap.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("{name} is not a string")),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| format!("{name} is missing"));
    let mode = args::mode(text("mode")?)?;
    let template = needed("template")?;
    let layout = match tap.get("tt_in_plain_off") {
        None | Some(Value::Null) => SdmLayout::new(mode, template),
        Some(offset) => {
            let offset = offset.as_u64().ok_or("tt_in_plain_off is no whole number")?;
            SdmLayout::new(mode, &with_tamper(template, offset)?)
        }
    };
    let layout = layout.map_err(|error| format!("template: {error}"))?;
    let keys = Keys {
        scheme: KeyScheme::named(text("file_key_scheme")?).ok_or("file_key_scheme is not known")?,
        file_key: text("file_key")?,
        meta_key: text("meta_key")?,
        master_key: text("master_key")?,
        suffix: text("div_suffix")?,
        version: match tap.get("key_version") {
            None | Some(Value::Null) => 0,
            Some(version) => {
                version.as_u64().and_then(|version| version.try_into().ok()).ok_or("key_version is no number")?
            }
        },
    };
    let (meta_key, keys) = keys.prepare(&layout, &["file_key", "meta_key", "master_key", "div_suffix"])?;
    let counters = text("store")?.map(|store| stores.entry(store.to_owned()).or_default());
    tap::check(&Check { layout, meta_key, keys }, needed("url")?, counters)
}

/// The template with the tamper status at this byte of the file data.
fn with_tamper(template: &str, offset: u64) -> Result<String, &'static str> {
    let (head, tail) = template.split_once("{enc").ok_or("tt_in_plain_off is given, but the template has no {enc}")?;
    let (pin, tail) = tail.split_once('}').ok_or("the template has an open brace")?;
    let separator = if pin.is_empty() { ':' } else { ',' };
    Ok(format!("{head}{{enc{pin}{separator}tt@{offset}}}{tail}"))
}

fn to_json(id: &Value, answer: &Answer) -> String {
    let Content { uid, ctr, tt, file_data } = &answer.content;
    let fields = [
        ("id", id.clone()),
        ("verdict", answer.verdict.name().into()),
        ("uid", uid.map(|uid| base16ct::lower::encode_string(uid.as_bytes())).into()),
        ("ctr", ctr.map(suntap::SdmReadCtr::get).into()),
        ("tt", tt.map(|tt| tt.to_string()).into()),
        ("tt_authenticated", tt.map(|tt| tt.is_authenticated()).into()),
        ("file_data", file_data.as_deref().map(base16ct::lower::encode_string).into()),
    ];
    let fields = fields.map(|(name, value)| format!("{}:{value}", Value::from(name)));
    format!("{{{}}}", fields.join(","))
}
