//! The arguments of `suntap verify`.

use std::num::NonZeroUsize;

use suntap::SdmLayout;

use super::scheme::{KeyScheme, KeyTexts, Keys, Names};
use crate::keys::{self, key_help};
use crate::mode::Mode;
use crate::suffix::SuffixArgs;

const HELP: &str = concat!(
    "\
Keys:
",
    key_help!(),
    "

Schemes:
  static              the SDMFileReadKey is --file-key, the same for all tags
  an10922             derived from --master-key by NXP AN10922, over UID || --aid || --suffix
  cmac                the same without the padding of AN10922, as some programs do; not for new tags
  boltcard            derived from --issuer-key for --version, as on a Bolt Card
  sdm-backend         derived from --master-key, as sdm-backend does with DERIVE_MODE standard
  sdm-backend-legacy  derived from --master-key, as sdm-backend does with DERIVE_MODE legacy, its default
The last three derive the SDMMetaReadKey too, if --meta-key is not given.

Batch:
One JSON object in each line. Fields: id url template mode meta_key file_key public_key store tt_in_plain_off
file_key_scheme master_key div_suffix key_version. Taps with the same store share a counter store; without a store, replays are not
detected. tt_in_plain_off is the offset of the tamper status in the file data. Without a file_key, the key is derived
by file_key_scheme from master_key and, depending on the scheme, div_suffix and key_version. The values of
file_key_scheme are static (the default), an10922, cmac, boltcard, sdm_backend and sdm_backend_legacy, as above.
There is one answer for each line, in the same order. Fields: id verdict uid ctr tt tt_authenticated file_data; or id
error. A verdict is fresh, verified (replays are not detected), replayed, not_authentic or malformed.

Verdicts:
fresh means that the tap is genuine and that its counter is greater than the counters of the earlier URLs of its tag in
this command. Counters are not kept after the command ends.

A tag that signs its taps (NTAG X DNA, --mode ecdsa) needs {sig} in place of {mac} in the template, and --public-key.

Examples:
  suntap verify --template 'https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}' \\
    --meta-key 00000000000000000000000000000000 --file-key 00000000000000000000000000000000 \\
    'https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086'
  FILE_KEY=00000000000000000000000000000000 suntap verify --json --file-key env:FILE_KEY \\
    --template 'https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}' \\
    'https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3'
  echo '{\"id\":1,\"url\":\"https://a.example/?c=00\",\"template\":\"https://a.example/?c={mac}\",\"file_key\":\"00000000000000000000000000000000\"}' |
    suntap verify --batch -

Exit codes:
  0  each tap is fresh or verified; in a batch, each line is answered with a verdict
  1  a tap is refused; in a batch, a line is answered with an error
  2  an argument is wrong, or reading or writing fails"
);

/// Decides whether taps are genuine and new
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The URLs of the taps, in the order in which they were made. They share one counter store
    #[arg(value_name = "URL", required_unless_present = "batch")]
    pub(super) urls: Vec<String>,
    /// The URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for what changes, and [[ where the
    /// MAC input begins. See suntap layout --help
    #[arg(long, value_name = "T", required_unless_present = "batch")]
    pub(super) template: Option<String>,
    /// How the tag authenticates its taps
    #[arg(long, value_enum, default_value_t)]
    pub(super) mode: Mode,
    /// The SDMMetaReadKey, if the template has {picc}
    #[arg(long, value_name = "KEY")]
    meta_key: Option<String>,
    /// The SDMFileReadKey
    #[arg(long, value_name = "KEY", conflicts_with_all = ["master_key"])]
    file_key: Option<String>,
    /// The public key of a tag that signs its taps (--mode ecdsa), in SEC1 form: 66 or 130 hexadecimal digits, or @FILE
    #[arg(long, value_name = "HEX", conflicts_with_all = ["file_key", "master_key"])]
    public_key: Option<String>,
    /// How the SDMFileReadKey of a tag is derived
    #[arg(long, value_enum, default_value_t)]
    scheme: KeyScheme,
    /// The key from which the SDMFileReadKey is derived
    #[arg(long, value_name = "KEY", visible_alias = "issuer-key")]
    master_key: Option<String>,
    #[command(flatten)]
    suffix: SuffixArgs,
    /// The version of a Bolt Card [default: 0]
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Print one JSON object for each URL
    #[arg(long)]
    pub(super) json: bool,
    /// Read taps from this file, or from standard input for -. See below
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["urls", "template", "mode", "meta_key", "file_key", "public_key", "scheme", "master_key", "aid", "suffix", "suffix_text", "version"]
    )]
    pub(super) batch: Option<String>,
    /// The number of threads for a batch [default: one for each core]
    #[arg(long, value_name = "N", requires = "batch")]
    pub(super) threads: Option<NonZeroUsize>,
}

impl Args {
    /// Reads the keys and prepares them for a layout.
    pub(super) fn keys(&self, layout: &SdmLayout) -> Result<Keys, String> {
        let suffix = self.suffix.bytes();
        for (name, is_given, fits) in [
            ("--file-key", self.file_key.is_some(), self.scheme == KeyScheme::Static),
            ("--master-key", self.master_key.is_some(), self.scheme != KeyScheme::Static),
            ("--suffix", suffix.is_some(), self.scheme.has_suffix()),
            ("--version", self.version.is_some(), self.scheme == KeyScheme::Boltcard),
            ("--public-key", self.public_key.is_some(), self.scheme == KeyScheme::Static),
        ] {
            if is_given && !fits {
                return Err(format!("{name} does not go with this --scheme; see --help"));
            }
        }
        let read =
            |option: &str, source: &Option<String>| source.as_ref().map(|text| keys::read(option, text)).transpose();
        let meta_key = read("--meta-key", &self.meta_key)?;
        let file_key = read("--file-key", &self.file_key)?;
        let public_key = read("--public-key", &self.public_key)?;
        let master_key = read("--master-key", &self.master_key)?;
        let texts = KeyTexts {
            scheme: self.scheme,
            file_key: file_key.as_ref().map(|text| text.as_str()),
            public_key: public_key.as_ref().map(|text| text.as_str()),
            meta_key: meta_key.as_ref().map(|text| text.as_str()),
            master_key: master_key.as_ref().map(|text| text.as_str()),
            suffix: suffix.as_deref(),
            version: self.version.unwrap_or_default(),
        };
        texts.prepare(layout, &Names::OPTIONS)
    }
}
