//! The secrets of a server. They are kept outside of the store, so that a copy of the store alone does not reveal any key.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::Write as _;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

pub mod canary;
mod digits;
pub mod source;

use anyhow::{Context as _, anyhow, bail};
use serde::Deserialize;
use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext};
use suntap::kdf::sdm_backend::Master;
use suntap::platform::ApiKeySecret;
use suntap::token::TokenKey;
use suntap::{IssuerKey, MasterKey, PreparedMetaReadKey, Scheme, SdmFileReadKey, SdmMetaReadKey};
use zeroize::Zeroizing;

use self::canary::{Canaries, canary};
use self::digits::{Digits, DigitsList};
use crate::hex;
use crate::jwt::JwtKey;
use crate::registry::document::Derivation;
use crate::text::counted;

/// The secrets of a server. A clone is another handle of the same secrets, which are wiped when the last handle is dropped. `Debug` does
/// not show them.
#[derive(Clone)]
pub struct Secrets(Arc<Contents>);

/// How many bytes of the stack are overwritten after secrets were parsed.
const STACK: usize = 64 * 1024;

/// What [`Secrets`] gives access to.
pub struct Contents {
    /// The keys of the hashes by which API keys and tokens are found. New ones are hashed with the first; each of them finds existing
    /// ones.
    pub api_keys: Vec<ApiKeySecret>,
    /// The secrets under which the keys of tags are sealed. New keys are sealed under the first; all of them are tried to open keys.
    pub server: Vec<ServerSecret>,
    /// The keys of the tokens for pages. New tokens are minted with the first; all of them verify tokens. Without any, there are no tokens.
    pub token_keys: Vec<TokenKey>,
    /// The keys of the JSON Web Tokens for pages. New tokens are signed with the first; the public keys of all are shown.
    pub jwt_keys: Vec<JwtKey>,
    meta_keys: HashMap<String, (PreparedMetaReadKey, PreparedMetaReadKey)>,
    plain_meta_keys: HashMap<String, SdmMetaReadKey>,
    master_keys: HashMap<String, MasterKey>,
    issuer_keys: HashMap<String, IssuerKey>,
    sdm_backend: HashMap<String, Master>,
    canaries: Canaries,
    /// The keys of which all bytes are zero: the name of the table and the name of the key.
    zero: HashSet<(&'static str, String)>,
}

/// The contents of the secrets file or of the environment variable.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Text {
    api_keys: DigitsList,
    server: Vec<Digits>,
    #[serde(default)]
    token_keys: DigitsList,
    #[serde(default)]
    jwt_keys: DigitsList,
    #[serde(default)]
    meta_keys: HashMap<String, Digits>,
    #[serde(default)]
    master_keys: HashMap<String, Digits>,
    #[serde(default)]
    issuer_keys: HashMap<String, Digits>,
    #[serde(default)]
    sdm_backend: HashMap<String, SdmBackendText>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SdmBackendText {
    #[serde(default)]
    legacy: bool,
    key: Digits,
}

impl Secrets {
    /// Parses secrets from JSON, in which each key has 32 hexadecimal digits. The caller should wipe the text.
    ///
    /// # Errors
    /// Returns an error if the text is not in this format. The error names the secret and does not repeat it.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let parsed = Self::parse_apart(text);
        // Keys are copied while they are parsed and moved.
        zeroize::zeroize_stack::<STACK>();
        parsed
    }

    /// Not inlined, so that its copies of keys are in the part of the stack that the caller overwrites.
    #[inline(never)]
    fn parse_apart(text: &str) -> anyhow::Result<Self> {
        // The message of serde could repeat a value.
        let text: Text = serde_json::from_str(text.trim_start_matches('\u{FEFF}')).map_err(|error| {
            anyhow!("line {}, column {}: not in the format of a secrets file", error.line(), error.column())
        })?;
        for (name, is_empty) in [("apiKeys", text.api_keys.0.is_empty()), ("server", text.server.is_empty())] {
            if is_empty {
                bail!("`{name}` needs at least one secret");
            }
        }
        let key = |what: String, digits: &Digits| {
            digits.key().with_context(|| format!("{}: a secret must be 32 hexadecimal digits", redacted(&what)))
        };
        let mut canaries = Canaries::default();
        let mut secrets = Contents {
            api_keys: Vec::new(),
            server: Vec::new(),
            token_keys: Vec::new(),
            jwt_keys: Vec::new(),
            meta_keys: HashMap::new(),
            plain_meta_keys: HashMap::new(),
            master_keys: HashMap::new(),
            issuer_keys: HashMap::new(),
            sdm_backend: HashMap::new(),
            canaries: Canaries::default(),
            zero: HashSet::new(),
        };
        let tables =
            [("metaKeys", &text.meta_keys), ("masterKeys", &text.master_keys), ("issuerKeys", &text.issuer_keys)];
        for (table, keys) in tables {
            let zero = keys.iter().filter(|(_, digits)| digits.is_zero());
            secrets.zero.extend(zero.map(|(name, _)| (table, name.clone())));
        }
        let zero = text.sdm_backend.iter().filter(|(_, master)| master.key.is_zero());
        secrets.zero.extend(zero.map(|(name, _)| ("sdmBackend", name.clone())));
        for (number, digits) in (1..).zip(&text.api_keys.0) {
            let secret = key(format!("apiKeys, number {number}"), digits)?;
            canaries.api_keys.push(canary("apiKeys", &*secret));
            secrets.api_keys.push(ApiKeySecret::from_bytes(*secret));
        }
        for (number, digits) in (1..).zip(&text.server) {
            let secret = key(format!("server, number {number}"), digits)?;
            canaries.server.push(canary("server", &*secret));
            secrets.server.push(ServerSecret::from_bytes(*secret));
        }
        for (number, digits) in (1..).zip(&text.token_keys.0) {
            let what = format!("tokenKeys, number {number}");
            if digits.is_zero() {
                bail!("{what}: the bytes of a token key must be random, and not all zero");
            }
            let others = text.api_keys.0.iter().chain(&text.server);
            if others.into_iter().any(|other| other.as_str().eq_ignore_ascii_case(digits.as_str())) {
                bail!("{what}: a token key must differ from the other secrets");
            }
            let secret = key(what, digits)?;
            secrets.token_keys.push(TokenKey::from_bytes(token_key_number(&secret), *secret));
        }
        for (number, digits) in (1..).zip(&text.jwt_keys.0) {
            let wanted =
                || format!("jwtKeys, number {number}: a secret must be 64 hexadecimal digits, and not all zero");
            let bytes = digits.bytes().filter(|_| !digits.is_zero());
            let secret = bytes
                .as_ref()
                .and_then(|bytes| bytes.first_chunk::<32>().filter(|_| bytes.len() == 32))
                .with_context(wanted)?;
            secrets.jwt_keys.push(JwtKey::new(canary::id(&canary("jwtKeys", secret)), secret));
        }
        let mut named = |kind: &str, name: &str, digits: &Digits| {
            let secret = key(format!("{kind}, {name}"), digits)?;
            canaries.named.insert(format!("{kind}/{name}"), canary(kind, &*secret));
            anyhow::Ok(secret)
        };
        for (name, digits) in text.meta_keys {
            let key = SdmMetaReadKey::from_bytes(*named("metaKeys", &name, &digits)?);
            secrets.plain_meta_keys.insert(name.clone(), key.clone());
            secrets.meta_keys.insert(name, (key.prepare(Scheme::Aes), key.prepare(Scheme::Lrp)));
        }
        for (name, digits) in text.master_keys {
            let key = MasterKey::from_bytes(*named("masterKeys", &name, &digits)?);
            secrets.master_keys.insert(name, key);
        }
        for (name, digits) in text.issuer_keys {
            let key = IssuerKey::from_bytes(*named("issuerKeys", &name, &digits)?);
            secrets.issuer_keys.insert(name, key);
        }
        for (name, text) in text.sdm_backend {
            let wanted =
                || format!("sdmBackend, {}: a master key must be 32 or 64 hexadecimal digits", redacted(&name));
            let bytes = text.key.bytes().ok_or_else(|| anyhow!(wanted()))?;
            let (kind, master) = if text.legacy {
                ("sdmBackend, legacy", Master::legacy(&bytes))
            } else {
                ("sdmBackend", Master::standard(&bytes))
            };
            let master = master.ok_or_else(|| anyhow!(wanted()))?;
            canaries.named.insert(format!("sdmBackend/{name}"), canary(kind, &bytes));
            secrets.sdm_backend.insert(name, master);
        }
        secrets.canaries = canaries;
        Ok(Self(Arc::new(secrets)))
    }

    /// Writes a file with new secrets, which only its owner can read.
    ///
    /// # Errors
    /// Returns an error if the file exists or cannot be written.
    pub fn create(path: &Path) -> anyhow::Result<()> {
        let mut file = private_file(path)?;
        file.write_all(Self::new_text()?.as_bytes())?;
        Ok(file.sync_all()?)
    }

    /// Returns new secrets, for a server whose data is not kept.
    ///
    /// # Errors
    /// Returns an error if the system has no random bytes.
    pub fn random() -> anyhow::Result<Self> {
        Self::parse(&Self::new_text()?)
    }

    fn new_text() -> anyhow::Result<Zeroizing<String>> {
        let digits = || anyhow::Ok(Zeroizing::new(hex::encode(&*Zeroizing::new(random::<16>()?))));
        // A text that grows would leave copies that are not wiped.
        let mut text = Zeroizing::new(String::with_capacity(512));
        let (api_keys, server, token_keys) = (digits()?, digits()?, digits()?);
        for part in ["{\n  \"apiKeys\": \"", &api_keys, "\",\n  \"server\": [\n    \"", &server, "\"\n  ],\n"] {
            text.push_str(part);
        }
        for part in ["  \"tokenKeys\": [\n    \"", &token_keys, "\"\n  ],\n"] {
            text.push_str(part);
        }
        text.push_str("  \"masterKeys\": {},\n  \"metaKeys\": {}\n}\n");
        Ok(text)
    }

    /// Returns the id of the secret that names new API keys and tokens. The id is a part of a one-way hash.
    pub(crate) fn api_key_id(&self) -> Option<&str> {
        self.canaries.api_key_ids().next()
    }

    /// Returns how many secrets there are, with the ids of those that are rotated.
    #[must_use]
    pub fn summary(&self) -> String {
        let ids = |ids: &mut dyn Iterator<Item = &str>| ids.collect::<Vec<_>>().join(", ");
        let named = self.canaries.named.len();
        format!(
            "server secrets {}; apiKeys secrets {}; {} and {} for tokens; {named} other key{}",
            ids(&mut self.canaries.server_ids()),
            ids(&mut self.canaries.api_key_ids()),
            counted(self.token_keys.len(), "tokenKeys secret"),
            counted(self.jwt_keys.len(), "jwtKeys secret"),
            if named == 1 { "" } else { "s" }
        )
    }

    /// Returns `true` if the `apiKeys` secret with this id is listed, or if the id is unknown.
    pub(crate) fn has_api_key_id(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| self.canaries.api_key_ids().any(|listed| listed == id))
    }

    /// Returns the canaries of these secrets.
    pub(crate) fn canaries(&self) -> &Canaries {
        &self.canaries
    }

    pub(crate) fn meta_key(&self, name: &str, mode: Scheme) -> Option<&PreparedMetaReadKey> {
        let (aes, lrp) = self.meta_keys.get(name)?;
        Some(if mode == Scheme::Lrp { lrp } else { aes })
    }

    /// Returns `true` if all bytes are zero of a key that the derivation uses.
    pub(crate) fn has_zero_key(&self, derivation: &Derivation) -> bool {
        let is_zero = |table, name: &String| self.zero.contains(&(table, name.clone()));
        match derivation {
            Derivation::An10922 { meta, master, .. } => {
                is_zero("masterKeys", master) || meta.as_ref().is_some_and(|meta| self.has_zero_meta_key(meta))
            }
            Derivation::Boltcard { issuer, .. } => is_zero("issuerKeys", issuer),
            Derivation::SdmBackend { master } => is_zero("sdmBackend", master),
            Derivation::ECode { .. } => self.server.iter().any(|secret| secret.expose_bytes() == &[0; 16]),
        }
    }

    /// Returns `true` if all bytes of the SDMMetaReadKey with this name are zero.
    pub(crate) fn has_zero_meta_key(&self, name: &str) -> bool {
        self.zero.contains(&("metaKeys", name.to_owned()))
    }

    pub(crate) fn plain_meta_key(&self, name: &str) -> Option<&SdmMetaReadKey> {
        self.plain_meta_keys.get(name)
    }

    /// Opens sealed keys with the server secret that they were sealed under. Returns `None` if it is not listed.
    pub(crate) fn unseal(
        &self,
        keys: &SealedKeys,
        code: &ECode,
        tag: &TagContext,
    ) -> Option<(SdmMetaReadKey, SdmFileReadKey)> {
        self.server.iter().find_map(|secret| keys.unseal(secret, code, tag).ok())
    }

    /// Seals keys under the first server secret instead of another one. The eCode is not needed.
    pub(crate) fn rewrap(&self, keys: &SealedKeys, tag: &TagContext) -> Rewrapped {
        let Some((first, older)) = self.server.split_first() else { return Rewrapped::Unopened };
        if keys.rewrap(first, first, tag).is_ok() {
            return Rewrapped::Current;
        }
        older.iter().find_map(|old| keys.rewrap(old, first, tag).ok()).map_or(Rewrapped::Unopened, Rewrapped::Older)
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

/// Returns the number of a token key. It depends only on the key, so a key keeps its number when the list changes. Two keys may have the
/// same number: a token is then tried with both.
fn token_key_number(secret: &[u8; 16]) -> u8 {
    let digits = canary("tokenKeys", secret);
    digits.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()).unwrap_or_default()
}

/// The server secret under which keys are sealed.
pub(crate) enum Rewrapped {
    /// The first one.
    Current,
    /// Another one. These are the same keys under the first.
    Older(SealedKeys),
    /// None of the list, or the keys were changed.
    Unopened,
}

impl Deref for Secrets {
    type Target = Contents;

    fn deref(&self) -> &Contents {
        &self.0
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").finish_non_exhaustive()
    }
}

/// Creates a file that only its owner can read.
///
/// # Errors
/// Returns an error if the file exists or cannot be created.
pub fn private_file(path: &Path) -> anyhow::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).with_context(|| format!("cannot create {}", path.display()))?;
    // The umask may have removed the owner's permissions.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(file)
}

/// Returns `true` if the group or other users can read a file.
#[must_use]
pub fn readable_by_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;

        path.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Removes long words from a message, which may be keys, and a long quoted text, which may be a key with spaces.
pub(crate) fn redacted(message: &str) -> String {
    let mut message = message.to_owned();
    for quote in ['"', '`'] {
        let quoted = message.split_once(quote).and_then(|(before, behind)| {
            // The last quote: the quoted text may have quotes inside.
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

/// Returns random bytes from the operating system.
///
/// # Errors
/// Returns an error if the system has none.
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
            &*format!(r#"{{"apiKeys":[],"server":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":["{digits}","{digits}0"],"server":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":{{"{digits}":"{digits}"}},"server":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":"{digits}"}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"tokenKeys":["{digits}0"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"tokenKeys":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"jwtKeys":["{digits}"]}}"#),
            &*format!(r#"{{"apiKeys":"{digits}","server":["{digits}"],"jwtKeys":["{digits}{digits}00"]}}"#),
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

    #[test]
    fn a_token_key_keeps_its_number() {
        let (first, second) = ("00112233445566778899AABBCCDDEEFF", "FF112233445566778899AABBCCDDEEFF");
        let other = "F0112233445566778899AABBCCDDEEFF";
        let numbers = |keys: &str| -> Vec<u8> {
            let text = format!(r#"{{"apiKeys":"{other}","server":["{other}"],"tokenKeys":{keys}}}"#);
            Secrets::parse(&text).unwrap().token_keys.iter().map(TokenKey::number).collect()
        };
        let both = numbers(&format!(r#"["{first}","{second}"]"#));
        assert_eq!([numbers(&format!("\"{first}\"")), numbers(&format!("\"{second}\""))].concat(), both);
        assert_ne!(both[0], both[1]);
        assert!(numbers("[]").is_empty());
        for invalid in ["0".repeat(32), other.to_lowercase()] {
            let text = format!(r#"{{"apiKeys":"{other}","server":["{other}"],"tokenKeys":["{invalid}"]}}"#);
            assert!(Secrets::parse(&text).is_err());
        }
    }
}
