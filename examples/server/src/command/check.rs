//! `suntap-server check`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use suntap_server::check::{Finding, check, check_old_secrets};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Address, Embedded, Store, StoreError};

use super::println;
use crate::config::StoreArgs;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print one JSON object per finding, and no count.
    #[arg(long)]
    json: bool,
    /// Also list what needs a secret that is not the first of `server` or `apiKeys`, or may need one. Without any, the other secrets can be
    /// removed.
    #[arg(long)]
    old_secrets: bool,
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
    let findings = findings(&opened.store, opened.secrets, args.old_secrets).await;
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

async fn findings(
    store: &Store,
    secrets: &'static Secrets,
    old_secrets: bool,
) -> Result<BTreeSet<Finding>, StoreError> {
    let mut findings = check(store, secrets).await?;
    if old_secrets {
        findings.extend(check_old_secrets(store, secrets).await?);
    }
    Ok(findings)
}
