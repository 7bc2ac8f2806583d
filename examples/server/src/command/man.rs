//! The manual pages, which are generated from the definition of the command line.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use super::Cli;

/// Set this variable to write the pages instead of comparing them.
const WRITE: &str = "SUNTAP_WRITE_MAN_PAGES";

/// Change it when the text of a page changes.
const DATE: &str = "2026-11-27";
const WIDTH: usize = 80;

/// Returns the pages of a command and of its subcommands, by the name of their file.
fn pages(command: &Command, pages: &mut BTreeMap<String, String>) {
    let man = clap_mangen::Man::new(command.clone()).date(DATE);
    let name = man.get_filename();
    let source = concat!("suntap-server ", env!("CARGO_PKG_VERSION"));
    let man = man.source(source).title(name.trim_end_matches(".1").to_uppercase());
    let mut page = Vec::new();
    man.render(&mut page).unwrap();
    pages.insert(name, tidy(&String::from_utf8(page).unwrap()));
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help");
    inner.for_each(|inner| self::pages(inner, pages));
}

/// Returns a page as `mandoc -Tlint` and `groff -ww` want it: short lines without spaces at the end, and only ASCII.
fn tidy(page: &str) -> String {
    let escaped = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    let page: String = page.chars().map(escaped).collect();
    let mut tidy = String::new();
    for line in page.lines() {
        if line.starts_with(['.', '\'']) {
            tidy.push_str(line.trim_end());
            tidy.push('\n');
            continue;
        }
        let mut width = 0;
        for word in line.split_ascii_whitespace() {
            // A line must not start with a control character.
            let is_full = width + word.len() + 1 > WIDTH && !word.starts_with(['.', '\'']);
            if width > 0 {
                tidy.push(if is_full { '\n' } else { ' ' });
            }
            tidy.push_str(word);
            width = if is_full { word.len() } else { width + word.len() + usize::from(width > 0) };
        }
        tidy.push('\n');
    }
    // A line break next to an empty line has no effect.
    tidy.replace(".br\n\n.br\n", ".sp\n")
}

#[test]
fn the_manual_pages_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = BTreeMap::new();
    self::pages(&command, &mut pages);
    assert!(pages.contains_key("suntap-server.1") && pages.contains_key("suntap-server-key-new.1"));
    let stored = || std::fs::read_dir(&folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    let stored = stored().filter(|path| path.extension().is_some_and(|extension| extension == "1"));
    if std::env::var_os(WRITE).is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        stored.for_each(|path| std::fs::remove_file(path).unwrap());
        for (name, page) in pages {
            std::fs::write(folder.join(name), page).unwrap();
        }
        return;
    }
    let stored = stored.map(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).unwrap())
    });
    let stored: BTreeMap<_, _> = stored.collect();
    let different: Vec<_> =
        pages.keys().chain(stored.keys()).filter(|name| pages.get(*name) != stored.get(*name)).collect();
    assert!(different.is_empty(), "{different:?} are not current: run this test with {WRITE}=1");
}
