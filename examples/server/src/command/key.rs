//! `suntap-server key`.

use suntap_server::keys::create;
use suntap_server::registry::document::ApiKey;

use super::println;
use crate::config::KeyNew;

pub(crate) async fn new(args: KeyNew) -> anyhow::Result<()> {
    let (store, secrets) = args.store.open(None).await?;
    let key = ApiKey { organisation: args.organisation, kind: args.kind, label: args.label };
    let created = create(&store, secrets, &key).await?;
    store.close().await;
    println(&created.text)
}
