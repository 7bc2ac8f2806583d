//! `suntap-server restore`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::ArgGroup;
use suntap_server::ops::backup::{Backup, Replays};

use super::println;
use crate::config::StoreArgs;

#[derive(clap::Args)]
#[command(group = ArgGroup::new("replays").required(true).multiple(true))]
pub(crate) struct Args {
    /// The backup.
    #[arg(value_name = "FILE")]
    path: PathBuf,
    /// Raise each counter by N, at most to the greatest one, and start tags without a tap after N. A genuine tap is refused until the
    /// counter of its tag is greater. Choose N greater than the number of taps that a tag had since the backup.
    #[arg(long, value_name = "N", group = "replays", conflicts_with = "accept_replays")]
    raise_counters_by: Option<NonZeroU32>,
    /// Raise each counter to the greatest one in an export of the history. Taps that are not in it pass once more.
    #[arg(long, value_name = "HISTORY", group = "replays", conflicts_with = "accept_replays")]
    raise_from: Option<PathBuf>,
    /// Raise no counter: every tap that was accepted since the backup passes once more.
    #[arg(long, group = "replays")]
    accept_replays: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let context = || format!("backup {}", args.path.display());
    let backup = Backup::verify(&args.path).with_context(context)?;
    let opened = args.store.create_to_fill(|secrets| backup.check_secrets(secrets)).await?;
    opened.print_warnings();
    let replays = if args.accept_replays {
        Replays::Accept
    } else {
        Replays::Refuse { by: args.raise_counters_by, history: args.raise_from }
    };
    let restored = backup.restore(&opened.store, replays).await;
    opened.store.close().await;
    println(&restored?.to_string())
}
