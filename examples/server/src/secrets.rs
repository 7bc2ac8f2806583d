//! What the service knows and the database does not: without it, a copy of the database opens nothing.

use std::collections::HashMap;
use std::fmt;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use suntap::kdf::ecode::ServerSecret;
use suntap::kdf::sdm_backend::Master;
use suntap::platform::ApiKeySecret;
use suntap::{IssuerKey, MasterKey, PreparedMetaReadKey, Scheme, SdmMetaReadKey};

use crate::hex;

/// The secrets of a service. `Debug` shows none.
pub struct Secrets {
    /// Under which API keys and tokens are named.
    pub api_keys: ApiKeySecret,
    /// Under which the keys of tags are sealed: the first for new seals, the others while old ones are about.
    pub server: Vec<ServerSecret>,
    meta_keys: HashMap<String, (PreparedMetaReadKey, PreparedMetaReadKey)>,
    plain_meta_keys: HashMap<String, SdmMetaReadKey>,
    master_keys: HashMap<String, MasterKey>,
    issuer_keys: HashMap<String, IssuerKey>,
    sdm_backend: HashMap<String, Master>,
}

/// The file, or the variable of the environment.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    api_keys: String,
    server: Vec<String>,
    #[serde(default)]
    meta_keys: HashMap<String, String>,
    #[serde(default)]
    master_keys: HashMap<String, String>,
    #[serde(default)]
    issuer_keys: HashMap<String, String>,
    #[serde(default)]
    sdm_backend: HashMap<String, SdmBackendText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SdmBackendText {
    #[serde(default)]
    legacy: bool,
    key: String,
}

impl Secrets {
    /// Reads secrets: JSON, all keys as 32 hexadecimal digits.
    ///
    /// # Errors
    /// If the text is not of that shape. The error says which secret and repeats none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        // The message of serde could repeat a value.
        let text: Text = serde_json::from_str(text)
            .map_err(|error| anyhow!("line {}, column {}: not the shape of secrets", error.line(), error.column()))?;
        if text.server.is_empty() {
            bail!("`server` needs one secret at least");
        }
        let key = |what: String, digits: &str| {
            hex::decode::<16>(digits)
                .with_context(|| format!("{}: a secret has 32 hexadecimal digits", redacted(&what)))
        };
        let mut secrets = Self {
            api_keys: ApiKeySecret::from_bytes(key("apiKeys".into(), &text.api_keys)?),
            server: Vec::new(),
            meta_keys: HashMap::new(),
            plain_meta_keys: HashMap::new(),
            master_keys: HashMap::new(),
            issuer_keys: HashMap::new(),
            sdm_backend: HashMap::new(),
        };
        for (number, digits) in (1..).zip(&text.server) {
            secrets.server.push(ServerSecret::from_bytes(key(format!("server, number {number}"), digits)?));
        }
        for (name, digits) in text.meta_keys {
            let key = SdmMetaReadKey::from_bytes(key(format!("metaKeys, {name}"), &digits)?);
            secrets.plain_meta_keys.insert(name.clone(), key.clone());
            secrets.meta_keys.insert(name, (key.prepare(Scheme::Aes), key.prepare(Scheme::Lrp)));
        }
        for (name, digits) in text.master_keys {
            let key = MasterKey::from_bytes(key(format!("masterKeys, {name}"), &digits)?);
            secrets.master_keys.insert(name, key);
        }
        for (name, digits) in text.issuer_keys {
            let key = IssuerKey::from_bytes(key(format!("issuerKeys, {name}"), &digits)?);
            secrets.issuer_keys.insert(name, key);
        }
        for (name, text) in text.sdm_backend {
            let wanted = || format!("sdmBackend, {}: a master key has 32 or 64 hexadecimal digits", redacted(&name));
            let bytes = base16ct::mixed::decode_vec(&text.key).map_err(|_| anyhow!(wanted()))?;
            let master = if text.legacy { Master::legacy(&bytes) } else { Master::standard(&bytes) };
            let master = master.ok_or_else(|| anyhow!(wanted()))?;
            secrets.sdm_backend.insert(name, master);
        }
        Ok(secrets)
    }

    /// Writes a file with new secrets, for its owner's eyes only.
    ///
    /// # Errors
    /// If it exists, or can not be written.
    pub fn create(path: &Path) -> anyhow::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).with_context(|| format!("{} can not be made", path.display()))?;
        writeln!(file, "{}", Self::new_text()?)?;
        Ok(file.sync_all()?)
    }

    /// New secrets for a service that ends with this process.
    ///
    /// # Errors
    /// If the system has no random bytes.
    pub fn random() -> anyhow::Result<Self> {
        Self::parse(&Self::new_text()?)
    }

    fn new_text() -> anyhow::Result<String> {
        let (api_keys, server) = (hex::encode(&random::<16>()?), hex::encode(&random::<16>()?));
        let text = serde_json::json!({ "apiKeys": api_keys, "server": [server], "masterKeys": {}, "metaKeys": {} });
        Ok(format!("{text:#}"))
    }

    pub(crate) fn meta_key(&self, name: &str, mode: Scheme) -> Option<&PreparedMetaReadKey> {
        let (aes, lrp) = self.meta_keys.get(name)?;
        Some(if mode == Scheme::Lrp { lrp } else { aes })
    }

    pub(crate) fn plain_meta_key(&self, name: &str) -> Option<&SdmMetaReadKey> {
        self.plain_meta_keys.get(name)
    }

    pub(crate) fn master_key(&self, name: &str) -> Option<&MasterKey> {
        self.master_keys.get(name)
    }

    pub(crate) fn issuer_key(&self, name: &str) -> Option<&IssuerKey> {
        self.issuer_keys.get(name)
    }

    pub(crate) fn sdm_backend(&self, name: &str) -> Option<&Master> {
        self.sdm_backend.get(name)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// A message without long words, which may be keys, and without a long text that it quotes, which may be one with gaps.
pub(crate) fn redacted(message: &str) -> String {
    let mut message = message.to_owned();
    for quote in ['"', '`'] {
        let quoted = message.split_once(quote).and_then(|(before, behind)| {
            // Of two, the last: what is quoted may have some of its own.
            let text = if quote == '"' { behind.rsplit_once(quote) } else { behind.split_once(quote) };
            text.map(|(text, behind)| (before, text, behind))
        });
        if let Some((before, _, behind)) = quoted.filter(|(_, text, _)| text.len() >= 16) {
            message = format!("{before}{quote}…{quote}{behind}");
        }
    }
    let words = message.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    words.map(|word| if word.len() <= 16 { word } else { "… " }).collect()
}

/// Bytes that nobody can guess.
///
/// # Errors
/// If the system has none.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system has no random bytes: {error}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_repeats_no_secret() {
        let digits = "00112233445566778899AABBCCDDEEFF";
        for text in [
            &*format!(r#"{{"apiKeys":"{digits}0","server":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}Z"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":[]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":"{digits}"}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"{digits}":1}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"metaKeys":{{"{digits}":"shoes"}}}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"sdmBackend":{{"a":{{"key":"{digits}00"}}}}}}"#),
        ] {
            let error = format!("{:?}", Secrets::parse(text).unwrap_err());
            assert!(!error.contains("0011"), "{error}");
        }
        let secrets = Secrets::parse(&format!(r#"{{"apiKeys":"{digits}","server":["{digits}"]}}"#)).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets { .. }");
    }
}
