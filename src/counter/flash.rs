//! Stores counters on NOR flash.

use core::fmt;
use core::ops::Range;

use embedded_storage::nor_flash as blocking;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use heapless::index_map::FnvIndexMap;

use super::ready::run_ready;
use super::store::{Advance, AsyncCounterStore, Blocking, CounterStore};
use crate::value::{CounterId, Mark, SdmReadCtr, UnixMillis};

mod error;
mod journal;
mod record;

use error::Fault;
pub use error::FlashError;
use journal::{Active, Geometry, Lengths, Segment};
use record::{Content, Record, Slot};

/// A counter store on NOR flash for at most `N` tags (feature `flash`).
///
/// For each tag, the store keeps one [`Mark`], which contains the last accepted counter. The store writes a mark to the
/// flash before it reports the tap as accepted. A power failure, even in the middle of a write, therefore cannot lose
/// the mark of an accepted tap. `N` must be a power of two from 2 to 32768.
///
/// The store divides a region of the flash into segments, and uses the segments in turn. One segment is active. The
/// active segment holds a snapshot (the last mark of each tag), followed by a log. Each accepted tap appends one record
/// to the log. When the log is full, the store erases the next segment, and writes a new snapshot into that segment.
/// The next segment is then active, and the store closes the old segment by writing zeros to its last word. The store
/// also keeps all marks in memory, so a stale tap (a replay) needs no access to the flash.
///
/// | when | reads | writes | erases |
/// |---|---|---|---|
/// | a stale tap | 0 | 0 | 0 |
/// | an accepted tap | 0 | 2: a record of 36 bytes, and then its acknowledgement (one word) | 0 |
/// | start | up to 3 for each segment, plus 1 for each slot (space for a record) of the active segment | 0 | 0 |
/// | start if a complete record has no acknowledgement | as for any start | 2 for each known tag, plus 5 | 1 segment |
/// | start on a blank region | the whole region | 4 | 1 segment |
/// | first accepted tap after a start that wrote nothing | 0 | 2 for each known tag, plus 7 | 1 segment |
/// | an accepted tap when the log is full | 0 | 2 for each known tag, plus 7 | 1 segment |
///
/// A *word* is the smallest unit that the store reads or writes. On the flash, a record takes 36 bytes, rounded up to
/// whole words, plus one word for the acknowledgement. The acknowledgement is written last, and shows that the record
/// is complete. With 4-byte words, a record takes 40 bytes in total. A segment is long enough for a snapshot of `N`
/// tags and a log of `max(N / 2, 16)` taps. The region must be long enough for three segments.
/// [`MIN_REGION_LEN`](Self::MIN_REGION_LEN) is the length of three segments in bytes.
///
/// **Lifetime**: As an example, consider a store for 32 tags in a region of 16 pages. A page is 4 KiB long, and a word
/// is 4 bytes long. Each segment takes one page and has space for 102 records, 68 of them in the log. If a page
/// survives 100,000 erases, the region lasts for 108 million taps. With one tap every ten seconds, the region lasts for
/// 34 years. The first tap after a start also erases a segment. If a tap follows each start, the region survives at
/// most 1.6 million starts (100,000 erases of each of the 16 pages).
///
/// **Memory**: The store needs about 54 bytes of memory for each of the `N` tags.
///
/// The store has two requirements for the flash. Erased bytes must read as `FFh`. A read of a partly written word must
/// succeed, but may return any value. Some flashes return an error for a read of a partly written word. If your flash
/// violates one of the requirements, wrap the flash in an adapter that meets both requirements.
///
/// The store skips a record that was only partly written, because the tap of that record was never accepted. If an
/// acknowledged record can no longer be read, the store returns [`FlashError::Corrupted`]. The store never guesses a
/// lost mark, because a guess that is too low would let old taps pass. Existing crates for logs on flash skip or erase
/// unreadable data, which would lose marks. The store therefore has its own log format. If marks are lost, call
/// [`format`](Self::format) to create an empty store, and give each tag a new key.
///
/// If a call of `advance` fails while it reads or writes the flash, the next call first reads all marks from the flash
/// again. The same applies if the future of a call is dropped before the call completes.
///
/// # Which region becomes an empty store
///
/// If the region contains a segment with a complete snapshot, [`open`](Self::open) reads the existing store. Otherwise,
/// `open` creates an empty store only if all bytes after the first two slots are blank. A slot is the space for one
/// record. The first two slots may contain any bytes, because a power failure can interrupt the creation of a store.
/// However, if the first slot contains a valid header, two conditions apply. First, the header must be the header of
/// the first segment of an empty store. Second, if any byte between the header and the end of the first slot is not
/// zero, the second slot must be blank. For any other content, `open` returns an error:
///
/// | what the region contains | error |
/// |---|---|
/// | a valid header, with the segment length that `N` requires | [`Corrupted`](FlashError::Corrupted) |
/// | valid headers, but only with other segment lengths | [`OtherSize`](FlashError::OtherSize) |
/// | no valid header, but the label of a header or of a snapshot end | [`Corrupted`](FlashError::Corrupted) |
/// | none of these | [`NotFormatted`](FlashError::NotFormatted) |
///
/// The store looks for headers at the start of each page. The store looks for labels at the start of each page, and
/// from there at every multiple of the slot length. The section "Format" describes headers and labels.
///
/// A new store writes its first mark to the third slot. Data after the first two slots therefore shows that the region
/// may have contained marks, so `open` does not replace this data with an empty store. If all bytes after the first two
/// slots are erased while the store is not open, `open` may be unable to detect that marks were lost.
///
/// # Format
///
/// All semver-compatible releases read and write this format, so a newer release can read a store that an older release
/// wrote. An incompatible format would have a different label and an entry in the changelog. The file
/// `tests/golden/flash.hex` in the repository contains a flash image. Every release must be able to write and read this
/// image.
///
/// The length of a *word* is the flash's `READ_SIZE` or `WRITE_SIZE`, whichever is greater. Below, `W` is this length
/// in bytes. A *slot* consists of a record of 36 bytes, zeros up to a multiple of `W`, and an acknowledgement of `W`
/// bytes. A *segment* consists of the smallest number of whole pages that have space for `N + max(N / 2, 16) + 2` slots
/// and one word. The first segment begins at the start of the region, and the segments follow one another without gaps.
/// Bytes after the last whole segment are not used. Numbers are unsigned and little endian. Erased bytes are `FFh`.
///
/// A segment contains these records in this order, without gaps between them:
///
/// | slots | record |
/// |---|---|
/// | 1 | header |
/// | as many as the header says | snapshot: the last mark of each tag |
/// | 1 | end of the snapshot |
/// | as many as fit | log: a mark for each accepted tap |
///
/// The last `W` bytes of a segment are its closing word. The closing word is blank at first. After the snapshot of the
/// next segment is complete, the closing word is overwritten with zeros. After the last segment of the region, the
/// store continues with the first segment. Segments are numbered in the order in which they are written. The first
/// segment number is 1. Of the segments with a complete snapshot, the segment with the greatest number is active.
///
/// | bytes of a record | header | mark | end of the snapshot |
/// |---|---|---|---|
/// | 0 | `1` | `3` with a time, `4` without | `2` |
/// | 1 to 16 | label | counter id | label |
/// | 17 to 19 | number of tags in the snapshot | counter | number of tags in the snapshot |
/// | 20 to 27 | length of the segment in bytes | time in milliseconds since 1970, or 0 | 0 |
/// | 28 to 31 | number of the segment | number of accepted taps of this tag | number of the segment |
/// | 32 to 35 | checksum | checksum | checksum |
///
/// The label is the 16 bytes `"suntap flash v1\0"`. The checksum is a CRC-32/ISO-HDLC. It covers a four-byte number
/// (the prefix), followed by bytes 0 to 31 of the record. The prefix is not stored. For a header, the prefix is 0. For
/// any other record, the prefix is the number of the segment.
///
/// The acknowledgement consists of zeros and is written after the record. If any bit of the acknowledgement is 0, the
/// record is acknowledged. Only the last record of a log may have a blank acknowledgement. If the checksum of this last
/// record is valid, the record is valid even without an acknowledgement. A snapshot is complete if the record that ends
/// the snapshot is acknowledged. A segment is closed if any bit of the closing word is 0.
///
/// # Example
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
/// // The power fails here and is restored.
/// let mut counters = FlashCounters::<_, 32>::open_blocking(&mut chip, 0..0x4000)?;
/// assert!(matches!(counters.advance(&tag, ctr, None)?, Advance::Stale { .. }));
/// # Ok::<(), suntap::FlashError<NorFlashErrorKind>>(())
/// ```
pub struct FlashCounters<F, const N: usize> {
    flash: F,
    geometry: Geometry<F, N>,
    marks: FnvIndexMap<CounterId, Mark, N>,
    active: Active,
    /// Is `true` while the marks in memory may differ from the marks on the flash. Before the store reads all marks or
    /// writes a mark, it sets this value to `true`. After the read or write succeeds, it sets the value to `false`.
    unsure: bool,
}

impl<F: NorFlash, const N: usize> FlashCounters<F, N> {
    const SLOTS: u32 = Geometry::<F, N>::SLOTS;
    const LENGTHS: Lengths = Geometry::<F, N>::LENGTHS;
    const ASSERT_N: () =
        assert!(N.is_power_of_two() && N >= 2 && N <= 1 << 15, "N must be a power of two from 2 to 32768");

    /// The length in bytes of the smallest valid region for this flash and `N` tags. A region of this length contains
    /// three segments.
    ///
    /// A longer region spreads the wear over more pages. For a blocking flash `F`, use the constant of the type
    /// `FlashCounters<Blocking<F>, N>`. If the flash is not supported ([`FlashError::Unsupported`]), a program that
    /// uses this constant does not compile.
    ///
    /// ```
    /// use suntap::{Blocking, FlashCounters};
    /// # use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
    /// # struct Chip;
    /// # impl ErrorType for Chip {
    /// #     type Error = NorFlashErrorKind;
    /// # }
    /// # impl ReadNorFlash for Chip {
    /// #     const READ_SIZE: usize = 1;
    /// #     fn read(&mut self, _: u32, _: &mut [u8]) -> Result<(), NorFlashErrorKind> {
    /// #         Ok(())
    /// #     }
    /// #     fn capacity(&self) -> usize {
    /// #         0
    /// #     }
    /// # }
    /// # impl NorFlash for Chip {
    /// #     const WRITE_SIZE: usize = 4;
    /// #     const ERASE_SIZE: usize = 0x1000;
    /// #     fn erase(&mut self, _: u32, _: u32) -> Result<(), NorFlashErrorKind> {
    /// #         Ok(())
    /// #     }
    /// #     fn write(&mut self, _: u32, _: &[u8]) -> Result<(), NorFlashErrorKind> {
    /// #         Ok(())
    /// #     }
    /// # }
    ///
    /// type Counters = FlashCounters<Blocking<Chip>, 64>;
    ///
    /// const REGION: core::ops::Range<u32> = 0x8000..0xC000;
    /// const _: () = assert!(REGION.end - REGION.start >= Counters::MIN_REGION_LEN);
    ///
    /// assert_eq!(Counters::MIN_REGION_LEN, 3 * 4096);
    /// ```
    pub const MIN_REGION_LEN: u32 = {
        let () = Self::ASSERT_N;
        let lengths = Lengths::new::<F>(N);
        assert!(lengths.is_some(), "unsupported flash: see FlashError::Unsupported");
        match lengths {
            Some(lengths) => lengths.region,
            None => 0,
        }
    };

    /// Opens the store in a region of the flash and reads the stored counters. The region must begin and end at a page
    /// boundary.
    ///
    /// A blank region becomes an empty store. If power failed while `open` created a store, the region also becomes an
    /// empty store. [Any other region](Self#which-region-becomes-an-empty-store) must already contain a store. You can
    /// also create the store with [`format`](Self::format) when the device is manufactured.
    ///
    /// # Errors
    /// Returns a [`FlashError`] in each of these cases:
    /// - The region is misaligned, too small or outside the flash.
    /// - The flash is not supported or returns an error.
    /// - The region contains data that is not a store.
    /// - The store in the region is corrupted, contains more than `N` tags, or was written for a different `N`.
    pub async fn open(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let mut counters = Self::new(flash, &region)?;
        counters.load().await.map_err(Fault::into_error)?;
        Ok(counters)
    }

    /// Erases a region and creates an empty store in it. **Give each tag a new key. Otherwise, the empty store accepts
    /// every old tap again.**
    ///
    /// # Errors
    /// Returns a [`FlashError`] if the region is misaligned, too small or outside the flash. Also returns a
    /// [`FlashError`] if the flash is not supported or returns an error.
    pub async fn format(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let mut counters = Self::new(flash, &region)?;
        counters.flash.erase(region.start, region.end).await.map_err(FlashError::Flash)?;
        counters.begin().await.map_err(Fault::into_error)?;
        Ok(counters)
    }

    fn new(flash: F, region: &Range<u32>) -> Result<Self, FlashError<F::Error>> {
        let () = const { Self::ASSERT_N };
        let geometry = Geometry::new(region, flash.capacity())?;
        let active = Active { segment: Segment(0), number: 0, next: 0 };
        Ok(Self { flash, geometry, marks: FnvIndexMap::new(), active, unsure: true })
    }

    /// Returns the number of tags in the store. After an error, the number may be out of date until the next call of
    /// `advance` succeeds.
    pub fn tags(&self) -> usize {
        self.marks.len()
    }

    /// Consumes the store and returns the flash.
    pub fn into_flash(self) -> F {
        self.flash
    }

    async fn advance_inner(
        &mut self,
        id: &CounterId,
        ctr: SdmReadCtr,
        at: Option<UnixMillis>,
    ) -> Result<Advance, Fault<F::Error>> {
        if self.unsure {
            self.load().await?;
        }
        let stored = self.marks.get(id).copied();
        let advance = Advance::decide(stored, ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            if stored.is_none() && self.marks.len() >= N {
                return Err(Fault::Full);
            }
            self.unsure = true;
            self.append(id, now).await?;
            self.marks.insert(*id, now).map_err(|_| Fault::Full)?;
            self.unsure = false;
        }
        Ok(advance)
    }

    /// Appends one mark to the log.
    async fn append(&mut self, id: &CounterId, mark: Mark) -> Result<(), Fault<F::Error>> {
        if self.active.next >= Self::SLOTS {
            self.turn().await?;
        }
        let Active { segment, number, next } = self.active;
        let content = Content::Mark { id: *id, mark };
        self.write(segment, next, &Record { number, content }).await?;
        self.active.next = next.saturating_add(1);
        Ok(())
    }

    /// Writes all marks into the next segment, makes that segment active, and closes the old segment by writing zeros
    /// to its last word.
    async fn turn(&mut self) -> Result<(), Fault<F::Error>> {
        let old = self.active;
        let segment = self.geometry.after(old.segment);
        let number = old.number.checked_add(1).ok_or(Fault::WornOut)?;
        self.active = self.write_segment(segment, number).await?;
        // If power fails before the new segment is complete, the next start needs the old segment. The old segment is
        // therefore closed only now.
        let (at, word) = (self.geometry.closing(old.segment), [0; record::MAX_WORD]);
        let word = word.get(..Self::LENGTHS.word).unwrap_or_default();
        self.flash.write(at, word).await.map_err(Fault::Flash)
    }

    /// Writes the first segment of an empty store.
    async fn begin(&mut self) -> Result<(), Fault<F::Error>> {
        self.marks.clear();
        self.active = self.write_segment(Segment(0), 1).await?;
        self.unsure = false;
        Ok(())
    }

    /// Erases a segment and writes all marks into it.
    async fn write_segment(&mut self, segment: Segment, number: u32) -> Result<Active, Fault<F::Error>> {
        let Range { start, end } = self.geometry.pages(segment);
        self.flash.erase(start, end).await.map_err(Fault::Flash)?;
        let tags = u16::try_from(self.marks.len()).unwrap_or(u16::MAX);
        let segment_len = Self::LENGTHS.segment;
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

    /// Writes a record, and then the acknowledgement of the record.
    async fn write(&mut self, segment: Segment, slot: u32, record: &Record) -> Result<(), Fault<F::Error>> {
        let at = self.geometry.slot(segment, slot);
        let bytes = record.encode();
        let (body, word) = bytes.split_at_checked(Self::LENGTHS.body).unwrap_or_default();
        let whole = word.get(..Self::LENGTHS.word).unwrap_or_default();
        self.flash.write(at, body).await.map_err(Fault::Flash)?;
        self.flash.write(at.saturating_add(Self::LENGTHS.body_u32), whole).await.map_err(Fault::Flash)
    }

    async fn read(&mut self, segment: Segment, slot: u32, number: u32) -> Result<Slot, Fault<F::Error>> {
        let mut bytes = record::BLANK;
        self.read_bytes(self.geometry.slot(segment, slot), &mut bytes).await?;
        Ok(Self::decode(&bytes, number))
    }

    /// Reads one slot at the address `at`. If the region ends within the slot, the function reads only up to the end of
    /// the region.
    async fn read_bytes(&mut self, at: u32, bytes: &mut [u8; record::MAX_SLOT]) -> Result<(), Fault<F::Error>> {
        let len = self.geometry.slot_len_at(at);
        self.flash.read(at, bytes.get_mut(..len).unwrap_or_default()).await.map_err(Fault::Flash)
    }

    fn decode(bytes: &[u8; record::MAX_SLOT], number: u32) -> Slot {
        let (body, word) = bytes.split_at_checked(Self::LENGTHS.body).unwrap_or_default();
        Slot::decode(body, word.get(..Self::LENGTHS.word).unwrap_or_default(), number)
    }

    async fn is_closed(&mut self, segment: Segment) -> Result<bool, Fault<F::Error>> {
        let mut bytes = [0xFF; record::MAX_WORD];
        let word = bytes.get_mut(..Self::LENGTHS.word).unwrap_or_default();
        self.flash.read(self.geometry.closing(segment), word).await.map_err(Fault::Flash)?;
        // A partly written closing word also closes the segment. The store starts to write the closing word only after
        // the next segment is complete.
        Ok(bytes.iter().any(|byte| *byte != 0xFF))
    }

    /// Returns the segment number and the number of tags in the snapshot. Returns `None` if the snapshot is not
    /// complete, or if the segment was written for a different `N`.
    async fn whole(&mut self, segment: Segment) -> Result<Option<(u32, u16)>, Fault<F::Error>> {
        let Slot::Whole { record: Record { number, content: Content::Header { tags, segment_len } }, .. } =
            self.read(segment, 0, record::ANY).await?
        else {
            return Ok(None);
        };
        // A segment of a different length was written for a different `N`, so this store ignores it.
        if segment_len != Self::LENGTHS.segment {
            return Ok(None);
        }
        let complete = self.read(segment, u32::from(tags).saturating_add(1), number).await?;
        let is_complete = matches!(
            complete,
            Slot::Whole { record: Record { content: Content::Complete { tags: expected }, .. }, acknowledged: true }
                if expected == tags
        );
        Ok(is_complete.then_some((number, tags)))
    }

    /// Finds the active segment and reads its marks.
    async fn load(&mut self) -> Result<(), Fault<F::Error>> {
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
            self.check_unused().await?;
            return self.begin().await;
        };
        // A segment is closed only after the next segment is complete. If the newest complete segment is closed, a
        // newer complete segment existed and is now lost.
        if self.is_closed(segment).await? {
            return Err(Fault::Corrupted);
        }
        let cut = self.load_segment(segment, number, tags).await?;
        // No word of the flash may be written twice. If the last write was interrupted, the partly written word may
        // still read as blank. The store therefore cannot know which word is the first unwritten word, and writes the
        // next mark to the next segment. If a complete mark has no acknowledgement (`cut`), the tap of this mark counts
        // as accepted. In this case, `turn` writes all marks again, so that this mark is durable before any caller sees
        // it.
        self.active = Active { segment, number, next: Self::SLOTS };
        if cut {
            self.turn().await?;
        }
        self.unsure = false;
        Ok(())
    }

    /// Reads the snapshot and the log of the active segment. Returns `true` if the log contains a mark that was not
    /// acknowledged.
    async fn load_segment(&mut self, segment: Segment, number: u32, tags: u16) -> Result<bool, Fault<F::Error>> {
        self.marks.clear();
        let log = u32::from(tags).saturating_add(2);
        let (mut cut, mut ended) = (false, false);
        for slot in 1..Self::SLOTS {
            let read = self.read(segment, slot, number).await?;
            // The store acknowledges each record before it writes the next record. After the first slot with a blank
            // acknowledgement, all slots must therefore be blank. If a later slot contains data, the acknowledgement of
            // the earlier slot was lost, so the segment is corrupted.
            if ended && read != Slot::Blank {
                return Err(Fault::Corrupted);
            }
            ended |= !matches!(read, Slot::Whole { acknowledged: true, .. });
            match read {
                Slot::Blank | Slot::Torn if slot >= log => {}
                Slot::Whole { record: Record { content: Content::Mark { id, mark }, .. }, acknowledged } => {
                    if self.marks.get(&id).is_none_or(|known| mark.ctr > known.ctr) {
                        self.marks.insert(id, mark).map_err(|_| Fault::Full)?;
                        cut |= !acknowledged;
                    }
                }
                Slot::Whole { record: Record { content: Content::Complete { .. }, .. }, .. }
                    if slot.saturating_add(1) == log => {}
                _ => return Err(Fault::Corrupted),
            }
        }
        Ok(cut)
    }

    /// Checks that the region has never contained a mark. Returns a fault if the region may have contained a mark. The
    /// caller has already found that no segment has a complete snapshot.
    ///
    /// An unused region is blank, or contains the remains of an interrupted attempt to create a store. These remains
    /// can be any bytes in the first two slots. A store with a mark has at least three records, so its third record is
    /// outside the first two slots.
    async fn check_unused(&mut self) -> Result<(), Fault<F::Error>> {
        // `active.number` is 0 until this instance reads or writes a complete snapshot. If the number is greater than
        // 0, a complete snapshot existed and is now lost.
        let mut is_used = self.active.number > 0;
        let (mut is_ours, mut is_own, mut is_other, mut is_padded) = (is_used, false, false, true);
        // The address of the last byte that is not blank.
        let mut last = 0;
        for at in self.geometry.chunks() {
            let mut bytes = record::BLANK;
            self.read_bytes(at, &mut bytes).await?;
            for (byte, address) in bytes.iter().zip(at..) {
                last = if *byte == 0xFF { last } else { address };
            }
            is_ours |= record::is_labelled(&bytes);
            // Every segment begins at the start of a page, even in a store for a different `N`.
            if Geometry::<F, N>::is_page_start(at)
                && let Slot::Whole { record: Record { number, content: Content::Header { tags, segment_len } }, .. } =
                    Self::decode(&bytes, record::ANY)
            {
                is_used |= number > 1 || tags > 0;
                // In a completely written slot, all bytes between the header record and the end of the slot are zero.
                // If a byte is not zero, the header may come from a store with shorter words. That store has shorter
                // slots, so its marks may lie within the first two slots of this store.
                let mut rest = bytes.iter().take(Self::LENGTHS.slot).skip(record::BODY);
                is_padded &= rest.all(|byte| *byte == 0);
                is_own |= segment_len == Self::LENGTHS.segment;
                is_other |= segment_len != Self::LENGTHS.segment;
            }
        }
        let begun = if is_padded { 2 } else { 1 };
        if !is_used && last < self.geometry.slot(Segment(0), begun) {
            return Ok(());
        }
        Err(match (is_ours, is_other && !is_own) {
            (_, true) => Fault::OtherSize,
            (true, _) => Fault::Corrupted,
            _ => Fault::NotFormatted,
        })
    }
}

impl<F: blocking::NorFlash, const N: usize> FlashCounters<Blocking<F>, N> {
    /// Like [`open`](Self::open), but for a blocking flash. With a blocking flash, the store also implements
    /// [`CounterStore`].
    ///
    /// # Errors
    /// Returns the same errors as [`open`](Self::open).
    pub fn open_blocking(flash: F, region: Range<u32>) -> Result<Self, FlashError<F::Error>> {
        run_ready(Self::open(Blocking(flash), region))
    }

    /// Like [`format`](Self::format), but for a blocking flash.
    ///
    /// # Errors
    /// Returns the same errors as [`format`](Self::format).
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
        self.advance_inner(id, ctr, at).await.map_err(Fault::into_error)
    }
}

impl<F: blocking::NorFlash, const N: usize> CounterStore for FlashCounters<Blocking<F>, N> {
    type Error = FlashError<F::Error>;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        run_ready(self.advance_inner(id, ctr, at)).map_err(Fault::into_error)
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

/// Adapts a blocking flash to the async flash trait.
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
