//! The findings about a tap that no combination explains. They report only what the URL itself shows.

use super::assumptions::{Assumptions, GivenKey, Role};
use super::candidates::KeyTier;
use super::contents::Contents;
use super::diagnosis::{Findings, add};
use super::finding::Finding;
use super::key_source::KeySource;
use super::other_schemes;
use super::readings::{self, Blank, Readings};
use super::repair::Tap;
use super::search::{ClaimedValues, Search, schemes};
use super::shift::Shift;
use super::url_parts::UrlParts;
use super::wrong_offsets;
use crate::sun::error::{Field, Malformed};
use crate::sun::received::MAX_URL;
use crate::value::{Scheme, Uid};

/// Adds the findings, and returns the content of the tap if its PICCData opens or if its mirrors are plain.
pub(super) fn report<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    readings: &Readings,
    findings: &mut Findings<'a>,
) -> Option<Contents> {
    if let Some(name) = other_schemes::name(tap.url) {
        add(findings, Finding::OtherScheme(name));
        return None;
    }
    if other_schemes::has_ecc_signature(tap.url) {
        add(findings, Finding::EccSignature);
        return None;
    }
    if tap.url.len() > MAX_URL {
        add(findings, Finding::Layout(Malformed::TooLong));
        return None;
    }
    match readings::blank(tap.layout, tap.url, readings) {
        Blank::All => {
            add(findings, Finding::NotMirrored);
            return None;
        }
        Blank::Mac => add(findings, Finding::MacNotMirrored),
        Blank::None => report_shape(tap, readings, findings),
    }
    let opened = open(search, assumptions, tap.url, readings);
    if findings.iter().all(|finding| !explains_missing_mac(finding)) {
        report_keys(search, assumptions, tap.url, readings, &opened, findings);
    }
    let (parts, scheme, claimed) = opened.likely?;
    let (contents, file_key) = Contents::claimed(assumptions, tap.url, &parts, scheme, &claimed)?;
    let meta = claimed.meta_key.is_some_and(|(key, _)| *key.expose_bytes() == [0; 16]);
    let file = file_key.is_some_and(|key| *key.expose_bytes() == [0; 16]);
    if meta || file {
        add(findings, Finding::FactoryKey { meta, file });
    }
    Some(contents)
}

/// Adds the findings about the shape of the URL.
fn report_shape(tap: &Tap<'_>, readings: &Readings, findings: &mut Findings<'_>) {
    let layout_fits = tap.layout.is_some() && tap.layout_error.is_none();
    let expects_picc_data = tap.layout.is_none_or(|layout| layout.has(Field::PiccData));
    let shift = tap.layout.filter(|_| !layout_fits).and_then(|layout| wrong_offsets::visible_shift(layout, tap.url));
    if let Some(Shift { field, by, cause }) = shift {
        return add(findings, Finding::OffsetShift { mirror: field, by, cause });
    }
    let wrong_length = readings::wrong_picc_data_length(tap.url).filter(|_| !layout_fits && expects_picc_data);
    if let Some(digits) = wrong_length {
        add(findings, Finding::PiccDataLength { digits });
    } else if readings.is_empty() {
        add(findings, Finding::NoMac);
    }
    if let Some(error) = tap.layout_error {
        add(findings, Finding::Layout(error));
    }
}

/// Returns `true` if this finding already says why no MAC can match.
fn explains_missing_mac(finding: &Finding<'_>) -> bool {
    matches!(finding, Finding::NoMac | Finding::MacNotMirrored | Finding::OffsetShift { .. })
}

/// What the PICCData or the plain mirrors of a URL say.
struct Opened<'a> {
    /// `true` if the URL has PICCData.
    is_encrypted: bool,
    /// The most likely values.
    likely: Option<(UrlParts, Scheme, ClaimedValues<'a>)>,
}

impl Opened<'_> {
    /// Returns the values of the PICCData; `None` if there is none, or if no key opens it.
    fn picc_data(&self) -> Option<&ClaimedValues<'_>> {
        let (_, _, claimed) = self.likely.as_ref().filter(|_| self.is_encrypted)?;
        Some(claimed)
    }
}

/// Opens the PICCData, or reads the plain mirrors.
fn open<'a>(search: &mut Search<'_, 'a>, assumptions: &Assumptions<'a>, url: &str, readings: &Readings) -> Opened<'a> {
    let without_mac = readings::without_mac(url);
    let with_picc_data = readings.iter().copied().filter(|reading| reading.picc_data.is_some());
    let mut opened = Opened { is_encrypted: false, likely: None };
    for reading in with_picc_data.chain(without_mac) {
        if reading.picc_data.is_none() && opened.is_encrypted {
            continue;
        }
        opened.is_encrypted |= reading.picc_data.is_some();
        for scheme in schemes(&reading, url) {
            // A wrong key opens PICCData by chance in one of 85 cases. Therefore a result counts only if its UID is the
            // known UID or a UID of NXP, or if the key was given as SDMMetaReadKey.
            let results = search.open(url, &reading, scheme, KeyTier::Derived);
            let is_plain = |claimed: &&ClaimedValues<'_>| claimed.meta_key.is_none() && claimed.uid.is_some();
            let has_known_uid = |claimed: &&ClaimedValues<'_>| {
                claimed.uid.is_some_and(|uid| assumptions.uid == Some(uid) || uid.as_bytes().first() == Some(&0x04))
            };
            let has_given_key = |claimed: &&ClaimedValues<'_>| {
                claimed.meta_key.as_ref().is_some_and(|(key, source)| {
                    let is_given = |given: &GivenKey<'_>| given.role == Role::Meta && given.key == key.expose_bytes();
                    !matches!(source, KeySource::Derived { .. }) && assumptions.keys.iter().any(is_given)
                })
            };
            let likely = results.iter().find(has_known_uid).or_else(|| results.iter().find(has_given_key));
            let likely = likely.or_else(|| results.iter().find(is_plain));
            if opened.likely.is_none() {
                opened.likely = likely.map(|claimed| (reading, scheme, claimed.clone()));
            }
        }
    }
    opened
}

/// Adds the findings about the keys, and about a later tap that verifies.
fn report_keys<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    url: &str,
    readings: &Readings,
    opened: &Opened<'a>,
    findings: &mut Findings<'a>,
) {
    if let Some(second_url) = assumptions.second_url.filter(|second_url| second_url.len() <= MAX_URL) {
        let (second_readings, _) = readings::readings(assumptions.layout, second_url);
        let plain_uid = readings.first().and_then(|reading| reading.uid).map(|part| part.of(url));
        let second = search.run_all(second_url, &second_readings.iter().copied());
        let is_same_tag = second.is_some_and(|second| {
            let second_uid = second.claimed.uid.map(Uid::to_ascii);
            let opened_uid = opened.picc_data().and_then(|claimed| claimed.uid).map(Uid::to_ascii);
            plain_uid.is_none_or(|plain| second_uid.is_none_or(|uid| plain.as_bytes().eq_ignore_ascii_case(&uid)))
                && opened_uid.is_none_or(|opened| second_uid.is_none_or(|uid| opened == uid))
        });
        if is_same_tag {
            add(findings, Finding::Altered);
        }
    }
    let has_wrong_length = findings.iter().any(|finding| matches!(finding, Finding::PiccDataLength { .. }));
    match (opened.is_encrypted, opened.picc_data()) {
        (_, Some(claimed)) => add(findings, Finding::FileKey { uid: claimed.uid }),
        // PICCData of the wrong length cannot be opened, so there is no finding about its key.
        _ if has_wrong_length => {}
        (true, None) if !search.is_over() => add(findings, Finding::MetaKey),
        (_, None) => add(findings, Finding::NoMatch),
    }
}
