//! The laws of counter stores. The stores of suntap keep every law, and for a store that breaks a law, that law is
//! reported.

use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::collections::HashMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use suntap::conformance::{self, Contest, Law, Promise, Violation};
use suntap::{
    Advance, AsyncCounterStore, Blocking, CounterId, CounterStore, Full, Mark, MemoryCounters, SdmReadCtr, UnixMillis,
};
use suntap_testkit::ready;
use suntap_testkit::stores::SharedCounters;

const PARTICIPANTS: u16 = 16;

fn race<S>(store: &S, contest: Contest) -> Vec<Result<Advance, S::Error>>
where
    S: CounterStore<Error: Send> + Clone + Send,
{
    thread::scope(|scope| {
        let enter = |number| {
            let mut store = store.clone();
            scope.spawn(move || contest.enter(&mut store, number))
        };
        let threads: Vec<_> = (0..PARTICIPANTS).map(enter).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn memory_counters_keep_every_law() {
    let mut store = MemoryCounters::<8>::new();
    assert_eq!(conformance::sequential(&mut store, 1), Ok(()));
    assert_eq!(conformance::sequential(&mut store, 2), Ok(()), "a store need not be empty");
    assert_eq!(conformance::sequential(&mut store, 1).map_err(|violation| violation.law), Err(Law::FirstTapAdvances));
    let mut store = Blocking(MemoryCounters::<8>::new());
    assert_eq!(ready(conformance::sequential_async(&mut store, 1)), Ok(()));
    for round in 0..50 {
        let store = SharedCounters::new(MemoryCounters::<2>::new());
        for contest in [Contest::Equal { run: round }, Contest::Increasing { run: round + 1000 }] {
            let results = race(&store, contest);
            assert_eq!(contest.judge(&mut store.clone(), results.clone()), Ok(()));
            assert_eq!(ready(contest.judge_async(&mut Blocking(store.clone()), results)), Ok(()));
        }
    }
}

#[test]
fn contests_work_with_async_tasks() {
    let mut store = Blocking(MemoryCounters::<2>::new());
    for contest in [Contest::Equal { run: 1 }, Contest::Increasing { run: 2 }] {
        let results: Vec<_> = (0..8).map(|number| ready(contest.enter_async(&mut store, number))).collect();
        assert_eq!(ready(contest.judge_async(&mut store, results)), Ok(()));
    }
}

/// A store with a map and a configurable decision.
#[derive(Clone, Default)]
struct Map<D> {
    marks: HashMap<CounterId, Mark>,
    decide: D,
}

impl<D: Fn(Option<Mark>, SdmReadCtr, Option<UnixMillis>) -> Advance> CounterStore for Map<D> {
    type Error = &'static str;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        let advance = (self.decide)(self.marks.get(id).copied(), ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            self.marks.insert(*id, now);
        }
        Ok(advance)
    }
}

/// Returns the law that a store with this decision breaks.
fn broken(decide: impl Fn(Option<Mark>, SdmReadCtr, Option<UnixMillis>) -> Advance) -> Option<Law> {
    let mut store = Map { marks: HashMap::new(), decide };
    conformance::sequential(&mut store, 1).err().map(|violation| violation.law)
}

/// For each law, a store that breaks it is detected.
#[test]
fn each_broken_law_is_named() {
    let right = Advance::decide;
    let stored = |mark: Option<Mark>| mark.unwrap_or(Mark { ctr: SdmReadCtr::ZERO, at: None, taps: 0 });
    assert_eq!(broken(right), None);
    assert_eq!(broken(|mark, _, _| Advance::Stale { stored: stored(mark) }), Some(Law::FirstTapAdvances));
    // Accepts only the first tap.
    let once = |mark: Option<Mark>, ctr, at| match mark {
        Some(stored) => Advance::Stale { stored },
        None => right(None, ctr, at),
    };
    assert_eq!(broken(once), Some(Law::GreaterAdvances));
    let equal = |mark: Option<Mark>, ctr, at| match mark {
        Some(mark) if mark.ctr == ctr => Advance::Advanced { previous: Some(mark), now: mark },
        mark => right(mark, ctr, at),
    };
    assert_eq!(broken(equal), Some(Law::EqualIsStale));
    let lower = |mark: Option<Mark>, ctr, at| match mark {
        Some(mark) if mark.ctr == ctr => Advance::Stale { stored: mark },
        mark => Advance::Advanced { previous: mark, now: Mark { ctr, at, taps: stored(mark).taps + 1 } },
    };
    assert_eq!(broken(lower), Some(Law::LowerIsStale));
    // Rejects counter 0, even as a first tap.
    let positive = |mark: Option<Mark>, ctr, at| match mark {
        None if ctr == SdmReadCtr::ZERO => Advance::Stale { stored: stored(None) },
        mark => right(mark, ctr, at),
    };
    assert_eq!(broken(positive), Some(Law::FirstTapAdvances));
    // Compares only 16 bits of the counter.
    let short = |mark: Option<Mark>, ctr: SdmReadCtr, at| match mark {
        Some(stored) if ctr.get() & 0xFFFF <= stored.ctr.get() & 0xFFFF => Advance::Stale { stored },
        mark => match right(None, ctr, at) {
            Advance::Advanced { now, .. } => {
                Advance::Advanced { previous: mark, now: Mark { taps: stored(mark).taps + 1, ..now } }
            }
            stale @ Advance::Stale { .. } => stale,
        },
    };
    assert_eq!(broken(short), Some(Law::GreaterAdvances));
    let forgetful = |mark, ctr, at| match right(mark, ctr, at) {
        Advance::Advanced { now, .. } => Advance::Advanced { previous: None, now },
        stale @ Advance::Stale { .. } => stale,
    };
    assert_eq!(broken(forgetful), Some(Law::PreviousIsReported));
    let timeless = |mark, ctr, _| right(mark, ctr, None);
    assert_eq!(broken(timeless), Some(Law::PreviousIsReported));
    let uncounted = |mark, ctr, at| match right(mark, ctr, at) {
        Advance::Advanced { previous, now } => Advance::Advanced { previous, now: Mark { taps: 1, ..now } },
        stale @ Advance::Stale { .. } => stale,
    };
    assert_eq!(broken(uncounted), Some(Law::PreviousIsReported));
    let wrong_report = |mark, ctr, at| match right(mark, ctr, at) {
        Advance::Stale { stored } => Advance::Stale { stored: Mark { ctr, ..stored } },
        advanced @ Advance::Advanced { .. } => advanced,
    };
    assert_eq!(broken(wrong_report), Some(Law::StoredIsReported));
    let endless = |mark: Option<Mark>, ctr: SdmReadCtr, at| match mark {
        Some(mark) if mark.ctr == SdmReadCtr::MAX && ctr < SdmReadCtr::MAX => {
            Advance::Advanced { previous: Some(mark), now: Mark { ctr, at, taps: mark.taps + 1 } }
        }
        mark => right(mark, ctr, at),
    };
    assert_eq!(broken(endless), Some(Law::MaximumIsTerminal));
}

/// A store that updates the time on a stale tap.
#[derive(Default)]
struct Touched(HashMap<CounterId, Mark>);

impl CounterStore for Touched {
    type Error = Full;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        let advance = Advance::decide(self.0.get(id).copied(), ctr, at);
        let mark = match advance {
            Advance::Advanced { now, .. } => now,
            Advance::Stale { stored } => Mark { at, ..stored },
        };
        self.0.insert(*id, mark);
        Ok(advance)
    }
}

/// Three stores use only a part of the counter id, and one updates the time on a stale tap.
#[test]
fn stores_that_mix_up_tags_or_times_are_detected() {
    struct Cut(MemoryCounters<8>, fn(&CounterId) -> CounterId);

    impl CounterStore for Cut {
        type Error = Full;

        fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
            self.0.advance(&(self.1)(id), ctr, at)
        }
    }

    let cuts: [fn(&CounterId) -> CounterId; 3] = [
        |tag| CounterId::from_bytes(core::array::from_fn(|at| if at < 15 { tag.as_bytes()[at] } else { 0 })),
        |tag| CounterId::from_bytes(core::array::from_fn(|at| if at > 0 { tag.as_bytes()[at] } else { 0 })),
        |_| CounterId::from_bytes([0; 16]),
    ];
    for cut in cuts {
        let violation = conformance::sequential(&mut Cut(MemoryCounters::new(), cut), 1).unwrap_err();
        assert!(matches!(violation.law, Law::FirstTapAdvances), "{violation}");
    }

    let violation = conformance::sequential(&mut Touched::default(), 1).unwrap_err();
    assert_eq!(violation.law, Law::StoredIsReported);
}

/// A store with a separate read and write has the race that the laws forbid: two handles read the same mark.
#[test]
fn a_store_with_a_separate_read_and_write_is_detected() {
    /// Each call reads, waits until `reads` calls have read, and writes.
    #[derive(Clone)]
    struct Gap {
        marks: Arc<Mutex<HashMap<CounterId, Mark>>>,
        reads: Arc<Barrier>,
    }

    impl Gap {
        fn new(reads: u16) -> Self {
            Self { marks: Arc::default(), reads: Arc::new(Barrier::new(reads.into())) }
        }
    }

    impl CounterStore for Gap {
        type Error = Full;

        fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
            let stored = self.marks.lock().unwrap().get(id).copied();
            self.reads.wait();
            let advance = Advance::decide(stored, ctr, at);
            if let Advance::Advanced { now, .. } = advance {
                self.marks.lock().unwrap().insert(*id, now);
            }
            Ok(advance)
        }
    }

    assert_eq!(conformance::sequential(&mut Gap::new(1), 1), Ok(()), "the sequential laws hold");
    for (contest, law) in
        [(Contest::Equal { run: 1 }, Law::OneWinner), (Contest::Increasing { run: 2 }, Law::GreatestRemains)]
    {
        let store = Gap::new(PARTICIPANTS);
        let results = race(&store, contest);
        let mut store = Gap { reads: Arc::new(Barrier::new(1)), ..store };
        assert_eq!(contest.judge(&mut store, results).unwrap_err().law, law);
    }
}

/// This store has one lock per tag but one file for all tags. It works for one caller and for one tag, but concurrent
/// writes for two tags undo each other.
#[test]
fn a_store_that_overwrites_other_tags_is_detected() {
    /// Each call reads the file, waits until `reads` calls have read it, and writes the file.
    #[derive(Clone)]
    struct Rewritten {
        file: Arc<Mutex<HashMap<CounterId, Mark>>>,
        locks: Arc<Mutex<HashMap<CounterId, Arc<Mutex<()>>>>>,
        reads: Arc<Barrier>,
    }

    impl Rewritten {
        fn new(reads: u16) -> Self {
            Self { file: Arc::default(), locks: Arc::default(), reads: Arc::new(Barrier::new(reads.into())) }
        }
    }

    impl CounterStore for Rewritten {
        type Error = Full;

        fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
            let lock = self.locks.lock().unwrap().entry(*id).or_default().clone();
            let _held = lock.lock().unwrap();
            let mut all = self.file.lock().unwrap().clone();
            self.reads.wait();
            let advance = Advance::decide(all.get(id).copied(), ctr, at);
            if let Advance::Advanced { now, .. } = advance {
                all.insert(*id, now);
                *self.file.lock().unwrap() = all;
            }
            Ok(advance)
        }
    }

    let store = Rewritten::new(1);
    assert_eq!(conformance::sequential(&mut store.clone(), 1), Ok(()));
    for contest in [Contest::Equal { run: 2 }, Contest::Increasing { run: 3 }] {
        assert_eq!(contest.judge(&mut store.clone(), race(&store, contest)), Ok(()));
    }
    let contest = Contest::Apart { run: 4 };
    let store = Rewritten::new(PARTICIPANTS);
    let results = race(&store, contest);
    let mut store = Rewritten { reads: Arc::new(Barrier::new(1)), ..store };
    assert_eq!(contest.judge(&mut store, results).unwrap_err().law, Law::TagsAreIndependent);
    let right = SharedCounters::new(MemoryCounters::<64>::new());
    assert_eq!(contest.judge(&mut right.clone(), race(&right, contest)), Ok(()));
}

/// The judge rejects results that no correct store gives.
#[test]
fn the_judge_checks_every_result() {
    let mark = |ctr, taps| Mark { ctr: SdmReadCtr::new(ctr).unwrap(), at: Some(UnixMillis::new(0)), taps };
    let contest = Contest::Equal { run: 1 };
    let won = |store: &mut MemoryCounters<2>| contest.enter(store, 0);
    let mut store = MemoryCounters::<2>::new();
    let honest = vec![won(&mut store), won(&mut store)];
    assert_eq!(contest.judge(&mut store, honest.clone()), Ok(()));
    let judge = |store: &mut MemoryCounters<2>, second| contest.judge(store, [honest[0], second]).unwrap_err().law;
    assert_eq!(judge(&mut store, honest[0]), Law::OneWinner, "two winners");
    assert_eq!(
        judge(&mut store, Ok(Advance::Stale { stored: mark(1, 1) })),
        Law::OneWinner,
        "stale, but the stored counter is lower"
    );
    assert_eq!(judge(&mut store, Err(Full)), Law::Works);
    let none = contest.judge(&mut MemoryCounters::<2>::new(), honest.clone()).unwrap_err();
    assert_eq!(none.law, Law::OneWinner, "the winner was not stored");
    let wrong = Ok(Advance::Advanced { previous: None, now: mark(999, 1) });
    assert_eq!(judge(&mut store, wrong), Law::OneWinner, "the mark has another counter");
    assert_eq!(contest.judge(&mut store, []), Ok(()), "no participants");
}

/// A store that always gives the same answer.
struct Says(Mark);

impl CounterStore for Says {
    type Error = Full;

    fn advance(&mut self, _: &CounterId, _: SdmReadCtr, _: Option<UnixMillis>) -> Result<Advance, Full> {
        Ok(Advance::Stale { stored: self.0 })
    }
}

/// The judge compares each part of a mark: counter, time and taps.
#[test]
fn the_judge_compares_every_part_of_a_mark() {
    for (contest, law) in
        [(Contest::Increasing { run: 1 }, Law::GreatestRemains), (Contest::Equal { run: 2 }, Law::OneWinner)]
    {
        let mut store = MemoryCounters::<2>::new();
        let results = [0, 1].map(|number| contest.enter(&mut store, number));
        assert_eq!(contest.judge(&mut store, results), Ok(()));
        let ([_, Ok(Advance::Advanced { now: right, .. })] | [Ok(Advance::Advanced { now: right, .. }), _]) = results
        else {
            panic!("{results:?}")
        };
        assert_eq!(contest.judge(&mut Says(right), results), Ok(()));
        let higher = Mark { ctr: SdmReadCtr::MAX, ..right };
        let more = Mark { taps: right.taps + 1, ..right };
        for wrong in [higher, more] {
            assert_eq!(contest.judge(&mut Says(wrong), results).unwrap_err().law, law, "{wrong:?}");
        }
    }
    let contest = Contest::Increasing { run: 1 };
    let mut store = MemoryCounters::<2>::new();
    let results = [0, 1].map(|number| contest.enter(&mut store, number));
    let [first, Ok(Advance::Advanced { previous, now })] = results else { panic!("{results:?}") };
    let late = Mark { at: Some(UnixMillis::new(77)), ..now };
    assert_eq!(contest.judge(&mut Says(late), results).unwrap_err().law, Law::GreatestRemains);
    // The second winner reports its own counter as the previous one, or a time that it did not write.
    let own = Some(Mark { taps: 1, ..now });
    for second in [Advance::Advanced { previous: own, now }, Advance::Advanced { previous, now: late }] {
        let violation = contest.judge(&mut store, [first, Ok(second)]).unwrap_err();
        assert_eq!(violation.law, Law::GreatestRemains, "{second:?}");
    }
}

/// A later tap may have replaced the mark. Its mark has a greater counter and more taps.
#[test]
fn promises_accept_a_later_mark() {
    let promise = Promise::make(&mut MemoryCounters::<2>::new(), 1, 5);
    let mark = promise.acknowledged().unwrap();
    let store_with = |ctr: u32, taps| Says(Mark { ctr: SdmReadCtr::new(ctr).unwrap(), at: None, taps });
    assert_eq!(promise.keep(&mut Says(mark)), Ok(()));
    assert_eq!(promise.keep(&mut store_with(6, 2)), Ok(()));
    for (ctr, taps) in [(5, 1), (5, 2), (6, 1), (4, 2)] {
        assert_eq!(promise.keep(&mut store_with(ctr, taps)).unwrap_err().law, Law::MarksSurvive, "{ctr} {taps}");
    }
}

/// A store on a removable disk. A reopened store has only what was written.
#[derive(Clone, Default)]
struct Disk {
    written: Arc<Mutex<HashMap<CounterId, Mark>>>,
    /// `Some` makes writes fail in this way.
    pulled: Option<Pulled>,
}

#[derive(Clone, Copy, PartialEq)]
enum Pulled {
    /// Writes nothing and returns an error.
    Failed,
    /// Writes and returns an error.
    Late,
    /// Writes nothing and returns `Advanced`.
    Silent,
}

impl CounterStore for Disk {
    type Error = &'static str;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
        let mut written = self.written.lock().unwrap();
        let advance = Advance::decide(written.get(id).copied(), ctr, at);
        let Advance::Advanced { now, .. } = advance else { return Ok(advance) };
        if matches!(self.pulled, None | Some(Pulled::Late)) {
            written.insert(*id, now);
        }
        if matches!(self.pulled, Some(Pulled::Failed | Pulled::Late)) { Err("pulled out") } else { Ok(advance) }
    }
}

#[test]
fn promises_are_kept_or_broken() {
    let disk = Disk::default();
    let first = Promise::make(&mut disk.clone(), 1, 5);
    assert_eq!(first.acknowledged().map(|mark| (mark.ctr.get(), mark.taps)), Some((5, 1)));
    assert_eq!(
        Promise::make(&mut disk.clone(), 1, 5).acknowledged(),
        first.acknowledged(),
        "`Stale` returns the stored mark"
    );
    for (pulled, kept) in [(Pulled::Failed, true), (Pulled::Late, true), (Pulled::Silent, false)] {
        let run = 10 + u64::from(pulled == Pulled::Late) + 2 * u64::from(pulled == Pulled::Silent);
        let before = Promise::make(&mut disk.clone(), run, 7);
        let mut failing = Disk { pulled: Some(pulled), ..disk.clone() };
        let promise = Promise::make_failing(&mut failing, run, 9);
        assert_eq!(promise.acknowledged().is_some(), pulled == Pulled::Silent);
        let result = promise.keep(&mut disk.clone());
        assert_eq!(
            result.map_err(|violation| violation.law),
            if kept { Ok(()) } else { Err(Law::FailuresAreReported) }
        );
        assert_eq!(promise.keep(&mut disk.clone()).is_ok(), kept || pulled == Pulled::Silent);
        assert_eq!(before.keep(&mut disk.clone()), Ok(()), "the earlier mark is not lost");
    }
    assert_eq!(first.keep(&mut disk.clone()), Ok(()));
    let forgotten = Disk::default();
    assert_eq!(first.keep(&mut forgotten.clone()).unwrap_err().law, Law::MarksSurvive);
    let lower = Disk::default();
    let _ = Promise::make(&mut lower.clone(), 1, 4);
    assert_eq!(first.keep(&mut lower.clone()).unwrap_err().law, Law::MarksSurvive);
    let mut pulled = Disk { pulled: Some(Pulled::Failed), ..Disk::default() };
    assert_eq!(
        first.keep(&mut pulled).unwrap_err(),
        Violation { law: Law::Works, answered: None, error: Some("pulled out") }
    );
    let mut waiting = Blocking(disk.clone());
    assert_eq!(ready(ready(Promise::make_async(&mut waiting, 1, 6)).keep_async(&mut waiting)), Ok(()));
    assert_eq!(ready(ready(Promise::make_failing_async(&mut waiting, 1, 8)).keep_async(&mut waiting)), Ok(()));
}

/// A store whose future is pending at first passes the async laws.
#[test]
fn pending_async_stores_pass() {
    struct Waiting(MemoryCounters<8>);

    impl AsyncCounterStore for Waiting {
        type Error = Full;

        async fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
            let mut waited = false;
            core::future::poll_fn(|context| {
                context.waker().wake_by_ref();
                if core::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            self.0.advance(id, ctr, at)
        }
    }

    let mut store = Waiting(MemoryCounters::new());
    let mut laws = pin!(conformance::sequential_async(&mut store, 1));
    let mut polls = 0;
    let result = loop {
        polls += 1;
        if let Poll::Ready(result) = laws.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break result;
        }
    };
    assert_eq!(result, Ok(()));
    assert!(polls > 10, "the future was pending");
}

#[test]
fn violations_name_their_law() {
    let stored = Mark { ctr: SdmReadCtr::MAX, at: None, taps: 1 };
    let violation = Violation { law: Law::EqualIsStale, answered: Some(Advance::Stale { stored }), error: Some(Full) };
    let text = violation.to_string();
    assert!(text.contains("an equal counter is stale and changes nothing") && text.contains("Stale"), "{text}");
    assert!(text.contains("holds as many tags"), "{text}");
}
