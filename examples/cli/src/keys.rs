//! Keys as people give them: on the command line, in files, in the environment, on standard input.
//!
//! No error contains any part of a key.

mod file;
mod source;
mod text;

use std::path::PathBuf;

use suntap::ApplicationKey;
use suntap::diagnose::{GivenKey, Role};

pub(crate) use source::{read, read_bytes, read_key};
pub(crate) use text::{is_key, parse};

/// The paragraph about keys in the help of a subcommand.
macro_rules! key_help {
    () => {
        "\
A key is 32 hexadecimal digits or base64. Spaces, punctuation, braces and 0x between digits are ignored. Instead of a key:
  @FILE    the content of a file
  env:VAR  the value of an environment variable
  -        the next line of standard input
Other users of the machine can see what is on a command line, so do not write a real key there."
    };
}
pub(crate) use key_help;

/// The paragraph about key files in the help of a subcommand.
macro_rules! key_file_help {
    () => {
        "\
A key file is one of
  JSON   an object of names and keys, or an array of keys or of objects with name, key and, if known, role
  CSV    a header with name,key or name,key,role; or no header, and name,key or only key in each line; ; or a tab may
         take the place of the comma
  text   KEY, NAME=KEY, NAME: KEY or NAME,KEY in each line
A comment begins with #, at the start of a line or after a key in a text file.
A role is meta or file. A folder stands for all files in it."
    };
}
pub(crate) use key_file_help;

/// A key with a name.
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) key: ApplicationKey,
}

impl NamedKey {
    /// Creates a key whose role is the one that its name says.
    fn named(name: String, key: ApplicationKey) -> Self {
        Self { role: role(&name), name, key }
    }

    pub(crate) fn given(&self) -> GivenKey<'_> {
        GivenKey { name: &self.name, key: self.key.expose_bytes(), role: self.role }
    }
}

/// Returns the role that a name says.
fn role(name: &str) -> Role {
    match &*name.to_lowercase() {
        "meta" | "picc" => Role::Meta,
        "file" | "mac" => Role::File,
        _ => Role::Any,
    }
}

/// The options for keys that may belong to a tag.
#[derive(clap::Args)]
pub(crate) struct KeyArgs {
    /// A key that may belong to the tag. The NAME meta or picc says that it is the SDMMetaReadKey, and file or mac that
    /// it is the SDMFileReadKey. With any other NAME, it may be either, or a master key. May be repeated
    #[arg(long = "key", value_name = "NAME=KEY")]
    named: Vec<String>,
    /// A file of keys, or a folder of such files. May be repeated
    #[arg(long = "keys", value_name = "PATH")]
    files: Vec<PathBuf>,
}

impl KeyArgs {
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.files.is_empty()
    }

    pub(crate) fn read(&self) -> Result<Vec<NamedKey>, String> {
        let mut keys = self.named.iter().map(|text| source::named(text)).collect::<Result<Vec<_>, _>>()?;
        for path in &self.files {
            file::read(path, &mut keys)?;
        }
        Ok(keys)
    }
}
