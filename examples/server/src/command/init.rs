//! `suntap-server init`.

use super::println;
use crate::config::StoreArgs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Record the present secrets as those of the store in place of others. Needed after a secret was replaced on purpose.
    #[arg(long)]
    accept_secrets: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let address = args.store.address()?;
    let (opened, done) = if args.accept_secrets {
        (args.store.accept().await?, "the secrets are now those of the store in")
    } else {
        let (opened, is_new) = args.store.init().await?;
        (opened, if is_new { "created a store in" } else { "there is already a store in" })
    };
    opened.print_warnings();
    opened.store.close().await;
    println(&format!("{done} {address}"))
}
