//! Counters on NOR flash.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use heapless::index_map::FnvIndexMap;

use super::{Advance, AsyncCounterStore, Blocking, CounterStore, now};
use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

mod journal;
mod record;

use journal::{Active, Geometry, Segment};
use record::{Content, Record, Slot};

/// Counters of at most `N` tags on NOR flash (feature `flash`): a mark is on the flash before it is acknowledged, and power may go
/// at any byte. `N` is a power of two from 2 to 32768.
///
/// The region is a ring of segments. The active one holds a snapshot of all marks and behind it a log: an accepted tap appends one
/// record. When the log is full, the next segment is erased and gets a snapshot, and then the old one is closed. Marks are in
/// memory too, so a stale tap touches no flash.
///
/// | when | reads | writes | erases |
/// |---|---|---|---|
/// | a stale tap | 0 | 0 | 0 |
/// | an accepted tap | 0 | 2: a record of 36 bytes, and a word that says that it is whole | 0 |
/// | start | up to 3 for each segment, and each slot of the active one; a blank region whole | 0, or as below if a tap was cut off | 0 |
/// | the first accepted tap after a start, and one where the log is full | 0 | 2 for each known tag, and 7 | a segment |
///
/// A record takes 36 bytes and a word, in whole words of the flash (40 bytes where they are of 4); a segment, as many pages as hold
/// a snapshot of `N` tags and `max(N / 2, 16)` taps behind it. At least three segments are needed. **Lifetime**: on 16 pages of
/// 4 KiB, with words of 4 bytes, 32 tags make a segment of one page with 102 records, of which 68 are taps; with 100,000 erases a
/// page that is 108 million taps, or 34 years with one every ten seconds. A start that is followed by a tap costs a segment as well:
/// 1.6 million of them. Memory: about 54 bytes for each of the `N` tags.
///
/// Erased cells read `FFh`, and what was half written can be read back as something: a flash that does not keep to that, or that
/// answers such a read with an error for ever, needs an adaptor that does.
///
/// What is read back is believed only if it is whole. A record that was cut off was never acknowledged, and is skipped; one that
/// was acknowledged and can not be read any more is [`FlashError::Corrupted`]: nothing is guessed, for a mark that went back would
/// let old taps pass. That is why this is a journal of its own: the log crates at hand skip what they can not read, or erase to
/// repair. When all is lost, [`format`](Self::format) begins anew, and tags need new keys.
///
/// After an error, and after a future that was dropped before it was done, the next call reads the flash again first.
///
/// ```
/// use suntap::{Advance, Blocking, CounterStore, FlashCounters, SdmReadCtr, CounterId};
/// # use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
/// # struct Chip([u8; 0x4000]);
/// # impl ErrorType for Chip {
/// #     type Error = NorFlashErrorKind;
/// # }
/// # impl ReadNorFlash for Chip {
/// #     const READ_SIZE: usize = 1;
/// #     fn read(&mut self, at: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
/// #         bytes.copy_from_slice(&self.0[at as usize..][..bytes.len()]);
/// #         Ok(())
/// #     }
/// #     fn capacity(&self) -> usize {
/// #         self.0.len()
/// #     }
/// # }
/// # impl NorFlash for Chip {
/// #     const WRITE_SIZE: usize = 4;
/// #     const ERASE_SIZE: usize = 0x1000;
/// #     fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
/// #         self.0[from as usize..to as usize].fill(0xFF);
/// #         Ok(())
/// #     }
/// #     fn write(&mut self, at: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
/// #         self.0[at as usize..][..bytes.len()].copy_from_slice(bytes);
/// #         Ok(())
/// #     }
/// # }
///
/// # let mut chip = Chip([0xFF; 0x4000]);
/// let (tag, ctr) = (CounterId::from_bytes([1; 16]), SdmReadCtr::new(61).unwrap());
/// let mut counters = FlashCounters::<_, 32>::open_blocking(&mut chip, 0..0x4000)?;
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Advanced { .. }));
/// // Here the power goes, and comes again.
/// let mut counters = FlashCounters::<_, 32>::open_blocking(&mut chip, 0..0x4000)?;
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
/// # Ok::<(), suntap::FlashError<NorFlashErrorKind>>(())
/// ```
pub struct FlashCounters<F, const N: usize> {
    flash: F,
    geometry: Geometry,
    marks: FnvIndexMap<CounterId, Mark, N>,
    active: Active,
    /// Something was begun and not ended: what is on the flash is not known.
    unsure: bool,
}

impl<F: NorFlash, const N: usize> FlashCounters<F, N> {
    /// Reads the counters in a region of the flash, which begins and ends with a page. A blank region becomes an empty store; to have
    /// it so before the first start, when power may go already, call [`format`](Self::format) where devices are made.
    ///
    /// # Errors
    /// [`FlashError`]: the region does not do, the flash failed, it knows more than `N` tags, or what is there is corrupted. So is
    /// what was written for so different an `N` that segments were of another length.
    pub async fn open(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let mut counters = Self::new(flash, &region)?;
        counters.load().await?;
        Ok(counters)
    }

    /// Erases a region and makes an empty store of it. **Everything that was accepted would be accepted again**: give each tag a new
    /// key.
    ///
    /// # Errors
    /// [`FlashError`]: the region does not do, or the flash failed.
    pub async fn format(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let mut counters = Self::new(flash, &region)?;
        counters.flash.erase(region.start, region.end).await.map_err(FlashError::Flash)?;
        counters.begin().await?;
        Ok(counters)
    }

    fn new(flash: F, region: &Range<u32>) -> Result<Self, FlashError<F::Error>> {
        const { assert!(N.is_power_of_two() && N >= 2 && N <= 1 << 15, "N is a power of two from 2 to 32768") };
        let inside = usize::try_from(region.end).is_ok_and(|end| end <= flash.capacity());
        let geometry = Geometry::new::<F>(region, N).filter(|_| inside).ok_or(FlashError::Region)?;
        let active = Active { segment: Segment(0), number: 0, next: 0 };
        Ok(Self { flash, geometry, marks: FnvIndexMap::new(), active, unsure: true })
    }

    /// How many tags are known, as last read.
    pub fn tags(&self) -> usize {
        self.marks.len()
    }

    /// The flash, for other use.
    pub fn into_flash(self) -> F {
        self.flash
    }

    async fn advance_inner(
        &mut self,
        tag: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, FlashError<F::Error>> {
        if self.unsure {
            self.load().await?;
        }
        let stored = self.marks.get(tag).copied();
        let advance = Advance::decide(stored, ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            if stored.is_none() && self.marks.len() >= N {
                return Err(FlashError::Full);
            }
            self.unsure = true;
            self.append(tag, now).await?;
            self.marks.insert(*tag, now).map_err(|_| FlashError::Full)?;
            self.unsure = false;
        }
        Ok(advance)
    }

    /// Writes one mark behind the others.
    async fn append(&mut self, tag: &CounterId, mark: Mark) -> Result<(), FlashError<F::Error>> {
        if self.active.next >= self.geometry.slots {
            self.turn().await?;
        }
        let Active { segment, number, next } = self.active;
        let content = Content::Mark { tag: *tag, mark };
        self.write(segment, next, &Record { number, content }).await?;
        self.active.next = next.saturating_add(1);
        Ok(())
    }

    /// Goes on in the next segment.
    async fn turn(&mut self) -> Result<(), FlashError<F::Error>> {
        let old = self.active;
        let segment = self.geometry.behind(old.segment);
        let number = old.number.checked_add(1).ok_or(FlashError::WornOut)?;
        self.active = self.write_segment(segment, number).await?;
        // Only now is the old one not needed any more.
        let (at, word) = (self.geometry.closing(old.segment), [0; record::MAX_WORD]);
        let word = word.get(..self.geometry.word).unwrap_or_default();
        self.flash.write(at, word).await.map_err(FlashError::Flash)
    }

    /// The first segment of an empty store.
    async fn begin(&mut self) -> Result<(), FlashError<F::Error>> {
        self.marks.clear();
        self.active = self.write_segment(Segment(0), 1).await?;
        self.unsure = false;
        Ok(())
    }

    /// Erases a segment and writes all marks into it.
    async fn write_segment(&mut self, segment: Segment, number: u32) -> Result<Active, FlashError<F::Error>> {
        let Range { start, end } = self.geometry.pages(segment);
        self.flash.erase(start, end).await.map_err(FlashError::Flash)?;
        let tags = u16::try_from(self.marks.len()).unwrap_or(u16::MAX);
        let segment_len = self.geometry.segment_len;
        self.write(segment, 0, &Record { number, content: Content::Header { tags, segment_len } }).await?;
        let mut next = 1;
        for index in 0..self.marks.len() {
            let Some((tag, mark)) = self.marks.get_index(index).map(|(tag, mark)| (*tag, *mark)) else { break };
            self.write(segment, next, &Record { number, content: Content::Mark { tag, mark } }).await?;
            next = next.saturating_add(1);
        }
        self.write(segment, next, &Record { number, content: Content::Complete { tags } }).await?;
        Ok(Active { segment, number, next: next.saturating_add(1) })
    }

    /// Writes a record, and then the word that says that it is whole.
    async fn write(&mut self, segment: Segment, slot: u32, record: &Record) -> Result<(), FlashError<F::Error>> {
        let at = self.geometry.slot(segment, slot);
        let bytes = record.encode();
        let (body, word) = bytes.split_at_checked(self.geometry.body).unwrap_or_default();
        let whole = word.get(..self.geometry.word).unwrap_or_default();
        self.flash.write(at, body).await.map_err(FlashError::Flash)?;
        self.flash.write(at.saturating_add(self.geometry.body_u32()), whole).await.map_err(FlashError::Flash)
    }

    async fn read(&mut self, segment: Segment, slot: u32, number: u32) -> Result<Slot, FlashError<F::Error>> {
        let mut bytes = [0; record::MAX_SLOT];
        let len = self.geometry.body.saturating_add(self.geometry.word);
        let bytes = bytes.get_mut(..len).unwrap_or_default();
        let at = self.geometry.slot(segment, slot);
        self.flash.read(at, bytes).await.map_err(FlashError::Flash)?;
        let (body, word) = bytes.split_at_checked(self.geometry.body).unwrap_or_default();
        Ok(Slot::decode(body, word, number))
    }

    async fn is_closed(&mut self, segment: Segment) -> Result<bool, FlashError<F::Error>> {
        let mut word = [0xFF; record::MAX_WORD];
        let word = word.get_mut(..self.geometry.word).unwrap_or_default();
        self.flash.read(self.geometry.closing(segment), word).await.map_err(FlashError::Flash)?;
        // A word that was cut off says so as well: the next segment was whole before it.
        Ok(word.iter().any(|byte| *byte != 0xFF))
    }

    /// The number of a segment and its tags, if it is whole.
    async fn whole(&mut self, segment: Segment) -> Result<Option<(u32, u16)>, FlashError<F::Error>> {
        let Slot::Whole { record: Record { number, content: Content::Header { tags, segment_len } }, .. } =
            self.read(segment, 0, record::ANY).await?
        else {
            return Ok(None);
        };
        // What was divided in another way, for another number of tags, is not read in this one.
        if segment_len != self.geometry.segment_len {
            return Ok(None);
        }
        let complete = self.read(segment, u32::from(tags).saturating_add(1), number).await?;
        let is_complete = matches!(
            complete,
            Slot::Whole { record: Record { content: Content::Complete { tags: told }, .. }, acknowledged: true }
                if told == tags
        );
        Ok(is_complete.then_some((number, tags)))
    }

    /// Reads what is on the flash.
    async fn load(&mut self) -> Result<(), FlashError<F::Error>> {
        self.unsure = true;
        let mut newest: Option<(u32, u16, Segment)> = None;
        for segment in self.geometry.segments() {
            if let Some((number, tags)) = self.whole(segment).await?
                && newest.is_none_or(|(other, ..)| number > other)
            {
                newest = Some((number, tags, segment));
            }
        }
        let Some((number, tags, segment)) = newest else {
            return if self.is_unused().await? { self.begin().await } else { Err(FlashError::Corrupted) };
        };
        // A segment is closed when the next is whole; that one is gone, then.
        if self.is_closed(segment).await? {
            return Err(FlashError::Corrupted);
        }
        let cut = self.load_segment(segment, number, tags).await?;
        // Where the log ends something may have been begun that left no trace, and no word is written twice: the next tap goes into
        // the next segment. What was begun and not acknowledged counts as moved, and is there before anybody is told so.
        self.active = Active { segment, number, next: self.geometry.slots };
        if cut {
            self.turn().await?;
        }
        self.unsure = false;
        Ok(())
    }

    /// Reads snapshot and log of the active segment. Whether a mark was not acknowledged.
    async fn load_segment(&mut self, segment: Segment, number: u32, tags: u16) -> Result<bool, FlashError<F::Error>> {
        self.marks.clear();
        let log = u32::from(tags).saturating_add(2);
        let (mut cut, mut ended) = (false, false);
        for slot in 1..self.geometry.slots {
            let read = self.read(segment, slot, number).await?;
            // Behind the end nothing was ever written: what is there means that something before it is lost.
            if ended && read != Slot::Blank {
                return Err(FlashError::Corrupted);
            }
            ended |= !matches!(read, Slot::Whole { acknowledged: true, .. });
            match read {
                Slot::Blank | Slot::Torn if slot >= log => {}
                Slot::Whole { record: Record { content: Content::Mark { tag, mark }, .. }, acknowledged } => {
                    if self.marks.get(&tag).is_none_or(|known| mark.ctr > known.ctr) {
                        self.marks.insert(tag, mark).map_err(|_| FlashError::Full)?;
                        cut |= !acknowledged;
                    }
                }
                Slot::Whole { record: Record { content: Content::Complete { .. }, .. }, .. }
                    if slot.saturating_add(1) == log => {}
                _ => return Err(FlashError::Corrupted),
            }
        }
        Ok(cut)
    }

    /// Whether nothing was ever acknowledged here: the region is blank, but for a beginning that was cut off, the first two records of
    /// the first segment.
    async fn is_unused(&mut self) -> Result<bool, FlashError<F::Error>> {
        for segment in self.geometry.segments() {
            let begun = if segment == Segment(0) { 2 } else { 0 };
            for slot in begun..self.geometry.slots {
                if !matches!(self.read(segment, slot, record::ANY).await?, Slot::Blank) {
                    return Ok(false);
                }
            }
            if self.is_closed(segment).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl<F: blocking::NorFlash, const N: usize> FlashCounters<Blocking<F>, N> {
    /// As [`open`](Self::open), on a flash that blocks: the store is a [`CounterStore`] then.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_blocking(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        now(Self::open(Blocking(flash), region))
    }

    /// As [`format`](Self::format), on a flash that blocks.
    ///
    /// # Errors
    /// As [`format`](Self::format).
    pub fn format_blocking(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        now(Self::format(Blocking(flash), region))
    }
}

impl<F: NorFlash, const N: usize> AsyncCounterStore for FlashCounters<F, N> {
    type Error = FlashError<F::Error>;

    async fn advance(
        &mut self,
        tag: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, Self::Error> {
        self.advance_inner(tag, ctr, at).await
    }
}

impl<F: blocking::NorFlash, const N: usize> CounterStore for FlashCounters<Blocking<F>, N> {
    type Error = FlashError<F::Error>;

    fn advance(&mut self, tag: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        now(self.advance_inner(tag, ctr, at))
    }
}

impl<F: ErrorType> ErrorType for Blocking<F> {
    type Error = F::Error;
}

impl<F: blocking::ReadNorFlash> ReadNorFlash for Blocking<F> {
    const READ_SIZE: usize = F::READ_SIZE;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

/// A flash that blocks, in the place of one that takes waiting.
impl<F: blocking::NorFlash> NorFlash for Blocking<F> {
    const WRITE_SIZE: usize = F::WRITE_SIZE;
    const ERASE_SIZE: usize = F::ERASE_SIZE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.0.write(offset, bytes)
    }
}

impl<F, const N: usize> fmt::Debug for FlashCounters<F, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlashCounters").field("tags", &self.marks.len()).finish_non_exhaustive()
    }
}

/// Why counters on flash do not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashError<E> {
    /// The flash failed.
    Flash(E),
    /// What was acknowledged can not be read any more. Nothing is guessed.
    Corrupted,
    /// As many tags are known as there is room for. Those that are known go on.
    Full,
    /// The region does not begin and end with a page of the flash, or has not room for three segments; or the words of the flash are
    /// longer than 32 bytes.
    Region,
    /// Four thousand million segments were written.
    WornOut,
}

impl<E: fmt::Debug> fmt::Display for FlashError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flash(error) => write!(f, "the flash failed: {error:?}"),
            Self::Corrupted => f.write_str("the counters on the flash are corrupted"),
            Self::Full => f.write_str("no room for another tag"),
            Self::Region => f.write_str("the region of the flash does not do for so many tags"),
            Self::WornOut => f.write_str("the flash was written too often"),
        }
    }
}

impl<E: fmt::Debug> core::error::Error for FlashError<E> {}
