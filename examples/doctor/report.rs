//! A diagnosis for people, and for programs.

use std::io::{self, Write};

use serde_json::{Value, json};
use suntap::diagnose::{Case, Diagnosis, Verdict};
use suntap::{Scheme, SdmLayout};

/// Colours, on a terminal.
pub(crate) struct Style {
    coloured: bool,
}

impl Style {
    pub(crate) fn new(coloured: bool) -> Self {
        Self { coloured }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.coloured { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    pub(crate) fn good(&self, text: &str) -> String {
        self.paint("1;32", text)
    }

    pub(crate) fn bad(&self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub(crate) fn mild(&self, text: &str) -> String {
        self.paint("1;33", text)
    }
}

pub(crate) fn text(case: &Case<'_>, diagnosis: &Diagnosis<'_>, out: &mut impl Write, style: &Style) -> io::Result<()> {
    writeln!(out, "{}\n", case.url)?;
    let verdict = match diagnosis.verdict {
        Verdict::Healthy => style.good("Healthy: the tap verifies."),
        Verdict::Explained => style.bad("It is known how this tap was made, and something is not as it should be."),
        Verdict::Unexplained => style.bad("Nothing that was tried makes this tap."),
    };
    writeln!(out, "{verdict}")?;
    for finding in diagnosis.findings() {
        let code = if finding.is_fault() { style.bad(finding.code()) } else { style.mild(finding.code()) };
        writeln!(out, "\n  {code}")?;
        for line in wrapped(&finding.to_string(), 96) {
            writeln!(out, "    {line}")?;
        }
    }
    if let Some(works) = &diagnosis.works {
        writeln!(out, "\nHow it was made:")?;
        let layout = works.layout.as_ref().map_or("no chip writes it like this", |layout| layout.template());
        writeln!(out, "  layout    {layout}")?;
        writeln!(out, "  mode      {}", mode(works.scheme))?;
        if let Some((_, source)) = &works.meta {
            writeln!(out, "  meta key  {source}")?;
        }
        writeln!(out, "  file key  {}", works.file.1)?;
        writeln!(out, "  UID       {}", works.uid.map_or("not mirrored".into(), |uid| uid.to_string()))?;
        writeln!(out, "  counter   {}", works.ctr.map_or("not mirrored".into(), |ctr| ctr.to_string()))?;
    }
    if !diagnosis.complete {
        writeln!(
            out,
            "\nThe search ended after the work of {} MACs: with fewer keys it comes further.",
            diagnosis.tried
        )?;
    }
    Ok(())
}

pub(crate) fn json(diagnosis: &Diagnosis<'_>, out: &mut impl Write) -> io::Result<()> {
    let findings: Vec<Value> = diagnosis
        .findings()
        .iter()
        .map(|finding| json!({ "code": finding.code(), "fault": finding.is_fault(), "text": finding.to_string() }))
        .collect();
    let works = diagnosis.works.as_ref().map(|works| {
        json!({
            "template": works.layout.as_ref().map(SdmLayout::template),
            "mode": mode(works.scheme),
            "meta_key": works.meta.as_ref().map(|(_, source)| source.to_string()),
            "file_key": works.file.1.to_string(),
            "uid": works.uid.map(|uid| uid.to_string()),
            "ctr": works.ctr.map(suntap::SdmReadCtr::get),
        })
    });
    let verdict = match diagnosis.verdict {
        Verdict::Healthy => "healthy",
        Verdict::Explained => "explained",
        Verdict::Unexplained => "unexplained",
    };
    let all = json!({
        "verdict": verdict,
        "findings": findings,
        "works": works,
        "tried": diagnosis.tried,
        "complete": diagnosis.complete,
    });
    writeln!(out, "{all}")
}

fn mode(mode: Scheme) -> &'static str {
    match mode {
        Scheme::Aes => "aes",
        Scheme::Lrp => "lrp",
        Scheme::Suncmac => "ntag22x",
        _ => "unknown",
    }
}

/// Words in lines of at most so many characters.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(word.len()) < width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
