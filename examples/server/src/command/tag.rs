//! `suntap-server tag`.

use std::io::Write as _;

use axum::http::Method;
use clap::Subcommand;
use serde::Deserialize;
use serde_json::Value;
use suntap_server::http::admin::model::{Tag, TagInfo};

use super::admin::{AdminArgs, ListArgs, Output, encoded, print_one, tag_path};
use super::{println, unwritten};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List tags.
    List(List),
    /// Show a tag: its names, its layout, its counter, and whether it is in use. Its keys are never shown.
    Show(Show),
    /// Write organisations, folders, tag groups, batches and tags as lines that `import` reads. The keys of the tags stay sealed: a
    /// store with the same secrets can use them. API keys and tokens are not in it.
    Export(Export),
    /// Take a tag out of use.
    Disable(One),
    /// Take a tag into use again.
    Enable(One),
    /// Remove a tag with all of its names. Its counter stays.
    Delete(One),
}

#[derive(clap::Args)]
pub(crate) struct List {
    /// Only tags whose key starts with this text, such as `xuid/q8` or `number/10`. Without a slash, it is the start of an XUID.
    #[arg(long, default_value = "")]
    prefix: String,
    #[command(flatten)]
    common: ListArgs,
}

#[derive(clap::Args)]
pub(crate) struct Show {
    /// `xuid/XUID` or `number/NUMBER`. Without a slash, it is an XUID.
    pub(crate) tag: String,
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) admin: AdminArgs,
}

#[derive(clap::Args)]
pub(crate) struct One {
    /// `xuid/XUID` or `number/NUMBER`. Without a slash, it is an XUID.
    tag: String,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(clap::Args)]
pub(crate) struct Export {
    /// Only tags whose key starts with this text. All organisations, folders, tag groups and batches are exported in any case.
    #[arg(long, default_value = "")]
    prefix: String,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(args) => {
            let api = args.common.admin.open().await?;
            let target = format!("/admin/v1/tags?prefix={}", encoded(&args.prefix));
            api.print_list::<Tag>(&target, &args.common).await?;
            api.close().await;
            Ok(())
        }
        Command::Show(args) => {
            let api = args.admin.open().await?;
            let tag: TagInfo = api.get(&tag_path(&args.tag)).await?;
            api.close().await;
            print_one(&tag, args.output)
        }
        Command::Export(args) => export(args).await,
        Command::Disable(args) => act(args, Method::POST, "/disable", "is out of use: its taps are refused").await,
        Command::Enable(args) => act(args, Method::POST, "/enable", "is in use").await,
        Command::Delete(args) => {
            act(args, Method::DELETE, "", "is deleted. Its counter stays: imported again, it refuses old taps").await
        }
    }
}

async fn act(args: One, method: Method, verb: &str, done: &str) -> anyhow::Result<()> {
    let api = args.admin.open().await?;
    api.act(method, &format!("{}{verb}", tag_path(&args.tag))).await?;
    api.close().await;
    println(&format!("{} {done}", args.tag))
}

async fn export(args: Export) -> anyhow::Result<()> {
    let api = args.admin.open().await?;
    let target = format!("/admin/v1/export?prefix={}", encoded(&args.prefix));
    let mut output = std::io::BufWriter::new(std::io::stdout());
    let mut unknown = Unknown::default();
    let exported = api.download(&target, async |lines| {
        unknown.add(lines);
        output.write_all(lines)
    });
    exported.await?;
    output.flush().map_err(unwritten)?;
    unknown.print();
    api.close().await;
    Ok(())
}

/// Counts tags whose counter id only a tap can open, so that their counters are not in an export.
#[derive(Default)]
struct Unknown {
    /// The start of a line whose end has not arrived yet.
    rest: Vec<u8>,
    count: u64,
}

#[derive(Deserialize)]
struct Line {
    tag: Option<LineTag>,
}

#[derive(Deserialize)]
struct LineTag {
    keys: Option<Value>,
}

impl Unknown {
    fn add(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend(part);
            if part.ends_with(b"\n") {
                let line = serde_json::from_slice::<Line>(&self.rest).ok();
                let keys = line.and_then(|line| line.tag?.keys);
                let has_code = |keys: &Value| {
                    keys.get("sealed").is_some_and(|sealed| sealed.get("counterId").is_none())
                        || keys.get("derived").is_some_and(|derived| derived.get("eCode").is_some())
                };
                self.count = self.count.saturating_add(u64::from(keys.as_ref().is_some_and(has_code)));
                self.rest.clear();
            }
        }
    }

    fn print(&self) {
        if self.count > 0 {
            // Standard error may be closed.
            let _ = writeln!(
                std::io::stderr(),
                "warning: the counters of {} tags are not in the export, because only an eCode opens their keys: another store \
                 accepts their old taps. Use a backup for them",
                self.count
            );
        }
    }
}
