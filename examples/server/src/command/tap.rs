//! `suntap-server tap`.

use suntap_server::emulate::next_tap;

use super::println;
use crate::config::Tap;

pub(crate) async fn run(args: Tap) -> anyhow::Result<()> {
    let (store, secrets) = args.store.open(None).await?;
    let code = args.ecode.as_ref().map(|code| &*code.0);
    let url = next_tap(&store, secrets, &args.tag, code).await;
    store.close().await;
    println(&url?)
}
