//! Defines the errors of the counter store on flash.

use core::fmt;

use super::record;

/// An error of [`FlashCounters`](crate::FlashCounters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashError<E> {
    /// The flash returned an error.
    Flash(E),
    /// Data that the store has completely written can no longer be read. The store does not guess lost counters,
    /// because a guess that is too low would let old taps pass.
    ///
    /// To start over with an empty store, call [`format`](crate::FlashCounters::format) and give each tag a new key.
    Corrupted,
    /// The region is not blank, but contains neither of the two records that identify a store: a header, or the end of
    /// a snapshot.
    ///
    /// First, check that the address of the region is correct. If the region never contained a store, call
    /// [`format`](crate::FlashCounters::format) once, when the device is manufactured. If the region once contained a
    /// store, all headers of that store are lost. In that case, call [`format`](crate::FlashCounters::format), and give
    /// each tag a new key.
    NotFormatted,
    /// The region contains a store that was written for a different `N`, and its segments have a different length. A
    /// different `N` with segments of the same length is not an error.
    ///
    /// To keep the counters, open the store with the `N` for which the store was written. To change `N`, call
    /// [`format`](crate::FlashCounters::format), which deletes all counters, and give each tag a new key.
    OtherSize,
    /// The store already contains `N` tags, so it rejects the taps of all other tags. The counters of known tags can
    /// still advance. [`open`](crate::FlashCounters::open) returns this error if the store was written for a larger `N`
    /// and contains more than `N` tags. Open it with that larger `N`.
    Full,
    /// The region extends past the end of the flash.
    OutOfBounds {
        /// The end of the region.
        end: u32,
        /// The capacity of the flash in bytes.
        capacity: usize,
    },
    /// The start or the end of the region is not at a page boundary of the flash.
    Misaligned {
        /// The address that is not at a page boundary: the start or the end of the region.
        address: u32,
        /// The length of a page in bytes.
        page: u32,
    },
    /// The region is shorter than three segments. [`MIN_REGION_LEN`](crate::FlashCounters::MIN_REGION_LEN) is the
    /// required length.
    TooSmall {
        /// The number of tags, `N`.
        tags: usize,
        /// The required length of the region in bytes.
        needed: u32,
        /// The length of the region in bytes.
        len: u32,
    },
    /// The store cannot use this flash, because the flash violates at least one of these requirements:
    /// - Of the minimum read size and the minimum write size, the greater must be a multiple of the smaller. The
    ///   greater size is the word length.
    /// - The word length must be at most 32 bytes.
    /// - The page length must be a multiple of the word length.
    /// - The total length of three segments must be less than 4 GiB.
    Unsupported {
        /// The minimum read size in bytes.
        read: usize,
        /// The minimum write size in bytes.
        write: usize,
        /// The length of a page in bytes.
        page: usize,
    },
    /// The 32-bit segment number is exhausted, so the store cannot write another segment. Each segment that the store
    /// writes gets the next number.
    WornOut,
}

/// An error that occurs while the store reads or writes the flash. This type is smaller than [`FlashError`], which
/// reduces the code size on microcontrollers.
pub(super) enum Fault<E> {
    Flash(E),
    Corrupted,
    NotFormatted,
    OtherSize,
    Full,
    WornOut,
}

impl<E> Fault<E> {
    pub(super) fn into_error(self) -> FlashError<E> {
        match self {
            Self::Flash(error) => FlashError::Flash(error),
            Self::Corrupted => FlashError::Corrupted,
            Self::NotFormatted => FlashError::NotFormatted,
            Self::OtherSize => FlashError::OtherSize,
            Self::Full => FlashError::Full,
            Self::WornOut => FlashError::WornOut,
        }
    }
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "flash failed: {error:?}"),
            Self::Corrupted => f.write_str("flash counters corrupted: acknowledged data cannot be read"),
            Self::NotFormatted => f.write_str(
                "flash region not formatted: expected a counter store or a blank region; \
                 if it is the right region and never held a store, call format once",
            ),
            Self::OtherSize => f.write_str("flash counters written for another number of tags: open them with that N"),
            Self::Full => f.write_str("flash counters full: the store already holds as many tags as its N allows"),
            Self::OutOfBounds { end, capacity } => {
                write!(f, "flash region too long: the flash ends at {capacity}, the region at {end}")
            }
            Self::Misaligned { address, page } => {
                write!(f, "flash region misaligned: expected multiples of {page}, got {address}")
            }
            Self::TooSmall { tags, needed, len } => {
                write!(f, "flash region too small: {tags} tags need {needed} bytes, got {len}")
            }
            Self::Unsupported { read, write, page } => write!(
                f,
                "unsupported flash: expected words of at most {} bytes that divide a page, \
                 got reads of {read}, writes of {write} and pages of {page} bytes",
                record::MAX_WORD
            ),
            Self::WornOut => f.write_str("flash worn out: the 32-bit segment number is exhausted"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}
