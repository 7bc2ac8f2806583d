//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};
use suntap::kdf::boltcard;
use suntap::kdf::nfcdeveloper::{Derivation, Master};
use suntap::{IssuerKey, MasterKey, Mode, PreparedMetaReadKey, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

use crate::tap::{Check, FileKeys};

pub(crate) const HELP: &str = "\
Decides whether taps of SUN/SDM tags are genuine and new.

  verify                              shows the sample tap of NXP AN12196, step by step
  verify --template T KEYS URL...     verdicts on URLs; they share one counter store
  verify --batch FILE                 one JSON object a line in, one a line out; - is standard input

Template:  the URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for what changes,
           and [[ where the MAC input begins
Mode:      --mode aes | lrp           how the tag computes; aes if not said
Keys:      --meta-key HEX             SDMMetaReadKey, where the template has {picc}
           --file-key HEX             SDMFileReadKey
   or:     --scheme S --master-key HEX, from which the SDMFileReadKey is derived:
             an10922                  over UID || suffix: --suffix HEX, which may be empty
             boltcard                 the master key is the issuer key: --version N, 0 if not said
             nfcdeveloper             as sdm-backend in DERIVE_MODE standard
             nfcdeveloper-legacy      as sdm-backend in DERIVE_MODE legacy, its default
           The last three derive the SDMMetaReadKey too, if --meta-key is not given.

Quote URL and template: & means something to the shell.

  verify --template 'https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}' \\
    --meta-key 00000000000000000000000000000000 --file-key 00000000000000000000000000000000 \\
    'https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086'

Batch fields: id url template mode meta_key file_key, and where wanted store (the name of a counter store; without it
replay is not checked) and tt_in_plain_off (where the tamper status is in the file data). Without file_key it is derived:
file_key_scheme (an10922, sdm_backend, boltcard), master_key, div_suffix, key_version.

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
        let scheme = self.scheme.as_deref().unwrap_or("static");
        let goes_with = |name: &str, given: &Option<String>, schemes: &[&str]| match given {
            Some(_) if !schemes.contains(&scheme) => Err(format!("{name} does not go with --scheme {scheme}")),
            _ => Ok(()),
        };
        goes_with("--file-key", &self.file_key, &["static"])?;
        goes_with("--master-key", &self.master_key, &["an10922", "boltcard", "nfcdeveloper", "nfcdeveloper-legacy"])?;
        goes_with("--suffix", &self.suffix, &["an10922"])?;
        goes_with("--version", &self.version, &["boltcard"])?;
        if scheme != "static" && !["{uid}", "{picc}", "{picc:uid"].iter().any(|part| layout.template().contains(part)) {
            return Err(format!("--scheme {scheme} derives from the UID, which the template does not mirror"));
        }
        let mode = layout.mode();
        let keys = Keys {
            scheme,
            file_key: self.file_key.as_deref(),
            meta_key: self.meta_key.as_deref(),
            master_key: self.master_key.as_deref(),
            // An empty suffix is one; none at all was forgotten.
            suffix: self.suffix.as_deref().or((scheme != "an10922").then_some("")),
            version: match &self.version {
                Some(version) => version.parse().map_err(|_| "--version is no number")?,
                None => 0,
            },
        };
        let names = KeyNames {
            file_key: "--file-key",
            meta_key: "--meta-key",
            master_key: "--master-key",
            suffix: "--suffix",
            scheme: "--scheme",
        };
        let (meta_key, keys) = keys.prepare(mode, layout.template().contains("{picc"), &names)?;
        Ok(Check { layout, meta_key, keys })
    }
}

/// What the keys of a check are called where they came from.
pub(crate) struct KeyNames {
    pub(crate) file_key: &'static str,
    pub(crate) meta_key: &'static str,
    pub(crate) master_key: &'static str,
    pub(crate) suffix: &'static str,
    pub(crate) scheme: &'static str,
}

/// The keys of a check as text.
pub(crate) struct Keys<'a> {
    pub(crate) scheme: &'a str,
    pub(crate) file_key: Option<&'a str>,
    pub(crate) meta_key: Option<&'a str>,
    pub(crate) master_key: Option<&'a str>,
    pub(crate) suffix: Option<&'a str>,
    pub(crate) version: u32,
}

impl Keys<'_> {
    /// Reads and prepares them, the meta-read key only where it is `wanted`.
    pub(crate) fn prepare(
        &self,
        mode: Mode,
        wanted: bool,
        names: &KeyNames,
    ) -> Result<(Option<PreparedMetaReadKey>, FileKeys), String> {
        let missing = |name: &str| format!("{name} is missing");
        let master = || self.master_key.ok_or_else(|| missing(names.master_key));
        let bytes =
            |name: &str, hex: &str| base16ct::mixed::decode_vec(hex).map_err(|_| format!("{name} is not hexadecimal"));
        let (derived, keys) = match self.scheme {
            "static" => {
                let hex = self.file_key.ok_or_else(|| missing(names.file_key))?;
                let key = named(names.file_key, SdmFileReadKey::from_hex(hex))?;
                (None, FileKeys::Static(key.prepare(mode)))
            }
            "an10922" => {
                let master = named(names.master_key, MasterKey::from_hex(master()?))?.prepare();
                let suffix = bytes(names.suffix, self.suffix.ok_or_else(|| missing(names.suffix))?)?;
                (None, FileKeys::An10922 { master, suffix })
            }
            "boltcard" => {
                let issuer = named(names.master_key, IssuerKey::from_hex(master()?))?.prepare();
                let meta_key = boltcard::meta_read_key(&issuer);
                (Some(meta_key), FileKeys::BoltCard { issuer, version: self.version })
            }
            "nfcdeveloper" | "nfcdeveloper-legacy" | "sdm_backend" => {
                let legacy = self.scheme == "nfcdeveloper-legacy";
                let derivation = if legacy { Derivation::Legacy } else { Derivation::Standard };
                let master = Master::new(derivation, &bytes(names.master_key, master()?)?)
                    .map_err(|error| format!("{}: {error}", names.master_key))?;
                (Some(master.meta_read_key()), FileKeys::NfcDeveloper(master))
            }
            other => return Err(format!("{} {other} is not known (see --help)", names.scheme)),
        };
        let given = self.meta_key.map(|hex| named(names.meta_key, SdmMetaReadKey::from_hex(hex))).transpose()?;
        let meta_key = match given.or(derived) {
            Some(key) if wanted => Some(key.prepare(mode)),
            None if wanted => return Err(missing(names.meta_key)),
            _ => None,
        };
        Ok((meta_key, keys))
    }
}

pub(crate) fn mode(name: Option<&str>) -> Result<Mode, String> {
    match name {
        None | Some("aes") => Ok(Mode::Aes),
        Some("lrp") => Ok(Mode::Lrp),
        Some(other) => Err(format!("mode {other} is not known: aes or lrp")),
    }
}

fn named<K>(name: &str, key: Result<K, suntap::ParseHexError>) -> Result<K, String> {
    key.map_err(|error| format!("{name}: {error}"))
}
