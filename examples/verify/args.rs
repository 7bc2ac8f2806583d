//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard};
use suntap::{IssuerKey, MasterKey, PreparedMetaReadKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

use crate::tap::{Check, FileKeys};

pub(crate) const HELP: &str = "\
Decides whether taps of SUN/SDM tags are genuine and new.

  verify                              shows the sample tap of NXP AN12196, step by step
  verify --template T KEYS URL...     verdicts on URLs; they share one counter store
  verify --batch FILE                 one JSON object a line in, one a line out; - is standard input

Template:  the URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for what changes,
           and [[ where the MAC input begins
Mode:      --mode aes | lrp | ntag22x how the tag computes; aes if not said
Keys:      --meta-key HEX             SDMMetaReadKey, where the template has {picc}
           --file-key HEX             SDMFileReadKey
           (this is --scheme static, the default)
   or:     --scheme S --master-key HEX, from which the SDMFileReadKey is derived:
             an10922                  over UID || suffix: --suffix HEX, which may be empty
             boltcard                 the master key is the issuer key: --version N, 0 if not said
             sdm-backend              as sdm-backend in DERIVE_MODE standard
             sdm-backend-legacy       as sdm-backend in DERIVE_MODE legacy, its default
           The last three derive the SDMMetaReadKey too, if --meta-key is not given.

Quote URL and template: & means something to the shell.

  verify --template 'https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}' \\
    --meta-key 00000000000000000000000000000000 --file-key 00000000000000000000000000000000 \\
    'https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086'

Batch fields: id url template mode meta_key file_key, and where wanted store (the name of a counter store; without it
replay is not checked) and tt_in_plain_off (where the tamper status is in the file data). Without file_key it is derived:
file_key_scheme (one of the above, or sdm_backend for sdm-backend), master_key, div_suffix, key_version.

Other users of a machine can see what is on a command line: give real keys in a batch file.

Exit code: 0 all fresh or verified, or the whole batch answered; 1 otherwise; 2 the arguments can not be used.
";

pub(crate) enum Command {
    Help,
    Tour,
    Urls(Box<Check>, Vec<String>),
    Batch(String),
}

#[derive(Default)]
struct Given {
    template: Option<String>,
    mode: Option<String>,
    meta_key: Option<String>,
    file_key: Option<String>,
    scheme: Option<String>,
    master_key: Option<String>,
    suffix: Option<String>,
    version: Option<String>,
    batch: Option<String>,
    urls: Vec<String>,
}

pub(crate) fn parse() -> Result<Command, String> {
    let mut given = Given::default();
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let (name, slot) = match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("template") => ("--template", &mut given.template),
            Arg::Long("mode") => ("--mode", &mut given.mode),
            Arg::Long("meta-key") => ("--meta-key", &mut given.meta_key),
            Arg::Long("file-key") => ("--file-key", &mut given.file_key),
            Arg::Long("scheme") => ("--scheme", &mut given.scheme),
            Arg::Long("master-key") => ("--master-key", &mut given.master_key),
            Arg::Long("suffix") => ("--suffix", &mut given.suffix),
            Arg::Long("version") => ("--version", &mut given.version),
            Arg::Long("batch") => ("--batch", &mut given.batch),
            Arg::Value(url) => {
                given.urls.push(url.string().map_err(|_| "a URL is not UTF-8")?);
                continue;
            }
            other => return Err(format!("{} (see --help)", other.unexpected())),
        };
        let value = parser.value().and_then(lexopt::ValueExt::string).map_err(|_| format!("{name} needs a value"))?;
        if slot.replace(value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    given.command()
}

impl Given {
    fn command(self) -> Result<Command, String> {
        let keys = [&self.meta_key, &self.file_key, &self.scheme, &self.master_key, &self.suffix, &self.version];
        let some = keys.iter().any(|given| given.is_some()) || self.mode.is_some() || !self.urls.is_empty();
        match (&self.batch, &self.template) {
            (Some(_), Some(_)) => Err("--batch takes no other argument: its lines say everything".into()),
            (Some(_), None) if some => Err("--batch takes no other argument: its lines say everything".into()),
            (Some(batch), None) => Ok(Command::Batch(batch.clone())),
            (None, None) if some => Err("--template is missing (see --help)".into()),
            (None, None) => Ok(Command::Tour),
            (None, Some(_)) if self.urls.is_empty() => Err("no URL is given (see --help)".into()),
            (None, Some(template)) => {
                let mode = mode(self.mode.as_deref())?;
                let layout = SdmLayout::new(mode, template).map_err(|error| format!("--template: {error}"))?;
                Ok(Command::Urls(Box::new(self.check(layout)?), self.urls))
            }
        }
    }

    fn check(&self, layout: SdmLayout) -> Result<Check, String> {
        let scheme = KeyScheme::named(self.scheme.as_deref()).ok_or("--scheme is not known (see --help)")?;
        for (name, given, fits) in [
            ("--file-key", &self.file_key, scheme == KeyScheme::Static),
            ("--master-key", &self.master_key, scheme != KeyScheme::Static),
            ("--suffix", &self.suffix, scheme == KeyScheme::An10922),
            ("--version", &self.version, scheme == KeyScheme::BoltCard),
        ] {
            if given.is_some() && !fits {
                return Err(format!("{name} does not go with this --scheme (see --help)"));
            }
        }
        let keys = Keys {
            scheme,
            file_key: self.file_key.as_deref(),
            meta_key: self.meta_key.as_deref(),
            master_key: self.master_key.as_deref(),
            suffix: self.suffix.as_deref(),
            version: match &self.version {
                Some(version) => version.parse().map_err(|_| "--version is no number")?,
                None => 0,
            },
        };
        let (meta_key, keys) = keys.prepare(&layout, &["--file-key", "--meta-key", "--master-key", "--suffix"])?;
        Ok(Check { layout, meta_key, keys })
    }
}

/// Where the file key of a tag comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyScheme {
    Static,
    An10922,
    BoltCard,
    SdmBackend,
    SdmBackendLegacy,
}

impl KeyScheme {
    pub(crate) fn named(name: Option<&str>) -> Option<Self> {
        match name {
            None | Some("static") => Some(Self::Static),
            Some("an10922") => Some(Self::An10922),
            Some("boltcard") => Some(Self::BoltCard),
            Some("sdm-backend" | "sdm_backend") => Some(Self::SdmBackend),
            Some("sdm-backend-legacy") => Some(Self::SdmBackendLegacy),
            Some(_) => None,
        }
    }
}

/// The keys of a check as text. No error shows any of it.
pub(crate) struct Keys<'a> {
    pub(crate) scheme: KeyScheme,
    pub(crate) file_key: Option<&'a str>,
    pub(crate) meta_key: Option<&'a str>,
    pub(crate) master_key: Option<&'a str>,
    pub(crate) suffix: Option<&'a str>,
    pub(crate) version: u32,
}

impl Keys<'_> {
    /// Reads and prepares them: a file key that is given is the key, however it came about; what is not given is derived. The
    /// `names` are those of file key, meta-read key, master key and suffix where they came from.
    pub(crate) fn prepare(
        &self,
        layout: &SdmLayout,
        [file_key, meta_key, master_key, suffix]: &[&str; 4],
    ) -> Result<(Option<PreparedMetaReadKey>, FileKeys), String> {
        let missing = |name: &str| format!("{name} is missing");
        let has = |mirror: &str| layout.template().contains(mirror);
        let derived = match (self.file_key, self.master_key) {
            (Some(_), None) => None,
            _ => self.derivation(master_key, suffix)?,
        };
        let derived_meta_key = match &derived {
            Some(FileKeys::BoltCard { issuer, .. }) => Some(boltcard::meta_read_key(issuer)),
            Some(FileKeys::SdmBackend(master)) => Some(master.meta_read_key()),
            _ => None,
        };
        let keys = match (self.file_key, derived) {
            (Some(hex), _) => {
                FileKeys::Static(named(file_key, SdmFileReadKey::from_hex(hex))?.prepare(layout.scheme()))
            }
            (None, Some(_)) if !["{uid}", "{picc}", "{picc:uid"].into_iter().any(has) => {
                return Err("the scheme derives from the UID, which the template does not mirror".into());
            }
            (None, Some(derived)) => derived,
            (None, None) => return Err(missing(file_key)),
        };
        let given = self.meta_key.map(|hex| named(meta_key, SdmMetaReadKey::from_hex(hex))).transpose()?;
        let meta_key = match given.or(derived_meta_key) {
            Some(key) if has("{picc") => Some(key.prepare(layout.scheme())),
            None if has("{picc") => return Err(missing(meta_key)),
            _ => None,
        };
        Ok((meta_key, keys))
    }

    fn derivation(&self, master_key: &str, suffix: &str) -> Result<Option<FileKeys>, String> {
        let missing = |name: &str| format!("{name} is missing");
        let bytes =
            |name: &str, hex: &str| base16ct::mixed::decode_vec(hex).map_err(|_| format!("{name} is not hexadecimal"));
        let master = || self.master_key.ok_or_else(|| missing(master_key));
        Ok(Some(match self.scheme {
            KeyScheme::Static => return Ok(None),
            KeyScheme::An10922 => {
                let master = named(master_key, MasterKey::from_hex(master()?))?;
                let suffix = bytes(suffix, self.suffix.ok_or_else(|| missing(suffix))?)?;
                // Too long a suffix is better found here than at the first tap.
                let trial: Result<SdmFileReadKey, _> = an10922::derive(&master, &[&[0; 7], &suffix]);
                trial.map_err(|error| error.to_string())?;
                FileKeys::An10922 { master, suffix }
            }
            KeyScheme::BoltCard => {
                let issuer = named(master_key, IssuerKey::from_hex(master()?))?;
                FileKeys::BoltCard { issuer, version: self.version }
            }
            KeyScheme::SdmBackend | KeyScheme::SdmBackendLegacy => {
                let legacy = self.scheme == KeyScheme::SdmBackendLegacy;
                let bytes = bytes(master_key, master()?)?;
                let master = if legacy { Master::legacy(&bytes) } else { Master::standard(&bytes) };
                FileKeys::SdmBackend(master.ok_or_else(|| format!("{master_key}: a key of 16 or 32 bytes is needed"))?)
            }
        }))
    }
}

pub(crate) fn mode(name: Option<&str>) -> Result<Scheme, String> {
    match name {
        None | Some("aes") => Ok(Scheme::Aes),
        Some("lrp") => Ok(Scheme::Lrp),
        Some("ntag22x") => Ok(Scheme::Suncmac),
        Some(_) => Err("the mode is not known: aes, lrp or ntag22x".into()),
    }
}

fn named<K>(name: &str, key: Result<K, suntap::ParseError>) -> Result<K, String> {
    key.map_err(|error| format!("{name}: {error}"))
}
