//! Files of keys: JSON, CSV, or one key in each line.

use core::fmt;
use std::borrow::Cow;
use std::collections::HashSet;
use std::fs;
use std::marker::PhantomData;
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use suntap::ApplicationKey;
use suntap::diagnose::Role;
use zeroize::Zeroizing;

use super::{NamedKey, role, text};
use crate::redact;
use crate::text::{pasted, without_bom};

/// The delimiters of CSV.
const DELIMITERS: [char; 3] = [',', ';', '\t'];

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
        return File { path, content: without_bom(&content) }.read(keys);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(error)? {
        paths.push(entry.map_err(error)?.path());
    }
    paths.retain(|path| path.is_file() && !file_name(path).starts_with('.'));
    paths.sort();
    if paths.is_empty() {
        return Err(format!("{}: there is no file in this folder", redact::path(path)));
    }
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
        let is_csv = |extension| has_extension(extension) || self.csv_header().is_some();
        let entries = if self.content.trim().is_empty() {
            Vec::new()
        } else if has_extension("json") || is_json(self.content) {
            self.json()?
        } else if is_csv("csv") || is_csv("tsv") {
            self.csv()?
        } else {
            self.lines()
        };
        if entries.is_empty() {
            return Err(format!("{}: there is no key in this file", redact::path(self.path)));
        }
        let alone = entries.len() == 1;
        for entry in entries {
            keys.push(self.key(entry, alone)?);
        }
        Ok(())
    }

    /// Returns an error for a line, which contains no text of the file.
    fn error(&self, line: usize, reason: impl fmt::Display) -> String {
        format!("{}:{line}: {reason}", redact::path(self.path))
    }

    /// Reads the key of an entry. A key without a name gets the name of the file, and the line if it is not `alone`.
    fn key(&self, entry: Entry<'_>, alone: bool) -> Result<NamedKey, String> {
        let key: ApplicationKey = text::parse(&entry.key).map_err(|error| self.error(entry.line, error))?;
        let name = match entry.name.filter(|name| !name.is_empty()) {
            Some(name) if !redact::is_key(&name) => name.into_owned(),
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
        let entry = |(line, text): (usize, &'a str)| {
            let (name, key) = line_key(text);
            Entry { line, name: name.map(Cow::from), key: key.into(), role: None }
        };
        self.significant_lines().map(entry).collect()
    }

    /// Returns the lines that are neither empty nor a comment, with their numbers.
    fn significant_lines(&self) -> impl Iterator<Item = (usize, &'a str)> {
        let lines = (1..).zip(self.content.lines()).map(|(line, text)| (line, text.trim()));
        lines.filter(|(_, text)| !text.is_empty() && !text.starts_with('#'))
    }

    /// Returns the delimiter of the header, or `None` if the first line is not a header.
    fn csv_header(&self) -> Option<char> {
        let (_, first) = self.significant_lines().next()?;
        DELIMITERS.into_iter().find(|delimiter| columns(&first.split(*delimiter)).is_some())
    }

    /// Returns the delimiter of a file, which may have no header.
    fn delimiter(&self) -> char {
        let first = || Some(self.significant_lines().next()?.1);
        let has_key = |delimiter: &char| first()?.split(*delimiter).any(text::is_key).then_some(());
        let of_key = || DELIMITERS.into_iter().find(|delimiter| has_key(delimiter).is_some());
        self.csv_header().or_else(of_key).unwrap_or(',')
    }

    fn csv(&self) -> Result<Vec<Entry<'static>>, String> {
        let mut builder = csv::ReaderBuilder::new();
        builder.has_headers(false).flexible(true).trim(csv::Trim::All).comment(Some(b'#'));
        builder.delimiter(u8::try_from(self.delimiter()).unwrap_or(b','));
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
        let entries: Vec<_> = match content {
            Json::Object(Pairs(keys)) => keys.into_iter().map(|(name, value)| entry(Some(name.0), value)).collect(),
            Json::Array(keys) => keys.into_iter().map(|value| entry(None, value)).collect(),
        };
        let mut seen = HashSet::new();
        for entry in &entries {
            if let Some(name) = entry.name.as_deref()
                && !seen.insert((name, entry.role.as_deref()))
            {
                let reason = format!("the name \"{}\" is used twice", redact::name(name));
                return Err(self.error(entry.line, reason));
            }
        }
        Ok(entries)
    }

    /// Returns the line in which a part of the content stands. For a text that is not a part, returns the last line.
    fn line_of(&self, part: &str) -> usize {
        let offset = part.as_ptr().addr().saturating_sub(self.content.as_ptr().addr());
        let before = self.content.as_bytes().iter().take(offset);
        before.filter(|byte| **byte == b'\n').count().saturating_add(1)
    }
}

/// Returns `true` if the content begins like JSON. An array of C begins with a number.
fn is_json(content: &str) -> bool {
    let start = content.trim_start();
    start.starts_with(['{', '['])
        && start.get(1..).is_some_and(|rest| rest.trim_start().starts_with(['"', '{', '}', '[', ']']))
}

/// Returns the name and the key in a line of a text file: `KEY` or `NAME=KEY`, or `:` `,` `;` or a tab instead of `=`. A
/// comment may follow. If there is no key, returns the text that should be one.
fn line_key(line: &str) -> (Option<&str>, &str) {
    // A name may contain `#`, so the longer texts are tried too.
    let comments = line.match_indices(" #").chain(line.match_indices("\t#")).filter_map(|(at, _)| line.get(..at));
    let mut texts: Vec<&str> = comments.chain([line]).collect();
    texts.sort_by_key(|text| text.len());
    let found = texts.iter().find_map(|text| named_key(text));
    let text = texts.first().copied().unwrap_or(line);
    found.unwrap_or_else(|| {
        let parts = text.split_once(['=', '\t']).or_else(|| text.split_once([':', ',', ';']));
        let (name, key) = parts.filter(|(_, key)| !text::is_key(key)).unwrap_or(("", text));
        (Some(pasted(name)).filter(|name| !name.is_empty()), key)
    })
}

/// Returns the name and the key in a text, or `None` if there is no key.
fn named_key(text: &str) -> Option<(Option<&str>, &str)> {
    // A key may contain each of the delimiters, and a key in base64 may end with `=`.
    if text::is_key(text) {
        return Some((None, text));
    }
    ['=', '\t', ':', ',', ';'].into_iter().find_map(|delimiter| {
        let (name, key) = text.split_once(delimiter)?;
        // The first byte of a key that is too long is not a name.
        let last = name.rsplit(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let is_byte = last.trim_start_matches("0x").chars().all(|c| c.is_ascii_hexdigit());
        let spaced = format!("{delimiter} ");
        let is_one_of_many = match key.strip_prefix(' ') {
            Some(key) => key.contains(&spaced),
            None => key.contains(delimiter),
        };
        let is_name = delimiter == '=' || !(is_byte && is_one_of_many);
        (text::is_key(key) && is_name).then_some((Some(pasted(name)), key))
    })
}

/// Returns the columns of name, key and role, if these cells are a header.
fn columns<'a>(cells: &(impl Iterator<Item = &'a str> + Clone)) -> Option<[Option<usize>; 3]> {
    let place = |wanted: &str| cells.clone().position(|cell| pasted(cell).eq_ignore_ascii_case(wanted));
    let key = place("key")?;
    Some([place("name"), Some(key), place("role")])
}

/// The content of a JSON file. The texts are parts of the file, so that no copy of a key has to be wiped.
#[derive(Deserialize)]
#[serde(untagged)]
enum Json<'a> {
    #[serde(borrow)]
    Array(Vec<JsonKey<'a>>),
    Object(Pairs<'a>),
}

/// The fields of an object in their order, with fields that occur twice.
struct Pairs<'a>(Vec<(Name<'a>, JsonKey<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<'a>(PhantomData<&'a str>);

        impl<'de: 'a, 'a> Visitor<'de> for Fields<'a> {
            type Value = Pairs<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of names and keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Pairs<'a>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = fields.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData))
    }
}

#[derive(Deserialize)]
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
    fn a_line_of_a_text_file_may_have_a_name_and_a_comment() {
        for line in [
            format!("a={ONE}"),
            format!("a = {ONE} # shop"),
            format!("a,{ONE}"),
            format!("a; {ONE}"),
            format!("a: {ONE}\t# shop"),
            format!("a\t{ONE}"),
            format!("\"a\" = \"{ONE}\""),
            "a: 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:01".into(),
            format!("a = {{{}0x01}}", "0x00, ".repeat(15)),
            "a=AAAAAAAAAAAAAAAAAAAAAQ==".into(),
            "a,AAAAAAAAAAAAAAAAAAAAAQ== # shop".into(),
        ] {
            assert_eq!(read("k.txt", &line), Ok(vec![key("a", Role::Any, ONE)]), "{line}");
        }
        assert_eq!(read("k.txt", &format!("tag #5 = {ONE} # {TWO}")), Ok(vec![key("tag #5", Role::Any, ONE)]));
        assert_eq!(read("k.txt", &format!("17: {ONE}")), Ok(vec![key("17", Role::Any, ONE)]));
        let array = format!("{{{}0x01}}", "0x00, ".repeat(15));
        assert_eq!(read("k.txt", &array), Ok(vec![key("k", Role::Any, ONE)]));
        let bytes = "00:".repeat(15) + "01";
        assert_eq!(read("k.txt", &format!("tag 17: {bytes}")), Ok(vec![key("tag 17", Role::Any, ONE)]));
        for too_long in [format!("FF:{bytes}"), format!("a = {{{}0x01}}", "0x00, ".repeat(16))] {
            assert!(read("k.txt", &too_long).is_err(), "{too_long}");
        }
    }

    #[test]
    fn csv_may_have_other_delimiters_a_comment_and_a_byte_order_mark() {
        let expected = Ok(vec![key("a", Role::Any, ONE), key("b", Role::File, TWO)]);
        for delimiter in [",", ";", "\t"] {
            for (path, content) in [
                ("k.csv", format!("name,key,role\na,{ONE},\nb,{TWO},file\n")),
                ("k.txt", format!("# shop\n\nname,key,role\na,{ONE},\nb,{TWO},file\n")),
                ("k", format!("\"name\",\"key\",\"role\"\r\n\"a\",\"{ONE}\",\r\n\"b\",\"{TWO}\",\"file\"\r\n")),
                ("k.csv", format!("# shop\na,{ONE}\nb,{TWO},file\n")),
                ("k.tsv", format!("a,{ONE}\nb,{TWO},file\n")),
            ] {
                let content = content.replace(',', delimiter);
                assert_eq!(read(path, &content), expected, "{content}");
                assert_eq!(read(path, without_bom(&format!("\u{feff}{content}"))), expected, "{content}");
            }
        }
    }

    #[test]
    fn a_name_that_is_used_twice_in_json_is_an_error() {
        let content = format!("{{\"a\": \"{ONE}\",\n\"b\": \"{ONE}\",\n\"a\": \"{TWO}\"}}");
        assert_eq!(read("k.json", &content), Err("k.json:3: the name \"a\" is used twice".into()));
        let array = format!(r#"[{{"name": "a", "key": "{ONE}"}}, {{"name": "a", "key": "{TWO}"}}]"#);
        assert_eq!(read("k.json", &array), Err("k.json:1: the name \"a\" is used twice".into()));
        let roles = array.replace(r#""}]"#, r#"", "role": "file"}]"#);
        assert_eq!(read("k.json", &roles).map(|keys| keys.len()), Ok(2));
    }

    #[test]
    fn a_file_without_a_key_is_an_error() {
        for (path, content) in [
            ("k.txt", ""),
            ("k.txt", "# keys\n\n"),
            ("k.csv", "name,key\n"),
            ("k.json", " \n"),
            ("k.json", "{}"),
            ("k", "[]"),
        ] {
            assert_eq!(read(path, content), Err(format!("{path}: there is no key in this file")));
        }
    }

    #[test]
    fn an_error_names_file_and_line_but_not_the_content() {
        let secret = "A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7";
        for (path, content, line) in [
            ("k.txt", format!("{ONE}\nmine={secret}"), 2),
            ("k.txt", format!("{ONE}\n{secret}"), 2),
            ("k.txt", format!("{ONE}\nmine: {secret} # {secret}"), 2),
            ("k.csv", format!("# {secret}\nname;key\na;{secret}"), 3),
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
