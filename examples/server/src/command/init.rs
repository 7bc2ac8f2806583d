//! `suntap-server init`.

use super::println;
use crate::config::Init;

pub(crate) async fn run(args: Init) -> anyhow::Result<()> {
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
