//! The command line.

use lexopt::{Arg, Parser, ValueExt as _};
use suntap::diagnose::{Assumptions, GivenKey, Role};
use suntap::{ApplicationKey, Scheme, SdmLayout, SdmReadCtr, Uid};

pub(crate) const HELP: &str = "\
Says why a tap of a SUN/SDM tag does not verify, and what to do.

  doctor                          three broken taps, and what is wrong with each
  doctor 'URL' [what you believe of it]

  --key NAME=HEX     a key that may have to do with it, 32 digits; as often as you like. A NAME of meta or picc
                     says that it is the SDMMetaReadKey, one of file or mac that it is the SDMFileReadKey; any
                     other says nothing, so it may be either, or a master key
  --template T       the URL as you think the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for
                     what changes, and [[ where the MAC input begins
  --mode M           aes, lrp or ntag22x: how you think the tag computes; aes if not said
  --uid HEX          the UID of the tag, 14 digits
  --second 'URL'     a later tap of the same tag
  --stored N         the counter that your store remembers, in decimal
  --json             one JSON object, each finding with its code

The key of a new chip, 16 zero bytes, is tried always. Nothing but the URL is needed; the more is known, the better.

Quote URL and template: & means something to the shell.

  doctor 'https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3' \\
    --template 'https://example.com/?uid={uid}&ctr={ctr}&mac={mac}'
  doctor 'https://sdm.example/tag?picc_data=EF963FF7828658A599F3041510671E&cmac=94EED9EE65337086' \\
    --key meta=00000000000000000000000000000000 --key file=00112233445566778899AABBCCDDEEFF

Other users of a machine can see what is on a command line: try real keys where there are none.

Exit code: 0 healthy; 1 something is wrong, or nothing explains the tap; 2 the arguments can not be used.
";

pub(crate) enum Command {
    Help,
    Tour,
    Diagnose(Box<Input>),
}

/// The URL and the assumptions about it, as given on the command line.
#[derive(Default)]
pub(crate) struct Input {
    url: String,
    keys: Vec<(String, ApplicationKey)>,
    layout: Option<SdmLayout>,
    uid: Option<Uid>,
    second_url: Option<String>,
    stored_ctr: Option<SdmReadCtr>,
    pub(crate) json: bool,
}

impl Input {
    pub(crate) fn given_keys(&self) -> Vec<GivenKey<'_>> {
        let role = |name: &str| match &*name.to_lowercase() {
            "meta" | "picc" => Role::Meta,
            "file" | "mac" => Role::File,
            _ => Role::Any,
        };
        let given = self.keys.iter();
        given.map(|(name, key)| GivenKey { name, key: key.expose_bytes(), role: role(name) }).collect()
    }

    pub(crate) fn assumptions<'a>(&'a self, keys: &'a [GivenKey<'a>]) -> Assumptions<'a> {
        Assumptions {
            layout: self.layout.as_ref(),
            keys,
            uid: self.uid,
            second_url: self.second_url.as_deref(),
            stored_ctr: self.stored_ctr,
            ..Assumptions::about(&self.url)
        }
    }
}

pub(crate) fn parse() -> Result<Command, String> {
    let mut input = Input::default();
    let (mut urls, mut template, mut mode) = (Vec::new(), None, None);
    let (mut uid, mut stored) = (None, None);
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next().map_err(|error| error.to_string())? {
        let (name, slot) = match arg {
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            Arg::Long("json") => {
                if parser.optional_value().is_some() {
                    return Err("--json takes no value".into());
                }
                input.json = true;
                continue;
            }
            Arg::Long("key") => {
                let text = parser.value().and_then(lexopt::ValueExt::string).map_err(|_| "--key needs NAME=HEX")?;
                input.keys.push(parse_key(&text)?);
                continue;
            }
            Arg::Value(url) => {
                urls.push(url.string().map_err(|_| "the URL is not UTF-8")?);
                continue;
            }
            Arg::Long("template") => ("--template", &mut template),
            Arg::Long("mode") => ("--mode", &mut mode),
            Arg::Long("uid") => ("--uid", &mut uid),
            Arg::Long("second") => ("--second", &mut input.second_url),
            Arg::Long("stored") => ("--stored", &mut stored),
            other => return Err(format!("{} (see --help)", other.unexpected())),
        };
        let value = parser.value().and_then(lexopt::ValueExt::string).map_err(|_| format!("{name} needs a value"))?;
        if slot.replace(value).is_some() {
            return Err(format!("{name} is given twice"));
        }
    }
    let has_assumptions =
        template.is_some() || mode.is_some() || uid.is_some() || stored.is_some() || input.second_url.is_some();
    match <[String; 1]>::try_from(urls) {
        Ok([url]) => input.url = url,
        Err(urls) if urls.is_empty() && !has_assumptions && !input.json && input.keys.is_empty() => {
            return Ok(Command::Tour);
        }
        Err(urls) if urls.is_empty() => return Err("no URL is given (see --help)".into()),
        Err(_) => return Err("more than one URL is given: --second takes the later one; and quote them".into()),
    }
    if input.url.is_empty() {
        return Err("the URL is empty (see --help)".into());
    }
    if mode.is_some() && template.is_none() {
        return Err("--mode goes with --template (see --help)".into());
    }
    let mode = match mode.as_deref() {
        None | Some("aes") => Scheme::Aes,
        Some("lrp") => Scheme::Lrp,
        Some("ntag22x") => Scheme::Suncmac,
        Some(_) => return Err("--mode is aes, lrp or ntag22x".into()),
    };
    input.layout = template
        .map(|template| SdmLayout::new(mode, &template).map_err(|error| format!("--template: {error}")))
        .transpose()?;
    input.uid = uid.map(|uid| Uid::from_hex(&uid).map_err(|error| format!("--uid: {error}"))).transpose()?;
    input.stored_ctr = stored
        .map(|stored| {
            let number = stored.parse().ok().and_then(SdmReadCtr::new);
            number.ok_or_else(|| String::from("--stored is a number up to 16777215"))
        })
        .transpose()?;
    Ok(Command::Diagnose(Box::new(input)))
}

/// Parses `NAME=HEX`. No message repeats the key.
fn parse_key(text: &str) -> Result<(String, ApplicationKey), String> {
    let (name, digits) = text.split_once('=').ok_or("--key needs NAME=HEX")?;
    if name.is_empty() {
        return Err("--key needs a NAME before the =".into());
    }
    // A name that is long enough to be a key is not repeated.
    let shown = if name.len() < 24 { name } else { "NAME" };
    let key = ApplicationKey::from_hex(digits).map_err(|error| format!("--key {shown}=HEX: {error}"))?;
    Ok((name.into(), key))
}
