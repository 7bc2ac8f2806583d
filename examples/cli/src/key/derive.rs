//! `suntap key derive`: the keys of a tag, by each scheme.

use std::io::Write;

use clap::Subcommand;
use serde_json::{Map, Value};
use suntap::kdf::ecode::{ECode, ServerSecret, derive_file_read_key, derive_meta_read_key};
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard, plain_cmac};
use suntap::{ConfigError, IssuerKey, MasterKey, SdmFileReadKey, Uid};

use crate::Outcome;
use crate::hex::{self, Bytes, upper};
use crate::keys::{self, key_help};
use crate::suffix::SuffixArgs;
use crate::text::pasted;

const HELP: &str = concat!(
    "\
The keys are printed, so do not run this where others can see the screen.

Keys:
",
    key_help!(),
    "

Examples:
  suntap key derive an10922 --master-key 00112233445566778899AABBCCDDEEFF --uid 04782E21801D80 --aid 3042F5 --suffix-text 'NXP Abu'
  suntap key derive boltcard --issuer-key 00000000000000000000000000000001 --uid 04A39493CC8680 --version 1
  echo 00000000000000000000000000000000 | suntap key derive sdm-backend --master-key - --uid 04A39493CC8680 --json

Exit codes: 0 printed, 2 an argument is wrong or reading or writing fails"
);

/// Derives the keys of a tag
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    #[command(subcommand)]
    scheme: Scheme,
    /// Print a JSON object
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Scheme {
    /// NXP AN10922 over the UID, the AID if given, and the suffix
    An10922(An10922Args),
    /// A CMAC over 01 and the input of AN10922, without the padding of AN10922. Only for tags that have such keys
    Cmac(CmacArgs),
    /// The five keys and the id of a Bolt Card
    Boltcard(BoltcardArgs),
    /// The keys of sdm-backend with DERIVE_MODE standard
    SdmBackend(SdmBackendArgs),
    /// The keys of sdm-backend with DERIVE_MODE legacy, its default
    SdmBackendLegacy(SdmBackendArgs),
    /// The keys that suntap derives from an eCode
    Ecode(EcodeArgs),
}

#[derive(clap::Args)]
struct An10922Args {
    #[command(flatten)]
    key: DiversifiedArgs,
    /// The number of earlier personalisations of the tag, for the epochs of suntap
    #[arg(long, value_name = "N", default_value = "0", conflicts_with = "input")]
    epoch: u32,
}

#[derive(clap::Args)]
struct CmacArgs {
    #[command(flatten)]
    key: DiversifiedArgs,
}

/// What AN10922 and the plain CMAC have in common.
#[derive(clap::Args)]
struct DiversifiedArgs {
    /// The master key
    #[arg(long, value_name = "KEY")]
    master_key: String,
    /// The UID of the tag
    #[arg(long, value_name = "HEX", value_parser = hex::uid, required_unless_present = "input")]
    uid: Option<Uid>,
    #[command(flatten)]
    suffix: SuffixArgs,
    /// The whole input of AN10922, 1 to 31 bytes, if it does not begin with the UID
    #[arg(long, value_name = "HEX", conflicts_with_all = ["uid", "aid", "suffix", "suffix_text"])]
    input: Option<Bytes>,
}

#[derive(clap::Args)]
struct BoltcardArgs {
    /// The issuer key
    #[arg(long, value_name = "KEY", visible_alias = "master-key")]
    issuer_key: String,
    /// The UID of the card
    #[arg(long, value_name = "HEX", value_parser = hex::uid)]
    uid: Uid,
    /// The version of the card
    #[arg(long, value_name = "N", default_value = "0")]
    version: u32,
}

#[derive(clap::Args)]
struct SdmBackendArgs {
    /// The master key, 16 or 32 bytes
    #[arg(long, value_name = "KEY")]
    master_key: String,
    /// The UID of the tag
    #[arg(long, value_name = "HEX", value_parser = hex::uid)]
    uid: Uid,
}

#[derive(clap::Args)]
struct EcodeArgs {
    /// The secret of the server
    #[arg(long, value_name = "KEY")]
    secret: String,
    /// The eCode in the URL of the tag, or @FILE, env:VAR or - as for a key
    #[arg(long, value_name = "CODE")]
    ecode: String,
    /// The UID of the tag
    #[arg(long, value_name = "HEX", value_parser = hex::uid)]
    uid: Uid,
    /// The number of earlier personalisations of the tag
    #[arg(long, value_name = "N", default_value = "0")]
    epoch: u32,
}

/// Names and values, in the order in which they are printed.
type Derived = Vec<(&'static str, String)>;

pub(super) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let derived = match &args.scheme {
        Scheme::An10922(args) => args.derive()?,
        Scheme::Cmac(args) => args.derive()?,
        Scheme::Boltcard(args) => args.derive()?,
        Scheme::SdmBackend(args) => args.derive(Master::standard)?,
        Scheme::SdmBackendLegacy(args) => args.derive(Master::legacy)?,
        Scheme::Ecode(args) => args.derive()?,
    };
    if args.json {
        let object: Map<String, Value> =
            derived.into_iter().map(|(name, value)| (name.replace(' ', "_"), value.into())).collect();
        writeln!(out, "{}", Value::Object(object))?;
        return Ok(true);
    }
    for (name, value) in derived {
        writeln!(out, "{name:<9} {value}")?;
    }
    Ok(true)
}

impl An10922Args {
    fn derive(&self) -> Result<Derived, String> {
        let Some(uid) = self.key.uid.filter(|_| self.epoch != 0) else { return self.key.derive(an10922::derive) };
        let suffix = self.key.suffix.bytes().unwrap_or_default();
        let in_epoch = |master: &MasterKey, _: &[&[u8]]| an10922::derive_in_epoch(master, uid, self.epoch, &suffix);
        self.key.derive(in_epoch)
    }
}

impl CmacArgs {
    fn derive(&self) -> Result<Derived, String> {
        self.key.derive(plain_cmac::derive)
    }
}

impl DiversifiedArgs {
    fn derive(
        &self,
        derive: impl FnOnce(&MasterKey, &[&[u8]]) -> Result<SdmFileReadKey, ConfigError>,
    ) -> Result<Derived, String> {
        let master = keys::read_key("--master-key", &self.master_key)?;
        let suffix = self.suffix.bytes().unwrap_or_default();
        let uid = self.uid.as_ref().map_or(&[][..], |uid| uid.as_bytes());
        let input = self.input.as_ref().map_or(&[][..], |input| &input.0);
        let key = derive(&master, &[input, uid, &suffix]).map_err(|error| error.to_string())?;
        Ok(vec![("key", upper(key.expose_bytes()))])
    }
}

impl BoltcardArgs {
    fn derive(&self) -> Result<Derived, String> {
        let issuer: IssuerKey = keys::read_key("--issuer-key", &self.issuer_key)?;
        let keys = boltcard::card_keys(&issuer, self.uid, self.version);
        let names = ["k0", "k1", "k2", "k3", "k4"];
        let mut derived: Derived = names.into_iter().zip(keys.iter().map(|key| upper(key.expose_bytes()))).collect();
        derived.push(("card id", upper(&boltcard::card_id(&issuer, self.uid))));
        Ok(derived)
    }
}

impl SdmBackendArgs {
    fn derive(&self, master: fn(&[u8]) -> Option<Master>) -> Result<Derived, String> {
        let bytes = keys::read_bytes("--master-key", &keys::read("--master-key", &self.master_key)?)?;
        let master = master(&bytes).ok_or("--master-key: expected 16 or 32 bytes")?;
        Ok(meta_and_file(master.meta_read_key().expose_bytes(), &master.file_read_key(self.uid)))
    }
}

impl EcodeArgs {
    fn derive(&self) -> Result<Derived, String> {
        let secret: ServerSecret = keys::read_key("--secret", &self.secret)?;
        let text = keys::read("--ecode", &self.ecode)?;
        let ecode = ECode::parse(pasted(&text)).map_err(|error| format!("--ecode: {error}"))?;
        let meta_key = derive_meta_read_key(&secret, &ecode, self.uid, self.epoch);
        Ok(meta_and_file(meta_key.expose_bytes(), &derive_file_read_key(&secret, &ecode, self.uid, self.epoch)))
    }
}

fn meta_and_file(meta_key: &[u8; 16], file_key: &SdmFileReadKey) -> Derived {
    vec![("meta key", upper(meta_key)), ("file key", upper(file_key.expose_bytes()))]
}
