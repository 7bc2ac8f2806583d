//! Tests of the border. `test/checks.c` tests the same functions from C, with all cases.

#![allow(unsafe_code, clippy::undocumented_unsafe_blocks, reason = "the tests call the functions like C does")]

use core::ffi::{CStr, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use std::string::String;

use crate::api::*;
use crate::border::Place;
use crate::mark::Mark;
use crate::store::{SUNTAP_ADVANCED, SUNTAP_STALE};
use crate::{Key, SUNTAP_WHY_SIZE, Settings, Store, Tap, VerifierBuffer, Why};

const TEMPLATE: &CStr = c"https://ntag.nxp.com/424?e={picc}&c={mac}";
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
const KEY: Key = Key { bytes: [0; 16] };

fn settings(template: &CStr, key: &Key) -> Settings {
    Settings {
        scheme: c"aes".as_ptr(),
        url_template: template.as_ptr(),
        meta_read_key: key,
        file_read_key: key,
        master_key: ptr::null(),
        suffix: ptr::null(),
        suffix_len: 0,
        epoch: 0,
    }
}

/// A store for one tag.
unsafe extern "C" fn advance(ctx: *mut c_void, _: *const u8, ctr: u32, at: u64, stored: *mut Mark) -> i32 {
    unsafe { suntap_mark_advance(ctx.cast(), ctr, at, stored) }
}

fn text(why: &Why) -> String {
    unsafe { CStr::from_ptr(why.text.as_ptr()) }.to_str().unwrap().into()
}

#[test]
fn a_tap_is_fresh_and_then_replayed() {
    let mut verifier = MaybeUninit::<VerifierBuffer>::zeroed();
    let (mut tap, mut why) = (MaybeUninit::<Tap>::uninit(), MaybeUninit::<Why>::uninit());
    let size = size_of::<VerifierBuffer>();
    let given = settings(TEMPLATE, &KEY);
    assert_eq!(unsafe { suntap_verifier_init(verifier.as_mut_ptr(), size, &raw const given, why.as_mut_ptr()) }, 0);
    let mut mark = Mark::default();
    let store = Store { ctx: (&raw mut mark).cast(), advance: Some(advance) };
    let mut admit = |url: &str, store: &Store| {
        let (url, len) = (url.as_ptr().cast(), url.len());
        let code = unsafe { suntap_admit(verifier.as_ptr(), url, len, store, 9, tap.as_mut_ptr(), why.as_mut_ptr()) };
        (code, unsafe { tap.assume_init() }, text(unsafe { why.assume_init_ref() }))
    };
    let (code, fresh, empty) = admit(URL, &store);
    assert_eq!((code, fresh.ctr, fresh.taps, fresh.uid_len, &*empty), (0, 61, 1, 7, ""));
    let (code, refused, why) = admit(URL, &store);
    assert_eq!((code, refused), (4, Tap::REFUSED));
    assert!(why.contains("61"), "{why}");
    assert_eq!(mark, Mark { at: 9, ctr: 61, taps: 1 });
    assert_eq!(admit(&URL.replace("94EE", "94EF"), &store).0, 2);
    assert_eq!(admit(&URL[..40], &store).0, 1);
    assert_eq!(admit(URL, &Store { advance: None, ..store }).0, 9);
    unsafe { suntap_verifier_wipe(verifier.as_mut_ptr()) };
    let words = unsafe { verifier.assume_init_ref() }.opaque;
    assert!(words.iter().all(|word| *word == 0));
}

#[test]
fn results_that_overlap_an_argument_are_refused() {
    let mut buffer = VerifierBuffer { opaque: [0; 224] };
    let at = &raw mut buffer;
    let given = settings(TEMPLATE, &KEY);
    let size = size_of::<VerifierBuffer>();
    assert_eq!(unsafe { suntap_verifier_init(at, size, &raw const given, at.cast()) }, 9);
    assert_eq!(unsafe { suntap_verifier_init(at, size, at.cast(), ptr::null_mut()) }, 9);
    let inside = unsafe { at.cast::<Key>().add(5) };
    let given = Settings { file_read_key: inside, ..given };
    assert_eq!(unsafe { suntap_verifier_init(at, size, &raw const given, ptr::null_mut()) }, 9);
    let mut mark = Mark::default();
    let mark = &raw mut mark;
    assert_eq!(unsafe { suntap_mark_advance(mark, 1, 0, mark) }, crate::SUNTAP_FAILED);
}

#[test]
fn places_that_cannot_exist_are_refused() {
    let at = |address| ptr::without_provenance::<u16>(address);
    let half = usize::MAX / 4;
    assert!(Place::new(at(2), half).is_some());
    for (address, count) in [(2, half + 1), (2, usize::MAX), (2, usize::MAX / 2 + 1), (usize::MAX - 1, 1)] {
        assert!(Place::new(at(address), count).is_none(), "{address} {count}");
    }
    // A null pointer has no bytes, so it overlaps nothing.
    let (null, all) = (Place::new(at(0), 8), Place::new(at(2), half));
    assert!(all.unwrap().is_apart(&[null]) && null.unwrap().is_apart(&[all]));
    assert!(!all.unwrap().is_apart(&[None]));
}

#[test]
fn marks_advance_only_to_greater_counters() {
    let (mut mark, mut stored) = (Mark::default(), Mark::default());
    let mut advance = |ctr| unsafe { suntap_mark_advance(&raw mut mark, ctr, 0, &raw mut stored) };
    assert_eq!(
        [0, 0, 5, 5, 4].map(&mut advance),
        [SUNTAP_ADVANCED, SUNTAP_STALE, SUNTAP_ADVANCED, SUNTAP_STALE, SUNTAP_STALE]
    );
}

#[test]
fn long_texts_are_truncated() {
    let long = "é".repeat(SUNTAP_WHY_SIZE);
    assert_eq!(text(&Why::from_error(&long)), "?".repeat(SUNTAP_WHY_SIZE - 1));
}

/// The text of each error must fit, so that no text is truncated.
#[test]
fn texts_of_codes_are_complete() {
    for code in suntap_bindings::Code::ALL {
        let (name, text) = (suntap_code_name(code.number()), suntap_code_text(code.number()));
        assert_eq!(unsafe { CStr::from_ptr(name) }.to_str(), Ok(code.name()));
        assert_eq!(unsafe { CStr::from_ptr(text) }.to_str(), Ok(code.text()));
    }
    assert_eq!(unsafe { CStr::from_ptr(suntap_version()) }.to_str(), Ok(suntap_bindings::VERSION));
}
