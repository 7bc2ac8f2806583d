//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};
use suntap::{MasterKey, Mode, SdmFileReadKey, SdmLayout, SdmMetaReadKey};

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
   or:     --scheme an10922 --master-key HEX --suffix HEX
                                      the SDMFileReadKey derived from a master key over UID || suffix

Quote URL and template: & means something to the shell.

  verify --template 'https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}' \\
    --meta-key 00000000000000000000000000000000 --file-key 00000000000000000000000000000000 \\
    'https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086'

Batch fields: id url template mode meta_key file_key, and where wanted store (the name of a counter store; without it
replay is not checked) and tt_in_plain_off (where the tamper status is in the file data).

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
        if let Some(batch) = self.batch {
            let others =
                [self.template, self.mode, self.meta_key, self.file_key, self.scheme, self.master_key, self.suffix];
            if others.iter().any(Option::is_some) || !self.urls.is_empty() {
                return Err("--batch takes no other argument: its lines say everything".into());
            }
            return Ok(Command::Batch(batch));
        }
        let Some(template) = &self.template else {
            let bare = [&self.mode, &self.meta_key, &self.file_key, &self.scheme, &self.master_key, &self.suffix];
            if bare.iter().any(|given| given.is_some()) || !self.urls.is_empty() {
                return Err("--template is missing (see --help)".into());
            }
            return Ok(Command::Tour);
        };
        if self.urls.is_empty() {
            return Err("no URL is given (see --help)".into());
        }
        let mode = mode(self.mode.as_deref())?;
        let layout = SdmLayout::new(mode, template).map_err(|error| format!("--template: {error}"))?;
        let meta_key =
            self.meta_key.as_deref().map(|hex| key("--meta-key", SdmMetaReadKey::from_hex(hex))).transpose()?;
        let keys = match self.scheme.as_deref() {
            None | Some("static") => {
                if self.master_key.is_some() || self.suffix.is_some() {
                    return Err("--master-key and --suffix go with --scheme an10922".into());
                }
                let hex = self.file_key.as_deref().ok_or("--file-key is missing (see --help)")?;
                FileKeys::Static(key("--file-key", SdmFileReadKey::from_hex(hex))?.prepare(mode))
            }
            Some("an10922") => {
                if self.file_key.is_some() {
                    return Err("--file-key does not go with --scheme an10922: it is derived".into());
                }
                let hex = self.master_key.as_deref().ok_or("--scheme an10922 needs --master-key")?;
                let suffix = self.suffix.as_deref().ok_or("--scheme an10922 needs --suffix (it may be empty: '')")?;
                let suffix = base16ct::mixed::decode_vec(suffix).map_err(|_| "--suffix is not hexadecimal")?;
                if !["{uid}", "{picc}", "{picc:uid"].iter().any(|mirror| template.contains(mirror)) {
                    return Err("--scheme an10922 derives from the UID, which the template does not mirror".into());
                }
                FileKeys::An10922 { master: key("--master-key", MasterKey::from_hex(hex))?.prepare(), suffix }
            }
            Some(other) => return Err(format!("--scheme {other} is not known: static or an10922")),
        };
        let meta_key = meta_key.map(|key| key.prepare(mode));
        Ok(Command::Urls(Box::new(Check { layout, meta_key, keys }), self.urls))
    }
}

pub(crate) fn mode(name: Option<&str>) -> Result<Mode, String> {
    match name {
        None | Some("aes") => Ok(Mode::Aes),
        Some("lrp") => Ok(Mode::Lrp),
        Some(other) => Err(format!("mode {other} is not known: aes or lrp")),
    }
}

fn key<K>(name: &str, key: Result<K, suntap::ParseHexError>) -> Result<K, String> {
    key.map_err(|error| format!("{name}: {error}"))
}
