//! `suntap-server key`.

use clap::Subcommand;
use suntap_server::http::admin::model::{CreatedKey, Expiry, Key, NewKey};
use suntap_server::registry::document::KeyKind;

use super::admin::{AdminArgs, ListArgs, Revoke, encoded, end};
use super::println;

const KEYS: &str = "/admin/v1/keys";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a key and print it. It cannot be shown again: the store keeps only a hash of it.
    New(New),
    /// List keys and tokens, with the ids by which they are revoked. The keys themselves are not stored.
    List(ListArgs),
    /// Remove a key or token: from then on, it is unknown.
    Revoke(Revoke),
    /// Set or remove the end of a key or token.
    Expire(Expire),
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
    /// When it ends: a duration from now, such as `90d`, or a time, such as `2027-01-01T00:00:00Z`.
    #[arg(long, value_parser = end)]
    expires: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false, args = ["at", "never"])]
pub(crate) struct Expire {
    /// Its id, from the list.
    id: String,
    /// When it ends: a duration from now, such as `90d`, or a time, such as `2027-01-01T00:00:00Z`.
    #[arg(long, value_parser = end)]
    at: Option<String>,
    /// It does not end.
    #[arg(long)]
    never: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New(args) => {
            let api = args.admin.open().await?;
            let New { organisation, kind, label, expires, .. } = args;
            let new = NewKey { organisation, kind: kind.into(), label, expires };
            let created: CreatedKey = api.post(KEYS, &new).await?;
            api.close().await;
            println(&created.key)
        }
        Command::List(args) => {
            let api = args.admin.open().await?;
            api.print_list::<Key>(KEYS, &args).await?;
            api.close().await;
            Ok(())
        }
        Command::Revoke(args) => args.run(KEYS).await,
        Command::Expire(args) => {
            let api = args.admin.open().await?;
            let key: Key =
                api.post(&format!("{KEYS}/{}/expire", encoded(&args.id)), &Expiry { expires: args.at }).await?;
            api.close().await;
            println(&match &key.expires {
                Some(at) if key.expired => format!("{} has ended at {at}", args.id),
                Some(at) => format!("{} ends at {at}", args.id),
                None => format!("{} does not end", args.id),
            })
        }
    }
}
