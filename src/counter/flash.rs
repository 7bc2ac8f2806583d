//! Counters on NOR flash.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use heapless::index_map::FnvIndexMap;

use super::ready::run_ready;
use super::store::{Advance, AsyncCounterStore, Blocking, CounterStore};
use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

mod journal;
mod record;

use journal::{Active, Geometry, Segment};
use record::{Content, Record, Slot};

/// A counter store on NOR flash for at most `N` tags (feature `flash`).
///
/// A mark is on the flash before it is acknowledged, and power may fail at any byte. `N` is a power of two from 2 to
/// 32768.
///
/// The region is a ring of segments. The active segment holds a snapshot of all marks, followed by a log. Each accepted
/// tap appends one record to the log. When the log is full, the store erases the next segment, writes a snapshot into
/// it, and then closes the old segment. The marks are also in memory, so a stale tap does not access the flash.
///
/// | when | reads | writes | erases |
/// |---|---|---|---|
/// | a stale tap | 0 | 0 | 0 |
/// | an accepted tap | 0 | 2: a record of 36 bytes, and a word that marks it as complete | 0 |
/// | start | up to 3 for each segment, and each slot of the active one | 0 | 0 |
/// | start after a tap was cut off | as above | 2 for each known tag, and 5 | a segment |
/// | start on a blank region | the whole region | 4 | a segment |
/// | first accepted tap after a start without writes, or on a full log | 0 | 2 for each known tag, and 7 | a segment |
///
/// A record takes 36 bytes and one word, in whole words of the flash (40 bytes with words of 4 bytes). A segment has as
/// many pages as a snapshot of `N` tags and `max(N / 2, 16)` taps after it need. The region must have at least three
/// segments.
///
/// **Lifetime**: on 16 pages of 4 KiB, with words of 4 bytes and 32 tags, a segment is one page with 102 records, of
/// which 68 are taps. With 100,000 erases per page that is 108 million taps, or 34 years with one tap every ten
/// seconds. A start that is followed by a tap also uses up a segment: 1.6 million such starts are possible. **Memory**:
/// about 54 bytes for each of the `N` tags.
///
/// The store requires that erased cells read `FFh`, and that a partly written word can be read, with any value. A flash
/// that does not behave like this, or that keeps returning an error for such a read, needs an adapter.
///
/// The store uses a record only if it is complete. A record that was cut off was never acknowledged and is skipped. A
/// record that was acknowledged and can no longer be read is [`FlashError::Corrupted`]. The store never guesses a
/// value, because a mark that goes back would let old taps pass. This is also why the store has its own journal: the
/// available log crates skip what they cannot read, or erase to repair. If the marks are lost, [`format`](Self::format)
/// starts over, and the tags need new keys.
///
/// After an error, or after a future was dropped before it completed, the next call first reads the flash again.
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
/// // Here the power fails and comes back.
/// let mut counters = FlashCounters::<_, 32>::open_blocking(&mut chip, 0..0x4000)?;
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
/// # Ok::<(), suntap::FlashError<NorFlashErrorKind>>(())
/// ```
pub struct FlashCounters<F, const N: usize> {
    flash: F,
    geometry: Geometry,
    marks: FnvIndexMap<CounterId, Mark, N>,
    active: Active,
    /// `true` if an operation began and did not complete, so the content of the flash is unknown.
    unsure: bool,
}

impl<F: NorFlash, const N: usize> FlashCounters<F, N> {
    /// Reads the counters in a region of the flash. The region must begin and end at a page boundary.
    ///
    /// A blank region becomes an empty store. To create the store before the first start, during which power may
    /// already fail, call [`format`](Self::format) when the device is manufactured.
    ///
    /// # Errors
    /// Returns a [`FlashError`] if the region is invalid, the flash fails, it holds more than `N` tags, or its content
    /// is corrupted. Content that was written with another `N`, so that its segments have another length, also counts
    /// as corrupted.
    pub async fn open(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let mut counters = Self::new(flash, &region)?;
        counters.load().await?;
        Ok(counters)
    }

    /// Erases a region and makes it an empty store. **Every tap that was accepted before would be accepted again**:
    /// give each tag a new key.
    ///
    /// # Errors
    /// Returns a [`FlashError`] if the region is invalid or the flash fails.
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

    /// Returns the number of known tags, as last read.
    pub fn tags(&self) -> usize {
        self.marks.len()
    }

    /// Returns the flash, for other use.
    pub fn into_flash(self) -> F {
        self.flash
    }

    async fn advance_inner(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, FlashError<F::Error>> {
        if self.unsure {
            self.load().await?;
        }
        let stored = self.marks.get(id).copied();
        let advance = Advance::decide(stored, ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            if stored.is_none() && self.marks.len() >= N {
                return Err(FlashError::Full);
            }
            self.unsure = true;
            self.append(id, now).await?;
            self.marks.insert(*id, now).map_err(|_| FlashError::Full)?;
            self.unsure = false;
        }
        Ok(advance)
    }

    /// Appends one mark to the log.
    async fn append(&mut self, id: &CounterId, mark: Mark) -> Result<(), FlashError<F::Error>> {
        if self.active.next >= self.geometry.slots {
            self.turn().await?;
        }
        let Active { segment, number, next } = self.active;
        let content = Content::Mark { id: *id, mark };
        self.write(segment, next, &Record { number, content }).await?;
        self.active.next = next.saturating_add(1);
        Ok(())
    }

    /// Continues in the next segment.
    async fn turn(&mut self) -> Result<(), FlashError<F::Error>> {
        let old = self.active;
        let segment = self.geometry.behind(old.segment);
        let number = old.number.checked_add(1).ok_or(FlashError::WornOut)?;
        self.active = self.write_segment(segment, number).await?;
        // The old segment is needed until this point.
        let (at, word) = (self.geometry.closing(old.segment), [0; record::MAX_WORD]);
        let word = word.get(..self.geometry.word).unwrap_or_default();
        self.flash.write(at, word).await.map_err(FlashError::Flash)
    }

    /// Writes the first segment of an empty store.
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
            let Some((id, mark)) = self.marks.get_index(index).map(|(id, mark)| (*id, *mark)) else { break };
            self.write(segment, next, &Record { number, content: Content::Mark { id, mark } }).await?;
            next = next.saturating_add(1);
        }
        self.write(segment, next, &Record { number, content: Content::Complete { tags } }).await?;
        Ok(Active { segment, number, next: next.saturating_add(1) })
    }

    /// Writes a record, and then the word that marks it as complete.
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
        // A partly written word also closes the segment: the next segment was complete before this word was written.
        Ok(word.iter().any(|byte| *byte != 0xFF))
    }

    /// Returns the number of a segment and its number of tags, or `None` if it is not complete.
    async fn whole(&mut self, segment: Segment) -> Result<Option<(u32, u16)>, FlashError<F::Error>> {
        let Slot::Whole { record: Record { number, content: Content::Header { tags, segment_len } }, .. } =
            self.read(segment, 0, record::ANY).await?
        else {
            return Ok(None);
        };
        // A segment of another length was written for another number of tags. It is not read.
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

    /// Reads the content of the flash.
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
        // A segment is closed only when the next one is complete. So a newer segment existed, and it is lost.
        if self.is_closed(segment).await? {
            return Err(FlashError::Corrupted);
        }
        let cut = self.load_segment(segment, number, tags).await?;
        // A write at the end of the log may have begun and left no trace, and no word may be written twice. So the next
        // tap goes into the next segment. A mark that was written but not acknowledged counts as advanced, and is made
        // durable before any caller sees it.
        self.active = Active { segment, number, next: self.geometry.slots };
        if cut {
            self.turn().await?;
        }
        self.unsure = false;
        Ok(())
    }

    /// Reads the snapshot and the log of the active segment. Returns `true` if a mark was not acknowledged.
    async fn load_segment(&mut self, segment: Segment, number: u32, tags: u16) -> Result<bool, FlashError<F::Error>> {
        self.marks.clear();
        let log = u32::from(tags).saturating_add(2);
        let (mut cut, mut ended) = (false, false);
        for slot in 1..self.geometry.slots {
            let read = self.read(segment, slot, number).await?;
            // Nothing is ever written after the end of the log. Data there means that a record before it is lost.
            if ended && read != Slot::Blank {
                return Err(FlashError::Corrupted);
            }
            ended |= !matches!(read, Slot::Whole { acknowledged: true, .. });
            match read {
                Slot::Blank | Slot::Torn if slot >= log => {}
                Slot::Whole { record: Record { content: Content::Mark { id, mark }, .. }, acknowledged } => {
                    if self.marks.get(&id).is_none_or(|known| mark.ctr > known.ctr) {
                        self.marks.insert(id, mark).map_err(|_| FlashError::Full)?;
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

    /// Returns `true` if no record was ever acknowledged here. The region is then blank, except for a first start that
    /// was cut off: the first two records of the first segment.
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
    /// Like [`open`](Self::open), but for a blocking flash. The store is then also a [`CounterStore`].
    ///
    /// # Errors
    /// Returns the errors of [`open`](Self::open).
    pub fn open_blocking(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        run_ready(Self::open(Blocking(flash), region))
    }

    /// Like [`format`](Self::format), but for a blocking flash.
    ///
    /// # Errors
    /// Returns the errors of [`format`](Self::format).
    pub fn format_blocking(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        run_ready(Self::format(Blocking(flash), region))
    }
}

impl<F: NorFlash, const N: usize> AsyncCounterStore for FlashCounters<F, N> {
    type Error = FlashError<F::Error>;

    async fn advance(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, Self::Error> {
        self.advance_inner(id, ctr, at).await
    }
}

impl<F: blocking::NorFlash, const N: usize> CounterStore for FlashCounters<Blocking<F>, N> {
    type Error = FlashError<F::Error>;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        run_ready(self.advance_inner(id, ctr, at))
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

/// Adapts a blocking flash to the async trait.
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

/// An error of [`FlashCounters`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FlashError<E> {
    /// The flash failed.
    Flash(E),
    /// Acknowledged data can no longer be read. The store does not guess it.
    Corrupted,
    /// The store already holds `N` tags. Known tags can still advance.
    Full,
    /// The region does not begin and end at a page boundary of the flash, ends after the end of the flash, or is too
    /// small for three segments; or the words of the flash are longer than 32 bytes.
    Region,
    /// The 32-bit segment number is exhausted.
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
