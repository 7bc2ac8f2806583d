//! The configuration file: TOML whose keys are the names of flags.
//!
//! A key at the top is a flag of `serve`, and holds for every command that has the same flag. A section has the name of a command, and
//! its keys are flags of this command only. A section such as `[webhooks.shop]` is an endpoint of webhooks, which has no flag. The definition of the flags is the only one: the values of the file become the default
//! values of the argument parser, so that a flag or an environment variable overrides them.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Command};
use serde::Deserialize as _;
use suntap_server::ops::webhooks;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Unshown;

/// The key of the table of webhooks.
const WEBHOOKS: &str = "webhooks";

/// Flags that are about one run of a command.
const NOT_IN_FILE: [&str; 13] = [
    // The file can have `store` itself.
    "store-file",
    "help",
    "version",
    "config",
    "check-config",
    "accept-secrets",
    "accept-replays",
    "raise-counters-by",
    "raise-from",
    "dry-run",
    "convert",
    "output",
    "from",
];
/// The flag of a secret type that a file may have, because only some of its values have a password.
const STORE: &str = "store";

/// The values of a configuration file.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) path: PathBuf,
    /// The endpoints of webhooks, by name.
    pub(crate) webhooks: BTreeMap<String, webhooks::Settings>,
    top: Section,
}

#[derive(Debug, Default)]
struct Section {
    values: BTreeMap<String, Setting>,
    sections: BTreeMap<String, Section>,
}

struct Setting {
    texts: Vec<String>,
    place: Place,
}

/// A line and a column, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) line: usize,
    column: usize,
}

/// A problem of a file.
struct Problem(Range<usize>, String);

impl Settings {
    /// Reads a file.
    ///
    /// # Errors
    /// Returns an error with the line and the column of a key or value that is not one of `command`.
    pub(crate) fn read(path: &Path, command: &Command) -> anyhow::Result<Self> {
        let file = || format!("configuration file {}", path.display());
        let text = std::fs::read_to_string(path).with_context(file)?;
        let (top, webhooks) = Self::parse(&text, command).map_err(|Problem(span, problem)| {
            anyhow!("{}:{}: {problem}", path.display(), Place::new(&text, span.start))
        })?;
        Ok(Self { path: path.into(), webhooks, top })
    }

    fn parse(text: &str, command: &Command) -> Result<(Section, BTreeMap<String, webhooks::Settings>), Problem> {
        // `Display` of the error would quote the line, which may have a password.
        let problem = |error: toml::de::Error| Problem(error.span().unwrap_or_default(), error.message().to_owned());
        let table = DeTable::parse(text).map_err(problem)?;
        let mut table = table.into_inner();
        let webhooks = match table.remove(WEBHOOKS) {
            Some(tables) => BTreeMap::deserialize(ValueDeserializer::from(tables)).map_err(problem)?,
            None => BTreeMap::new(),
        };
        Ok((section(text, &table, command, &mut Vec::new(), command)?, webhooks))
    }

    /// Returns the command with the values of the file as default values.
    pub(crate) fn defaults(&self, command: Command) -> Command {
        self.top.defaults(command, &BTreeMap::new())
    }

    /// Returns the place of the value of a flag of a command, if the file has one.
    pub(crate) fn place(&self, commands: &[&str], flag: &str) -> Option<Place> {
        let mut section = Some(&self.top);
        let mut found = self.top.values.get(flag);
        for name in commands {
            section = section.and_then(|section| section.sections.get(*name));
            found = section.and_then(|section| section.values.get(flag)).or(found);
        }
        found.map(|setting| setting.place)
    }
}

impl Section {
    fn defaults(&self, command: Command, outer: &BTreeMap<&str, &Setting>) -> Command {
        let mut values = outer.clone();
        values.extend(self.values.iter().map(|(name, setting)| (&**name, setting)));
        let arguments: Vec<_> = command
            .get_arguments()
            .filter_map(|arg| Some((arg.get_id().clone(), *values.get(arg.get_long()?)?)))
            .collect();
        let names: Vec<_> = command.get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let command = arguments.into_iter().fold(command, |command, (id, setting)| {
            command.mut_arg(id, |arg| {
                let is_flag = is_flag(&arg);
                let arg = arg.required(false).default_values(setting.texts.clone());
                // Help must not show the URL of a store.
                if is_flag { arg } else { arg.hide_default_value(true) }
            })
        });
        let empty = Self::default();
        names.into_iter().fold(command, |command, name| {
            let inner = self.sections.get(&name).unwrap_or(&empty);
            command.mut_subcommand(name, |command| inner.defaults(command, &values))
        })
    }
}

/// Reads a table, whose keys are flags or commands of `command`. `path` has the names of the commands from the root to `command`.
fn section(
    text: &str,
    table: &DeTable<'_>,
    command: &Command,
    path: &mut Vec<String>,
    root: &Command,
) -> Result<Section, Problem> {
    let mut read = Section::default();
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        let inner = command.find_subcommand(name).filter(|inner| inner.get_name() == name);
        if let (DeValue::Table(table), Some(inner)) = (value.get_ref(), inner) {
            path.push(name.into());
            read.sections.insert(name.into(), section(text, table, inner, path, root)?);
            path.pop();
            continue;
        }
        let Some(arg) = command.get_arguments().find(|arg| arg.get_long() == Some(name) && is_allowed(arg)) else {
            return Err(Problem(key.span(), unknown(name, command)));
        };
        let texts = texts(arg, value)?;
        check(arg, &texts, path, root).map_err(|problem| Problem(value.span(), problem))?;
        let place = Place::new(text, key.span().start);
        read.values.insert(name.into(), Setting { texts, place });
    }
    Ok(read)
}

fn unknown(name: &str, command: &Command) -> String {
    let secret = command.get_arguments().any(|arg| arg.get_long() == Some(name) && is_secret(arg));
    if secret {
        return format!("`{name}` is a secret and cannot be in this file");
    }
    let flags = command.get_arguments().filter(|arg| is_allowed(arg)).filter_map(Arg::get_long);
    let mut known: Vec<_> = flags.map(String::from).collect();
    known.extend(
        command.get_subcommands().filter(|inner| has_settings(inner)).map(|inner| format!("[{}]", inner.get_name())),
    );
    known.extend((command.get_name() == env!("CARGO_PKG_NAME")).then(|| format!("[{WEBHOOKS}.NAME]")));
    known.sort_unstable();
    format!("unknown key `{name}`, expected one of: {}", known.join(", "))
}

fn has_settings(command: &Command) -> bool {
    command.get_arguments().any(is_allowed) || command.get_subcommands().any(has_settings)
}

/// Returns `true` if a file may set an argument.
pub(crate) fn is_allowed(arg: &Arg) -> bool {
    let is_excluded = arg.get_long().is_none_or(|name| NOT_IN_FILE.contains(&name));
    !is_excluded && !is_secret(arg)
}

fn is_secret(arg: &Arg) -> bool {
    is_unshown(arg) && arg.get_long() != Some(STORE)
}

/// Returns `true` if the value of an argument may contain a password.
pub(crate) fn is_unshown(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<Unshown>()
}

pub(crate) fn is_flag(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::SetFalse)
}

fn is_list(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append) || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn is_number(arg: &Arg) -> bool {
    let found = arg.get_value_parser().type_id();
    let numbers =
        [TypeId::of::<u8>(), TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
    let signed = [TypeId::of::<i8>(), TypeId::of::<i16>(), TypeId::of::<i32>(), TypeId::of::<i64>()];
    numbers.iter().chain(&signed).any(|number| found == *number)
}

/// Returns a value as the texts that the argument parser reads.
fn texts(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<Vec<String>, Problem> {
    if let (DeValue::Array(values), true) = (value.get_ref(), is_list(arg)) {
        return values.iter().map(|value| one(arg, value)).collect();
    }
    Ok(vec![one(arg, value)?])
}

fn one(arg: &Arg, value: &Spanned<DeValue<'_>>) -> Result<String, Problem> {
    let text = match value.get_ref() {
        DeValue::Boolean(value) if is_flag(arg) => Some(value.to_string()),
        DeValue::Integer(number) if is_number(arg) => {
            i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
        }
        DeValue::String(text) if !is_flag(arg) && !is_number(arg) => Some(text.clone().into_owned()),
        _ => None,
    };
    text.ok_or_else(|| {
        let expected = match arg {
            arg if is_flag(arg) => "true or false",
            arg if is_number(arg) => "an integer",
            arg if is_list(arg) => "a text in quotes or a list of them",
            _ => "a text in quotes",
        };
        Problem(value.span(), format!("`{}` must be {expected}", arg.get_long().unwrap_or_default()))
    })
}

/// Lets the argument parser check values, as if they were given as flags of the command.
fn check(arg: &Arg, texts: &[String], path: &[String], root: &Command) -> Result<(), String> {
    if is_flag(arg) {
        return Ok(());
    }
    let flag = arg.get_long().unwrap_or_default();
    let flags = texts.iter().map(|text| format!("--{flag}={text}"));
    let line = [root.get_name().to_owned()].into_iter().chain(path.iter().cloned()).chain(flags);
    let Err(error) = root.clone().try_get_matches_from(line) else { return Ok(()) };
    // Other errors are about what is missing from this line.
    if !matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue) {
        return Ok(());
    }
    let text = error.to_string();
    let text = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    Err(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

impl Place {
    fn new(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let (lines, last) = before
            .rsplit_once('\n')
            .map_or((0, before), |(lines, last)| (lines.matches('\n').count().saturating_add(1), last));
        Self { line: lines.saturating_add(1), column: last.chars().count().saturating_add(1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setting").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use clap::CommandFactory as _;
    use clap::parser::ValueSource;

    use super::*;
    use crate::command::Cli;

    /// Returns the reason why a text is refused.
    fn refused(text: &str) -> String {
        let Err(Problem(span, problem)) = Settings::parse(text, &Cli::command()) else { panic!("accepted: {text}") };
        format!("{}: {problem}", Place::new(text, span.start))
    }

    /// A value that the argument accepts, as TOML and as a text, other than its default value.
    fn value(arg: &Arg, command: &Command) -> (String, String) {
        let default = || arg.get_default_values().iter().map(|text| text.to_string_lossy().into_owned()).next();
        let possible = arg.get_possible_values().into_iter().map(|value| value.get_name().to_owned());
        let others = ["7", "8", "127.0.0.1:7", "http://127.0.0.1:7/", "/tmp/seven", "#070707", "10.0.0.7", "70000"]
            .map(String::from);
        let mut texts = possible.chain(others).filter(|text| Some(text) != default().as_ref());
        if is_flag(arg) {
            return ("true".into(), "true".into());
        }
        let text = texts.find(|text| check(arg, std::slice::from_ref(text), &["serve".into()], command).is_ok());
        let text = text.unwrap_or_else(|| panic!("a value for {}", arg.get_id()));
        (if is_number(arg) { text.clone() } else { format!("\"{text}\"") }, text)
    }

    #[test]
    fn each_flag_of_serve_can_be_set_in_the_file() {
        let command = Cli::command();
        let serve = command.find_subcommand("serve").unwrap();
        let arguments = || serve.get_arguments().filter(|arg| is_allowed(arg));
        let secret: Vec<_> = serve.get_arguments().filter(|arg| is_secret(arg)).filter_map(Arg::get_long).collect();
        assert!(secret.is_empty(), "a secret must not be a flag of serve: {secret:?}");
        let texts: BTreeMap<_, _> =
            arguments().map(|arg| (arg.get_long().unwrap().to_owned(), value(arg, &command))).collect();
        assert!(texts.len() > 12 && texts.contains_key("listen") && texts.contains_key("store"));
        let toml = texts.iter().map(|(name, (toml, _))| format!("{name} = {toml}\n")).collect::<Vec<_>>().concat();
        for toml in [toml.clone(), format!("[serve]\n{toml}")] {
            let (top, webhooks) =
                Settings::parse(&toml, &command).unwrap_or_else(|Problem(_, problem)| panic!("{problem}\n{toml}"));
            let settings = Settings { path: PathBuf::new(), webhooks, top };
            let matches = settings.defaults(Cli::command()).try_get_matches_from(["suntap-server", "serve"]).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            for arg in arguments() {
                let (id, name) = (arg.get_id().as_str(), arg.get_long().unwrap());
                assert_eq!(matches.value_source(id), Some(ValueSource::DefaultValue), "{name}");
                let raw: Vec<_> = matches.get_raw(id).unwrap().collect();
                assert_eq!(raw, [&*texts[name].1], "{name}");
                assert!(settings.place(&["serve"], name).is_some());
            }
            // A flag is stronger than the file.
            let flags = ["suntap-server", "serve", "--timeout=3600", "--listen=localhost:1"];
            let matches = settings.defaults(Cli::command()).try_get_matches_from(flags).unwrap();
            let (_, matches) = matches.subcommand().unwrap();
            assert_eq!(matches.get_one::<u64>("timeout"), Some(&3600));
            assert_eq!(matches.get_one::<String>("listen").unwrap(), "localhost:1");
        }
    }

    #[test]
    fn a_wrong_file_is_refused_with_its_place() {
        for (text, expected) in [
            ("listn = 1\n", "1:1: unknown key `listn`, expected one of: "),
            ("# ü\n  pool = 0", "2:10: invalid value '0' for '--pool <POOL>': 0 is not in 1..=1024"),
            ("pool = \"16\"", "1:8: `pool` must be an integer"),
            ("listen = 8080", "1:10: `listen` must be a text in quotes"),
            ("listen = [\"a:1\"]", "1:10: `listen` must be a text in quotes"),
            ("log-uids = 1", "1:12: `log-uids` must be true or false"),
            ("log = \"loud\"", "1:7: invalid value 'loud' for '--log <LOG>'"),
            ("pool = 1\npool = 2", "2:1: duplicate key"),
            ("[import]\nreplace = true\nlisten = \"a:1\"", "3:1: unknown key `listen`, expected one of: "),
            ("[key.new]\nkinds = 1", "2:1: unknown key `kinds`, expected one of: "),
            ("[tap]\necode = \"x\"", "2:1: `ecode` is a secret and cannot be in this file"),
            ("config = \"x\"", "1:1: unknown key `config`"),
            ("[nothing]\na = 1", "1:2: unknown key `nothing`"),
            ("serve = 1", "1:1: unknown key `serve`"),
            ("pool = ", "1:8: "),
        ] {
            let refused = refused(text);
            assert!(refused.starts_with(expected), "{text}: {refused}");
        }
        let names = refused("listn = 1");
        assert!(
            names.contains("listen, ") && names.contains("[import], ") && !names.contains("check-config"),
            "{names}"
        );
        // A message does not repeat a value that may have a password.
        for text in ["store = \"postgres://u:s3cret@h/d\nx = 1", "store = [\"postgres://u:s3cret@h/d\"]"] {
            assert!(!refused(text).contains("s3cret"));
        }
    }

    #[test]
    fn a_section_is_stronger_than_the_top() {
        let text = "pool = 3\n[import]\npool = 4\nmax-meta-keys = 5\n[key.new]\nkind = \"token\"";
        let (top, webhooks) =
            Settings::parse(text, &Cli::command()).unwrap_or_else(|Problem(_, problem)| panic!("{problem}"));
        let settings = Settings { path: PathBuf::new(), webhooks, top };
        let pool = |args: &[&str]| {
            let matches = settings.defaults(Cli::command()).try_get_matches_from(args).unwrap();
            let mut matches = &matches;
            while let Some((_, inner)) = matches.subcommand() {
                matches = inner;
            }
            *matches.get_one::<usize>("pool").unwrap()
        };
        assert_eq!(pool(&["s"]), 3);
        assert_eq!(pool(&["s", "check"]), 3);
        assert_eq!(pool(&["s", "import", "x"]), 4);
        assert_eq!(pool(&["s", "import", "x", "--pool=5"]), 5);
        assert_eq!(pool(&["s", "key", "new", "--organisation=1"]), 3);
    }
}
