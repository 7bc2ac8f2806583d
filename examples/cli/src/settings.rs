//! `suntap settings`: explains the settings of a file, and names the rules that they break.

mod explain;
pub(crate) mod fields;
mod place;
pub(crate) mod rules;

use std::io::Write;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use serde_json::json;
use suntap::{Chip, ChipError, Scheme, SdmLayout, TagTexts};

use crate::hex::Bytes;
use crate::mode::SdmMode;
use crate::style::{BAD, GOOD, HEADING, MILD};
use crate::text::{pasted, wrapped};
use crate::{Outcome, emulate, ndef};
pub(crate) use explain::points_at;
use fields::FileSettings;

const HELP: &str = "\
The bytes are the answer to GetFileSettings, from FileType on; a status at the end is ignored. With --command, they are the
data of ChangeFileSettings before encryption, from FileOption on, without the file number.

With --chip, it also checks what this chip can mirror. With --template or --file, it shows where each offset points. With --template, it compares the offsets with
those of the template.

Examples:
  suntap settings 0040EEEE000100D1FE001F00004400004400002000006A0000
  suntap settings --command 4000E0C1F121200000430000430000 --template 'https://choose.url.com/ntag424?e={picc}&c={mac}'
  suntap settings --chip ntag424 0040EEEE000100D1FE001F00004400004400002000006A0000
  suntap settings --command 4000E0C1F1211F0000430000430000 --template 'https://choose.url.com/ntag424?e={picc}&c={mac}' --json

Exit codes:
  0  no rule is broken
  1  a rule is broken
  2  an argument is wrong, or writing fails";

/// Explains the settings of a tag's file, and names each rule that they break
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct Args {
    /// The settings in hexadecimal digits
    #[arg(value_name = "HEX", required = true)]
    settings: Vec<String>,
    /// The bytes are the data of a ChangeFileSettings command that you want to send
    #[arg(long)]
    command: bool,
    /// The template of the URL in the file
    #[arg(long, value_name = "T")]
    template: Option<String>,
    /// The text of a {:name} in the template
    #[arg(long, value_name = "NAME=TEXT", requires = "template")]
    text: Vec<String>,
    /// The text in the plaintext half of {enc:N}
    #[arg(long, value_name = "TEXT", default_value = "", requires = "template")]
    file_data: String,
    /// The content of the NDEF file, from NLEN on
    #[arg(long, value_name = "HEX", conflicts_with = "template")]
    file: Option<Bytes>,
    /// How the tag computes its MAC or its signature
    #[arg(long, value_enum, default_value_t)]
    mode: SdmMode,
    /// The chip of the tag. The tool then says what this chip cannot do
    #[arg(long, value_name = "NAME", value_parser = chip())]
    chip: Option<Chip>,
    /// Print a JSON object: fields, faults, remarks, template
    #[arg(long)]
    json: bool,
}

/// Reads the name of a chip.
fn chip() -> impl clap::builder::TypedValueParser<Value = Chip> {
    let named = |name: String| Chip::ALL.iter().copied().find(|chip| chip.name() == name).ok_or("unknown chip");
    PossibleValuesParser::new(Chip::ALL.iter().map(|chip| chip.name())).try_map(named)
}

/// What is known about the settings.
struct Report {
    settings: FileSettings,
    fields: Vec<explain::Field>,
    faults: Vec<String>,
    remarks: Vec<String>,
    /// The template that settings and file describe.
    template: Option<String>,
}

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let scheme = args.mode.scheme();
    let Bytes(bytes) = args.settings.join(" ").parse()?;
    let settings = FileSettings::read(&bytes, args.command).ok_or("the settings are too short")?;
    let captured = emulate::captured(&args.text, args.template.as_deref().unwrap_or_default())?;
    let texts = TagTexts { captured: &captured, file_data: &args.file_data };
    let layout = args.template.as_deref().map(|template| SdmLayout::new(scheme, pasted(template))).transpose();
    let layout = layout.map_err(|error| format!("--template: {error}"))?;
    let file = match (&layout, &args.file) {
        (Some(layout), _) => Some(ndef::file(layout, &texts)?),
        (None, file) => file.as_ref().map(|file| file.0.clone()),
    };

    let (mut faults, mut remarks) = (rules::broken(&settings, scheme), rules::remarks(&settings));
    if let Some(layout) = &layout {
        faults.extend(place::differences(&settings, layout, &texts)?);
    }
    if let Some(file) = &file {
        remarks.extend(place::leftovers(&settings, scheme, file));
    }
    // Without a file, a long URL takes its place, so that the reader checks the settings alone.
    let any_file = place::any_file();
    let (answer, ndef_file) = (settings.answer(), file.as_deref().unwrap_or(&any_file));
    if let Some(chip) = args.chip {
        match chip.check_settings(scheme, &answer, ndef_file) {
            // The rules and `from_tag` report these.
            Ok(_) | Err(ChipError::Settings(_)) => {}
            Err(error) => faults.push(format!("{chip}: {error}")),
        }
    }
    let read = SdmLayout::from_tag(scheme, &answer, ndef_file);
    if let (Err(error), true) = (&read, faults.is_empty()) {
        faults.push(error.to_string());
    }
    let template = read.ok().filter(|_| file.is_some()).map(|(layout, _)| layout.template().to_owned());
    let fields = explain::fields(&settings, scheme, file.as_deref());
    let report = Report { settings, fields, faults, remarks, template };
    if args.json {
        report.json(out)?;
    } else {
        report.text(scheme, file.as_deref(), out)?;
    }
    Ok(report.faults.is_empty())
}

impl Report {
    fn json(&self, out: &mut impl Write) -> std::io::Result<()> {
        let field =
            |field: &explain::Field| json!({ "name": field.name, "bytes": field.bytes, "meaning": field.meaning });
        let fields: Vec<_> = self.fields.iter().map(field).collect();
        let (faults, remarks, template) = (&self.faults, &self.remarks, &self.template);
        let report = json!({ "fields": fields, "faults": faults, "remarks": remarks, "template": template });
        writeln!(out, "{report}")
    }

    fn text(&self, scheme: Scheme, file: Option<&[u8]>, out: &mut impl Write) -> std::io::Result<()> {
        let what = if self.settings.is_command { "Data of ChangeFileSettings" } else { "Answer to GetFileSettings" };
        writeln!(out, "{HEADING}{what}{HEADING:#}")?;
        for field in &self.fields {
            writeln!(out, "  {:<17}  {:<6}  {}", field.name, field.bytes, field.meaning)?;
        }
        if let Some(file) = file {
            writeln!(out, "\n{HEADING}File{HEADING:#}")?;
            ndef::picture(file, &self.settings.ranges(scheme), out)?;
        }
        writeln!(out)?;
        for (style, kind, texts) in [(BAD, "fault", &self.faults), (MILD, "remark", &self.remarks)] {
            for text in texts {
                let lines = wrapped(text, 110).join("\n        ");
                writeln!(out, "{style}{kind:<6}{style:#}  {lines}")?;
            }
        }
        if self.faults.is_empty() && self.remarks.is_empty() {
            writeln!(out, "{GOOD}No rule is broken.{GOOD:#}")?;
        } else if self.faults.is_empty() {
            writeln!(out, "{MILD}No rule of the chip is broken, but read the remarks.{MILD:#}")?;
        }
        if let Some(template) = &self.template {
            writeln!(out, "The tag writes  {template}")?;
        }
        Ok(())
    }
}
