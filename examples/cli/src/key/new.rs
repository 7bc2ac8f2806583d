//! `suntap key new`: random keys and eCodes.

use std::io::Write;
use std::num::NonZeroU32;

use serde_json::json;
use suntap::kdf::ecode::ECode;
use zeroize::Zeroizing;

use crate::Outcome;
use crate::hex::upper;

const HELP: &str = "\
The bytes are from the random number generator of the operating system.

Examples:
  suntap key new
  suntap key new --count 5 --ecode

Exit codes: 0 printed, 2 an argument is wrong or writing fails";

/// Prints random keys, or eCodes
#[derive(clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// The number of keys
    #[arg(long, value_name = "N", default_value = "1")]
    count: NonZeroU32,
    /// Print eCodes for URLs, 26 characters each, instead of keys
    #[arg(long)]
    ecode: bool,
    /// Print a JSON array
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    let mut printed = Vec::new();
    for _ in 0..args.count.get() {
        let mut bytes = Zeroizing::new([0; 16]);
        getrandom::fill(&mut *bytes).map_err(|error| format!("the operating system has no random bytes: {error}"))?;
        let text = if args.ecode { ecode(*bytes) } else { upper(&*bytes) };
        let text = Zeroizing::new(text);
        if args.json {
            printed.push(text);
        } else {
            writeln!(out, "{}", *text)?;
        }
    }
    if args.json {
        let texts: Vec<&str> = printed.iter().map(|text| text.as_str()).collect();
        writeln!(out, "{}", json!(texts))?;
    }
    Ok(true)
}

fn ecode(bytes: [u8; 16]) -> String {
    String::from_utf8_lossy(&ECode::from_bytes(bytes).to_text()).into_owned()
}
