//! The findings about a tap if the search found no keys and no MAC input that reproduce its MAC.

use super::assumptions::Assumptions;
use super::candidates::KeyTier;
use super::checks::is_factory;
use super::contents::Contents;
use super::diagnosis::{Findings, add};
#[cfg(feature = "ecdsa")]
use super::edited;
use super::finding::Finding;
use super::other_schemes;
use super::readings::{self, Blank, Readings};
use super::repair::Tap;
use super::search::{ClaimedValues, Search, schemes};
use super::shift::Shift;
#[cfg(feature = "ecdsa")]
use super::signature;
use super::url_parts::UrlParts;
use super::wrong_offsets;
use crate::sun::error::{Field, Malformed};
use crate::sun::fixed::MAX_URL;
#[cfg(feature = "ecdsa")]
use crate::sun::layout::MAC_CHARS;
use crate::value::{Scheme, Uid};

/// Adds the findings. Returns the content of the tap if a key decrypts its PICCData, or if its UID is not encrypted.
pub(super) fn report<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    readings: &Readings,
    findings: &mut Findings<'a>,
) -> Option<Contents> {
    let has_mac =
        |reading: &UrlParts| reading.is_regular() && reading.uid.is_some_and(|uid| uid.to <= reading.mac.from);
    if let Some(name) = other_schemes::name(tap.url, readings.iter().any(has_mac)) {
        add(findings, Finding::OtherScheme(name));
        return None;
    }
    if is_signed(assumptions, tap, readings) {
        return report_signature(search, assumptions, tap, findings);
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
        Blank::None => report_shape(search, assumptions, tap, readings, findings),
    }
    let opened = open(search, assumptions, tap, readings);
    let opened_part = opened.likely.as_ref().filter(|(parts, ..)| parts.mac.len() == 0);
    if let Some(picc_data) = opened_part.and_then(|(parts, ..)| parts.picc_data)
        && findings.is_empty()
        && readings.iter().all(|reading| reading.mac.overlaps(picc_data))
    {
        // The digits that look like a MAC are the end of the PICCData.
        add(findings, Finding::NoMac);
    }
    if findings.iter().all(|finding| !explains_missing_mac(finding)) {
        report_keys(search, assumptions, tap.url, readings, &opened, findings);
    }
    let (parts, scheme, claimed) = opened.likely?;
    let (contents, file_key) = Contents::claimed(assumptions, tap.url, &parts, scheme, &claimed)?;
    let meta = claimed.meta_key.is_some_and(|(key, _)| is_factory(key.expose_bytes()));
    let file = file_key.is_some_and(|key| is_factory(key.expose_bytes()));
    if meta || file {
        add(findings, Finding::FactoryKey { meta, file });
    }
    Some(contents)
}

/// Returns `true` if the tap has a signature instead of a MAC, or should have one.
fn is_signed(assumptions: &Assumptions<'_>, tap: &Tap<'_>, readings: &Readings) -> bool {
    if let Some(layout) = tap.layout.filter(|layout| layout.scheme().is_signed() || tap.layout_error.is_none()) {
        return layout.scheme().is_signed();
    }
    readings::signature(tap.url).is_some_and(|signature| {
        // The digits of file data can be as many as those of a signature.
        let is_before_mac = |reading: &UrlParts| {
            signature.to <= reading.mac.from && reading.mirrors().any(|(_, part)| part.overlaps(signature))
        };
        has_public_key(assumptions) || !readings.iter().any(is_before_mac)
    })
}

fn has_public_key(assumptions: &Assumptions<'_>) -> bool {
    #[cfg(feature = "ecdsa")]
    let has_key = assumptions.public_key.is_some();
    #[cfg(not(feature = "ecdsa"))]
    let (has_key, _) = (false, assumptions);
    has_key
}

/// Adds the finding about a signature that does not verify, or that the layout has but the URL does not. Returns the
/// content of the tap if its UID is not encrypted.
fn report_signature<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    findings: &mut Findings<'a>,
) -> Option<Contents> {
    let parts = readings::without_mac(tap.url).filter(|parts| parts.picc_data.is_none()).unwrap_or_default();
    let claimed = search.open(tap.url, &parts, Scheme::Aes, KeyTier::Direct).pop()?;
    #[cfg(not(feature = "ecdsa"))]
    let finding = Finding::EccSignature;
    #[cfg(feature = "ecdsa")]
    let finding = if readings::signature(tap.url).is_none() {
        let has_mac = readings::last_run(tap.url, |run| run.len() == MAC_CHARS).is_some();
        Finding::NoSignature { has_mac }
    } else if assumptions.public_key.is_none() {
        Finding::EccSignature
    } else if let Some(changed) = edited::find(search, assumptions, tap) {
        changed
    } else if signature::is_second_signed(search, assumptions, tap) {
        Finding::Altered
    } else {
        Finding::SignatureKey { uid: claimed.uid }
    };
    add(findings, finding);
    Contents::claimed(assumptions, tap.url, &parts, Scheme::Aes, &claimed).map(|(contents, _)| contents)
}

/// Adds the findings about the parts of the URL and their lengths.
fn report_shape<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    readings: &Readings,
    findings: &mut Findings<'a>,
) {
    let layout_fits = tap.layout.is_some() && tap.layout_error.is_none();
    let expects_picc_data = tap.layout.is_none_or(|layout| layout.has(Field::PiccData));
    let shift = tap.layout.filter(|_| !layout_fits).and_then(|layout| {
        wrong_offsets::visible_shift(layout, tap.url, |parts| {
            let mut claims = search.open(tap.url, parts, layout.scheme(), KeyTier::Derived).into_iter();
            claims.any(|claimed| claimed.doubt(assumptions) == Some(0))
        })
    });
    if let Some(Shift { field, by, cause }) = shift {
        return add(findings, Finding::OffsetShift { mirror: field, by, cause });
    }
    let expected = tap.layout.and_then(|layout| readings::wrong_picc_data_of_layout(layout, tap.url));
    let guessed = || readings::wrong_picc_data_length(tap.url).filter(|_| expects_picc_data);
    let wrong_length = expected.or_else(guessed).filter(|_| !layout_fits);
    if let Some(digits) = wrong_length {
        add(findings, Finding::PiccDataLength { digits });
    } else if readings.is_empty() {
        add(findings, Finding::NoMac);
    }
    if let Some(error) = tap.layout_error {
        add(findings, Finding::Layout(error));
    }
}

/// Returns `true` if this finding alone explains why no MAC matches.
fn explains_missing_mac(finding: &Finding<'_>) -> bool {
    matches!(finding, Finding::NoMac | Finding::MacNotMirrored | Finding::OffsetShift { .. })
}

/// The UID and the counter from the PICCData or from the plain mirrors of a URL.
struct Opened<'a> {
    /// `true` if the URL has PICCData.
    is_encrypted: bool,
    /// The most likely UID and counter, and the URL parts and the scheme with which they were read.
    likely: Option<(UrlParts, Scheme, ClaimedValues<'a>)>,
}

impl Opened<'_> {
    /// Returns the values in the PICCData. Returns `None` if the URL has no PICCData, or if no key decrypts it.
    fn picc_data(&self) -> Option<&ClaimedValues<'_>> {
        let (_, _, claimed) = self.likely.as_ref().filter(|_| self.is_encrypted)?;
        Some(claimed)
    }
}

/// Decrypts the PICCData, or reads the plain mirrors.
fn open<'a>(
    search: &mut Search<'_, 'a>,
    assumptions: &Assumptions<'a>,
    tap: &Tap<'_>,
    readings: &Readings,
) -> Opened<'a> {
    let layout_fits = tap.layout.is_some() && tap.layout_error.is_none();
    // If the layout matches the URL, the first reading comes from the layout, and the other readings are not needed.
    let from_layout = readings.iter().take(1).filter(|_| layout_fits);
    let guessed = readings.iter().filter(|reading| reading.picc_data.is_some() && !layout_fits);
    let without_mac = readings::without_mac(tap.url).filter(|_| !layout_fits);
    let mut opened = Opened { is_encrypted: false, likely: None };
    let mut least = usize::MAX;
    for reading in from_layout.chain(guessed).copied().chain(without_mac) {
        opened.is_encrypted |= reading.picc_data.is_some();
        for scheme in schemes(&reading, tap.url) {
            for claimed in search.open(tap.url, &reading, scheme, KeyTier::Derived) {
                let Some(doubt) = claimed.doubt(assumptions).filter(|doubt| *doubt < least) else { continue };
                least = doubt;
                opened.likely = Some((reading, scheme, claimed));
            }
        }
    }
    opened
}

/// Adds the findings about the keys. Also adds [`Finding::Altered`] if the search finds keys and a MAC input that
/// reproduce the MAC of the second tap.
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
        let plain_uid = readings.first().and_then(|reading| reading.uid).map(|part| part.slice(url));
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
        // PICCData of the wrong length cannot be decrypted with any key, so there is no finding about its key.
        _ if has_wrong_length => {}
        (true, None) if !search.is_over() => add(findings, Finding::MetaKey),
        (_, None) => add(findings, Finding::NoMatch),
    }
}
