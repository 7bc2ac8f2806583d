//! `suntap layout`: what to write to a tag for a template.

use std::io::Write;

use clap::builder::TypedValueParser as _;
use serde_json::json;
use suntap::{Access, Field, KeyNumber, LayoutError, SdmAccess, SdmLayout, SdmReadCtr, SettingsError, TagTexts};

use crate::hex::{self, Bytes, upper};
use crate::mode::SdmMode;
use crate::settings::fields::{FileSettings, Number, Sdm};
use crate::settings::rules;
use crate::style::{HEADING, MILD};
use crate::text::{pasted, wrapped};
use crate::{Outcome, emulate, ndef};

const HELP: &str = "\
A template is the URL as the tag writes it. Its elements stand for what the chip writes:
  {picc}           encrypted PICCData: 32 digits, or 48 in LRP mode. It says which values are in it
  {picc:uid,ctr}   the same, with UID and counter, always; {picc:uid} and {picc:ctr} have one of them
  {uid} {ctr}      the UID and the counter in plain text, 14 and 6 digits
  {enc:N}          encrypted file data (SDMENCFileData), N digits, a multiple of 32
  {enc:N,tt@K}     the same, with the tamper status at byte K of the plaintext
  {tt}             the tamper status in plain text, 2 characters
  {mac}            the MAC (SDMMAC), 16 digits; it is always needed, except with {sig}
  {sig}            the signature in place of {mac}, 128 digits, with --mode ecdsa
  {:name}          text that differs between tags, such as an id; see --text
  [[               where the MAC input begins (SDMMACInputOffset); without it, the MAC covers no text of the URL
{enc:N} and {tt} must be between [[ and {mac} to be protected. {picc} and plain {uid} or {ctr} exclude each other.

An offset counts from the start of the file: 7 bytes are before the URL, and a prefix such as https:// takes one of them.
ChangeFileSettings (5Fh) is sent for file 02h, encrypted in an authenticated session.

Examples:
  suntap layout 'https://choose.url.com/ntag424?e={picc}&c={mac}'
  suntap layout 'https://example.com/{:id}?uid=[[{uid}&ctr={ctr}&mac={mac}' --text id=A7 --file-read 2
  suntap layout 'https://example.com/?e={picc}&d=[[{enc:32}&c={mac}' --mode lrp --json
  suntap layout 'https://example.com/?m=[[{uid}&c={ctr}&s={sig}' --mode ecdsa

Exit codes:
  0  the layout can be written to a tag
  1  the layout breaks a rule of the chip
  2  an argument is wrong (as is a template that no layout has, or a missing --text), or writing fails";

/// Shows offsets, NDEF file and ChangeFileSettings bytes for a template
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc:N} {mac} {:name} for what changes, and [[ where the
    /// MAC input begins
    template: String,
    /// How the tag computes its MAC or its signature
    #[arg(long, value_enum, default_value_t)]
    mode: SdmMode,
    /// The text of a {:name} in the template
    #[arg(long, value_name = "NAME=TEXT")]
    text: Vec<String>,
    /// The text in the plaintext half of {enc:N}
    #[arg(long, value_name = "TEXT", default_value = "")]
    file_data: String,
    /// The number of the application key that encrypts PICCData (SDMMetaRead)
    #[arg(long, value_name = "N", value_parser = key_number(), default_value = "1")]
    meta_read: KeyNumber,
    /// The number of the application key from which session keys are derived (SDMFileRead)
    #[arg(long, value_name = "N", value_parser = key_number(), default_value = "2")]
    file_read: KeyNumber,
    /// The number of the ECC key with which the tag signs its taps, for {sig}
    #[arg(long, value_name = "N", value_parser = key_number(), default_value = "0")]
    ecc_key: KeyNumber,
    /// Who may read the counter with GetFileCounters: a key number, free or never (SDMCtrRet)
    #[arg(long, value_name = "WHO", value_parser = access, default_value = "never")]
    ctr_ret: Access,
    /// The counter at which the tag can no longer be read (SDMReadCtrLimit)
    #[arg(long, value_name = "N", value_parser = hex::ctr())]
    limit: Option<SdmReadCtr>,
    /// AccessRights in the order of the command. 00E0 lets anybody read the file, and key 0 do everything else
    #[arg(long, value_name = "HEX", default_value = "00E0")]
    access_rights: Bytes,
    /// Print a JSON object: template, mode, offsets, ndef_file, sdm_settings, change_file_settings, remarks
    #[arg(long)]
    json: bool,
}

fn key_number() -> impl clap::builder::TypedValueParser<Value = KeyNumber> {
    clap::value_parser!(u8).range(0..=4).try_map(|number| KeyNumber::new(number).ok_or("a key number is 0 to 4"))
}

fn access(text: &str) -> Result<Access, &'static str> {
    match text {
        "free" => Ok(Access::Free),
        "never" => Ok(Access::Never),
        number => number.parse().ok().and_then(KeyNumber::new).map(Access::Key).ok_or("expected 0 to 4, free or never"),
    }
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let Ok(access_rights) = <[u8; 2]>::try_from(&*args.access_rights.0) else {
        return Err("--access-rights has 4 digits".into());
    };
    let captured = emulate::captured(&args.text, &args.template)?;
    let texts = TagTexts { captured: &captured, file_data: &args.file_data };
    let tag = match args.tag(&texts, access_rights) {
        Ok(tag) => tag,
        Err(Failure::Usage(error)) => return Err(error.into()),
        Err(Failure::Rule(error)) => {
            if args.json {
                writeln!(out, "{}", json!({ "error": error }))?;
            } else {
                crate::usage::print(&error);
            }
            return Ok(false);
        }
    };
    if args.json {
        tag.json(out)?;
    } else {
        tag.text(out)?;
    }
    Ok(true)
}

impl Args {
    /// Returns what to write to a tag.
    fn tag(&self, texts: &TagTexts<'_>, access_rights: [u8; 2]) -> Result<Tag, Failure> {
        let layout = SdmLayout::new(self.mode.scheme(), pasted(&self.template))?;
        let access = SdmAccess {
            meta_read: layout.has(Field::PiccData).then_some(self.meta_read),
            file_read: self.file_read,
            ecc_key: layout.has(Field::Signature).then_some(self.ecc_key),
            ctr_ret: self.ctr_ret,
            read_ctr_limit: self.limit,
        };
        let file = ndef::file(&layout, texts)?;
        let mut buffer = [0; 27];
        let settings = layout.sdm_settings(&access, texts, &mut buffer)?.to_vec();
        let sdm = Sdm::read(&settings).unwrap_or_default();
        // FileOption 40h: SDM on, plain communication.
        let command = [&[0x40], &access_rights[..], &settings].concat();
        let mut remarks = Vec::new();
        if let Some(whole) = FileSettings::read(&command, true) {
            if let Some(fault) = rules::broken(&whole, layout.scheme()).into_iter().next() {
                return Err(Failure::Rule(fault));
            }
            remarks = rules::remarks(&whole);
        }
        Ok(Tag { layout, file, settings, sdm, command, remarks })
    }
}

/// The reason why there is nothing to write to a tag.
enum Failure {
    /// An argument is wrong or missing.
    Usage(String),
    /// The layout breaks this rule of the chip.
    Rule(String),
}

impl From<LayoutError> for Failure {
    fn from(error: LayoutError) -> Self {
        match error {
            LayoutError::FileTooLong
            | LayoutError::PiccDataAndPlain
            | LayoutError::MacInputAfterMac
            | LayoutError::EncOutsideMacInput
            | LayoutError::EncLength
            | LayoutError::EncNeedsUidAndCtr
            | LayoutError::TamperOutsideEnc => Self::Rule(error.to_string()),
            _ => Self::Usage(format!("TEMPLATE: {error}")),
        }
    }
}

impl From<SettingsError> for Failure {
    fn from(error: SettingsError) -> Self {
        let text = error.to_string();
        match error {
            SettingsError::Counter | SettingsError::FileTooLong => Self::Rule(text),
            SettingsError::EncNotPinned => Self::Usage(format!("TEMPLATE: {text}")),
            SettingsError::FileData => Self::Usage(format!("--file-data: {text}")),
            SettingsError::MissingText(_)
            | SettingsError::RepeatedText(_)
            | SettingsError::InvalidText(_)
            | SettingsError::UnexpectedText(_) => Self::Usage(format!("--text: {text}")),
            SettingsError::Layout(error) => error.into(),
            _ => Self::Usage(text),
        }
    }
}

/// What to write to a tag.
struct Tag {
    layout: SdmLayout,
    file: Vec<u8>,
    settings: Vec<u8>,
    sdm: Sdm,
    /// The data of ChangeFileSettings.
    command: Vec<u8>,
    remarks: Vec<String>,
}

impl Tag {
    fn json(&self, out: &mut impl Write) -> std::io::Result<()> {
        let numbers = self.sdm.numbers.iter();
        let offsets: serde_json::Map<_, _> =
            numbers.map(|(number, value)| (number.name().into(), json!(value))).collect();
        let object = json!({
            "template": self.layout.template(),
            "mode": self.layout.scheme().name(),
            "offsets": offsets,
            "ndef_file": upper(&self.file),
            "sdm_settings": upper(&self.settings),
            "change_file_settings": upper(&self.command),
            "remarks": &self.remarks,
        });
        writeln!(out, "{object}")
    }

    fn text(&self, out: &mut impl Write) -> std::io::Result<()> {
        writeln!(out, "{HEADING}Offsets{HEADING:#}")?;
        for (number, value) in &self.sdm.numbers {
            let points_at = match number {
                Number::EncLength | Number::Limit => String::new(),
                _ => crate::settings::points_at(&self.file, *value),
            };
            writeln!(out, "  {:<17} {value:>3}  {value:02X}h{points_at}", number.name())?;
        }
        writeln!(out, "\n{HEADING}NDEF file, {} bytes{HEADING:#}\n  {}", self.file.len(), upper(&self.file))?;
        writeln!(out, "\n{HEADING}ChangeFileSettings{HEADING:#}")?;
        writeln!(out, "  data      {}", upper(&self.command))?;
        writeln!(out, "  SDM part  {}", upper(&self.settings))?;
        writeln!(out, "\n{HEADING}File{HEADING:#}")?;
        ndef::picture(&self.file, &self.sdm.ranges(self.layout.scheme()), out)?;
        for text in &self.remarks {
            writeln!(out, "\n{MILD}remark{MILD:#}  {}", wrapped(text, 110).join("\n        "))?;
        }
        Ok(())
    }
}
