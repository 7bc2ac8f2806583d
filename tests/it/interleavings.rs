//! All orders in which requests can reach a store, with loom. A call of the store is one step, as it is in a database.

use core::time::Duration;

use loom::sync::{Arc, Mutex};
use suntap::token::{self, Claims, Grant, TokenKey, Used};
use suntap::{
    Advance, CounterId, CounterStore, Full, Mark, MemoryCounters, SdmFileReadKey, SdmLayout, SdmReadCtr, UnixMillis,
    Verifier, sdm_layout,
};
use suntap_testkit::{Tag, Tap};

static LAYOUT: SdmLayout = sdm_layout!("https://a.b/?u={uid}&n={ctr}&c={mac}");
const TAG: Tag = Tag { lrp: false, meta_key: [7; 16], file_key: [9; 16], uid: [4, 1, 2, 3, 4, 5, 6] };
const NOW: UnixMillis = UnixMillis::new(1_795_000_000_123);

/// A store that many requests share.
trait Shared: CounterStore<Error = Full> + Default + Clone + Send + 'static {}

impl<S: CounterStore<Error = Full> + Default + Clone + Send + 'static> Shared for S {}

#[derive(Clone, Default)]
struct Atomic(Arc<Mutex<MemoryCounters<4>>>);

impl CounterStore for Atomic {
    type Error = Full;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        self.0.lock().unwrap().advance(id, ctr, at)
    }
}

/// Breaks the contract: another request can come between reading the mark and writing it.
#[derive(Clone, Default)]
struct InTwoSteps(Arc<Mutex<Option<Mark>>>);

impl CounterStore for InTwoSteps {
    type Error = Full;

    fn advance(&mut self, _: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Full> {
        let stored = *self.0.lock().unwrap();
        let advance = Advance::decide(stored, ctr, at);
        if let Advance::Advanced { now, .. } = advance {
            *self.0.lock().unwrap() = Some(now);
        }
        Ok(advance)
    }
}

/// Runs `work` in every order, whatever the environment asks of loom.
fn every_order(work: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    (builder.preemption_bound, builder.max_permutations, builder.max_duration) = (None, None, None);
    builder.check(work);
}

/// Three requests: two with the same tap, and one with a newer tap.
fn taps<S: Shared>() {
    let url = |ctr| TAG.write(LAYOUT.template(), &Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" }).url;
    let urls = std::sync::Arc::new([url(5), url(5), url(6)]);
    every_order(move || {
        let store = S::default();
        let admit = |index: usize| {
            let (urls, mut store) = (std::sync::Arc::clone(&urls), store.clone());
            move || {
                let verifier = Verifier::new(&LAYOUT, (), SdmFileReadKey::from_bytes(TAG.file_key)).unwrap();
                verifier.admit(&urls[index], &mut store, Some(NOW)).is_ok()
            }
        };
        let others = [loom::thread::spawn(admit(0)), loom::thread::spawn(admit(1))];
        let newer = admit(2)();
        let [first, copy] = others.map(|thread| thread.join().unwrap());
        assert!(!(first && copy), "one tap was accepted twice");
        assert!(newer, "nothing is newer than this tap");
        assert!(!admit(0)() && !admit(2)(), "an older tap was accepted twice");
    });
}

fn claims() -> Claims {
    let url = TAG.write(LAYOUT.template(), &Tap { ctr: 5, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" }).url;
    let verifier = Verifier::new(&LAYOUT, (), SdmFileReadKey::from_bytes(TAG.file_key)).unwrap();
    let mut counters = MemoryCounters::<4>::new();
    let fresh = verifier.admit(&url, &mut counters, Some(NOW)).unwrap();
    let key = TokenKey::from_bytes(1, [3; 16]);
    let token = key.mint(&fresh, &Grant::new("page", NOW, Duration::from_secs(60)));
    token::verify(token.as_str(), &[key], "page", NOW, Duration::ZERO).unwrap()
}

/// Three requests with the same token. Within the grace period, each of them may pass, and exactly one is the first.
fn tokens<S: Shared>(grace: Duration) {
    every_order(move || {
        let store = S::default();
        let use_token = || {
            let mut store = store.clone();
            move || claims().use_within(&mut store, NOW, grace).ok()
        };
        let others = [loom::thread::spawn(use_token()), loom::thread::spawn(use_token())];
        let own = use_token()();
        let [one, other] = others.map(|thread| thread.join().unwrap());
        let uses = [own, one, other];
        let firsts = uses.iter().filter(|used| **used == Some(Used::First)).count();
        assert_eq!(firsts, 1, "one token was used twice: {uses:?}");
        let again = uses.iter().filter(|used| matches!(used, Some(Used::Again { .. }))).count();
        assert_eq!(again, if grace.is_zero() { 0 } else { 2 });
    });
}

#[test]
fn a_tap_is_accepted_once_in_every_order() {
    taps::<Atomic>();
}

/// The control: loom finds the order in which a wrong store accepts a copy.
#[test]
#[should_panic(expected = "was accepted twice")]
fn a_store_that_is_not_atomic_is_found_out() {
    taps::<InTwoSteps>();
}

#[test]
fn a_token_is_used_once_in_every_order() {
    tokens::<Atomic>(Duration::ZERO);
    tokens::<Atomic>(Duration::from_secs(10));
}

#[test]
#[should_panic(expected = "one token was used twice")]
fn a_token_is_used_twice_in_a_store_that_is_not_atomic() {
    tokens::<InTwoSteps>(Duration::ZERO);
}
