//! `suntap-server import`.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::PathBuf;

use anyhow::{Context as _, anyhow, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use suntap_server::admin::{Actor, Admin, AdminError};
use suntap_server::http::admin::MAX_IMPORT;
use suntap_server::http::admin::model::Imported;
use suntap_server::import::from::{self, Converted, Target, convert};
use suntap_server::import::{Allowed, Counters, ImportError, Input, Preview, Roots, dry_run};
use suntap_server::registry::index::MAX_META_KEYS;
use suntap_server::secrets::{Secrets, private_file};
use suntap_server::store::{Address, Pace};
use suntap_server::text::{counted, visible};

use super::admin::{AdminArgs, Api, InvalidLines};
use super::moving::MovingArgs;
use super::println;
use crate::config::{Opened, count};

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
    /// The root keys that may have signed the certificates in lines, in place of NXP's "NXP Auth RootCAvE201". Each key has 66 or
    /// 130 hex digits, with commas between the keys.
    #[arg(long, env = "SUNTAP_CERTIFICATE_ROOTS", value_name = "HEX")]
    certificate_roots: Option<Roots>,
    #[command(flatten)]
    moving: Box<MovingArgs>,
    #[command(flatten)]
    admin: AdminArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    if args.moving.convert {
        return print_converted(&args).await;
    }
    // A missing file does not create a store.
    let source = Source::open(&args)?;
    if let Some(api) = args.admin.remote()? {
        return import_at(&args, source, &api).await;
    }
    let store = &args.admin.store;
    let new = match store.address()? {
        Address::Embedded(path) if !args.dry_run && path.symlink_metadata().is_err() => Some(path),
        _ => None,
    };
    // A dry run without a store uses an empty one.
    let opened = if args.dry_run { store.open_or_scratch().await? } else { store.create().await? };
    opened.print_warnings();
    let done = import_into(&args, source, &opened).await;
    let is_empty = done.is_err() && opened.store.page("", None, 1).await.is_ok_and(|page| page.documents.is_empty());
    opened.store.close().await;
    if let Some(path) = new.filter(|_| is_empty) {
        // A store without anything in it would look like the result of an import.
        let _ = std::fs::remove_file(path);
    }
    done
}

async fn import_into(args: &Args, source: Source, opened: &Opened) -> anyhow::Result<()> {
    let (lines, converted) = lines(source, Some(&opened.secrets)).await?;
    print_notes(converted.as_ref())?;
    let mut input = lines.input()?;
    // Draws nothing if there is no terminal.
    let bar = match input.length() {
        Some(length) => ProgressBar::new(length).with_style(style("{wide_bar} {bytes} of {total_bytes}, {eta}")?),
        None => ProgressBar::no_length().with_style(style("{spinner} {bytes}")?),
    };
    let allowed = Allowed {
        meta_keys: args.max_meta_keys,
        short_keys: args.allow_short_keys,
        no_rules: args.allow_no_rules,
        factory_keys: args.allow_factory_keys,
        replace: args.replace,
        roots: args.certificate_roots.clone().unwrap_or_default(),
    };
    let done = |done| bar.set_position(done);
    let located = |error: ImportError| match &converted {
        Some(converted) => anyhow::Error::from_boxed(converted.located(error)),
        None => error.into(),
    };
    if !args.dry_run {
        let admin = Admin::new(&opened.store, &opened.secrets, Actor::command_line());
        let report = admin.import(&mut input, allowed, Pace::Alone, done).await;
        bar.finish_and_clear();
        return print(
            &report
                .map_err(|error| match error {
                    AdminError::Import(error) => located(error),
                    error => error.into(),
                })?
                .into(),
        );
    }
    let preview = dry_run(&opened.store, &opened.secrets, &mut input, allowed, done).await;
    bar.finish_and_clear();
    print_preview(preview.map_err(located)?)
}

fn style(template: &str) -> anyhow::Result<ProgressStyle> {
    Ok(ProgressStyle::with_template(template)?)
}

fn print_preview(preview: Preview) -> anyhow::Result<()> {
    let Preview { report, kinds, counters } = preview;
    let (tags, others) = (counted(report.tags, "tag"), counted(report.others, "other line"));
    println(&format!("dry run: {tags} and {others} are valid"))?;
    for (kind, counts) in &kinds {
        println(&format!("  {kind}: {} new, {} changed, {} unchanged", counts.new, counts.changed, counts.unchanged))?;
    }
    let Counters { new, raised, kept } = counters;
    println(&format!("  counters: {new} new, {raised} raised, {kept} stay because the stored ones are not lower"))?;
    print_findings(&report.into())?;
    println("nothing was imported")
}

/// Imports into a running server.
async fn import_at(args: &Args, source: Source, api: &Api) -> anyhow::Result<()> {
    ensure!(!args.dry_run, "--dry-run opens the store itself: stop the server of a data file, and leave out --admin");
    let secrets = if args.moving.needs_secrets() { Some(args.admin.store.secrets()?.0) } else { None };
    let (lines, converted) = lines(source, secrets.as_ref()).await?;
    print_notes(converted.as_ref())?;
    if args.moving.has_master_key() {
        println(
            "note: the master key of the configuration was not compared with the one in the secrets of the server. If they differ, no \
             tap passes",
        )?;
    }
    let most = u64::try_from(MAX_IMPORT)?;
    let mut text = Vec::new();
    // One byte more shows that there are too many.
    lines.reader().take(most.saturating_add(1)).read_to_end(&mut text)?;
    ensure!(
        text.len() <= MAX_IMPORT,
        "a running server imports at most {} MiB at once: split the file, levels first",
        MAX_IMPORT / 1024 / 1024
    );
    let text = String::from_utf8(text).context("the lines must be UTF-8")?;
    print(&api.post_lines(&args.target(), text).await.map_err(|error| located(error, converted.as_ref()))?)
}

/// Replaces the numbers of converted lines by places in the source.
fn located(error: anyhow::Error, converted: Option<&Converted>) -> anyhow::Error {
    match (error.downcast::<InvalidLines>(), converted) {
        (Ok(invalid), Some(converted)) => {
            let listed = invalid.lines.iter().map(|line| format!("{}: {}\n", converted.origin(line.line), line.reason));
            anyhow!("{}{}", listed.collect::<String>(), invalid.message)
        }
        (Ok(invalid), None) => invalid.into(),
        (Err(error), _) => error,
    }
}

impl Args {
    /// Returns the request to a running server.
    fn target(&self) -> String {
        let roots = self.certificate_roots.as_ref().map(|roots| format!("&certificateRoots={roots}"));
        format!(
            "/admin/v1/import?allowShortKeys={}&allowNoRules={}&allowFactoryKeys={}&replace={}&maxMetaKeys={}{}",
            self.allow_short_keys,
            self.allow_no_rules,
            self.allow_factory_keys,
            self.replace,
            self.max_meta_keys,
            roots.unwrap_or_default()
        )
    }
}

fn print(report: &Imported) -> anyhow::Result<()> {
    let (tags, others) = (counted(report.tags, "tag"), counted(report.others, "other line"));
    println(&format!("{tags} imported, and {others}"))?;
    print_findings(report)
}

fn print_findings(report: &Imported) -> anyhow::Result<()> {
    for warning in &report.warnings {
        println(&visible(&format!("warning: {warning}")))?;
    }
    if report.waiting > 0 {
        let (have, their) = if report.waiting == 1 { ("has", "its") } else { ("have", "their") };
        println(&format!(
            "{} of the tags {have} no keys or no layout yet, and none of {their} taps passes:",
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
    let secrets = if args.moving.needs_secrets() { Some(args.admin.store.secrets()?.0) } else { None };
    let converted = if let Some(path) = &args.moving.output {
        let file = private_file(path)?;
        let mut out = io::BufWriter::new(&file);
        let converted = converted(args, secrets.as_ref(), &mut out).await;
        drop(out);
        if converted.is_err() {
            // The file is new, and its lines are not complete.
            let _ = std::fs::remove_file(path);
        }
        file.sync_all()?;
        converted?
    } else {
        converted(args, secrets.as_ref(), &mut io::BufWriter::new(io::stdout())).await?
    };
    for note in &converted.notes {
        // Standard error may be closed.
        let _ = writeln!(io::stderr(), "note: {}", visible(note));
    }
    Ok(())
}

async fn converted(args: &Args, secrets: Option<&Secrets>, out: &mut dyn Write) -> anyhow::Result<Converted> {
    match Source::open(args)? {
        Source::Other(source, target) => Ok(convert(*source, &target, secrets, out).await?),
        Source::Lines(_) => bail!("--from is missing"),
    }
}

/// Returns the lines, converted if they come from another service.
async fn lines(source: Source, secrets: Option<&Secrets>) -> anyhow::Result<(Lines, Option<Converted>)> {
    match source {
        Source::Lines(lines) => Ok((lines, None)),
        Source::Other(source, target) => {
            let mut text = Vec::new();
            let converted = convert(*source, &target, secrets, &mut text).await?;
            Ok((Lines::Text(text), Some(converted)))
        }
    }
}

fn print_notes(converted: Option<&Converted>) -> anyhow::Result<()> {
    for note in converted.iter().flat_map(|converted| &converted.notes) {
        println(&visible(&format!("note: {note}")))?;
    }
    Ok(())
}

/// What is imported.
enum Source {
    Lines(Lines),
    Other(Box<from::Source>, Target),
}

/// Where lines are read.
enum Lines {
    File(File),
    Stdin,
    Text(Vec<u8>),
}

impl Source {
    /// Opens a file with lines, or the source of a conversion.
    fn open(args: &Args) -> anyhow::Result<Self> {
        if let Some(kind) = args.moving.from {
            return Ok(Self::Other(Box::new(args.moving.source(kind, &args.path)?), args.moving.target()?));
        }
        if args.path.as_os_str() == "-" {
            return Ok(Self::Lines(Lines::Stdin));
        }
        let file = File::open(&args.path).with_context(|| args.path.display().to_string())?;
        Ok(Self::Lines(Lines::File(file)))
    }
}

impl Lines {
    fn input(&self) -> anyhow::Result<Input<'_>> {
        Ok(match self {
            Self::File(file) => Input::file(file.try_clone()?),
            Self::Stdin => Input::stream(io::stdin()),
            Self::Text(text) => Input::text(text),
        })
    }

    fn reader(&self) -> Box<dyn io::Read + '_> {
        match self {
            Self::File(file) => Box::new(file),
            Self::Stdin => Box::new(io::stdin()),
            Self::Text(text) => Box::new(&**text),
        }
    }
}
