//! Properties of the public types: they can cross threads, wipe secrets, print no secret, and every error has a text.

use core::fmt::Debug;

use suntap::diagnose::{Assumptions, GivenKey, Role, diagnose};
use suntap::emulator::EmulatedTag;
use suntap::kdf::boltcard;
use suntap::kdf::ecode::{ECode, SealedKeys, ServerSecret};
use suntap::kdf::sdm_backend::Master;
use suntap::lrp::Lrp;
use suntap::platform::{
    ApiKeySecret, Caller, Failure, FileKey, Keys, MetaKey, Record, Request, Service, TagRef, Verdict, etrnl::Etrnl,
    ixkio::Ixkio,
};
use suntap::sun::session::{EncKey, MacKey};
use suntap::token::TokenKey;
use suntap::{
    An10922, ApplicationKey, Blocking, BoltCard, ClaimedTap, CommitError, CounterId, CounterTagLayout, ECodeKeys,
    Error, FreshTap, IssuerKey, MasterKey, MemoryCounters, Mirrors, PreparedFileReadKey, PreparedMetaReadKey,
    Presented, ReplayableTap, Scheme, SdmFileReadKey, SdmLayout, SdmMac, SdmMetaReadKey, SunMessage, TagTexts, Uid,
    UnverifiedTap, VerifiedTap, Verifier,
};

#[test]
fn values_cross_threads() {
    fn crosses<T: Send + Sync + Unpin>() {}
    crosses::<SdmLayout>();
    crosses::<UnverifiedTap<'_>>();
    crosses::<ClaimedTap<'_>>();
    crosses::<VerifiedTap<'_>>();
    crosses::<FreshTap<'_>>();
    crosses::<ReplayableTap<'_>>();
    crosses::<SunMessage<'_>>();
    crosses::<PreparedMetaReadKey>();
    crosses::<PreparedFileReadKey>();
    crosses::<MasterKey>();
    crosses::<MemoryCounters<2>>();
    crosses::<Blocking<MemoryCounters<2>>>();
    crosses::<Error<suntap::Full>>();
    crosses::<CommitError<suntap::Full>>();
    crosses::<Record<'_>>();
    crosses::<Request<'_>>();
    crosses::<Service<'_>>();
    crosses::<Verdict>();
    crosses::<Ixkio<'_>>();
    crosses::<Etrnl<'_>>();
    crosses::<EmulatedTag>();
}

/// These types implement `ZeroizeOnDrop`. A type that contains one of them wipes the key through this field.
#[test]
fn secrets_are_zeroized_on_drop() {
    fn wipes<T: zeroize::ZeroizeOnDrop>() {}
    wipes::<MasterKey>();
    wipes::<SdmMetaReadKey>();
    wipes::<SdmFileReadKey>();
    wipes::<MacKey>();
    wipes::<EncKey>();
    wipes::<PreparedMetaReadKey>();
    wipes::<PreparedFileReadKey>();
    wipes::<Lrp>();
    wipes::<IssuerKey>();
    wipes::<ApplicationKey>();
    wipes::<ServerSecret>();
    wipes::<ApiKeySecret>();
    wipes::<ECode>();
    wipes::<Master>();
    wipes::<TokenKey>();
}

#[test]
fn keys_are_equal_only_if_every_bit_is() {
    let key = [0x5A; 16];
    assert_eq!(SdmFileReadKey::from_bytes(key), SdmFileReadKey::from_bytes(key));
    for bit in 0..128 {
        let mut other = key;
        other[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(SdmFileReadKey::from_bytes(other), SdmFileReadKey::from_bytes(key), "bit {bit}");
    }
}

/// The `Debug` output of a type that holds a key is its name and contains nothing that was computed from the key.
#[test]
fn debug_of_keys_is_their_name() {
    const SECRET: [u8; 16] = [0xA7; 16];
    let assert_debug = |value: &dyn Debug, text: &str| assert_eq!(format!("{value:?}"), text);
    assert_debug(&MasterKey::from_bytes(SECRET), "MasterKey(secret)");
    assert_debug(&IssuerKey::from_bytes(SECRET), "IssuerKey(secret)");
    assert_debug(&ApplicationKey::from_bytes(SECRET), "ApplicationKey(secret)");
    assert_debug(&ServerSecret::from_bytes(SECRET), "ServerSecret(secret)");
    assert_debug(&ApiKeySecret::from_bytes(SECRET), "ApiKeySecret(secret)");
    assert_debug(&ECode::from_bytes(SECRET), "ECode(secret)");
    assert_debug(&SealedKeys::from_bytes([0xA7; 64]), "SealedKeys(..)");
    assert_debug(&Lrp::new(&SECRET, 0), "Lrp(secret)");
    let (meta, file) = (SdmMetaReadKey::from_bytes(SECRET), SdmFileReadKey::from_bytes(SECRET));
    assert_debug(&meta, "SdmMetaReadKey(secret)");
    assert_debug(&file, "SdmFileReadKey(secret)");
    for mode in [Scheme::Aes, Scheme::Lrp] {
        assert_debug(&meta.prepare(mode), "PreparedMetaReadKey(secret)");
        assert_debug(&file.prepare(mode), "PreparedFileReadKey(secret)");
        let suite = if mode == Scheme::Aes { "Aes" } else { "Lrp(Enabled)" };
        let text = format!("Key {{ suite: {suite}, secret: SessionSecret(secret) }}");
        assert_debug(&MacKey::from_secret(mode, SECRET).unwrap(), &format!("Mac{text}"));
        assert_debug(&EncKey::from_secret(mode, SECRET).unwrap(), &format!("Enc{text}"));
    }
    let master = Master::legacy(&SECRET).unwrap();
    assert_debug(&master, "Master { derivation: Legacy, .. }");
    assert_debug(&FileKey::Plain(&file), "Plain(SdmFileReadKey(secret))");
    let keys = Keys::Loaded { meta: Some(MetaKey::Plain(&meta)), file: FileKey::Plain(&file) };
    assert_debug(&keys, "Loaded { meta: Some(Plain(SdmMetaReadKey(secret))), file: Plain(SdmFileReadKey(secret)) }");
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{picc}/{mac}").unwrap();
    let tag = EmulatedTag::new(&layout, &TagTexts::default(), meta, file, Uid::from_bytes([4; 7])).unwrap();
    let text = format!("EmulatedTag {{ layout: {layout:?}, uid: Uid(04040404040404), ctr: SdmReadCtr(0), .. }}");
    assert_debug(&tag, &text);
}

/// No byte of a key or of a MAC is printed, in any base.
#[test]
fn debug_shows_no_secret() {
    const SECRET: [u8; 16] = [0xA7; 16];
    let hides = |value: &dyn Debug| {
        let text = format!("{value:?} {value:#?}").to_lowercase();
        assert!(!text.contains("a7") && !text.contains("167"), "{text}");
        assert!(text.trim().len() > 5, "the output is not empty");
    };
    hides(&Service::new(&[ServerSecret::from_bytes(SECRET)]));
    hides(&SealedKeys::from_bytes([0xA7; 64]));
    hides(&ECode::parse("a7a7a7").unwrap_err());
    hides(&SdmMac::from_bytes([0xA7; 8]));
    hides(&MasterKey::from_hex("A7A7A7A7A7A7A7A7A7A7A7A7A7A7A7AZ").unwrap_err());
    hides(&MasterKey::from_hex("A7A7A7").unwrap_err());
    let digits = "A7".repeat(16);
    let mirrors = Mirrors { picc_data: Some(&digits), mac: Some(&digits[..16]), ..Mirrors::default() };
    hides(&mirrors);
    hides(&Mirrors { picc_data: Some(&digits), enc_mac: Some(&digits), ..Mirrors::default() });
    hides(&Request {
        tag: TagRef::Captured { name: "eCode", text: &digits },
        caller: Caller::Anyone,
        tap: Presented::OriginForm("/t?e=A7A7"),
        at: None,
    });
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{picc}/{mac}").unwrap();
    hides(&layout.assemble(&mirrors).unwrap());
}

/// Every error has a readable text. A cause is in the text or is the source, never both.
#[test]
fn every_error_has_a_text() {
    let stored = suntap::Mark { ctr: suntap::SdmReadCtr::MAX, at: None, taps: 1 };
    for failure in [Failure::Registry(suntap::Full), Failure::Counters(suntap::Full)] {
        let source = std::error::Error::source(&failure).unwrap().to_string();
        assert!(!failure.to_string().contains(&source), "{failure}");
    }
    let settings = suntap::SettingsError::Layout(suntap::LayoutError::NoMac);
    assert_eq!(settings.to_string(), suntap::LayoutError::NoMac.to_string());
    assert!(std::error::Error::source(&settings).is_none(), "its text is already the text of the cause");
    assert!(std::error::Error::source(&suntap::SettingsError::Shape).is_none());
    let store = CommitError::Store(suntap::Full);
    let source = std::error::Error::source(&store).unwrap().to_string();
    assert!(!store.to_string().contains(&source), "{store}");
    let error: Error<suntap::Full> = Error::Commit(store);
    assert_eq!(error.to_string(), store.to_string());
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), source);
    assert!(std::error::Error::source(&CommitError::<suntap::Full>::Replayed { ctr: stored.ctr, stored }).is_none());
    assert_eq!(suntap::Field::SdmMac.to_string(), "SDMMAC");
    let rules = suntap::platform::Unfit::Rules(suntap::platform::rules::RulesError::EmptyGroup);
    assert_eq!(rules.to_string(), suntap::platform::rules::RulesError::EmptyGroup.to_string());
    assert!(std::error::Error::source(&rules).is_none(), "its text is already the text of the cause");
    let errors: &[&dyn std::error::Error] = &[
        &suntap::Malformed::Trailing,
        &suntap::VerifyError::NotAuthentic,
        &suntap::ParseError::HexDigit,
        &suntap::Full,
        &suntap::LayoutError::NoMac,
        &suntap::SettingsError::Shape,
        &suntap::kdf::ecode::SealBroken,
        &suntap::emulator::ReadLimit,
        &suntap::platform::rules::RulesError::EmptyGroup,
        &suntap::platform::Unfit::KeysNotLoaded,
        &suntap::platform::Refusal::OtherUid,
        &Failure::<suntap::Full, suntap::Full>::Registry(suntap::Full),
        &CommitError::<suntap::Full>::Replayed { ctr: stored.ctr, stored },
        &Error::<suntap::Full>::Commit(CommitError::Store(suntap::Full)),
    ];
    for error in errors {
        assert!(error.to_string().len() > 10, "{error:?}");
    }
}

/// The `Debug` output of names, ids and layouts shows them.
#[test]
fn debug_shows_names() {
    assert!(format!("{:?}", TagRef::Number(1007)).contains("1007"));
    assert!(format!("{:?}", TagRef::Xuid("q8w3sbcz")).contains("q8w3sbcz"));
    let layout = SdmLayout::new(Scheme::Aes, "https://a.b/{picc}/{mac}").unwrap();
    assert!(format!("{layout:?}").contains("https://a.b/{picc}/{mac}"));
    let mirrors = Mirrors::default();
    let presented = [Presented::Url("x"), Presented::OriginForm("x"), Presented::Mirrors(&mirrors)];
    assert_eq!(format!("{presented:?}"), "[Url(..), OriginForm(..), Mirrors(..)]");
    assert!(format!("{:?}", CounterId::from_bytes([0x5A; 16])).to_lowercase().contains("5a5a"));
    let card = boltcard::card_id(&IssuerKey::from_bytes([1; 16]), Uid::from_bytes([4; 7]));
    assert_ne!(card, [0; 16]);
    let name = ApiKeySecret::from_bytes([1; 16]).key_name(b"pk_live");
    let digits = base16ct::upper::encode_string(name.as_bytes());
    assert_eq!(format!("{name:?}"), format!("ApiKeyName({digits})"));
    let meta = SdmMetaReadKey::FACTORY;
    let mut tag =
        EmulatedTag::new(&layout, &TagTexts::default(), meta, SdmFileReadKey::FACTORY, Uid::from_bytes([4; 7]))
            .unwrap();
    let url = tag.tap().unwrap();
    assert_eq!(format!("{url:?}"), format!("{:?}", &*url));
    let key = [GivenKey { name: "mine", key: &[0; 16], role: Role::Meta }];
    let assumptions = Assumptions { keys: &key, ..Assumptions::about(&url) };
    assert_eq!(format!("{assumptions:?}"), "Assumptions { keys: [GivenKey { name: \"mine\", role: Meta, .. }], .. }");
    let diagnosis = diagnose(&assumptions);
    let explanation = diagnosis.explanation.as_ref().unwrap();
    assert_eq!(
        format!("{explanation:?}"),
        format!(
            "Explanation {{ layout: {:?}, meta_key: Some(Given(\"mine\")), file_key: Some(Given(\"mine\")), uid: \
             Some(Uid(04040404040404)), ctr: Some(SdmReadCtr(1)), .. }}",
            explanation.layout
        )
    );
    let contents = "Contents { is_proven: false, uid: Some(Uid(04040404040404)), ctr: Some(SdmReadCtr(1)), .. }";
    let text =
        format!("explanation: Some({explanation:?}), contents: Some({contents}), tried: {}, .. }}", diagnosis.tried);
    assert!(format!("{diagnosis:?}").ends_with(&text), "{diagnosis:?}");
    let derived = An10922::new(MasterKey::from_bytes([1; 16]), b"x").unwrap().in_epoch(2);
    assert_eq!(format!("{derived:?}"), "An10922 { epoch: 2, .. }");
    let derived = BoltCard::new(IssuerKey::from_bytes([1; 16]), 3);
    assert_eq!(format!("{derived:?}"), "BoltCard { version: 3, .. }");
    let derived = ECodeKeys::new(ServerSecret::from_bytes([1; 16]), "eCode").in_epoch(4);
    assert_eq!(format!("{derived:?}"), "ECodeKeys { epoch: 4, .. }");
    let verifier = Verifier::new(&layout, SdmMetaReadKey::FACTORY, SdmFileReadKey::FACTORY).unwrap();
    assert_eq!(format!("{verifier:?}"), format!("Verifier {{ layout: {:?}, .. }}", &layout));
    let layout = CounterTagLayout::new("https://a.b/{uid}/{ctr}").unwrap();
    let tap = layout.parse("https://a.b/04112233445566/000007").unwrap();
    assert_eq!(format!("{tap:?}"), "UnverifiableTap { uid: Some(Uid(04112233445566)), ctr: Some(SdmReadCtr(7)), .. }");
}

/// The `Debug` output of a verified tap shows its tag, but nothing that could be replayed.
#[test]
fn debug_of_a_verified_tap_names_the_tag() {
    let layout = SdmLayout::new(Scheme::Aes, "https://ntag.nxp.com/424?e={picc}&c={mac}").unwrap();
    let url = "https://ntag.nxp.com/424?e=EF963FF7828658A599F3041510671E88&c=94EED9EE65337086";
    let claimed = layout.parse(url).unwrap().open(&SdmMetaReadKey::FACTORY.prepare(Scheme::Aes)).unwrap();
    assert_eq!(format!("{claimed:?}"), "ClaimedTap { .. }");
    let verified = claimed.verify(&SdmFileReadKey::FACTORY.prepare(Scheme::Aes)).unwrap();
    assert!(format!("{verified:?}").contains("04DE5F1EACC040"));
    let fresh = verified.commit(&mut MemoryCounters::<2>::new(), None).unwrap();
    let text = format!("{fresh:?}");
    assert!(text.contains("04DE5F1EACC040") && text.contains("61"), "{text}");
    assert!(!text.contains("94EE") && !text.contains("EF96"), "{text}");
}
