//! The states of a tap from end to end: rejected taps, stored counters, and races.

use core::convert::Infallible;
use core::future::Future;
use std::sync::Barrier;

use suntap::{
    Advance, Blocking, ClaimedTap, CommitError, ConfigError, CounterId, CounterStore, Error, FreshTap, Full, Malformed,
    Mark, MemoryCounters, PreparedFileReadKey, PreparedMetaReadKey, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey,
    SdmReadCtr, SunMessage, TagTamper, Uid, UnixMillis, VerifiedTap, VerifyError, sdm_layout,
};
use suntap_testkit::line::OTHER_SCHEMES;
use suntap_testkit::stores::{Failed, FailingCounters, SharedCounters};
use suntap_testkit::{Tag, Tap, ready};

/// Source: NXP AN12196 Rev 1.8, §4.4.4.2.1.
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc}&c={mac}");

fn meta() -> PreparedMetaReadKey {
    SdmMetaReadKey::FACTORY.prepare(Scheme::Aes)
}

fn file() -> PreparedFileReadKey {
    SdmFileReadKey::FACTORY.prepare(Scheme::Aes)
}

fn verified() -> VerifiedTap<'static> {
    LAYOUT.parse(URL).unwrap().open(&meta()).unwrap().verify(&file()).unwrap()
}

fn sample_uid() -> Uid {
    Uid::from_hex("04DE5F1EACC040").unwrap()
}

fn ctr(value: u32) -> SdmReadCtr {
    SdmReadCtr::new(value).unwrap()
}

/// The tap has UID 04DE5F1EACC040 and counter 61. Source: AN12196 Rev 1.8 §4.4.4.2.1.
#[test]
fn the_sample_tap_is_fresh_once() {
    let mut counters = MemoryCounters::<2>::new();
    let at = Some(UnixMillis::new(1_700_000_000_000));
    let fresh = verified().commit(&mut counters, at).unwrap();
    let mark = Mark { ctr: ctr(61), at, taps: 1 };
    assert_eq!((fresh.uid(), fresh.ctr()), (Some(sample_uid()), ctr(61)));
    assert_eq!((fresh.previous(), fresh.mark()), (None, mark));
    assert_eq!(fresh.message().tamper(), None);
    assert_eq!(fresh.message().file_data(&mut [0; 128]), None);
    let again = verified().commit(&mut counters, None);
    assert!(matches!(again, Err(CommitError::Replayed { ctr, stored }) if (ctr, stored) == (mark.ctr, mark)));
}

/// UID and counter identify a tap, so the same digits in another case are the same tap.
#[test]
fn another_spelling_is_a_replay() {
    let mut counters = MemoryCounters::<2>::new();
    assert!(verified().commit(&mut counters, None).is_ok());
    let respelled = URL.replace("EF963FF7", "ef963ff7").replace("94EED9EE", "94eed9ee");
    let tap = LAYOUT.parse(&respelled).unwrap().open(&meta()).unwrap().verify(&file()).unwrap();
    assert!(matches!(tap.commit(&mut counters, None), Err(CommitError::Replayed { .. })));
}

#[test]
fn with_wrong_keys_the_tap_is_not_authentic() {
    let other = [0x11; 16];
    let meta_key = SdmMetaReadKey::from_bytes(other).prepare(Scheme::Aes);
    assert_eq!(LAYOUT.parse(URL).unwrap().open(&meta_key).map(|_| ()), Err(VerifyError::NotAuthentic));
    let file_key = SdmFileReadKey::from_bytes(other).prepare(Scheme::Aes);
    let claimed = LAYOUT.parse(URL).unwrap().open(&meta()).unwrap();
    assert_eq!(claimed.verify(&file_key).map(|_| ()), Err(VerifyError::NotAuthentic));
}

#[test]
fn an_unexpected_uid_is_the_wrong_tag() {
    assert!(verified().expect_uid(sample_uid()).is_ok());
    let other = Uid::from_hex("04DE5F1EACC041").unwrap();
    assert_eq!(verified().expect_uid(other).map(|_| ()), Err(VerifyError::WrongTag));
}

fn claim<'a>(layout: &'a SdmLayout, url: &'a str) -> ClaimedTap<'a> {
    layout.parse(url).unwrap().read_plain().unwrap()
}

/// This tap was recorded from an NTAG 424 DNA (UID 049F50824F1390) that mirrors only its UID.
#[test]
fn a_tap_without_a_counter_needs_verify_replayable() {
    let layout = SdmLayout::new(Scheme::Aes, "https://sdm.nfcdeveloper.com/tagpt?uid={uid}&cmac={mac}").unwrap();
    let url = "https://sdm.nfcdeveloper.com/tagpt?uid=049F50824F1390&cmac=B1EE1FD5DC0D9654";
    assert_eq!(claim(&layout, url).verify(&file()).map(|_| ()), Err(VerifyError::NoCounter));
    let tap = claim(&layout, url).verify_replayable(&file()).unwrap();
    assert_eq!((tap.uid(), tap.message().ctr()), (Uid::from_hex("049F50824F1390").ok(), None));

    // With a wrong MAC, the error does not reveal that there is no counter.
    let forged = url.replace("B1EE", "B1EF");
    assert_eq!(claim(&layout, &forged).verify(&file()).map(|_| ()), Err(VerifyError::NotAuthentic));
    assert_eq!(claim(&layout, &forged).verify_replayable(&file()).map(|_| ()), Err(VerifyError::NotAuthentic));
}

/// SV2 is zero-padded, so a tap without a counter has the same MAC as one with counter 0. No chip sends counter 0.
#[test]
fn counter_0_is_not_authentic() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?uid={uid}&ctr={ctr}&cmac={mac}").unwrap();
    let url = "https://a.b/?uid=049F50824F1390&ctr=000000&cmac=B1EE1FD5DC0D9654";
    assert_eq!(claim(&layout, url).verify(&file()).map(|_| ()), Err(VerifyError::NotAuthentic));
    assert_eq!(claim(&layout, url).verify_replayable(&file()).map(|_| ()), Err(VerifyError::NotAuthentic));
}

#[test]
fn a_tap_with_a_counter_is_never_replayable() {
    let claimed = LAYOUT.parse(URL).unwrap().open(&meta()).unwrap();
    assert_eq!(claimed.verify_replayable(&file()).map(|_| ()), Err(ConfigError::HasCounter.into()));
}

#[test]
fn a_pinned_picc_data_must_hold_the_pinned_values() {
    for (element, fits) in [("{picc:uid,ctr}", true), ("{picc:uid}", false), ("{picc:ctr}", false)] {
        let layout = SdmLayout::new(Scheme::Aes, &LAYOUT.template().replace("{picc}", element)).unwrap();
        let opened = layout.parse(URL).unwrap().open(&meta()).map(|_| ());
        assert_eq!(opened, if fits { Ok(()) } else { Err(VerifyError::NotAuthentic) }, "{element}");
    }
}

#[test]
fn plain_and_encrypted_are_not_confused() {
    assert_eq!(LAYOUT.parse(URL).unwrap().read_plain().map(|_| ()), Err(ConfigError::NeedsMetaKey.into()));
    let plain = SdmLayout::new(Scheme::Aes, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
    let url = "https://a.b/04DE5F1EACC040/00003D/94EED9EE65337086";
    assert_eq!(plain.parse(url).unwrap().open(&meta()).map(|_| ()), Err(ConfigError::NoPiccData.into()));
    assert!(claim(&plain, url).verify(&file()).is_ok(), "plain or encrypted makes no difference to the MAC");
}

/// The tap has 16 bytes of file data. Source: AN12196 Rev 1.8 §4.4.3.1.
#[test]
fn file_data_goes_into_the_callers_buffer() {
    let template = "https://www.my424dna.com/?picc_data={picc}&enc=[[{enc}&cmac={mac}";
    let layout = SdmLayout::new(Scheme::Aes, template).unwrap();
    let url = "https://www.my424dna.com/?picc_data=FDE4AFA99B5C820A2C1BB0F1C792D0EB\
               &enc=94592FDE69FA06E8E3B6CA686A22842B&cmac=C48B89C17A233B2C";
    let tap = layout.parse(url).unwrap().open(&meta()).unwrap().verify(&file()).unwrap();
    assert_eq!(tap.message().file_data_len(), 16);
    let mut buffer = [0x55; 128];
    assert_eq!(tap.message().file_data(&mut buffer), Some(b"xxxxxxxxxxxxxxxx".as_slice()));
    assert_eq!(buffer[16..], [0x55; 112]);
}

const TAG: Tag = Tag { lrp: false, meta_key: [1; 16], file_key: [2; 16], uid: [4, 5, 6, 7, 8, 9, 10] };

fn tap(file_data: &[u8], tt: [u8; 2]) -> Tap {
    Tap { ctr: 7, padding: [3; 12], file_data: file_data.to_vec(), tt }
}

/// Writes a tap for the template `written` with the software tag, and verifies it with the template `layout`.
fn read<T>(
    layout: &str,
    written: &str,
    tap: &Tap,
    read_message: impl Fn(&SunMessage<'_>) -> T,
) -> Result<T, VerifyError> {
    let layout = SdmLayout::new(Scheme::Aes, layout).unwrap();
    let url = TAG.write(written, tap).url;
    let parsed = layout.parse(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
    let claimed = if layout.template().contains("{picc") {
        parsed.open(&SdmMetaReadKey::from_bytes(TAG.meta_key).prepare(Scheme::Aes))?
    } else {
        parsed.read_plain()?
    };
    let key = SdmFileReadKey::from_bytes(TAG.file_key).prepare(Scheme::Aes);
    match claimed.ctr() {
        Some(_) => Ok(read_message(claimed.verify(&key)?.message())),
        None => Ok(read_message(claimed.verify_replayable(&key)?.message())),
    }
}

/// A plain status can be trusted only if the MAC covers it. Source: NT4H2421Tx §9.3.5.
#[test]
fn a_tamper_status_outside_the_mac_input_is_not_authenticated() {
    for (template, authenticated) in [
        ("https://a.b/{uid}/{ctr}/[[{tt}/{mac}", true),
        ("https://a.b/{uid}/{ctr}/{tt}/{mac}", false),
        ("https://a.b/{uid}/{ctr}/{tt}[[/{mac}", false),
        ("https://a.b/{uid}/{ctr}/[[/{mac}/{tt}", false),
    ] {
        let status = read(template, template, &tap(b"", *b"CC"), |message| message.tamper().unwrap()).unwrap();
        assert_eq!(status.is_authenticated(), authenticated, "{template}");
        assert_eq!((status.state(), status.is_intact()), (TagTamper::Closed, authenticated), "{template}");
    }
}

#[test]
fn a_tamper_status_in_file_data_is_found_at_any_byte() {
    for at in [0, 13, 14, 15, 16, 31, 94] {
        let mut data = [b'-'; 96];
        data[at..at + 2].copy_from_slice(b"OC");
        let layout = format!("https://a.b/{{picc}}[[{{enc:192,tt@{at}}}{{mac}}");
        let status = read(&layout, &layout, &tap(&data, *b"CC"), |message| message.tamper().unwrap()).unwrap();
        assert_eq!((status.state(), status.is_authenticated()), (TagTamper::OpenedNowClosed, true), "{at}");
    }
}

/// The MAC input is the text that the tag wrote. Only its digits are known to be in upper case.
#[test]
fn static_captured_and_tamper_text_keep_their_case() {
    let (layout, written) = ("https://a.b/[[x{:id}/{uid}/{ctr}/{mac}", "https://a.b/[[xaB-c_D9/{uid}/{ctr}/{mac}");
    let own = SdmLayout::new(Scheme::Aes, layout).unwrap();
    let url = TAG.write(written, &tap(b"", *b"CC")).url;
    assert_eq!(claim(&own, &url).captured("id"), Some("aB-c_D9"), "the text is also available before verification");
    let captured = read(layout, written, &tap(b"", *b"CC"), |message| message.captured("id").map(str::to_owned));
    assert_eq!(captured, Ok(Some("aB-c_D9".to_owned())));
    let template = "https://a.b/{uid}/{ctr}/[[{tt}/{mac}";
    let status = read(template, template, &tap(b"", *b"cc"), |message| message.tamper().unwrap()).unwrap();
    assert_eq!((status.to_string().as_str(), status.state()), ("cc", TagTamper::Unknown));
}

/// A chip encrypts file data only if it mirrors UID and counter, so no chip writes such a tap. Source: NT4H2421Gx
/// §9.3.6.
#[test]
fn file_data_without_uid_or_counter_is_not_authentic() {
    let layout = "https://a.b/{picc}/[[{enc}/{mac}";
    assert_eq!(read(layout, layout, &tap(&[0; 16], *b"CC"), |_| ()), Ok(()));
    for written in ["https://a.b/{picc:uid}/[[{enc}/{mac}", "https://a.b/{picc:ctr}/[[{enc}/{mac}"] {
        assert_eq!(read(layout, written, &tap(&[0; 16], *b"CC"), |_| ()), Err(VerifyError::NotAuthentic), "{written}");
    }
}

#[test]
fn expect_uid_checks_replayable_taps_and_accepts_taps_without_uid() {
    let layout = SdmLayout::new(Scheme::Aes, "https://sdm.nfcdeveloper.com/tagpt?uid={uid}&cmac={mac}").unwrap();
    let url = "https://sdm.nfcdeveloper.com/tagpt?uid=049F50824F1390&cmac=B1EE1FD5DC0D9654";
    let tap_of = || claim(&layout, url).verify_replayable(&file()).unwrap();
    assert!(tap_of().expect_uid(Uid::from_hex("049F50824F1390").unwrap()).is_ok());
    assert!(format!("{:?}", tap_of()).contains("049F50824F1390"));
    assert_eq!(tap_of().expect_uid(sample_uid()).map(|_| ()), Err(VerifyError::WrongTag));

    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{ctr}/{mac}").unwrap();
    let url = TAG.write(layout.template(), &tap(b"", *b"CC")).url;
    let key = SdmFileReadKey::from_bytes(TAG.file_key).prepare(Scheme::Aes);
    assert!(claim(&layout, &url).verify(&key).unwrap().expect_uid(sample_uid()).is_ok());
}

#[test]
fn a_key_for_another_mode_is_reported() {
    for other in OTHER_SCHEMES {
        let meta_key = SdmMetaReadKey::FACTORY.prepare(*other);
        assert_eq!(LAYOUT.parse(URL).unwrap().open(&meta_key).map(|_| ()), Err(ConfigError::WrongScheme.into()));
        let file_key = SdmFileReadKey::FACTORY.prepare(*other);
        let claimed = LAYOUT.parse(URL).unwrap().open(&meta()).unwrap();
        assert_eq!(claimed.verify(&file_key).map(|_| ()), Err(ConfigError::WrongScheme.into()));
    }
}

#[test]
fn a_fresh_tap_reports_the_previous_mark() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{uid}/{ctr}/{mac}").unwrap();
    let key = SdmFileReadKey::from_bytes(TAG.file_key).prepare(Scheme::Aes);
    let mut counters = MemoryCounters::<2>::new();
    let mut blocking = Blocking(MemoryCounters::<2>::new());
    let mut before = None;
    for (taps, counter) in [(1, 3), (2, 4), (3, 900)] {
        let url = TAG.write(layout.template(), &Tap { ctr: counter, ..tap(b"", *b"CC") }).url;
        let at = Some(UnixMillis::new(u64::from(counter) * 1000));
        let now = Mark { ctr: ctr(counter), at, taps };
        let fresh = claim(&layout, &url).verify(&key).unwrap().commit(&mut counters, at).unwrap();
        assert_eq!((fresh.previous(), fresh.mark()), (before, now));
        let verified = claim(&layout, &url).verify(&key).unwrap();
        let fresh = ready(verified.commit_async(&mut blocking, at)).unwrap();
        assert_eq!((fresh.previous(), fresh.mark()), (before, now));
        before = Some(now);
        let again = claim(&layout, &url).verify(&key).unwrap().commit(&mut counters, None).unwrap_err();
        assert_eq!(again.to_string(), format!("replayed tap: this tap, with counter {counter}, was already accepted"));
    }
}

#[test]
fn a_failing_store_refuses_the_tap() {
    for moves in [false, true] {
        let mut store = FailingCounters { counters: MemoryCounters::<2>::new(), fail: Some(moves) };
        let tap = verified().commit(&mut store, None);
        assert!(matches!(tap, Err(CommitError::Store(Failed::Told))));
    }
}

/// A store whose comparison is off by one admits no replay, because `commit` also checks the previous mark that the
/// store returns.
#[test]
fn a_store_that_contradicts_itself_admits_no_replay() {
    struct OffByOne(Option<Mark>);

    impl CounterStore for OffByOne {
        type Error = Infallible;

        fn advance(&mut self, _: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Infallible> {
            let now = Mark { ctr, at, taps: 1 };
            Ok(match self.0 {
                Some(stored) if ctr < stored.ctr => Advance::Stale { stored },
                _ => Advance::Advanced { previous: self.0.replace(now), now },
            })
        }
    }

    let mut store = OffByOne(None);
    assert!(verified().commit(&mut store, None).is_ok());
    assert!(matches!(verified().commit(&mut store, None), Err(CommitError::Replayed { .. })));
    assert!(matches!(ready(verified().commit_async(&mut Blocking(store), None)), Err(CommitError::Replayed { .. })));
}

#[test]
fn stores_can_be_dynamic_and_borrowed() {
    let mut counters = MemoryCounters::<2>::new();
    let dynamic: &mut dyn CounterStore<Error = Full> = &mut counters;
    assert!(verified().commit(dynamic, None).is_ok());
    assert!(verified().commit(&mut &mut counters, None).is_err());
}

#[test]
fn every_error_converts_and_names_its_step() {
    fn verify_and_commit(url: &str) -> Result<FreshTap<'_>, Error<Full>> {
        let tap = LAYOUT.parse(url)?.open(&meta())?.verify(&file())?;
        Ok(tap.commit(&mut MemoryCounters::<2>::new(), None)?)
    }
    assert!(verify_and_commit(URL).is_ok());
    let malformed = verify_and_commit("https://a.b/").map(|_| ()).unwrap_err();
    assert!(matches!(malformed, Error::Malformed(Malformed::Missing(_))));
    let forged = URL.replace("94EED9EE", "94EED9EF");
    assert_eq!(verify_and_commit(&forged).map(|_| ()), Err(Error::Verify(VerifyError::NotAuthentic)));
    assert!(core::error::Error::source(&malformed).is_none(), "its text is already the text of the cause");
}

#[test]
fn async_commits_equal_blocking_commits() {
    let mut counters = Blocking(MemoryCounters::<2>::new());
    assert!(ready(verified().commit_async(&mut counters, None)).is_ok());
    let again = ready(verified().commit_async(&mut &mut counters, None));
    assert!(matches!(again, Err(CommitError::Replayed { .. })));
}

/// A handler that verifies and commits a tap must be `Send`, because an executor may move it between threads.
#[test]
fn an_async_handler_is_send() {
    type Shared = SharedCounters<MemoryCounters<2>>;

    async fn handler(url: String, mut counters: Shared) -> bool {
        let (meta, file) = (meta(), file());
        let Ok(claimed) = LAYOUT.parse(&url).unwrap().open(&meta) else { return false };
        let Ok(verified) = claimed.verify(&file) else { return false };
        verified.commit_async(&mut counters, None).await.is_ok()
    }

    fn spawn<F: Future + Send + 'static>(task: F) -> F::Output {
        ready(task)
    }

    let counters = SharedCounters::new(MemoryCounters::new());
    assert!(spawn(handler(URL.into(), counters.clone())));
    assert!(!spawn(handler(URL.into(), counters)));
}

#[test]
fn in_sixteen_threads_one_tap_is_fresh_once() {
    for _ in 0..50 {
        let counters = SharedCounters::new(MemoryCounters::<2>::new());
        let start = Barrier::new(16);
        let fresh = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16)
                .map(|_| {
                    scope.spawn(|| {
                        let tap = verified();
                        start.wait();
                        tap.commit(&mut counters.clone(), None).is_ok()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
        });
        assert_eq!(fresh, 1);
    }
}
