//! Writes what the TypeScript code needs: the JavaScript glue of the two modules, and the codes and the version of
//! `suntap-bindings`.
//!
//! `suntap-wasm-generator MODULES OUT`: `MODULES` is the folder of the built modules.

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

use serde_json::{Value, json};
use suntap_bindings::{Code, VERSION};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let (Some(modules), Some(out), None) = (args.next(), args.next(), args.next()) else {
        return Err("expected two arguments: MODULES OUT".into());
    };
    for name in ["verifier", "doctor"] {
        Bindgen::new()
            .input_path(Path::new(&modules).join(format!("suntap_wasm_{name}.wasm")))
            .web(true)?
            .typescript(true)
            .omit_default_module_path(true)
            .remove_name_section(true)
            .remove_producers_section(true)
            .out_name(name)
            .generate(&out)?;
    }
    fs::write(Path::new(&out).join("codes.ts"), codes()?)?;
    let mut package: Value = serde_json::from_str(include_str!("../package.json"))?;
    if let Some(version) = package.get_mut("version") {
        *version = VERSION.into();
    }
    fs::write(Path::new(&out).join("package.json"), serde_json::to_string_pretty(&package)? + "\n")?;
    Ok(())
}

/// Returns the TypeScript code with the codes and the version.
fn codes() -> Result<String, Box<dyn Error>> {
    let mut text = String::from("// Written by the generator from suntap-bindings.\n\n");
    let names: Vec<String> = Code::ALL.iter().map(|code| json!(code.name()).to_string()).collect();
    writeln!(text, "/** The result of a call. The names are the same in all bindings and versions. */")?;
    writeln!(text, "export type Code = {};\n", names.join(" | "))?;
    writeln!(text, "/** The number and the meaning of each code. */")?;
    writeln!(
        text,
        "export const codes: Readonly<Record<Code, {{ readonly number: number; readonly text: string }}>> = {{"
    )?;
    for code in Code::ALL {
        writeln!(text, "  {}: {{ number: {}, text: {} }},", code.name(), code.number(), json!(code.text()))?;
    }
    writeln!(text, "}};\n")?;
    writeln!(text, "/** The version of suntap and of this package. */")?;
    writeln!(text, "export const version: string = {};", json!(VERSION))?;
    Ok(text)
}
