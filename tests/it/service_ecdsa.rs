//! `Service` with records of tags that sign their taps. The recorded taps are those of `ecdsa.rs`.

use core::convert::Infallible;

use serde_json::{Value, from_str};
use suntap::emulator::{EmulatedTag, TagPrivateKey};
use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret, TagContext};
use suntap::platform::{
    Caller, Chip, FileKey, Keys, MetaKey, OrganisationId, Record, Refusal, Request, Service, TagRef, TagRegistry,
    Unfit, UnnamedRequest, Verdict, etrnl, ixkio,
};
use suntap::{
    MemoryCounters, Mirrors, Presented, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey, SdmReadCtr, TagPublicKey,
    TagTexts, Uid, sdm_layout,
};
use suntap_testkit::registry::{API_KEYS, Row, RowKeys, Tags};

static PLAIN: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?m=[[{uid}&c={ctr}&s={sig}");
static PICC: SdmLayout = sdm_layout!(Scheme::Ecdsa, "https://ntag.nxp.com/xdna?v=[[EE&e={picc:uid,ctr}&s={sig}");
static MAC: SdmLayout = sdm_layout!("https://ntag.nxp.com/xdna?m={uid}&c={ctr}&s={mac}");
static META: SdmMetaReadKey = SdmMetaReadKey::FACTORY;
static FILE: SdmFileReadKey = SdmFileReadKey::FACTORY;

fn recorded(index: usize, name: &str) -> String {
    let file: Value = from_str(include_str!("../vectors/xdna-vectors.json")).unwrap();
    file["taps"][index][name].as_str().unwrap().to_owned()
}

fn recorded_key() -> TagPublicKey {
    recorded(0, "public_key").parse().unwrap()
}

fn uid() -> Uid {
    Uid::from_hex("04260471C88990").unwrap()
}

fn record<'r>(layout: &'r SdmLayout, keys: Keys<'r>) -> Record<'r> {
    let chip = Some(Chip { layout, keys, tamper: false, counter: None });
    Record { uid: Some(uid()), chip, ..Record::new(OrganisationId::new(1)) }
}

fn signing<'r>(public: &'r TagPublicKey, meta: Option<&'r SdmMetaReadKey>) -> Keys<'r> {
    Keys::Signing { meta: meta.map(MetaKey::Plain), public }
}

/// A registry that has this record for every tag, and as the first one with every claimed UID.
struct Just<'r>(Record<'r>);

impl<'r> TagRegistry for Just<'r> {
    type Record = Record<'r>;
    type Error = Infallible;

    fn find(&self, tag: TagRef<'_>) -> Result<Option<Record<'r>>, Infallible> {
        Ok((!matches!(tag, TagRef::ClaimedUid { nth: 1.., .. })).then_some(self.0))
    }
}

type Counters = MemoryCounters<8>;

fn verify(record: &Record<'_>, counters: &mut Counters, tap: Presented<'_>) -> Verdict {
    let request = Request { tag: TagRef::Number(7), caller: Caller::Anyone, tap, at: None };
    Service::new(&[]).verify(Just(*record), counters, request, |outcome| outcome.verdict).unwrap()
}

fn unnamed(record: &Record<'_>, counters: &mut Counters, tap: (&SdmLayout, &str), keys: &[SdmMetaReadKey]) -> Verdict {
    let meta_keys: Vec<_> = keys.iter().map(|key| key.prepare(Scheme::Ecdsa)).collect();
    let tap = tap.0.parse(tap.1).unwrap();
    let request = UnnamedRequest { tap, meta_keys: &meta_keys, caller: Caller::Anyone, at: None };
    Service::new(&[]).verify_unnamed(Just(*record), counters, request, |outcome| outcome.verdict).unwrap()
}

fn ctr(verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Fresh(accepted) => accepted.tap.ctr.get(),
        Verdict::Refused(refusal) => panic!("{refusal}"),
    }
}

fn is_replay(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Refused(Refusal::Replayed { .. }))
}

#[test]
fn recorded_taps_are_accepted_once() {
    let (key, mut counters) = (recorded_key(), Counters::new());
    let (plain, picc) = (record(&PLAIN, signing(&key, None)), record(&PICC, signing(&key, Some(&META))));
    let urls = [recorded(0, "url"), recorded(1, "url")];
    assert_eq!(ctr(verify(&picc, &mut counters, Presented::Url(&urls[1]))), 224);
    assert_eq!(ctr(verify(&plain, &mut counters, Presented::Url(&urls[0]))), 226);
    assert!(is_replay(verify(&plain, &mut counters, Presented::Url(&urls[0]))));
    assert!(is_replay(verify(&picc, &mut counters, Presented::Url(&urls[1]))));
    // A request that does not name the tag uses the same counter.
    assert!(is_replay(unnamed(&plain, &mut counters, (&PLAIN, &urls[0]), &[])));
    assert_eq!(Service::new(&[]).counter(&plain), Some(key.counter_id(plain.uid)));

    // The UID can come from the record.
    let (text, signature) = urls[0].split_at(urls[0].len() - 128);
    let ctr_text = text.strip_suffix("&s=").and_then(|text| text.rsplit_once('=')).unwrap().1;
    let mirrors = Mirrors { ctr: Some(ctr_text), enc_mac: Some(signature), ..Mirrors::default() };
    assert_eq!(ctr(verify(&plain, &mut Counters::new(), Presented::Mirrors(&mirrors))), 226);
    let changed = mirrors.enc_mac.map(|text| text.replacen('3', "4", 1)).unwrap();
    let forged = Mirrors { enc_mac: Some(&changed), ..mirrors };
    let verdict = verify(&plain, &mut Counters::new(), Presented::Mirrors(&forged));
    assert_eq!(verdict, Verdict::Refused(Refusal::NotAuthentic));
}

#[test]
fn emulated_taps_are_accepted_once() {
    let [own, other] = [7, 8].map(|byte| TagPrivateKey::from_bytes([byte; 32]).unwrap());
    let public = [own.public_key(), other.public_key()];
    for (layout, meta) in [(&PLAIN, None), (&PICC, Some(&META))] {
        let texts = TagTexts::default();
        let mut tag = EmulatedTag::new_signing(layout, &texts, META.clone(), FILE.clone(), own.clone(), uid()).unwrap();
        let mut counters = Counters::new();
        let tag_record = record(layout, signing(&public[0], meta));
        let mut tap = |record: Record<'_>, url: &str| verify(&record, &mut counters, Presented::Url(url));
        let [first, second] = [(); 2].map(|()| tag.tap().unwrap());
        let foreign = Record { chip: record(layout, signing(&public[1], meta)).chip, ..tag_record };
        assert_eq!(tap(foreign, &first), Verdict::Refused(Refusal::NotAuthentic));
        let other_uid = Record { uid: Some(Uid::from_bytes([4; 7])), ..tag_record };
        assert_eq!(tap(other_uid, &first), Verdict::Refused(Refusal::OtherUid));
        assert_eq!(ctr(tap(tag_record, &second)), 2);
        assert!(is_replay(tap(tag_record, &second)));
        assert!(is_replay(tap(tag_record, &first)));
    }
}

#[test]
fn keys_of_the_wrong_kind_are_refused() {
    let (key, mut counters) = (recorded_key(), Counters::new());
    let url = recorded(0, "url");
    let mut refused = |record: Record<'_>, url: &str, refusal| {
        assert_eq!(verify(&record, &mut counters, Presented::Url(url)), Verdict::Refused(refusal));
        assert_eq!(Service::new(&[]).counter(&record), None);
    };
    for scheme in [Scheme::Aes, Scheme::Ecdsa] {
        let prepared = FILE.prepare(scheme);
        let held = Keys::Loaded { meta: None, file: FileKey::Prepared(&prepared) };
        refused(record(&PLAIN, held), &url, Refusal::WrongScheme);
    }
    let held = Keys::Loaded { meta: None, file: FileKey::Plain(&FILE) };
    refused(record(&PLAIN, held), &url, Refusal::WrongScheme);
    let mac = "https://ntag.nxp.com/xdna?m=04260471C88990&c=0000E2&s=0123456789ABCDEF";
    refused(record(&MAC, signing(&key, None)), mac, Refusal::WrongScheme);

    // Sealed keys are AES keys.
    let (secret, code) = (ServerSecret::from_bytes([1; 16]), ECode::from_bytes([2; 16]));
    let tag = TagContext { tag_id: 7, uid: uid(), epoch: 0 };
    let sealed = SealedKeys::seal(&secret, &code, &tag, &META, &FILE);
    let code = code.to_text();
    let captured = [("eCode", str::from_utf8(&code).unwrap())];
    let mirrors =
        Mirrors { ctr: Some("0000E2"), mac: Some(&url[url.len() - 128..]), captured: &captured, ..Mirrors::default() };
    let request =
        || Request { tag: TagRef::Number(7), caller: Caller::Anyone, tap: Presented::Mirrors(&mirrors), at: None };
    let secrets = [secret];
    for keys in [Keys::Sealed { keys: &sealed, tag }, Keys::ECode { epoch: 0 }] {
        let registry = Just(record(&PLAIN, keys));
        let verdict = Service::new(&secrets).verify(registry, &mut counters, request(), |outcome| outcome.verdict);
        assert_eq!(verdict, Ok(Verdict::Refused(Refusal::WrongScheme)));
    }
}

/// A signature covers the encrypted PICCData. The record says which key decrypts it.
#[test]
fn picc_data_is_opened_with_the_key_of_the_record() {
    let (key, url, wrong) = (recorded_key(), recorded(1, "url"), SdmMetaReadKey::from_bytes([1; 16]));
    let both = [wrong.clone(), META.clone()];
    let whole = record(&PICC, signing(&key, Some(&META)));
    let ask = |record: Record<'_>, keys: &[SdmMetaReadKey]| unnamed(&record, &mut Counters::new(), (&PICC, &url), keys);
    assert_eq!(ctr(ask(whole, &both)), 224);
    assert_eq!(ctr(ask(whole, &both[1..])), 224);
    assert_eq!(ask(whole, &both[..1]), Verdict::Refused(Refusal::UnknownTag));
    assert_eq!(ask(record(&PICC, signing(&key, None)), &both), Verdict::Refused(Refusal::NoKeys));
    assert_eq!(ask(record(&PICC, signing(&key, Some(&wrong))), &both), Verdict::Refused(Refusal::NotOpened));

    // A wrong key in the request opens this tap, by chance, to another UID or counter. It is not believed.
    let chance = (1u32..100_000)
        .map(|number| SdmMetaReadKey::from_bytes(u128::from(number).to_be_bytes()))
        .find(|key| PICC.parse(&url).unwrap().open(key).is_ok_and(|tap| tap.ctr() != SdmReadCtr::new(224)))
        .unwrap();
    let claimed = PICC.parse(&url).unwrap().open(&chance).unwrap();
    assert!(claimed.verify(&key).is_ok(), "the signature verifies with the wrong UID and counter");
    assert_eq!(ctr(ask(whole, std::slice::from_ref(&chance))), 224, "the values are those of the right key");
    let foreign = Record { uid: PICC.parse(&url).unwrap().open(&chance).unwrap().uid(), ..whole };
    assert_eq!(ask(foreign, &[chance]), Verdict::Refused(Refusal::OtherUid));

    // Named requests need the key as well.
    for (keys, refusal) in [(signing(&key, None), Refusal::NoKeys), (signing(&key, Some(&wrong)), Refusal::NotOpened)] {
        let verdict = verify(&record(&PICC, keys), &mut Counters::new(), Presented::Url(&url));
        assert_eq!(verdict, Verdict::Refused(refusal));
    }
}

/// Both wire formats can carry a signature.
#[test]
fn wire_formats_carry_signatures() {
    let row = |layout: &SdmLayout, meta| Row {
        number: Some(7),
        xuid: Some("7".into()),
        uid: Some(uid()),
        layout: Some(layout.clone()),
        keys: RowKeys::Signing { meta, public: recorded_key() },
        ..Row::new(1)
    };
    let service = Service::new(&[]);
    let signature = |index| recorded(index, "url").split_off(recorded(index, "url").len() - 128);

    let etrnl_row = row(&PICC, Some(META.clone()));
    assert_eq!(etrnl::check(&etrnl_row), Ok(()));
    let body =
        format!(r#"{{"tagId":7,"enc":"5806162E9BE184312C40ACB25D267791","cmac":"{}","eCode":""}}"#, signature(1));
    let (tags, mut counters) =
        (Tags { rows: vec![etrnl_row], ..Tags::default() }.with_api_key("key", 1), Counters::new());
    let mut is_fresh = || {
        let answer =
            etrnl::Etrnl::new(service, &API_KEYS).answer(Some(b"key"), body.as_bytes(), &tags, &mut counters, None);
        matches!(answer.verdict, Some(Ok(Verdict::Fresh(_))))
    };
    assert_eq!([is_fresh(), is_fresh()], [true, false]);

    let ixkio_row = row(&PLAIN, None);
    assert_eq!((ixkio::check(&ixkio_row), etrnl::check(&row(&PICC, None))), (Ok(()), Err(Unfit::NoMetaKey)));
    let query = format!("x=7&n=0000E2&e={}", signature(0));
    let (tags, mut counters) = (Tags { rows: vec![ixkio_row], ..Tags::default() }, Counters::new());
    let mut is_fresh = || {
        let answer = ixkio::Ixkio::new(service, &[]).answer(&query, &tags, &mut counters, None);
        matches!(answer.verdict, Some(Ok(Verdict::Fresh(_))))
    };
    assert_eq!([is_fresh(), is_fresh()], [true, false]);

    let held = || RowKeys::Held { meta: Some(META.clone()), file: FILE.clone() };
    assert_eq!(ixkio::check(&Row { keys: held(), ..row(&PLAIN, None) }), Err(Unfit::WrongScheme));
    assert_eq!(ixkio::check(&row(&MAC, None)), Err(Unfit::WrongScheme));
}
