//! `Service` with three kinds of registries and every way of keeping keys, blocking and async.

use core::convert::Infallible;
use core::future::Future;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use suntap::emulator::EmulatedTag;
use suntap::kdf::ecode::{self, ECode, SealedKeys, ServerSecret, TagContext};
use suntap::kdf::sdm_backend::Master;
use suntap::kdf::{an10922, boltcard};
use suntap::platform::ApiKeyName;
use suntap::platform::rules::{Comparison, Equality, Rule, RuleGroup, RuleSet, Rules};
use suntap::platform::{Accepted, Caller, Failure, Outcome, Refusal, Request, Service, Verdict};
use suntap::platform::{
    AsyncTagRegistry, Chip, ExtendedData, FileKey, Keys, Level, MetaKey, Names, OrganisationId, Record, Standing,
    State, TagRef, TagRegistry, UnnamedRequest,
};
use suntap::{
    Advance, Blocking, CounterId, CounterStore, Full, IssuerKey, Malformed, Mark, MasterKey, MemoryCounters, Mirrors,
    Presented, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagTexts, Uid, UnixMillis, sdm_layout,
};
use suntap_testkit::registry::{Row, RowKeys, Tags};
use suntap_testkit::stores::SharedCounters;
use suntap_testkit::{Tag, Tap, ready, world};

const UID: Uid = Uid::from_bytes([0x04, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66]);
const META: [u8; 16] = [0x3E; 16];
const OWNER: OrganisationId = OrganisationId::new(1);
static LAYOUT: SdmLayout = sdm_layout!("https://a.example/t?id={:id}&p={picc:uid,ctr}&c={mac}");
static META_KEY: SdmMetaReadKey = SdmMetaReadKey::from_bytes(META);
static FILE_KEY: SdmFileReadKey = SdmFileReadKey::from_bytes([0xF1; 16]);

/// Returns the URL that a tag with this file key writes for the layout.
fn url(layout: &SdmLayout, file_key: &SdmFileReadKey, meta_key: [u8; 16], ctr: u32) -> String {
    let lrp = layout.scheme() == Scheme::Lrp;
    let tag = Tag { lrp, meta_key, file_key: *file_key.expose_bytes(), uid: *UID.as_bytes() };
    let tap = Tap { ctr, padding: [9; 12], file_data: vec![b'x'; 16], tt: *b"CC" };
    let template = layout.template().replace("{:id}", "7").replace("{:eCode}", "fivcukrkfivcukrkfivcukrkfi");
    tag.write(&template, &tap).url
}

fn sample(ctr: u32) -> String {
    url(&LAYOUT, &FILE_KEY, META, ctr)
}

fn chip(keys: Keys<'_>) -> Chip<'_> {
    Chip { layout: &LAYOUT, keys, tamper: false, counter: None }
}

fn record(keys: Keys<'_>) -> Record<'_> {
    Record { uid: Some(UID), chip: Some(chip(keys)), ..Record::new(OWNER) }
}

fn held() -> Keys<'static> {
    Keys::Loaded { meta: Some(MetaKey::Plain(&META_KEY)), file: FileKey::Plain(&FILE_KEY) }
}

/// A registry that returns this record for every tag.
struct Just<'r>(Record<'r>);

impl<'r> TagRegistry for Just<'r> {
    type Record = Record<'r>;
    type Error = Infallible;

    fn find(&self, _: TagRef<'_>) -> Result<Option<Record<'r>>, Infallible> {
        Ok(Some(self.0))
    }

    fn organisation(&self, token: &ApiKeyName) -> Result<Option<OrganisationId>, Infallible> {
        Ok([OWNER, OrganisationId::new(2)].into_iter().find(|organisation| *token == token_of(*organisation)))
    }
}

fn token_of(organisation: OrganisationId) -> ApiKeyName {
    ApiKeyName::from_bytes(organisation.get().to_be_bytes())
}

fn request(url: &str) -> Request<'_> {
    Request { tag: TagRef::Number(7), caller: Caller::Anyone, tap: Presented::Url(url), at: None }
}

type Decided = Result<Verdict, Failure<Infallible, Full>>;

fn verify(record: &Record<'_>, counters: &mut MemoryCounters<8>, url: &str) -> Decided {
    Service::new(&[]).verify(Just(*record), counters, request(url), |outcome| outcome.verdict)
}

fn refusal(verdict: Decided) -> Refusal {
    match verdict {
        Ok(Verdict::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

fn accepted(verdict: Decided) -> Accepted {
    match verdict {
        Ok(Verdict::Fresh(accepted)) => accepted,
        other => panic!("{other:?}"),
    }
}

// There are three registries: an array in flash, a map that shares its rows, and rows that own their data
// (`suntap_testkit::registry`). A fourth, on SQL, is in `tests/checks/peers`.

/// An array in flash.
static FLASH: [(u64, Record<'static>); 1] = [(
    7,
    Record {
        uid: Some(UID),
        chip: Some(Chip {
            layout: &LAYOUT,
            keys: Keys::Loaded { meta: Some(MetaKey::Plain(&META_KEY)), file: FileKey::Plain(&FILE_KEY) },
            tamper: false,
            counter: None,
        }),
        ..Record::new(OWNER)
    },
)];

struct Flash;

impl TagRegistry for Flash {
    type Record = &'static Record<'static>;
    type Error = Infallible;

    fn find(&self, tag: TagRef<'_>) -> Result<Option<Self::Record>, Infallible> {
        Ok(FLASH.iter().find(|(number, _)| tag == TagRef::Number(*number)).map(|(_, record)| record))
    }

    fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, Infallible> {
        Ok(None)
    }
}

/// A map that other threads change. A record that was found is shared, not borrowed.
#[derive(Default)]
struct Shared(Mutex<HashMap<u64, Arc<Row>>>);

impl AsyncTagRegistry for Shared {
    type Record = Arc<Row>;
    type Error = Infallible;

    async fn find(&self, tag: TagRef<'_>) -> Result<Option<Arc<Row>>, Infallible> {
        core::future::ready(()).await;
        let TagRef::Number(number) = tag else { return Ok(None) };
        Ok(self.0.lock().unwrap().get(&number).cloned())
    }

    async fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, Infallible> {
        Ok(None)
    }
}

fn row() -> Row {
    Row {
        number: Some(7),
        xuid: Some("7".into()),
        uid: Some(UID),
        layout: Some(LAYOUT.clone()),
        keys: RowKeys::Held { meta: Some(META_KEY.clone()), file: FILE_KEY.clone() },
        ..Row::new(1)
    }
}

/// Verifies one tap twice, as generic code that does not know the registry type.
fn twice<R: TagRegistry>(registry: &R) -> [bool; 2] {
    let (mut counters, url) = (MemoryCounters::<2>::new(), sample(1));
    [(); 2].map(|()| {
        Service::new(&[]).verify(registry, &mut counters, request(&url), |outcome| {
            assert_eq!(outcome.view.unwrap().organisation, OWNER);
            matches!(outcome.verdict, Ok(Verdict::Fresh(_)))
        })
    })
}

const OWN_ID: CounterId = CounterId::from_bytes([0x1D; 16]);

#[test]
fn every_kind_of_registry_works() {
    assert_eq!(twice(&Flash), [true, false]);
    let tags = Tags { rows: vec![row()], ..Tags::default() };
    assert_eq!(twice(&&tags), [true, false]);
    assert_eq!(twice(&Just(record(held()))), [true, false]);
    let dynamic: &dyn TagRegistry<Record = &'static Record<'static>, Error = Infallible> = &Flash;
    assert_eq!(twice(&dynamic), [true, false]);
}

/// A handler that verifies a tap must be `Send`, because an executor may move it between threads.
#[test]
fn an_async_handler_is_send() {
    type Counters = SharedCounters<MemoryCounters<2>>;

    async fn handler(registry: Arc<Shared>, mut counters: Counters, url: String) -> bool {
        let fresh = |verdict| matches!(verdict, Ok(Verdict::Fresh(_)));
        let request = request(&url);
        Service::new(&[]).verify_async(&*registry, &mut counters, request, |outcome| fresh(outcome.verdict)).await
    }

    fn spawn<F: Future + Send + 'static>(task: F) -> F::Output {
        ready(task)
    }

    let (registry, counters) = (Arc::new(Shared::default()), Counters::default());
    assert!(!spawn(handler(registry.clone(), counters.clone(), sample(1))), "the tag is unknown");
    registry.0.lock().unwrap().insert(7, Arc::new(row()));
    assert!(spawn(handler(registry.clone(), counters.clone(), sample(1))));
    assert!(!spawn(handler(registry, counters, sample(1))));
}

#[test]
fn blocking_registries_work_in_async_code() {
    let (mut counters, url) = (Blocking(MemoryCounters::<2>::new()), sample(1));
    let mut verify = || {
        let verdict = |outcome: Outcome<'_, _, _>| outcome.verdict;
        ready(Service::new(&[]).verify_async(Blocking(Flash), &mut counters, request(&url), verdict))
    };
    assert!(matches!(verify(), Ok(Verdict::Fresh(_))));
    assert!(matches!(verify(), Ok(Verdict::Refused(Refusal::Replayed { .. }))));
}

/// A tap is accepted with every way of keeping keys, in both modes.
#[test]
fn keys_of_every_source_are_accepted() {
    static ECODE: SdmLayout = sdm_layout!("https://a.example/t?k={:eCode}&p={picc:uid,ctr}&c={mac}");
    static PLAIN: SdmLayout = sdm_layout!("https://a.example/t?u={uid}&n={ctr}&c={mac}");
    static LRP: SdmLayout = sdm_layout!(Scheme::Lrp, "https://a.example/t?p={picc:uid,ctr}&c={mac}");
    let accepts =
        |layout: &SdmLayout, keys: Keys<'_>, secrets: &[ServerSecret], meta: [u8; 16], file: &SdmFileReadKey| {
            let record = Record { uid: Some(UID), chip: Some(Chip { layout, ..chip(keys) }), ..Record::new(OWNER) };
            let (mut counters, url) = (MemoryCounters::<2>::new(), url(layout, file, meta, 5));
            let verdict =
                Service::new(secrets).verify(Just(record), &mut counters, request(&url), |outcome| outcome.verdict);
            let tap = accepted(verdict).tap;
            assert_eq!((tap.uid, tap.ctr.get(), tap.tamper), (Some(UID), 5, None));
        };
    for layout in [&LAYOUT, &PLAIN, &LRP] {
        let mode = layout.scheme();
        let (meta_ready, file_ready) = (META_KEY.prepare(mode), FILE_KEY.prepare(mode));
        accepts(layout, held(), &[], META, &FILE_KEY);
        let prepared =
            Keys::Loaded { meta: Some(MetaKey::Prepared(&meta_ready)), file: FileKey::Prepared(&file_ready) };
        accepts(layout, prepared, &[], META, &FILE_KEY);
        let (meta, master) = (Some(MetaKey::Prepared(&meta_ready)), MasterKey::from_bytes([4; 16]));
        for epoch in [0, 3] {
            let file = FileKey::An10922 { master: &master, suffix: b"suntap", epoch };
            let key = an10922::derive_in_epoch(&master, UID, epoch, b"suntap").unwrap();
            accepts(layout, Keys::Loaded { meta, file }, &[], META, &key);
        }
    }
    let issuer = IssuerKey::from_bytes([1; 16]);
    let bolt = Keys::Loaded {
        meta: Some(MetaKey::Boltcard(&issuer)),
        file: FileKey::Boltcard { issuer: &issuer, version: 2 },
    };
    let meta = *boltcard::meta_read_key(&issuer).expose_bytes();
    accepts(&LAYOUT, bolt, &[], meta, &boltcard::file_read_key(&issuer, UID, 2));

    let master = Master::standard(&[8; 16]).unwrap();
    let keys = Keys::Loaded { meta: Some(MetaKey::SdmBackend(&master)), file: FileKey::SdmBackend(&master) };
    accepts(&LAYOUT, keys, &[], *master.meta_read_key().expose_bytes(), &master.file_read_key(UID));

    let (code, tag) = (ECode::from_bytes([0x2A; 16]), TagContext { tag_id: 7, uid: UID, epoch: 0 });
    let secrets = [ServerSecret::from_bytes([1; 16]), ServerSecret::from_bytes([2; 16])];
    for secret in &secrets {
        let keys = SealedKeys::seal(secret, &code, &tag, &META_KEY, &FILE_KEY);
        accepts(&ECODE, Keys::Sealed { keys: &keys, tag }, &secrets, META, &FILE_KEY);
    }
    for secret in &secrets {
        let meta = *ecode::derive_meta_read_key(secret, &code, UID, 4).expose_bytes();
        let file = ecode::derive_file_read_key(secret, &code, UID, 4);
        accepts(&ECODE, Keys::ECode { epoch: 4 }, &secrets, meta, &file);
    }
}

/// Each step has its own refusal. If several steps would refuse, the earliest one does.
#[test]
fn refusals_follow_the_order_of_the_steps() {
    let mut counters = MemoryCounters::<8>::new();
    let mut refused = |record: Record<'_>, url: &str| refusal(verify(&record, &mut counters, url));
    let off = Standing { tag_group: State::Inactive, batch: State::Inactive, ..Standing::ACTIVE };
    let good = record(held());
    let tap = sample(1);
    let other_meta = url(&LAYOUT, &FILE_KEY, [1; 16], 1);
    let other_file = url(&LAYOUT, &SdmFileReadKey::FACTORY, META, 1);

    assert_eq!(refused(Record { standing: off, chip: None, ..good }, "?"), Refusal::Inactive(Level::TagGroup));
    assert_eq!(refused(Record { chip: None, ..good }, "?"), Refusal::NoChip);
    assert!(matches!(refused(good, "?"), Refusal::Malformed(_)));
    assert_eq!(refused(record(Keys::NotLoaded), &tap), Refusal::NoKeys);
    let no_meta = Keys::Loaded { meta: None, file: FileKey::Plain(&FILE_KEY) };
    assert_eq!(refused(record(no_meta), &tap), Refusal::NoKeys);
    let wrong_mode = META_KEY.prepare(Scheme::Lrp);
    let wrong = Keys::Loaded { meta: Some(MetaKey::Prepared(&wrong_mode)), file: FileKey::Plain(&FILE_KEY) };
    assert_eq!(refused(record(wrong), &tap), Refusal::WrongScheme);
    let wrong_mode = FILE_KEY.prepare(Scheme::Lrp);
    let wrong = Keys::Loaded { meta: Some(MetaKey::Plain(&META_KEY)), file: FileKey::Prepared(&wrong_mode) };
    assert_eq!(refused(record(wrong), &tap), Refusal::WrongScheme);
    assert_eq!(refused(good, &other_meta), Refusal::NotOpened);
    let other = Uid::from_bytes([4; 7]);
    assert_eq!(refused(Record { uid: Some(other), ..good }, &other_file), Refusal::OtherUid);
    assert_eq!(refused(Record { uid: None, ..good }, &tap), Refusal::OtherUid, "the record has no UID to compare with");
    assert_eq!(refused(good, &other_file), Refusal::NotAuthentic);
    assert_eq!(refused(good, &sample(0)), Refusal::NotAuthentic, "no chip sends counter 0");
    // After all these refusals, the tap is still accepted, once.
    accepted(verify(&good, &mut counters, &tap));
    let Refusal::Replayed { tap, stored } = refusal(verify(&good, &mut counters, &tap)) else {
        panic!("expected a replay")
    };
    assert_eq!((tap.ctr.get(), stored.ctr.get(), stored.taps), (1, 1, 1));
}

#[test]
fn a_tap_without_counter_is_refused() {
    static UID_ONLY: SdmLayout = sdm_layout!("https://a.example/t?p={picc}&c={mac}");
    let tag = Tag { lrp: false, meta_key: META, file_key: [0xF1; 16], uid: *UID.as_bytes() };
    let tap = Tap { ctr: 9, padding: [9; 12], file_data: Vec::new(), tt: *b"CC" };
    let url = tag.write("https://a.example/t?p={picc:uid}&c={mac}", &tap).url;
    let record = Record { chip: Some(Chip { layout: &UID_ONLY, ..chip(held()) }), ..record(held()) };
    assert_eq!(refusal(verify(&record, &mut MemoryCounters::new(), &url)), Refusal::NoCounter);
}

#[test]
fn callers_need_the_right_token_or_membership() {
    let tap = sample(1);
    let ask = |needs_token, caller| {
        let record = Record { needs_token, ..record(held()) };
        let request = Request { caller, ..request(&tap) };
        let mut counters = MemoryCounters::<2>::new();
        let verdict = Service::new(&[]).verify(Just(record), &mut counters, request, |outcome| outcome.verdict);
        matches!(verdict, Ok(Verdict::Fresh(_)))
    };
    let (owner, other) = (OWNER, OrganisationId::new(2));
    let allowed = [
        (Caller::Anyone, [true, true]),
        (Caller::Token(None), [true, false]),
        (Caller::Token(Some(token_of(owner))), [true, true]),
        (Caller::Token(Some(token_of(other))), [true, false]),
        (Caller::Token(Some(token_of(OrganisationId::new(3)))), [true, false]),
        (Caller::Member(owner), [true, true]),
        (Caller::Member(other), [false, false]),
    ];
    for (caller, expected) in allowed {
        assert_eq!([false, true].map(|needs_token| ask(needs_token, caller)), expected, "{caller:?}");
    }
}

/// A tap may be presented as a URL, as a request target, or as values. It is the same tap.
#[test]
fn a_tap_is_the_same_in_every_presentation() {
    static NAMED: SdmLayout = sdm_layout!("https://a.example/[[{:cuid}/{:xuid}?u={uid}&n={ctr}&c={mac}");
    let mut counters = MemoryCounters::<8>::new();
    let full = sample(1);
    let target = full.strip_prefix("https://a.example").unwrap();
    let pairs: HashMap<&str, &str> =
        target.split_once('?').unwrap().1.split('&').map(|pair| pair.split_once('=').unwrap()).collect();
    let mirrors = Mirrors {
        picc_data: Some(pairs["p"]),
        mac: Some(pairs["c"]),
        captured: &[("more", "than the layout has"), ("id", "7")],
        ..Mirrors::default()
    };
    let mut ask = |tap| {
        let request = Request { tap, ..request("") };
        Service::new(&[]).verify(Just(record(held())), &mut counters, request, |outcome| outcome.verdict)
    };
    accepted(ask(Presented::Url(&full)));
    for tap in [Presented::Url(&full), Presented::OriginForm(target), Presented::Mirrors(&mirrors)] {
        assert!(matches!(refusal(ask(tap)), Refusal::Replayed { .. }));
    }
    // The caller may also have parsed the tap with an equal layout.
    let (equal, other) = (LAYOUT.clone(), SdmLayout::new(Scheme::Lrp, LAYOUT.template()).unwrap());
    assert!(matches!(refusal(ask(Presented::Parsed(equal.parse(&full).unwrap()))), Refusal::Replayed { .. }));
    let longer = full.replace("&c=", "0000000000000000&c=");
    assert_eq!(refusal(ask(Presented::Parsed(other.parse(&longer).unwrap()))), Refusal::OtherLayout);
    let unexpected = Mirrors { ctr: Some("000001"), ..mirrors };
    assert!(matches!(refusal(ask(Presented::Mirrors(&unexpected))), Refusal::Malformed(Malformed::Unexpected(_))));
    // If the sender has no text for a captured element, the text of the record is used.
    let tag = Tag { lrp: false, meta_key: META, file_key: [0xF1; 16], uid: *UID.as_bytes() };
    let tap = Tap { ctr: 2, padding: [9; 12], file_data: Vec::new(), tt: *b"CC" };
    let url = tag.write("https://a.example/[[Mine/abc?u={uid}&n={ctr}&c={mac}", &tap).url;
    let named = Record {
        names: Names { cuid: Some("Mine"), xuid: Some("abc"), ..Names::default() },
        chip: Some(Chip { layout: &NAMED, ..chip(held()) }),
        ..record(held())
    };
    let mac = Some(&url[url.len() - 16..]);
    let tap = Mirrors { ctr: Some("000002"), enc_mac: mac, ..Mirrors::default() };
    let mut others = MemoryCounters::<2>::new();
    let mut ask_named = |tap, record| {
        let request = Request { tap, ..request("") };
        Service::new(&[]).verify(Just(record), &mut others, request, |outcome| outcome.verdict)
    };
    // If a UID is sent, it must be the UID of the record.
    let digits = UID.to_string();
    let with = |uid| Mirrors { uid, ctr: Some("000002"), enc_mac: mac, ..Mirrors::default() };
    let (other, equal) = (with(Some("04000000000001")), with(Some(&digits)));
    assert_eq!(refusal(ask_named(Presented::Mirrors(&other), named)), Refusal::OtherUid);
    let nameless = Record { uid: None, ..named };
    assert_eq!(refusal(ask_named(Presented::Mirrors(&equal), nameless)), Refusal::OtherUid);
    accepted(ask_named(Presented::Mirrors(&tap), named));
    assert!(matches!(refusal(ask_named(Presented::Mirrors(&equal), named)), Refusal::Replayed { .. }));
    let without_id = Mirrors { captured: &[], ..mirrors };
    assert!(matches!(refusal(ask(Presented::Mirrors(&without_id))), Refusal::Malformed(Malformed::Missing(_))));
}

/// A tap cannot be accepted twice through two records of one chip. Two tags that share a key and mirror no UID also
/// share a counter, so an accepted tap is spent for both. The tap does not show which of the two tags wrote it, so it
/// is accepted as a tap of either.
#[test]
fn the_counter_id_follows_the_key() {
    static COUNTER_ONLY: SdmLayout = sdm_layout!("https://a.example/t?n={ctr}&c={mac}");
    let mut counters = MemoryCounters::<8>::new();
    let record_with = |uid, counter| Record {
        uid,
        chip: Some(Chip { layout: &COUNTER_ONLY, counter, ..chip(held()) }),
        ..Record::new(OWNER)
    };
    let tap = url(&COUNTER_ONLY, &FILE_KEY, META, 1);
    accepted(verify(&record_with(Some(UID), None), &mut counters, &tap));
    for uid in [None, Some(UID), Some(Uid::from_bytes([4; 7]))] {
        assert!(matches!(refusal(verify(&record_with(uid, None), &mut counters, &tap)), Refusal::Replayed { .. }));
    }
    // A record may have its own counter id. It is used unchanged.
    let named = record_with(Some(UID), Some(OWN_ID));
    accepted(verify(&named, &mut counters, &tap));
    assert_eq!(
        counters.advance(&OWN_ID, SdmReadCtr::ZERO, None).map(|advance| match advance {
            Advance::Stale { stored } => stored.ctr.get(),
            Advance::Advanced { .. } => 0,
        }),
        Ok(1)
    );
}

/// A chip that is set up again under a new key has a new counter, and taps saved under the old key do not verify.
#[test]
fn a_new_key_starts_a_new_counter() {
    let mut counters = MemoryCounters::<8>::new();
    let new_key = SdmFileReadKey::from_bytes([0xF2; 16]);
    let renewed = Keys::Loaded { meta: Some(MetaKey::Plain(&META_KEY)), file: FileKey::Plain(&new_key) };
    accepted(verify(&record(held()), &mut counters, &sample(500)));
    assert_eq!(refusal(verify(&record(renewed), &mut counters, &sample(501))), Refusal::NotAuthentic);
    let first = accepted(verify(&record(renewed), &mut counters, &url(&LAYOUT, &new_key, META, 1)));
    assert_eq!((first.previous, first.now.taps), (None, 1));
}

/// A failure is reported as a failure, not as a verdict.
#[test]
fn failures_are_reported_without_a_verdict() {
    struct Broken;

    impl TagRegistry for Broken {
        type Record = Record<'static>;
        type Error = &'static str;

        fn find(&self, _: TagRef<'_>) -> Result<Option<Record<'static>>, &'static str> {
            Err("no disk")
        }

        fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, &'static str> {
            Err("no disk")
        }
    }

    impl CounterStore for Broken {
        type Error = &'static str;

        fn advance(&mut self, _: &CounterId, _: SdmReadCtr, _: Option<UnixMillis>) -> Result<Advance, &'static str> {
            Err("no disk")
        }
    }

    let (tap, mut counters) = (sample(1), MemoryCounters::<2>::new());
    Service::new(&[]).verify(Broken, &mut counters, request(&tap), |outcome| {
        assert!(matches!(outcome, Outcome { record: None, verdict: Err(Failure::Registry("no disk")), .. }));
        assert!(outcome.response().is_none());
    });
    Service::new(&[]).verify(Just(record(held())), &mut Broken, request(&tap), |outcome| {
        assert!(matches!(outcome, Outcome { record: Some(_), verdict: Err(Failure::Counters("no disk")), .. }));
        assert!(outcome.response().is_none());
    });
    // A tap that is not genuine does not reach the store.
    let forged = tap.replace("&c=", "&c=0").get(..tap.len()).unwrap().to_owned();
    let verdict =
        Service::new(&[]).verify(Just(record(held())), &mut Broken, request(&forged), |outcome| outcome.verdict);
    assert!(matches!(verdict, Ok(Verdict::Refused(Refusal::NotAuthentic))));
}

/// An async server also reports the failures of a registry, including a failed token lookup.
#[test]
fn async_failures_are_reported() {
    #[derive(Clone, Copy)]
    struct Half(bool);

    impl TagRegistry for Half {
        type Record = Record<'static>;
        type Error = &'static str;

        fn find(&self, _: TagRef<'_>) -> Result<Option<Record<'static>>, &'static str> {
            if self.0 { Ok(Some(Record { needs_token: true, ..record(held()) })) } else { Err("no disk") }
        }

        fn organisation(&self, _: &ApiKeyName) -> Result<Option<OrganisationId>, &'static str> {
            Err("no keys")
        }
    }

    let (tap, mut counters) = (sample(1), Blocking(MemoryCounters::<2>::new()));
    let request = || Request { caller: Caller::Token(Some(token_of(OWNER))), ..request(&tap) };
    for (half, why) in [(Half(false), "no disk"), (Half(true), "no keys")] {
        let expect = |outcome: Outcome<'_, _, _>| {
            assert_eq!(outcome.verdict, Err(Failure::Registry(why)));
            assert_eq!(outcome.record.is_some(), half.0);
        };
        ready(Service::new(&[]).verify_async(Blocking(half), &mut counters, request(), expect));
        Service::new(&[]).verify(half, &mut counters.0, request(), expect);
    }
}

#[test]
fn incomplete_keys_are_refused() {
    static OPENED: SdmLayout = sdm_layout!("https://a.example/t?k={:eCode}&p={picc:uid,ctr}&c={mac}");
    static ECODE: SdmLayout = sdm_layout!("https://a.example/t?k={:eCode}&n={ctr}&c={mac}");
    let (code, tag) = (ECode::from_bytes([0x2A; 16]), TagContext { tag_id: 7, uid: UID, epoch: 0 });
    let secret = [ServerSecret::from_bytes([1; 16])];
    let sealed = SealedKeys::seal(&secret[0], &code, &tag, &META_KEY, &FILE_KEY);
    let refused = |secrets: &[ServerSecret], keys, uid, url: &str| {
        let record = Record { uid, chip: Some(Chip { layout: &ECODE, ..chip(keys) }), ..Record::new(OWNER) };
        refusal(
            Service::new(secrets)
                .verify(Just(record), &mut MemoryCounters::<2>::new(), request(url), |outcome| outcome.verdict),
        )
    };
    let tap = url(&ECODE, &FILE_KEY, META, 1);
    let wrong = tap.replace("fivcukrkfivcukrkfivcukrkfi", "aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let keys = Keys::Sealed { keys: &sealed, tag };
    assert_eq!(refused(&[], keys, Some(UID), &tap), Refusal::NoKeys, "no server secret");
    assert_eq!(refused(&secret, keys, Some(UID), &wrong), Refusal::SealBroken);
    let elsewhere = Keys::Sealed { keys: &sealed, tag: TagContext { tag_id: 8, ..tag } };
    assert_eq!(refused(&secret, elsewhere, Some(UID), &tap), Refusal::SealBroken);
    let derived = Keys::ECode { epoch: 0 };
    assert_eq!(refused(&[], derived, Some(UID), &tap), Refusal::NoKeys);
    assert_eq!(refused(&secret, derived, None, &tap), Refusal::NoKeys, "no UID to derive from");
    let (issuer, master) = (IssuerKey::from_bytes([1; 16]), MasterKey::from_bytes([1; 16]));
    let old = Master::standard(&[0; 16]).unwrap();
    for file in [
        FileKey::Boltcard { issuer: &issuer, version: 0 },
        FileKey::An10922 { master: &master, suffix: b"", epoch: 0 },
        FileKey::SdmBackend(&old),
    ] {
        assert_eq!(refused(&[], Keys::Loaded { meta: None, file }, None, &tap), Refusal::NoKeys);
    }
    let long = FileKey::An10922 { master: &master, suffix: &[0; 25], epoch: 0 };
    assert_eq!(refused(&[], Keys::Loaded { meta: None, file: long }, Some(UID), &tap), Refusal::NoKeys);

    // A wrong eCode gives a key that does not open the PICCData.
    let meta = *ecode::derive_meta_read_key(&secret[0], &code, UID, 0).expose_bytes();
    let right = url(&OPENED, &ecode::derive_file_read_key(&secret[0], &code, UID, 0), meta, 1);
    let wrong = right.replace("fivcukrkfivcukrkfivcukrkfi", "aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let record = Record { uid: Some(UID), chip: Some(Chip { layout: &OPENED, ..chip(derived) }), ..Record::new(OWNER) };
    let verify = |url| {
        Service::new(&secret)
            .verify(Just(record), &mut MemoryCounters::<2>::new(), request(url), |outcome| outcome.verdict)
    };
    assert_eq!(refusal(verify(&wrong)), Refusal::SealBroken);
    accepted(verify(&right));
}

/// Each server secret derives other keys from the eCode. If none verifies the tap, the refusal is that of the secret with
/// which the tap got furthest, in any order of the secrets.
#[test]
fn several_secrets_give_the_refusal_that_got_furthest() {
    static LAYOUT: SdmLayout = sdm_layout!("https://a.example/t?k={:eCode}&p={picc:uid,ctr}&c={mac}");
    let code = ECode::from_bytes([0x2A; 16]);
    let secret = |number: u128| ServerSecret::from_bytes(number.to_be_bytes());
    let meta = *ecode::derive_meta_read_key(&secret(0), &code, UID, 0).expose_bytes();
    let forged = url(&LAYOUT, &FILE_KEY, meta, 1);
    let record = Record {
        uid: Some(UID),
        chip: Some(Chip { layout: &LAYOUT, ..chip(Keys::ECode { epoch: 0 }) }),
        ..Record::new(OWNER)
    };
    let refused = |secrets: &[u128]| {
        let secrets: Vec<_> = secrets.iter().map(|number| secret(*number)).collect();
        let mut counters = MemoryCounters::<2>::new();
        refusal(Service::new(&secrets).verify(Just(record), &mut counters, request(&forged), |outcome| outcome.verdict))
    };
    // With one key in 256, the first byte of the decrypted PICCData is by chance a PICCDataTag with UID and counter.
    let first = |refusal| (1..10_000).find(|number| refused(&[*number]) == refusal).unwrap();
    let cases = [
        (first(Refusal::SealBroken), Refusal::SealBroken),
        (first(Refusal::OtherUid), Refusal::OtherUid),
        (0, Refusal::NotAuthentic),
    ];
    for (nearer, (one, _)) in cases.iter().enumerate() {
        for (other, further) in &cases[nearer..] {
            assert_eq!(refused(&[*one, *other]), *further);
            assert_eq!(refused(&[*other, *one]), *further);
        }
    }
}

/// `{picc}` accepts any combination of UID and counter, but if the record has the UID, the tap must mirror it.
#[test]
fn a_picc_data_without_uid_is_refused() {
    static ANY: SdmLayout = sdm_layout!("https://a.example/t?p={picc}&c={mac}");
    static COUNTED: SdmLayout = sdm_layout!("https://a.example/t?p={picc:ctr}&c={mac}");
    let tap = url(&COUNTED, &FILE_KEY, META, 1);
    let mut counters = MemoryCounters::<8>::new();
    let record_with = |layout| Record { chip: Some(Chip { layout, ..chip(held()) }), ..record(held()) };
    assert_eq!(refusal(verify(&record_with(&ANY), &mut counters, &tap)), Refusal::OtherUid);
    assert_eq!(
        accepted(verify(&record_with(&COUNTED), &mut counters, &tap)).tap.uid,
        Some(UID),
        "the layout pins PICCData without UID"
    );
}

/// Rules use a tamper status only if the MAC covers it, the record says that the tag has one, and the tap is accepted.
#[test]
fn rules_use_only_authenticated_tamper_statuses() {
    static OUTSIDE: SdmLayout = sdm_layout!("https://a.example/t?t={tt}&u={uid}&n={ctr}&c={mac}");
    static INSIDE: SdmLayout = sdm_layout!("https://a.example/t?t=[[{tt}&u={uid}&n={ctr}&c={mac}");
    const CLOSED: &[Rule] = &[Rule::Tamper(Equality::Equal, *b"CC")];
    const OTHER: &[Rule] = &[Rule::Tamper(Equality::NotEqual, *b"CC")];
    let groups = [
        Some(RuleGroup { rules: CLOSED, response: "closed" }),
        Some(RuleGroup { rules: OTHER, response: "opened" }),
        Some(RuleGroup { rules: &[Rule::ScanCount(Comparison::LessThan, 9)], response: "counted" }),
    ];
    let rules = Rules { tag_group: RuleSet { groups, default: "nothing known" }, tag_code: None };
    let mut counters = MemoryCounters::<8>::new();
    let mut answer = |layout, tamper, last_seen, url: &str| {
        let chip = Some(Chip { layout, tamper, ..chip(held()) });
        let record = Record { chip, rules, last_seen, ..record(held()) };
        let answer = |outcome: Outcome<'_, _, _>| outcome.response().map(|response| response.to_string()).unwrap();
        Service::new(&[]).verify(Just(record), &mut counters, request(url), answer)
    };
    assert_eq!(answer(&INSIDE, true, None, &url(&INSIDE, &FILE_KEY, META, 1)), "closed");
    assert_eq!(answer(&INSIDE, true, None, &url(&INSIDE, &FILE_KEY, META, 1)), "nothing known", "a replay");
    assert_eq!(
        answer(&INSIDE, false, None, &url(&INSIDE, &FILE_KEY, META, 2)),
        "counted",
        "the record says that the tag has no tamper status"
    );
    assert_eq!(
        answer(&OUTSIDE, true, None, &url(&OUTSIDE, &FILE_KEY, META, 3)),
        "counted",
        "the MAC does not cover the status"
    );
    let edited = url(&OUTSIDE, &FILE_KEY, META, 4).replace("t=CC", "t=OO");
    assert_eq!(answer(&OUTSIDE, true, None, &edited), "counted");
    let seen = Some(Mark { ctr: SdmReadCtr::MAX, at: None, taps: 3 });
    assert_eq!(answer(&INSIDE, true, seen, "?"), "counted", "the count is from the snapshot");
    // A tag without a chip gets the default response, regardless of its groups.
    let plain = Record { chip: None, rules, last_seen: seen, ..record(held()) };
    Service::new(&[]).verify(Just(plain), &mut counters, request("?"), |outcome| {
        assert_eq!(outcome.response().unwrap().to_string(), "nothing known");
    });
    let rules = Rules { tag_group: RuleSet { default: "{scount} taps, {other}", ..rules.tag_group }, tag_code: None };
    Service::new(&[]).verify(Just(Record { rules, ..plain }), &mut counters, request("?"), |outcome| {
        assert_eq!(outcome.response().unwrap().to_string(), "3 taps, {other}", "known subtags are filled");
    });
}

#[test]
fn extended_data_is_found_by_its_name() {
    let field = |name| ExtendedData { name, value: "", in_response: true };
    for (name, called) in [("Scan Count", "scan_count"), ("scan_COUNT", "Scan Count"), ("Größe ÄÖ", "größe_äö")]
    {
        assert!(field(name).is_called(called), "{name}");
    }
    assert!(!field("Scan-Count").is_called("scan_count") && !field("size").is_called("sizes"));
    assert_eq!(field("Größe ÄÖ").key().collect::<String>(), "größe_äö");
}

/// The store gets the time of the tap and returns the previous mark.
#[test]
fn an_accepted_tap_returns_the_previous_mark() {
    let mut counters = MemoryCounters::<2>::new();
    let mut at = |ctr, at| {
        let (url, at) = (sample(ctr), Some(UnixMillis::new(at)));
        let request = Request { at, ..request(&url) };
        // The calls are alternately blocking and async.
        let verdict = if ctr % 2 == 0 {
            Service::new(&[]).verify(Just(record(held())), &mut counters, request, |outcome| outcome.verdict)
        } else {
            let (registry, mut counters) = (Blocking(Just(record(held()))), Blocking(&mut counters));
            ready(Service::new(&[]).verify_async(registry, &mut counters, request, |outcome| outcome.verdict))
        };
        accepted(verdict)
    };
    let mark = |ctr, at, taps| Mark { ctr: SdmReadCtr::new(ctr).unwrap(), at: Some(UnixMillis::new(at)), taps };
    assert_eq!((at(11, 100).previous, at(12, 200).previous), (None, Some(mark(11, 100, 1))));
    assert_eq!((at(20, 300).now, at(21, 400).now), (mark(20, 300, 3), mark(21, 400, 4)));
}

/// A store that remembers the counter id of the last call.
struct Asked(Option<CounterId>);

impl CounterStore for Asked {
    type Error = Infallible;

    fn advance(&mut self, id: &CounterId, ctr: SdmReadCtr, at: Option<UnixMillis>) -> Result<Advance, Infallible> {
        self.0 = Some(*id);
        Ok(Advance::Advanced { previous: None, now: Mark { ctr, at, taps: 1 } })
    }
}

#[test]
fn the_counter_id_is_known_before_a_tap() {
    static PLAIN: SdmLayout = sdm_layout!("https://a.example/t?u={uid}&n={ctr}&c={mac}");
    static NO_UID: SdmLayout = sdm_layout!("https://a.example/t?n={ctr}&c={mac}");
    static NO_UID_PICC: SdmLayout = sdm_layout!("https://a.example/t?p={picc:ctr}&c={mac}");
    static OPEN_PICC: SdmLayout = sdm_layout!("https://a.example/t?p={picc}&c={mac}");
    static LRP: SdmLayout = sdm_layout!(Scheme::Lrp, "https://a.example/t?p={picc:uid,ctr}&c={mac}");
    let service = Service::new(&[]);
    let mut names = Vec::new();
    for layout in [&LAYOUT, &PLAIN, &NO_UID, &NO_UID_PICC, &OPEN_PICC, &LRP] {
        let record = Record { chip: Some(Chip { layout, ..chip(held()) }), ..record(held()) };
        let url = if layout.template().contains("{picc:ctr}") {
            // The emulator writes the tap whose PICCData holds only the counter.
            let keys = (META_KEY.clone(), FILE_KEY.clone());
            EmulatedTag::new(layout, &TagTexts::default(), keys.0, keys.1, UID).unwrap().tap().unwrap().to_string()
        } else {
            url(layout, &FILE_KEY, META, 3)
        };
        let mut store = Asked(None);
        let verdict = service.verify(Just(record), &mut store, request(&url), |outcome| outcome.verdict);
        assert!(matches!(verdict, Ok(Verdict::Fresh(_))), "{layout:?}: {verdict:?}");
        assert_eq!(service.counter(&record), store.0, "{layout:?}");
        names.push(store.0.unwrap());
    }
    // The counter id depends on the UID, if the tag mirrors it, and not on the scheme.
    assert_eq!(names, [names[0], names[0], names[2], names[2], names[0], names[0]]);
    assert_ne!(names[0], names[2]);

    let given = CounterId::from_bytes([7; 16]);
    let with_name = Record { chip: Some(Chip { counter: Some(given), ..chip(held()) }), ..record(held()) };
    assert_eq!(service.counter(&with_name), Some(given));
    for keys in [Keys::NotLoaded, Keys::ECode { epoch: 0 }] {
        assert_eq!(service.counter(&record(keys)), None);
    }
    assert_eq!(service.counter(&Record::new(OWNER)), None);
}

/// The tag is found among the tags of the golden files by the text that the URL captured, without a dialect.
#[test]
fn a_tag_is_found_by_captured_text() {
    let tags = Tags { rows: vec![row()], ..world::tags() };
    let url = sample(3);
    let tap = LAYOUT.parse(&url).unwrap();
    let request = Request { tag: TagRef::Captured { name: "id", text: tap.captured("id").unwrap() }, ..request(&url) };
    Service::new(&[]).verify(&tags, &mut MemoryCounters::<2>::new(), request, |outcome| {
        assert_eq!(outcome.record.unwrap().number, Some(7));
        assert!(matches!(outcome.verdict, Ok(Verdict::Fresh(_))));
    });
}

/// The URL names no tag, as in AN12196. The tag is found by the UID that its PICCData claims.
#[test]
fn a_tap_that_names_no_tag_is_found_by_its_claimed_uid() {
    static UNNAMED: SdmLayout = sdm_layout!("https://a.example/?picc_data={picc:uid,ctr}&cmac={mac}");
    static OTHER_LAYOUT: SdmLayout = sdm_layout!("https://a.example/?picc_data={picc}&cmac={mac}");
    let other_key = SdmFileReadKey::from_bytes([0x0E; 16]);
    let row = |organisation: u128, uid: Uid, file: &SdmFileReadKey| Row {
        uid: Some(uid),
        layout: Some(UNNAMED.clone()),
        keys: RowKeys::Held { meta: None, file: file.clone() },
        ..Row::new(organisation)
    };
    let off = Standing { tag_code: State::Inactive, ..Standing::ACTIVE };
    let genuine = url(&UNNAMED, &FILE_KEY, META, 3);
    let forged = url(&UNNAMED, &SdmFileReadKey::from_bytes([0xBA; 16]), META, 3);
    let meta_keys = [[1; 16], [2; 16], META].map(|key| SdmMetaReadKey::from_bytes(key).prepare(Scheme::Aes));
    let found = |rows: Vec<Row>, url: &str, meta_keys, caller| {
        let (tags, mut counters) = (Tags { rows, ..Tags::default() }, MemoryCounters::<2>::new());
        let request = UnnamedRequest { tap: UNNAMED.parse(url).unwrap(), meta_keys, caller, at: None };
        Service::new(&[]).verify_unnamed(&tags, &mut counters, request, |outcome| {
            (outcome.record.map(|row| row.organisation), outcome.verdict)
        })
    };
    let ask = |rows, url| found(rows, url, &meta_keys, Caller::Anyone);
    let fresh = |(organisation, verdict)| {
        accepted(verdict);
        organisation
    };
    let refused = |(organisation, verdict)| (organisation, refusal(verdict));

    assert_eq!(fresh(ask(vec![row(1, UID, &FILE_KEY)], &genuine)), Some(1));
    // Several tags have this UID, and the MAC decides which of them it is.
    let both = || vec![row(1, UID, &other_key), row(2, UID, &FILE_KEY), row(3, UID, &other_key)];
    assert_eq!(fresh(ask(both(), &genuine)), Some(2));
    assert_eq!(refused(ask(both(), &forged)), (None, Refusal::NotAuthentic));
    // No tag has this UID, or no key opens the tap.
    let others = vec![row(1, Uid::from_bytes([4; 7]), &FILE_KEY)];
    assert_eq!(refused(ask(others, &genuine)), (None, Refusal::UnknownTag));
    assert_eq!(refused(ask(vec![], &genuine)), (None, Refusal::UnknownTag));
    assert_eq!(refused(found(both(), &genuine, &meta_keys[..2], Caller::Anyone)), (None, Refusal::UnknownTag));
    assert_eq!(refused(found(both(), &genuine, &[], Caller::Anyone)), (None, Refusal::UnknownTag));
    // A tag with another layout or without keys is not accepted.
    let other = Row { layout: Some(OTHER_LAYOUT.clone()), ..row(1, UID, &FILE_KEY) };
    assert_eq!(refused(ask(vec![other], &genuine)), (None, Refusal::OtherLayout));
    let waits = Row { keys: RowKeys::NotLoaded, ..row(1, UID, &FILE_KEY) };
    assert_eq!(refused(ask(vec![waits], &genuine)), (None, Refusal::NoKeys));
    // If two tags have these keys, the active one is accepted. If only the inactive one has them, it is refused.
    let inactive = || Row { standing: off, ..row(1, UID, &FILE_KEY) };
    assert_eq!(fresh(ask(vec![inactive(), row(2, UID, &FILE_KEY)], &genuine)), Some(2));
    let refusal = (Some(1), Refusal::Inactive(Level::TagCode));
    assert_eq!(refused(ask(vec![inactive(), row(2, UID, &other_key)], &genuine)), refusal);
    let member = |number| Caller::Member(OrganisationId::new(number));
    assert_eq!(fresh(found(both(), &genuine, &meta_keys, member(2))), Some(2));
    assert_eq!(refused(found(both(), &genuine, &meta_keys, member(1))), (Some(2), Refusal::NotTheOwner));

    // The tap is accepted once. It uses the same counter id as a request that names the tag.
    let tags = Tags { rows: both(), ..Tags::default() };
    let mut counters = MemoryCounters::<8>::new();
    let mut again = || {
        let tap = UNNAMED.parse(&genuine).unwrap();
        let request = UnnamedRequest { tap, meta_keys: &meta_keys, caller: Caller::Anyone, at: None };
        Service::new(&[]).verify_unnamed(&tags, &mut counters, request, |outcome| outcome.verdict)
    };
    accepted(again());
    assert!(matches!(again(), Ok(Verdict::Refused(Refusal::Replayed { .. }))));
    let named = Record { chip: Some(Chip { layout: &UNNAMED, ..chip(held()) }), ..record(held()) };
    let verdict = verify(&named, &mut counters, &genuine);
    assert!(matches!(verdict, Ok(Verdict::Refused(Refusal::Replayed { .. }))));
}

/// The file data of a genuine tap is available with the verdict, even if the tap is a replay.
#[test]
fn the_verified_message_is_kept() {
    static FILE_DATA: SdmLayout = sdm_layout!("https://a.example/t?p={picc:uid,ctr}&e=[[{enc:32}&c={mac}");
    let record = Record { chip: Some(Chip { layout: &FILE_DATA, ..chip(held()) }), ..record(held()) };
    let (mut counters, genuine) = (MemoryCounters::<8>::new(), url(&FILE_DATA, &FILE_KEY, META, 1));
    let forged = genuine.replace("&c=", "&c=0").get(..genuine.len()).unwrap().to_owned();
    for (url, fresh, message) in [(&genuine, true, true), (&genuine, false, true), (&forged, false, false)] {
        Service::new(&[]).verify(Just(record), &mut counters, request(url), |outcome| {
            assert_eq!(matches!(outcome.verdict, Ok(Verdict::Fresh(_))), fresh);
            let data = outcome.message.map(|message| message.file_data(&mut [0; 128]).unwrap().to_vec());
            assert_eq!(data, message.then(|| vec![b'x'; 16]));
        });
    }
}
