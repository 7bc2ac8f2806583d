//! The counter store of the caller.

use core::ffi::c_void;
use core::fmt;

use suntap::{Advance, CounterId, CounterStore, SdmReadCtr, UnixMillis};

use crate::Mark;
use crate::border::Callback;
use crate::mark::{InvalidMark, millis};

/// The counter was greater than the stored one, and is now stored. The values of these three constants are unlike the
/// usual results of functions, so that a store that returns 0, 1, -1 or the error of its database by mistake counts as
/// failed.
pub const SUNTAP_ADVANCED: i32 = 0x5301;
/// The counter was not greater than the stored one. Nothing changed.
pub const SUNTAP_STALE: i32 = 0x5302;
/// The store does not know whether the counter advanced. Any value other than SUNTAP_ADVANCED and SUNTAP_STALE means
/// this.
pub const SUNTAP_FAILED: i32 = 0x5303;

/// Compares `ctr` with the stored counter of `id`, and stores `ctr` and `at` if `ctr` is greater or none is stored.
/// Returns SUNTAP_ADVANCED, SUNTAP_STALE or SUNTAP_FAILED.
///
/// The security of your service depends on this function:
/// - It must compare and store in one atomic step. If two threads or processes call it with the same counter, exactly
///   one may get SUNTAP_ADVANCED.
/// - The new mark must be durable (survive a power cut) before it returns SUNTAP_ADVANCED.
/// - It must write the mark that was stored before the call to `*stored`, or leave `*stored` unchanged (all 0) if there
///   was none.
///
/// `ctx` is that of suntap_store_t. `id` has 16 bytes, which identify the tag and its keys. `at` is that of
/// suntap_admit. Return normally: do not leave the function by longjmp or a C++ exception.
///
/// suntap_mark_advance makes the comparison. suntap_store_check tests a store.
pub type AdvanceFn =
    Option<unsafe extern "C" fn(ctx: *mut c_void, id: *const u8, ctr: u32, at: u64, stored: *mut Mark) -> i32>;

/// The counter store of the caller.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Store {
    /// Passed to each call of `advance`. Can be NULL.
    pub ctx: *mut c_void,
    /// The function of the store.
    pub advance: AdvanceFn,
}

/// The error of the store. The text for C is in the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoreFailed;

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it returned SUNTAP_FAILED, an unknown value, or an invalid mark")
    }
}

impl From<InvalidMark> for StoreFailed {
    fn from(_: InvalidMark) -> Self {
        Self
    }
}

impl CounterStore for Callback {
    type Error = StoreFailed;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, StoreFailed> {
        let (result, stored) = self.call(id.as_bytes(), ctr.get(), millis(at));
        match (result, stored.get()?) {
            // Returns `Stale` if the store advanced the counter although the stored one is not less than `ctr`.
            (SUNTAP_ADVANCED, stored) => Ok(Advance::decide(stored, ctr, at)),
            (SUNTAP_STALE, Some(stored)) => Ok(Advance::Stale { stored }),
            // The store did not report its mark. The stored counter is at least `ctr`.
            (SUNTAP_STALE, None) => Ok(Advance::Stale { stored: suntap::Mark { ctr, at: None, taps: 1 } }),
            _ => Err(StoreFailed),
        }
    }
}
