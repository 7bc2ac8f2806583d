//! `suntap-server import`.

use std::io::{self, Read as _, Write};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::import::from::{Converted, Source, Target, convert};
use suntap_server::import::{Allowed, ImportError, Report, dry_run, import};
use suntap_server::registry::index::MAX_META_KEYS;
use suntap_server::secrets::{Secrets, private_file};

use super::moving::MovingArgs;
use super::println;
use super::serve::DemoFile;
use crate::config::{Opened, StoreArgs, count};

#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools, reason = "each of them is a flag")]
pub(crate) struct Args {
    /// The file, or `-` for standard input.
    path: PathBuf,
    /// Check every line against the store, print what the import would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
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
    moving: Box<MovingArgs>,
    #[command(flatten)]
    store: StoreArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if args.moving.convert {
        return print_converted(&args).await;
    }
    // A missing file does not create a store.
    let input = Input::open(&args)?;
    // A dry run without a store uses an empty one, which is removed at the end.
    let scratch = args.dry_run.then(|| DemoFile::new("dry-run")).transpose()?;
    let opened = match &scratch {
        Some(scratch) => args.store.open_or_scratch(&scratch.address()).await?,
        None => args.store.create().await?,
    };
    opened.print_warnings();
    let done = import_into(&args, input, &opened).await;
    opened.store.close().await;
    done
}

async fn import_into(args: &Args, input: Input, opened: &Opened) -> anyhow::Result<()> {
    let (text, converted) = match input {
        Input::Lines(text) => (text, None),
        Input::Source(source, target) => {
            let mut text = Vec::new();
            let converted = convert(*source, &target, Some(opened.secrets), &mut text).await?;
            (text, Some(converted))
        }
    };
    let text = String::from_utf8(text).context("the lines must be UTF-8")?;
    for note in converted.iter().flat_map(|converted| &converted.notes) {
        println(&format!("note: {note}"))?;
    }
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
    let done = |done| bar.set_position(done);
    let located = |error: ImportError| match &converted {
        Some(converted) => anyhow::Error::from_boxed(converted.located(error)),
        None => error.into(),
    };
    if !args.dry_run {
        let report = import(&opened.store, opened.secrets, &text, allowed, done).await;
        bar.finish_and_clear();
        let report = report.map_err(located)?;
        println(&format!("{} tags imported, and {} other lines", report.tags, report.others))?;
        return print_findings(&report);
    }
    let preview = dry_run(&opened.store, opened.secrets, &text, allowed, done).await;
    bar.finish_and_clear();
    let preview = preview.map_err(located)?;
    println(&format!("dry run: {} tags and {} other lines are valid", preview.report.tags, preview.report.others))?;
    for (kind, counts) in &preview.kinds {
        println(&format!("  {kind}: {} new, {} changed, {} unchanged", counts.new, counts.changed, counts.unchanged))?;
    }
    println(&format!("  counters: {}, none of which lowers a stored one", preview.counters))?;
    print_findings(&preview.report)?;
    println("nothing was imported")
}

fn print_findings(report: &Report) -> anyhow::Result<()> {
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

/// Prints the converted lines, or writes them to a file.
async fn print_converted(args: &Args) -> anyhow::Result<()> {
    let secrets = if args.moving.needs_secrets() { Some(args.store.secrets()?.0) } else { None };
    let converted = if let Some(path) = &args.moving.output {
        let file = private_file(path)?;
        let mut out = io::BufWriter::new(&file);
        let converted = converted(args, secrets, &mut out).await;
        drop(out);
        if converted.is_err() {
            // The file is new, and its lines are not complete.
            let _ = std::fs::remove_file(path);
        }
        file.sync_all()?;
        converted?
    } else {
        converted(args, secrets, &mut io::BufWriter::new(io::stdout())).await?
    };
    for note in &converted.notes {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "note: {note}");
    }
    Ok(())
}

async fn converted(args: &Args, secrets: Option<&Secrets>, out: &mut dyn Write) -> anyhow::Result<Converted> {
    match Input::open(args)? {
        Input::Source(source, target) => Ok(convert(*source, &target, secrets, out).await?),
        Input::Lines(_) => bail!("--from is missing"),
    }
}

/// What is imported.
enum Input {
    Lines(Vec<u8>),
    Source(Box<Source>, Target),
}

impl Input {
    /// Reads lines, or opens the source of a conversion.
    fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(kind) = args.moving.from {
            return Ok(Self::Source(Box::new(args.moving.source(kind, &args.path)?), args.moving.target()?));
        }
        let mut text = Vec::new();
        if args.path.as_os_str() == "-" {
            io::stdin().read_to_end(&mut text).context("standard input")?;
        } else {
            let name = || args.path.display().to_string();
            std::fs::File::open(&args.path).with_context(name)?.read_to_end(&mut text).with_context(name)?;
        }
        Ok(Self::Lines(text))
    }
}
