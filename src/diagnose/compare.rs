//! Compares how a tap was made with the assumptions about it.

use heapless::Vec;

use super::assumptions::{Assumptions, Role};
use super::candidates::KeyTier;
use super::diagnosis::{Conclusion, Diagnosis, Explanation, MAX_FINDINGS};
use super::finding::Finding;
use super::key_source::KeySource;
use super::readings::{self, Readings};
use super::search::{ClaimedValues, Match, Search, Truncation, schemes};
use super::url_parts::{self, Repaired, UrlParts};
use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::error::Malformed;
use crate::sun::layout::SdmLayout;
use crate::sun::received::MAX_URL;
use crate::sun::span::Span;
use crate::value::{Scheme, SdmReadCtr, Uid};

type Findings<'a> = Vec<Finding<'a>, MAX_FINDINGS>;

pub(super) fn diagnose<'a>(assumptions: &Assumptions<'a>, watch: &mut dyn FnMut(u32)) -> Diagnosis<'a> {
    let mut search = Search::new(assumptions, watch);
    let mut findings = Findings::new();
    let repaired = repair(assumptions, assumptions.url);
    let url = repaired.as_ref().map_or(assumptions.url, |(url, _)| url);
    let (readings, layout_error) = readings::readings(assumptions, url);
    if let Some((_, reason)) = repaired {
        add(&mut findings, reason);
    }
    // No chip can write a URL that is longer than `MAX_URL`, so a longer URL needs no search.
    let found = if url.len() > MAX_URL { None } else { search.run(url, &readings) };
    let explanation = found.as_ref().map(|found| explain(assumptions, url, found));
    let conclusion = if let (Some(found), Some(explanation)) = (&found, &explanation) {
        add_faults(assumptions, url, found, explanation, layout_error, &mut findings);
        compare_second_tap(assumptions, explanation, &mut findings);
        add_remarks(assumptions, url, found, &mut findings);
        if findings.iter().any(Finding::is_fault) { Conclusion::Explained } else { Conclusion::Healthy }
    } else {
        search.use_reserve();
        report_unexplained(&mut search, assumptions, url, &readings, layout_error, &mut findings);
        Conclusion::Unexplained
    };
    let complete = found.is_some() || search.is_complete();
    Diagnosis { conclusion, explanation, tried: search.tried(), complete, findings }
}

/// Repairs a URL that differs from the assumed layout only in its case, its host or appended text. Returns the repaired
/// URL and the finding that describes the difference.
fn repair<'a>(assumptions: &Assumptions<'a>, url: &str) -> Option<(Repaired, Finding<'a>)> {
    let layout = assumptions.layout?;
    let error = layout.parse(url).err()?;
    if let Some(shortened) = url_parts::without_appended_text(layout, url) {
        return Some((shortened, Finding::Layout(Malformed::Trailing)));
    }
    if let Some(restored) = url_parts::with_case_of_layout(layout, url) {
        return Some((restored, Finding::CaseChanged));
    }
    let path_start = readings::path_start(url);
    Some((url_parts::with_host_of_layout(layout, url, path_start)?, Finding::Layout(error)))
}

fn add<'a>(findings: &mut Findings<'a>, finding: Finding<'a>) {
    // The capacity exceeds the number of findings that can occur together.
    let _ = findings.push(finding);
}

/// Returns the parts of the URL according to the assumed layout. Returns `None` if there is no assumed layout or if it
/// does not match the URL.
fn assumed_parts<'a>(assumptions: &Assumptions<'a>, url: &str) -> Option<UrlParts<'a>> {
    assumptions.layout.and_then(|layout| UrlParts::locate(layout, url).ok())
}

/// Returns the layout and the keys that verify the tap. If the assumed layout verifies the tap, it is returned.
fn explain<'a>(assumptions: &Assumptions<'a>, url: &str, found: &Match<'a>) -> Explanation<'a> {
    let Match { mut parts, scheme, claimed, file_key, session_vector, .. } = found.clone();
    // A UID or counter that is not in the session vector is not a mirror. It only looks like a mirror.
    if parts.picc_data.is_none() {
        parts.uid = parts.uid.filter(|_| session_vector.uid.is_some());
        parts.ctr = parts.ctr.filter(|_| session_vector.ctr.is_some());
    }
    // A tamper status that the MAC does not cover is not a mirror either, unless the assumed layout has it.
    let is_covered = |part: &Span| (parts.window_start..parts.mac.from).contains(&part.from);
    let is_assumed = assumed_parts(assumptions, url).is_some_and(|assumed| assumed.tt_status.is_some());
    parts.tt_status = parts.tt_status.filter(|part| is_assumed || is_covered(part));
    let meta_key = claimed.meta_key.as_ref().map(|(key, _)| key.clone());
    let fits = |layout: &SdmLayout| verify(layout, url, meta_key.as_ref(), &file_key.0).is_some();
    let assumed = assumptions.layout.filter(|layout| layout.scheme() == scheme && fits(layout));
    let layout = assumed.cloned().or_else(|| parts.build_layout(scheme, url).ok().filter(fits));
    let (uid, ctr) = (session_vector.uid, session_vector.ctr);
    Explanation { layout, scheme, meta_key: claimed.meta_key, file_key, uid, ctr }
}

/// Returns the UID and counter of the URL if the URL parses, opens and verifies like an ordinary tap.
fn verify(
    layout: &SdmLayout,
    url: &str,
    meta_key: Option<&SdmMetaReadKey>,
    file_key: &SdmFileReadKey,
) -> Option<(Option<Uid>, Option<SdmReadCtr>)> {
    let tap = layout.parse(url).ok()?;
    let claimed = match meta_key {
        Some(key) => tap.open(&key.prepare(layout.scheme())).ok()?,
        None => tap.read_plain().ok()?,
    };
    let (uid, ctr) = (claimed.uid(), claimed.ctr());
    let key = file_key.prepare(layout.scheme());
    let is_genuine = match ctr {
        // `verify` rejects counter 0. The search already found that the MAC is right.
        Some(SdmReadCtr::ZERO) => true,
        Some(_) => claimed.verify(&key).is_ok(),
        None => claimed.verify_replayable(&key).is_ok(),
    };
    is_genuine.then_some((uid, ctr))
}

/// Adds the findings about keys that differ from the given keys.
fn compare_keys<'a>(assumptions: &Assumptions<'a>, explanation: &Explanation<'a>, findings: &mut Findings<'a>) {
    let meta = explanation.meta_key.as_ref().map(|(key, source)| (key.expose_bytes(), *source));
    let file = (explanation.file_key.0.expose_bytes(), explanation.file_key.1);
    let is_given_as =
        |role: Role, key: &[u8; 16]| assumptions.keys.iter().any(|given| given.role == role && given.key == key);
    let has_role = |role: Role| assumptions.keys.iter().any(|given| given.role == role);
    // If no key was given for a role, any key is accepted for this role. Therefore keys given with `Role::Any` cause no
    // fault, unless none of the given keys works.
    let is_accepted = |role: Role, key: &[u8; 16]| is_given_as(role, key) || !has_role(role);
    let meta_is_file = meta.is_some_and(|(key, _)| is_given_as(Role::File, key) && !is_accepted(Role::Meta, key));
    if meta_is_file && is_given_as(Role::Meta, file.0) && !is_accepted(Role::File, file.0) {
        return add(findings, Finding::KeysSwapped);
    }
    let is_of_use = |key: &[u8; 16], source: KeySource<'_>| {
        matches!(source, KeySource::Derived { .. }) || assumptions.keys.iter().any(|given| given.key == key)
    };
    let none_is_of_use = !assumptions.keys.is_empty()
        && !is_of_use(file.0, file.1)
        && !meta.is_some_and(|(key, source)| is_of_use(key, source));
    let is_zero = |key: &[u8; 16]| *key == [0; 16];
    let is_factory = |role: Role, key: &[u8; 16]| is_zero(key) && (none_is_of_use || !is_accepted(role, key));
    let (factory_meta, factory_file) =
        (meta.is_some_and(|(key, _)| is_factory(Role::Meta, key)), is_factory(Role::File, file.0));
    if factory_meta || factory_file {
        add(findings, Finding::FactoryKey { meta: factory_meta, file: factory_file });
    }
    for (role, key) in [(Role::Meta, meta), (Role::File, Some(file))] {
        match key {
            Some((_, source @ KeySource::Derived { .. })) => add(findings, Finding::DerivedKey { role, source }),
            Some((key, source)) if !is_zero(key) && !is_accepted(role, key) => {
                add(findings, Finding::OtherKey { role, source });
            }
            _ => {}
        }
    }
}

/// Adds the findings about faults in the tap or in the assumptions. It does not add findings about a later tap.
fn add_faults<'a>(
    assumptions: &Assumptions<'a>,
    url: &str,
    found: &Match<'a>,
    explanation: &Explanation<'a>,
    layout_error: Option<Malformed>,
    findings: &mut Findings<'a>,
) {
    let Match { parts, scheme, claimed, session_vector, truncation, .. } = found;
    let layout = assumptions.layout;
    let earlier_findings = findings.len();
    if layout.is_some_and(|layout| layout.scheme() != *scheme) {
        add(findings, Finding::Mode { actual: *scheme });
    } else if let Some(error) = layout_error {
        add(findings, Finding::Layout(error));
    }
    compare_keys(assumptions, explanation, findings);
    let covered = assumptions.url.get(parts.window_start..parts.mac.from).unwrap_or_default();
    let is_split = |part: Span| part.from < parts.window_start && parts.window_start < part.to;
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc];
    let assumed = assumed_parts(assumptions, url);
    if mirrors.into_iter().flatten().any(is_split) {
        add(findings, Finding::MacInputInside { covered });
    } else if assumed.as_ref().is_some_and(|assumed| assumed.window_start != parts.window_start) {
        add(findings, Finding::MacInput { covered });
    }
    if session_vector.is_ctr_reversed && session_vector.ctr.is_some() {
        add(findings, Finding::CounterByteOrder);
    }
    if session_vector.uid != claimed.uid || session_vector.ctr != claimed.ctr {
        let (uid, ctr) = (session_vector.uid.is_some(), session_vector.ctr.is_some());
        add(findings, Finding::SessionVector { uid, ctr });
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
    // Report this only if the assumed layout does not accept the tap and no finding above says why.
    let meta_key = explanation.meta_key.as_ref().map(|(key, _)| key);
    let accepts = |layout: &SdmLayout| verify(layout, url, meta_key, &explanation.file_key.0).is_some();
    if layout.is_some_and(|layout| !accepts(layout)) && findings.len() == earlier_findings {
        add(findings, Finding::Parts);
    }
    if let Some(uid) = session_vector.uid.filter(|uid| assumptions.uid.is_some_and(|assumed| assumed != *uid)) {
        add(findings, Finding::OtherTag { uid });
    }
    match (session_vector.ctr, assumptions.stored_ctr) {
        (None, _) => add(findings, Finding::NoCounter),
        (Some(SdmReadCtr::ZERO), _) => add(findings, Finding::CounterZero),
        (Some(ctr), Some(stored)) if ctr <= stored => add(findings, Finding::CounterBehind { ctr, stored }),
        _ => {}
    }
    let is_covered = |part: Span| (parts.window_start..parts.mac.from).contains(&part.from);
    let status = assumed.and_then(|assumed| assumed.tt_status);
    if status.is_some_and(|part| !is_covered(part)) && *scheme != Scheme::Suncmac {
        add(findings, Finding::TamperNotCovered);
    }
}

/// Adds the findings about the later tap.
///
/// If the file key is derived and the later tap has a different UID, the file key of the later tap is not known. The
/// MAC of the later tap is then not checked.
fn compare_second_tap<'a>(assumptions: &Assumptions<'a>, explanation: &Explanation<'a>, findings: &mut Findings<'a>) {
    let Some(url) = assumptions.second_url else { return };
    let repaired = repair(assumptions, url);
    let url = repaired.as_ref().map_or(url, |(url, _)| url);
    let meta_key = explanation.meta_key.as_ref().map(|(key, _)| key);
    let second = explanation.layout.as_ref().and_then(|layout| {
        verify(layout, url, meta_key, &explanation.file_key.0).or_else(|| {
            let tap = layout.parse(url).ok()?;
            let claimed = match meta_key {
                Some(key) => tap.open(&key.prepare(explanation.scheme)).ok()?,
                None => tap.read_plain().ok()?,
            };
            let is_derived = matches!(explanation.file_key.1, KeySource::Derived { .. });
            (is_derived && claimed.uid() != explanation.uid).then(|| (claimed.uid(), claimed.ctr()))
        })
    });
    match second {
        None => add(findings, Finding::SecondDiffers),
        Some((Some(uid), _)) if explanation.uid.is_some_and(|first| first != uid) => {
            add(findings, Finding::SecondOfOther { uid });
        }
        Some((_, Some(later))) => {
            if let Some(first) = explanation.ctr {
                match later.get().checked_sub(first.get()) {
                    None => add(findings, Finding::CounterBack),
                    Some(0) => add(findings, Finding::CounterStuck),
                    Some(reads) => add(findings, Finding::CounterRunning { reads }),
                }
            }
        }
        Some(_) => {}
    }
}

/// Adds the findings that are not faults.
fn add_remarks<'a>(assumptions: &Assumptions<'a>, url: &str, found: &Match<'a>, findings: &mut Findings<'a>) {
    let parts = &found.parts;
    let meta_is_factory = found.claimed.meta_key.as_ref().is_none_or(|(_, source)| *source == KeySource::Factory);
    if assumptions.keys.is_empty() && meta_is_factory && found.file_key.1 == KeySource::Factory {
        add(findings, Finding::NewChip);
    }
    // It is not known for certain what the status letters of an NTAG 22x mean.
    let status = assumed_parts(assumptions, url).and_then(|assumed| assumed.tt_status);
    if status.is_some_and(|part| part.of(url).contains('O')) && found.scheme != Scheme::Suncmac {
        add(findings, Finding::SealOpened);
    }
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc, Some(parts.mac)];
    let has_lower_case = |part: Span| part.of(url).bytes().any(|byte| byte.is_ascii_lowercase());
    if mirrors.into_iter().flatten().any(has_lower_case) {
        add(findings, Finding::HexCase);
    }
}

/// Adds the findings about a tap that no combination explains.
fn report_unexplained<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    url: &str,
    readings: &Readings<'a>,
    layout_error: Option<Malformed>,
    findings: &mut Findings<'a>,
) {
    if url.len() > MAX_URL {
        return add(findings, Finding::Layout(Malformed::TooLong));
    }
    if readings::is_blank(url, readings) {
        return add(findings, Finding::NotMirrored);
    }
    let layout_fits = assumptions.layout.is_some() && layout_error.is_none();
    let wrong_length = readings::wrong_picc_data_length(url).filter(|_| !layout_fits);
    if let Some(digits) = wrong_length {
        add(findings, Finding::PiccDataLength { digits });
    } else if readings.is_empty() {
        add(findings, Finding::NoMac);
    }
    if let Some(error) = layout_error {
        add(findings, Finding::Layout(error));
    }
    if readings.is_empty() {
        return;
    }
    let (mut is_encrypted, mut opened_uid) = (false, None);
    for reading in readings.iter().filter(|reading| reading.picc_data.is_some()) {
        is_encrypted = true;
        for scheme in schemes(reading, url) {
            // A wrong key opens PICCData by chance in one of 85 cases. Therefore a result counts only if its UID is the
            // known UID or a UID of NXP, or if the key was given as SDMMetaReadKey.
            let results = search.open(url, reading, scheme, KeyTier::Derived);
            let has_known_uid = |claimed: &&ClaimedValues<'_>| {
                claimed.uid.is_some_and(|uid| assumptions.uid == Some(uid) || uid.as_bytes().first() == Some(&0x04))
            };
            let has_given_key = |claimed: &&ClaimedValues<'_>| {
                claimed.meta_key.as_ref().is_some_and(|(key, _)| {
                    assumptions.keys.iter().any(|given| given.role == Role::Meta && given.key == key.expose_bytes())
                })
            };
            let likely = results.iter().find(has_known_uid).or_else(|| results.iter().find(has_given_key));
            opened_uid = opened_uid.or(likely.map(|claimed| claimed.uid));
        }
    }
    if let Some(second_url) = assumptions.second_url.filter(|second_url| second_url.len() <= MAX_URL) {
        let (second_readings, _) = readings::readings(assumptions, second_url);
        let plain_uid = readings.first().and_then(|reading| reading.uid).map(|part| part.of(url));
        let second = search.run(second_url, &second_readings);
        let is_same_tag = second.is_some_and(|second| {
            let second_uid = second.claimed.uid.map(Uid::to_ascii);
            let opened_uid = opened_uid.flatten().map(Uid::to_ascii);
            plain_uid.is_none_or(|plain| second_uid.is_none_or(|uid| plain.as_bytes().eq_ignore_ascii_case(&uid)))
                && opened_uid.is_none_or(|opened| second_uid.is_none_or(|uid| opened == uid))
        });
        if is_same_tag {
            add(findings, Finding::Altered);
        }
    }
    match (is_encrypted, opened_uid) {
        (_, Some(uid)) => add(findings, Finding::FileKey { uid }),
        // PICCData of the wrong length cannot be opened, so there is no finding about its key.
        _ if wrong_length.is_some() => {}
        (true, None) if !search.is_over() => add(findings, Finding::MetaKey),
        (_, None) => add(findings, Finding::NoMatch),
    }
}
