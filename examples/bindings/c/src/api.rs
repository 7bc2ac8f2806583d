//! The functions that C calls.
//!
//! Each function checks its pointers, and then calls a safe function. For the rules that all functions share, see the
//! beginning of `include/suntap.h`, which comes from `tool/src/intro.txt`.

#![allow(unsafe_code, reason = "exported functions get pointers from C")]

use core::ffi::c_char;

use suntap::conformance;
use suntap_bindings::Code;
use zeroize::zeroize_stack;

use crate::border::{self, Callback, Out, Place};
use crate::mark::time;
use crate::problem::Problem;
use crate::settings::{Checked, MAX_SCHEME, MAX_TEMPLATE};
use crate::store::{SUNTAP_ADVANCED, SUNTAP_FAILED, SUNTAP_STALE};
use crate::verifier::{self, Form, MAGIC, SUNTAP_VERIFIER_SIZE, Slot};
use crate::{Key, Mark, Settings, Store, Tap, VerifierBuffer, Why, texts};

/// The result of a function: one of the constants from SUNTAP_FRESH to SUNTAP_INVALID_ARGUMENT.
pub type CodeNumber = i32;

const OK: CodeNumber = Code::Fresh.number();
const INVALID_ARGUMENT: CodeNumber = Code::InvalidArgument.number();

/// Writes the text of a problem, and returns its code.
fn refuse(why: &mut Option<Out<Why>>, problem: &Problem) -> CodeNumber {
    if let Some(why) = why {
        why.write(Why::from_error(problem));
    }
    problem.code()
}

/// Makes a verifier from its settings.
///
/// `size` is sizeof(suntap_verifier_t), so that a smaller buffer gets an error. It does not detect every header of
/// another version: compile with the header of the library that you link.
/// `why` receives the text of an error, and can be NULL.
///
/// Returns 0, SUNTAP_INVALID_TEMPLATE, SUNTAP_INVALID_SETTINGS or SUNTAP_INVALID_ARGUMENT. After an error, do not use
/// the verifier. It refuses all calls, unless nothing was written because of an overlap or a wrong `size`.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_verifier_init(
    verifier: *mut VerifierBuffer,
    size: usize,
    settings: *const Settings,
    why: *mut Why,
) -> CodeNumber {
    if size != SUNTAP_VERIFIER_SIZE {
        return INVALID_ARGUMENT;
    }
    let places = (Place::new(verifier, 1), Place::new(why, 1), Place::new(settings, 1));
    let (Some(to), Some(text), given) = places else { return INVALID_ARGUMENT };
    if !to.is_apart(&[Some(text), given]) || !text.is_apart(&[given]) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller passes null or settings.
    let settings = unsafe { border::read(settings) };
    // SAFETY: the caller passes null or a string for each text of the settings.
    let checked = settings.map(|settings| unsafe { check(&settings) });
    if let Some((_, parts)) = &checked
        && !(to.is_apart(parts) && text.is_apart(parts))
    {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller passes null or a `Why`. It overlaps no other argument.
    let mut why = unsafe { Out::new(why) };
    if let Some(why) = &mut why {
        why.write(Why::EMPTY);
    }
    // SAFETY: the caller passes null or a verifier that no other call uses. It overlaps no other argument.
    let Some(mut to) = (unsafe { Out::new(verifier) }) else {
        return refuse(&mut why, &Problem::Argument("verifier is NULL or misaligned"));
    };
    to.wipe();
    let made = match checked {
        None => Err(Problem::Argument("settings is NULL or misaligned")),
        Some((checked, _)) => checked.and_then(|checked| make(&checked, &mut to)),
    };
    zeroize_stack::<INIT_STACK>();
    made.map_or_else(|problem| refuse(&mut why, &problem), |()| OK)
}

/// The bytes of stack that are overwritten after a verifier was made, because moves leave copies of its keys there. The
/// checks on the microcontroller search the stack for a key.
const INIT_STACK: usize = if cfg!(target_pointer_width = "32") { 8 << 10 } else { 16 << 10 };

/// Makes the verifier. A separate function, so that its stack can be overwritten after it returned.
#[inline(never)]
fn make(checked: &Checked<'_>, to: &mut Out<VerifierBuffer>) -> Result<(), Problem> {
    to.write_as(Slot::new(checked.verifier()?));
    Ok(())
}

/// Returns the settings behind the pointers, and the places of all parts.
///
/// # Safety
/// The pointers in the settings must be null or as `suntap_settings_t` documents.
unsafe fn check<'a>(settings: &Settings) -> (Result<Checked<'a>, Problem>, [Option<Place>; 6]) {
    // The search for the end reads one byte more than the maximum, so that a longer text is an error.
    // SAFETY: the scheme is null or a string.
    let scheme = unsafe { border::text(settings.scheme, MAX_SCHEME) };
    // SAFETY: the template is null or a string.
    let url_template = unsafe { border::text(settings.url_template, MAX_TEMPLATE.saturating_add(1)) };
    let places = [
        Place::new(settings.scheme, scheme.map_or(0, <[u8]>::len)),
        Place::new(settings.url_template, url_template.map_or(0, <[u8]>::len)),
        Place::new(settings.meta_read_key, 1),
        Place::new(settings.file_read_key, 1),
        Place::new(settings.master_key, 1),
        Place::new(settings.suffix, settings.suffix_len),
    ];
    let argument = Problem::Argument;
    let checked = || {
        // SAFETY: the suffix is null or has this length.
        let suffix = unsafe { border::bytes(settings.suffix.cast(), settings.suffix_len) };
        if suffix.is_none() && settings.suffix_len != 0 {
            return Err(argument("suffix is NULL, but suffix_len is not 0, or suffix_len is too large"));
        }
        Ok(Checked {
            scheme: scheme.ok_or(argument("scheme is NULL"))?,
            url_template: url_template.ok_or(argument("url_template is NULL"))?,
            // SAFETY: each key is null or has 16 bytes.
            meta_read_key: unsafe { border::borrow(settings.meta_read_key) },
            // SAFETY: the same.
            file_read_key: unsafe { border::borrow(settings.file_read_key) },
            // SAFETY: the same.
            master_key: unsafe { border::borrow(settings.master_key) },
            suffix,
            epoch: settings.epoch,
        })
    };
    (checked(), places)
}

/// Overwrites a verifier with zeros. Do not call it while another thread uses the verifier. NULL is allowed.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn suntap_verifier_wipe(verifier: *mut VerifierBuffer) {
    // SAFETY: the caller passes null or a verifier that no other call uses.
    if let Some(mut verifier) = unsafe { Out::new(verifier) } {
        verifier.wipe();
    }
}

/// Verifies a tap, and advances the counter of its tag in the store. If it returns 0, the tap is genuine and new.
///
/// `url` is the whole URL; it does not need a terminating null byte. `at` is the current time in milliseconds since
/// 1970, or 0; the store keeps it. `tap` receives the content of an accepted tap, and zeros otherwise. `why` receives
/// the text of an error for a log, and can be NULL. Threads can use one verifier at the same time if the store allows
/// it.
///
/// Returns 0 (SUNTAP_FRESH), SUNTAP_MALFORMED, SUNTAP_NOT_AUTHENTIC, SUNTAP_NO_COUNTER, SUNTAP_REPLAYED,
/// SUNTAP_STORE_FAILED or SUNTAP_INVALID_ARGUMENT. Refuse the tap unless it returns 0, and show all errors as the same
/// refusal to untrusted clients. After SUNTAP_STORE_FAILED, the counter may have advanced.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_admit(
    verifier: *const VerifierBuffer,
    url: *const c_char,
    url_len: usize,
    store: *const Store,
    at: u64,
    tap: *mut Tap,
    why: *mut Why,
) -> CodeNumber {
    // SAFETY: the caller keeps the same rules.
    unsafe { admit(verifier, Form::Url, url, url_len, store, at, tap, why) }
}

/// Like suntap_admit, but for the target of an HTTP request: the path and the query, without scheme and host.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_admit_origin_form(
    verifier: *const VerifierBuffer,
    target: *const c_char,
    target_len: usize,
    store: *const Store,
    at: u64,
    tap: *mut Tap,
    why: *mut Why,
) -> CodeNumber {
    // SAFETY: the caller keeps the same rules.
    unsafe { admit(verifier, Form::Origin, target, target_len, store, at, tap, why) }
}

/// Like suntap_admit, but for the NDEF file that an NFC reader reads from the tag.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_admit_ndef_file(
    verifier: *const VerifierBuffer,
    file: *const u8,
    file_len: usize,
    store: *const Store,
    at: u64,
    tap: *mut Tap,
    why: *mut Why,
) -> CodeNumber {
    // SAFETY: the caller keeps the same rules.
    unsafe { admit(verifier, Form::Ndef, file.cast(), file_len, store, at, tap, why) }
}

/// # Safety
/// Like `suntap_admit`.
#[allow(clippy::too_many_arguments, reason = "the arguments of the exported functions, and the form")]
unsafe fn admit(
    verifier: *const VerifierBuffer,
    form: Form,
    bytes: *const c_char,
    len: usize,
    store: *const Store,
    at: u64,
    tap: *mut Tap,
    why: *mut Why,
) -> CodeNumber {
    let inputs = [Place::new(verifier, 1), Place::new(bytes, len), Place::new(store, 1)];
    let (Some(to), Some(text)) = (Place::new(tap, 1), Place::new(why, 1)) else { return INVALID_ARGUMENT };
    if !to.is_apart(&inputs) || !text.is_apart(&inputs) || !to.is_apart(&[Some(text)]) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller passes null or a `Why`. It overlaps no other argument.
    let mut why = unsafe { Out::new(why) };
    if let Some(why) = &mut why {
        why.write(Why::EMPTY);
    }
    // SAFETY: the caller passes null or a `Tap`. It overlaps no other argument.
    let Some(mut tap) = (unsafe { Out::new(tap) }) else {
        return refuse(&mut why, &Problem::Argument("tap is NULL or misaligned"));
    };
    tap.write(Tap::REFUSED);
    // SAFETY: the caller passes null or a verifier. One that begins with `MAGIC` was written by `suntap_verifier_init`.
    let slot = unsafe { border::borrow_as::<Slot, _>(verifier, MAGIC) };
    // SAFETY: the caller passes null or this number of bytes.
    let bytes = unsafe { border::bytes(bytes, len) };
    // SAFETY: the caller passes null or a store whose function keeps its contract.
    let store = unsafe { store_of(store) };
    match admit_checked(slot, form, bytes, store, at) {
        Ok(fresh) => {
            tap.write(fresh);
            OK
        }
        Err(problem) => refuse(&mut why, &problem),
    }
}

/// Returns `None` if the store is null, misaligned or has no function.
///
/// # Safety
/// Any other store must keep the contract of `suntap_advance_fn`.
unsafe fn store_of(store: *const Store) -> Option<Callback> {
    // SAFETY: the caller passes null or a store.
    let store = unsafe { border::read(store) }?;
    // SAFETY: its function keeps the contract.
    unsafe { Callback::new(store) }
}

const NO_STORE: Problem = Problem::Argument("store is NULL or misaligned, or has no function");

fn admit_checked(
    slot: Option<&Slot>,
    form: Form,
    bytes: Option<&[u8]>,
    store: Option<Callback>,
    at: u64,
) -> Result<Tap, Problem> {
    let slot = slot.ok_or(Problem::Argument("verifier is NULL, misaligned or not initialized"))?;
    let bytes = bytes.ok_or(Problem::Argument("the text of the tap is NULL or too long"))?;
    let mut store = store.ok_or(NO_STORE)?;
    verifier::admit(&slot.verifier, form, bytes, &mut store, time(at))
}

/// Tests the function of a store: about 20 calls that check the comparison, the reported marks, and that tags are
/// independent. Call it from your tests, not on the store of a running service. It cannot test that the store is atomic
/// and durable.
///
/// Use another `run` for each test of the same store, because the test needs counter ids that the store does not
/// contain yet.
///
/// Returns 0, SUNTAP_STORE_FAILED or SUNTAP_INVALID_ARGUMENT. `why` receives the rule that the store broke, and can be
/// NULL.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_store_check(store: *const Store, run: u64, why: *mut Why) -> CodeNumber {
    let (Some(text), given) = (Place::new(why, 1), Place::new(store, 1)) else { return INVALID_ARGUMENT };
    if !text.is_apart(&[given]) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller passes null or a `Why`. It overlaps no other argument.
    let mut why = unsafe { Out::new(why) };
    if let Some(why) = &mut why {
        why.write(Why::EMPTY);
    }
    // SAFETY: the caller passes null or a store whose function keeps its contract, or is being tested for it.
    let Some(mut store) = (unsafe { store_of(store) }) else { return refuse(&mut why, &NO_STORE) };
    match conformance::sequential(&mut store, run) {
        Ok(()) => OK,
        Err(violation) => {
            if let Some(why) = &mut why {
                why.write(Why::from_error(&violation));
            }
            Code::StoreFailed.number()
        }
    }
}

/// Makes the comparison of a store. `mark` is the mark of the tag in the store, or zeros if there is none.
///
/// If `ctr` is greater, changes `*mark` to the new mark, which the store must now make durable, and returns
/// SUNTAP_ADVANCED. Otherwise returns SUNTAP_STALE. In both cases, `*stored` receives the old mark. Returns
/// SUNTAP_FAILED, and changes nothing, if an argument is invalid or `*mark` is not a mark of suntap.
///
/// The function takes no lock: see suntap_advance_fn.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_mark_advance(mark: *mut Mark, ctr: u32, at: u64, stored: *mut Mark) -> i32 {
    let (Some(place), other) = (Place::new(mark, 1), Place::new(stored, 1)) else { return SUNTAP_FAILED };
    if !place.is_apart(&[other]) {
        return SUNTAP_FAILED;
    }
    // SAFETY: the caller passes null or a mark.
    let old = unsafe { border::read(mark) };
    // SAFETY: the same; the reference to the old mark ended.
    let mark = unsafe { Out::new(mark) };
    // SAFETY: the caller passes null or a mark. It does not overlap the other one.
    let stored = unsafe { Out::new(stored) };
    let (Some(old), Some(mut mark), Some(mut stored)) = (old, mark, stored) else { return SUNTAP_FAILED };
    match old.advanced(ctr, at) {
        Ok(new) => {
            stored.write(old);
            if let Some(new) = new {
                mark.write(new);
                SUNTAP_ADVANCED
            } else {
                SUNTAP_STALE
            }
        }
        Err(_) => SUNTAP_FAILED,
    }
}

/// Reads a key from 32 hexadecimal digits. `hex` does not need a terminating null byte.
///
/// Returns 0, SUNTAP_INVALID_KEY or SUNTAP_INVALID_ARGUMENT. After an error, the key is all zeros, which is the key of
/// a new chip: do not use it.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
#[must_use]
pub unsafe extern "C" fn suntap_key_from_hex(key: *mut Key, hex: *const c_char, hex_len: usize) -> CodeNumber {
    let (Some(to), given) = (Place::new(key, 1), Place::new(hex, hex_len)) else { return INVALID_ARGUMENT };
    if !to.is_apart(&[given]) {
        return INVALID_ARGUMENT;
    }
    // SAFETY: the caller passes null or a key. It does not overlap the text.
    let Some(mut key) = (unsafe { Out::new(key) }) else { return INVALID_ARGUMENT };
    key.wipe();
    // SAFETY: the caller passes null or this number of bytes.
    let Some(hex) = (unsafe { border::bytes(hex, hex_len) }) else { return INVALID_ARGUMENT };
    let is_read = read_key(hex, &mut key);
    zeroize_stack::<KEY_STACK>();
    if is_read { OK } else { Code::InvalidKey.number() }
}

/// The bytes of stack that are overwritten after a key was read.
const KEY_STACK: usize = 512;

/// Reads a key. Returns `false` if the text is not a key. A separate function, so that its stack can be overwritten.
#[inline(never)]
fn read_key(hex: &[u8], to: &mut Out<Key>) -> bool {
    Key::from_hex(hex).map(|key| to.write(key)).is_some()
}

/// Overwrites a key with zeros. NULL is allowed.
///
/// # Safety
/// The rules at the beginning of the header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn suntap_key_wipe(key: *mut Key) {
    // SAFETY: the caller passes null or a key.
    if let Some(mut key) = unsafe { Out::new(key) } {
        key.wipe();
    }
}

/// Returns the name of a code, for example "replayed". The names do not change between versions.
#[unsafe(no_mangle)]
pub extern "C" fn suntap_code_name(code: CodeNumber) -> *const c_char {
    texts::name(code).as_ptr()
}

/// Returns what a code means.
#[unsafe(no_mangle)]
pub extern "C" fn suntap_code_text(code: CodeNumber) -> *const c_char {
    texts::text(code).as_ptr()
}

/// Returns the version of the library. SUNTAP_VERSION is the version of the header.
#[unsafe(no_mangle)]
pub extern "C" fn suntap_version() -> *const c_char {
    texts::version().as_ptr()
}
