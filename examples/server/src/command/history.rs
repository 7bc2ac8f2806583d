//! `suntap-server history`.

use std::io::Write as _;

use suntap_server::ops::history::{Event, parse_time};

use super::admin::{AdminArgs, encoded};
use super::unwritten;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print only lines from this time on, such as 2026-11-26T09:30:00Z, or 2026-11-26 for midnight UTC.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<String>,
    /// Print only lines before this time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<String>,
    /// Print only lines about this tag: its XUID, or xuid/XUID or number/NUMBER.
    #[arg(long)]
    tag: Option<String>,
    /// Print only lines of this kind.
    #[arg(long)]
    event: Option<Event>,
    #[command(flatten)]
    admin: AdminArgs,
}

/// Checks a time, and returns it as it was given.
fn time(text: &str) -> Result<String, String> {
    parse_time(text).map(|_| text.into())
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let event = args.event.map(|event| event.name().to_owned());
    let fields = [
        ("since", args.since),
        ("until", args.until),
        ("tag", args.tag.map(|tag| if tag.contains('/') { tag } else { format!("xuid/{tag}") })),
        ("event", event),
    ];
    let fields = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded(value.as_ref()?))));
    let target = format!("/admin/v1/history?{}", fields.collect::<Vec<_>>().join("&"));
    let api = args.admin.open().await?;
    let mut output = std::io::BufWriter::new(std::io::stdout());
    api.download(&target, async |lines| output.write_all(lines)).await?;
    output.flush().map_err(unwritten)?;
    api.close().await;
    Ok(())
}
