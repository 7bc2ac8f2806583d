//! Errors of the command line. No message of clap is printed with a value, because the value may be a key.

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::redact;
use crate::style::BAD;

/// The exit code for wrong arguments, and for input and output that fails.
pub(crate) const ERROR: u8 = 2;
/// Maximum length of an argument that a message repeats. A key is longer.
const MAX_SHOWN: usize = 20;

/// Prints one message, without any key in it.
pub(crate) fn print(message: &str) {
    anstream::eprintln!("{BAD}suntap:{BAD:#} {}", redact::message(message));
}

/// Prints a message of clap, which may be a help text, and returns the exit code.
pub(crate) fn report(error: &Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            if error.print().is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(ERROR)
            }
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            // The exit code says that this failed even if standard error is closed.
            let _ = error.print();
            ExitCode::from(ERROR)
        }
        _ => {
            print(&message(error));
            ExitCode::from(ERROR)
        }
    }
}

fn message(error: &Error) -> String {
    let argument = context(error, ContextKind::InvalidArg).unwrap_or_default();
    let what = match error.kind() {
        ErrorKind::UnknownArgument => format!("unexpected argument{}", shown(&argument)),
        ErrorKind::InvalidSubcommand => "unknown subcommand".to_owned(),
        ErrorKind::InvalidValue if context(error, ContextKind::InvalidValue).is_none_or(|value| value.is_empty()) => {
            format!("{argument} needs a value")
        }
        ErrorKind::InvalidValue => format!("invalid value for {argument}"),
        ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(source) => format!("{argument}: {source}"),
            None => format!("invalid value for {argument}"),
        },
        ErrorKind::TooManyValues => format!("{argument} has too many values"),
        ErrorKind::ArgumentConflict => match context(error, ContextKind::PriorArg) {
            Some(prior) if prior == argument => format!("{argument} is given twice"),
            Some(prior) => format!("{argument} cannot be used together with {prior}"),
            None => format!("{argument} conflicts with another argument"),
        },
        ErrorKind::MissingRequiredArgument => format!("missing: {argument}"),
        kind => kind.as_str().unwrap_or("the arguments are not valid").to_owned(),
    };
    let valid = context(error, ContextKind::ValidValue).map(|values| format!(" (one of: {values})"));
    let suggested = context(error, ContextKind::SuggestedArg).map(|name| format!(" (did you mean {name}?)"));
    format!("{what}{}; see --help", valid.or(suggested).unwrap_or_default())
}

/// Returns an option by its name, and nothing for a value, because the value may be a key.
fn shown(argument: &str) -> String {
    let name = argument.split('=').next().unwrap_or_default();
    if name.starts_with('-') && name.len() <= MAX_SHOWN { format!(" {name}") } else { String::new() }
}

fn context(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}
