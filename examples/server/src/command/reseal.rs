//! `suntap-server reseal`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::reseal::{Report, reseal};

use super::println;
use crate::config::StoreArgs;

/// The time between two lines of progress if there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let opened = args.store.open(None).await?;
    opened.print_warnings();
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template("{spinner} {msg}")?);
    let mut printed = Instant::now();
    let progress = |report: &Report| {
        let text = format!("{} examined, {} resealed", report.examined, report.resealed);
        if !bar.is_hidden() {
            bar.set_message(text);
            bar.tick();
        } else if printed.elapsed() >= BETWEEN_LINES {
            printed = Instant::now();
            // A closed output does not stop the work.
            let _ = println(&text);
        }
    };
    let report = reseal(&opened.store, opened.secrets, progress).await;
    bar.finish_and_clear();
    opened.store.close().await;
    let report = report?;
    println(&format!(
        "{} tags and layouts examined, and the keys of {} sealed under the first server secret",
        report.examined, report.resealed
    ))?;
    if report.derived > 0 {
        println(&format!(
            "{} tags have keys that are derived from an eCode: keep the older server secrets while these tags are in use",
            report.derived
        ))?;
    }
    if report.unopened > 0 {
        println(&format!("{} tags have keys that no listed server secret opens:", report.unopened))?;
        for tag in &report.first_unopened {
            println(&format!("  {tag}"))?;
        }
    }
    if report.is_complete {
        println("the other server secrets are no longer needed")?;
    }
    Ok(())
}
