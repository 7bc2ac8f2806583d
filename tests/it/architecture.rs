//! The layers of the library: what each module imports.

use std::fs;
use std::path::{Path, PathBuf};

/// The rooms, floor by floor, and what a room of each floor may import from its own.
const FLOORS: &[(&[&str], &[&str])] = &[
    (&["types", "hex", "error"], &["types", "hex", "error"]),
    (&["key", "cipher", "lrp", "counter"], &["cipher", "lrp"]),
    (&["sun", "kdf", "api_key"], &[]),
    (&["registry", "rules"], &["rules"]),
    (&["verifier", "identify", "diagnose"], &[]),
    (&["dialect"], &[]),
    // Beside the house: nothing imports them.
    (&["emulator", "conformance"], &[]),
];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Every path that a file names from the crate's root, outside its own tests. Grouped imports and the flat names of the
/// façade would hide a room, so they come out as what no floor has.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split("crate::").skip(1).filter(|_| !line.contains("$crate::")))
        .map(|path| path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
}

#[test]
fn a_file_imports_only_from_lower_floors() {
    let floor = |room: &str| FLOORS.iter().position(|(rooms, _)| rooms.contains(&room));
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let mut rooms = 0;
    for file in files {
        let path = file.strip_prefix(&src).unwrap();
        let room = path.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        if room == "lib" {
            continue;
        }
        let here = floor(room).unwrap_or_else(|| panic!("{room} has no floor"));
        rooms += 1;
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            if import == room {
                continue;
            }
            let there = floor(import).unwrap_or_else(|| panic!("{import} has no floor"));
            let allowed = there < here || there == here && FLOORS[here].1.contains(&import);
            assert!(allowed, "{} (floor {here}) imports {import} (floor {there})", path.display());
            // Of the sun, only the states know of stores.
            let knows = room != "sun" || path == Path::new("sun.rs");
            assert!(import != "counter" || knows, "{} imports counter", path.display());
        }
    }
    assert!(rooms > 15, "the files were found");
}
