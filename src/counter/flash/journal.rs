//! Computes addresses on the flash. A region is divided into segments, and a segment is divided into slots.

use core::marker::PhantomData;
use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;

use super::error::FlashError;
use super::record::{self, BODY};

/// A segment, identified by its index in the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment(pub(super) u32);

/// The segment into which new records are written.
#[derive(Clone, Copy)]
pub(super) struct Active {
    pub(super) segment: Segment,
    /// The number of the segment. Segments are numbered from 1 in the order in which they are written.
    pub(super) number: u32,
    /// The index of the slot for the next record.
    pub(super) next: u32,
}

/// The lengths of a record, word, slot, page, segment and region, in bytes. These lengths depend only on the type of
/// the flash and on the number of tags.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    /// The length of a record, rounded up to whole words.
    pub(super) body: usize,
    pub(super) body_u32: u32,
    pub(super) word: usize,
    word_u32: u32,
    pub(super) slot: usize,
    slot_u32: u32,
    page: u32,
    pub(super) segment: u32,
    /// The length of the shortest valid region.
    pub(super) region: u32,
}

impl Lengths {
    /// Returns the lengths for a store of `tags` tags, or `None` if this flash is not supported.
    pub(super) const fn new<F: NorFlash>(tags: usize) -> Option<Self> {
        let (read, write) = (at_least_1(F::READ_SIZE), at_least_1(F::WRITE_SIZE));
        let word = if read > write { read } else { write };
        let is_word = word.is_multiple_of(read) && word.is_multiple_of(write) && F::ERASE_SIZE.is_multiple_of(word);
        if word > record::MAX_WORD || !is_word || F::ERASE_SIZE == 0 {
            return None;
        }
        let body = BODY.next_multiple_of(word);
        let Some(slot) = body.checked_add(word) else { return None };
        let log = if tags > 32 { tags / 2 } else { 16 };
        let Some(records) = tags.saturating_add(log).checked_add(2) else { return None };
        let Some(bytes) = records.saturating_mul(slot).checked_add(word) else { return None };
        let Some(segment) = bytes.checked_next_multiple_of(F::ERASE_SIZE) else { return None };
        let Some(region) = segment.checked_mul(SEGMENTS) else { return None };
        let (Some(body_u32), Some(word_u32), Some(slot_u32)) = (to_u32(body), to_u32(word), to_u32(slot)) else {
            return None;
        };
        let (Some(page), Some(segment), Some(region)) = (to_u32(F::ERASE_SIZE), to_u32(segment), to_u32(region)) else {
            return None;
        };
        Some(Self { body, body_u32, word, word_u32, slot, slot_u32, page, segment, region })
    }
}

/// The smallest number of segments in a region. A segment is closed (its last word is overwritten) only after the next
/// segment is complete. A closed segment therefore proves that a newer segment existed, even if the newer segment is
/// damaged. With two segments, each erase would destroy the only closed segment, and this proof would be lost.
const SEGMENTS: usize = 3;

const fn at_least_1(size: usize) -> usize {
    if size == 0 { 1 } else { size }
}

/// Converts a number to `u32`, or returns `None` if the number is too large. This function replaces `u32::try_from`,
/// which is not `const`.
const fn to_u32(value: usize) -> Option<u32> {
    match *value.to_le_bytes().as_slice() {
        [a, b] => Some(u32::from_le_bytes([a, b, 0, 0])),
        [a, b, c, d] | [a, b, c, d, 0, 0, 0, 0] => Some(u32::from_le_bytes([a, b, c, d])),
        _ => None,
    }
}

/// The division of a region into segments and slots.
pub(super) struct Geometry<F, const N: usize> {
    start: u32,
    end: u32,
    flash: PhantomData<fn() -> F>,
}

impl<F, const N: usize> Clone for Geometry<F, N> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, const N: usize> Copy for Geometry<F, N> {}

impl<F: NorFlash, const N: usize> Geometry<F, N> {
    /// The lengths for this flash and `N` tags. For an unsupported flash, the values are placeholders that are never
    /// used, because [`new`](Self::new) fails.
    pub(super) const LENGTHS: Lengths = match Lengths::new::<F>(N) {
        Some(lengths) => lengths,
        None => {
            Lengths { body: 0, body_u32: 0, word: 0, word_u32: 0, slot: 0, slot_u32: 1, page: 1, segment: 1, region: 0 }
        }
    };

    /// The number of slots in a segment. The slots contain the header, the snapshot, the end of the snapshot, and the
    /// log.
    pub(super) const SLOTS: u32 = Self::LENGTHS.segment.saturating_sub(Self::LENGTHS.word_u32) / Self::LENGTHS.slot_u32;

    /// Checks that the region is aligned, lies within a flash of `capacity` bytes, and has enough space for `N` tags.
    pub(super) fn new(region: &Range<u32>, capacity: usize) -> Result<Self, FlashError<F::Error>> {
        if const { Lengths::new::<F>(N).is_none() } {
            return Err(FlashError::Unsupported { read: F::READ_SIZE, write: F::WRITE_SIZE, page: F::ERASE_SIZE });
        }
        let Range { start, end } = *region;
        let Lengths { page, region: needed, .. } = Self::LENGTHS;
        if let Some(address) = [start, end].into_iter().find(|address| !address.is_multiple_of(page)) {
            return Err(FlashError::Misaligned { address, page });
        }
        if usize::try_from(end).map_or(true, |end| end > capacity) {
            return Err(FlashError::OutOfBounds { end, capacity });
        }
        let len = end.saturating_sub(start);
        if len < needed {
            return Err(FlashError::TooSmall { tags: N, needed, len });
        }
        Ok(Self { start, end, flash: PhantomData })
    }

    /// Divides the region into chunks, and returns the address of each chunk. A chunk is at most as long as a slot and
    /// does not cross the end of a page.
    pub(super) fn chunks(self) -> impl Iterator<Item = u32> {
        core::iter::successors(Some(self.start), |at| {
            let page_end = at.checked_add(1)?.checked_next_multiple_of(Self::LENGTHS.page)?;
            Some(page_end.min(at.saturating_add(Self::LENGTHS.slot_u32)))
        })
        .take_while(move |at| *at < self.end)
    }

    pub(super) fn is_page_start(at: u32) -> bool {
        at.is_multiple_of(Self::LENGTHS.page)
    }

    /// Returns the length of a slot that starts at the address `at`. If the region ends within the slot, the function
    /// returns the number of bytes up to the end of the region.
    pub(super) fn slot_len_at(self, at: u32) -> usize {
        let rest = usize::try_from(self.end.saturating_sub(at)).unwrap_or(usize::MAX);
        Self::LENGTHS.slot.min(rest)
    }

    fn count(self) -> u32 {
        self.end.saturating_sub(self.start).checked_div(Self::LENGTHS.segment).unwrap_or_default()
    }

    pub(super) fn segments(self) -> impl Iterator<Item = Segment> {
        (0..self.count()).map(Segment)
    }

    pub(super) fn after(self, Segment(segment): Segment) -> Segment {
        let next = segment.saturating_add(1);
        Segment(if next < self.count() { next } else { 0 })
    }

    pub(super) fn pages(self, Segment(segment): Segment) -> Range<u32> {
        let start = self.start.saturating_add(segment.saturating_mul(Self::LENGTHS.segment));
        start..start.saturating_add(Self::LENGTHS.segment)
    }

    pub(super) fn slot(self, segment: Segment, slot: u32) -> u32 {
        self.pages(segment).start.saturating_add(slot.saturating_mul(Self::LENGTHS.slot_u32))
    }

    /// Returns the address of a segment's closing word. The closing word is the last word of the segment. To close the
    /// segment, the store overwrites this word with zeros.
    pub(super) fn closing(self, segment: Segment) -> u32 {
        self.pages(segment).end.saturating_sub(Self::LENGTHS.word_u32)
    }
}
