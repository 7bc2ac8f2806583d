//! Where the secrets come from.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use zeroize::Zeroizing;

use super::{Secrets, readable_by_others};

/// The environment variable with the secrets.
pub const VARIABLE: &str = "SUNTAP_SECRETS";
/// The name of the systemd credential that is used if no source is given.
pub const CREDENTIAL: &str = "suntap-secrets";
/// The variable in which systemd passes the directory of the credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// The maximum length of the text in bytes.
const MAX_LENGTH: usize = 1024 * 1024;

/// The source of the secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// The variable [`VARIABLE`]. Other processes of the same user can read it while the server runs.
    Environment,
    /// An open file descriptor, for example the end of a pipe. Only on Unix.
    Descriptor(u32),
    /// A systemd credential with this name.
    Credential(String),
}

impl Source {
    /// Returns the source that is given by a flag, the environment or a configuration file: `file`, `descriptor`, `credential`, or the
    /// variable [`VARIABLE`]. If none of them is given, returns the credential [`CREDENTIAL`] if systemd passed it.
    ///
    /// # Errors
    /// Returns an error if there is no source, or more than one.
    pub fn choose(
        file: Option<&Path>,
        descriptor: Option<u32>,
        credential: Option<&str>,
        variable: bool,
    ) -> anyhow::Result<Self> {
        let given = [
            file.map(|path| Self::File(path.into())),
            descriptor.map(Self::Descriptor),
            credential.map(|name| Self::Credential(name.into())),
            variable.then_some(Self::Environment),
        ];
        let mut given = given.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(first), Some(second)) => {
                bail!("the secrets have two sources: {first} and {second}. Remove one of them")
            }
            (Some(only), None) => Ok(only),
            _ if credential_path(CREDENTIAL).is_ok_and(|path| path.exists()) => Ok(Self::Credential(CREDENTIAL.into())),
            _ => bail!(
                "no secrets: create a file with `suntap-server secrets new FILE`, and name it with --secrets-file"
            ),
        }
    }

    /// Reads and parses the secrets, and returns a warning if other users can read them. Wipes the text.
    ///
    /// # Errors
    /// Returns an error that names the source if it cannot be read or parsed.
    pub fn read(&self) -> anyhow::Result<(Secrets, Option<String>)> {
        let (text, is_readable) = self.text().with_context(|| self.to_string())?;
        let secrets = Secrets::parse(&text).with_context(|| self.to_string())?;
        Ok((secrets, is_readable.then(|| format!("{self} can be read by other users: run chmod 600"))))
    }

    /// Checks that reading the secrets again can give others.
    ///
    /// # Errors
    /// Returns an error for the environment and for a file descriptor.
    pub fn can_be_read_again(&self) -> anyhow::Result<()> {
        match self {
            Self::File(_) | Self::Credential(_) => Ok(()),
            Self::Environment => bail!("{self}: it cannot change while the process runs: restart it, or use a file"),
            Self::Descriptor(_) => bail!("{self}: it was read to its end: restart the process, or use a file"),
        }
    }

    fn text(&self) -> anyhow::Result<(Zeroizing<String>, bool)> {
        Ok(match self {
            Self::File(path) => file(path)?,
            Self::Environment => (variable(VARIABLE)?, false),
            Self::Descriptor(number) => {
                if !cfg!(unix) {
                    bail!("file descriptors are supported only on Unix");
                }
                // Opening by path needs no `unsafe`. The descriptor itself stays open.
                let file = File::open(format!("/dev/fd/{number}")).map_err(|error| match error.kind() {
                    ErrorKind::NotFound => anyhow!("the process has no such open file descriptor"),
                    _ => error.into(),
                })?;
                (read(file)?, false)
            }
            Self::Credential(name) => (credential(name)?, false),
        })
    }
}

/// Reads a file. Returns `true` if other users can read it, too.
pub(crate) fn file(path: &Path) -> anyhow::Result<(Zeroizing<String>, bool)> {
    Ok((read(File::open(path)?)?, readable_by_others(path)))
}

/// Reads a systemd credential.
pub(crate) fn credential(name: &str) -> anyhow::Result<Zeroizing<String>> {
    read(File::open(credential_path(name)?)?)
}

/// Reads an environment variable.
pub(crate) fn variable(name: &str) -> anyhow::Result<Zeroizing<String>> {
    let text = std::env::var_os(name).context("it is not set")?.into_string();
    // The error would contain the text.
    Ok(Zeroizing::new(text.map_err(|_| anyhow!("it is not valid UTF-8"))?))
}

/// Returns the path of a systemd credential.
fn credential_path(name: &str) -> anyhow::Result<PathBuf> {
    if name.is_empty() || name.contains(['/', '\0']) || matches!(name, "." | "..") {
        bail!("a credential is a name without slashes");
    }
    let folder = std::env::var_os(CREDENTIALS).filter(|folder| !folder.is_empty());
    let folder =
        folder.with_context(|| format!("{CREDENTIALS} is not set: systemd sets it for a unit with LoadCredential="))?;
    Ok(Path::new(&folder).join(name))
}

/// Reads a text into memory that is wiped.
fn read(file: File) -> anyhow::Result<Zeroizing<String>> {
    // A buffer that grows would leave copies that are not wiped.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LENGTH.saturating_add(64)));
    let most = u64::try_from(MAX_LENGTH)?.saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_LENGTH {
        bail!("the text must have at most {MAX_LENGTH} bytes");
    }
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            bail!("the text is not valid UTF-8")
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "secrets file {}", path.display()),
            Self::Environment => write!(f, "variable {VARIABLE}"),
            Self::Descriptor(number) => write!(f, "file descriptor {number} (--secrets-fd)"),
            Self::Credential(name) => write!(f, "credential {name}"),
        }
    }
}
