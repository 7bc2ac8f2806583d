//! `suntap-server key`.

use clap::Subcommand;
use suntap_server::keys::create;
use suntap_server::registry::document::{ApiKey, KeyKind};

use super::println;
use crate::config::StoreArgs;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a key and print it. It cannot be shown again: the store keeps only a hash of it.
    New(New),
}

#[derive(clap::Args)]
pub(crate) struct New {
    /// The number of the organisation that the key belongs to.
    #[arg(long)]
    organisation: u64,
    /// The kind of key.
    #[arg(long, default_value = "private")]
    kind: KeyKind,
    /// A label for your own use.
    #[arg(long)]
    label: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New(args) => new(args).await,
    }
}

async fn new(args: New) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let key = ApiKey { organisation: args.organisation, kind: args.kind, label: args.label, secret: None };
    let created = create(&opened.store, opened.secrets, &key).await?;
    opened.store.close().await;
    println(&created.text)
}
