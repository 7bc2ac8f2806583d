//! `suntap verify`: decides whether taps are genuine and new.

mod args;
mod batch;
mod cache;
mod check;
mod line;
mod scheme;

use std::io::Write;

use suntap::SdmLayout;

use crate::Outcome;
use crate::style::{BAD, GOOD};
use crate::text::pasted;

pub(crate) use args::Args;
use check::{Answer, Check, Counters};

pub(crate) fn run(args: &Args, out: &mut impl Write) -> Outcome {
    if let Some(input) = &args.batch {
        return batch::run(input, args.threads);
    }
    // clap requires a template if there is no batch.
    let template = args.template.as_deref().unwrap_or_default();
    let layout =
        SdmLayout::new(args.mode.scheme(), pasted(template)).map_err(|error| format!("--template: {error}"))?;
    let check = Check { keys: args.keys(&layout)?, layout: layout.into() };
    let mut counters = Counters::default();
    let mut all_good = true;
    for url in &args.urls {
        let answer = check.check(pasted(url))?.commit(&mut counters);
        all_good &= answer.verdict.is_good();
        if args.json {
            writeln!(out, "{}", answer.to_json())?;
        } else {
            print(&answer, out)?;
        }
    }
    Ok(all_good)
}

/// Prints an answer in one line.
fn print(answer: &Answer, out: &mut impl Write) -> std::io::Result<()> {
    let style = if answer.verdict.is_good() { GOOD } else { BAD };
    write!(out, "{style}{}{style:#}", answer.verdict.name())?;
    let content = &answer.content;
    if let Some(uid) = content.uid {
        write!(out, "  uid {uid}")?;
    }
    if let Some(ctr) = content.ctr {
        write!(out, "  ctr {ctr}")?;
    }
    if let Some(tt) = content.tt {
        let unauthenticated = if tt.is_authenticated() { "" } else { ", not authenticated" };
        write!(out, "  tamper {tt} ({:?}{unauthenticated})", tt.state())?;
    }
    if let Some(data) = &content.file_data {
        write!(out, "  file data \"{}\"", data.escape_ascii())?;
    }
    match &answer.reason {
        Some(reason) => writeln!(out, "  ({reason})"),
        None => writeln!(out),
    }
}
