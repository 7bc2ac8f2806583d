//! Writes a diagnosis as text or as JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use suntap::SdmLayout;
use suntap::diagnose::{Assumptions, Conclusion, Contents, Diagnosis, Explanation, KeyDerivation, KeySource};

use super::signature::Checked;
use crate::hex::upper;
use crate::mode;
use crate::style::{BAD, GOOD, MILD};
use crate::text::wrapped;

/// Maximum number of characters of a line of a finding.
const WIDTH: usize = 96;

pub(super) fn text(
    assumptions: &Assumptions<'_>,
    diagnosis: &Diagnosis<'_>,
    signature: Option<&Checked<'_>>,
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{}\n", assumptions.url)?;
    let is_signed = signature.is_some_and(Checked::is_proof);
    let (style, conclusion) = match diagnosis.conclusion {
        _ if is_signed => (GOOD, "The signature is right. This is a tap of an NTAG X DNA."),
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
        says(contents, is_signed, out)?;
    }
    if assumptions.keys.is_empty() && diagnosis.explanation.is_none() && signature.is_none() {
        writeln!(out, "\nNo key was given, so only the key of a new chip was tried. To try a key: --key NAME=@FILE")?;
    }
    hints(diagnosis, signature.is_some(), out)?;
    if let Some(signature) = signature {
        signature.text(out)?;
    }
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
    writeln!(out, "  mode      {}", mode::name(explanation.scheme))?;
    if let Some((_, source)) = &explanation.meta_key {
        writeln!(out, "  meta key  {source}")?;
    }
    writeln!(out, "  file key  {}", explanation.file_key.1)
}

/// Writes which command helps with a finding.
fn hints(diagnosis: &Diagnosis<'_>, is_checked: bool, out: &mut impl Write) -> io::Result<()> {
    let has = |code: &str| diagnosis.findings().iter().any(|finding| finding.code() == code);
    if has("offset-shift") {
        writeln!(out, "\nThe correct offsets: suntap layout 'TEMPLATE'")?;
    }
    if has("ecc-signature") && !is_checked {
        writeln!(out, "\nTo verify the signature, give the public key of the tag: --public-key HEX")?;
    }
    for (_, source) in diagnosis.explanation.iter().flat_map(|explanation| &explanation.meta_key) {
        derivation(*source, out)?;
    }
    match &diagnosis.explanation {
        Some(explanation) => derivation(explanation.file_key.1, out),
        None => Ok(()),
    }
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
fn says(contents: &Contents, is_signed: bool, out: &mut impl Write) -> io::Result<()> {
    let proof = match (contents.is_proven, is_signed) {
        (true, _) => "",
        (false, true) => " (proven by the signature; whether the tap is new is not checked)",
        (false, false) => " (not proven: anybody may have made this up)",
    };
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

pub(super) fn json(diagnosis: &Diagnosis<'_>, signature: Option<&Checked<'_>>, out: &mut impl Write) -> io::Result<()> {
    let findings: Vec<Value> = diagnosis
        .findings()
        .iter()
        .map(|finding| json!({ "code": finding.code(), "fault": finding.is_fault(), "text": finding.to_string() }))
        .collect();
    let works = diagnosis.explanation.as_ref().map(|explanation| {
        json!({
            "template": explanation.layout.as_ref().map(SdmLayout::template),
            "mode": mode::name(explanation.scheme),
            "meta_key": explanation.meta_key.as_ref().map(|(_, source)| source.to_string()),
            "file_key": explanation.file_key.1.to_string(),
            "uid": explanation.uid.map(|uid| uid.to_string()),
            "ctr": explanation.ctr.map(suntap::SdmReadCtr::get),
        })
    });
    let is_signed = signature.is_some_and(Checked::is_proof);
    let contents = diagnosis.contents.as_ref().map(|contents| {
        let data = Some(contents.file_data()).filter(|data| !data.is_empty());
        json!({
            "proven": contents.is_proven || is_signed,
            "uid": contents.uid.map(|uid| uid.to_string()),
            "ctr": contents.ctr.map(suntap::SdmReadCtr::get),
            "tamper": contents.tt_status.map(|status| status.escape_ascii().to_string()),
            "file_data": data.map(upper),
            "file_data_text": data.map(|data| data.escape_ascii().to_string()),
        })
    });
    let verdict = match diagnosis.conclusion {
        _ if is_signed => "signed",
        Conclusion::Healthy => "healthy",
        Conclusion::Explained => "explained",
        Conclusion::Unexplained => "unexplained",
    };
    let mut report = json!({
        "verdict": verdict,
        "findings": findings,
        "works": works,
        "contents": contents,
        "tried": diagnosis.tried,
        "complete": diagnosis.complete,
    });
    if let (Some(signature), Some(fields)) = (signature, report.as_object_mut()) {
        fields.insert("signature".into(), signature.to_json());
    }
    writeln!(out, "{report}")
}
