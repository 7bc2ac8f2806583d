//! `suntap-server check`.

use std::process::ExitCode;

use suntap_server::http::admin::model::Checked;

use super::admin::AdminArgs;
use super::println;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object per finding, and no count.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let api = args.admin.open().await?;
    let checked = api.get("/admin/v1/check").await;
    api.close().await;
    let Checked { findings } = checked?;
    for finding in &findings {
        println(&if args.json {
            serde_json::to_string(finding)?
        } else {
            format!("{}: {}", finding.key, finding.reason)
        })?;
    }
    if !args.json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
