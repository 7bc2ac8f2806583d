//! Writes a diagnosis as text or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use suntap::SdmLayout;
use suntap::diagnose::{Assumptions, Conclusion, Contents, Diagnosis, Explanation, KeyDerivation, KeySource};

use crate::hex::upper;
use crate::style::{BAD, GOOD, MILD};
use crate::text::wrapped;

/// Maximum number of characters of a line of a finding.
const WIDTH: usize = 96;

pub(super) fn text(assumptions: &Assumptions<'_>, diagnosis: &Diagnosis<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}\n", assumptions.url)?;
    let (style, conclusion) = match diagnosis.conclusion {
        Conclusion::Healthy => (GOOD, "Healthy: the tap verifies."),
        Conclusion::Explained => (BAD, "The doctor found how this tap was made, and something is wrong."),
        Conclusion::Unexplained => (BAD, "Nothing that was tried explains this tap."),
    };
    writeln!(out, "{style}{conclusion}{style:#}")?;
    for finding in diagnosis.findings() {
        let style = if finding.is_fault() { BAD } else { MILD };
        writeln!(out, "\n  {style}{}{style:#}", finding.code())?;
        for line in wrapped(&finding.to_string(), WIDTH) {
            writeln!(out, "    {line}")?;
        }
    }
    if let Some(explanation) = &diagnosis.explanation {
        works(explanation, out)?;
    }
    if let Some(contents) = &diagnosis.contents {
        says(contents, out)?;
    }
    let is_alone = assumptions.keys.is_empty() && assumptions.public_key.is_none();
    if is_alone && diagnosis.explanation.is_none() && !has(diagnosis, "ecc-signature") {
        writeln!(out, "\nNo key was given, so only the key of a new chip was tried. To try a key: --key NAME=@FILE")?;
    }
    hints(diagnosis, out)?;
    if !diagnosis.complete {
        let tried = diagnosis.tried;
        writeln!(out, "\nThe search stopped after the work of {tried} MACs. With fewer keys, it gets further.")?;
    }
    Ok(())
}

/// Writes how the tap was made.
fn works(explanation: &Explanation<'_>, out: &mut impl Write) -> io::Result<()> {
    let layout = explanation.layout.as_ref().map_or("no chip writes such a URL", |layout| layout.template());
    writeln!(out, "\nHow it was made:")?;
    writeln!(out, "  layout    {layout}")?;
    writeln!(out, "  mode      {}", explanation.scheme.name())?;
    if let Some((_, source)) = &explanation.meta_key {
        writeln!(out, "  meta key  {source}")?;
    }
    match &explanation.file_key {
        Some((_, source)) => writeln!(out, "  file key  {source}"),
        None => writeln!(out, "  signed    with the private key of the given public key"),
    }
}

/// Writes which command helps with a finding.
fn hints(diagnosis: &Diagnosis<'_>, out: &mut impl Write) -> io::Result<()> {
    if has(diagnosis, "offset-shift") {
        writeln!(out, "\nThe correct offsets: suntap layout 'TEMPLATE'")?;
    }
    if has(diagnosis, "ecc-signature") {
        writeln!(out, "\nTo verify the signature, give the public key of the tag: --public-key KEY")?;
    }
    for (_, source) in diagnosis.explanation.iter().flat_map(|explanation| &explanation.meta_key) {
        derivation(*source, out)?;
    }
    for (_, source) in diagnosis.explanation.iter().flat_map(|explanation| &explanation.file_key) {
        derivation(*source, out)?;
    }
    Ok(())
}

fn has(diagnosis: &Diagnosis<'_>, code: &str) -> bool {
    diagnosis.findings().iter().any(|finding| finding.code() == code)
}

/// Writes the command that derives a key, if there is one.
fn derivation(source: KeySource<'_>, out: &mut impl Write) -> io::Result<()> {
    let KeySource::Derived { derivation, .. } = source else { return Ok(()) };
    let (scheme, input) = match derivation {
        KeyDerivation::An10922(input) => ("an10922", input),
        KeyDerivation::PlainCmac(input) => ("cmac", input),
        _ => return Ok(()),
    };
    write!(out, "\nTo derive this key: suntap key derive {scheme} --master-key @FILE")?;
    let Some(uid) = input.uid.filter(|_| input.before_uid.is_empty() && !input.is_uid_reversed) else {
        let uid = input.uid.as_ref().map_or(&[][..], |uid| uid.as_bytes());
        return writeln!(out, " --input {}", upper(&[input.before_uid, uid, input.aid, input.suffix].concat()));
    };
    write!(out, " --uid {uid}")?;
    match <[u8; 3]>::try_from(input.aid) {
        Ok(aid) => write!(out, " --aid {}", upper(&aid))?,
        Err(_) if input.aid.is_empty() => {}
        Err(_) => return writeln!(out, " --suffix {}{}", upper(input.aid), upper(input.suffix)),
    }
    if !input.suffix.is_empty() {
        write!(out, " --suffix {}", upper(input.suffix))?;
    }
    writeln!(out)
}

/// Writes what the tap says.
fn says(contents: &Contents, out: &mut impl Write) -> io::Result<()> {
    let proof = if contents.is_proven { "" } else { " (not proven)" };
    writeln!(out, "\nWhat it says{proof}:")?;
    if let Some(uid) = contents.uid {
        writeln!(out, "  UID       {uid}")?;
    }
    if let Some(ctr) = contents.ctr {
        writeln!(out, "  counter   {ctr}")?;
    }
    if let Some(status) = contents.tt_status {
        writeln!(out, "  tamper    {}", status.escape_ascii())?;
    }
    let data = contents.file_data();
    if !data.is_empty() {
        writeln!(out, "  data      {}\n            \"{}\"", upper(data), data.escape_ascii())?;
    }
    Ok(())
}

pub(super) fn json(diagnosis: &Diagnosis<'_>, out: &mut impl Write) -> io::Result<()> {
    let findings: Vec<Value> = diagnosis
        .findings()
        .iter()
        .map(|finding| json!({ "code": finding.code(), "fault": finding.is_fault(), "text": finding.to_string() }))
        .collect();
    let works = diagnosis.explanation.as_ref().map(|explanation| {
        json!({
            "template": explanation.layout.as_ref().map(SdmLayout::template),
            "mode": explanation.scheme.name(),
            "meta_key": explanation.meta_key.as_ref().map(|(_, source)| source.to_string()),
            "file_key": explanation.file_key.as_ref().map(|(_, source)| source.to_string()),
            "uid": explanation.uid.map(|uid| uid.to_string()),
            "ctr": explanation.ctr.map(suntap::SdmReadCtr::get),
        })
    });
    let contents = diagnosis.contents.as_ref().map(|contents| {
        let data = Some(contents.file_data()).filter(|data| !data.is_empty());
        json!({
            "proven": contents.is_proven,
            "uid": contents.uid.map(|uid| uid.to_string()),
            "ctr": contents.ctr.map(suntap::SdmReadCtr::get),
            "tamper": contents.tt_status.map(|status| status.escape_ascii().to_string()),
            "file_data": data.map(upper),
            "file_data_text": data.map(|data| data.escape_ascii().to_string()),
        })
    });
    let verdict = match diagnosis.conclusion {
        Conclusion::Healthy => "healthy",
        Conclusion::Explained => "explained",
        Conclusion::Unexplained => "unexplained",
    };
    let report = json!({
        "verdict": verdict,
        "findings": findings,
        "works": works,
        "contents": contents,
        "tried": diagnosis.tried,
        "complete": diagnosis.complete,
    });
    writeln!(out, "{report}")
}
