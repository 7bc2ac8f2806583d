//! `suntap-server tap`.

use suntap_server::emulate::next_tap;

use super::println;
use crate::config::Tap;

pub(crate) async fn run(args: Tap) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let code = args.ecode.as_ref().map(|code| &*code.0);
    let url = next_tap(&opened.store, opened.secrets, &args.tag, code).await;
    opened.store.close().await;
    println(&url?)
}
