//! `suntap-server reseal`.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::admin::{Actor, Admin};
use suntap_server::http::admin::model::Resealed;
use suntap_server::reseal::Report;

use super::admin::AdminArgs;
use super::println;

/// The time between two lines of progress if there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let report = match args.admin.remote()? {
        Some(api) => api.post("/admin/v1/reseal", &()).await?,
        None => reseal_here(&args).await?,
    };
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

/// Works on a store that this process opens, and shows the progress.
async fn reseal_here(args: &Args) -> anyhow::Result<Resealed> {
    let opened = args.admin.store.open(None).await?;
    opened.print_warnings();
    let admin = Admin::new(&opened.store, &opened.secrets, Actor::command_line());
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
    let report = admin.reseal(progress).await;
    bar.finish_and_clear();
    opened.store.close().await;
    Ok(report?.into())
}
