//! The verifier: configuration, tap forms, key sources and errors.

use core::cell::Cell;
use core::convert::Infallible;
use std::collections::HashMap;
use std::error::Error as _;

use suntap::kdf::{an10922, boltcard, ecode};
use suntap::{
    An10922, AsyncFileKeys, Blocking, BoltCard, ClaimedTap, CommitError, ConfigError, ECodeKeys, Error, Field,
    IssuerKey, Malformed, MasterKey, MemoryCounters, Mirrors, Presented, Scheme, SdmFileReadKey, SdmLayout,
    SdmMetaReadKey, TtStatus, Uid, UnixMillis, Verifier, VerifyError, sdm_layout,
};
use suntap_testkit::line::{LRP, OTHER_SCHEMES};
use suntap_testkit::stores::{Failed, FailingCounters, SharedCounters};
use suntap_testkit::{Tag, Tap, ready};

/// Source: NXP AN12196 Rev 1.8, §4.4.4.2.1.
const URL: &str = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
static LAYOUT: SdmLayout = sdm_layout!("https://ntag.nxp.com/424?e={picc:uid,ctr}&c={mac}");
static PLAIN: SdmLayout = sdm_layout!("https://a.b/?u={uid}&n={ctr}&c={mac}");

const TAG: Tag = Tag { lrp: false, meta_key: [7; 16], file_key: [9; 16], uid: [4, 1, 2, 3, 4, 5, 6] };

fn uid() -> Uid {
    Uid::from_bytes(TAG.uid)
}

fn tap(ctr: u32) -> Tap {
    Tap { ctr, padding: [0x77; 12], file_data: vec![b'x'; 16], tt: *b"CC" }
}

fn meta() -> SdmMetaReadKey {
    SdmMetaReadKey::from_bytes(TAG.meta_key)
}

fn file() -> SdmFileReadKey {
    SdmFileReadKey::from_bytes(TAG.file_key)
}

fn with_file_key(key: &SdmFileReadKey) -> Tag {
    Tag { file_key: *key.expose_bytes(), ..TAG }
}

fn url(tag: &Tag, layout: &SdmLayout, ctr: u32) -> String {
    tag.write(layout.template(), &tap(ctr)).url
}

#[test]
fn a_tap_is_admitted_once() {
    let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY).unwrap();
    let mut counters = MemoryCounters::<2>::new();
    let fresh = verifier.admit(URL, &mut counters, Some(UnixMillis::new(5))).unwrap();
    assert_eq!((fresh.uid(), fresh.ctr().get()), (Uid::from_hex("04DE5F1EACC040").ok(), 61));
    assert_eq!(fresh.mark().at, Some(UnixMillis::new(5)));
    let again = verifier.admit(URL, &mut counters, None).map(|_| ()).unwrap_err();
    let Error::Commit(CommitError::Replayed { ctr, stored }) = again else { panic!("{again:?}") };
    assert_eq!((ctr.get(), stored.ctr.get(), stored.at), (61, 61, Some(UnixMillis::new(5))));
    // Verification alone does not look at the counters.
    assert_eq!(verifier.verify(&URL.to_owned()).map(|tap| tap.ctr().get()), Ok(61));
}

/// A source that answers later.
struct OneTag;

impl AsyncFileKeys for OneTag {
    type Key<'k> = SdmFileReadKey;
    type Error = Infallible;

    async fn file_key(&self, tap: &ClaimedTap<'_>, _: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
        Ok((tap.uid() == Some(uid())).then(file))
    }
}

/// Keys can be prepared beforehand, and there can be several meta-read keys.
#[test]
fn keys_are_plain_prepared_or_several() {
    let text = url(&TAG, &LAYOUT, 5);
    let other = || SdmMetaReadKey::from_bytes([8; 16]);
    let prepared = Verifier::new(&LAYOUT, meta().prepare(Scheme::Aes), file().prepare(Scheme::Aes)).unwrap();
    assert_eq!(prepared.verify(&text).map(|tap| tap.ctr().get()), Ok(5));
    let several = Verifier::new(&LAYOUT, [other(), meta()], file()).unwrap();
    assert_eq!(several.verify(&text).map(|tap| tap.ctr().get()), Ok(5));
    #[cfg(feature = "alloc")]
    {
        let several = Verifier::new(&LAYOUT, vec![other(), meta()], file()).unwrap();
        assert_eq!(several.verify(&text).map(|tap| tap.ctr().get()), Ok(5));
    }
    let later = Verifier::new_async(&LAYOUT, meta(), OneTag).unwrap();
    assert_eq!(ready(later.verify_async(&text)).map(|tap| tap.ctr().get()), Ok(5));
}

/// The counter id follows the key, so an old tap stays refused when the tag gets a new key.
#[test]
fn the_counter_id_follows_the_key() {
    let id_with = |key: [u8; 16]| {
        let key = SdmFileReadKey::from_bytes(key);
        let tag = with_file_key(&key);
        let verifier = Verifier::new(&PLAIN, (), key.clone()).unwrap();
        let url = url(&tag, &PLAIN, 3);
        let id = verifier.verify(&url).unwrap().counter_id();
        assert_eq!(id, key.prepare(Scheme::Aes).counter_id(Some(uid())));
        id
    };
    assert_ne!(id_with([1; 16]), id_with([2; 16]));
}

#[test]
fn configuration_mistakes_are_found_at_construction() {
    static NO_CTR: SdmLayout = sdm_layout!("https://a.b/?u={uid}&c={mac}");
    static NO_CTR_PICC: SdmLayout = sdm_layout!("https://a.b/?p={picc:uid}&c={mac}");
    static NO_UID: SdmLayout = sdm_layout!("https://a.b/?n={ctr}&c={mac}");
    static BARE: SdmLayout = sdm_layout!("https://a.b/?c={mac}");
    let master = || An10922::new(MasterKey::from_bytes([1; 16]), b"x").unwrap();
    let ecodes = || ECodeKeys::new(ecode::ServerSecret::from_bytes([1; 16]), "eCode");
    let lookup = |_: Uid| Ok::<Option<SdmFileReadKey>, Infallible>(None);
    let table: &[(Result<(), ConfigError>, ConfigError)] = &[
        (Verifier::new(&LAYOUT, (), file()).map(|_| ()), ConfigError::NeedsMetaKey),
        (Verifier::new(&LAYOUT, [(); 0].map(|()| meta()), file()).map(|_| ()), ConfigError::NeedsMetaKey),
        (Verifier::new(&PLAIN, meta(), file()).map(|_| ()), ConfigError::NoPiccData),
        (Verifier::new(&NO_CTR, (), file()).map(|_| ()), ConfigError::NoCounter),
        (Verifier::new(&NO_CTR_PICC, meta(), file()).map(|_| ()), ConfigError::NoCounter),
        (Verifier::new(&BARE, (), file()).map(|_| ()), ConfigError::NoCounter),
        (Verifier::new(&NO_UID, (), master()).map(|_| ()), ConfigError::NoUid),
        (Verifier::new_async(&NO_UID, (), master()).map(|_| ()), ConfigError::NoUid),
        (Verifier::new_async(&NO_UID, (), Blocking(lookup)).map(|_| ()), ConfigError::NoUid),
        (Verifier::new(&NO_UID, (), lookup).map(|_| ()), ConfigError::NoUid),
        (Verifier::new(&NO_UID, (), ecodes()).map(|_| ()), ConfigError::NoUid),
        (Verifier::new(&PLAIN, (), ecodes()).map(|_| ()), ConfigError::NoECode),
    ];
    for (built, error) in table {
        assert_eq!(built, &Err(*error));
        assert!(error.to_string().len() > 20);
    }
    let own = Verifier::new_async(&NO_UID, (), OneTag).map(|_| ());
    assert_eq!(own, Err(ConfigError::NoUid), "a source of the caller checks this too, unless it says otherwise");
    assert!(Verifier::new(&NO_UID, (), file()).is_ok(), "a key that all tags share needs no UID");
    for other in OTHER_SCHEMES {
        let built = Verifier::new(&LAYOUT, meta().prepare(*other), file()).map(|_| ());
        assert_eq!(built, Err(ConfigError::WrongScheme));
        let built = Verifier::new(&LAYOUT, meta(), file().prepare(*other)).map(|_| ());
        assert_eq!(built, Err(ConfigError::WrongScheme));
    }
}

/// A verifier may borrow, own or share its layout, and its type can be named.
#[test]
fn a_verifier_can_own_its_layout() {
    struct App {
        _static: Verifier<An10922>,
        _plain: Verifier<SdmFileReadKey, [suntap::PreparedMetaReadKey; 0], SdmLayout>,
        shared: Verifier<SdmFileReadKey, [suntap::PreparedMetaReadKey; 1], std::sync::Arc<SdmLayout>>,
    }
    let master = An10922::new(MasterKey::from_bytes([1; 16]), b"x").unwrap();
    let app = App {
        _static: Verifier::new(&LAYOUT, meta(), master).unwrap(),
        _plain: Verifier::new(PLAIN.clone(), (), file()).unwrap(),
        shared: Verifier::new(LAYOUT.clone().into(), SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY).unwrap(),
    };
    assert_eq!(app.shared.layout(), &LAYOUT);
    assert!(app.shared.verify(URL).is_ok());
}

#[test]
fn every_form_of_a_tap_gives_the_same_result() {
    let mut file = [0; 256];
    let text = &URL.as_bytes()["https://".len()..];
    let head = [0x00, 0x4B, 0xD1, 0x01, 0x47, 0x55, 0x04];
    assert_eq!(usize::from(head[1]), text.len() + 5);
    file[..7].copy_from_slice(&head);
    file[7..7 + text.len()].copy_from_slice(text);
    let mirrors = Mirrors {
        picc_data: Some("EF963FF7828658A599F3041510671E88"),
        mac: Some("94EED9EE65337086"),
        ..Mirrors::default()
    };
    let verifier = Verifier::new(&LAYOUT, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY).unwrap();
    let mut counters = MemoryCounters::<2>::new();
    assert!(verifier.admit(&mirrors, &mut counters, None).is_ok());
    let origin_form = Presented::OriginForm(URL.strip_prefix("https://ntag.nxp.com").unwrap());
    let equal = LAYOUT.clone();
    let parsed = Presented::Parsed(equal.parse(URL).unwrap());
    for form in [Presented::Url(URL), origin_form, Presented::Mirrors(&mirrors), Presented::NdefFile(&file), parsed] {
        let name = format!("{form:?}");
        let again = verifier.admit(form, &mut counters, None).map(|_| ());
        assert!(matches!(again, Err(Error::Commit(CommitError::Replayed { .. }))), "{name}: {again:?}");
    }
    for malformed in [Presented::Url("/424?e=1"), Presented::OriginForm(URL), Presented::NdefFile(&file[2..])] {
        let name = format!("{malformed:?}");
        let error = verifier.verify(malformed).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Malformed(_)), "{name}: {error:?}");
    }
    let other = SdmLayout::new(Scheme::Aes, "https://ntag.nxp.com/424?e={picc}&c={mac}").unwrap();
    let error = verifier.verify(Presented::Parsed(other.parse(URL).unwrap())).map(|_| ()).unwrap_err();
    assert_eq!(error, VerifyError::Config(ConfigError::OtherLayout).into());
}

/// Any one of several meta-read keys can open a tap. A wrong key opens PICCData one time in 256, and the
/// search continues.
#[test]
fn one_of_many_meta_keys_opens_the_tap() {
    struct Counting(Cell<usize>);

    impl suntap::FileKeys for Counting {
        type Key<'k> = SdmFileReadKey;
        type Error = Infallible;

        fn file_key(&self, tap: &ClaimedTap<'_>, meta_key: usize) -> Result<Option<SdmFileReadKey>, Infallible> {
            self.0.set(self.0.get() + 1);
            assert_eq!(tap.uid() == Some(uid()), meta_key == 999, "only the right key gives the UID");
            Ok(Some(file()))
        }
    }

    let key = |number: u16| {
        let mut key = [0x5C; 16];
        key[..2].copy_from_slice(&number.to_be_bytes());
        key
    };
    let keys: [SdmMetaReadKey; 1000] = core::array::from_fn(|number| {
        let number = u16::try_from(number).unwrap();
        SdmMetaReadKey::from_bytes(if number == 999 { TAG.meta_key } else { key(number) })
    });
    let verifier = Verifier::new(&LAYOUT, keys.clone(), Counting(Cell::new(0))).unwrap();
    let text = url(&TAG, &LAYOUT, 8);
    assert_eq!(verifier.verify(&text).map(|tap| tap.ctr().get()), Ok(8));
    let opened = verifier.file_keys().0.get();
    assert!((2..20).contains(&opened), "expected the right key and a few chance matches, got {opened}");

    // A PICCData that a wrong key opens has no listed UID. It neither ends the search nor changes the verdict.
    let listed = |claimed: Uid| Ok::<_, Infallible>((claimed == uid()).then(file));
    let verifier = Verifier::new(&LAYOUT, keys.clone(), listed).unwrap();
    assert!(verifier.verify(&text).is_ok());
    let last = text.len() - 1;
    let forged = format!("{}{}", &text[..last], if text.ends_with('0') { '1' } else { '0' });
    assert_eq!(verifier.verify(&forged).map(|_| ()), Err(VerifyError::NotAuthentic.into()));
    #[cfg(feature = "alloc")]
    assert!(Verifier::new(&LAYOUT, keys.to_vec(), file()).unwrap().verify(&text).is_ok());
}

#[test]
fn an_unlisted_tag_and_a_forgery_give_different_errors() {
    let tags = HashMap::from([(uid(), file())]);
    let verifier = Verifier::new(&LAYOUT, meta(), |uid: Uid| Ok::<_, Infallible>(tags.get(&uid))).unwrap();
    assert!(verifier.verify(&url(&TAG, &LAYOUT, 1)).is_ok());
    let other = Tag { uid: [4; 7], ..TAG };
    let unlisted = verifier.verify(&url(&other, &LAYOUT, 1)).map(|_| ()).unwrap_err();
    assert_eq!(unlisted, Error::UnknownTag { uid: Some(Uid::from_bytes([4; 7])) });
    assert!(unlisted.to_string().contains("04040404040404"));
    let forged = Tag { file_key: [0xF0; 16], ..TAG };
    assert_eq!(verifier.verify(&url(&forged, &LAYOUT, 1)).map(|_| ()), Err(VerifyError::NotAuthentic.into()));
    let unopened = Tag { meta_key: [0xF1; 16], ..TAG };
    assert_eq!(verifier.verify(&url(&unopened, &LAYOUT, 1)).map(|_| ()), Err(VerifyError::NotAuthentic.into()));
}

#[test]
fn a_failing_source_rejects_the_tap() {
    let failing = |_: Uid| Err::<Option<SdmFileReadKey>, _>(suntap::Full);
    let verifier = Verifier::new(&LAYOUT, meta(), failing).unwrap();
    let mut counters = MemoryCounters::<2>::new();
    let text = url(&TAG, &LAYOUT, 1);
    let error = verifier.admit(&text, &mut counters, None).map(|_| ()).unwrap_err();
    assert_eq!(error, Error::Keys(suntap::Full));
    assert_eq!(error.source().unwrap().to_string(), suntap::Full.to_string());
    assert!(!error.to_string().contains(&suntap::Full.to_string()));

    let verifier = Verifier::new(&LAYOUT, meta(), file()).unwrap();
    for moves in [false, true] {
        let mut store = FailingCounters { counters: MemoryCounters::<2>::new(), fail: Some(moves) };
        let error = verifier.admit(&text, &mut store, None).map(|_| ()).unwrap_err();
        assert!(matches!(error, Error::Commit(CommitError::Store(Failed::Told))));
    }
    // No counter moved, so the same tap is still fresh.
    assert!(verifier.admit(&text, &mut counters, None).is_ok());
}

#[test]
fn derived_keys_verify_their_tags() {
    let admits = |result: Result<u32, Error>| assert_eq!(result, Ok(6));

    let master = || MasterKey::from_bytes([3; 16]);
    for epoch in [0, 2] {
        let keys = An10922::new(master(), b"suffix").unwrap().in_epoch(epoch);
        let key = an10922::derive_in_epoch(&master(), uid(), epoch, b"suffix").unwrap();
        let verifier = Verifier::new(&LAYOUT, meta(), keys).unwrap();
        let text = url(&with_file_key(&key), &LAYOUT, 6);
        admits(verifier.verify(&text).map(|tap| tap.ctr().get()));
    }
    assert!(An10922::new(master(), &[0; 24]).is_ok() && An10922::new(master(), &[0; 25]).is_err());

    let issuer = || IssuerKey::from_bytes([4; 16]);
    let keys = BoltCard::new(issuer(), 1);
    let meta_key = keys.meta_read_key();
    let file_key = boltcard::file_read_key(&issuer(), uid(), 1);
    let card = Tag { meta_key: *meta_key.expose_bytes(), ..with_file_key(&file_key) };
    let verifier = Verifier::new(&LAYOUT, meta_key, keys).unwrap();
    admits(verifier.verify(&url(&card, &LAYOUT, 6)).map(|tap| tap.ctr().get()));

    #[cfg(feature = "sdm-backend")]
    {
        let keys = suntap::kdf::sdm_backend::Master::standard(&[5; 16]).unwrap();
        let tag = Tag { meta_key: *keys.meta_read_key().expose_bytes(), ..with_file_key(&keys.file_read_key(uid())) };
        let verifier = Verifier::new(&LAYOUT, keys.meta_read_key(), keys).unwrap();
        admits(verifier.verify(&url(&tag, &LAYOUT, 6)).map(|tap| tap.ctr().get()));
    }
}

#[test]
fn an_ecode_gives_the_key_of_its_tag() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?k={:eCode}&e={picc:uid,ctr}&c={mac}").unwrap();
    let code = ecode::ECode::from_bytes([6; 16]);
    let secret = || ecode::ServerSecret::from_bytes([8; 16]);
    let key = ecode::derive_file_read_key(&secret(), &code, uid(), 1);
    let verifier = Verifier::new(layout.clone(), meta(), ECodeKeys::new(secret(), "eCode").in_epoch(1)).unwrap();
    let write = |text: &str| {
        let template = layout.template().replace("{:eCode}", text);
        with_file_key(&key).write(&template, &tap(5)).url
    };
    let text = code.to_text();
    let text = core::str::from_utf8(&text).unwrap();
    assert!(verifier.verify(&write(text)).is_ok());
    let other = ecode::ECode::from_bytes([7; 16]).to_text();
    let refused = verifier.verify(&write(core::str::from_utf8(&other).unwrap())).map(|_| ());
    assert_eq!(refused, Err(VerifyError::NotAuthentic.into()));
    let refused = verifier.verify(&write("none")).map(|_| ());
    assert_eq!(refused, Err(Error::UnknownTag { uid: Some(uid()) }));
}

#[test]
fn content_stays_readable() {
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/?p={picc}&t=[[{tt}&e={enc}&c={mac}").unwrap();
    let verifier = Verifier::new(layout.clone(), meta(), file()).unwrap();
    let text = url(&TAG, &layout, 5);
    let mut counters = MemoryCounters::<2>::new();
    let fresh = verifier.admit(&text, &mut counters, None).unwrap();
    let mut buffer = [0; 128];
    assert_eq!(fresh.message().file_data(&mut buffer).unwrap(), [b'x'; 16]);
    assert_eq!(fresh.message().tamper().as_ref().map(TtStatus::is_authenticated), Some(true));
}

#[test]
fn lrp_is_chosen_by_the_layout() {
    let layouts = OTHER_SCHEMES.iter().filter(|scheme| LRP && **scheme != Scheme::Suncmac);
    for scheme in layouts {
        let layout = SdmLayout::new(*scheme, LAYOUT.template()).unwrap();
        let text = Tag { lrp: true, ..TAG }.write(layout.template(), &tap(5)).url;
        let verifier = Verifier::new(layout, meta(), file()).unwrap();
        assert_eq!(verifier.verify(&text).map(|tap| tap.ctr().get()), Ok(5));
    }
}

/// A handler over an async source of keys and an async store is `Send`, so an executor may move it between threads.
#[test]
fn async_handlers_can_be_spawned() {
    type Shared = SharedCounters<MemoryCounters<2>>;

    fn spawn<F: Future + Send + 'static>(task: F) -> F::Output {
        ready(task)
    }

    async fn lookup(claimed: Uid) -> Result<Option<SdmFileReadKey>, Infallible> {
        Ok((claimed == uid()).then(file))
    }

    async fn handler(url: String, mut counters: Shared) -> bool {
        let verifier = Verifier::new_async(&LAYOUT, meta(), lookup).unwrap();
        verifier.admit_async(&url, &mut counters, None).await.is_ok()
    }

    let counters = SharedCounters::new(MemoryCounters::new());
    assert!(spawn(handler(url(&TAG, &LAYOUT, 5), counters.clone())));
    assert!(!spawn(handler(url(&TAG, &LAYOUT, 5), counters.clone())));

    // A derived or blocking source serves async callers too.
    let blocking = Verifier::new_async(&LAYOUT, meta(), Blocking(|_: Uid| Ok::<_, Infallible>(Some(file())))).unwrap();
    assert!(ready(blocking.verify_async(&url(&TAG, &LAYOUT, 6))).is_ok());
    let one = Verifier::new_async(&LAYOUT, meta(), file()).unwrap();
    let unlisted = Verifier::new_async(&LAYOUT, meta(), async |_: Uid| Ok::<Option<SdmFileReadKey>, Infallible>(None));
    assert!(ready(one.admit_async(&url(&TAG, &LAYOUT, 7), &mut counters.clone(), None)).is_ok());
    let text = url(&TAG, &LAYOUT, 7);
    let refused = ready(unlisted.unwrap().verify_async(&text)).map(|_| ());
    assert_eq!(refused, Err(Error::UnknownTag { uid: Some(uid()) }));
}

/// Builds an NDEF message of records, with its NLEN.
fn ndef_file(records: &[&[u8]]) -> Vec<u8> {
    let message = records.concat();
    [&u16::try_from(message.len()).unwrap().to_be_bytes()[..], &message].concat()
}

fn short_record(header: u8, kind: &[u8], payload: &[u8]) -> Vec<u8> {
    let lens = [header, u8::try_from(kind.len()).unwrap(), u8::try_from(payload.len()).unwrap()];
    [&lens[..], kind, payload].concat()
}

fn parsed(file: &[u8]) -> Result<(), Malformed> {
    LAYOUT.parse_ndef_file(file).map(|_| ())
}

/// Sources: NFC Forum NDEF 1.0 §3.2, URI RTD 1.0 §3.2.2.
#[test]
fn an_ndef_file_is_read_as_records() {
    let payload = [&[0x04], &URL.as_bytes()[8..]].concat();
    let record = short_record(0xD1, b"U", &payload);
    assert_eq!(parsed(&ndef_file(&[&record])), Ok(()));
    // Further records are ignored, and so are the bytes after the message.
    let first = short_record(0x91, b"U", &payload);
    let second = short_record(0x51, b"T", b"\x02enhello");
    assert_eq!(parsed(&ndef_file(&[&first, &second])), Ok(()));
    assert_eq!(parsed(&[&ndef_file(&[&record])[..], &[0xFF; 50]].concat()), Ok(()));
    // A record with an id, and one with a payload length of four bytes.
    let with_id = [&[0xD9, 1, u8::try_from(payload.len()).unwrap(), 2], &b"Uid"[..], &payload].concat();
    assert_eq!(parsed(&ndef_file(&[&with_id])), Ok(()));
    let long = [&[0xC1, 1], &u32::try_from(payload.len()).unwrap().to_be_bytes()[..], b"U", &payload].concat();
    assert_eq!(parsed(&ndef_file(&[&long])), Ok(()));
    // The whole URL without abbreviation.
    let whole = short_record(0xD1, b"U", &[&[0x00], URL.as_bytes()].concat());
    assert_eq!(parsed(&ndef_file(&[&whole])), Ok(()));

    // Every truncated file is an error, and so is every length that points past the end.
    let file = ndef_file(&[&record]);
    for len in 0..file.len() {
        assert_eq!(parsed(&file[..len]), Err(Malformed::NdefLength), "{len} bytes");
    }
    for (at, more) in [(1, 1), (3, 200), (4, 1), (4, 180)] {
        let mut wrong = file.clone();
        wrong[at] += more;
        assert_eq!(parsed(&wrong), Err(Malformed::NdefLength), "byte {at}");
    }
    let long = [&[0xC1, 1], &u32::MAX.to_be_bytes()[..], b"U", &payload].concat();
    assert_eq!(parsed(&ndef_file(&[&long])), Err(Malformed::NdefLength));

    let not_uri = [
        ndef_file(&[]),
        ndef_file(&[&short_record(0xD1, b"T", &payload)]),
        ndef_file(&[&short_record(0xD1, b"Sp", &payload)]),
        ndef_file(&[&short_record(0xD2, b"U", &payload)]), // a media type
        ndef_file(&[&short_record(0xF1, b"U", &payload)]), // the first chunk of several
        ndef_file(&[&short_record(0x51, b"U", &payload)]), // not the beginning of a message
        ndef_file(&[&short_record(0xD0, b"", b"")]),       // an empty record
    ];
    for file in not_uri {
        assert_eq!(parsed(&file), Err(Malformed::NdefRecord), "{file:02x?}");
    }
    assert_eq!(parsed(&ndef_file(&[&short_record(0xD1, b"U", b"")])), Err(Malformed::NdefLength));
    for code in [0x05, 0x23, 0xFF] {
        let record = short_record(0xD1, b"U", &[&[code], &payload[1..]].concat());
        assert_eq!(parsed(&ndef_file(&[&record])), Err(Malformed::NdefPrefix));
    }
    for (code, at) in [(0x03, 4), (0x01, 4), (0x02, 8), (0x00, 0)] {
        let record = short_record(0xD1, b"U", &[&[code], &payload[1..]].concat());
        assert_eq!(parsed(&ndef_file(&[&record])), Err(Malformed::StaticText { at }), "code {code}");
    }
    let record = short_record(0xD1, b"U", b"\x04ntag.nxp.com/424?e=");
    assert_eq!(parsed(&ndef_file(&[&record])), Err(Malformed::Missing(Field::PiccData)));
    // The offset counts the whole URL, even if a prefix is abbreviated.
    let wrong_path = [&[0x04], URL.replace("/424", "/425").as_bytes().get(8..).unwrap()].concat();
    let record = short_record(0xD1, b"U", &wrong_path);
    let at = URL.find("/424").unwrap() + 3;
    assert_eq!(parsed(&ndef_file(&[&record])), Err(Malformed::StaticText { at }));
}

proptest::proptest! {
    /// No file makes the parser panic, and a file that parses gives the URL that it holds.
    #[test]
    fn any_ndef_file_is_parsed_or_refused(file: Vec<u8>, at in 0_usize..80, byte: u8) {
        let _ = parsed(&file);
        let payload = [&[0x04], &URL.as_bytes()[8..]].concat();
        let mut changed = ndef_file(&[&short_record(0xD1, b"U", &payload)]);
        if let Some(place) = changed.get_mut(at) {
            *place = byte;
        }
        let _ = parsed(&changed);
    }
}
