//! Where the keys of a tag come from.

use clap::ValueEnum;
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard, plain_cmac};
use suntap::{
    ConfigError, Field, IssuerKey, MasterKey, PreparedFileReadKey, PreparedMetaReadKey, Scheme, SdmFileReadKey,
    SdmLayout, SdmMetaReadKey, TagPublicKey, Uid,
};

use crate::keys;
use crate::text::pasted;

/// How the file-read key of a tag is derived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyScheme {
    #[default]
    Static,
    An10922,
    Cmac,
    Boltcard,
    #[value(alias = "sdm_backend")]
    SdmBackend,
    #[value(alias = "sdm_backend_legacy")]
    SdmBackendLegacy,
}

impl KeyScheme {
    /// Returns `true` if the diversification input has a suffix.
    pub(super) fn has_suffix(self) -> bool {
        matches!(self, Self::An10922 | Self::Cmac)
    }
}

/// The keys of a tag as text.
pub(super) struct KeyTexts<'a> {
    pub(super) scheme: KeyScheme,
    pub(super) file_key: Option<&'a str>,
    pub(super) public_key: Option<&'a str>,
    pub(super) meta_key: Option<&'a str>,
    pub(super) master_key: Option<&'a str>,
    pub(super) suffix: Option<&'a [u8]>,
    pub(super) version: u32,
}

/// The names of the keys in errors: options, or fields of a batch.
pub(super) struct Names {
    file_key: &'static str,
    public_key: &'static str,
    meta_key: &'static str,
    master_key: &'static str,
    pub(super) suffix: &'static str,
}

impl Names {
    pub(super) const OPTIONS: Self = Self {
        file_key: "--file-key",
        public_key: "--public-key",
        meta_key: "--meta-key",
        master_key: "--master-key",
        suffix: "--aid, --suffix or --suffix-text",
    };
    pub(super) const FIELDS: Self = Self {
        file_key: "file_key",
        public_key: "public_key",
        meta_key: "meta_key",
        master_key: "master_key",
        suffix: "div_suffix",
    };
}

/// The keys of a tag, prepared for many taps.
pub(super) struct Keys {
    /// `None` if the layout has no PICCData.
    pub(super) meta_key: Option<PreparedMetaReadKey>,
    pub(super) file_keys: FileKeys,
}

/// Derives a key from a master key and the parts of an input.
type Diversify = fn(&MasterKey, &[&[u8]]) -> Result<SdmFileReadKey, ConfigError>;

/// The source of file-read keys.
pub(super) enum FileKeys {
    Static(Box<PreparedFileReadKey>),
    Diversified {
        derive: Diversify,
        master: Box<MasterKey>,
        suffix: Vec<u8>,
    },
    Boltcard {
        issuer: Box<IssuerKey>,
        version: u32,
    },
    SdmBackend(Box<Master>),
    /// The key of a tag that signs its taps.
    Public(TagPublicKey),
}

impl KeyTexts<'_> {
    /// Reads and prepares the keys. A file key that is given is used, whatever the scheme is. A key that is not given is
    /// derived.
    pub(super) fn prepare(&self, layout: &SdmLayout, names: &Names) -> Result<Keys, String> {
        if let Some(key) = self.public_key(layout, names)? {
            return Ok(Keys { meta_key: self.meta_key(layout, names, None)?, file_keys: FileKeys::Public(key) });
        }
        let derived = match (self.file_key, self.master_key) {
            (Some(_), None) => None,
            _ => self.derived(names)?,
        };
        let meta_key = self.meta_key(layout, names, derived.as_ref())?;
        let file_keys = match (self.file_key, derived) {
            (Some(text), _) => {
                let key: SdmFileReadKey = parsed(names.file_key, text)?;
                FileKeys::Static(Box::new(key.prepare(layout.scheme())))
            }
            (None, Some(_)) if !mirrors_uid(layout) => {
                return Err("the scheme derives keys from the UID, but the template does not mirror the UID".into());
            }
            (None, Some(derived)) => derived,
            (None, None) => return Err(format!("{} is missing", names.file_key)),
        };
        Ok(Keys { meta_key, file_keys })
    }

    /// Reads the public key of a tag that signs its taps. Returns `None` for any other tag.
    fn public_key(&self, layout: &SdmLayout, names: &Names) -> Result<Option<TagPublicKey>, String> {
        let secret = [(self.file_key, names.file_key), (self.master_key, names.master_key)];
        match (layout.scheme() == Scheme::Ecdsa, self.public_key) {
            (false, None) => Ok(None),
            (false, Some(_)) => Err(format!("{} needs the mode ecdsa", names.public_key)),
            (true, None) => Err(format!("{} is missing", names.public_key)),
            (true, Some(text)) => match secret.into_iter().find(|(key, _)| key.is_some()) {
                Some((_, name)) => Err(format!("{name} does not go with the mode ecdsa")),
                None => match pasted(text).parse() {
                    Ok(key) => Ok(Some(key)),
                    Err(error) => Err(format!("{}: {error}", names.public_key)),
                },
            },
        }
    }

    fn meta_key(
        &self,
        layout: &SdmLayout,
        names: &Names,
        derived: Option<&FileKeys>,
    ) -> Result<Option<PreparedMetaReadKey>, String> {
        let given: Option<SdmMetaReadKey> = self.meta_key.map(|text| parsed(names.meta_key, text)).transpose()?;
        if !layout.has(Field::PiccData) {
            return Ok(None);
        }
        let key = given.or_else(|| match derived? {
            FileKeys::Boltcard { issuer, .. } => Some(boltcard::meta_read_key(issuer)),
            FileKeys::SdmBackend(master) => Some(master.meta_read_key()),
            FileKeys::Static(_) | FileKeys::Diversified { .. } | FileKeys::Public(_) => None,
        });
        let key = key.ok_or_else(|| format!("{} is missing", names.meta_key))?;
        Ok(Some(key.prepare(layout.scheme())))
    }

    /// Returns the derivation of the scheme, or `None` if the scheme derives nothing.
    fn derived(&self, names: &Names) -> Result<Option<FileKeys>, String> {
        let master = || self.master_key.ok_or_else(|| format!("{} is missing", names.master_key));
        Ok(Some(match self.scheme {
            KeyScheme::Static => return Ok(None),
            KeyScheme::An10922 | KeyScheme::Cmac => {
                let derive: Diversify =
                    if self.scheme == KeyScheme::Cmac { plain_cmac::derive } else { an10922::derive };
                let master: MasterKey = parsed(names.master_key, master()?)?;
                let suffix = self.suffix.ok_or_else(|| format!("{} is missing", names.suffix))?;
                // An invalid suffix must be an error before the first tap.
                derive(&master, &[&[0; 7], suffix]).map_err(|error| error.to_string())?;
                FileKeys::Diversified { derive, master: Box::new(master), suffix: suffix.to_vec() }
            }
            KeyScheme::Boltcard => {
                let issuer = Box::new(parsed(names.master_key, master()?)?);
                FileKeys::Boltcard { issuer, version: self.version }
            }
            KeyScheme::SdmBackend | KeyScheme::SdmBackendLegacy => {
                let bytes = keys::read_bytes(names.master_key, master()?)?;
                let is_legacy = self.scheme == KeyScheme::SdmBackendLegacy;
                let master = if is_legacy { Master::legacy(&bytes) } else { Master::standard(&bytes) };
                let master = master.ok_or_else(|| format!("{}: expected 16 or 32 bytes", names.master_key))?;
                FileKeys::SdmBackend(Box::new(master))
            }
        }))
    }
}

impl FileKeys {
    /// Derives the file-read key of the tag with this UID. Returns `None` if there is nothing to derive.
    pub(super) fn derive(&self, uid: Uid) -> Result<Option<SdmFileReadKey>, ConfigError> {
        Ok(Some(match self {
            Self::Static(_) | Self::Public(_) => return Ok(None),
            Self::Diversified { derive, master, suffix } => derive(master, &[uid.as_bytes(), suffix])?,
            Self::Boltcard { issuer, version } => boltcard::file_read_key(issuer, uid, *version),
            Self::SdmBackend(master) => master.file_read_key(uid),
        }))
    }
}

fn parsed<K: From<[u8; 16]>>(name: &str, text: &str) -> Result<K, String> {
    keys::parse(text).map_err(|error| format!("{name}: {error}"))
}

fn mirrors_uid(layout: &SdmLayout) -> bool {
    layout.has(Field::Uid) || ["{picc}", "{picc:uid"].into_iter().any(|element| layout.template().contains(element))
}
