//! Files of keys: JSON, CSV, or one key in each line.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use suntap::ApplicationKey;
use suntap::diagnose::Role;
use zeroize::Zeroizing;

use super::{NamedKey, role, text};
use crate::redact;
use crate::text::pasted;

/// Reads a file, or all files of a folder, in the order of their names.
pub(super) fn read(path: &Path, keys: &mut Vec<NamedKey>) -> Result<(), String> {
    let error = |error| {
        let hint = if redact::may_be_key(&path.to_string_lossy()) && !path.exists() {
            "; did you mean --key NAME=KEY?"
        } else {
            ""
        };
        format!("--keys: {}: {error}{hint}", redact::path(path))
    };
    if !path.is_dir() {
        let content = fs::read_to_string(path).map(Zeroizing::new).map_err(error)?;
        return File { path, content: &content }.read(keys);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(error)? {
        paths.push(entry.map_err(error)?.path());
    }
    paths.retain(|path| path.is_file() && !file_name(path).starts_with('.'));
    paths.sort();
    paths.iter().try_for_each(|path| read(path, keys))
}

fn file_name(path: &Path) -> Cow<'_, str> {
    path.file_name().unwrap_or_default().to_string_lossy()
}

/// A key file and its content.
struct File<'a> {
    path: &'a Path,
    content: &'a str,
}

/// A key as it is written in a file.
struct Entry<'a> {
    /// The line of the file, counted from 1.
    line: usize,
    name: Option<Cow<'a, str>>,
    key: Cow<'a, str>,
    role: Option<Cow<'a, str>>,
}

impl<'a> File<'a> {
    fn read(&self, keys: &mut Vec<NamedKey>) -> Result<(), String> {
        let has_extension =
            |wanted: &str| self.path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted));
        let entries = if has_extension("json") || self.content.trim_start().starts_with(['{', '[']) {
            self.json()?
        } else if has_extension("csv")
            || self.content.lines().next().is_some_and(|line| columns(&line.split(',')).is_some())
        {
            self.csv()?
        } else {
            self.lines()
        };
        let alone = entries.len() == 1;
        for entry in entries {
            keys.push(self.key(entry, alone)?);
        }
        Ok(())
    }

    /// Returns an error for a line, which contains no text of the file.
    fn error(&self, line: usize, reason: impl core::fmt::Display) -> String {
        format!("{}:{line}: {reason}", redact::path(self.path))
    }

    /// Reads the key of an entry. A key without a name gets the name of the file, and the line if it is not `alone`.
    fn key(&self, entry: Entry<'_>, alone: bool) -> Result<NamedKey, String> {
        let key: ApplicationKey = text::parse(&entry.key).map_err(|error| self.error(entry.line, error))?;
        let name = match entry.name {
            Some(name) if !name.is_empty() && !redact::is_key(&name) => name.into_owned(),
            None if alone => self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            _ => format!("{}:{}", file_name(self.path), entry.line),
        };
        // Reports show the name.
        let mut key = NamedKey::named(redact::message(&name).into_owned(), key);
        if let Some(text) = entry.role.filter(|text| !text.is_empty()) {
            key.role = match role(&text) {
                Role::Any if !text.eq_ignore_ascii_case("any") => {
                    return Err(self.error(entry.line, "a role is meta, file or any"));
                }
                role => role,
            };
        }
        Ok(key)
    }

    fn lines(&self) -> Vec<Entry<'a>> {
        let lines = (1..).zip(self.content.lines()).map(|(line, text)| (line, text.trim()));
        let lines = lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'));
        let entry = |(line, text): (usize, &'a str)| {
            // A key in base64 may end with `=`.
            let named = text.split_once('=').filter(|_| text::bytes(text).is_err());
            let (name, key) = named.map_or((None, text), |(name, key)| (Some(pasted(name).into()), key));
            Entry { line, name, key: key.into(), role: None }
        };
        lines.map(entry).collect()
    }

    fn csv(&self) -> Result<Vec<Entry<'static>>, String> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).trim(csv::Trim::All).comment(Some(b'#'));
        let mut header = None;
        let mut entries = Vec::new();
        for (number, record) in builder.from_reader(self.content.as_bytes()).records().enumerate() {
            let record = record.map_err(|_| self.error(1, "not valid CSV"))?;
            let line = record.position().map_or(1, |start| self.csv_line(start));
            if number == 0 {
                header = columns(&record.iter());
                if header.is_some() {
                    continue;
                }
            }
            let [name, key, role] = header.unwrap_or(match record.len() {
                1 => [None, Some(0), None],
                _ => [Some(0), Some(1), Some(2)],
            });
            let cell = |column: Option<usize>| Some(Cow::Owned(record.get(column?)?.to_owned()));
            let key = cell(key).ok_or_else(|| self.error(line, "there is no key"))?;
            entries.push(Entry { line, name: cell(name), key, role: cell(role) });
        }
        Ok(entries)
    }

    /// Returns the line of a record. Its position is before the empty lines and comments that precede it.
    fn csv_line(&self, start: &csv::Position) -> usize {
        let number = |value: u64| usize::try_from(value).unwrap_or_default();
        let before = self.content.get(number(start.byte())..).unwrap_or_default().lines();
        let skipped = before.take_while(|line| line.trim().is_empty() || line.starts_with('#')).count();
        number(start.line()).saturating_add(skipped)
    }

    fn json(&self) -> Result<Vec<Entry<'a>>, String> {
        let content: Json<'a> = serde_json::from_str(self.content).map_err(|error| {
            self.error(error.line().max(1), "not valid JSON: expected an object of names and keys, or an array of keys")
        })?;
        let entry = |name: Option<Cow<'a, str>>, value: JsonKey<'a>| {
            let (own, key, role) = match value {
                JsonKey::Alone(key) => (None, key, None),
                JsonKey::Object { name, key, role } => (name, key, role),
            };
            Entry { line: self.line_of(&key), name: name.or(own), key, role }
        };
        Ok(match content {
            Json::Object(keys) => keys.into_iter().map(|(name, value)| entry(Some(name.0), value)).collect(),
            Json::Array(keys) => keys.into_iter().map(|value| entry(None, value)).collect(),
        })
    }

    /// Returns the line in which a part of the content stands. For a text that is not a part, returns the last line.
    fn line_of(&self, part: &str) -> usize {
        let offset = part.as_ptr().addr().saturating_sub(self.content.as_ptr().addr());
        let before = self.content.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count().saturating_add(1)
    }
}

/// Returns the columns of name, key and role, if these cells are a header.
fn columns<'a>(cells: &(impl Iterator<Item = &'a str> + Clone)) -> Option<[Option<usize>; 3]> {
    let place = |wanted: &str| cells.clone().position(|cell| cell.trim().eq_ignore_ascii_case(wanted));
    let key = place("key")?;
    Some([place("name"), Some(key), place("role")])
}

/// The content of a JSON file. The texts are parts of the file, so that no copy of a key has to be wiped.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json<'a> {
    #[serde(borrow)]
    Array(Vec<JsonKey<'a>>),
    Object(BTreeMap<Name<'a>, JsonKey<'a>>),
}

#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonKey<'a> {
    Alone(#[serde(borrow)] Cow<'a, str>),
    Object {
        #[serde(borrow)]
        name: Option<Cow<'a, str>>,
        #[serde(borrow)]
        key: Cow<'a, str>,
        #[serde(borrow)]
        role: Option<Cow<'a, str>>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00000000000000000000000000000001";
    const TWO: &str = "00000000000000000000000000000002";

    fn read(path: &str, content: &str) -> Result<Vec<(String, Role, String)>, String> {
        let mut keys = Vec::new();
        File { path: Path::new(path), content }.read(&mut keys)?;
        let shown = |key: NamedKey| (key.name, key.role, crate::hex::upper(key.key.expose_bytes()));
        Ok(keys.into_iter().map(shown).collect())
    }

    fn key(name: &str, role: Role, key: &str) -> (String, Role, String) {
        (name.to_owned(), role, key.to_owned())
    }

    #[test]
    fn json_has_names_and_keys_or_only_keys() {
        let named = vec![key("a", Role::Any, ONE), key("meta", Role::Meta, TWO)];
        assert_eq!(read("k.json", &format!(r#"{{"a": "{ONE}", "meta": "{TWO}"}}"#)), Ok(named.clone()));
        let array = format!(r#"[{{"name": "a", "key": "{ONE}"}}, {{"name": "meta", "key": "{TWO}", "role": null}}]"#);
        assert_eq!(read("k", &array), Ok(named));
        let with_role = format!(r#"[{{"name": "a", "key": "{ONE}", "role": "file", "more": 1}}]"#);
        assert_eq!(read("k.json", &with_role), Ok(vec![key("a", Role::File, ONE)]));
        let unnamed = format!("[\"{ONE}\",\n\"{TWO}\"]");
        assert_eq!(
            read("k.json", &unnamed),
            Ok(vec![key("k.json:1", Role::Any, ONE), key("k.json:2", Role::Any, TWO)])
        );
    }

    #[test]
    fn csv_has_a_header_or_none() {
        let expected = Ok(vec![key("a", Role::Any, ONE), key("b", Role::File, TWO)]);
        assert_eq!(read("k.csv", &format!("name,key,role\na,{ONE},\n\"b\",{TWO},file\n")), expected);
        assert_eq!(read("k.csv", &format!("a,{ONE}\nb,{TWO},file")), expected);
        assert_eq!(read("k.txt", &format!("Role, Key, Name\n,{ONE},a\nfile,{TWO},b")), expected);
        assert_eq!(read("k.csv", &format!("{ONE}\n")), Ok(vec![key("k", Role::Any, ONE)]));
    }

    #[test]
    fn a_text_file_has_a_key_in_each_line() {
        let content = format!("# keys\n\npicc = {ONE}\n{TWO}\nc55sauQ+2NDG3aX6P0Yz+Q==\n");
        let expected = vec![
            key("picc", Role::Meta, ONE),
            key("k.txt:4", Role::Any, TWO),
            key("k.txt:5", Role::Any, "739E6C6AE43ED8D0C6DDA5FA3F4633F9"),
        ];
        assert_eq!(read("k.txt", &content), Ok(expected));
        assert_eq!(read("tags/17.key", ONE), Ok(vec![key("17", Role::Any, ONE)]));
    }

    #[test]
    fn an_error_names_file_and_line_but_not_the_content() {
        let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
        for (path, content, line) in [
            ("k.txt", format!("{ONE}\nmine={secret}"), 2),
            ("k.txt", format!("{ONE}\n{secret}"), 2),
            ("k.csv", format!("name,key\n\na,{secret}"), 3),
            ("k.csv", format!("name,role,key\n{secret}"), 2),
            ("k.csv", format!("a,{ONE},{secret}"), 1),
            ("k.json", format!("{{\n\"a\": \"{secret}\"}}"), 2),
            ("k.json", format!("[\n\"{ONE}\",\n\"{secret}\"]"), 3),
            ("k.json", format!("[\n\"{secret}\"\n\"{ONE}\"]"), 3),
            ("k.json", format!("\"{secret}\""), 1),
            ("k.json", "{\"a\": 7}".into(), 1),
        ] {
            let error = read(path, &content).unwrap_err();
            assert!(error.starts_with(&format!("{path}:{line}: ")) && !error.contains("A7A7"), "{error}");
        }
    }
}
