//! The counter store on flash, tested on a software flash that loses power at any byte, corrupts half-written words and
//! forbids writing a word twice.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::fmt::Write as _;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use embedded_storage_async::nor_flash as waiting;
use proptest::collection::vec;
use proptest::prelude::*;
use suntap::conformance::{self, Promise};
use suntap::{Advance, Blocking, CounterId, CounterStore, FlashCounters, FlashError, Mark, UnixMillis};
use suntap_testkit::flash::{Chip, PowerLost, Step, ctr, keeps_what_it_acknowledged, tag};

#[test]
fn every_law_holds_for_any_word_length() {
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
/// stored.
#[test]
fn a_power_cut_at_any_byte_keeps_acknowledged_counters() {
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
        // The power may also fail during the restart.
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
    fn acknowledged_counters_survive(steps in vec(step(), 1..200)) {
        keeps_what_it_acknowledged(steps);
    }
}

/// A bit error anywhere in the flash is detected or harmless: no counter goes back.
#[test]
fn a_bit_error_moves_no_counter_back() {
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

/// If a record or a whole page reads as erased, the records after it reveal the gap.
#[test]
fn a_gap_in_the_log_is_detected() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    for (number, value) in [(1, 1), (1, 9), (2, 1)] {
        assert!(store.advance(&tag(number), ctr(value), None).is_ok());
    }
    // Each record has 40 bytes. The log holds the header, the end of the snapshot, and then the taps.
    for hole in [80..120, 120..160, 120..156, 156..160] {
        let rotten = chip.copy();
        rotten.0.borrow_mut().bytes[hole.clone()].fill(0xFF);
        assert_eq!(rotten.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted), "{hole:?}");
    }
    // The last record is torn: its acknowledgement reads as erased. The record before it is missing.
    let rotten = chip.copy();
    rotten.0.borrow_mut().bytes[120..200].fill(0xFF);
    assert_eq!(rotten.open::<2>().map(|store| store.tags()), Ok(1), "no gap");
    rotten.0.borrow_mut().bytes[160] = 0x5A;
    assert_eq!(rotten.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted));
    let paged = Chip::<4, 256>::new(12);
    let mut store = paged.open::<2>().unwrap();
    for value in 1..=20 {
        assert!(store.advance(&tag(1), ctr(value), None).is_ok());
    }
    paged.0.borrow_mut().bytes[256..512].fill(0xFF);
    assert_eq!(paged.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted));
}

#[test]
fn a_second_end_of_the_snapshot_is_detected() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    assert!(store.advance(&tag(1), ctr(1), None).is_ok());
    // The log holds the header, the end of the snapshot and the tap. This copies the end of the snapshot after the tap.
    chip.0.borrow_mut().bytes.copy_within(40..80, 120);
    assert_eq!(chip.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted));
}

/// The flash cells may hold an unacknowledged record only weakly. The store writes such a record again before it
/// reports the tap as stale. If every record was acknowledged, a restart writes nothing.
#[test]
fn an_unacknowledged_record_is_rewritten_before_it_is_reported() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    assert!(store.advance(&tag(1), ctr(1), None).is_ok());
    // The record is complete, and the power fails before the word after it.
    chip.fuel(36, 3);
    assert_eq!(store.advance(&tag(1), ctr(2), None), Err(FlashError::Flash(PowerLost)));
    let at = 120..156;
    assert!(chip.0.borrow().bytes[at.clone()].iter().any(|byte| *byte != 0xFF), "the record is in the flash");
    chip.power_again().0.borrow_mut().bytes[156..160].fill(0xFF);
    let writes = || std::mem::take(&mut chip.0.borrow_mut().touched)[1];
    let _ = writes();
    let mut store = chip.open::<2>().unwrap();
    assert!(writes() > 5, "a new segment is written");
    assert!(matches!(store.advance(&tag(1), ctr(2), None), Ok(Advance::Stale { .. })));
    chip.0.borrow_mut().bytes[at].fill(0xFF);
    let mut store = chip.open::<2>().unwrap();
    assert_eq!(writes(), 0);
    assert!(matches!(store.advance(&tag(1), ctr(2), None), Ok(Advance::Stale { .. })), "the counter is still stored");
}

#[test]
fn a_full_store_rejects_new_tags_and_serves_known_ones() {
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
fn another_segment_length_is_detected() {
    for taps in [1, 10, 30, 60, 100] {
        let chip = Chip::<4, 1024>::new(16);
        let mut store = chip.open::<2>().unwrap();
        for value in 1..=taps {
            assert!(store.advance(&tag(1), ctr(value), None).is_ok());
        }
        assert_eq!(chip.open::<64>().map(|store| store.tags()), Err(FlashError::OtherSize), "{taps}");
        assert_eq!(chip.open::<2>().unwrap().tags(), 1);
    }
    // The remaining segments are in pages after the last segment of the other length.
    let chip = Chip::<4, 1024>::new(15);
    let mut store = chip.open::<2>().unwrap();
    for value in 1..=23 * 14 {
        assert!(store.advance(&tag(1), ctr(value), None).is_ok());
    }
    chip.0.borrow_mut().bytes[..12 * 1024].fill(0xFF);
    assert_eq!(chip.open::<64>().map(|store| store.tags()), Err(FlashError::OtherSize));
}

/// If a store has no marks, opening it for another number of tags replaces it with an empty store.
#[test]
fn an_unused_store_of_another_size_is_replaced() {
    let chip = Chip::<4, 1024>::new(16);
    assert_eq!(chip.open::<2>().unwrap().tags(), 0);
    assert_eq!(chip.open::<64>().unwrap().tags(), 0);
}

/// The records begin with a kind and the label, which are the same in every header and snapshot end.
fn labelled(bytes: &[u8]) -> Vec<usize> {
    let is_labelled = |at: &usize| bytes[at + 1..].starts_with(b"suntap flash v1\0");
    (0..bytes.len() / 1024)
        .flat_map(|page| (0..25).map(move |slot| page * 1024 + slot * 40))
        .filter(is_labelled)
        .collect()
}

/// A store that lost every header, or also every snapshot end, gives an error and is never read as empty.
#[test]
fn a_store_without_headers_is_never_empty() {
    for taps in 1..=120 {
        let chip = Chip::<4, 1024>::new(3);
        let mut store = chip.open::<2>().unwrap();
        for value in 1..=taps {
            assert!(store.advance(&tag(u8::from(value % 2 == 0)), ctr(value), None).is_ok());
        }
        for damage in [0x00, 0x5A, 0xFF] {
            let damaged = chip.copy();
            let records = labelled(&damaged.0.borrow().bytes);
            for at in records.iter().filter(|at| *at % 1024 == 0) {
                damaged.0.borrow_mut().bytes[*at..*at + 40].fill(damage);
            }
            let opened = damaged.open::<2>().map(|store| store.tags());
            assert_eq!(opened, Err(FlashError::Corrupted), "{taps} {damage}");
            for at in records {
                damaged.0.borrow_mut().bytes[at..at + 40].fill(damage);
            }
            let opened = damaged.open::<2>().map(|store| store.tags());
            assert_eq!(opened, Err(FlashError::NotFormatted), "{taps} {damage}");
        }
    }
}

/// Content in only the first two slots may be left over from an interrupted first start, unless its header belongs to a
/// later segment.
#[test]
fn the_first_header_of_a_later_segment_is_not_a_first_start() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    for value in 1..=75 {
        assert!(store.advance(&tag(1), ctr(value), None).is_ok());
    }
    assert_eq!(chip.0.borrow().erases, [2, 1, 1], "the active segment is the first one again");
    for rest in [40, 80] {
        let damaged = chip.copy();
        damaged.0.borrow_mut().bytes[rest..].fill(0xFF);
        assert_eq!(damaged.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted), "{rest}");
    }
}

/// Returns a slot with the header of a segment. `the_golden_image_has_the_documented_layout` describes the bytes.
fn header(number: u32, tags: u8, segment_len: u64) -> [u8; 40] {
    let mut slot = [0; 40];
    slot[0] = 1;
    slot[1..17].copy_from_slice(b"suntap flash v1\0");
    slot[17] = tags;
    slot[20..28].copy_from_slice(&segment_len.to_le_bytes());
    slot[28..32].copy_from_slice(&number.to_le_bytes());
    let crc = crc32([0; 4].into_iter().chain(slot[..32].iter().copied()));
    slot[32..36].copy_from_slice(&crc.to_le_bytes());
    slot
}

/// Of the headers without a snapshot, only that of an interrupted first start is replaced with an empty store.
#[test]
fn a_header_alone_shows_whether_the_store_was_used() {
    let opened = |headers: &[[u8; 40]]| {
        let chip = Chip::<4, 1024>::new(3);
        for (page, header) in headers.iter().enumerate() {
            chip.0.borrow_mut().bytes[page * 1024..][..40].copy_from_slice(header);
        }
        chip.open::<2>().map(|store| store.tags())
    };
    assert_eq!(opened(&[header(1, 0, 1024)]), Ok(0));
    assert_eq!(opened(&[header(2, 0, 1024)]), Err(FlashError::Corrupted), "a later segment");
    assert_eq!(opened(&[header(1, 1, 1024)]), Err(FlashError::Corrupted), "a snapshot with a tag");
    assert_eq!(opened(&[header(1, 1, 2048)]), Err(FlashError::OtherSize));
    assert_eq!(opened(&[header(1, 1, 1024), header(2, 1, 2048)]), Err(FlashError::Corrupted), "both lengths");
    let chip = Chip::<4, 1024>::new(3);
    chip.0.borrow_mut().bytes[80..120].copy_from_slice(&header(1, 1, 2048));
    assert_eq!(chip.open::<2>().map(|store| store.tags()), Err(FlashError::Corrupted), "not at the start of a page");
}

#[test]
fn another_word_length_is_detected() {
    fn write<const W: usize>(taps: u32) -> Vec<u8> {
        let chip = Chip::<W, 4096>::new(3);
        let mut store = chip.open::<2>().unwrap();
        for value in 1..=taps {
            assert!(store.advance(&tag(1), ctr(value), None).is_ok());
        }
        chip.0.borrow().bytes.clone()
    }
    fn read<const W: usize>(bytes: &[u8]) -> Result<usize, FlashError<PowerLost>> {
        let chip = Chip::<W, 4096>::new(3);
        chip.0.borrow_mut().bytes.copy_from_slice(bytes);
        chip.open::<2>().map(|store| store.tags())
    }
    type Write = fn(u32) -> Vec<u8>;
    type Read = fn(&[u8]) -> Result<usize, FlashError<PowerLost>>;
    let words: [(Write, Read); 6] = [
        (write::<1>, read::<1>),
        (write::<2>, read::<2>),
        (write::<4>, read::<4>),
        (write::<8>, read::<8>),
        (write::<16>, read::<16>),
        (write::<32>, read::<32>),
    ];
    for (writer, (write, _)) in words.iter().enumerate() {
        for (reader, (_, read)) in words.iter().enumerate() {
            for taps in 1..=6 {
                let expected = if writer == reader { Ok(1) } else { Err(FlashError::Corrupted) };
                assert_eq!(read(&write(taps)), expected, "{writer} {reader} {taps}");
            }
        }
    }
}

/// If the flash is erased while the store is open, the store reports an error, because it knows that it had marks.
#[test]
fn an_open_store_does_not_become_empty() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    assert!(store.advance(&tag(1), ctr(1), None).is_ok());
    chip.fuel(0, 1);
    assert_eq!(store.advance(&tag(1), ctr(2), None), Err(FlashError::Flash(PowerLost)));
    let mut erased = chip.power_again().clone();
    erased.erase(0, 3072).unwrap();
    assert_eq!(store.advance(&tag(1), ctr(1), None), Err(FlashError::Corrupted));
}

#[test]
fn invalid_regions_are_rejected() {
    let chip = Chip::<4, 1024>::new(6);
    let open = |region| {
        let store = FlashCounters::<_, 8>::open_blocking(chip.clone(), region);
        store.map(|store| store.tags()).map_err(|error| error.to_string())
    };
    #[expect(clippy::reversed_empty_ranges, reason = "an invalid region")]
    for (region, error) in [
        (0..8192, "flash region too long: the flash ends at 6144, the region at 8192"),
        (512..4096, "flash region misaligned: expected multiples of 1024, got 512"),
        (0..4000, "flash region misaligned: expected multiples of 1024, got 4000"),
        (5000..5000, "flash region misaligned: expected multiples of 1024, got 5000"),
        (0..0, "flash region too small: 8 tags need 6144 bytes, got 0"),
        (1024..6144, "flash region too small: 8 tags need 6144 bytes, got 5120"),
        (6144..0, "flash region too small: 8 tags need 6144 bytes, got 0"),
    ] {
        assert_eq!(open(region.clone()), Err(error.to_owned()), "{region:?}");
    }
    let few = FlashCounters::<_, 2>::open_blocking(chip.clone(), 1024..4096);
    assert_eq!(few.map(|store| store.tags()), Ok(0));
    let error = Chip::<64, 4096>::new(4).open::<8>().map(|store| store.tags()).unwrap_err();
    assert_eq!(error, FlashError::Unsupported { read: 1, write: 64, page: 4096 });
    let text = "unsupported flash: expected words of at most 32 bytes that divide a page, got reads of 1, writes of 64 \
                and pages of 4096 bytes";
    assert_eq!(error.to_string(), text);
    let error = Chip::<8, 1020>::new(9).open::<8>().map(|store| store.tags()).unwrap_err();
    assert_eq!(error, FlashError::Unsupported { read: 1, write: 8, page: 1020 });
}

/// The constant is the length of the smallest region that `open` accepts.
#[test]
fn the_smallest_region_is_known_at_compile_time() {
    fn check<const W: usize, const P: usize, const N: usize>(expected: u32) {
        let needed = const { FlashCounters::<Blocking<Chip<W, P>>, N>::MIN_REGION_LEN };
        assert_eq!(needed, expected);
        let pages = usize::try_from(needed).unwrap() / P;
        assert_eq!(Chip::<W, P>::new(pages).open::<N>().map(|store| store.tags()), Ok(0));
        let len = needed - u32::try_from(P).unwrap();
        let error = Chip::<W, P>::new(pages - 1).open::<N>().map(|store| store.tags());
        assert_eq!(error, Err(FlashError::TooSmall { tags: N, needed, len }));
    }
    check::<4, 1024, 2>(3 * 1024);
    check::<4, 256, 2>(3 * 1024);
    check::<4, 1024, 8>(3 * 2048);
    check::<1, 4096, 64>(3 * 4096);
    check::<32, 4096, 64>(3 * 3 * 4096);
    check::<4, 4096, 64>(12288);
    check::<16, 2048, 1024>(3 * 98_304 + 3 * 2048);
}

/// The costs match the documentation.
#[test]
fn costs_match_the_documentation() {
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
    let segment_change = [0, 2 + 1 + 2 * 32 + 4 + 1];
    assert_eq!(costs.keys().copied().collect::<Vec<_>>(), [[0, 2], segment_change]);
    // A segment holds 32 records for the snapshot and then 68 taps.
    assert!((taps / 68 - 1..=taps / 68 + 1).contains(&costs[&segment_change]), "{costs:?}");
    // Wear is spread: the erase counts of two pages differ by at most one.
    let erases = chip.0.borrow().erases.clone();
    assert!(erases.iter().max().unwrap() - erases.iter().min().unwrap() <= 1, "{erases:?}");
}

/// The caller must request formatting explicitly. It deletes all counters.
#[test]
fn formatting_deletes_all_counters() {
    let chip = Chip::<4, 1024>::new(6);
    assert!(chip.open::<8>().unwrap().advance(&tag(1), ctr(9), None).is_ok());
    chip.0.borrow_mut().bytes[..40].fill(0);
    assert_eq!(chip.open::<8>().map(|store| store.tags()), Err(FlashError::Corrupted));
    let mut store = FlashCounters::<_, 8>::format_blocking(chip.clone(), chip.region()).unwrap();
    assert!(matches!(store.advance(&tag(1), ctr(9), None), Ok(Advance::Advanced { previous: None, .. })));
    assert_eq!(chip.open::<8>().unwrap().tags(), 1);
    assert_eq!(store.into_flash().0.capacity(), 6144);
}

/// A region with other content is not formatted, wherever that content is. The exception is the first two slots: their
/// content may be left over from an interrupted first start.
#[test]
fn other_content_is_not_an_empty_store() {
    // For 16 tags, a segment has two pages. The last page is not used.
    let opened = |at: usize| {
        let other = Chip::<4, 1024>::new(7);
        other.0.borrow_mut().bytes[at] = 0x12;
        other.open::<16>().map(|store| store.tags())
    };
    for at in 0..7 * 1024 {
        assert_eq!(opened(at), if at < 80 { Ok(0) } else { Err(FlashError::NotFormatted) }, "{at}");
    }
    let full = Chip::<4, 1024>::new(3);
    full.0.borrow_mut().bytes.fill(0);
    assert_eq!(full.open::<2>().map(|store| store.tags()), Err(FlashError::NotFormatted));
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

/// Polls a future up to `times` times. Returns `None` if it is still pending.
fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(output);
        }
    }
    None
}

/// If a future is dropped before it completes, the store still knows every accepted counter.
#[test]
fn dropped_futures_lose_no_accepted_counter() {
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
fn errors_name_the_problem() {
    let chip = Chip::<4, 1024>::new(3);
    let mut store = chip.open::<2>().unwrap();
    chip.fuel(0, 1);
    let error = store.advance(&tag(1), ctr(1), None).unwrap_err();
    assert_eq!(error.to_string(), "flash failed: PowerLost");
    assert!(format!("{store:?}").contains("FlashCounters"));
    for (error, text) in [
        (FlashError::Corrupted, "flash counters corrupted: acknowledged data cannot be read"),
        (
            FlashError::NotFormatted,
            "flash region not formatted: expected a counter store or a blank region; \
             if it is the right region and never held a store, call format once",
        ),
        (FlashError::OtherSize, "flash counters written for another number of tags: open them with that N"),
        (FlashError::Full, "flash counters full: the store already holds as many tags as its N allows"),
        (FlashError::WornOut, "flash worn out: the 32-bit segment number is exhausted"),
        (
            FlashError::TooSmall { tags: 64, needed: 12288, len: 8192 },
            "flash region too small: 64 tags need 12288 bytes, got 8192",
        ),
    ] {
        assert_eq!(FlashError::<PowerLost>::to_string(&error), text);
    }
}

/// Returns the chip of the golden image, after a fixed sequence of taps. Two tags alternate, one with a time and one
/// without. The 24th tap begins the second segment.
fn golden_chip() -> Chip<4, 1024> {
    let chip = Chip::new(3);
    let mut store = FlashCounters::<_, 2>::format_blocking(chip.clone(), chip.region()).unwrap();
    for step in 1..=25 {
        let (tag, at) = golden_tag(step);
        assert!(matches!(store.advance(&tag, ctr(0x01_0200 + step), at), Ok(Advance::Advanced { .. })));
    }
    chip
}

fn golden_tag(step: u32) -> (CounterId, Option<UnixMillis>) {
    let first = if step.is_multiple_of(2) { 0xB0 } else { 0xA0 };
    let id = CounterId::from_bytes(core::array::from_fn(|index| first + u8::try_from(index).unwrap()));
    (id, (first == 0xA0).then_some(UnixMillis::new(0x0000_0198_7654_3200 + u64::from(step))))
}

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../golden/flash.hex");
const GOLDEN_HEAD: &str = "\
# An image of FlashCounters<_, 2> on three pages of 1024 bytes, with words of 4 bytes, after 25 taps. All bytes that are
# not here are FF. A line is an address and a record: kind, counter id or label, counter or number of tags, time or length
# of the segment, number of taps or of the segment, checksum, acknowledgement. A line with 4 bytes is a closing word.
# The documentation of FlashCounters describes the format. This file must never change: stores on devices depend on it.
";

fn golden_text(bytes: &[u8]) -> String {
    let hex = base16ct::lower::encode_string;
    let mut text = GOLDEN_HEAD.to_owned();
    for (page, bytes) in bytes.chunks(1024).enumerate() {
        for (slot, bytes) in bytes.chunks(40).enumerate().filter(|(_, bytes)| bytes.iter().any(|byte| *byte != 0xFF)) {
            let (at, fields) = if bytes.len() == 40 {
                (
                    slot * 40,
                    [0..1, 1..17, 17..20, 20..28, 28..32, 32..36, 36..40].map(|field| hex(&bytes[field])).join(" "),
                )
            } else {
                (1020, hex(&bytes[20..]))
            };
            writeln!(text, "{:04x}: {fields}", page * 1024 + at).unwrap();
        }
    }
    text
}

fn golden_bytes(text: &str) -> Vec<u8> {
    let mut bytes = vec![0xFF; 3 * 1024];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (at, fields) = line.split_once(": ").unwrap();
        let at = usize::from_str_radix(at, 16).unwrap();
        let record = base16ct::lower::decode_vec(fields.replace(' ', "")).unwrap();
        bytes[at..at + record.len()].copy_from_slice(&record);
    }
    bytes
}

#[test]
fn the_store_writes_the_golden_image() {
    let text = golden_text(&golden_chip().0.borrow().bytes);
    assert!(text == std::fs::read_to_string(GOLDEN).unwrap(), "{text}");
    assert_eq!(golden_bytes(&text), golden_chip().0.borrow().bytes, "the text contains every byte");
}

/// Writes the golden image. Use this only if the format changes, together with a new label.
#[test]
#[ignore = "writes tests/golden/flash.hex"]
fn write_the_golden_image() {
    std::fs::write(GOLDEN, golden_text(&golden_chip().0.borrow().bytes)).unwrap();
}

#[test]
fn the_store_reads_the_golden_image() {
    let chip = Chip::<4, 1024>::new(3);
    chip.0.borrow_mut().bytes = golden_bytes(&std::fs::read_to_string(GOLDEN).unwrap());
    let mut store = chip.open::<2>().unwrap();
    assert_eq!(store.tags(), 2);
    for (step, taps) in [(25, 13), (24, 12)] {
        let (tag, at) = golden_tag(step);
        let stored = Mark { ctr: ctr(0x01_0200 + step), at, taps };
        assert_eq!(store.advance(&tag, stored.ctr, None), Ok(Advance::Stale { stored }));
    }
    // The store continues in the third segment.
    let (tag, _) = golden_tag(25);
    assert!(matches!(store.advance(&tag, ctr(0x02_0000), None), Ok(Advance::Advanced { now, .. }) if now.taps == 14));
    let advance = chip.open::<2>().unwrap().advance(&tag, ctr(0x02_0000), None);
    assert!(matches!(advance, Ok(Advance::Stale { .. })));
}

/// CRC-32/ISO-HDLC, bit by bit.
fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    !bytes.into_iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    })
}

/// The golden image has the documented layout.
#[test]
fn the_golden_image_has_the_documented_layout() {
    assert_eq!(crc32(*b"123456789"), 0xCBF4_3926);
    let label = *b"suntap flash v1\0";
    let text = std::fs::read_to_string(GOLDEN).unwrap();
    let image = golden_bytes(&text);
    let (mut records, mut expected) = (Vec::new(), Vec::new());
    // A segment of 1024 bytes has 25 slots of 40 bytes.
    for (number, segment) in (1u32..).zip(image.chunks(1024)) {
        for slot in segment[..1000].chunks(40).filter(|slot| slot.iter().any(|byte| *byte != 0xFF)) {
            let four = |at: usize| u32::from_le_bytes(slot[at..at + 4].try_into().unwrap());
            let seed = if slot[0] == 1 { 0 } else { number };
            assert_eq!(four(32), crc32(seed.to_le_bytes().into_iter().chain(slot[..32].iter().copied())));
            assert_eq!(four(36), 0, "acknowledged");
            let name: [u8; 16] = slot[1..17].try_into().unwrap();
            let value = u32::from_le_bytes([slot[17], slot[18], slot[19], 0]);
            records.push((
                number,
                slot[0],
                name,
                value,
                u64::from_le_bytes(slot[20..28].try_into().unwrap()),
                four(28),
            ));
        }
        assert!(segment[1000..1020].iter().all(|byte| *byte == 0xFF));
    }
    let mark = |number, step: u32| {
        let (id, at) = golden_tag(step);
        let kind = if at.is_some() { 3 } else { 4 };
        let taps = step.div_ceil(2);
        (number, kind, *id.as_bytes(), 0x01_0200 + step, at.map_or(0, UnixMillis::get), taps)
    };
    expected.extend([(1, 1, label, 0, 1024, 1), (1, 2, label, 0, 0, 1)]);
    expected.extend((1..=23).map(|step| mark(1, step)));
    expected.extend([(2, 1, label, 2, 1024, 2), mark(2, 23), mark(2, 22), (2, 2, label, 2, 0, 2)]);
    expected.extend([mark(2, 24), mark(2, 25)]);
    assert_eq!(records, expected);
    assert_eq!(image[1020..1024], [0; 4], "the first segment is closed");
    assert_eq!(image[2044..2048], [0xFF; 4], "the second segment is not closed");
}

/// The word length changes only the padding and the acknowledgement.
#[test]
fn slots_are_whole_words() {
    fn check<const W: usize>(acknowledgement: usize, slot: usize) {
        let chip = Chip::<W, 4096>::new(3);
        let mut store = chip.open::<2>().unwrap();
        assert!(store.advance(&tag(1), ctr(1), None).is_ok());
        let bytes = &chip.0.borrow().bytes;
        for (at, kind) in [(0, 1), (slot, 2), (2 * slot, 4)] {
            assert_eq!(bytes[at], kind, "{W}");
            assert!(bytes[at + 36..at + slot].iter().all(|byte| *byte == 0), "{W}");
        }
        assert_eq!(acknowledgement + W, slot);
        assert!(bytes[3 * slot..].iter().all(|byte| *byte == 0xFF), "{W}");
    }
    check::<1>(36, 37);
    check::<2>(36, 38);
    check::<4>(36, 40);
    check::<8>(40, 48);
    check::<16>(48, 64);
    check::<32>(64, 96);
}
