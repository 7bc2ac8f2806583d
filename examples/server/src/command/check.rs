//! `suntap-server check`.

use std::process::ExitCode;

use suntap_server::check::check;
use suntap_server::store::{Address, Embedded};

use super::println;
use crate::config::StoreArgs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object per finding, and no count.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut repaired = None;
    if let Address::Embedded(path) = args.store.address()?
        && !Embedded::check_integrity(&path, args.store.options(None))?
    {
        repaired = Some("the record of free space in the data file was wrong, and has been corrected".into());
    }
    let mut opened = args.store.open(None).await?;
    opened.warnings.extend(repaired);
    opened.print_warnings();
    let findings = check(&opened.store, opened.secrets).await;
    opened.store.close().await;
    let findings = findings?;
    for finding in &findings {
        println(&if args.json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    if !args.json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
