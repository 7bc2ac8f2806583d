//! `suntap doctor`: says why a tap does not verify, and what to do.

mod report;
mod tour;

use std::io::Write;

use suntap::diagnose::{Assumptions, GivenKey, diagnose_watched};
use suntap::{SdmLayout, SdmReadCtr, TagPublicKey, Uid};

use crate::Outcome;
use crate::hex::{self, Bytes};
use crate::keys::{self, KeyArgs, key_file_help, key_help};
use crate::mode::Mode;
use crate::progress::Progress;
use crate::redact;
use crate::suffix::AidArg;
use crate::text::pasted;

const AID_HELP: &str = "The application identifier between the UID and the suffix, 3 bytes. Each suffix is also tried \
                        without it [default: 3042F5]";

const HELP: &str = concat!(
    "\
Only the URL is needed. The more is known, the more exact is the report. The key of a new chip, 16 zero bytes, is always
tried. Without arguments, the doctor shows three broken taps.

Template:
The URL with an element for each value that the chip writes: {picc} is encrypted, with any values, and {picc:uid,ctr} has
exactly UID and counter. {uid} and {ctr} are plain. {enc:N} has N digits. [[ stands where the MAC input begins; without
it, the MAC covers no text of the URL. For all elements, see suntap layout --help.

Keys:
",
    key_help!(),
    "

Key files:
",
    key_file_help!(),
    "

Examples:
  suntap doctor 'https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3' \\
    --template 'https://example.com/?uid={uid}&ctr={ctr}&mac={mac}'
  suntap doctor 'https://sdm.example/tag?picc_data=EF963FF7828658A599F3041510671E&cmac=94EED9EE65337086' \\
    --key meta=00000000000000000000000000000000 --key file=00112233445566778899AABBCCDDEEFF
  suntap doctor 'https://shop.example/t?p=4C58D76C91E661150D8B9B0A7E5AD7DA&c=824BA44EE3A935EA' --json \\
    --key meta=0123456789ABCDEF0123456789ABCDEF --key file=00112233445566778899AABBCCDDEEFF

Exit codes:
  0  healthy: no fault
  1  a fault is found, or nothing explains the tap
  2  an argument is wrong, or reading or writing fails"
);

/// Says why a tap does not verify, and what to do
#[derive(clap::Args)]
#[command(after_help = HELP, mut_arg("aid", |arg| arg.help(AID_HELP)))]
pub(crate) struct Args {
    /// The URL of the tap
    #[arg(required = false)]
    url: Option<String>,
    #[command(flatten)]
    keys: KeyArgs,
    /// The URL as you think that the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for what changes,
    /// and [[ where the MAC input begins. See Template below
    #[arg(long, value_name = "T")]
    template: Option<String>,
    /// How you think that the tag computes its MAC or its signature [default: aes]
    #[arg(long, value_enum, requires_ifs = [("aes", "template"), ("lrp", "template"), ("suncmac", "template")])]
    mode: Option<Mode>,
    /// The bytes after the UID in the input of AN10922, or of a variant of it. May be repeated
    #[arg(long, value_name = "HEX")]
    suffix: Vec<Bytes>,
    /// The same as text. May be repeated
    #[arg(long, value_name = "TEXT")]
    suffix_text: Vec<String>,
    #[command(flatten)]
    aid: AidArg,
    /// The UID of the tag
    #[arg(long, value_name = "HEX", value_parser = hex::uid)]
    uid: Option<Uid>,
    /// The URL of a later tap of the same tag
    #[arg(long, value_name = "URL")]
    second: Option<String>,
    /// The counter in your store, in decimal
    #[arg(long, value_name = "N", value_parser = hex::ctr())]
    stored: Option<SdmReadCtr>,
    /// The public key of a tag that signs its taps (NTAG X DNA), in SEC1 form: 66 or 130 hexadecimal digits, or @FILE
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// Print one JSON object: verdict, findings, works, contents, tried, complete
    #[arg(long)]
    json: bool,
}

impl Args {
    fn is_tour(&self) -> bool {
        let assumed = self.template.is_some() || self.uid.is_some() || self.second.is_some() || self.stored.is_some();
        let derived = !self.suffix.is_empty()
            || !self.suffix_text.is_empty()
            || self.aid.aid.is_some()
            || self.public_key.is_some()
            || self.mode.is_some();
        self.url.is_none() && !assumed && !derived && self.keys.is_empty() && !self.json
    }

    fn public_key(&self) -> Result<Option<TagPublicKey>, String> {
        let read = |source: &String| {
            let text = keys::read("--public-key", source)?;
            pasted(&text).parse().map_err(|error| format!("--public-key: {error}"))
        };
        self.public_key.as_ref().map(read).transpose()
    }

    fn layout(&self) -> Result<Option<SdmLayout>, String> {
        let scheme = self.mode.unwrap_or_default().scheme();
        let layout = self.template.as_deref().map(|template| SdmLayout::new(scheme, pasted(template)));
        layout.transpose().map_err(|error| format!("--template: {error}"))
    }
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    if args.is_tour() {
        return Ok(tour::run(out)?);
    }
    let url =
        args.url.as_deref().map(pasted).filter(|url| !url.is_empty()).ok_or("missing: the URL of a tap; see --help")?;
    if redact::is_no_url(url) {
        return Err("this looks like a key, not like a URL; did you mean --key NAME=KEY?".into());
    }
    let (keys, layout, public_key) = (args.keys.read()?, args.layout()?, args.public_key()?);
    let given: Vec<GivenKey<'_>> = keys.iter().map(keys::NamedKey::given).collect();
    let suffixes = args.suffix.iter().map(|bytes| &*bytes.0).chain(args.suffix_text.iter().map(String::as_bytes));
    let suffixes: Vec<&[u8]> = suffixes.collect();
    let assumptions = Assumptions {
        layout: layout.as_ref(),
        keys: &given,
        suffixes: &suffixes,
        aid: args.aid.aid.as_ref().map(|aid| &aid.0),
        uid: args.uid,
        public_key: public_key.as_ref(),
        second_url: args.second.as_deref().map(pasted),
        stored_ctr: args.stored,
        ..Assumptions::about(url)
    };
    let progress = Progress::unbounded();
    let diagnosis = diagnose_watched(&assumptions, |tried| progress.set(tried.into(), format!("{tried} MACs tried")));
    drop(progress);
    if args.json {
        report::json(&diagnosis, out)?;
    } else {
        report::text(&assumptions, &diagnosis, out)?;
    }
    Ok(diagnosis.is_healthy())
}
