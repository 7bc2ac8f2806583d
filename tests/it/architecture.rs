//! The layers of the library: which module imports which, read from the text of `src`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may import. What those modules may import is allowed too.
const LAYERS: &[(&str, &[&str])] = &[
    ("value", &[]),
    ("cipher", &["value"]),
    ("counter", &["value"]),
    ("key", &["cipher"]),
    ("sun", &["key", "counter"]),
    ("kdf", &["key"]),
    ("identify", &["sun"]),
    ("verifier", &["identify", "kdf"]),
    ("platform", &["verifier"]),
    ("token", &["sun"]),
    ("risk", &["sun"]),
    ("serde", &["sun", "kdf"]),
    ("certificate", &["key"]),
    // Tools, which nothing imports.
    ("diagnose", &["sun", "kdf"]),
    ("emulator", &["sun"]),
    ("conformance", &["counter"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// A module of the library, for example `sun::tap`, with its source text without tests.
struct Module {
    name: String,
    code: String,
}

fn modules() -> Vec<Module> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    let modules: Vec<Module> = files
        .iter()
        .map(|file| {
            let path = file.strip_prefix(&src).unwrap().with_extension("");
            let name = path.iter().map(|part| part.to_str().unwrap()).collect::<Vec<_>>().join("::");
            let text = fs::read_to_string(file).unwrap();
            // The tests are at the end of a file.
            let code = text.split("#[cfg(test)]\n").next().unwrap();
            Module { name, code: code.to_owned() }
        })
        .filter(|module| !matches!(&*module.name, "lib" | "guide"))
        .collect();
    assert!(modules.len() > 40, "the files were found");
    modules
}

/// Expands the braces of a `use` line into paths: `a::{b, c::{d, e}}` gives `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str, prefix: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    if let Some((head, group)) = tree.split_once('{') {
        let group = group.strip_suffix('}').unwrap();
        let (mut depth, mut from) = (0, 0);
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&group[from..at], &format!("{prefix}{}", head.trim()), paths);
                    from = at + 1;
                }
                _ => {}
            }
        }
        expand(&group[from..], &format!("{prefix}{}", head.trim()), paths);
    } else if !tree.is_empty() {
        paths.push(format!("{prefix}{}", tree.split(" as ").next().unwrap()));
    }
}

/// Returns the modules that a module names, in `use` lines (including re-exports) and in the code itself.
fn imports(module: &Module, names: &BTreeSet<&str>) -> BTreeSet<String> {
    let code: String =
        module.code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let line = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].rsplit('\n').next().unwrap().trim();
            before.is_empty() || before == "pub" || (before.starts_with("pub(") && before.ends_with(')'))
        });
        match line {
            Some(at) => expand(statement[at + 4..].trim_end_matches(';'), "", &mut paths),
            None => rest += statement,
        }
    }
    let word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for path in rest.split(|c| !word(c)).filter(|path| path.contains("::")) {
        paths.push(path.to_owned());
    }
    let mut imported = BTreeSet::new();
    for path in paths {
        let mut absolute: Vec<&str> = Vec::new();
        let mut parts = path.split("::").peekable();
        match parts.peek() {
            Some(&"crate") => drop(parts.next()),
            Some(&"super") => {
                absolute = module.name.split("::").collect();
                while parts.next_if_eq(&"super").is_some() {
                    absolute.pop();
                }
            }
            Some(&"self") => {
                parts.next();
                absolute = module.name.split("::").collect();
            }
            Some(first) => {
                // A path of this module's own children, or another crate.
                absolute = module.name.split("::").collect();
                if !names.contains(&*format!("{}::{first}", module.name)) {
                    continue;
                }
            }
            None => continue,
        }
        absolute.extend(parts);
        // The longest prefix of the path that is a module.
        let found =
            (1..=absolute.len()).rev().map(|len| absolute[..len].join("::")).find(|name| names.contains(&**name));
        imported.extend(found.filter(|name| *name != module.name));
    }
    imported
}

fn graph() -> BTreeMap<String, BTreeSet<String>> {
    let modules = modules();
    let names: BTreeSet<&str> = modules.iter().map(|module| &*module.name).collect();
    modules.iter().map(|module| (module.name.clone(), imports(module, &names))).collect()
}

fn top(name: &str) -> &str {
    name.split("::").next().unwrap()
}

#[test]
fn modules_import_only_lower_layers() {
    fn allowed(layer: &str, below: &mut BTreeSet<&'static str>) {
        let (_, imports) =
            LAYERS.iter().find(|(name, _)| *name == layer).unwrap_or_else(|| panic!("{layer} has no layer"));
        for import in *imports {
            below.insert(import);
            allowed(import, below);
        }
    }
    let mut checked = 0;
    for (module, imports) in graph() {
        let mut below = BTreeSet::new();
        allowed(top(&module), &mut below);
        for import in imports.iter().map(|import| top(import)).filter(|import| *import != top(&module)) {
            assert!(below.contains(import), "{module} imports {import}");
            checked += 1;
        }
    }
    assert!(checked > 80, "{checked} imports were found");
}

fn visit(
    graph: &BTreeMap<String, BTreeSet<String>>,
    module: &str,
    path: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) {
    assert!(!path.iter().any(|above| above == module), "{} -> {module}", path.join(" -> "));
    if done.contains(module) {
        return;
    }
    path.push(module.to_owned());
    for import in &graph[module] {
        visit(graph, import, path, done);
    }
    path.pop();
    done.insert(module.to_owned());
}

/// No module imports itself through other modules, not even within a layer.
#[test]
fn no_module_imports_itself() {
    let graph = graph();
    let mut done = BTreeSet::new();
    for module in graph.keys() {
        visit(&graph, module, &mut Vec::new(), &mut done);
    }
}

/// In `sun`, only the module of the tap states imports counter stores.
#[test]
fn only_tap_states_import_counter_stores() {
    for (module, imports) in graph() {
        let reaches = imports.iter().any(|import| top(import) == "counter");
        assert!(!reaches || module == "sun::tap" || top(&module) != "sun", "{module} imports counter");
    }
}

/// The emulator places mirrors and MAC input with its own code, so that it cannot share a mistake with the verifier.
#[test]
fn the_emulator_is_independent_of_the_verifier() {
    let graph = graph();
    let emulator = &graph["emulator"];
    assert!(emulator.contains("sun::layout"), "the imports were found");
    for module in ["sun::parse", "sun::verify", "sun::window", "sun::message", "sun::span"] {
        assert!(graph.contains_key(module), "module {module} does not exist");
        assert!(!emulator.contains(module), "emulator imports {module}");
    }
}

/// Terms that only hosted platforms use appear only in `platform`.
#[test]
fn platform_terms_appear_only_in_platform() {
    for Module { name, code } in modules().iter().filter(|module| top(&module.name) != "platform") {
        let code = code.to_lowercase();
        for word in [
            "xuid",
            "cuid",
            "folder",
            "tag group",
            "tag_group",
            "taggroup",
            "api token",
            "api key",
            "api_key",
            "ixkio",
            "etrnl",
        ] {
            assert!(!code.contains(word), "{name} contains {word}");
        }
        let looks_up = code.lines().any(|line| line.contains("\"ecode\"") && !line.trim_start().starts_with("//"));
        assert!(!looks_up, "{name} looks up an eCode by name");
    }
}

#[test]
fn use_lines_are_expanded() {
    let mut paths = Vec::new();
    expand("a::{b, c::{d, e as f}}", "", &mut paths);
    assert_eq!(paths, ["a::b", "a::c::d", "a::c::e"]);
}
