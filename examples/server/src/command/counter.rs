//! `suntap-server counter`.

use clap::Subcommand;
use suntap_server::http::admin::model::{Counter, Raise, Raised};

use super::admin::{AdminArgs, Output, print_one, tag_path};
use super::println;
use super::tag::Show;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show the counter id of a tag, and the last accepted counter.
    Show(Show),
    /// Raise the counter of a tag: taps up to it are refused from then on, also genuine ones. A counter is never lowered.
    Raise(RaiseArgs),
}

#[derive(clap::Args)]
pub(crate) struct RaiseArgs {
    /// `xuid/XUID` or `number/NUMBER`. Without a slash, it is an XUID.
    tag: String,
    /// The greatest counter that is refused, 1 to 16777215.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=0xFF_FFFF))]
    to: u32,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Show(args) => {
            let api = args.admin.open().await?;
            let counter: Counter = api.get(&format!("{}/counter", tag_path(&args.tag))).await?;
            api.close().await;
            print_one(&counter, args.output)
        }
        Command::Raise(args) => {
            let api = args.admin.open().await?;
            let target = format!("{}/counter/raise", tag_path(&args.tag));
            let raised: Raised = api.post(&target, &Raise { ctr: args.to }).await?;
            api.close().await;
            if args.output.json { print_one(&raised, args.output) } else { println(&raised.message) }
        }
    }
}
