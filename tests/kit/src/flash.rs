//! A NOR flash in software. The power can fail at any byte. Half-written words hold noise. Writing a word twice panics.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};
use suntap::{
    Advance, Blocking, CounterId, CounterStore as _, FlashCounters, FlashError, Mark, SdmReadCtr, UnixMillis,
};

/// A flash with words of `W` bytes and pages of `P` bytes.
#[derive(Clone)]
pub struct Chip<const W: usize, const P: usize>(pub Rc<RefCell<Cells>>);

pub struct Cells {
    pub bytes: Vec<u8>,
    /// `true` for each word that was written since it was erased.
    pub written: Vec<bool>,
    /// The number of bytes that can still be written, or pages that can be erased, before the power fails.
    pub fuel: Option<usize>,
    /// The seed of the noise that half-written cells hold.
    pub noise: u32,
    pub touched: [usize; 2],
    pub erases: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerLost;

impl NorFlashError for PowerLost {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::Other
    }
}

impl<const W: usize, const P: usize> Chip<W, P> {
    pub fn new(pages: usize) -> Self {
        let cells = Cells {
            bytes: vec![0xFF; P * pages],
            written: vec![false; P * pages / W],
            fuel: None,
            noise: 1,
            touched: [0; 2],
            erases: vec![0; pages],
        };
        Self(Rc::new(RefCell::new(cells)))
    }

    /// Makes the power fail after this many written bytes or erased pages.
    pub fn fuel(&self, bytes: usize, noise: u32) -> &Self {
        let mut cells = self.0.borrow_mut();
        (cells.fuel, cells.noise) = (Some(bytes), noise | 1);
        drop(cells);
        self
    }

    pub fn power_again(&self) -> &Self {
        self.0.borrow_mut().fuel = None;
        self
    }

    pub fn region(&self) -> core::ops::Range<u32> {
        0..u32::try_from(self.0.borrow().bytes.len()).unwrap()
    }

    pub fn open<const N: usize>(&self) -> Result<FlashCounters<Blocking<Self>, N>, FlashError<PowerLost>> {
        FlashCounters::open_blocking(self.clone(), self.region())
    }

    /// Returns an independent copy.
    pub fn copy(&self) -> Self {
        let cells = self.0.borrow();
        Self(Rc::new(RefCell::new(Cells {
            bytes: cells.bytes.clone(),
            written: cells.written.clone(),
            fuel: None,
            noise: 1,
            touched: [0; 2],
            erases: cells.erases.clone(),
        })))
    }
}

impl Cells {
    fn random(&mut self) -> u8 {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.noise.to_be_bytes()[0]
    }

    fn burn(&mut self) -> Result<(), PowerLost> {
        match &mut self.fuel {
            Some(0) => Err(PowerLost),
            Some(fuel) => {
                *fuel -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl<const W: usize, const P: usize> ErrorType for Chip<W, P> {
    type Error = PowerLost;
}

impl<const W: usize, const P: usize> ReadNorFlash for Chip<W, P> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerLost> {
        let mut cells = self.0.borrow_mut();
        if cells.fuel == Some(0) {
            return Err(PowerLost);
        }
        cells.touched[0] += 1;
        let at = usize::try_from(offset).unwrap();
        bytes.copy_from_slice(&cells.bytes[at..at + bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.0.borrow().bytes.len()
    }
}

impl<const W: usize, const P: usize> NorFlash for Chip<W, P> {
    const WRITE_SIZE: usize = W;
    const ERASE_SIZE: usize = P;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerLost> {
        let (from, to) = (usize::try_from(from).unwrap(), usize::try_from(to).unwrap());
        assert!(from.is_multiple_of(P) && to.is_multiple_of(P));
        let mut cells = self.0.borrow_mut();
        cells.touched[1] += 1;
        for page in from / P..to / P {
            cells.erases[page] += 1;
            if cells.burn().is_err() {
                // The content of the page is undefined: some bits are erased.
                for at in page * P..(page + 1) * P {
                    let noise = cells.random();
                    cells.bytes[at] |= noise;
                }
                return Err(PowerLost);
            }
            cells.bytes[page * P..(page + 1) * P].fill(0xFF);
            cells.written[page * P / W..(page + 1) * P / W].fill(false);
        }
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerLost> {
        let at = usize::try_from(offset).unwrap();
        assert!(at.is_multiple_of(W) && bytes.len().is_multiple_of(W));
        let mut cells = self.0.borrow_mut();
        cells.touched[1] += 1;
        for (index, word) in bytes.chunks(W).enumerate() {
            let place = at + index * W;
            assert!(!cells.written[place / W], "a word was written twice");
            for (offset, byte) in word.iter().enumerate() {
                if cells.burn().is_err() {
                    // The content of the word is undefined. Sometimes the whole word looks erased.
                    let traceless = cells.random() < 64;
                    for at in place..place + W {
                        let noise = if traceless { 0xFF } else { cells.random() };
                        cells.bytes[at] = byte | noise;
                    }
                    cells.written[place / W] = true;
                    return Err(PowerLost);
                }
                cells.bytes[place + offset] = *byte;
            }
            cells.written[place / W] = true;
        }
        Ok(())
    }
}

pub fn tag(number: u8) -> CounterId {
    CounterId::from_bytes([number; 16])
}

pub fn ctr(value: u32) -> SdmReadCtr {
    SdmReadCtr::new(value).unwrap()
}

/// One step of a run.
#[derive(Clone, Debug)]
pub enum Step {
    Advance {
        tag: u8,
        by: u32,
    },
    Repeat {
        tag: u8,
    },
    /// Repeats the last failed tap.
    Again {
        tag: u8,
    },
    Restart,
    Cut {
        fuel: usize,
        noise: u32,
    },
}

/// Runs taps, restarts and power cuts, and compares the store with a map of the acknowledged marks.
pub fn keeps_what_it_acknowledged(steps: impl IntoIterator<Item = Step>) {
    let chip = Chip::<4, 1024>::new(6);
    let mut store = chip.open::<8>().unwrap();
    let mut known: BTreeMap<u8, Mark> = BTreeMap::new();
    // The counters of failed taps. Each of these taps may or may not have advanced the stored counter.
    let mut perhaps: BTreeMap<u8, Vec<SdmReadCtr>> = BTreeMap::new();
    for (at, step) in (0u64..).zip(steps) {
        let (number, value) = match step {
            Step::Advance { tag, by } => (
                tag,
                known
                    .get(&tag)
                    .map_or(0, |mark| mark.ctr.get())
                    .max(perhaps.get(&tag).and_then(|all| all.last()).map_or(0, |ctr| ctr.get()))
                    + by,
            ),
            Step::Repeat { tag } => (tag, known.get(&tag).map_or(0, |mark| mark.ctr.get())),
            Step::Again { tag } => {
                let Some(failed) = perhaps.get(&tag).and_then(|all| all.last()) else { continue };
                (tag, failed.get())
            }
            Step::Restart => {
                chip.power_again();
                store = chip.open::<8>().unwrap();
                continue;
            }
            Step::Cut { fuel, noise } => {
                chip.fuel(fuel, noise);
                continue;
            }
        };
        match store.advance(&tag(number), ctr(value), Some(UnixMillis::new(at))) {
            Ok(Advance::Advanced { previous, now }) => {
                let before = known.get(&number).copied();
                let moved = perhaps.remove(&number).unwrap_or_default();
                assert!(
                    previous == before || previous.is_some_and(|mark| moved.contains(&mark.ctr)),
                    "{previous:?} {before:?}"
                );
                assert!(
                    [before, previous].iter().flatten().all(|mark| mark.ctr < ctr(value)),
                    "{number} {value}: accepted again"
                );
                assert_eq!((now.ctr, now.at), (ctr(value), Some(UnixMillis::new(at))));
                known.insert(number, now);
            }
            Ok(Advance::Stale { stored }) => {
                let before = known.get(&number).map(|mark| mark.ctr);
                let moved = perhaps.get(&number).is_some_and(|all| all.contains(&stored.ctr));
                assert!(stored.ctr >= ctr(value) && (Some(stored.ctr) == before || moved));
                known.insert(number, stored);
            }
            Err(error) => {
                assert_eq!(error, FlashError::Flash(PowerLost));
                if known.get(&number).is_none_or(|mark| ctr(value) > mark.ctr) {
                    perhaps.entry(number).or_default().push(ctr(value));
                }
                chip.power_again();
                // At odd steps, the store must recover without being reopened.
                if at % 2 == 0 {
                    store = chip.open::<8>().unwrap();
                }
            }
        }
    }
    chip.power_again();
    let mut store = chip.open::<8>().unwrap();
    for (number, mark) in known {
        let Advance::Stale { stored } = store.advance(&tag(number), mark.ctr, None).unwrap() else {
            panic!("the counter of tag {number} was lost")
        };
        let moved = perhaps.get(&number).is_some_and(|all| all.contains(&stored.ctr));
        assert!(stored == mark || moved && stored.ctr > mark.ctr, "{stored:?} {mark:?}");
    }
}
