//! `suntap key certificate`: the public key of a tag, from its certificate.

use std::io::{Read as _, Write};

use serde_json::json;
use suntap::certificate::{NXP_AUTH_ROOT_CA_E201, RootKey, tag_public_key};
use suntap::{Uid, UnixMillis};

use crate::hex::{self, Bytes};
use crate::text::pasted;
use crate::{Outcome, files, keys, usage};

const HELP: &str = "\
An NTAG X DNA contains a certificate, which names its UID and its public key and is signed by a root key of NXP. Read the
certificate and the UID from the chip itself when you enrol the tag. The output is the key for suntap verify --public-key.
A certificate is public, and anybody can copy it. Only a tap that verifies with the key proves that the chip is there.

Examples:
  echo 7F2182016A308201663082010BA003020102020704AC4DBAD71E90300A06082A8648CE3D0403023046310C300A060355040A \\
    0C034E5850311D301B06035504030C144E5850204175746820526F6F7443417645323031311730150603550405130E363337 \\
    3039333230313031303031301E170D3234313030323030303030305A170D3434313030323030303030305A302C3117301506 \\
    0355040D0C0E30344130303030343031303030313111300F060355042D03080004AC4DBAD71E903059301306072A8648CE3D \\
    020106082A8648CE3D03010703420004BDD47762CE1E6C3D891A687A9E3ED186FCE921D98FD55040106F6CD734423DCC94BA \\
    0EF8C1CD6DB3E9B1482E8F2DBFCA92EA2D819737D71F3B1D7D5C83BE3F01300A06082A8648CE3D0403020349003046022100 \\
    BEF07969E60B3568CE0CD05396C9389172F1C03DC16A03AB5578F0871EA8EF15022100BEA38F38F28016BA9381D18BF35441 \\
    1A0E2FFD67A8A11D00F0D27C219816BA20 \\
    > certificate.txt && suntap key certificate @certificate.txt --uid 04AC4DBAD71E90 > key.txt
  suntap key certificate @certificate.txt --uid 04AC4DBAD71E90 --at 2026-01-01T00:00:00Z --json

Exit codes:
  0  the key is printed
  1  the certificate is refused
  2  an argument is wrong, or reading or writing fails";

/// Prints the public key in the certificate of a tag
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The certificate as the chip returns it: hexadecimal digits, @FILE with these digits or with the bytes, or - for
    /// standard input
    certificate: String,
    /// The UID of the tag, as the chip returns it
    #[arg(long, value_name = "HEX", value_parser = hex::uid)]
    uid: Uid,
    /// A root key to trust in place of NXP's "NXP Auth RootCAvE201": 66 or 130 hexadecimal digits, or @FILE. May be
    /// repeated
    #[arg(long = "root", value_name = "HEX")]
    roots: Vec<String>,
    /// The time at which the certificate must be valid, such as 2026-01-01T00:00:00Z [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<humantime::Timestamp>,
    /// Print a JSON object: verified, public_key, error
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let certificate = read(&args.certificate).map_err(|error| format!("certificate: {error}"))?;
    let at = args.at.map_or_else(UnixMillis::now, |at| UnixMillis::from(*at));
    let key = tag_public_key(&certificate, &args.roots()?, args.uid, at);
    if args.json {
        let (text, error) = (key.map(|key| key.to_string()), key.err().map(|error| error.to_string()));
        writeln!(out, "{}", json!({ "verified": key.is_ok(), "public_key": text.ok(), "error": error }))?;
        return Ok(key.is_ok());
    }
    match key {
        Ok(key) => writeln!(out, "{key}")?,
        // The output may be piped to a command that expects a key, so it stays empty.
        Err(error) => usage::print(&format!("certificate refused: {error}")),
    }
    Ok(key.is_ok())
}

impl Args {
    fn roots(&self) -> Result<Vec<RootKey>, String> {
        if self.roots.is_empty() {
            return Ok(vec![root(NXP_AUTH_ROOT_CA_E201)?]);
        }
        self.roots.iter().map(|source| root(&keys::read("--root", source)?)).collect()
    }
}

fn root(text: &str) -> Result<RootKey, String> {
    pasted(text).parse().map_err(|error| format!("--root: {error}"))
}

/// Reads the bytes of a certificate, which a file may contain as text.
fn read(source: &str) -> Result<Vec<u8>, String> {
    let source = pasted(source);
    let mut content = Vec::new();
    match source.strip_prefix('@').or_else(|| (source == "-").then_some(source)) {
        Some(name) => {
            let read = files::open(name)?.reader.read_to_end(&mut content);
            read.map_err(|error| format!("cannot read the file: {error}"))?;
        }
        None => content.extend_from_slice(source.as_bytes()),
    }
    // A certificate in bytes is never UTF-8, because its third byte is 82.
    match str::from_utf8(&content) {
        Ok(text) => Ok(text.parse::<Bytes>()?.0),
        Err(_) => Ok(content),
    }
}
