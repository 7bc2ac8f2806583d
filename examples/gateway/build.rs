//! Writes the memory map for the linker and the known-answer vectors for the firmware to the output folder.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::{env, fs};

use serde_json::Value;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), include_bytes!("memory.x")).expect("the output folder can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg=-Tlink.x");
    println!("cargo:rerun-if-changed=memory.x");

    let file = "../../tests/vectors/sun-vectors.json";
    println!("cargo:rerun-if-changed={file}");
    let text = fs::read_to_string(file).expect("the vectors can be read");
    let vectors: Value = serde_json::from_str(&text).expect("the vectors are JSON");
    fs::write(out.join("vectors.rs"), taps(&vectors)).expect("the output folder can be written");
}

/// Returns a table of vectors: URL, template, keys and expected result. It has all recorded and published taps, and
/// every second generated one, up to the size that fits on the chip.
fn taps(vectors: &Value) -> String {
    let mut table = String::from("&[\n");
    let (mut bytes, mut number) = (0, 0);
    for entry in vectors["taps"].as_array().expect("the vectors contain taps") {
        let text = |name: &str| entry[name].as_str();
        let (Some(url), Some(template), Some(file)) = (text("url"), text("template"), text("file_key")) else {
            continue;
        };
        let static_key = text("file_key_scheme") == Some("static");
        // A verifier may accept or reject such a tap, so it is not a test.
        let Some(verdict) = entry["accept"].as_bool() else { continue };
        number += 1;
        let recorded = text("source_type") != Some("generated");
        if !static_key || !(recorded || number % 2 == 0) || bytes > 90_000 {
            continue;
        }
        bytes += url.len() + template.len() + 96;
        let lrp = text("mode") == Some("lrp");
        let meta = text("meta_key").unwrap_or("00000000000000000000000000000000");
        let ctr = entry["ctr"].as_u64().filter(|_| verdict).unwrap_or_default();
        writeln!(table, "    Vector {{ lrp: {lrp}, url: {url:?}, template: {template:?}, meta: \"{meta}\", file: \"{file}\", genuine: {verdict}, ctr: {ctr} }},")
            .expect("writing to a string does not fail");
    }
    table + "]\n"
}
