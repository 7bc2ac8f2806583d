//! `suntap-server import`.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::admin::{Actor, Admin};
use suntap_server::http::admin::MAX_IMPORT;
use suntap_server::http::admin::model::Imported;
use suntap_server::import::Allowed;
use suntap_server::registry::index::MAX_META_KEYS;

use super::admin::AdminArgs;
use super::println;
use crate::config::count;

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag")]
pub(crate) struct Args {
    /// The file, or `-` for standard input.
    path: PathBuf,
    /// Accept API keys and tokens of fewer than 12 characters, although they can be guessed.
    #[arg(long)]
    allow_short_keys: bool,
    /// Accept authentication tags without rules, although genuine and forged taps get the same answer.
    #[arg(long)]
    allow_no_rules: bool,
    /// Accept the factory key (16 zero bytes), with which everybody can make taps that pass.
    #[arg(long)]
    allow_factory_keys: bool,
    /// Read each line as the whole object, and remove the stored fields that it does not name. Without this flag, a line changes
    /// only the fields that it names, and `null` removes a field.
    #[arg(long)]
    replace: bool,
    /// Maximum number of layouts whose URLs have the same path and parameters, and of the different meta-read keys of their tags
    /// that the URL does not name. For each tap with this path, the page tries all of them.
    #[arg(long, env = "SUNTAP_MAX_META_KEYS", default_value_t = MAX_META_KEYS, value_parser = count(10_000))]
    max_meta_keys: usize,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut text = String::new();
    if args.path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
    } else {
        let mut file = std::fs::File::open(&args.path).with_context(|| args.path.display().to_string())?;
        file.read_to_string(&mut text).with_context(|| args.path.display().to_string())?;
    }
    let report = match args.admin.remote()? {
        Some(_) if text.len() > MAX_IMPORT => bail!(
            "a running server imports at most {} MiB at once: split the file, levels first",
            MAX_IMPORT / 1024 / 1024
        ),
        Some(api) => api.post_lines(&args.target(), text).await?,
        None => import(&args, &text).await?,
    };
    print(&report)
}

/// Imports into a store that this process opens, and creates it if there is none.
async fn import(args: &Args, text: &str) -> anyhow::Result<Imported> {
    let opened = args.admin.store.create().await?;
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
    let admin = Admin::new(&opened.store, opened.secrets, Actor::command_line());
    let report = admin.import(text, allowed, |done| bar.set_position(done)).await;
    bar.finish_and_clear();
    opened.store.close().await;
    Ok(report?.into())
}

impl Args {
    /// Returns the request to a running server.
    fn target(&self) -> String {
        format!(
            "/admin/v1/import?allowShortKeys={}&allowNoRules={}&allowFactoryKeys={}&replace={}&maxMetaKeys={}",
            self.allow_short_keys, self.allow_no_rules, self.allow_factory_keys, self.replace, self.max_meta_keys
        )
    }
}

fn print(report: &Imported) -> anyhow::Result<()> {
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
