//! `suntap-server manager`.

use clap::Subcommand;
use suntap_server::http::admin::model::{CreatedKey, Manager, NewManager};
use suntap_server::registry::document::Role;

use super::admin::{AdminArgs, ListArgs, Revoke, end};
use super::println;

const MANAGERS: &str = "/admin/v1/managers";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a management key and print it. It cannot be shown again: the store keeps only a hash of it.
    New(New),
    /// List management keys, with the ids by which they are revoked. The keys themselves are not stored.
    List(ListArgs),
    /// Remove a management key. A running server refuses to remove the last one that can write.
    Revoke(Revoke),
}

#[derive(clap::Args)]
pub(crate) struct New {
    /// Who uses the key. The history shows it.
    #[arg(long)]
    label: String,
    /// What the key authorises.
    #[arg(long)]
    role: Role,
    /// The number of the organisation to whose tags a key of the role `patch` is restricted.
    #[arg(long, required_if_eq("role", "patch"))]
    organisation: Option<u64>,
    /// When it ends: a duration from now, such as `90d`, or a time, such as `2027-01-01T00:00:00Z`.
    #[arg(long, value_parser = end)]
    expires: Option<String>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::New(args) => {
            let api = args.admin.open().await?;
            let New { label, role, organisation, expires, .. } = args;
            let new = NewManager { label, role: role.into(), organisation, expires };
            let created: CreatedKey = api.post(MANAGERS, &new).await?;
            api.close().await;
            println(&created.key)
        }
        Command::List(args) => {
            let api = args.admin.open().await?;
            api.print_list::<Manager>(MANAGERS, &args).await?;
            api.close().await;
            Ok(())
        }
        Command::Revoke(args) => args.run(MANAGERS).await,
    }
}
