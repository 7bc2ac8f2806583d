//! `suntap-server tap`.

use suntap_server::emulate::next_tap;

use super::println;
use crate::config::{StoreArgs, Unshown};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The XUID or the number of the tag, also as `xuid/XUID` or `number/NUMBER`.
    tag: String,
    /// The eCode of the tag, if its keys are sealed under an eCode or derived from one.
    #[arg(long)]
    ecode: Option<Unshown>,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let code = args.ecode.as_ref().map(|code| &*code.0);
    let url = next_tap(&opened.store, &opened.secrets, &args.tag, code).await;
    opened.store.close().await;
    println(&url?)
}
