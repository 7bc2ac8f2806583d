//! The test cases as a C table.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

/// Returns the table of the settings and taps in `cases.json`.
pub(crate) fn text(folder: &Path) -> Result<String, Box<dyn Error>> {
    let cases: Value = serde_json::from_str(&fs::read_to_string(folder.join("../cases.json"))?)?;
    let list = |name: &str| cases.get(name).and_then(Value::as_array).ok_or(format!("cases.json has no {name}"));
    let version = string(&cases, "version");
    let mut text = format!("/* Generated from cases.json. */\n#define CASES_VERSION {version}\n\n");
    writeln!(text, "static const struct code_case CODE_CASES[] = {{")?;
    for (name, code) in cases.get("codes").and_then(Value::as_object).ok_or("cases.json has no codes")? {
        let number = code.get(0).and_then(Value::as_i64).ok_or("a code has no number")?;
        let meaning = code.get(1).and_then(Value::as_str).ok_or("a code has no text")?;
        writeln!(text, "    {{{}, {number}, {}}},", literal(name), literal(meaning))?;
    }
    for (kind, table) in [("settings", "SETTINGS_CASES"), ("taps", "TAP_CASES")] {
        writeln!(text, "}};\n\nstatic const struct tap_case {table}[] = {{")?;
        for case in list(kind)? {
            let given =
                ["id", "scheme", "template", "metaReadKey", "fileReadKey", "masterKey", "suffix", "url", "code"]
                    .map(|name| string(case, name))
                    .join(", ");
            let ctr = case.get("ctr").and_then(Value::as_u64).unwrap_or_default();
            writeln!(text, "    {{{given}, {}, {}, {ctr}}},", string(case, "uid"), string(case, "seal"))?;
        }
    }
    Ok(text + "};\n")
}

/// Returns a member as a C string, or `NULL` if it is missing or null.
fn string(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).map_or("NULL".into(), literal)
}

/// Returns a C string. Octal escapes always have three digits, so a following digit is not a part of them.
fn literal(text: &str) -> String {
    let mut literal = String::from("\"");
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | b'?' | 0..0x20 | 0x7F.. => literal.extend(format!("\\{byte:03o}").chars()),
            _ => literal.push(byte.into()),
        }
    }
    literal + "\""
}
