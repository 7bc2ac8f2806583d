//! `suntap-server organisation`.

use axum::http::Method;
use clap::Subcommand;
use suntap_server::http::admin::model::Organisation;

use super::admin::{AdminArgs, ListArgs, Output, print_one};
use super::println;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List organisations.
    List(ListArgs),
    /// Show an organisation.
    Show(Show),
    /// Take an organisation out of use with all of its tags.
    Disable(One),
    /// Take an organisation into use again.
    Enable(One),
    /// Remove an organisation without folders, tags, keys and tokens.
    Delete(One),
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// Its number.
    id: u64,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
pub(crate) struct One {
    /// Its number.
    id: u64,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => {
            let api = args.admin.open().await?;
            api.print_list::<Organisation>("/admin/v1/organisations", &args).await?;
            api.close().await;
            Ok(())
        }
        Command::Show(args) => {
            let api = args.admin.open().await?;
            let organisation: Organisation = api.get(&path(args.id)).await?;
            api.close().await;
            print_one(&organisation, args.output)
        }
        Command::Disable(args) => {
            act(args, Method::POST, "/disable", "is out of use: taps of its tags are refused").await
        }
        Command::Enable(args) => act(args, Method::POST, "/enable", "is in use").await,
        Command::Delete(args) => act(args, Method::DELETE, "", "is deleted").await,
    }
}

async fn act(args: One, method: Method, verb: &str, done: &str) -> anyhow::Result<()> {
    let api = args.admin.open().await?;
    api.act(method, &format!("{}{verb}", path(args.id))).await?;
    api.close().await;
    println(&format!("organisation {} {done}", args.id))
}

fn path(id: u64) -> String {
    format!("/admin/v1/organisations/{id}")
}
