//! The content of an accepted tap.

use suntap::FreshTap;
use suntap_bindings::seal;

use crate::Mark;

/// The template has no tamper status.
pub const SUNTAP_SEAL_NONE: i32 = 0;
/// The seal was never opened.
pub const SUNTAP_SEAL_CLOSED: i32 = 1;
/// The seal is open.
pub const SUNTAP_SEAL_OPEN: i32 = 2;
/// The seal was opened before, and is closed now.
pub const SUNTAP_SEAL_OPENED_BEFORE: i32 = 3;
/// The state of the seal is not known, or the MAC does not cover it.
pub const SUNTAP_SEAL_UNKNOWN: i32 = 4;

/// The maximum number of bytes of the encrypted file data.
pub const SUNTAP_FILE_DATA_SIZE: usize = 128;

/// The content of a tap that is genuine and new. All members are 0 if the tap was refused.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tap {
    /// The mark that the store had before this tap. All members are 0 for the first tap of the tag.
    pub previous: Mark,
    /// The id under which the store keeps the counter.
    pub counter_id: [u8; 16],
    /// The counter, at least 1 in an accepted tap.
    pub ctr: u32,
    /// The number of accepted taps of this tag, including this one.
    pub taps: u32,
    /// The UID, if `uid_len` is 7.
    pub uid: [u8; 7],
    /// 7, or 0 if the template has no UID.
    pub uid_len: u8,
    /// One of the constants SUNTAP_SEAL_...
    pub seal: i32,
    /// The number of bytes in `file_data`, or 0 if the template has no {enc}.
    pub file_data_len: u32,
    /// The decrypted file data (SDMENCFileData).
    pub file_data: [u8; SUNTAP_FILE_DATA_SIZE],
}

// A gap between members could show old stack memory to C.
const _: () = assert!(size_of::<Tap>() == 16 + 16 + 4 + 4 + 7 + 1 + 4 + 4 + SUNTAP_FILE_DATA_SIZE);

impl Tap {
    /// The content of a refused tap.
    pub(crate) const REFUSED: Self = Self {
        previous: Mark { at: 0, ctr: 0, taps: 0 },
        counter_id: [0; 16],
        ctr: 0,
        taps: 0,
        uid: [0; 7],
        uid_len: 0,
        seal: SUNTAP_SEAL_NONE,
        file_data_len: 0,
        file_data: [0; SUNTAP_FILE_DATA_SIZE],
    };
}

impl From<&FreshTap<'_>> for Tap {
    fn from(fresh: &FreshTap<'_>) -> Self {
        let mut tap = Self {
            previous: fresh.previous().map_or(Mark::default(), Mark::from),
            counter_id: *fresh.counter_id().as_bytes(),
            ctr: fresh.ctr().get(),
            taps: fresh.mark().taps,
            seal: seal_number(seal(fresh.message().tamper())),
            ..Self::REFUSED
        };
        if let Some(uid) = fresh.uid() {
            tap.uid = *uid.as_bytes();
            tap.uid_len = 7;
        }
        let len = fresh.message().file_data(&mut tap.file_data).map_or(0, <[u8]>::len);
        tap.file_data_len = u32::try_from(len).unwrap_or_default();
        tap
    }
}

/// Returns the constant for the text of a seal. Any text other than those of an intact or opened seal is unknown.
fn seal_number(text: Option<&str>) -> i32 {
    match text {
        None => SUNTAP_SEAL_NONE,
        Some("closed") => SUNTAP_SEAL_CLOSED,
        Some("open") => SUNTAP_SEAL_OPEN,
        Some("openedBefore") => SUNTAP_SEAL_OPENED_BEFORE,
        Some(_) => SUNTAP_SEAL_UNKNOWN,
    }
}
