//! `suntap-server webhook`.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use suntap_server::ops::webhooks::{self, Endpoint, send_test};

use super::println;
use crate::config::FileArgs;

/// The endpoints in the configuration file, by name.
pub(crate) type Webhooks = BTreeMap<String, webhooks::Settings>;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Post a signed event of the type `webhook.test` to an endpoint, and print its answer. The exit code is 1 unless the status is 2xx.
    Test(Test),
}

#[derive(clap::Args)]
pub(crate) struct Test {
    /// The name of the endpoint: `shop` for the section `[webhooks.shop]`.
    name: String,
    #[command(flatten)]
    file: FileArgs,
}

pub(crate) async fn run(command: Command, mut webhooks: Webhooks) -> anyhow::Result<()> {
    let Command::Test(Test { name, file }) = command;
    if file.config.is_none() {
        bail!("give the configuration file with --config");
    }
    let names = || webhooks.keys().cloned().collect::<Vec<_>>().join(", ");
    let unknown = format!("the configuration file has no [webhooks.{name}], only: {}", names());
    let (endpoint, warnings) = Endpoint::open(&name, webhooks.remove(&name).context(unknown)?)?;
    println(&endpoint.to_string())?;
    for warning in warnings {
        println(&format!("warning: {warning}"))?;
    }
    let (status, body) = send_test(&endpoint).await?;
    println(&format!("{status} {body}"))?;
    if status.is_success() { Ok(()) } else { bail!("the endpoint did not accept the event") }
}

/// Checks all endpoints, and reads their secrets. Returns warnings, too.
pub(crate) fn open(webhooks: Webhooks) -> anyhow::Result<(Vec<Endpoint>, Vec<String>)> {
    let (mut endpoints, mut warnings) = (Vec::new(), Vec::new());
    for (name, settings) in webhooks {
        let (endpoint, more) = Endpoint::open(&name, settings)?;
        endpoints.push(endpoint);
        warnings.extend(more);
    }
    Ok((endpoints, warnings))
}
