//! Checks of an explained tap that do not depend on whether a MAC or a signature authenticates it.

use super::assumptions::{Assumptions, Role};
use super::candidates::{FACTORY_KEY, public_file_derivation, public_meta_derivation};
use super::diagnosis::{Explanation, Findings, add};
use super::finding::Finding;
use super::key_source::KeySource;
use super::repair::{Repair, Tap};
use super::url_parts::UrlParts;
use crate::key::{FileReadKey, SdmMetaReadKey};
use crate::sun::error::Field;
use crate::sun::layout::SdmLayout;
use crate::sun::span::Span;
use crate::value::{SdmReadCtr, Uid};

/// Returns the UID and the counter of the URL if the tap verifies with this layout and these keys. If the counter is 0,
/// the MAC or the signature is not checked.
pub(super) fn verify(
    layout: &SdmLayout,
    url: &str,
    meta_key: Option<&SdmMetaReadKey>,
    key: &impl FileReadKey,
) -> Option<(Option<Uid>, Option<SdmReadCtr>)> {
    let tap = layout.parse(url).ok()?;
    let claimed = match meta_key {
        Some(key) => tap.open(&key.prepare(layout.scheme())).ok()?,
        None => tap.read_plain().ok()?,
    };
    let (uid, ctr) = (claimed.uid(), claimed.ctr());
    let is_genuine = match ctr {
        // `claimed.verify` rejects counter 0. For the first tap, the search already found that the MAC or the signature
        // is right.
        Some(SdmReadCtr::ZERO) => true,
        Some(_) => claimed.verify(key).is_ok(),
        None => claimed.verify_replayable(key).is_ok(),
    };
    is_genuine.then_some((uid, ctr))
}

/// Adds the findings about keys that differ from the given keys.
pub(super) fn compare_keys<'a>(
    assumptions: &Assumptions<'a>,
    explanation: &Explanation<'a>,
    findings: &mut Findings<'a>,
) {
    let meta = explanation.meta_key.as_ref().map(|(key, source)| (key.expose_bytes(), *source));
    let file = explanation.file_key.as_ref().map(|(key, source)| (key.expose_bytes(), *source));
    let is_given_as =
        |role: Role, key: &[u8; 16]| assumptions.keys.iter().any(|given| given.role == role && given.key == key);
    let has_role = |role: Role| assumptions.keys.iter().any(|given| given.role == role);
    // If no key was given for a role, any key is accepted for this role. If all keys were given with `Role::Any`, this
    // applies to both roles.
    let is_accepted = |role: Role, key: &[u8; 16]| is_given_as(role, key) || !has_role(role);
    let meta_is_file = meta.is_some_and(|(key, _)| is_given_as(Role::File, key) && !is_accepted(Role::Meta, key));
    let file_is_meta = file.is_some_and(|(key, _)| is_given_as(Role::Meta, key) && !is_accepted(Role::File, key));
    if meta_is_file && file_is_meta {
        return add(findings, Finding::KeysSwapped);
    }
    for (role, key) in [(Role::Meta, meta), (Role::File, file)] {
        match key {
            Some((_, source @ KeySource::Derived { .. })) => add(findings, Finding::DerivedKey { role, source }),
            Some((key, source)) if !is_factory(key) && !is_accepted(role, key) => {
                add(findings, Finding::OtherKey { role, source });
            }
            _ => {}
        }
    }
}

/// Adds a finding about each key that was given, but that anybody can derive from the key of a new chip.
pub(super) fn check_public_keys<'a>(
    assumptions: &Assumptions<'a>,
    explanation: &Explanation<'a>,
    findings: &mut Findings<'a>,
) {
    let is_checked = |source: &KeySource<'_>, key| !matches!(source, KeySource::Derived { .. }) && !is_factory(key);
    let meta = explanation.meta_key.as_ref().filter(|(key, source)| is_checked(source, key.expose_bytes()));
    let file = explanation.file_key.as_ref().filter(|(key, source)| is_checked(source, key.expose_bytes()));
    let meta = meta.and_then(|(key, _)| public_meta_derivation(assumptions, key));
    let file = file.and_then(|(key, _)| public_file_derivation(assumptions, explanation.uid, key));
    for (role, derivation) in [(Role::Meta, meta), (Role::File, file)] {
        if let Some(derivation) = derivation {
            add(findings, Finding::DerivedKey { role, source: KeySource::Derived { from: None, derivation } });
        }
    }
}

/// Returns `true` if this is the key of a new chip.
pub(super) fn is_factory(key: &[u8; 16]) -> bool {
    *key == FACTORY_KEY
}

/// Returns the text that the MAC or the signature covers, as it stands in the original URL.
pub(super) fn covered_text<'a>(assumptions: &Assumptions<'a>, tap: &Tap<'_>, parts: &UrlParts) -> &'a str {
    let covered = parts.covered();
    let original = assumptions.url;
    // If the repair changed the length of the URL, the text may have moved, so it is searched for. Otherwise it has the
    // same position, but its case may differ.
    let moved = original.find(covered.slice(tap.url)).map(|from| Span::at(from, covered.len()));
    moved.filter(|_| original.len() != tap.url.len()).unwrap_or(covered).slice(original)
}

/// Adds the findings about the UID and the counter of a tap whose MAC or signature is right.
pub(super) fn check_values(
    assumptions: &Assumptions<'_>,
    uid: Option<Uid>,
    ctr: Option<SdmReadCtr>,
    findings: &mut Findings<'_>,
) {
    if let Some(uid) = uid.filter(|uid| assumptions.uid.is_some_and(|assumed| assumed != *uid)) {
        add(findings, Finding::OtherTag { uid });
    }
    match (ctr, assumptions.stored_ctr) {
        (None, _) => add(findings, Finding::NoCounter),
        (Some(SdmReadCtr::ZERO), _) => add(findings, Finding::CounterZero),
        (Some(ctr), Some(stored)) if ctr <= stored => add(findings, Finding::CounterBehind { ctr, stored }),
        _ => {}
    }
}

/// Adds the findings about the second tap. `is_own_key` is `true` if `key` usually belongs to one tag alone, because it
/// is derived or is a public key. If the second tap then has a different UID and does not verify, its UID is reported
/// although its MAC or its signature is not checked.
pub(super) fn compare_second_tap<'a>(
    assumptions: &Assumptions<'a>,
    explanation: &Explanation<'a>,
    key: &impl FileReadKey,
    is_own_key: bool,
    findings: &mut Findings<'a>,
) {
    // Without a layout or a key that it needs, the second tap cannot be verified in the same way.
    let meta_key = explanation.meta_key.as_ref().map(|(key, _)| key);
    let is_usable = |layout: &&SdmLayout| meta_key.is_some() || !layout.has(Field::PiccData);
    let layout = explanation.layout.as_ref().filter(is_usable);
    let (Some(original), Some(_)) = (assumptions.second_url, layout) else { return };
    let repair = Repair::new(layout, original);
    let url = repair.url(original);
    let second = repair.layout.as_ref().and_then(|layout| {
        verify(layout, url, meta_key, key).or_else(|| {
            let tap = layout.parse(url).ok()?;
            let claimed = match meta_key {
                Some(key) => tap.open(&key.prepare(explanation.scheme)).ok()?,
                None => tap.read_plain().ok()?,
            };
            (is_own_key && claimed.uid() != explanation.uid).then(|| (claimed.uid(), claimed.ctr()))
        })
    });
    // `verify` does not check the MAC of a tap with counter 0.
    let second = second.filter(|(_, ctr)| *ctr != Some(SdmReadCtr::ZERO) || explanation.ctr == *ctr);
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

/// Adds a remark if some digits of the mirrors are in lower case.
pub(super) fn check_case(parts: &UrlParts, url: &str, findings: &mut Findings<'_>) {
    let mirrors = [parts.picc_data, parts.uid, parts.ctr, parts.enc, Some(parts.mac)];
    let has_lower_case = |part: Span| part.slice(url).bytes().any(|byte| byte.is_ascii_lowercase());
    if mirrors.into_iter().flatten().any(has_lower_case) {
        add(findings, Finding::HexCase);
    }
}
