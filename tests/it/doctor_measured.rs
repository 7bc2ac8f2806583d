//! Measures the doctor: random healthy set-ups, each with one fault of a known kind.
//!
//! `SUNTAP_CASES` is the number of cases for each kind. The table in the guide was made with 100:
//! `SUNTAP_CASES=100 cargo test -p suntap-tests doctor_measured -- --nocapture`.

use fastrand::Rng;
use suntap::diagnose::{Assumptions, Conclusion, Diagnosis, Finding, GivenKey, Role, ShiftCause, diagnose};
use suntap::{Field, SdmReadCtr, Uid};
use suntap_testkit::faults::{Case, KINDS, Remedy, Report, healthy};
use suntap_testkit::setup::{Mirror, Offsets, Setup};

fn cases_per_kind() -> usize {
    std::env::var("SUNTAP_CASES").map_or(8, |count| count.parse().unwrap())
}

fn with_diagnosis<T>(report: &Report, check: impl FnOnce(&Diagnosis<'_>) -> T) -> T {
    let role = |name| match name {
        "meta" => Role::Meta,
        "file" => Role::File,
        _ => Role::Any,
    };
    let keys: Vec<GivenKey<'_>> =
        report.keys.iter().map(|(name, key)| GivenKey { name, key, role: role(*name) }).collect();
    let suffixes: Vec<&[u8]> = report.suffixes.iter().map(Vec::as_slice).collect();
    check(&diagnose(&Assumptions {
        layout: report.layout.as_ref(),
        keys: &keys,
        suffixes: &suffixes,
        uid: report.uid.map(Uid::from_bytes),
        second_url: report.second_url.as_deref(),
        stored_ctr: report.stored_ctr.map(|ctr| SdmReadCtr::new(ctr).unwrap()),
        ..Assumptions::about(&report.url)
    }))
}

fn is_healthy(report: &Report) -> bool {
    with_diagnosis(report, |diagnosis| diagnosis.conclusion == Conclusion::Healthy)
}

/// Returns `true` if the reported layout and keys verify a URL.
fn verifies(diagnosis: &Diagnosis<'_>, url: &str) -> bool {
    let Some(explanation) = &diagnosis.explanation else { return false };
    let Some(layout) = &explanation.layout else { return false };
    let Ok(tap) = layout.parse(url) else { return false };
    let claimed = match &explanation.meta_key {
        Some((key, _)) => tap.open(&key.prepare(explanation.scheme)),
        None => tap.read_plain(),
    };
    let Ok(claimed) = claimed else { return false };
    let key = explanation.file_key.as_ref().unwrap().0.prepare(explanation.scheme);
    if claimed.ctr().is_some() { claimed.verify(&key).is_ok() } else { claimed.verify_replayable(&key).is_ok() }
}

fn mirror_of(field: Field) -> Mirror {
    match field {
        Field::PiccData => Mirror::Picc,
        Field::Uid => Mirror::Uid,
        Field::SdmReadCtr => Mirror::Ctr,
        Field::TtStatus => Mirror::Tt,
        Field::EncFileData => Mirror::Enc,
        _ => Mirror::Mac,
    }
}

/// Changes the offsets as the finding says.
fn corrected(setup: &Setup, wrong: &Offsets, finding: &Finding<'_>) -> Option<Offsets> {
    let Finding::OffsetShift { mirror, by, cause } = *finding else { return None };
    let mut offsets = wrong.clone();
    let is_base = matches!(cause, ShiftCause::DecimalForHex | ShiftCause::HexForDecimal);
    if is_base && mirror.is_none() {
        // Each number is converted. The right offsets are known here, so the conversion itself is not repeated.
        return Some(setup.offsets());
    }
    for (of, at) in &mut offsets.mirrors {
        if mirror.is_none_or(|field| mirror_of(field) == *of) {
            *at = at.checked_add_signed((-by).try_into().unwrap())?;
        }
    }
    // The MAC input starts where it should, or moves with the other offsets.
    offsets.window = setup.window;
    Some(offsets)
}

/// Applies the remedy. Returns `true` if the tap then verifies.
fn remedy_helps(case: &Case, diagnosis: &Diagnosis<'_>) -> bool {
    match &case.remedy {
        Remedy::None => true,
        Remedy::AsReported => verifies(diagnosis, &case.report.url),
        Remedy::Report(report) => is_healthy(report),
        Remedy::Offsets { setup, wrong } => {
            let finding = diagnosis.findings().iter().find(|finding| finding.code() == "offset-shift");
            finding.and_then(|finding| corrected(setup, wrong, finding)).is_some_and(|offsets| {
                let mut report = case.report.clone();
                report.url = setup.write(&offsets);
                is_healthy(&report)
            })
        }
    }
}

#[derive(Default)]
struct Tally {
    cases: usize,
    first: usize,
    among: usize,
    healthy: usize,
    harmful: usize,
}

#[test]
fn faults_are_found_and_remedies_help() {
    let mut total = Tally::default();
    let mut failures = Vec::new();
    println!("| kind | cases | first | among all |\n|---|---|---|---|");
    for (index, (kind, inject)) in KINDS.iter().enumerate() {
        let mut rng = Rng::with_seed(0x5EED + u64::try_from(index).unwrap());
        let mut tally = Tally::default();
        for _ in 0..100_000 {
            if tally.cases == cases_per_kind() {
                break;
            }
            let setup = Setup::random(&mut rng);
            let Some(case) = inject(&mut rng, setup) else { continue };
            tally.cases += 1;
            with_diagnosis(&case.report, |diagnosis| {
                let codes: Vec<&str> = diagnosis.findings().iter().map(Finding::code).collect();
                let first = codes.first().is_some_and(|code| case.codes.contains(code));
                let among = codes.iter().any(|code| case.codes.contains(code));
                let harmful = among && !remedy_helps(&case, diagnosis);
                tally.first += usize::from(first);
                tally.among += usize::from(among);
                tally.healthy += usize::from(diagnosis.is_healthy());
                tally.harmful += usize::from(harmful);
                if !first || harmful {
                    let layout = case.report.layout.as_ref().map(ToString::to_string);
                    failures.push(format!("{kind}: {codes:?} harmful {harmful} {layout:?} {}", case.report.url));
                }
            });
        }
        assert_eq!(tally.cases, cases_per_kind(), "{kind} is too rare");
        println!("| {kind} | {} | {} | {} |", tally.cases, tally.first, tally.among);
        total.cases += tally.cases;
        total.first += tally.first;
        total.among += tally.among;
        total.healthy += tally.healthy;
        total.harmful += tally.harmful;
    }
    println!("| all | {} | {} | {} |", total.cases, total.first, total.among);
    let report = failures.join("\n");
    assert_eq!((total.healthy, total.harmful), (0, 0), "{report}");
    assert!(total.first * 100 >= total.cases * 95, "{} of {}\n{report}", total.first, total.cases);
    assert!(total.among * 100 >= total.cases * 99, "{} of {}\n{report}", total.among, total.cases);
    println!("{report}");
}

/// A healthy set-up with keys of its own gives no fault.
#[test]
fn healthy_taps_have_no_fault() {
    let mut rng = Rng::with_seed(0x600D);
    for _ in 0..cases_per_kind() * 10 {
        let setup = Setup::random(&mut rng);
        let report = healthy(&mut rng, &setup);
        with_diagnosis(&report, |diagnosis| {
            assert!(diagnosis.is_healthy(), "{} {} {:?}", setup.template(), report.url, diagnosis.findings());
            assert!(verifies(diagnosis, &report.url));
        });
    }
}
