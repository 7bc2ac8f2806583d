//! `suntap-server import`.

use std::io::Read as _;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::import::{Allowed, import};

use super::println;
use crate::config::Import;

pub(crate) async fn run(args: Import) -> anyhow::Result<()> {
    let mut text = String::new();
    if args.path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
    } else {
        let mut file = std::fs::File::open(&args.path).with_context(|| args.path.display().to_string())?;
        file.read_to_string(&mut text).with_context(|| args.path.display().to_string())?;
    }
    let opened = args.store.create().await?;
    opened.print_warnings();
    // Draws nothing if there is no terminal.
    let bar = ProgressBar::new(u64::try_from(text.len()).unwrap_or_default());
    bar.set_style(ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta}")?);
    let allowed = Allowed {
        meta_keys: args.max_meta_keys,
        short_keys: args.allow_short_keys,
        no_rules: args.allow_no_rules,
        factory_keys: args.allow_factory_keys,
        replace: args.replace,
    };
    let report = import(&opened.store, opened.secrets, &text, allowed, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    opened.store.close().await;
    let report = report?;
    println(&format!("{} tags imported, and {} other lines", report.tags, report.others))?;
    for warning in &report.warnings {
        println(&format!("warning: {warning}"))?;
    }
    if report.waiting > 0 {
        println(&format!(
            "{} of the tags have no keys or no layout yet, and none of their taps passes:",
            report.waiting
        ))?;
        for tag in &report.first_waiting {
            println(&format!("  {tag}"))?;
        }
    }
    Ok(())
}
