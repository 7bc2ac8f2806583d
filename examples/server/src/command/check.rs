//! `suntap-server check`.

use std::process::ExitCode;

use suntap_server::check::{Finding, check};
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
    let address = args.store.address()?;
    let is_sound = match &address {
        Address::Embedded(path) => Embedded::check_integrity(path, args.store.options(None))?,
        Address::Postgres(_) | Address::Redis(_) => true,
    };
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let findings = check(&opened.store, opened.secrets).await;
    opened.store.close().await;
    let mut findings = findings?;
    if !is_sound {
        let reason = "the file was damaged and has been repaired: changes may be lost".into();
        findings.insert(Finding { key: address.to_string(), reason });
    }
    for finding in &findings {
        println(&if args.json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    if !args.json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
