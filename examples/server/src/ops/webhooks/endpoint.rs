//! An endpoint, as the operator configured it.

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail};
use hyper::Uri;
use hyper::http::uri::Scheme;
use serde::Deserialize;

use super::event::{Kind, kind};
use super::signature::Secrets;
use crate::secrets::source;
use crate::store::Stream;
use crate::url::{self, UrlError};

/// The variable with the secrets of an endpoint is this text and the name of the endpoint in upper case, with `_` for `-`.
const VARIABLE: &str = "SUNTAP_WEBHOOK_SECRET_";
const MAX_NAME: usize = 40;

/// The table of an endpoint in the configuration file.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Where events are posted to.
    url: String,
    /// A file with the secrets.
    secret_file: Option<PathBuf>,
    /// The name of the systemd credential with the secrets.
    secret_credential: Option<String>,
    /// The events that are sent. All are sent if this is missing.
    events: Option<Vec<Kind>>,
    /// The addresses of clients are sent.
    #[serde(default)]
    client_address: bool,
    /// `http` is allowed for other hosts than this one.
    #[serde(default)]
    allow_http: bool,
}

/// An endpoint of the operator.
pub struct Endpoint {
    name: String,
    url: Uri,
    pub(super) secrets: Secrets,
    kinds: Vec<Kind>,
    pub(super) has_client: bool,
}

impl Endpoint {
    /// Checks the settings of an endpoint, and reads its secrets. Returns warnings, too.
    ///
    /// # Errors
    /// Returns an error that names the endpoint, and does not repeat a secret or the URL.
    pub fn open(name: &str, settings: Settings) -> anyhow::Result<(Self, Vec<String>)> {
        Self::opened(name, settings).with_context(|| format!("webhook {name}"))
    }

    fn opened(name: &str, settings: Settings) -> anyhow::Result<(Self, Vec<String>)> {
        let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_allowed) {
            bail!("a name must have 1 to {MAX_NAME} of the characters a-z, 0-9 and -");
        }
        let url = url(&settings.url, settings.allow_http)?;
        let kinds = settings.events.unwrap_or_else(|| Kind::ALL.into());
        if kinds.is_empty() {
            bail!("`events` is empty");
        }
        let (secrets, warning) = secrets(name, settings.secret_file, settings.secret_credential)?;
        let endpoint = Self { name: name.into(), url, secrets, kinds, has_client: settings.client_address };
        Ok((endpoint, warning.into_iter().collect()))
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn url(&self) -> &Uri {
        &self.url
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == Some(&Scheme::HTTPS)
    }

    /// Returns `true` if an entry of the history is sent to this endpoint.
    pub(super) fn wants(&self, entry: &str) -> bool {
        kind(entry).is_some_and(|kind| self.kinds.contains(&kind))
    }

    /// Returns `true` if a stream can have an entry that is sent to this endpoint.
    pub(super) fn reads(&self, stream: Stream) -> bool {
        self.kinds.iter().any(|kind| kind.streams().contains(&stream))
    }
}

/// Shows the endpoint without what can be secret: the path and the query of the URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) =
            (self.url.scheme_str().unwrap_or_default(), self.url.authority().map_or("", |a| a.as_str()));
        let kinds = self.kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
        let secrets = if self.secrets.count() == 1 { "one secret" } else { "two secrets" };
        write!(f, "webhook {}: {scheme}://{host}/…, {secrets}, {kinds}", self.name)
    }
}

/// Shows nothing, because the path of a URL can be secret.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("name", &self.name).finish_non_exhaustive()
    }
}

fn url(text: &str, allow_http: bool) -> anyhow::Result<Uri> {
    url::parse(text, allow_http).map_err(|error| {
        anyhow!(match error {
            UrlError::Malformed => "`url` must be a URL such as https://shop.example/hooks",
            UrlError::User =>
                "`url` must not have a user name or a password: the receiver checks the signature",
            UrlError::Plain =>
                "`url` must start with https://, because anybody on the way can read an event over http://. In a network that you \
                 trust, set `allow-http = true`",
            UrlError::Scheme => "`url` must start with https://",
        })
    })
}

/// Reads the secrets from exactly one source, and returns a warning if other users can read it.
fn secrets(name: &str, file: Option<PathBuf>, credential: Option<String>) -> anyhow::Result<(Secrets, Option<String>)> {
    let variable = format!("{VARIABLE}{}", name.to_ascii_uppercase().replace('-', "_"));
    let is_set = std::env::var_os(&variable).is_some_and(|text| !text.is_empty());
    // A path or a name is part of an error message.
    let is_secret = |text: &str| text.contains("whsec_");
    if file.as_ref().is_some_and(|path| is_secret(&path.to_string_lossy()))
        || credential.as_deref().is_some_and(is_secret)
    {
        bail!("a secret cannot be in the configuration file: `secret-file` is the path of a file with it");
    }
    let (text, warning, place) = match (file, credential, is_set) {
        (Some(path), None, false) => {
            let place = format!("secret file {}", path.display());
            let (text, is_readable) = source::file(&path).with_context(|| place.clone())?;
            let warning = is_readable.then(|| format!("{place} can be read by other users: run chmod 600"));
            (text, warning, place)
        }
        (None, Some(credential), false) => {
            let place = format!("credential {credential}");
            (source::credential(&credential).with_context(|| place.clone())?, None, place)
        }
        (None, None, true) => (source::variable(&variable)?, None, format!("variable {variable}")),
        (None, None, false) => bail!("no secret: give `secret-file`, `secret-credential` or the variable {variable}"),
        _ => bail!("more than one secret: give one of `secret-file`, `secret-credential` and the variable {variable}"),
    };
    let secrets = Secrets::parse(&text).map_err(|problem| anyhow!("{place}: {problem}"))?;
    Ok((secrets, warning))
}
