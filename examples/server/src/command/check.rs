//! `suntap-server check`.

use std::collections::BTreeSet;
use std::process::ExitCode;

use suntap_server::check::{Finding, check, check_old_secrets};
use suntap_server::http::admin::model::{self, Checked};
use suntap_server::secrets::Secrets;
use suntap_server::store::{Address, Embedded, Store, StoreError};

use super::admin::AdminArgs;
use super::println;

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
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if let Some(api) = args.admin.remote()? {
        anyhow::ensure!(
            !args.old_secrets,
            "--old-secrets opens the store itself: stop the server of a data file, and leave out --admin"
        );
        let Checked { findings } = api.get("/admin/v1/check").await?;
        return print(&findings, args.json);
    }
    let store = &args.admin.store;
    if let Address::Embedded(path) = store.address()? {
        Embedded::check_integrity(&path, store.options(None))?;
    }
    let opened = store.open(None).await?;
    opened.print_warnings();
    let findings = findings(&opened.store, &opened.secrets, args.old_secrets).await;
    opened.store.close().await;
    print(&findings?.into_iter().map(Into::into).collect::<Vec<_>>(), args.json)
}

fn print(findings: &[model::Finding], is_json: bool) -> anyhow::Result<ExitCode> {
    for finding in findings {
        println(&if is_json {
            serde_json::to_string(finding)?
        } else {
            format!("{}: {}", finding.key, finding.reason)
        })?;
    }
    if !is_json {
        println(&format!("{} finding{}", findings.len(), if findings.len() == 1 { "" } else { "s" }))?;
    }
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn findings(store: &Store, secrets: &Secrets, old_secrets: bool) -> Result<BTreeSet<Finding>, StoreError> {
    let mut findings = check(store, secrets).await?;
    if old_secrets {
        findings.extend(check_old_secrets(store, secrets).await?);
    }
    Ok(findings)
}
