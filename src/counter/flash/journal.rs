//! Addresses on the flash: how a region is divided into segments and slots.

use core::ops::Range;

use embedded_storage_async::nor_flash::NorFlash;

use super::record::{self, BODY};

/// A segment, by its index in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment(pub(super) u32);

/// The segment that receives new records.
#[derive(Clone, Copy)]
pub(super) struct Active {
    pub(super) segment: Segment,
    /// The number of the segment. Segments are numbered from 1 in the order in which they are written.
    pub(super) number: u32,
    /// The slot for the next record.
    pub(super) next: u32,
}

/// The division of a region into segments and slots.
#[derive(Clone, Copy)]
pub(super) struct Geometry {
    start: u32,
    pub(super) segment_len: u32,
    segments: u32,
    /// The number of slots in a segment: a header, the snapshot, its end, the log.
    pub(super) slots: u32,
    /// The length of a record in bytes, rounded up to whole words.
    pub(super) body: usize,
    /// The length of a word in bytes.
    pub(super) word: usize,
}

impl Geometry {
    /// Divides a region for this number of tags. Returns `None` if that is not possible.
    pub(super) fn new<F: NorFlash>(region: &Range<u32>, tags: usize) -> Option<Self> {
        let word = F::WRITE_SIZE.max(F::READ_SIZE).max(1);
        let divides = word.is_multiple_of(F::WRITE_SIZE.max(1)) && word.is_multiple_of(F::READ_SIZE.max(1));
        let page = u32::try_from(F::ERASE_SIZE).ok().filter(|page| *page > 0)?;
        let aligned = region.start.is_multiple_of(page) && region.end.is_multiple_of(page);
        if word > record::MAX_WORD || !divides || !F::ERASE_SIZE.is_multiple_of(word) || !aligned {
            return None;
        }
        let body = BODY.next_multiple_of(word);
        let slot = u32::try_from(body.checked_add(word)?).ok()?;
        let word_len = u32::try_from(word).ok()?;
        let tags = u32::try_from(tags).ok()?;
        let wanted = tags.checked_add((tags / 2).max(16))?.checked_add(2)?;
        let bytes = wanted.checked_mul(slot)?.checked_add(word_len)?;
        let segment_len = bytes.checked_next_multiple_of(page)?;
        let segments = region.end.checked_sub(region.start)?.checked_div(segment_len)?;
        let slots = segment_len.checked_sub(word_len)?.checked_div(slot)?;
        // With two segments, the one before the active segment would be erased next. A power failure would then also
        // lose its closing word.
        (segments >= 3).then_some(Self { start: region.start, segment_len, segments, slots, body, word })
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        (0..self.segments).map(Segment)
    }

    pub(super) fn behind(&self, Segment(segment): Segment) -> Segment {
        let next = segment.saturating_add(1);
        Segment(if next < self.segments { next } else { 0 })
    }

    pub(super) fn pages(&self, Segment(segment): Segment) -> Range<u32> {
        let start = self.start.saturating_add(segment.saturating_mul(self.segment_len));
        start..start.saturating_add(self.segment_len)
    }

    pub(super) fn slot(&self, segment: Segment, slot: u32) -> u32 {
        let len = self.body.saturating_add(self.word);
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        self.pages(segment).start.saturating_add(slot.saturating_mul(len))
    }

    /// Returns the address of the word that closes a segment: its last word.
    pub(super) fn closing(&self, segment: Segment) -> u32 {
        self.pages(segment).end.saturating_sub(u32::try_from(self.word).unwrap_or(u32::MAX))
    }

    pub(super) fn body_u32(&self) -> u32 {
        u32::try_from(self.body).unwrap_or(u32::MAX)
    }
}
