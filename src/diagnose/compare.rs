//! Compares the assumptions about a tap with the way in which the tap was made.

use super::assumptions::Assumptions;
use super::candidates::reversed_uid;
use super::checks::{
    check_case, check_public_keys, check_values, compare_keys, compare_second_tap, covered_text, is_factory, verify,
};
use super::contents::{self, Contents};
use super::diagnosis::{Conclusion, Diagnosis, Explanation, Findings, add};
use super::finding::Finding;
use super::key_source::KeySource;
use super::readings;
use super::recipe::{MacKeySource, MacMessage, SessionVector, Truncation};
use super::repair::{Repair, Tap};
use super::search::{Match, QUICK_ROUNDS, Round, SLOW_ROUNDS, Search};
use super::shift::Shift;
#[cfg(feature = "ecdsa")]
use super::signature;
use super::unexplained;
use super::url_parts::UrlParts;
use super::wrong_offsets;
use crate::sun::error::{Field, Malformed};
use crate::sun::fixed::MAX_URL;
use crate::sun::layout::SdmLayout;
use crate::sun::span::Span;
use crate::sun::template::LayoutError;
use crate::value::Scheme;

pub(super) fn diagnose<'a>(assumptions: &Assumptions<'a>, watch: &mut dyn FnMut(u32)) -> Diagnosis<'a> {
    let mut search = Search::new(assumptions, watch);
    let mut repair = Repair::new(assumptions.layout, assumptions.url);
    if repair.is_percent_decoded() && !matches_quickly(&mut search, &repair, assumptions.url) {
        // The tag itself may have written `%XX`, as static text. If a MAC matches without decoding, the URL was not
        // encoded after the tag wrote it.
        let unchanged = Repair::none(assumptions.layout);
        if matches_quickly(&mut search, &unchanged, assumptions.url) {
            repair = unchanged;
        }
    }
    let url = repair.url(assumptions.url);
    let layout = repair.layout.as_ref();
    let (readings, layout_error) = readings::readings(layout, url);
    let tap = Tap { url, layout, layout_error };
    let mut findings = Findings::new();
    for finding in &repair.findings {
        add(&mut findings, *finding);
    }
    #[cfg(feature = "ecdsa")]
    if let Some(signed) = signature::find(&mut search, assumptions, &tap) {
        return signature::report(&search, assumptions, &tap, &signed, findings);
    }
    let found = find(&mut search, &tap, &readings);
    let explanation = found.as_ref().map(|found| explain(&tap, found));
    let contents;
    let conclusion = if let (Some(found), Some(explanation)) = (&found, &explanation) {
        add_faults(assumptions, &tap, found, explanation, &mut findings);
        let (key, source) = &found.file_key;
        let is_derived = matches!(source, KeySource::Derived { .. });
        compare_second_tap(assumptions, explanation, key, is_derived, &mut findings);
        add_factory_keys(assumptions, found, explanation, &mut findings);
        add_remarks(&tap, found, &mut findings);
        let is_proven = !findings.iter().any(Finding::allows_forgery);
        contents = Some(Contents::of_match(url, found, is_proven));
        Conclusion::from_findings(&findings)
    } else {
        search.use_reserve();
        contents = unexplained::report(&mut search, assumptions, &tap, &readings, &mut findings);
        Conclusion::Unexplained
    };
    let complete = found.is_some() || search.is_complete();
    Diagnosis { conclusion, explanation, contents, tried: search.tried(), complete, findings }
}

/// Returns `true` if the quick rounds of the search find a match for the repaired URL.
fn matches_quickly(search: &mut Search<'_, '_>, repair: &Repair, original: &str) -> bool {
    let url = repair.url(original);
    let (readings, _) = readings::readings(repair.layout.as_ref(), url);
    run_if_possible(search, url, &readings.into_iter(), &QUICK_ROUNDS).is_some()
}

/// Searches for the keys and the MAC input that reproduce the MAC of the tap.
fn find<'a>(search: &mut Search<'_, 'a>, tap: &Tap<'_>, readings: &readings::Readings) -> Option<Match<'a>> {
    let as_it_is =
        |search: &mut Search<'_, 'a>| run_if_possible(search, tap.url, &readings.iter().copied(), &QUICK_ROUNDS);
    let with_wrong_offsets = |search: &mut Search<'_, 'a>| {
        let shifted = wrong_offsets::shifted(tap.layout?, tap.url).chain(wrong_offsets::cut(tap.layout?, tap.url));
        run_if_possible(search, tap.url, &shifted, &QUICK_ROUNDS)
    };
    let found = if tap.layout_error.is_some() {
        with_wrong_offsets(search).or_else(|| as_it_is(search))
    } else {
        as_it_is(search).or_else(|| with_wrong_offsets(search))
    };
    // A reading (an interpretation of the URL) with a wrong offset or an incomplete MAC already assumes one fault. Most
    // of the slow rounds look for another fault. The search does not combine two faults in this way, so the slow rounds
    // skip such readings.
    let regular = readings.iter().copied().filter(UrlParts::is_regular);
    found.or_else(|| run_if_possible(search, tap.url, &regular, &SLOW_ROUNDS))
}

/// Runs the search. Returns `None` without a search if the URL is longer than a chip can write.
fn run_if_possible<'a>(
    search: &mut Search<'_, 'a>,
    url: &str,
    readings: &(impl Iterator<Item = UrlParts> + Clone),
    rounds: &[Round],
) -> Option<Match<'a>> {
    if url.len() > MAX_URL { None } else { search.run(url, readings, rounds) }
}

/// Returns the layout and the keys that verify the tap. If the assumed layout verifies the tap, returns the assumed
/// layout.
fn explain<'a>(tap: &Tap<'_>, found: &Match<'a>) -> Explanation<'a> {
    let Match { scheme, claimed, file_key, recipe, .. } = found.clone();
    let SessionVector { uid, ctr, .. } = recipe.vector;
    let meta_key = claimed.meta_key.as_ref().map(|(key, _)| key.clone());
    let fits = |layout: &SdmLayout| verify(layout, tap.url, meta_key.as_ref(), &file_key.0).is_some();
    let assumed = tap.layout.filter(|layout| layout.scheme() == scheme && fits(layout));
    let layout = assumed.cloned().or_else(|| build_layout(tap, found).ok().filter(fits));
    Explanation { layout, scheme, meta_key: claimed.meta_key, file_key: Some(file_key), uid, ctr }
}

/// Builds the layout of a tap from the way in which it was made.
fn build_layout(tap: &Tap<'_>, found: &Match<'_>) -> Result<SdmLayout, LayoutError> {
    let mut parts = found.parts;
    let SessionVector { uid, ctr, .. } = found.recipe.vector;
    // A UID or counter in the URL is a mirror only if the session vector contains it too. Otherwise it is static text
    // that looks like a mirror.
    if parts.picc_data.is_none() {
        parts.uid = parts.uid.filter(|_| uid.is_some());
        parts.ctr = parts.ctr.filter(|_| ctr.is_some());
    }
    // A tamper status that the MAC does not cover counts as a mirror only if the assumed layout has a tamper status.
    let is_assumed = tap.assumed_parts().is_some_and(|assumed| assumed.tt_status.is_some());
    parts.tt_status = parts.tt_status.filter(|part| is_assumed || found.parts.covers(*part));
    // A chip encrypts file data only inside the MAC input. Digits outside the MAC input are static text.
    parts.enc = parts.enc.filter(|part| found.parts.covers(*part));
    parts.build_layout(found.scheme, tap.url, tap.layout)
}

/// Adds the findings about keys that everybody knows: those of a new chip, and given keys that are derived from them.
/// These findings come after all other faults, because a tap with such keys can still verify.
fn add_factory_keys<'a>(
    assumptions: &Assumptions<'a>,
    found: &Match<'a>,
    explanation: &Explanation<'a>,
    findings: &mut Findings<'a>,
) {
    check_public_keys(assumptions, explanation, findings);
    let meta = explanation.meta_key.as_ref().map(|(key, _)| is_factory(key.expose_bytes()));
    let file = is_factory(found.file_key.0.expose_bytes());
    if file && meta != Some(false) && assumptions.keys.is_empty() {
        add(findings, Finding::NewChip);
    } else if file || meta == Some(true) {
        add(findings, Finding::FactoryKey { meta: meta == Some(true), file });
    }
}

/// Adds the findings about faults in the tap or in the assumptions. Findings about the second tap and about keys that
/// everybody knows are added elsewhere.
fn add_faults<'a>(
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    found: &Match<'a>,
    explanation: &Explanation<'a>,
    findings: &mut Findings<'a>,
) {
    let Match { parts, scheme, claimed, recipe, truncation, .. } = found;
    let layout = tap.layout;
    let earlier_findings = findings.len();
    if let Some(Shift { field, by, cause }) = parts.shift {
        add(findings, Finding::OffsetShift { mirror: field, by, cause });
    } else if !parts.is_regular() {
        add(findings, Finding::MacLength { digits: parts.mac.len() });
    }
    let is_assumed = explanation.layout.is_some() && explanation.layout.as_ref() == layout;
    if !is_assumed && parts.is_regular() {
        if let Some(digits) = readings::long_placeholder(parts.picc_data, tap.url) {
            add(findings, Finding::PiccDataLength { digits });
        } else if let Some(digits) = readings::long_placeholder(Some(parts.mac), tap.url) {
            add(findings, Finding::MacLength { digits });
        }
    }
    if layout.is_some_and(|layout| layout.scheme() != *scheme) {
        add(findings, Finding::Mode { actual: *scheme });
    } else if let Some(error) = tap.layout_error.filter(|_| findings.len() == earlier_findings) {
        add(findings, Finding::Layout(error));
    }
    compare_keys(assumptions, explanation, findings);
    let covered = covered_text(assumptions, tap, parts);
    let is_split = |part: Span| part.from < parts.window_start && parts.window_start < part.to;
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc];
    let assumed = tap.assumed_parts();
    let covers_text = recipe.message == MacMessage::Text;
    let has_other_window = assumed.as_ref().is_some_and(|assumed| assumed.window_start != parts.window_start);
    if mirrors.into_iter().flatten().any(is_split) {
        add(findings, Finding::MacInputInside { covered });
    } else if covers_text && parts.enc.is_some_and(|part| !parts.covers(part)) && is_file_data(found, tap.url, layout) {
        add(findings, Finding::FileDataNotCovered);
    } else if covers_text && has_other_window && parts.shift.is_none() && *scheme != Scheme::Suncmac {
        add(findings, Finding::MacInput { covered });
    }
    add_blank_mirrors(found, tap.url, findings);
    add_recipe_faults(claimed.session_vector(), found, *truncation, findings);
    // `Parts` is added only if the assumed layout does not verify the tap and no finding above says why.
    let meta_key = explanation.meta_key.as_ref().map(|(key, _)| key);
    let accepts = |layout: &SdmLayout| verify(layout, tap.url, meta_key, &found.file_key.0).is_some();
    if layout.is_some_and(|layout| !accepts(layout)) && findings.len() == earlier_findings {
        add(findings, Finding::Parts);
    }
    if explanation.layout.is_none() && findings.len() == earlier_findings {
        // No layout can describe this URL. Either it is too long, or it contains characters that no chip writes.
        let is_too_long =
            matches!(build_layout(tap, found), Err(LayoutError::FileTooLong | LayoutError::TemplateTooLong));
        add(findings, if is_too_long { Finding::Layout(Malformed::TooLong) } else { Finding::SurroundingText });
    }
    let vector = recipe.vector;
    check_values(assumptions, vector.uid, vector.ctr, findings);
    // If there is no layout, two letters that look like a tamper status are treated as a tamper status.
    let status = if layout.is_some() { assumed.and_then(|assumed| assumed.tt_status) } else { parts.tt_status };
    if status.is_some_and(|part| !parts.covers(part)) && covers_text && *scheme != Scheme::Suncmac {
        add(findings, Finding::TamperNotCovered);
    }
}

/// Returns `true` if the part of the URL in `parts.enc` is really file data: the layout has file data, or the digits
/// decrypt to printable text.
fn is_file_data(found: &Match<'_>, url: &str, layout: Option<&SdmLayout>) -> bool {
    layout.is_some_and(|layout| layout.has(Field::EncFileData))
        || contents::is_text(Contents::of_match(url, found, false).file_data())
}

/// Adds the findings about mirrors that the tag does not write, although the MAC is right.
fn add_blank_mirrors(found: &Match<'_>, url: &str, findings: &mut Findings<'_>) {
    let is_zero = |part: &Span| part.slice(url).bytes().all(|byte| byte == b'0');
    let parts = &found.parts;
    let enc = parts.enc.filter(|part| parts.covers(*part));
    for (field, part) in [(Field::PiccData, parts.picc_data), (Field::EncFileData, enc)] {
        if part.as_ref().is_some_and(is_zero) {
            add(findings, Finding::FieldNotMirrored(field));
        }
    }
    let is_status = |part: Span| part.slice(url).bytes().all(|byte| matches!(byte, b'C' | b'O' | b'I'));
    if found.scheme != Scheme::Suncmac && parts.tt_status.is_some_and(|part| !is_status(part)) {
        add(findings, Finding::FieldNotMirrored(Field::TtStatus));
    }
}

/// Adds the findings about a MAC that was not computed as on a chip. `claimed` is the session vector that a chip would
/// use for the UID and the counter of the URL.
fn add_recipe_faults(claimed: SessionVector, found: &Match<'_>, truncation: Truncation, findings: &mut Findings<'_>) {
    let recipe = found.recipe;
    if recipe.vector.is_ctr_reversed && recipe.vector.ctr.is_some() {
        add(findings, Finding::CounterByteOrder);
    }
    let is_reversed = claimed.uid.is_some_and(|uid| recipe.vector.uid == Some(reversed_uid(uid)));
    if is_reversed && recipe.vector.uid != claimed.uid {
        add(findings, Finding::UidByteOrder);
    } else if recipe.vector.uid != claimed.uid || recipe.vector.ctr != claimed.ctr {
        let (uid, ctr) = (recipe.vector.uid.is_some(), recipe.vector.ctr.is_some());
        let is_encrypted = found.parts.picc_data.is_some();
        add(findings, Finding::SessionVector { uid, ctr, is_encrypted });
    }
    if recipe.message == MacMessage::Bytes {
        add(findings, Finding::MacOverBytes);
    }
    if recipe.key != MacKeySource::Session && found.scheme != Scheme::Suncmac {
        add(findings, Finding::NoSessionKey { is_enc_key: recipe.key == MacKeySource::EncSession });
    }
    let wrong_bytes = match truncation {
        Truncation::OddBytes => None,
        Truncation::EvenBytes => Some("bytes 0, 2, 4, 6, 8, 10, 12 and 14"),
        Truncation::FirstHalf => Some("the first 8 bytes"),
        Truncation::LastHalf => Some("the last 8 bytes"),
    };
    if let Some(bytes) = wrong_bytes {
        add(findings, Finding::MacTruncation { bytes });
    }
}

/// Adds the findings that are not faults.
fn add_remarks(tap: &Tap<'_>, found: &Match<'_>, findings: &mut Findings<'_>) {
    let parts = &found.parts;
    // The meaning of the status letters of an NTAG 22x is uncertain, so they give no remark.
    let assumed = tap.layout.map(|_| tap.assumed_parts().and_then(|assumed| assumed.tt_status));
    let status = assumed.unwrap_or(parts.tt_status).filter(|_| found.scheme != Scheme::Suncmac);
    match status.map(|part| part.slice(tap.url)) {
        Some("II") => add(findings, Finding::SealNotMeasured),
        Some(status) if status.contains('O') => add(findings, Finding::SealOpened),
        _ => {}
    }
    check_case(parts, tap.url, findings);
}
