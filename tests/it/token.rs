//! Tokens for the page that a tap opens.

use core::time::Duration;
use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::Barrier;

use proptest::prelude::*;
use suntap::token::{self, Claims, Grant, SecondTapError, TOKEN_CHARS, TapToken, TokenError, TokenKey, UseError, Used};
use suntap::{
    Advance, Blocking, CounterId, CounterStore, FreshTap, MemoryCounters, Scheme, SdmFileReadKey, SdmLayout,
    SdmMetaReadKey, SdmReadCtr, TagTamper, Uid, UnixMillis, VerifiedTap,
};
use suntap_testkit::stores::{Failed, FailingCounters, SharedCounters};
use suntap_testkit::{Tag, Tap, ready};

const KEY: [u8; 16] = *b"0aB1cD2eF3gH4iJ5";
const PAGE: &str = "https://shop.example/members";
const NOW: UnixMillis = UnixMillis::new(1_795_000_000_123);
const MINUTE: Duration = Duration::from_secs(60);
const UID: [u8; 7] = [4, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66];

fn after(millis: u64) -> UnixMillis {
    UnixMillis::new(NOW.get() + millis)
}

/// Passes a verified tap of a tag to `then`.
fn verified<T>(uid: [u8; 7], ctr: u32, then: impl FnOnce(VerifiedTap<'_>) -> T) -> T {
    let template = "https://a.b/?p={picc}&e=[[{enc:tt@0}&c={mac}";
    let tag = Tag { lrp: false, meta_key: KEY, file_key: KEY, uid };
    let mut file_data = b"OC".to_vec();
    file_data.resize(32, b'x');
    let tap = Tap { ctr, padding: [1; 12], file_data, tt: *b"OC" };
    let url = tag.write(template, &tap).url;
    let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
    let claimed = layout.parse(&url).unwrap().open(&SdmMetaReadKey::from_bytes(KEY)).unwrap();
    then(claimed.verify(&SdmFileReadKey::from_bytes(KEY)).unwrap())
}

/// Passes a fresh tap of a tag to `then`.
fn fresh<T>(uid: [u8; 7], ctr: u32, then: impl FnOnce(&FreshTap<'_>) -> T) -> T {
    verified(uid, ctr, |tap| then(&tap.commit(&mut MemoryCounters::<2>::new(), None).unwrap()))
}

fn key() -> TokenKey {
    TokenKey::from_bytes(3, KEY)
}

fn grant() -> Grant<'static> {
    Grant::new(PAGE, NOW, MINUTE)
}

fn minted(ctr: u32) -> TapToken {
    fresh(UID, ctr, |tap| key().mint(tap, &grant()))
}

fn check(text: &str) -> Result<Claims, TokenError> {
    token::verify(text, &[key()], PAGE, NOW, Duration::ZERO)
}

fn claims(ctr: u32) -> Claims {
    check(minted(ctr).as_str()).unwrap()
}

#[test]
fn a_token_holds_what_the_grant_asks_for() {
    fresh(UID, 7, |tap| {
        let uid = Uid::from_bytes(UID);
        for (grant, has_uid, has_tamper) in [
            (grant(), false, false),
            (grant().with_uid(), true, false),
            (grant().with_tamper(), false, true),
            (grant().with_uid().with_tamper(), true, true),
        ] {
            let token = key().mint(tap, &grant);
            assert_eq!(token.as_str().len(), TOKEN_CHARS);
            const { assert!(TOKEN_CHARS <= 120) };
            assert!(token.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            let claims = check(token.as_str()).unwrap();
            assert_eq!((claims.counter_id(), claims.ctr()), (tap.counter_id(), tap.ctr()));
            assert_eq!(claims.uid(), has_uid.then_some(uid));
            assert_eq!(claims.tamper().map(|tamper| tamper.state()), has_tamper.then_some(TagTamper::OpenedNowClosed));
            assert_eq!((claims.issued_at(), claims.expires_at()), (NOW, after(60_000)));
        }
    });
}

/// The bytes of a token, built from the table in the documentation with the crate `cmac`.
#[test]
fn tokens_have_the_documented_format() {
    fn cmac(parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = <cmac::Cmac<aes::Aes128> as cmac::KeyInit>::new(&KEY.into());
        for part in parts {
            cmac::Mac::update(&mut mac, part);
        }
        cmac::Mac::finalize(mac).into_bytes().into()
    }
    fn base64url(bytes: &[u8]) -> String {
        const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let bits = bytes.iter().map(|byte| format!("{byte:08b}")).collect::<Vec<_>>().concat();
        let digit = |six: &[u8]| usize::from_str_radix(core::str::from_utf8(six).unwrap(), 2).unwrap();
        bits.as_bytes().chunks(6).map(|six| char::from(DIGITS[digit(six)])).collect()
    }
    fresh(UID, 0x01_0203, |tap| {
        let audience = &cmac(&[&[1], &[0; 15], PAGE.as_bytes()])[..8];
        let times = [NOW, after(60_000)].map(|time| time.get().to_be_bytes());
        let id = *tap.counter_id().as_bytes();
        let content = [&[0x13, 3], &id[..], &[1, 2, 3], &UID, b"OC", audience, &times[0][2..], &times[1][2..]].concat();
        let token = base64url(&[&content[..], &cmac(&[&content])].concat());
        assert_eq!(key().mint(tap, &grant().with_uid().with_tamper()).as_str(), token);
        let use_id = cmac(&[&[2], &[0; 7], audience, &id]);
        assert_eq!(check(&token).unwrap().use_id(), CounterId::from_bytes(use_id));
    });
}

#[test]
fn a_token_with_any_changed_bit_is_refused() {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let token = minted(7).to_string();
    assert!(check(&token).is_ok());
    let mut refused = 0;
    for at in 0..token.len() {
        let value = DIGITS.iter().position(|digit| *digit == token.as_bytes()[at]).unwrap();
        for bit in 0..6 {
            let mut changed = token.clone().into_bytes();
            changed[at] = DIGITS[value ^ (1 << bit)];
            let error = check(core::str::from_utf8(&changed).unwrap()).unwrap_err();
            // Only the version and the flags, in the first byte, have values that no token has.
            let malformed = at == 0 || (at == 1 && bit >= 4);
            assert!(error == TokenError::NotAuthentic || malformed && error == TokenError::Malformed, "{at} {bit}");
            refused += 1;
        }
    }
    assert_eq!(refused, 66 * 8);
}

#[test]
fn a_token_is_valid_from_its_issue_until_it_expires() {
    let token = minted(7);
    let verify = |now, skew| token::verify(token.as_str(), &[key()], PAGE, now, Duration::from_millis(skew)).map(drop);
    let expired = Err(TokenError::Expired { expires_at: after(60_000) });
    let early = Err(TokenError::NotYetValid { issued_at: NOW });
    let before = |millis| UnixMillis::new(NOW.get() - millis);
    assert_eq!(verify(NOW, 0), Ok(()));
    assert_eq!(verify(after(59_999), 0), Ok(()));
    assert_eq!(verify(after(60_000), 0), expired);
    assert_eq!(verify(after(60_000), 1), Ok(()));
    assert_eq!(verify(after(60_500), 500), expired);
    assert_eq!(verify(before(1), 0), early);
    assert_eq!(verify(before(1), 1), Ok(()));
    assert_eq!(verify(before(1_001), 1_000), early);
    assert_eq!(verify(UnixMillis::new(0), 0), early);
    assert_eq!(verify(UnixMillis::new(u64::MAX), 0), expired);
    // A lifetime of zero is over at once.
    let dead = fresh(UID, 7, |tap| key().mint(tap, &Grant::new(PAGE, NOW, Duration::ZERO)));
    assert_eq!(check(dead.as_str()).map(drop), Err(TokenError::Expired { expires_at: NOW }));
    // A lifetime can be longer than a token can say.
    let endless = fresh(UID, 7, |tap| key().mint(tap, &Grant::new(PAGE, NOW, Duration::MAX)));
    assert!(token::verify(endless.as_str(), &[key()], PAGE, after(1 << 40), Duration::ZERO).is_ok());
}

#[test]
fn a_token_is_for_one_audience() {
    let token = minted(7);
    for audience in ["", "https://shop.example/", "https://shop.example/members/", "https://shop.example/member"] {
        let refused = token::verify(token.as_str(), &[key()], audience, NOW, Duration::ZERO);
        assert_eq!(refused, Err(TokenError::WrongAudience), "{audience}");
    }
}

#[test]
fn keys_can_be_replaced() {
    let token = minted(7);
    let verify = |keys: &[TokenKey]| token::verify(token.as_str(), keys, PAGE, NOW, Duration::ZERO).map(drop);
    let new = || TokenKey::from_bytes(4, [9; 16]);
    assert_eq!(verify(&[new(), key()]), Ok(()));
    assert_eq!(verify(&[new()]), Err(TokenError::NotAuthentic));
    assert_eq!(verify(&[]), Err(TokenError::NotAuthentic));
    // The number alone does not make a key the right one, and the key alone is not enough.
    assert_eq!(verify(&[TokenKey::from_bytes(3, [9; 16])]), Err(TokenError::NotAuthentic));
    assert_eq!(verify(&[TokenKey::from_bytes(4, KEY)]), Err(TokenError::NotAuthentic));
    assert_eq!(verify(&[TokenKey::from_bytes(3, [9; 16]), key()]), Ok(()));
    assert_eq!(key().number(), 3);
    let hex = base16ct::lower::encode_string(&KEY);
    assert_eq!(verify(&[TokenKey::from_hex(3, &hex).unwrap()]), Ok(()));
    assert!(TokenKey::from_hex(3, &hex[1..]).is_err());
}

#[test]
fn nothing_prints_a_key_or_a_token() {
    let token = minted(7);
    assert_eq!(format!("{token:?} {:?}", key()), "TapToken(..) TokenKey(3, secret)");
    assert_eq!(format!("{token}"), token.as_str());
    assert_eq!(token.as_ref(), token.as_str());
}

#[test]
fn a_token_is_used_once() {
    let mut store = MemoryCounters::<8>::new();
    let token = claims(7);
    assert_eq!(token.use_once(&mut store, NOW), Ok(()));
    let used = token.use_once(&mut store, after(1));
    assert!(matches!(used, Err(UseError::Used { stored }) if stored.at == Some(NOW)), "{used:?}");
    // A request that lost the race can have an earlier time than the one that won.
    let earlier = UnixMillis::new(NOW.get() - 1);
    assert!(matches!(token.use_once(&mut store, earlier), Err(UseError::Used { .. })));
    // A second token of the same tap is the same use.
    let twin = fresh(UID, 7, |tap| key().mint(tap, &Grant::new(PAGE, after(5), MINUTE).with_uid()));
    let twin = token::verify(twin.as_str(), &[key()], PAGE, after(5), Duration::ZERO).unwrap();
    assert!(matches!(twin.use_once(&mut store, after(6)), Err(UseError::Used { .. })));
    // Another audience is another use.
    let other = fresh(UID, 7, |tap| key().mint(tap, &Grant::new("other", NOW, MINUTE)));
    let other = token::verify(other.as_str(), &[key()], "other", NOW, Duration::ZERO).unwrap();
    assert_eq!(other.use_once(&mut store, NOW), Ok(()));
    // A used token of a newer tap ends older ones, also those that were never used.
    assert_eq!(claims(9).use_once(&mut store, after(10)), Ok(()));
    assert!(
        matches!(claims(8).use_once(&mut store, after(11)), Err(UseError::NewerTap { stored }) if stored.ctr.get() == 9)
    );
    // Another tag is independent.
    let tag = fresh([4, 9, 9, 9, 9, 9, 9], 1, |tap| key().mint(tap, &grant()));
    assert_eq!(check(tag.as_str()).unwrap().use_once(&mut store, NOW), Ok(()));
}

/// Claims that are kept do not outlive their token. The skew with which the token was verified also counts here.
#[test]
fn expired_claims_cannot_be_used() {
    let mut store = MemoryCounters::<8>::new();
    assert_eq!(claims(7).use_once(&mut store, after(60_000)), Err(UseError::Expired));
    let skewed = token::verify(minted(7).as_str(), &[key()], PAGE, NOW, Duration::from_millis(1)).unwrap();
    assert_eq!(skewed.use_once(&mut store, after(60_001)), Err(UseError::Expired));
    assert_eq!(skewed.use_once(&mut store, after(60_000)), Ok(()));
}

/// A new key is a new use, so old tokens are not ended by those of the new key.
#[test]
fn single_use_holds_for_each_key() {
    let mut store = MemoryCounters::<8>::new();
    let new = TokenKey::from_bytes(4, [9; 16]);
    let token = fresh(UID, 7, |tap| new.mint(tap, &grant()));
    let twin = token::verify(token.as_str(), &[new], PAGE, NOW, Duration::ZERO).unwrap();
    assert_eq!(twin.use_once(&mut store, NOW), Ok(()));
    assert_eq!(claims(7).use_once(&mut store, NOW), Ok(()));
    assert_ne!(twin.use_id(), claims(7).use_id());
}

#[test]
fn a_page_can_be_reloaded_during_the_grace_period() {
    let mut store = MemoryCounters::<8>::new();
    let token = claims(7);
    let grace = Duration::from_secs(10);
    assert_eq!(token.use_within(&mut store, NOW, grace), Ok(Used::First));
    assert_eq!(token.use_within(&mut store, after(9_999), grace), Ok(Used::Again { first: NOW }));
    // The period counts from the first use, so reloading does not extend it.
    assert!(matches!(token.use_within(&mut store, after(10_000), grace), Err(UseError::Used { .. })));
    assert!(matches!(token.use_within(&mut store, after(1), Duration::ZERO), Err(UseError::Used { .. })));
    // It is for the last used tap only.
    assert_eq!(claims(8).use_within(&mut store, after(2), grace), Ok(Used::First));
    assert!(matches!(token.use_within(&mut store, after(3), grace), Err(UseError::NewerTap { .. })));
    assert_eq!(
        ready(claims(8).use_within_async(&mut Blocking(&mut store), after(4), grace)),
        Ok(Used::Again { first: after(2) })
    );
}

#[test]
fn one_of_sixteen_threads_uses_a_token() {
    for round in 0..50 {
        let store = SharedCounters::new(MemoryCounters::<2>::new());
        let (token, barrier) = (claims(7 + round), Barrier::new(16));
        let used: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        usize::from(token.use_once(&mut store.clone(), NOW).is_ok())
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(used, 1);
    }
}

/// A store that forgets what it stored reports an older mark, or an error: the token is refused.
#[test]
fn a_faulty_store_admits_no_second_use() {
    struct Contradictory;

    impl CounterStore for Contradictory {
        type Error = core::convert::Infallible;

        fn advance(&mut self, _: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Self::Error> {
            let now = suntap::Mark { ctr, at, taps: 2 };
            Ok(Advance::Advanced { previous: Some(now), now })
        }
    }

    assert!(matches!(claims(7).use_once(&mut Contradictory, NOW), Err(UseError::Used { .. })));
    // After an error, the token may be spent or not. It is never accepted twice.
    for after_advancing in [false, true] {
        let mut store = FailingCounters { counters: MemoryCounters::<2>::new(), fail: Some(after_advancing) };
        assert_eq!(claims(7).use_once(&mut store, NOW), Err(UseError::Store(Failed::Told)));
        assert_eq!(claims(7).use_once(&mut store, NOW).is_err(), after_advancing);
        assert!(matches!(claims(7).use_once(&mut store, NOW), Err(UseError::Used { .. })));
        store.fail = Some(after_advancing);
        assert_eq!(claims(7).require_latest(&mut store), Err(UseError::Store(Failed::Told)));
    }
}

#[test]
fn a_newer_tap_ends_a_token_that_must_be_the_latest() {
    let mut taps = MemoryCounters::<2>::new();
    let token = verified(UID, 7, |tap| key().mint(tap.commit(&mut taps, Some(NOW)).unwrap(), &grant()));
    let token = check(token.as_str()).unwrap();
    assert_eq!(token.require_latest(&mut taps), Ok(()));
    assert_eq!(ready(token.require_latest_async(&mut Blocking(&mut taps))), Ok(()));
    verified(UID, 8, |tap| assert!(tap.commit(&mut taps, Some(after(1))).is_ok()));
    assert!(matches!(token.require_latest(&mut taps), Err(UseError::NewerTap { stored }) if stored.ctr.get() == 8));
    let newer = ready(token.require_latest_async(&mut Blocking(&mut taps)));
    assert!(matches!(newer, Err(UseError::NewerTap { stored }) if stored.ctr.get() == 8), "{newer:?}");
    // A store that lost the tap is found out once, and then knows the tap again: a copy of it stays a replay.
    let mut lost = MemoryCounters::<2>::new();
    assert_eq!(token.require_latest(&mut lost), Err(UseError::CounterLost));
    assert_eq!(token.require_latest(&mut lost), Ok(()));
    verified(UID, 7, |tap| assert!(tap.commit(&mut lost, None).is_err()));
}

/// Each error has a text of its own, and only that of a store has a source.
#[test]
fn errors_say_why_a_token_is_refused() {
    let stored = suntap::Mark { ctr: SdmReadCtr::new(8).unwrap(), at: Some(NOW), taps: 1 };
    let uses: [UseError<suntap::Full>; 4] =
        [UseError::Used { stored }, UseError::NewerTap { stored }, UseError::Expired, UseError::CounterLost];
    for error in uses {
        assert!(error.source().is_none(), "{error}");
    }
    let store = UseError::Store(suntap::Full);
    assert_eq!(store.source().unwrap().to_string(), suntap::Full.to_string());
    let mut texts = uses.map(|error| error.to_string()).to_vec();
    texts.push(store.to_string());
    let tokens = [TokenError::Malformed, TokenError::NotAuthentic, TokenError::WrongAudience];
    texts.extend(tokens.map(|error| error.to_string()));
    texts.push(TokenError::NotYetValid { issued_at: NOW }.to_string());
    let taps = [SecondTapError::OtherTag, SecondTapError::NotLater, SecondTapError::TooSoon, SecondTapError::TooLate];
    texts.extend(taps.map(|error| error.to_string()));
    let different: BTreeSet<_> = texts.iter().filter(|text| text.len() > 10).collect();
    assert_eq!(different.len(), texts.len(), "{texts:?}");
    // The two errors for a token that is too old have the same text.
    assert_eq!(TokenError::Expired { expires_at: NOW }.to_string(), uses[2].to_string());
}

#[test]
fn a_second_tap_comes_later_from_the_same_tag() {
    let first = claims(7);
    let pause = Duration::from_millis(800);
    let check = |uid, ctr, millis| fresh(uid, ctr, |tap| first.check_second_tap(tap, after(millis), pause));
    assert_eq!(check(UID, 8, 800), Ok(()));
    assert_eq!(check(UID, 20, 30_000), Ok(()));
    assert_eq!(check(UID, 7, 800), Err(SecondTapError::NotLater));
    assert_eq!(check(UID, 6, 800), Err(SecondTapError::NotLater));
    assert_eq!(check(UID, 8, 799), Err(SecondTapError::TooSoon));
    assert_eq!(check(UID, 8, 59_999), Ok(()));
    assert_eq!(check(UID, 8, 60_000), Err(SecondTapError::TooLate));
    assert_eq!(check([4, 9, 9, 9, 9, 9, 9], 8, 800), Err(SecondTapError::OtherTag));
}

/// The counter id of the token is the one under which the tap was committed, even if the caller chose it.
#[test]
fn tokens_follow_the_counter_id_of_the_caller() {
    let own = CounterId::from_bytes([9; 16]);
    let token = verified(UID, 7, |tap| {
        let fresh = tap.with_own_counter_id(own).commit(&mut MemoryCounters::<2>::new(), None).unwrap();
        assert_eq!(fresh.counter_id(), own);
        key().mint(&fresh, &grant())
    });
    assert_eq!(check(token.as_str()).unwrap().counter_id(), own);
}

proptest! {
    /// No text but a token verifies, and none panics.
    #[test]
    fn other_texts_are_refused(text in any::<String>(), like in "[A-Za-z0-9_-]{86,90}") {
        prop_assert!(check(&text).is_err());
        prop_assert!(check(&like).is_err());
    }

    /// Tokens that differ in anything have different texts, and each gives its own claims.
    #[test]
    fn tokens_round_trip(
        ctrs in proptest::collection::btree_set(1u32..0x100_0000, 1..5),
        audience in any::<String>(),
        issued in 0u64..1 << 47,
        lifetime in 1u64..1 << 40,
    ) {
        let mut texts = BTreeSet::new();
        for ctr in &ctrs {
            let grant = Grant::new(&audience, UnixMillis::new(issued), Duration::from_millis(lifetime));
            let token = fresh(UID, *ctr, |tap| key().mint(tap, &grant));
            let now = UnixMillis::new(issued + lifetime / 2);
            let claims = token::verify(token.as_str(), &[key()], &audience, now, Duration::ZERO).unwrap();
            prop_assert_eq!(claims.ctr().get(), *ctr);
            prop_assert_eq!((claims.issued_at().get(), claims.expires_at().get()), (issued, issued + lifetime));
            texts.insert(token.to_string());
        }
        prop_assert_eq!(texts.len(), ctrs.len());
    }
}
