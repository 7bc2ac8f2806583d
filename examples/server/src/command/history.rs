//! `suntap-server history`.

use std::io::Write as _;
use std::pin::pin;

use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use suntap::UnixMillis;
use suntap_server::ops::history::{Event, Filter, lines, parse_time};

use crate::config::StoreArgs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print only lines from this time on, such as 2026-11-26T09:30:00Z, or 2026-11-26 for midnight UTC.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    since: Option<UnixMillis>,
    /// Print only lines before this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    until: Option<UnixMillis>,
    /// Print only lines about the tag with this document key, such as xuid/q8w3sbcz.
    #[arg(long, value_name = "KEY")]
    tag: Option<String>,
    /// Print only lines of this kind.
    #[arg(long)]
    event: Option<Event>,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let filter = Filter { since: args.since, until: args.until, tag: args.tag, event: args.event };
    let printed = lines(&opened.store, filter)
        .map_err(anyhow::Error::from)
        .try_for_each(async |page| std::io::stdout().lock().write_all(page.as_bytes()).context("standard output"));
    let printed = pin!(printed).await;
    opened.store.close().await;
    printed
}
