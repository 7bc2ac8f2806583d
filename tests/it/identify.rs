//! The search for the key that opens a tap.

use proptest::prelude::*;
use suntap::identify;
use suntap::{ConfigError, PreparedMetaReadKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, VerifyError};
use suntap_testkit::line::{LRP, OTHER_SCHEMES, scheme};
use suntap_testkit::{Tag, Tap};

const TEMPLATE: &str = "https://a.b/?p={picc:uid,ctr}&c={mac}";

fn key_number(number: u32) -> [u8; 16] {
    let mut key = [0xC3; 16];
    key[..4].copy_from_slice(&number.to_be_bytes());
    key
}

fn keys(count: u32, mode: Scheme) -> Vec<PreparedMetaReadKey> {
    (0..count).map(|number| SdmMetaReadKey::from_bytes(key_number(number)).prepare(mode)).collect()
}

fn tag(number: u32, lrp: bool) -> Tag {
    Tag { lrp, meta_key: key_number(number), file_key: [9; 16], uid: [4, 1, 2, 3, 4, 5, 6] }
}

fn tap(ctr: u32) -> Tap {
    Tap { ctr, padding: [0x77; 12], file_data: Vec::new(), tt: *b"CC" }
}

/// Returns a layout, 3000 keys, and a tap that the last of these keys opens.
fn tap_of_the_last_key() -> (SdmLayout, Vec<PreparedMetaReadKey>, String) {
    let layout = SdmLayout::new(Scheme::Aes, TEMPLATE).unwrap();
    (layout, keys(3000, Scheme::Aes), tag(2999, false).write(TEMPLATE, &tap(5)).url)
}

fn file_key(mode: Scheme) -> suntap::PreparedFileReadKey {
    SdmFileReadKey::from_bytes([9; 16]).prepare(mode)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_right_key_of_many_is_found(number in 0u32..600, ctr in 1u32..0x0100_0000, lrp: bool) {
        let lrp = lrp && LRP;
        let (mode, count) = (scheme(lrp), if lrp { 20 } else { 600 });
        let number = number % count;
        let layout = SdmLayout::new(mode, TEMPLATE).unwrap();
        let url = tag(number, lrp).write(TEMPLATE, &tap(ctr)).url;
        let parsed = layout.parse(&url).unwrap();
        let keys = keys(count, mode);
        let found = identify::first_verified(&parsed, &keys, |_, _| Some(file_key(mode))).unwrap();
        let right = usize::try_from(number).unwrap();
        prop_assert_eq!((found.0, found.1.ctr().get()), (right, ctr));

        // The candidates include the right key and, one time in 256, another one.
        let all: Vec<usize> = identify::candidates(&parsed, &keys).map(|(index, _)| index).collect();
        prop_assert!(all.contains(&right) && all.len() < 20);

        // Unprepared keys give the same results, both in whole groups and in the rest.
        let plain: Vec<_> = (0..count).map(|number| SdmMetaReadKey::from_bytes(key_number(number))).collect();
        let uids: Vec<_> =
            identify::candidates(&parsed, &plain).map(|(index, claimed)| (index, claimed.uid())).collect();
        prop_assert_eq!(uids.iter().map(|(index, _)| *index).collect::<Vec<_>>(), all);
        prop_assert!(uids.contains(&(right, suntap::Uid::from_hex("04010203040506").ok())));
        let found = identify::first_verified(&parsed, plain, |_, _| Some(SdmFileReadKey::from_bytes([9; 16]))).unwrap();
        prop_assert_eq!((found.0, found.1.ctr().get()), (right, ctr));
    }
}

/// A candidate whose first byte fits by chance is offered. Its MAC check fails, and the search continues.
#[test]
fn a_wrong_candidate_does_not_end_the_search() {
    let (layout, keys, url) = tap_of_the_last_key();
    let parsed = layout.parse(&url).unwrap();
    let mut offered = Vec::new();
    let found = identify::first_verified(&parsed, &keys, |index, claimed| {
        assert!(claimed.uid().is_some() && claimed.ctr().is_some(), "the layout pins UID and counter");
        offered.push(index);
        Some(file_key(Scheme::Aes))
    });
    assert_eq!(found.map(|(index, _)| index), Ok(2999));
    assert!(offered.len() > 1 && offered.len() < 60, "{offered:?}");
    // Candidates without a file key are skipped.
    let found = identify::first_verified(&parsed, &keys, |index, _| (index == 2999).then(|| file_key(Scheme::Aes)));
    assert_eq!(found.map(|(index, _)| index), Ok(2999));
}

/// The candidates that fit by chance have a file key for another mode, and the search continues.
#[test]
fn a_file_key_of_another_mode_does_not_end_the_search() {
    let (layout, keys, url) = tap_of_the_last_key();
    let parsed = layout.parse(&url).unwrap();
    for other in OTHER_SCHEMES {
        let mode = |index| if index == 2999 { Scheme::Aes } else { *other };
        let found = identify::first_verified(&parsed, &keys, |index, _| Some(file_key(mode(index))));
        assert_eq!(found.map(|(index, _)| index), Ok(2999));
    }
}

/// The layout and the keys do not fit together, so no MAC is compared.
#[test]
fn configuration_mistakes_are_reported() {
    let (layout, keys, url) = tap_of_the_last_key();
    let parsed = layout.parse(&url).unwrap();
    for other in OTHER_SCHEMES {
        let found = |mode: &dyn Fn(usize) -> Scheme| {
            identify::first_verified(&parsed, &keys, |index, _| Some(file_key(mode(index)))).unwrap_err()
        };
        assert_eq!(found(&|_| *other), VerifyError::Config(ConfigError::WrongScheme));
        // Only the candidates that fit by chance have a key of the right mode.
        assert_eq!(found(&|index| if index == 2999 { *other } else { Scheme::Aes }), VerifyError::NotAuthentic);
        // Only the first candidate, which fits by chance, has a key of the right mode.
        let chance = identify::candidates(&parsed, &keys).next().unwrap().0;
        assert!(chance < 2999);
        assert_eq!(found(&|index| if index == chance { Scheme::Aes } else { *other }), VerifyError::NotAuthentic);
    }
    let plain = SdmLayout::new(Scheme::Aes, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
    let parsed = plain.parse("https://a.b/04112233445566/000007/0123456789ABCDEF").unwrap();
    let found = identify::first_verified(&parsed, &keys, |_, _| Some(file_key(Scheme::Aes)));
    assert_eq!(found.map(drop), Err(VerifyError::Config(ConfigError::NoPiccData)));
}

#[test]
fn without_a_matching_key_the_tap_is_not_authentic() {
    let layout = SdmLayout::new(Scheme::Aes, TEMPLATE).unwrap();
    let url = tag(9999, false).write(TEMPLATE, &tap(5)).url;
    let parsed = layout.parse(&url).unwrap();
    let found = identify::first_verified(&parsed, keys(500, Scheme::Aes), |_, _| Some(file_key(Scheme::Aes)));
    assert_eq!(found.map(|(index, _)| index), Err(VerifyError::NotAuthentic));
    for other in OTHER_SCHEMES {
        let found = identify::first_verified(&parsed, keys(3, *other), |_, _| Some(file_key(Scheme::Aes)));
        assert_eq!(found.map(|(index, _)| index), Err(VerifyError::NotAuthentic));
        // One key in 256 would fit by chance if the mode were not checked.
        assert_eq!(identify::candidates(&parsed, keys(2000, *other)).count(), 0);
    }
    let found = identify::first_verified(&parsed, keys(0, Scheme::Aes), |_, _| None::<SdmFileReadKey>);
    assert_eq!(found.map(|(index, _)| index), Err(VerifyError::NotAuthentic));
    // A layout without PICCData has nothing to open.
    let plain = SdmLayout::new(Scheme::Aes, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
    let url = tag(0, false).write(plain.template(), &tap(5)).url;
    assert_eq!(identify::candidates(&plain.parse(&url).unwrap(), keys(300, Scheme::Aes)).count(), 0);
    let unprepared = (0..300).map(|number| SdmMetaReadKey::from_bytes(key_number(number)));
    assert_eq!(identify::candidates(&plain.parse(&url).unwrap(), unprepared).count(), 0);
}

#[test]
fn a_tap_without_a_counter_is_found_and_refused() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?p={picc}&c={mac}").unwrap();
    let url = tag(7, false).write("https://a.b/?p={picc:uid}&c={mac}", &tap(5)).url;
    let parsed = layout.parse(&url).unwrap();
    let found = identify::first_verified(&parsed, keys(20, Scheme::Aes), |_, _| Some(file_key(Scheme::Aes)));
    assert_eq!(found.map(|(index, _)| index), Err(VerifyError::NoCounter));
    // The candidate can still be verified with `verify_replayable`.
    let mut candidates = identify::candidates(&parsed, keys(20, Scheme::Aes));
    let verified = candidates.find_map(|(_, claimed)| claimed.verify_replayable(&file_key(Scheme::Aes)).ok());
    assert!(verified.is_some());
}
