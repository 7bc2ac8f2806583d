//! From how a tap was made to what differs from the belief.

use heapless::Vec;

use super::candidates::Kind;
use super::finding::Finding;
use super::read::{self, Readings};
use super::search::{Cut, Made, Opened, Search, modes};
use super::{Case, Diagnosis, GivenKey, KeySource, Role, Verdict, Works};
use crate::error::Malformed;
use crate::sun::{Part, SdmLayout};
use crate::types::{Mode, SdmReadCtr};

type Findings<'a> = Vec<Finding<'a>, { super::MAX_FINDINGS }>;

pub(super) fn diagnose<'a>(case: &Case<'a>, watch: &mut dyn FnMut(u32)) -> Diagnosis<'a> {
    let mut search = Search { case, watch, tried: 0 };
    let (mut readings, mut unfit) = read::readings(case);
    // What only changed its case is read as the tag wrote it.
    let mut buffer = [0; 300];
    let restored = case.layout.filter(|_| unfit.is_some()).and_then(|layout| layout.restore(case.url, &mut buffer));
    if let Some((url, layout)) = restored.zip(case.layout)
        && let Ok(anatomy) = layout.anatomy(url)
    {
        readings.clear();
        let _ = readings.push(anatomy);
    }
    let url = restored.unwrap_or(case.url);
    let mut findings = Findings::new();
    let made = search.run(url, &readings);
    let verdict = if let Some(made) = &made {
        if restored.is_some() {
            unfit = None;
            add(&mut findings, Finding::CaseChanged);
        }
        faults(case, made, unfit, &mut findings);
        second(case, made, &mut findings);
        remarks(case, made, &mut findings);
        if findings.iter().any(Finding::is_fault) { Verdict::Explained } else { Verdict::Healthy }
    } else {
        unexplained(&mut search, &readings, unfit, &mut findings);
        Verdict::Unexplained
    };
    let complete = made.is_some() || !search.is_over();
    let works = made.map(|made| works(case, url, made));
    Diagnosis { verdict, works, tried: search.tried, complete, findings }
}

fn add<'a>(findings: &mut Findings<'a>, finding: Finding<'a>) {
    // There is room for more than can come together.
    let _ = findings.push(finding);
}

fn works<'a>(case: &Case<'a>, url: &str, made: Made<'a>) -> Works<'a> {
    let Made { mut anatomy, mode, opened, file, vector, cut } = made;
    // What is not in the session vector is not mirrored, and only looks like it.
    if anatomy.picc_data.is_none() {
        anatomy.uid = anatomy.uid.filter(|_| vector.uid.is_some());
        anatomy.ctr = anatomy.ctr.filter(|_| vector.ctr.is_some());
    }
    let right = cut == Cut::Odd && !vector.turned && vector.uid.is_some() == said(anatomy.uid, &opened).is_some();
    let believed = case.layout.filter(|layout| {
        let same = layout.anatomy(url).is_ok_and(|believed| believed == anatomy);
        layout.mode() == mode && same
    });
    let layout = believed.cloned().or_else(|| anatomy.layout(mode, url).ok()).filter(|_| right);
    Works { layout, mode, meta: opened.meta, file, uid: vector.uid, ctr: vector.ctr }
}

/// A UID that the URL says: a plain one, or one in the PICCData.
fn said(uid: Option<Part>, opened: &Opened<'_>) -> Option<()> {
    (uid.is_some() || opened.meta.is_some() && opened.uid.is_some()).then_some(())
}

/// What was believed of a key, and what works.
fn keys<'a>(case: &Case<'a>, made: &Made<'a>, findings: &mut Findings<'a>) {
    let meta = made.opened.meta.as_ref().map(|(_, source)| *source);
    let file = made.file.1;
    let role = |source: KeySource<'_>| match source {
        KeySource::Given(name) => case.keys.iter().find(|given| given.name == name).map(|given| given.role),
        KeySource::Factory | KeySource::Derived { .. } => None,
    };
    let given = |wanted| {
        let fits = |given: &GivenKey<'_>| given.role == wanted || given.role == Role::Any;
        case.keys.iter().any(fits)
    };
    if meta.and_then(role) == Some(Role::File) && role(file) == Some(Role::Meta) {
        return add(findings, Finding::KeysSwapped);
    }
    let factory_meta = meta == Some(KeySource::Factory) && given(Role::Meta);
    let factory_file = file == KeySource::Factory && given(Role::File);
    if factory_meta || factory_file {
        add(findings, Finding::FactoryKey { meta: factory_meta, file: factory_file });
    }
    for (wanted, other, source) in [(Role::Meta, Role::File, meta), (Role::File, Role::Meta, Some(file))] {
        match source {
            Some(source @ KeySource::Derived { .. }) => add(findings, Finding::DerivedKey { role: wanted, source }),
            Some(source) if role(source) == Some(other) && given(wanted) => {
                add(findings, Finding::OtherKey { role: wanted, source });
            }
            _ => {}
        }
    }
}

fn faults<'a>(case: &Case<'a>, made: &Made<'a>, unfit: Option<Malformed>, findings: &mut Findings<'a>) {
    let Made { anatomy, mode, opened, vector, cut, .. } = made;
    let believed = case.layout;
    if let Some(works) = believed.map(SdmLayout::mode).filter(|believed| believed != mode).map(|_| *mode) {
        add(findings, Finding::Mode { works });
    } else if let Some(error) = unfit {
        add(findings, Finding::Layout(error));
    }
    keys(case, made, findings);
    let window = believed.and_then(|layout| layout.anatomy(case.url).ok()).map(|believed| believed.window);
    if window.is_some_and(|window| window != anatomy.window) {
        let covers = case.url.get(anatomy.window..anatomy.mac.from).unwrap_or_default();
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
    if let Some(uid) = vector.uid.filter(|uid| case.uid.is_some_and(|known| known != *uid)) {
        add(findings, Finding::OtherTag { uid });
    }
    match (vector.ctr, case.stored) {
        (None, _) => add(findings, Finding::NoCounter),
        (Some(SdmReadCtr::ZERO), _) => add(findings, Finding::CounterZero),
        (Some(ctr), Some(stored)) if ctr <= stored => add(findings, Finding::CounterBehind { ctr, stored }),
        _ => {}
    }
    let covered = |part: Part| (anatomy.window..anatomy.mac.from).contains(&part.from);
    if anatomy.tt_status.is_some_and(|part| !covered(part)) && *mode != Mode::Ntag22x {
        add(findings, Finding::TamperNotCovered);
    }
}

/// The later tap, read and made in the way of the first.
fn second<'a>(case: &Case<'a>, made: &Made<'a>, findings: &mut Findings<'a>) {
    let Some(url) = case.second else { return };
    let works = works(case, case.url, made.clone());
    let told = works.layout.and_then(|layout| {
        let tap = layout.parse(url).ok()?;
        let claimed = match &works.meta {
            Some((key, _)) => tap.open(&key.prepare(works.mode)).ok()?,
            None => tap.read_plain().ok()?,
        };
        let told = (claimed.uid(), claimed.ctr());
        let key = works.file.0.prepare(works.mode);
        let genuine = match told.1 {
            Some(_) => claimed.verify(&key).is_ok(),
            None => claimed.verify_replayable(&key).is_ok(),
        };
        genuine.then_some(told)
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

fn remarks<'a>(case: &Case<'a>, made: &Made<'a>, findings: &mut Findings<'a>) {
    let anatomy = &made.anatomy;
    let meta = made.opened.meta.as_ref().is_none_or(|(_, source)| *source == KeySource::Factory);
    if case.keys.is_empty() && meta && made.file.1 == KeySource::Factory {
        add(findings, Finding::NewChip);
    }
    if anatomy.tt_status.is_some_and(|part| part.of(case.url).contains('O')) {
        add(findings, Finding::SealOpened);
    }
    let digits = [anatomy.picc_data, anatomy.uid, anatomy.ctr, anatomy.enc, Some(anatomy.mac)];
    let lower = |part: Part| part.of(case.url).bytes().any(|byte| byte.is_ascii_lowercase());
    if digits.into_iter().flatten().any(lower) {
        add(findings, Finding::HexCase);
    }
}

/// What a URL shows by itself.
fn unexplained<'a>(
    search: &mut Search<'_, 'a>,
    readings: &Readings<'a>,
    unfit: Option<Malformed>,
    findings: &mut Findings<'a>,
) {
    let case = *search.case;
    if read::is_blank(case.url) {
        return add(findings, Finding::NotMirrored);
    }
    let misfit = read::misfit(case.url);
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
    if let Some(second) = case.second {
        let (readings, _) = read::readings(&Case { url: second, ..case });
        if search.run(second, &readings).is_some() {
            add(findings, Finding::Altered);
        }
    }
    let mut encrypted = false;
    let mut opened_to = None;
    for anatomy in readings.iter().filter(|anatomy| anatomy.picc_data.is_some()) {
        encrypted = true;
        for mode in modes(anatomy, case.url) {
            let opened = search.open(case.url, anatomy, mode, Kind::Derived);
            // By chance a key opens to anything. A UID of NXP's begins with 04.
            let likely = opened.into_iter().find(|opened| match (opened.uid, case.uid) {
                (Some(uid), Some(known)) => uid == known,
                (Some(uid), None) => uid.as_bytes().first() == Some(&0x04),
                (None, _) => false,
            });
            opened_to = opened_to.or(likely.and_then(|opened| opened.uid));
        }
    }
    match (encrypted, opened_to) {
        (_, Some(uid)) => add(findings, Finding::FileKey { uid: Some(uid) }),
        // What is not whole is not opened.
        _ if misfit.is_some() => {}
        (true, None) => add(findings, Finding::MetaKey),
        (false, None) => add(findings, Finding::NoMatch),
    }
}
