//! The counter store on flash, tested on a software flash that loses power at any byte, corrupts half-written words and
//! forbids writing a word twice.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as waiting;
use proptest::collection::vec;
use proptest::prelude::*;
use suntap::conformance::{self, Promise};
use suntap::{Advance, CounterStore, FlashCounters, FlashError};
use suntap_testkit::flash::{Chip, PowerLost, Step, ctr, keeps_what_it_acknowledged, tag};

#[test]
fn it_keeps_every_law_on_words_of_any_length() {
    fn on<const W: usize>() {
        let chip = Chip::<W, 4096>::new(6);
        conformance::sequential(&mut chip.open::<16>().unwrap(), 1).unwrap();
        conformance::sequential(&mut chip.open::<16>().unwrap(), 2).unwrap();
        let promises: Vec<_> = (1..300).map(|ctr| Promise::make(&mut chip.open::<16>().unwrap(), 3, ctr)).collect();
        for promise in &promises {
            assert!(promise.acknowledged().is_some());
            promise.keep(&mut chip.open::<16>().unwrap()).unwrap();
        }
    }
    on::<1>();
    on::<2>();
    on::<4>();
    on::<8>();
    on::<16>();
    on::<32>();
}

/// The power fails at every byte of a short script, and again during the restart. Every acknowledged counter is still
/// there.
#[test]
fn power_is_cut_at_every_byte_of_a_short_script() {
    let script: Vec<(u64, u32)> = (1..=24).map(|step| (u64::from(step % 3), step)).collect();
    let mut whole = false;
    let mut cuts = 0;
    for fuel in 0.. {
        let chip = Chip::<4, 1024>::new(3);
        chip.fuel(fuel, u32::try_from(fuel).unwrap());
        let mut promises = Vec::new();
        if let Ok(mut store) = chip.open::<2>() {
            promises = script
                .iter()
                .filter(|(run, _)| *run < 2)
                .map(|(run, ctr)| Promise::make_failing(&mut store, *run, *ctr))
                .collect();
            whole = promises.iter().all(|promise| promise.acknowledged().is_some());
        }
        // The power may fail during the restart, too.
        for second in [0, 1, 3, 17, 40, 60, 90] {
            let chip = chip.copy();
            let _ = chip.fuel(second, 77).open::<2>();
            let mut store = chip.power_again().open::<2>().unwrap_or_else(|error| panic!("{fuel} {second}: {error}"));
            for promise in promises.iter().filter(|promise| promise.acknowledged().is_some()) {
                promise.keep(&mut store).unwrap_or_else(|error| panic!("{fuel} {second}: {error}"));
            }
            for promise in &promises {
                promise.keep(&mut store).unwrap_or_else(|error| panic!("{fuel} {second}: {error}"));
            }
            cuts += 1;
        }
        if whole {
            break;
        }
    }
    assert!(cuts > 5000, "{cuts}");
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..6u8, 1..4u32).prop_map(|(tag, by)| Step::Advance { tag, by }),
        2 => (0..6u8).prop_map(|tag| Step::Repeat { tag }),
        2 => (0..6u8).prop_map(|tag| Step::Again { tag }),
        1 => Just(Step::Restart),
        2 => (0..400usize, any::<u32>()).prop_map(|(fuel, noise)| Step::Cut { fuel, noise }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_was_acknowledged_is_there(steps in vec(step(), 1..200)) {
        keeps_what_it_acknowledged(steps);
    }
}

/// A bit error anywhere in the flash is detected or harmless: no counter goes back.
#[test]
fn a_bit_that_rots_moves_no_counter_back() {
    for taps in [1, 5, 18, 40] {
        let chip = Chip::<4, 1024>::new(3);
        let mut store = chip.open::<2>().unwrap();
        for step in 1..=taps {
            let _ = store.advance(&tag(u8::try_from(step % 2).unwrap()), ctr(step), None).unwrap();
        }
        let expected: Vec<(u8, u32)> = (0..2)
            .map(|number| (number, (1..=taps).filter(|step| step % 2 == u32::from(number)).max().unwrap_or(0)))
            .collect();
        let len = chip.0.borrow().bytes.len();
        let (mut found, mut harmless) = (0, 0);
        for bit in 0..len * 8 {
            let rotten = chip.copy();
            rotten.0.borrow_mut().bytes[bit / 8] ^= 1 << (bit % 8);
            match rotten.open::<2>() {
                Err(error) => {
                    assert_eq!(error, FlashError::Corrupted);
                    found += 1;
                }
                Ok(mut store) => {
                    for (number, value) in expected.iter().filter(|(_, value)| *value > 0) {
                        let advance = store.advance(&tag(*number), ctr(*value), None).unwrap();
                        assert!(matches!(advance, Advance::Stale { .. }), "{taps} taps, bit {bit}: {advance:?}");
                    }
                    harmless += 1;
                }
            }
        }
        assert!(found > 300 && harmless > 300, "{taps}: {found} {harmless}");
    }
}

/// If a record or a whole page is gone without a trace, the records after it show that it is missing.
#[test]
fn a_hole_in_the_log_is_found() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    for (number, value) in [(1, 1), (1, 9), (2, 1)] {
        assert!(store.advance(&tag(number), ctr(value), None).is_ok());
    }
    // The log holds records of 40 bytes: the header, the end of the snapshot, the first tap, and the second.
    for hole in [80..120, 120..160, 120..156, 156..160] {
        let rotten = chip.copy();
        rotten.0.borrow_mut().bytes[hole.clone()].fill(0xFF);
        assert_eq!(rotten.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted), "{hole:?}");
    }
    let paged = Chip::<4, 256>::new(12);
    let mut store = paged.open::<2>().unwrap();
    for value in 1..=20 {
        assert!(store.advance(&tag(1), ctr(value), None).is_ok());
    }
    paged.0.borrow_mut().bytes[256..512].fill(0xFF);
    assert_eq!(paged.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted));
}

#[test]
fn a_second_end_of_the_snapshot_is_found() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    assert!(store.advance(&tag(1), ctr(1), None).is_ok());
    // The log holds the header, the end of the snapshot and the tap. This copies the end of the snapshot after the tap.
    chip.0.borrow_mut().bytes.copy_within(40..80, 120);
    assert_eq!(chip.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted));
}

/// The cells may hold a record that was not acknowledged only weakly. The store writes such a record again before it
/// reports the tap as stale. If every record was acknowledged, a restart writes nothing.
#[test]
fn what_was_not_acknowledged_is_written_before_it_is_told() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    assert!(store.advance(&tag(1), ctr(1), None).is_ok());
    // The record is complete, and the power fails before the word after it.
    chip.fuel(36, 3);
    assert_eq!(store.advance(&tag(1), ctr(2), None), Err(FlashError::Flash(PowerLost)));
    let at = 120..156;
    assert!(chip.0.borrow().bytes[at.clone()].iter().any(|byte| *byte != 0xFF), "there it is");
    chip.power_again().0.borrow_mut().bytes[156..160].fill(0xFF);
    let writes = || std::mem::take(&mut chip.0.borrow_mut().touched)[1];
    let _ = writes();
    let mut store = chip.open::<2>().unwrap();
    assert!(writes() > 5, "a segment");
    assert!(matches!(store.advance(&tag(1), ctr(2), None), Ok(Advance::Stale { .. })));
    chip.0.borrow_mut().bytes[at].fill(0xFF);
    let mut store = chip.open::<2>().unwrap();
    assert_eq!(writes(), 0);
    assert!(matches!(store.advance(&tag(1), ctr(2), None), Ok(Advance::Stale { .. })), "it is there still");
}

#[test]
fn a_full_store_says_so_and_the_others_go_on() {
    let chip = Chip::<4, 4096>::new(3);
    let mut store = chip.open::<2>().unwrap();
    for number in [1, 2] {
        assert!(matches!(store.advance(&tag(number), ctr(1), None), Ok(Advance::Advanced { .. })));
    }
    assert_eq!(store.advance(&tag(3), ctr(1), None), Err(FlashError::Full));
    for value in 2..400 {
        assert!(matches!(store.advance(&tag(1), ctr(value), None), Ok(Advance::Advanced { .. })));
    }
    let mut store = chip.open::<2>().unwrap();
    assert_eq!(store.tags(), 2);
    assert_eq!(store.advance(&tag(3), ctr(1), None), Err(FlashError::Full));
    // A store that was written for more tags cannot be opened for fewer.
    let chip = Chip::<4, 4096>::new(3);
    let mut store = chip.open::<4>().unwrap();
    for number in 1..=3 {
        assert!(store.advance(&tag(number), ctr(1), None).is_ok());
    }
    assert_eq!(chip.open::<2>().map(|store| store.tags()), Err(FlashError::Full));
}

/// Segments of one length are not read as segments of another length, wherever the log ends.
#[test]
fn another_division_is_not_guessed() {
    for taps in [1, 10, 30, 60, 100] {
        let chip = Chip::<4, 1024>::new(16);
        let mut store = chip.open::<2>().unwrap();
        for value in 1..=taps {
            assert!(store.advance(&tag(1), ctr(value), None).is_ok());
        }
        assert_eq!(chip.open::<64>().map(|store| store.tags()), Err(FlashError::Corrupted), "{taps}");
        assert_eq!(chip.open::<2>().unwrap().tags(), 1);
    }
}

#[test]
fn invalid_regions_are_rejected() {
    let chip = Chip::<4, 1024>::new(6);
    let open = |region| FlashCounters::<_, 8>::open_blocking(chip.clone(), region).map(|store| store.tags());
    for region in [0..1024, 0..2048, 512..4096, 0..4000, 0..0, 5000..5000, 0..8192] {
        assert_eq!(open(region.clone()), Err(FlashError::Region), "{region:?}");
    }
    let few = FlashCounters::<_, 2>::open_blocking(chip.clone(), 1024..4096);
    assert_eq!(few.map(|store| store.tags()), Ok(0));
    let wide = Chip::<64, 4096>::new(4);
    assert_eq!(wide.open::<8>().map(|store| store.tags()), Err(FlashError::Region));
}

/// The costs are those that the documentation states.
#[test]
fn it_costs_what_it_is_said_to() {
    let chip = Chip::<4, 4096>::new(16);
    let mut store = chip.open::<32>().unwrap();
    for number in 0..32 {
        assert!(store.advance(&tag(number), ctr(1), None).is_ok());
    }
    let touched = |chip: &Chip<4, 4096>| std::mem::take(&mut chip.0.borrow_mut().touched);
    let _ = touched(&chip);
    assert!(matches!(store.advance(&tag(0), ctr(1), None), Ok(Advance::Stale { .. })));
    assert_eq!(touched(&chip), [0, 0]);
    let mut costs = BTreeMap::new();
    let taps = 68 * 16 * 3;
    for value in 2..2 + taps {
        assert!(matches!(store.advance(&tag(0), ctr(value), None), Ok(Advance::Advanced { .. })));
        *costs.entry(touched(&chip)).or_insert(0u32) += 1;
    }
    // A tap costs two writes. At the end of a segment, it also costs an erase, two writes each for every tag, the
    // header and the end of the snapshot, and one write that closes the segment.
    let turn = [0, 2 + 1 + 2 * 32 + 4 + 1];
    assert_eq!(costs.keys().copied().collect::<Vec<_>>(), [[0, 2], turn]);
    // A segment holds 68 taps, and 32 records for the snapshot before them.
    assert!((taps / 68 - 1..=taps / 68 + 1).contains(&costs[&turn]), "{costs:?}");
    // Wear is spread: the erase counts of two pages differ by at most one.
    let erases = chip.0.borrow().erases.clone();
    assert!(erases.iter().max().unwrap() - erases.iter().min().unwrap() <= 1, "{erases:?}");
}

/// The caller must choose formatting explicitly. It deletes all counters.
#[test]
fn formatting_forgets() {
    let chip = Chip::<4, 1024>::new(6);
    assert!(chip.open::<8>().unwrap().advance(&tag(1), ctr(9), None).is_ok());
    chip.0.borrow_mut().bytes[..40].fill(0);
    assert_eq!(chip.open::<8>().map(|store| store.tags()), Err(FlashError::Corrupted));
    let mut store = FlashCounters::<_, 8>::format_blocking(chip.clone(), chip.region()).unwrap();
    assert!(matches!(store.advance(&tag(1), ctr(9), None), Ok(Advance::Advanced { previous: None, .. })));
    assert_eq!(chip.open::<8>().unwrap().tags(), 1);
    assert_eq!(store.into_flash().0.capacity(), 6144);
    // Flash with other content is not taken for an empty store.
    let other = Chip::<4, 1024>::new(6);
    other.0.borrow_mut().bytes[2000] = 0x12;
    assert_eq!(other.open::<8>().map(|store| store.tags()), Err(FlashError::Corrupted));
}

/// A flash whose future is pending once in each call.
struct Slow(Chip<4, 1024>);

impl ErrorType for Slow {
    type Error = PowerLost;
}

async fn wait() {
    let mut waited = false;
    core::future::poll_fn(|_| if core::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

impl waiting::ReadNorFlash for Slow {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), PowerLost> {
        wait().await;
        self.0.read(offset, bytes)
    }

    fn capacity(&self) -> usize {
        self.0.capacity()
    }
}

impl waiting::NorFlash for Slow {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 1024;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), PowerLost> {
        wait().await;
        self.0.erase(from, to)
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), PowerLost> {
        wait().await;
        self.0.write(offset, bytes)
    }
}

/// Polls a future up to `times` times. Returns `None` if it is not done then.
fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
    }
    None
}

/// If a future is dropped half way, the store still knows every accepted counter.
#[test]
fn dropped_futures_do_no_harm() {
    for times in 0..60 {
        let chip = Chip::<4, 1024>::new(3);
        let mut store =
            polled(FlashCounters::<_, 2>::open(Slow(chip.clone()), chip.region()), 10_000).unwrap().unwrap();
        for value in 1..=17 {
            assert!(
                polled(suntap::AsyncCounterStore::advance(&mut store, &tag(1), ctr(value), None), 10_000)
                    .unwrap()
                    .is_ok()
            );
        }
        let done = polled(suntap::AsyncCounterStore::advance(&mut store, &tag(1), ctr(18), None), times);
        let again =
            polled(suntap::AsyncCounterStore::advance(&mut store, &tag(1), ctr(18), None), 10_000).unwrap().unwrap();
        match again {
            Advance::Advanced { previous, .. } => {
                assert!(done.is_none() && previous.unwrap().ctr == ctr(17), "{times}");
            }
            Advance::Stale { stored } => assert_eq!(stored.ctr, ctr(18), "{times}"),
        }
        let old =
            polled(suntap::AsyncCounterStore::advance(&mut store, &tag(1), ctr(17), None), 10_000).unwrap().unwrap();
        assert!(matches!(old, Advance::Stale { .. }));
    }
}

#[test]
fn it_says_what_is_wrong() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    chip.fuel(0, 1);
    let error = store.advance(&tag(1), ctr(1), None).unwrap_err();
    assert_eq!(error.to_string(), "the flash failed: PowerLost");
    assert!(format!("{store:?}").contains("FlashCounters"));
    for error in [FlashError::Corrupted::<PowerLost>, FlashError::Full, FlashError::Region, FlashError::WornOut] {
        assert!(error.to_string().len() > 15);
    }
}
