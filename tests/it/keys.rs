//! Derived and sealed keys, and counter ids that follow the key.

use proptest::prelude::*;
use serde_json::Value;
use suntap::kdf::ecode::{self, ECode, SealBroken, SealedKeys, ServerSecret, TagContext};
use suntap::kdf::{an10922, boltcard};
use suntap::{
    CommitError, IssuerKey, MasterKey, MemoryCounters, ParseError, Scheme, SdmFileReadKey, SdmLayout, SdmMetaReadKey,
    SdmReadCtr, Uid, VerifiedTap, VerifyError,
};
use suntap_testkit::{Tag, Tap};

/// The vectors are our own. `tests/checks/independent/ecode.py` generates and checks them.
#[test]
fn ecode_vectors() {
    let file: Value = serde_json::from_str(include_str!("../vectors/ecode.json")).unwrap();
    let entries = file["ecode"].as_array().unwrap();
    assert!(entries.len() > 10);
    for entry in entries {
        let text = |name: &str| entry[name].as_str().unwrap();
        let key = |name: &str| <[u8; 16]>::try_from(base16ct::mixed::decode_vec(text(name)).unwrap()).unwrap();
        let secret = ServerSecret::from_bytes(key("secret"));
        let code = ECode::from_bytes(key("ecode"));
        let tag = TagContext {
            tag_id: entry["tag_id"].as_u64().unwrap(),
            uid: Uid::from_hex(text("uid")).unwrap(),
            epoch: entry["epoch"].as_u64().unwrap().try_into().unwrap(),
        };
        let keys = (SdmMetaReadKey::from_bytes(key("meta_key")), SdmFileReadKey::from_bytes(key("file_key")));
        let sealed = SealedKeys::seal(&secret, &code, &tag, &keys.0, &keys.1);
        assert_eq!(base16ct::lower::encode_string(sealed.as_bytes()), text("sealed"));
        assert_eq!(sealed.unseal(&secret, &code, &tag), Ok(keys));
        assert_eq!(str::from_utf8(&code.to_text()), Ok(text("text")));
        assert_eq!(ECode::parse(text("text")).as_ref(), Ok(&code));
        let derived = ecode::derive_meta_read_key(&secret, &code, tag.uid, tag.epoch);
        assert_eq!(derived.expose_bytes(), &key("derived_meta_key"));
        let derived = ecode::derive_file_read_key(&secret, &code, tag.uid, tag.epoch);
        assert_eq!(derived.expose_bytes(), &key("derived_file_key"));
    }
}

fn context() -> impl Strategy<Value = TagContext> {
    (any::<u64>(), any::<[u8; 7]>(), any::<u32>()).prop_map(|(tag_id, uid, epoch)| TagContext {
        tag_id,
        uid: Uid::from_bytes(uid),
        epoch,
    })
}

proptest! {
    #[test]
    fn sealed_keys_open_only_with_the_same_inputs(
        secret: [u8; 16], code: [u8; 16], meta: [u8; 16], file: [u8; 16], tag in context(), bit in 0usize..512,
    ) {
        let flip = |mut bytes: [u8; 16]| {
            bytes[bit % 128 / 8] ^= 1 << (bit % 8);
            bytes
        };
        let keys = (SdmMetaReadKey::from_bytes(meta), SdmFileReadKey::from_bytes(file));
        let (secret, other_secret) = (ServerSecret::from_bytes(secret), ServerSecret::from_bytes(flip(secret)));
        let (code, other_code) = (ECode::from_bytes(code), ECode::from_bytes(flip(code)));
        let sealed = SealedKeys::seal(&secret, &code, &tag, &keys.0, &keys.1);
        prop_assert_eq!(sealed.unseal(&secret, &code, &tag), Ok(keys.clone()));

        prop_assert_eq!(sealed.unseal(&other_secret, &code, &tag), Err(SealBroken));
        prop_assert_eq!(sealed.unseal(&secret, &other_code, &tag), Err(SealBroken));
        let mut uid = *tag.uid.as_bytes();
        uid[bit % 7] ^= 1;
        for other in [
            TagContext { tag_id: tag.tag_id ^ 1 << (bit % 64), ..tag },
            TagContext { uid: Uid::from_bytes(uid), ..tag },
            TagContext { epoch: tag.epoch ^ 1 << (bit % 32), ..tag },
        ] {
            prop_assert_eq!(sealed.unseal(&secret, &code, &other), Err(SealBroken));
            prop_assert_eq!(sealed.rewrap(&secret, &other_secret, &other), Err(SealBroken));
        }
        let mut bytes = *sealed.as_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert_eq!(SealedKeys::from_bytes(bytes).unseal(&secret, &code, &tag), Err(SealBroken));

        // After a rewrap, the new server secret opens the same keys with the same eCode, and the old secret does not.
        let rewrapped = sealed.rewrap(&secret, &other_secret, &tag).unwrap();
        prop_assert_eq!(rewrapped.unseal(&other_secret, &code, &tag), Ok(keys.clone()));
        prop_assert_eq!(rewrapped.unseal(&secret, &code, &tag), Err(SealBroken));
        prop_assert_eq!(sealed.rewrap(&other_secret, &secret, &tag), Err(SealBroken));
        prop_assert_eq!(rewrapped, SealedKeys::seal(&other_secret, &code, &tag, &keys.0, &keys.1));
    }

    #[test]
    fn ecode_text_round_trips_in_either_case(bytes: [u8; 16], place in 0usize..26, byte: u8) {
        let code = ECode::from_bytes(bytes);
        let text = String::from_utf8(code.to_text().to_vec()).unwrap();
        prop_assert_eq!(ECode::parse(&text), Ok(code.clone()));
        prop_assert_eq!(ECode::parse(&text.to_uppercase()), Ok(code.clone()));
        let mut other = text.clone().into_bytes();
        other[place] = byte;
        if let Ok(other) = String::from_utf8(other) {
            let same = other.eq_ignore_ascii_case(&text);
            prop_assert_eq!(ECode::parse(&other).as_ref() == Ok(&code), same);
        }
        prop_assert_eq!(ECode::parse(&text[1..]), Err(ParseError::ECode));
        prop_assert_eq!(ECode::parse(&format!("{text}a")), Err(ParseError::ECode));
    }

    #[test]
    fn parsing_an_ecode_never_panics(text in "\\PC{0,40}") {
        let _ = ECode::parse(&text);
    }
}

/// 26 base32 characters hold two bits more than 16 bytes. Only one of the four spellings is valid.
#[test]
fn an_ecode_has_one_spelling() {
    let good: Vec<char> = ('a'..='z')
        .chain('2'..='7')
        .filter(|last| ECode::parse(&format!("{}{last}", "a".repeat(25))).is_ok())
        .collect();
    assert_eq!(good, ['a', 'e', 'i', 'm', 'q', 'u', 'y', '4']);
}

const LAYOUT: &str = "https://a.b/{uid}/{ctr}/{mac}";

fn tap_of(file_key: &SdmFileReadKey, ctr: u32) -> String {
    let tag = Tag { lrp: false, meta_key: [0; 16], file_key: *file_key.expose_bytes(), uid: [4, 1, 2, 3, 4, 5, 6] };
    tag.write(LAYOUT, &Tap { ctr, padding: [0; 12], file_data: Vec::new(), tt: *b"CC" }).url
}

fn verify<'a>(layout: &'a SdmLayout, url: &'a str, key: &SdmFileReadKey) -> Result<VerifiedTap<'a>, VerifyError> {
    layout.parse(url).unwrap().read_plain()?.verify(&key.prepare(Scheme::Aes))
}

/// A tag that is set up again counts from 0. Taps saved in epoch 0 do not verify in epoch 1, and new taps are accepted.
#[test]
fn taps_of_epoch_0_are_refused_in_epoch_1() {
    let layout = SdmLayout::new(Scheme::Aes, LAYOUT).unwrap();
    let master = MasterKey::from_bytes([9; 16]);
    let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
    let mut counters = MemoryCounters::<8>::new();
    let keys = [0, 1].map(|epoch| an10922::derive_in_epoch(&master, uid, epoch, b"suffix").unwrap());
    let saved = tap_of(&keys[0], 100);
    let accepted = tap_of(&keys[0], 50);
    assert!(verify(&layout, &accepted, &keys[0]).unwrap().commit(&mut counters, None).is_ok());

    assert_eq!(verify(&layout, &saved, &keys[1]).map(|_| ()), Err(VerifyError::NotAuthentic));
    assert_eq!(verify(&layout, &accepted, &keys[1]).map(|_| ()), Err(VerifyError::NotAuthentic));
    let first = tap_of(&keys[1], 1);
    assert!(verify(&layout, &first, &keys[1]).unwrap().commit(&mut counters, None).is_ok());
    assert!(verify(&layout, &first, &keys[1]).unwrap().commit(&mut counters, None).is_err());

    // The key of epoch 0 is the key of AN10922 over UID || suffix.
    assert_eq!(an10922::derive(&master, &[uid.as_bytes(), b"suffix"]).as_ref(), Ok(&keys[0]));
    for epoch in [0, 1, u32::MAX] {
        assert!(an10922::derive_in_epoch(&master, uid, epoch, &[0; 24]).is_ok());
        assert!(an10922::derive_in_epoch(&master, uid, epoch, &[0; 25]).is_err());
    }
    // No suffix gives the key of another epoch.
    let one = an10922::derive_in_epoch(&master, uid, 1, b"x").unwrap();
    assert_ne!(an10922::derive_in_epoch(&master, uid, 0, &[0, 0, 0, 1, b'x']), Ok(one.clone()));
    assert_ne!(an10922::derive_in_epoch(&master, uid, 0, &[b'x', 0, 0, 0, 1]), Ok(one));
}

fn aes_cmac(key: &[u8; 16], message: &[u8]) -> [u8; 16] {
    use cmac::{KeyInit as _, Mac as _};
    let mut mac = cmac::Cmac::<aes::Aes128>::new(key.into());
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Keys and counter ids must not change, because they are in tags and databases. The expected values are computed from
/// the documentation with the `cmac` crate.
#[test]
fn epoch_keys_and_counter_ids_are_the_same_in_every_release() {
    let padded = |input: &[u8]| {
        let mut block = [&[0x01], input, &[0x80]].concat();
        block.resize(32, 0);
        block
    };
    // For inputs of 16 to 30 bytes, AN10922 equals the CMAC of the unpadded input.
    let (master, uid, suffix) = ([9; 16], [4, 1, 2, 3, 4, 5, 6], b"ten bytes!");
    let prepared = MasterKey::from_bytes(master);
    for epoch in [0u32, 1, 256, u32::MAX] {
        let of_epoch = if epoch == 0 {
            master
        } else {
            let input = [&b"suntap epoch"[..], &epoch.to_be_bytes()].concat();
            assert_eq!(padded(&input).len(), 32);
            aes_cmac(&master, &[&[0x01], &input[..]].concat())
        };
        let expected = aes_cmac(&of_epoch, &[&[0x01], &uid[..], suffix].concat());
        let key = an10922::derive_in_epoch(&prepared, Uid::from_bytes(uid), epoch, suffix).unwrap();
        assert_eq!(key.expose_bytes(), &expected, "{epoch}");
    }
    let key = SdmFileReadKey::from_bytes([7; 16]);
    let id = |uid: Option<[u8; 7]>| *key.prepare(Scheme::Aes).counter_id(uid.map(Uid::from_bytes)).as_bytes();
    assert_eq!(id(Some(uid)), aes_cmac(&[7; 16], &[&b"suntap\0\0\x01"[..], &uid].concat()));
    assert_eq!(id(None), aes_cmac(&[7; 16], &[&b"suntap\0\0"[..], &[0; 8]].concat()));
    assert_ne!(id(None), id(Some([0; 7])));
    // The counter id does not depend on the scheme.
    #[cfg(feature = "lrp")]
    assert_eq!(
        key.prepare(Scheme::Lrp).counter_id(Some(Uid::from_bytes(uid))).as_bytes(),
        &aes_cmac(&[7; 16], &[&b"suntap\0\0\x01"[..], &uid].concat())
    );
}

/// A new key gives a new counter id. With the old key, the stored counter is kept.
#[test]
fn the_counter_id_follows_the_key() {
    let layout = SdmLayout::new(Scheme::Aes, LAYOUT).unwrap();
    let uid = Some(Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]));
    let mut counters = MemoryCounters::<8>::new();
    let (old, new) = (SdmFileReadKey::from_bytes([1; 16]), SdmFileReadKey::from_bytes([2; 16]));
    let mut commit = |key: &SdmFileReadKey, ctr: u32| {
        let url = tap_of(key, ctr);
        verify(&layout, &url, key).unwrap().commit(&mut counters, None).map(|_| ())
    };
    assert_eq!(commit(&old, 50), Ok(()));
    // If the tag is set up again without a new key, the chip counts from 0, but the stored mark is kept.
    assert!(
        matches!(commit(&old, 1), Err(CommitError::Replayed { ctr, stored }) if (ctr.get(), stored.ctr.get()) == (1, 50))
    );
    assert_eq!(commit(&new, 1), Ok(()));
    assert!(commit(&new, 1).is_err());

    let ids = [
        old.prepare(Scheme::Aes).counter_id(uid),
        old.prepare(Scheme::Aes).counter_id(None),
        new.prepare(Scheme::Aes).counter_id(uid),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id), "{index}");
    }
}

/// When a card is programmed again, the chip counts from 0. The card keeps its ID, but its keys and its counter id
/// change.
#[test]
fn a_bolt_card_of_the_next_version_counts_from_0() {
    let issuer = IssuerKey::from_bytes([3; 16]);
    let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
    let layout = SdmLayout::new(Scheme::Aes, LAYOUT).unwrap();
    let mut counters = MemoryCounters::<8>::new();
    let keys = [0, 1].map(|version| boltcard::file_read_key(&issuer, uid, version));
    let saved = tap_of(&keys[0], 100);
    assert!(verify(&layout, &saved, &keys[0]).unwrap().commit(&mut counters, None).is_ok());
    assert_eq!(verify(&layout, &saved, &keys[1]).map(|_| ()), Err(VerifyError::NotAuthentic));
    let first = tap_of(&keys[1], 1);
    let fresh = verify(&layout, &first, &keys[1]).unwrap();
    assert_eq!(fresh.ctr(), SdmReadCtr::new(1).unwrap());
    assert!(fresh.commit(&mut counters, None).is_ok());
}

/// The tap of a Bolt Card is recorded in `docs/TEST_VECTORS.md` of boltcard/boltcard. Its keys were set by hand.
#[test]
fn a_recorded_bolt_card_tap_verifies() {
    let layout = SdmLayout::new(Scheme::Aes, "lnurlw://card.example.com?p={picc:uid,ctr}&c={mac}").unwrap();
    let meta_key = SdmMetaReadKey::from_hex("0c3b25d92b38ae443229dd59ad34b85d").unwrap().prepare(Scheme::Aes);
    let file_key = SdmFileReadKey::from_hex("b45775776cb224c75bcde7ca3704e933").unwrap().prepare(Scheme::Aes);
    let url = "lnurlw://card.example.com?p=4E2E289D945A66BB13377A728884E867&c=E19CCB1FED8892CE";
    let verified = layout.parse(url).unwrap().open(&meta_key).unwrap().verify(&file_key).unwrap();
    assert_eq!((verified.uid(), verified.ctr().get()), (Uid::from_hex("04996C6A926980").ok(), 3));
}

#[cfg(feature = "sdm-backend")]
mod sdm_backend {
    use suntap::kdf::sdm_backend::Master;

    use super::{SdmFileReadKey, SdmMetaReadKey, Uid};

    /// As in sdm-backend, a master key of 16 zero bytes gives the keys of a new chip, and no other master key does.
    #[test]
    fn an_sdm_backend_master_of_zeros_gives_factory_keys() {
        let uid = Uid::from_bytes([4, 1, 2, 3, 4, 5, 6]);
        for master in [Master::standard, Master::legacy] {
            let factory = master(&[0; 16]).unwrap();
            assert_eq!(factory.meta_read_key(), SdmMetaReadKey::FACTORY);
            assert_eq!(factory.file_read_key(uid), SdmFileReadKey::FACTORY);
            let longer = master(&[0; 32]).unwrap();
            assert_ne!(longer.meta_read_key(), SdmMetaReadKey::FACTORY);
            for len in [0, 15, 17, 31, 33, 64] {
                assert!(master(&vec![1; len]).is_none(), "{len}");
            }
        }
        let standard = Master::standard(&[1; 16]).unwrap();
        assert_eq!(standard.shared_application_key(0), None);
        assert!(!format!("{standard:?}").contains("1, 1"));
    }
}
