//! Compares how a tap was made with the assumptions of the case.

use heapless::Vec;

use super::anatomy::{self, Anatomy, Repaired};
use super::candidates::Kind;
use super::case::{Case, Role};
use super::diagnosis::{Diagnosis, MAX_FINDINGS, Verdict, Works};
use super::finding::Finding;
use super::read::{self, Readings};
use super::search::{Cut, Made, Opened, Search, schemes};
use super::source::KeySource;
use crate::key::{SdmFileReadKey, SdmMetaReadKey};
use crate::sun::error::Malformed;
use crate::sun::layout::SdmLayout;
use crate::sun::received::MAX_URL;
use crate::sun::span::Span;
use crate::value::{Scheme, SdmReadCtr, Uid};

type Findings<'a> = Vec<Finding<'a>, MAX_FINDINGS>;

pub(super) fn diagnose<'a>(case: &Case<'a>, watch: &mut dyn FnMut(u32)) -> Diagnosis<'a> {
    let mut search = Search::new(case, watch);
    let mut findings = Findings::new();
    let repaired = repair(case, case.url);
    let url = repaired.as_ref().map_or(case.url, |(url, _)| url);
    let (readings, unfit) = read::readings(case, url);
    if let Some((_, why)) = repaired {
        add(&mut findings, why);
    }
    // No chip writes more than 256 bytes, so a longer URL needs no search.
    let made = if url.len() > MAX_URL { None } else { search.run(url, &readings) };
    let works = made.as_ref().map(|made| works(case, url, made));
    let verdict = if let (Some(made), Some(works)) = (&made, &works) {
        faults(case, url, made, works, unfit, &mut findings);
        second(case, works, &mut findings);
        remarks(case, url, made, &mut findings);
        if findings.iter().any(Finding::is_fault) { Verdict::Explained } else { Verdict::Healthy }
    } else {
        search.use_reserve();
        unexplained(&mut search, case, url, &readings, unfit, &mut findings);
        Verdict::Unexplained
    };
    let complete = made.is_some() || search.is_complete();
    Diagnosis { verdict, works, tried: search.tried(), complete, findings }
}

/// Repairs a URL that differs from the assumed layout only in its case, its host or appended text. Returns the repaired
/// URL and the finding that says so.
fn repair<'a>(case: &Case<'a>, url: &str) -> Option<(Repaired, Finding<'a>)> {
    let layout = case.layout?;
    let error = layout.parse(url).err()?;
    if let Some(cut) = anatomy::cut(layout, url) {
        return Some((cut, Finding::Layout(Malformed::Trailing)));
    }
    if let Some(restored) = anatomy::restore(layout, url) {
        return Some((restored, Finding::CaseChanged));
    }
    Some((anatomy::rehost(layout, url, read::path(url))?, Finding::Layout(error)))
}

fn add<'a>(findings: &mut Findings<'a>, finding: Finding<'a>) {
    // The capacity exceeds the number of findings that can occur together.
    let _ = findings.push(finding);
}

fn works<'a>(case: &Case<'a>, url: &str, made: &Made<'a>) -> Works<'a> {
    let Made { mut anatomy, scheme, opened, file, vector, .. } = made.clone();
    // A part that is not in the session vector is not mirrored. It only looks like a mirror.
    if anatomy.picc_data.is_none() {
        anatomy.uid = anatomy.uid.filter(|_| vector.uid.is_some());
        anatomy.ctr = anatomy.ctr.filter(|_| vector.ctr.is_some());
    }
    // Neither is a status that the MAC does not cover, unless the assumed layout has it.
    let covered = |part: &Span| (anatomy.window..anatomy.mac.from).contains(&part.from);
    let known = case.layout.is_some_and(|layout| Anatomy::of(layout, url).is_ok_and(|known| known.tt_status.is_some()));
    anatomy.tt_status = anatomy.tt_status.filter(|part| known || covered(part));
    let meta = opened.meta.as_ref().map(|(key, _)| key.clone());
    let fits = |layout: &SdmLayout| verifies(layout, url, meta.as_ref(), &file.0).is_some();
    let believed = case.layout.filter(|layout| layout.scheme() == scheme && fits(layout));
    let layout = believed.cloned().or_else(|| anatomy.layout(scheme, url).ok().filter(fits));
    Works { layout, scheme, meta: opened.meta, file, uid: vector.uid, ctr: vector.ctr }
}

/// Returns UID and counter of the URL if it parses, opens and verifies like an ordinary tap.
fn verifies(
    layout: &SdmLayout,
    url: &str,
    meta: Option<&SdmMetaReadKey>,
    file: &SdmFileReadKey,
) -> Option<(Option<Uid>, Option<SdmReadCtr>)> {
    let tap = layout.parse(url).ok()?;
    let claimed = match meta {
        Some(key) => tap.open(&key.prepare(layout.scheme())).ok()?,
        None => tap.read_plain().ok()?,
    };
    let told = (claimed.uid(), claimed.ctr());
    let key = file.prepare(layout.scheme());
    let genuine = match told.1 {
        // `verify` rejects counter 0. The search already found that the MAC is right.
        Some(SdmReadCtr::ZERO) => true,
        Some(_) => claimed.verify(&key).is_ok(),
        None => claimed.verify_replayable(&key).is_ok(),
    };
    genuine.then_some(told)
}

/// Adds the findings about keys that differ from the given ones.
fn keys<'a>(case: &Case<'a>, works: &Works<'a>, findings: &mut Findings<'a>) {
    let meta = works.meta.as_ref().map(|(key, source)| (key.expose_bytes(), *source));
    let file = (works.file.0.expose_bytes(), works.file.1);
    let has = |role: Role, key: &[u8; 16]| case.keys.iter().any(|given| given.role == role && given.key == key);
    let given = |role: Role| case.keys.iter().any(|given| given.role == role);
    // If no key was given for a role, any key is accepted for it. Keys without a role contradict nothing, unless no
    // given key is of use.
    let believed = |role: Role, key: &[u8; 16]| has(role, key) || !given(role);
    let swapped = meta.is_some_and(|(key, _)| has(Role::File, key) && !believed(Role::Meta, key));
    if swapped && has(Role::Meta, file.0) && !believed(Role::File, file.0) {
        return add(findings, Finding::KeysSwapped);
    }
    let of_use = |key: &[u8; 16], source: KeySource<'_>| {
        matches!(source, KeySource::Derived { .. }) || case.keys.iter().any(|given| given.key == key)
    };
    let useless =
        !case.keys.is_empty() && !of_use(file.0, file.1) && !meta.is_some_and(|(key, source)| of_use(key, source));
    let zero = |key: &[u8; 16]| *key == [0; 16];
    let factory = |role: Role, key: &[u8; 16]| zero(key) && (useless || !believed(role, key));
    let (factory_meta, factory_file) =
        (meta.is_some_and(|(key, _)| factory(Role::Meta, key)), factory(Role::File, file.0));
    if factory_meta || factory_file {
        add(findings, Finding::FactoryKey { meta: factory_meta, file: factory_file });
    }
    for (role, key) in [(Role::Meta, meta), (Role::File, Some(file))] {
        match key {
            Some((_, source @ KeySource::Derived { .. })) => add(findings, Finding::DerivedKey { role, source }),
            Some((key, source)) if !zero(key) && !believed(role, key) => {
                add(findings, Finding::OtherKey { role, source });
            }
            _ => {}
        }
    }
}

fn faults<'a>(
    case: &Case<'a>,
    url: &str,
    made: &Made<'a>,
    works: &Works<'a>,
    unfit: Option<Malformed>,
    findings: &mut Findings<'a>,
) {
    let Made { anatomy, scheme, opened, vector, cut, .. } = made;
    let believed = case.layout;
    let before = findings.len();
    if let Some(works) = believed.map(SdmLayout::scheme).filter(|believed| believed != scheme).map(|_| *scheme) {
        add(findings, Finding::Mode { works });
    } else if let Some(error) = unfit {
        add(findings, Finding::Layout(error));
    }
    keys(case, works, findings);
    let covers = case.url.get(anatomy.window..anatomy.mac.from).unwrap_or_default();
    let inside = |part: Span| part.from < anatomy.window && anatomy.window < part.to;
    let parts = [anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.enc];
    let known = believed.and_then(|layout| Anatomy::of(layout, url).ok());
    if parts.into_iter().flatten().any(inside) {
        add(findings, Finding::MacInputInside { covers });
    } else if known.as_ref().is_some_and(|known| known.window != anatomy.window) {
        add(findings, Finding::MacInput { covers });
    }
    if vector.turned && vector.ctr.is_some() {
        add(findings, Finding::CounterByteOrder);
    }
    if vector.uid != opened.uid || vector.ctr != opened.ctr {
        add(findings, Finding::SessionVector { uid: vector.uid.is_some(), ctr: vector.ctr.is_some() });
    }
    let has = match cut {
        Cut::Odd => None,
        Cut::Even => Some("bytes 0, 2, 4, 6, 8, 10, 12 and 14"),
        Cut::First => Some("the first 8 bytes"),
        Cut::Last => Some("the last 8 bytes"),
    };
    if let Some(has) = has {
        add(findings, Finding::MacTruncation { has });
    }
    // The assumed layout does not accept this tap, and no finding above says why.
    let takes = |layout: &SdmLayout| verifies(layout, url, works.meta.as_ref().map(|(key, _)| key), &works.file.0);
    if believed.is_some_and(|layout| takes(layout).is_none()) && findings.len() == before {
        add(findings, Finding::Parts);
    }
    if let Some(uid) = vector.uid.filter(|uid| case.uid.is_some_and(|known| known != *uid)) {
        add(findings, Finding::OtherTag { uid });
    }
    match (vector.ctr, case.stored) {
        (None, _) => add(findings, Finding::NoCounter),
        (Some(SdmReadCtr::ZERO), _) => add(findings, Finding::CounterZero),
        (Some(ctr), Some(stored)) if ctr <= stored => add(findings, Finding::CounterBehind { ctr, stored }),
        _ => {}
    }
    let covered = |part: Span| (anatomy.window..anatomy.mac.from).contains(&part.from);
    let status = known.and_then(|known| known.tt_status);
    if status.is_some_and(|part| !covered(part)) && *scheme != Scheme::Suncmac {
        add(findings, Finding::TamperNotCovered);
    }
}

/// Adds the findings about the later tap.
///
/// If the file key is derived and the later tap has another UID, its own key is not known. Its MAC is then not checked.
fn second<'a>(case: &Case<'a>, works: &Works<'a>, findings: &mut Findings<'a>) {
    let Some(url) = case.second else { return };
    let repaired = repair(case, url);
    let url = repaired.as_ref().map_or(url, |(url, _)| url);
    let meta = works.meta.as_ref().map(|(key, _)| key);
    let told = works.layout.as_ref().and_then(|layout| {
        verifies(layout, url, meta, &works.file.0).or_else(|| {
            let claimed = layout.parse(url).ok()?;
            let claimed = match meta {
                Some(key) => claimed.open(&key.prepare(works.scheme)).ok()?,
                None => claimed.read_plain().ok()?,
            };
            let derived = matches!(works.file.1, KeySource::Derived { .. });
            (derived && claimed.uid() != works.uid).then(|| (claimed.uid(), claimed.ctr()))
        })
    });
    match told {
        None => add(findings, Finding::SecondDiffers),
        Some((Some(uid), _)) if works.uid.is_some_and(|first| first != uid) => {
            add(findings, Finding::SecondOfOther { uid });
        }
        Some((_, Some(later))) => {
            if let Some(first) = works.ctr {
                match later.get().checked_sub(first.get()) {
                    None => add(findings, Finding::CounterBack),
                    Some(0) => add(findings, Finding::CounterStuck),
                    Some(by) => add(findings, Finding::CounterRunning { by }),
                }
            }
        }
        Some(_) => {}
    }
}

fn remarks<'a>(case: &Case<'a>, url: &str, made: &Made<'a>, findings: &mut Findings<'a>) {
    let anatomy = &made.anatomy;
    let meta = made.opened.meta.as_ref().is_none_or(|(_, source)| *source == KeySource::Factory);
    if case.keys.is_empty() && meta && made.file.1 == KeySource::Factory {
        add(findings, Finding::NewChip);
    }
    // The meaning of the status letters of an NTAG 22x is not established.
    let known = case.layout.and_then(|layout| Anatomy::of(layout, url).ok()).and_then(|known| known.tt_status);
    if known.is_some_and(|part| part.of(url).contains('O')) && made.scheme != Scheme::Suncmac {
        add(findings, Finding::SealOpened);
    }
    let digits = [anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.enc, Some(anatomy.mac)];
    let lower = |part: Span| part.of(url).bytes().any(|byte| byte.is_ascii_lowercase());
    if digits.into_iter().flatten().any(lower) {
        add(findings, Finding::HexCase);
    }
}

/// Adds the findings that the URL alone supports.
fn unexplained<'a>(
    search: &mut Search<'_, 'a>,
    case: &Case<'a>,
    url: &str,
    readings: &Readings<'a>,
    unfit: Option<Malformed>,
    findings: &mut Findings<'a>,
) {
    if url.len() > MAX_URL {
        return add(findings, Finding::Layout(Malformed::TooLong));
    }
    if read::is_blank(url, readings) {
        return add(findings, Finding::NotMirrored);
    }
    let fits = case.layout.is_some() && unfit.is_none();
    let misfit = read::misfit(url).filter(|_| !fits);
    if let Some(digits) = misfit {
        add(findings, Finding::PiccDataLength { digits });
    } else if readings.is_empty() {
        add(findings, Finding::NoMac);
    }
    if let Some(error) = unfit {
        add(findings, Finding::Layout(error));
    }
    if readings.is_empty() {
        return;
    }
    let (mut encrypted, mut opened_to) = (false, None);
    for anatomy in readings.iter().filter(|anatomy| anatomy.picc_data.is_some()) {
        encrypted = true;
        for scheme in schemes(anatomy, url) {
            // A wrong key opens a PICCData by chance once in 85 times. The result counts only if its UID is one of
            // NXP's or the known one, or if the key was given as SDMMetaReadKey.
            let opened = search.open(url, anatomy, scheme, Kind::Derived);
            let known = |opened: &&Opened<'_>| {
                opened.uid.is_some_and(|uid| case.uid == Some(uid) || uid.as_bytes().first() == Some(&0x04))
            };
            let given = |opened: &&Opened<'_>| {
                opened.meta.as_ref().is_some_and(|(key, _)| {
                    case.keys.iter().any(|given| given.role == Role::Meta && given.key == key.expose_bytes())
                })
            };
            let likely = opened.iter().find(known).or_else(|| opened.iter().find(given));
            opened_to = opened_to.or(likely.map(|opened| opened.uid));
        }
    }
    if let Some(second) = case.second.filter(|second| second.len() <= MAX_URL) {
        let (others, _) = read::readings(case, second);
        let first = readings.first().and_then(|anatomy| anatomy.uid).map(|part| part.of(url));
        let other = search.run(second, &others);
        let same = other.is_some_and(|other| {
            let uid = other.opened.uid.map(Uid::to_ascii);
            let told = opened_to.flatten().map(Uid::to_ascii);
            first.is_none_or(|first| uid.is_none_or(|uid| first.as_bytes().eq_ignore_ascii_case(&uid)))
                && told.is_none_or(|told| uid.is_none_or(|uid| told == uid))
        });
        if same {
            add(findings, Finding::Altered);
        }
    }
    match (encrypted, opened_to) {
        (_, Some(uid)) => add(findings, Finding::FileKey { uid }),
        // A PICCData of the wrong length cannot be opened, so nothing is said about its key.
        _ if misfit.is_some() => {}
        (true, None) if !search.is_over() => add(findings, Finding::MetaKey),
        (_, None) => add(findings, Finding::NoMatch),
    }
}
