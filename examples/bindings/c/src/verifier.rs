//! The memory of a verifier, and what a call does after its pointers were checked.

use core::fmt;

use suntap::{Presented, UnixMillis};
use suntap_bindings::{Failure, Verifier};

use crate::Tap;
use crate::border::Callback;
use crate::problem::Problem;

/// The size of a suntap_verifier_t on every target.
pub const SUNTAP_VERIFIER_SIZE: usize = 1792;
/// The alignment of a suntap_verifier_t on every target.
pub const SUNTAP_VERIFIER_ALIGN: usize = 16;

/// Memory of the caller for a verifier. Its content is private and contains keys.
///
/// Every verifier must be wiped by suntap_verifier_wipe after use. Do not copy it: a copy works, but contains the keys,
/// too.
#[repr(C, align(16))]
#[derive(Clone, Copy)]
pub struct VerifierBuffer {
    /// Private.
    pub opaque: [u64; 224],
}

impl fmt::Debug for VerifierBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuffer").finish_non_exhaustive()
    }
}

/// What a [`VerifierBuffer`] contains while it can be used.
#[repr(C)]
pub(crate) struct Slot {
    magic: u64,
    pub(crate) verifier: Verifier,
}

/// The first bytes of a buffer with a verifier. A buffer that was never initialized, failed to initialize, or was wiped
/// does not begin with them.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"suntap.v");

// Not every target needs the whole buffer. A target that needs more does not compile.
const _: () = assert!(size_of::<VerifierBuffer>() == SUNTAP_VERIFIER_SIZE);
const _: () = assert!(align_of::<VerifierBuffer>() == SUNTAP_VERIFIER_ALIGN);
const _: () = assert!(size_of::<Slot>() <= SUNTAP_VERIFIER_SIZE);
const _: () = assert!(align_of::<Slot>() <= SUNTAP_VERIFIER_ALIGN);

// Threads share a verifier.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Verifier>();

impl Slot {
    pub(crate) fn new(verifier: Verifier) -> Self {
        Self { magic: MAGIC, verifier }
    }
}

/// The form in which a tap arrives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// The whole URL.
    Url,
    /// The path and the query of an HTTP request.
    Origin,
    /// The NDEF file, as read from the tag.
    Ndef,
}

/// Verifies a tap and advances its counter.
pub(crate) fn admit(
    verifier: &Verifier,
    form: Form,
    tap: &[u8],
    store: &mut Callback,
    at: Option<UnixMillis>,
) -> Result<Tap, Problem> {
    let text = || str::from_utf8(tap).map_err(|_| Problem::Malformed("the URL is not UTF-8"));
    let presented = match form {
        Form::Url => Presented::Url(text()?),
        Form::Origin => Presented::OriginForm(text()?),
        Form::Ndef => Presented::NdefFile(tap),
    };
    let fresh = verifier.admit(presented, store, at).map_err(|error| Problem::Tap(Failure::from(error)))?;
    Ok(Tap::from(&fresh))
}
