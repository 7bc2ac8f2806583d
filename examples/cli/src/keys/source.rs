//! Where the text of a key comes from: the command line, a file, the environment or standard input.

use std::path::Path;
use std::{env, fs, io};

use suntap::ApplicationKey;
use zeroize::Zeroizing;

use super::{NamedKey, text};
use crate::redact;
use crate::text::pasted;

/// Maximum length of a name that an error repeats. A longer name may be a key.
const MAX_NAME: usize = 20;

/// Returns the text that an option stands for. `option` is its name for errors.
pub(crate) fn read(option: &str, source: &str) -> Result<Zeroizing<String>, String> {
    let source = pasted(source);
    if source == "-" {
        let mut line = Zeroizing::new(String::new());
        return match io::stdin().read_line(&mut line) {
            Ok(0) => Err(format!("{option}: standard input has no further line")),
            Ok(_) => Ok(line),
            Err(error) => Err(format!("{option}: standard input: {error}")),
        };
    }
    if let Some(path) = source.strip_prefix('@') {
        let content = fs::read_to_string(path).map(Zeroizing::new);
        return content.map_err(|error| format!("{option}: {}: {error}", redact::path(Path::new(path))));
    }
    if let Some(name) = source.strip_prefix("env:") {
        return env::var(name)
            .map(Zeroizing::new)
            .map_err(|_| format!("{option}: the environment variable is not set, or is not UTF-8"));
    }
    Ok(Zeroizing::new(source.to_owned()))
}

/// Reads the key of 16 bytes that an option stands for.
pub(crate) fn read_key<K: From<[u8; 16]>>(option: &str, source: &str) -> Result<K, String> {
    text::parse(&read(option, source)?).map_err(|error| format!("{option}: {error}"))
}

/// Reads the key of 16 or 32 bytes that is given as text. `option` is its name for errors.
pub(crate) fn read_bytes(option: &str, text: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    text::bytes(text).map_err(|error| format!("{option}: {error}"))
}

/// Reads `NAME=KEY`.
pub(super) fn named(text: &str) -> Result<NamedKey, String> {
    let (name, source) =
        text.split_once('=').ok_or("--key needs NAME=KEY, such as meta=KEY, file=KEY or master=KEY")?;
    let name = pasted(name);
    if name.is_empty() {
        return Err("--key needs a NAME before the =".into());
    }
    if redact::is_key(name) {
        return Err("--key needs a NAME before the =, and this one reads as a key".into());
    }
    let shown = if name.len() <= MAX_NAME { name } else { "NAME" };
    let key: ApplicationKey = read_key(&format!("--key {shown}"), source)?;
    Ok(NamedKey::named(name.to_owned(), key))
}
