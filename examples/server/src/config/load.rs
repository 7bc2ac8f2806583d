//! Reads the command line, the environment and the configuration file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};
use suntap_server::ops::webhooks;

use super::file::{Settings, is_flag, is_unshown};

/// The parsed command line, and where each of its values comes from.
pub(crate) struct Loaded<C> {
    pub(crate) cli: C,
    pub(crate) effective: Vec<Effective>,
    /// The endpoints of webhooks in the configuration file, by name.
    pub(crate) webhooks: BTreeMap<String, webhooks::Settings>,
}

/// An option in effect.
pub(crate) struct Effective {
    /// The long flag.
    pub(crate) name: String,
    /// The value, or `None` if it may contain a password or is not set.
    pub(crate) value: Option<String>,
    /// `true` if a value that is not shown is set.
    pub(crate) is_hidden: bool,
    /// Where the value comes from.
    pub(crate) origin: String,
}

/// Parses arguments. Ends the process with a message if they are invalid, and for `--help`.
///
/// # Errors
/// Returns an error if the configuration file cannot be read or is invalid.
pub(crate) fn load<C: CommandFactory + FromArgMatches>(
    args: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<Loaded<C>> {
    let args: Vec<_> = args.into_iter().collect();
    let command = without_empty_variables(C::command());
    let settings = match config_path(&command, &args) {
        Some(path) => Some(Settings::read(&path, &command)?),
        None => None,
    };
    let command = match &settings {
        Some(settings) => settings.defaults(command),
        None => command,
    };
    let mut parser = command.clone();
    let matches = parser.try_get_matches_from_mut(args).unwrap_or_else(|error| error.exit());
    let cli = C::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut parser).exit());
    let effective = effective(&command, &matches, settings.as_ref());
    Ok(Loaded { cli, effective, webhooks: settings.map(|settings| settings.webhooks).unwrap_or_default() })
}

/// Returns the command without the environment variables that are empty: an empty one is not set.
fn without_empty_variables(command: Command) -> Command {
    let is_empty = |arg: &Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    let command = command.mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg });
    command.mut_subcommands(without_empty_variables)
}

/// Returns the path of the configuration file. Ends the process if the arguments are invalid.
fn config_path(command: &Command, args: &[OsString]) -> Option<PathBuf> {
    let parse = |command: Command| command.try_get_matches_from(args);
    let matches = match parse(command.clone()) {
        Ok(matches) => matches,
        // The file may have what is missing.
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            parse(command.clone().ignore_errors(true)).unwrap_or_else(|_| error.exit())
        }
        Err(error) => error.exit(),
    };
    let mut matches = &matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    matches.try_get_one::<PathBuf>("config").ok().flatten().cloned()
}

/// Returns the options of the command that runs.
fn effective(command: &Command, matches: &ArgMatches, settings: Option<&Settings>) -> Vec<Effective> {
    let (mut command, mut matches, mut names) = (command, matches, Vec::new());
    while let Some((name, inner)) = matches.subcommand() {
        names.push(name);
        let Some(found) = command.find_subcommand(name) else { break };
        (command, matches) = (found, inner);
    }
    let one = |arg: &Arg| {
        let name = arg.get_long().filter(|name| *name != "check-config")?;
        let id = arg.get_id().as_str();
        let texts: Vec<_> = matches.get_raw(id).into_iter().flatten().map(|text| text.to_string_lossy()).collect();
        let in_file = || settings.and_then(|settings| Some((settings, settings.place(&names, name)?)));
        let origin = match matches.value_source(id) {
            Some(ValueSource::CommandLine) => "flag".into(),
            Some(ValueSource::EnvVariable) => {
                format!("environment {}", arg.get_env().unwrap_or_default().to_string_lossy())
            }
            _ => in_file().map_or_else(
                || "default".into(),
                |(settings, place)| format!("{}:{}", settings.path.display(), place.line),
            ),
        };
        let value = if is_flag(arg) {
            Some(matches.get_flag(id).to_string())
        } else {
            Some(texts.join(", ")).filter(|_| !texts.is_empty() && !is_unshown(arg))
        };
        Some(Effective { name: name.into(), is_hidden: value.is_none() && !texts.is_empty(), value, origin })
    };
    command.get_arguments().filter_map(one).collect()
}
