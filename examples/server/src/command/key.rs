//! `suntap-server key`.

use suntap_server::keys::create;
use suntap_server::registry::document::ApiKey;

use super::println;
use crate::config::KeyNew;

pub(crate) async fn new(args: KeyNew) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let key = ApiKey { organisation: args.organisation, kind: args.kind, label: args.label };
    let created = create(&opened.store, opened.secrets, &key).await?;
    opened.store.close().await;
    println(&created.text)
}
