//! Prints the public API of suntap from the JSON of rustdoc, one item a line. Fails if it names a crate that it should not.

use std::collections::BTreeSet;
use std::error::Error;

/// Crates that the public API may name. A new major version of one of them needs a new major version of suntap.
const NAMED: &[&str] = &[
    "alloc",
    "core",
    "std",
    "suntap",
    // The traits of flash memories: feature `flash`.
    "embedded_storage",
    "embedded_storage_async",
    // `Serialize` and `Deserialize`: feature `serde`. The crate `serde` exports them.
    "serde_core",
    // Types with keys implement `ZeroizeOnDrop`.
    "zeroize",
];

fn main() -> Result<(), Box<dyn Error>> {
    let json = std::env::args().nth(1).ok_or("usage: suntap-api JSON")?;
    let api = public_api::Builder::from_rustdoc_json(json);
    // `docs` shows the automatic and blanket implementations. Tests check which types are `Send`.
    let api = api.omit_blanket_impls(true).omit_auto_trait_impls(true).build()?;
    let mut others = BTreeSet::new();
    for item in api.items().map(ToString::to_string) {
        others.extend(crates(&item).filter(|name| !NAMED.contains(name)).map(String::from));
        println!("{item}");
    }
    if others.is_empty() { Ok(()) } else { Err(format!("the public API names other crates: {others:?}").into()) }
}

/// Returns the first part of each path. A type parameter, such as in `S::Error`, is no crate.
fn crates(item: &str) -> impl Iterator<Item = &str> {
    let paths = item.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | ':')));
    let firsts = paths.filter_map(|path| path.split_once("::")).map(|(first, _)| first);
    firsts.filter(|first| first.starts_with(|c: char| c.is_lowercase()))
}
