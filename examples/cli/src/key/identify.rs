//! `suntap key identify`: finds the keys of a tap among many keys.

use std::io::Write;

use serde_json::json;
use suntap::diagnose::Role;
use suntap::identify::candidates;
use suntap::{ClaimedTap, Field, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, Uid};

use crate::Outcome;
use crate::keys::{KeyArgs, NamedKey, key_file_help, key_help};
use crate::mode::Mode;
use crate::progress::Progress;
use crate::text::pasted;

const HELP: &str = concat!(
    "\
Each key is tried as SDMMetaReadKey and as SDMFileReadKey, unless it has a role. To try derived keys too, use the doctor.

Keys:
",
    key_help!(),
    "

Key files:
",
    key_file_help!(),
    "

Examples:
  suntap key identify 'https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086' \\
    --template 'https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}' \\
    --key shop=00112233445566778899AABBCCDDEEFF --key new=00000000000000000000000000000000
  printf 'name,key\\nshop,00112233445566778899AABBCCDDEEFF\\nnew,00000000000000000000000000000000\\n' > keys.csv &&
    suntap key identify 'https://example.com/?uid=04494ACAFD1990&ctr=00001E&mac=E8E4FD1BDC5005D3' \\
      --template 'https://example.com/?uid=[[{uid}&ctr={ctr}&mac={mac}' --keys keys.csv --json

Exit codes:
  0  the keys are found
  1  no key verifies the tap
  2  an argument is wrong, or reading or writing fails"
);

/// Finds the keys of a tap among many keys
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The URL of the tap
    url: String,
    /// The URL as the tag writes it, with {picc} {uid} {ctr} {tt} {enc} {mac} {:name} for what changes, and [[ where the
    /// MAC input begins. See suntap layout --help
    #[arg(long, value_name = "T")]
    template: String,
    /// How the tag computes its MAC
    #[arg(long, value_enum, default_value_t)]
    mode: Mode,
    #[command(flatten)]
    keys: KeyArgs,
    /// Print a JSON object: verified, meta_key, opened (the keys that decrypt PICCData), file_key, uid, ctr
    #[arg(long)]
    json: bool,
}

/// The keys that verify a tap, and what the tap says.
struct Found<'k> {
    /// `None` if the layout has no PICCData.
    meta_key: Option<&'k NamedKey>,
    file_key: &'k NamedKey,
    uid: Option<Uid>,
    ctr: Option<SdmReadCtr>,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let keys = args.keys.read()?;
    if keys.is_empty() {
        return Err("there are no keys: use --keys or --key; see --help".into());
    }
    if args.mode == Mode::Ecdsa {
        return Err("--mode ecdsa: no secret key verifies a signed tap; use suntap verify --public-key".into());
    }
    let layout =
        SdmLayout::new(args.mode.scheme(), pasted(&args.template)).map_err(|error| format!("--template: {error}"))?;
    let search = Search { layout: &layout, url: pasted(&args.url), keys: &keys };
    let (opened, found) = search.run()?;
    let name = |key: Option<&NamedKey>| key.map(|key| key.name.clone());
    if args.json {
        let object = json!({
            "verified": found.is_some(),
            "meta_key": name(found.as_ref().and_then(|found| found.meta_key)),
            "opened": opened.iter().map(|key| &key.name).collect::<Vec<_>>(),
            "file_key": name(found.as_ref().map(|found| found.file_key)),
            "uid": found.as_ref().and_then(|found| Some(found.uid?.to_string())),
            "ctr": found.as_ref().and_then(|found| Some(found.ctr?.get())),
        });
        writeln!(out, "{object}")?;
        return Ok(found.is_some());
    }
    match &found {
        Some(found) => print(found, out)?,
        None if opened.is_empty() => writeln!(out, "No key of {} verifies the tap.", keys.len())?,
        None => {
            writeln!(out, "No key of {} yields the MAC, but PICCData opens with:", keys.len())?;
            opened.iter().try_for_each(|key| writeln!(out, "  {}", key.name))?;
        }
    }
    Ok(found.is_some())
}

fn print(found: &Found<'_>, out: &mut impl Write) -> std::io::Result<()> {
    if let Some(key) = found.meta_key {
        writeln!(out, "meta key  {}", key.name)?;
    }
    writeln!(out, "file key  {}", found.file_key.name)?;
    if let Some(uid) = found.uid {
        writeln!(out, "UID       {uid}")?;
    }
    if let Some(ctr) = found.ctr {
        writeln!(out, "counter   {ctr}")?;
    }
    Ok(())
}

struct Search<'k> {
    layout: &'k SdmLayout,
    url: &'k str,
    keys: &'k [NamedKey],
}

impl<'k> Search<'k> {
    /// Returns the meta-read keys that open the PICCData, and the keys that verify the tap.
    fn run(&self) -> Result<(Vec<&'k NamedKey>, Option<Found<'k>>), String> {
        let tap = self.layout.parse(self.url).map_err(|error| error.to_string())?;
        if !self.layout.has(Field::PiccData) {
            return Ok((Vec::new(), self.file_key(None)));
        }
        let tried: Vec<_> = self.keys.iter().filter(|key| key.role != Role::File).collect();
        let meta_keys = tried.iter().map(|key| SdmMetaReadKey::from_bytes(*key.key.expose_bytes()));
        // PICCData opens with 1 of 256 wrong keys, so the UIDs of NXP are tried first.
        let mut opened: Vec<_> = candidates(&tap, meta_keys)
            .filter_map(|(index, claimed)| Some((!is_nxp(&claimed), *tried.get(index)?)))
            .collect();
        opened.sort_by_key(|(is_unlikely, _)| *is_unlikely);
        let progress = Progress::of_steps(opened.len().try_into().unwrap_or_default());
        let mut found = None;
        for (position, (_, meta_key)) in (0..).zip(&opened) {
            progress.set(position, "");
            found = self.file_key(Some(*meta_key));
            if found.is_some() {
                break;
            }
        }
        Ok((opened.into_iter().map(|(_, key)| key).collect(), found))
    }

    /// Finds the file-read key of a tap that this meta-read key opens.
    fn file_key(&self, meta_key: Option<&'k NamedKey>) -> Option<Found<'k>> {
        let scheme = self.layout.scheme();
        let prepared = meta_key.map(|key| SdmMetaReadKey::from_bytes(*key.key.expose_bytes()).prepare(scheme));
        self.keys.iter().filter(|key| key.role != Role::Meta).find_map(|file_key| {
            let tap = self.layout.parse(self.url).ok()?;
            let claimed = match &prepared {
                Some(key) => tap.open(key).ok()?,
                None => tap.read_plain().ok()?,
            };
            let (uid, ctr) = (claimed.uid(), claimed.ctr());
            let key = SdmFileReadKey::from_bytes(*file_key.key.expose_bytes());
            let is_genuine = match ctr {
                Some(_) => claimed.verify(&key).is_ok(),
                None => claimed.verify_replayable(&key).is_ok(),
            };
            is_genuine.then_some(Found { meta_key, file_key, uid, ctr })
        })
    }
}

/// Returns `true` if the claimed UID begins with the manufacturer code of NXP, or if there is none.
fn is_nxp(claimed: &ClaimedTap<'_>) -> bool {
    claimed.uid().is_none_or(|uid| uid.as_bytes().first() == Some(&0x04))
}
