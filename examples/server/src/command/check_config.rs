//! `suntap-server serve --check-config`.

use suntap_server::store::Address;

use super::println;
use super::serve::{Args, addresses};
use super::webhook::{self, Webhooks};
use crate::config::load::Effective;

/// Reads everything that `serve` needs before it opens a store, and prints the options in effect. Changes nothing.
pub(crate) async fn run(args: &Args, effective: &[Effective], webhooks: Webhooks) -> anyhow::Result<()> {
    let store = args.store.address()?;
    args.check()?;
    let admin = args.admin_listen.as_ref().filter(|address| !address.starts_with("unix:"));
    let listeners =
        [("--listen", Some(&args.listen)), ("--ops-listen", args.ops_listen.as_ref()), ("--admin-listen", admin)];
    for (flag, address) in listeners {
        if let Some(address) = address {
            addresses(flag, address).await?;
        }
    }
    args.brand.brand()?;
    let tls = args.tls.read()?;
    let (endpoints, warnings) = webhook::open(webhooks)?;
    args.check_webhooks(&endpoints)?;
    for option in effective {
        let value = match &option.value {
            Some(value) => value.clone(),
            None if option.name == "store" => match &store {
                Address::Embedded(path) => path.display().to_string(),
                database => format!("{database} (URL not shown)"),
            },
            None if option.is_hidden => "(not shown)".into(),
            None => "-".into(),
        };
        println(&format!("{:<24} {value:<32} {}", option.name, option.origin))?;
    }
    for endpoint in &endpoints {
        println(&endpoint.to_string())?;
    }
    for warning in &warnings {
        println(&format!("warning: {warning}"))?;
    }
    if !args.demo {
        let source = args.store.secrets.source()?;
        let (secrets, warning) = source.read()?;
        println(&format!("{source}: {}", secrets.summary()))?;
        for warning in warning.into_iter().chain(args.store.file_warning()) {
            println(&format!("warning: {warning}"))?;
        }
    }
    for warning in tls.warnings() {
        println(&format!("warning: {warning}"))?;
    }
    println("the configuration is valid")
}
