//! `suntap-server folder`, `suntap-server group` and `suntap-server batch`.

use anyhow::ensure;
use axum::http::Method;
use clap::Subcommand;
use suntap_server::http::admin::model::{Kind, Level};

use super::admin::{AdminArgs, ListArgs, Output, encoded, print_one};
use super::println;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List them.
    List(List),
    /// Show one.
    Show(Show),
    /// Take one out of use with all of its tags.
    Disable(One),
    /// Take one into use again.
    Enable(One),
    /// Remove one that has no tags and no levels.
    Delete(One),
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Only those of the organisation with this number.
    #[arg(long)]
    organisation: Option<u64>,
    /// Only those whose path starts with this text.
    #[arg(long, default_value = "", requires = "organisation")]
    prefix: String,
    #[command(flatten)]
    common: ListArgs,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
pub(crate) struct One {
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
pub(crate) struct Name {
    /// The number of its organisation.
    #[arg(long)]
    organisation: u64,
    /// Its path: `Folder`, `Folder/TagGroup` or `Folder/TagGroup/Batch`.
    path: String,
}

pub(crate) async fn run(kind: Kind, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => {
            let api = args.common.admin.open().await?;
            let mut target = format!("/admin/v1/levels?kind={}&prefix={}", word(kind), encoded(&args.prefix));
            if let Some(organisation) = args.organisation {
                target = format!("{target}&organisation={organisation}");
            }
            api.print_list::<Level>(&target, &args.common).await?;
            api.close().await;
            Ok(())
        }
        Command::Show(args) => {
            let path = args.name.target(kind)?;
            let api = args.admin.open().await?;
            let level: Level = api.get(&path).await?;
            api.close().await;
            print_one(&level, args.output)
        }
        Command::Disable(args) => {
            act(kind, args, Method::POST, "/disable", "is out of use: taps of its tags are refused").await
        }
        Command::Enable(args) => act(kind, args, Method::POST, "/enable", "is in use").await,
        Command::Delete(args) => act(kind, args, Method::DELETE, "", "is deleted").await,
    }
}

async fn act(kind: Kind, args: One, method: Method, verb: &str, done: &str) -> anyhow::Result<()> {
    let target = args.name.target(kind)?;
    let api = args.admin.open().await?;
    api.act(method, &format!("{target}{verb}")).await?;
    api.close().await;
    println(&format!("{} {done}", args.name.path))
}

impl Name {
    fn target(&self, kind: Kind) -> anyhow::Result<String> {
        let (names, form) = match kind {
            Kind::Folder => (1, "Folder"),
            Kind::TagGroup => (2, "Folder/TagGroup"),
            Kind::Batch => (3, "Folder/TagGroup/Batch"),
        };
        ensure!(self.path.split('/').count() == names, "the path must be like {form}");
        Ok(format!("/admin/v1/levels/{}/{}", self.organisation, encoded(&self.path)))
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Folder => "folder",
        Kind::TagGroup => "tagGroup",
        Kind::Batch => "batch",
    }
}
