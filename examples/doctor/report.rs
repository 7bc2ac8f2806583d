//! Writes a diagnosis as text or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use suntap::diagnose::{Assumptions, Conclusion, Diagnosis};
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

pub(crate) fn text(
    assumptions: &Assumptions<'_>,
    diagnosis: &Diagnosis<'_>,
    out: &mut impl Write,
    style: &Style,
) -> io::Result<()> {
    writeln!(out, "{}\n", assumptions.url)?;
    let conclusion = match diagnosis.conclusion {
        Conclusion::Healthy => style.good("Healthy: the tap verifies."),
        Conclusion::Explained => style.bad("It is known how this tap was made, and something is not as it should be."),
        Conclusion::Unexplained => style.bad("Nothing that was tried makes this tap."),
    };
    writeln!(out, "{conclusion}")?;
    for finding in diagnosis.findings() {
        let code = if finding.is_fault() { style.bad(finding.code()) } else { style.mild(finding.code()) };
        writeln!(out, "\n  {code}")?;
        for line in wrapped(&finding.to_string(), 96) {
            writeln!(out, "    {line}")?;
        }
    }
    if let Some(explanation) = &diagnosis.explanation {
        writeln!(out, "\nHow it was made:")?;
        let layout = explanation.layout.as_ref().map_or("no chip writes it like this", |layout| layout.template());
        writeln!(out, "  layout    {layout}")?;
        writeln!(out, "  mode      {}", mode(explanation.scheme))?;
        if let Some((_, source)) = &explanation.meta_key {
            writeln!(out, "  meta key  {source}")?;
        }
        writeln!(out, "  file key  {}", explanation.file_key.1)?;
        writeln!(out, "  UID       {}", explanation.uid.map_or("not mirrored".into(), |uid| uid.to_string()))?;
        writeln!(out, "  counter   {}", explanation.ctr.map_or("not mirrored".into(), |ctr| ctr.to_string()))?;
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
    let explanation = diagnosis.explanation.as_ref().map(|explanation| {
        json!({
            "template": explanation.layout.as_ref().map(SdmLayout::template),
            "mode": mode(explanation.scheme),
            "meta_key": explanation.meta_key.as_ref().map(|(_, source)| source.to_string()),
            "file_key": explanation.file_key.1.to_string(),
            "uid": explanation.uid.map(|uid| uid.to_string()),
            "ctr": explanation.ctr.map(suntap::SdmReadCtr::get),
        })
    });
    let conclusion = match diagnosis.conclusion {
        Conclusion::Healthy => "healthy",
        Conclusion::Explained => "explained",
        Conclusion::Unexplained => "unexplained",
    };
    let all = json!({
        "verdict": conclusion,
        "findings": findings,
        "works": explanation,
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

/// Breaks a text into lines of at most `width` characters.
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
