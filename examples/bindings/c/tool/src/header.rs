//! The header.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

use cbindgen::{Builder, Config, DocumentationStyle, Language, Style};
use suntap_bindings::{Code, VERSION};

/// The names of the types in Rust and in C.
const TYPES: &[(&str, &str)] = &[
    ("VerifierBuffer", "suntap_verifier_t"),
    ("Settings", "suntap_settings_t"),
    ("Key", "suntap_key_t"),
    ("Tap", "suntap_tap_t"),
    ("Mark", "suntap_mark_t"),
    ("Store", "suntap_store_t"),
    ("AdvanceFn", "suntap_advance_fn"),
    ("Why", "suntap_why_t"),
    ("CodeNumber", "suntap_code_t"),
];

/// Returns the text of the header.
pub(crate) fn text(folder: &Path) -> Result<String, Box<dyn Error>> {
    let mut config = Config {
        language: Language::C,
        style: Style::Both,
        cpp_compat: true,
        usize_is_size_t: true,
        no_includes: true,
        sys_includes: ["stddef.h", "stdint.h"].map(String::from).into(),
        header: Some(include_str!("intro.txt").trim_end().into()),
        after_includes: Some(definitions()?),
        trailer: Some(include_str!("trailer.txt").trim_end().into()),
        documentation_style: DocumentationStyle::C99,
        line_length: 120,
        ..Config::default()
    };
    config.layout.aligned_n = Some("SUNTAP_ALIGNED".into());
    config.function.must_use = Some("SUNTAP_MUST_USE".into());
    config.export.rename = TYPES.iter().map(|(rust, c)| (String::from(*rust), String::from(*c))).collect();
    let bindings = Builder::new().with_crate(folder).with_config(config).generate()?;
    let mut bytes = Vec::new();
    bindings.write(&mut bytes);
    Ok(without_safety(&String::from_utf8(bytes)?))
}

/// Returns the macros and the codes. The numbers and the texts of the codes come from `suntap-bindings`, like those of
/// all bindings.
fn definitions() -> Result<String, Box<dyn Error>> {
    let mut text = String::from(include_str!("macros.txt"));
    writeln!(text, "\n// The version of this header. suntap_version() returns the version of the library.")?;
    writeln!(text, "#define SUNTAP_VERSION \"{VERSION}\"")?;
    for code in Code::ALL {
        writeln!(text, "\n// {}.", sentence(code.text()))?;
        writeln!(text, "#define SUNTAP_{} {}", code.name().to_uppercase(), code.number())?;
    }
    Ok(text)
}

fn sentence(clause: &str) -> String {
    let mut letters = clause.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Removes the sections about safety, which C does not have: the rules stand at the beginning of the header.
fn without_safety(header: &str) -> String {
    let mut text = String::new();
    let mut skipped = false;
    for line in header.lines() {
        match line {
            "// # Safety" => skipped = true,
            _ if skipped && line.starts_with("//") => {}
            _ => {
                if skipped {
                    // The empty line before the section.
                    text.truncate(text.trim_end_matches("//\n").len());
                }
                skipped = false;
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text
}
