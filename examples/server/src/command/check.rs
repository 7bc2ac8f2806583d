//! `suntap-server check`.

use std::process::ExitCode;

use suntap_server::check::check;
use suntap_server::store::Address;

use super::println;
use crate::config::Check;

pub(crate) async fn run(args: Check) -> anyhow::Result<ExitCode> {
    // Opening makes a new data file, which a mistyped path should not.
    if let Address::Embedded(path) = args.store.address()?
        && !path.exists()
    {
        anyhow::bail!("there is no data file {}", path.display());
    }
    let (store, secrets) = args.store.open(None).await?;
    let findings = check(&store, secrets).await;
    store.close().await;
    let findings = findings?;
    for finding in &findings {
        println(&if args.json { serde_json::to_string(finding)? } else { finding.to_string() })?;
    }
    if !args.json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
